//! The table, held against what clients were recorded to send.

use std::{collections::BTreeMap, fs, path::Path};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use serde::Deserialize;
use serde_json::Value;

use super::{
    guard::Guard,
    table::{self, Header, HeaderBecomes, Names},
    tests::{doors, face, seal, text},
    *,
};
use crate::{
    admit::{Limits, admit},
    config::{Action, GuardConfig},
    dialect::Dialect,
    read,
};

#[test]
fn every_header_and_member_that_was_recorded_is_known() {
    let mut unknown = Vec::new();
    for corpus in corpora() {
        for request in &corpus.requests {
            for name in request.headers.keys() {
                if table::header(name).is_none() {
                    unknown.push(format!(
                        "{}: the header `{name}` has no line in HEADERS",
                        corpus.client
                    ));
                }
            }
            let dialect = request.dialect();
            for member in request.body.as_object().into_iter().flatten() {
                let name = member.0.as_str();
                if !replaced(dialect).any(|known| known == name) && !kept(dialect, name) {
                    unknown.push(format!(
                        "{}: the member `{name}` ({}) has no line in MEMBERS and is not in KEPT",
                        corpus.client,
                        dialect.name()
                    ));
                }
            }
        }
    }
    unknown.sort();
    unknown.dedup();
    assert!(
        unknown.is_empty(),
        "{}\nDecide for each: does it tell a person, a device, a path, an installation, a session? \
         Then proxy/src/scrub/table.rs says what becomes of it; a member that tells nothing goes \
         into KEPT here.",
        unknown.join("\n")
    );
}

#[expect(clippy::print_stdout, reason = "a promise shows its figure")]
#[test]
fn prv_08_nothing_that_a_recorded_client_says_of_its_member_leaves() {
    let (mut sent, mut looked_for) = (0, 0);
    let corpora = corpora();
    for corpus in &corpora {
        for request in corpus.requests.iter().filter(|it| it.method == "POST") {
            let (headers, body) = request.leaves();

            let naming = request.naming();
            let canaries = corpus.canaries.values();
            for value in canaries.chain(&naming) {
                let what = format!("{}: {value} leaves", corpus.client);
                assert!(!body.contains(value.as_str()), "{what} in the body");
                for (name, kept) in &headers {
                    let kept = kept.to_str().unwrap();
                    assert!(!kept.contains(value.as_str()), "{what} in {name}");
                }
            }
            for name in headers.keys() {
                let row = table::header(name.as_str()).unwrap();
                assert_ne!(
                    row.becomes,
                    HeaderBecomes::Nothing,
                    "{}: {name}",
                    corpus.client
                );
            }
            looked_for += naming.len() + corpus.canaries.len();
            sent += 1;
        }
    }
    println!(
        "{} clients: {sent} requests as they leave, {looked_for} values looked for, 0 found",
        corpora.len()
    );
    assert!(corpora.len() >= 8 && sent >= 16 && looked_for >= 100);
}

#[test]
fn a_recorded_request_leaves_as_it_came_but_for_what_the_table_says() {
    for corpus in corpora() {
        for request in corpus.requests.iter().filter(|it| it.method == "POST") {
            let (_, body) = request.leaves();
            let left: Value = serde_json::from_str(&body).unwrap();
            let dialect = request.dialect();
            for (name, came) in request.body.as_object().unwrap() {
                if replaced(dialect).any(|known| known == name) {
                    continue;
                }
                // What a client writes of its member into a prompt is the guard's.
                if *came.to_string() != *without_canaries(came, &corpus.canaries) {
                    continue;
                }
                assert_eq!(&left[name], came, "{}: {name}", corpus.client);
            }
        }
    }
}

/// The table has a header once, and what begins so after what is spelled out.
#[test]
fn every_line_of_the_table_is_reached() {
    for row in table::HEADERS {
        let name = row.name.replace('*', "anything");
        let found = table::header(&name).unwrap();
        assert!(
            std::ptr::eq(found, row),
            "{} hides {}",
            found.name,
            row.name
        );
    }
}

fn replaced(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    let members = table::members(dialect).map(|row| row.field.name());
    let places = table::PLACES.iter().map(|row| row.spot.name());
    let is_gemini = dialect == Dialect::Gemini;
    members.chain(places.filter(move |_| is_gemini))
}

fn kept(dialect: Dialect, name: &str) -> bool {
    let lists = KEPT.iter().filter(|(of, _)| *of == dialect);
    lists.flat_map(|(_, names)| *names).any(|it| *it == name)
}

fn without_canaries(value: &Value, canaries: &BTreeMap<String, String>) -> String {
    let mut text = value.to_string();
    for canary in canaries.values() {
        text = text.replace(canary.as_str(), "");
    }
    text
}

#[derive(Deserialize)]
struct Corpus {
    client: String,
    canaries: BTreeMap<String, String>,
    requests: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    method: String,
    target: String,
    headers: BTreeMap<String, Vec<String>>,
    body: Value,
}

impl Recorded {
    fn dialect(&self) -> Dialect {
        if self.target.contains(':') {
            return Dialect::Gemini;
        }
        match self.target.split(['?', '/']).nth(2) {
            Some("messages") => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }

    /// What a provider would be sent: every header, and the body.
    fn leaves(&self) -> (HeaderMap, String) {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.parse().unwrap();
        for (name, values) in &self.headers {
            let name = HeaderName::try_from(name).unwrap();
            for value in values {
                let value = HeaderValue::try_from(value).unwrap();
                request.headers_mut().append(name.clone(), value);
            }
        }
        // The body is another one than was measured, and the key in a cookie's place is the test's.
        request.headers_mut().remove(header::CONTENT_LENGTH);
        let head = admit(&request.into_parts().0, &Limits::default())
            .unwrap_or_else(|refused| panic!("{}: {refused}", self.target));
        let call = head.split().1;
        let asked = read::read(call, self.body.to_string().into()).unwrap();
        let guard = Guard::new(GuardConfig {
            git_user: Action::Redact,
            email: Action::Redact,
            home: Action::Redact,
        });
        let (edits, _) = guard.look(asked.body()).unwrap();
        let draft = Draft::of(asked, vec![face()], &seal(), edits);
        let letter = draft.seal(0, &doors(&serde_json::json!({}), "m")).unwrap();
        let body = text(&letter);
        (letter.headers, body)
    }

    /// What stands where the table says that somebody is named.
    fn naming(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, values) in &self.headers {
            if table::header(name).is_some_and(tells) {
                for value in values {
                    texts(&Value::String(value.clone()), &mut found);
                }
            }
        }
        let dialect = self.dialect();
        let members = table::members(dialect).filter(|row| row.names != Names::Nothing);
        for row in members {
            texts(&self.body[row.field.name()], &mut found);
        }
        if dialect == Dialect::Gemini {
            texts(&self.body["labels"], &mut found);
        }
        found.retain(|it| it.len() >= 8);
        found
    }
}

/// Headers whose words are nobody else's: the name of a system may stand in any prompt.
fn tells(row: &Header) -> bool {
    let own = [
        Names::Person,
        Names::Path,
        Names::Installation,
        Names::Session,
        Names::Credential,
    ];
    own.contains(&row.names)
}

/// Every text in `value`, and in documents within texts.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => texts(&inner, found),
            _ => found.push(text.clone()),
        },
        Value::Array(values) => values.iter().for_each(|it| texts(it, found)),
        Value::Object(members) => {
            for (key, value) in members {
                // A path is a key where workspaces are listed.
                if key.contains('/') {
                    found.push(key.clone());
                }
                texts(value, found);
            }
        }
        _ => {}
    }
}

fn corpora() -> Vec<Corpus> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|it| it.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    files.iter().map(read).collect()
}

/// Members of recorded bodies that were looked at and tell nobody, or are the conversation itself.
const KEPT: &[(Dialect, &[&str])] = &[
    (
        Dialect::Anthropic,
        &[
            "context_management",
            "max_tokens",
            "messages",
            "output_config",
            "stream",
            "system",
            "thinking",
            "tool_choice",
            "tools",
        ],
    ),
    (
        Dialect::OpenAi,
        &[
            "include",
            "input",
            "instructions",
            "messages",
            "parallel_tool_calls",
            "reasoning",
            "store",
            "stream",
            "text",
            "tool_choice",
            "tools",
        ],
    ),
    (
        Dialect::Gemini,
        &[
            "contents",
            "generationConfig",
            "systemInstruction",
            "toolConfig",
            "tools",
        ],
    ),
];

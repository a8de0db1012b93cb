//! What the pinned clients send, held against what is known of it.
//!
//! Each client is run against the simulated provider with no gateway between, in a home full of
//! canaries. What it sends has to be in `proxy/tests/corpus`: another header or member is a decision
//! that somebody has to make, and the test says which. The same run records the corpus anew when
//! `BAUTA_BLESS` is set, which `tests/tools/record` does; the test beside the scrubber
//! (`proxy/src/scrub/corpus.rs`) then says what the scrubber's table lacks.

mod plain;
mod shape;

use std::{
    collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command,
};

use bauta_sandbox::{Options, Request, Sandbox};
use bauta_tests::{root, tool};
use serde_json::{Value, json};

use self::{plain::Plain, shape::Shape};
use crate::desk::{CANARIES, Desk, answering, calling, packages, run};

#[tokio::test(flavor = "multi_thread")]
async fn claude_code_sends_nothing_that_the_corpus_does_not_know() {
    hold("claude-code").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_sends_nothing_that_the_corpus_does_not_know() {
    hold("codex").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gemini_cli_sends_nothing_that_the_corpus_does_not_know() {
    hold("gemini-cli").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_for_javascript_send_nothing_that_the_corpus_does_not_know() {
    hold("anthropic-js").await;
    hold("openai-js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_for_python_send_nothing_that_the_corpus_does_not_know() {
    hold("anthropic-python").await;
    hold("openai-python").await;
    hold("google-genai-python").await;
}

#[test]
fn the_corpus_is_of_the_clients_that_are_pinned() {
    let npm = fs::read_to_string(root().join("tests/tools/clients/package.json")).unwrap();
    let npm: Value = serde_json::from_str(&npm).unwrap();
    let python = fs::read_to_string(root().join("tests/tools/python.txt")).unwrap();
    for client in &CLIENTS {
        let kept = client.kept();
        let pinned = match client.of {
            Of::Npm => npm["dependencies"][client.package].as_str(),
            Of::Python => python
                .lines()
                .find_map(|line| line.strip_prefix(client.package)?.strip_prefix("==")),
        };

        assert_eq!(
            kept["version"].as_str(),
            pinned,
            "{} is pinned at another version than it was recorded at: record it anew with \
             `tests/run --full corpus` and read what changed",
            client.name
        );
    }
}

/// A shape with one header and one member more is noticed, by name.
#[test]
fn what_is_new_is_named_with_what_to_decide() {
    let client = &CLIENTS[0];
    let known = Shape::of_corpus(&client.kept());
    let mut live = known.clone();
    live.headers.insert("x-heard-of-by-nobody".to_owned());
    live.members.insert("metadata.laptop".to_owned());

    let news = live.news(&known).join("\n");

    assert!(news.contains("header `x-heard-of-by-nobody`"), "{news}");
    assert!(news.contains("member `metadata.laptop`"), "{news}");
    assert_eq!(news.lines().count(), 2, "{news}");
    assert!(known.news(&live).is_empty(), "what is gone is no news");
}

/// Runs a client and says what is new. `BAUTA_CORPUS_RUNS` times: what is sent now and then only
/// may be missed by a single run.
async fn hold(file: &str) {
    let client = CLIENTS.iter().find(|it| it.file == file).unwrap();
    let runs = std::env::var("BAUTA_CORPUS_RUNS").map_or(1, |n| n.parse().unwrap());
    for round in 0..runs {
        let (requests, desk) = session(client.file).await;
        let live = Shape::of(&requests);
        if round == 0 && std::env::var_os("BAUTA_BLESS").is_some() {
            let mut plain = Plain::new(&desk);
            let file = client.document(&requests, &mut plain);
            let text = serde_json::to_string_pretty(&file).unwrap() + "\n";
            fs::write(client.path(), text).unwrap();
        }
        let known = Shape::of_corpus(&client.kept());

        let news = live.news(&known);

        println!(
            "{} {}: {} requests, {} headers, {} members",
            client.name,
            client.version(),
            requests.len(),
            live.headers.len(),
            live.members.len()
        );
        assert!(
            news.is_empty(),
            "{} {} sends what {} does not have:\n{}\n\
             Decide for each: does it tell a person, a device, a path, an installation, a session? \
             Then it gets a line in proxy/src/scrub/table.rs that says what becomes of it. A header \
             stays here until it has one, a member goes on until it has one. Does it tell nothing? \
             Then its name goes into KEPT of proxy/src/scrub/corpus.rs. Last, record anew: \
             `tests/run --full corpus`.",
            client.name,
            client.version(),
            client.path().display(),
            news.join("\n")
        );
    }
}

/// What a client sent to its provider while it called a tool and told the result, and where.
async fn session(file: &str) -> (Vec<Request>, Desk) {
    let mut options = Options {
        seed: 7,
        ..Options::default()
    };
    // Whatever model a client has built in.
    for provider in [
        &mut options.anthropic,
        &mut options.openai,
        &mut options.gemini,
    ] {
        provider.models.clear();
    }
    let sandbox = Sandbox::start(options).unwrap();
    let (anthropic, openai, gemini) = (&sandbox.anthropic, &sandbox.openai, &sandbox.gemini);
    let desk = Desk::new();
    let place = json!({ "place": "Venice" });
    let requests = match file {
        "claude-code" => {
            anthropic.reply_next(calling("Bash", &json!({ "command": "cat notes.txt" })));
            anthropic.reply_next(answering());
            run(desk.claude(&anthropic.url(), KEY)).await;
            anthropic.requests()
        }
        "codex" => {
            openai.reply_next(calling("exec_command", &json!({ "cmd": "cat notes.txt" })));
            openai.reply_next(answering());
            let helper = desk.home.join("helper");
            fs::write(&helper, format!("#!/bin/sh\necho {KEY}\n")).unwrap();
            fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).unwrap();
            run(desk.codex_by_helper(&openai.url(), &helper, "gpt-5.2")).await;
            openai.requests()
        }
        "gemini-cli" => {
            gemini.reply_next(calling("read_file", &json!({ "file_path": "notes.txt" })));
            gemini.reply_next(answering());
            run(desk.gemini(&gemini.url(), KEY, "gemini-3-pro")).await;
            gemini.requests()
        }
        "anthropic-js" | "anthropic-python" => {
            for _ in 0..2 {
                anthropic.reply_next(calling("look", &place));
                anthropic.reply_next(answering());
            }
            let (url, model) = (anthropic.url(), "claude-opus-4-8");
            run(match file {
                "anthropic-js" => desk.javascript("anthropic", &url, KEY, model),
                _ => desk.python("anthropic", &url, KEY, model),
            })
            .await;
            anthropic.requests()
        }
        "openai-js" | "openai-python" => {
            for _ in 0..3 {
                openai.reply_next(calling("look", &place));
                openai.reply_next(answering());
            }
            let (url, model) = (openai.url(), "gpt-5.2");
            run(match file {
                "openai-js" => desk.javascript("openai", &url, KEY, model),
                _ => desk.python("openai", &url, KEY, model),
            })
            .await;
            openai.requests()
        }
        _ => {
            for _ in 0..2 {
                gemini.reply_next(calling("look", &place));
                gemini.reply_next(answering());
            }
            run(desk.python("gemini", &gemini.url(), KEY, "gemini-3-pro")).await;
            gemini.requests()
        }
    };
    assert!(
        requests.len() >= 2,
        "a tool was called, and its result told"
    );
    sandbox.shutdown().await;
    (requests, desk)
}

/// A client of the corpus.
struct Client {
    /// Its file, without `.json`.
    file: &'static str,
    name: &'static str,
    package: &'static str,
    of: Of,
    /// How it was started.
    how: &'static str,
}

/// Where a package is from.
enum Of {
    Npm,
    Python,
}

impl Client {
    fn path(&self) -> PathBuf {
        let file = format!("proxy/tests/corpus/{}.json", self.file);
        root().join(file)
    }

    /// What was recorded of it.
    fn kept(&self) -> Value {
        let text = fs::read_to_string(self.path());
        let text = text.unwrap_or_else(|_| {
            panic!("{} was never recorded; tests/run --full corpus", self.name)
        });
        serde_json::from_str(&text).unwrap()
    }

    /// The version that is installed.
    fn version(&self) -> String {
        match self.of {
            Of::Npm => {
                let file = packages().join(self.package).join("package.json");
                let said: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
                said["version"].as_str().unwrap().to_owned()
            }
            Of::Python => {
                let ask = format!(
                    "import importlib.metadata as m; print(m.version({:?}))",
                    self.package
                );
                said(Command::new(tool("BAUTA_TEST_PYTHON", "python3")).args(["-c", &ask]))
            }
        }
    }

    /// The recording, as it is committed.
    fn document(&self, requests: &[Request], plain: &mut Plain) -> Value {
        let shape = Shape::of(requests);
        let today = said(Command::new("date").args(["-u", "+%F"]));
        let requests: Vec<Value> = requests.iter().map(|it| plain.request(it)).collect();
        let canaries: serde_json::Map<_, _> = CANARIES
            .iter()
            .map(|(what, value)| ((*what).to_owned(), json!(value)))
            .collect();
        json!({
            "client": self.name,
            "package": self.package,
            "version": self.version(),
            "recorded": today,
            "how": format!(
                "{}, against the simulated provider with no gateway between (tests/tools/record). \
                 Ids are numbered, texts cut to what is around a canary, schemas emptied.",
                self.how
            ),
            "canaries": canaries,
            "members": shape.members,
            "requests": requests,
        })
    }
}

fn said(command: &mut Command) -> String {
    let done = command.output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Every name in `names` that is not in `known`.
fn beyond<'a>(names: &'a BTreeSet<String>, known: &'a BTreeSet<String>) -> Vec<&'a String> {
    names.difference(known).collect()
}

const KEY: &str = "sk-canary-of-the-recording-0123456789";

const CLIENTS: [Client; 8] = [
    Client {
        file: "claude-code",
        name: "Claude Code",
        package: "@anthropic-ai/claude-code",
        of: Of::Npm,
        how: "claude -p, streaming, one call of Bash",
    },
    Client {
        file: "codex",
        name: "Codex",
        package: "@openai/codex",
        of: Of::Npm,
        how: "codex exec, its token from a program, one call of exec_command",
    },
    Client {
        file: "gemini-cli",
        name: "Gemini CLI",
        package: "@google/gemini-cli",
        of: Of::Npm,
        how: "gemini -p, one call of read_file",
    },
    Client {
        file: "anthropic-js",
        name: "Anthropic SDK for JavaScript",
        package: "@anthropic-ai/sdk",
        of: Of::Npm,
        how: "tests/clients/talk.mjs anthropic",
    },
    Client {
        file: "openai-js",
        name: "OpenAI SDK for JavaScript",
        package: "openai",
        of: Of::Npm,
        how: "tests/clients/talk.mjs openai",
    },
    Client {
        file: "anthropic-python",
        name: "Anthropic SDK for Python",
        package: "anthropic",
        of: Of::Python,
        how: "tests/clients/talk.py anthropic",
    },
    Client {
        file: "openai-python",
        name: "OpenAI SDK for Python",
        package: "openai",
        of: Of::Python,
        how: "tests/clients/talk.py openai",
    },
    Client {
        file: "google-genai-python",
        name: "google-genai for Python",
        package: "google-genai",
        of: Of::Python,
        how: "tests/clients/talk.py gemini",
    },
];

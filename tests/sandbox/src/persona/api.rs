//! The API under `/api/v1`.

mod inquiries;

use super::evidence::{Decision, Evidence};
use super::inflect::Inflection;
use super::refusal::{bad, error, missing, too_many, unauthorized};
use super::verification::Kind;
use super::{ApiKey, Book, Office, Persona, Redaction, blocklist};
use crate::answer::Answer;
use crate::request::Request;
use http::{Method, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

/// The first answer under an idempotency key.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    asked: Vec<u8>,
    answer: Answer,
    at_ms: i64,
}

/// The requests of one key in the minute that began at `from_s`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    from_s: i64,
    count: u32,
}

/// What a handler found, before it is cut and spelt for the key.
struct Found {
    status: StatusCode,
    data: Value,
    meta: Option<Value>,
    included: Option<Vec<Value>>,
}

impl Found {
    fn ok(data: Value) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            meta: None,
            included: None,
        }
    }
}

type Outcome = Result<Found, Answer>;

/// The answer to an API request. Authentication and rate limit come before a replay, a replay before
/// the script: that is the order of the real one.
pub(super) fn answer(
    office: &Office,
    request: &Request,
    path: &[&str],
    scripted: Option<Answer>,
) -> Answer {
    let id = office.seed.name("req_");
    let mut book = office.lock();
    let book = &mut *book;
    let bearer = request.bearer().unwrap_or_default();
    let Some(key) = book.keys.iter().find(|key| key.secret == bearer).cloned() else {
        return unauthorized().with("request-id", &id);
    };
    let (left, reset_s) = spend(office, book, &key);
    let answer = match left {
        None => too_many(),
        Some(_) => conduct(office, book, &key, request, path, scripted),
    };
    let left = left.unwrap_or(0).to_string();
    let answer = limits(
        answer,
        &office.requests_per_minute.to_string(),
        &left,
        reset_s,
    );
    answer.with("request-id", &id)
}

/// Counts the request. Gives how many are left in this minute, `None` when it was one too many, and
/// the seconds until the next.
fn spend(office: &Office, book: &mut Book, key: &ApiKey) -> (Option<u32>, i64) {
    let now_s = office.clock.now_s();
    let window = book.windows.entry(key.secret.clone()).or_default();
    if now_s.saturating_sub(window.from_s) >= 60 {
        *window = Window {
            from_s: now_s,
            count: 0,
        };
    }
    window.count = window.count.saturating_add(1);
    let reset_s = window.from_s.saturating_add(60).saturating_sub(now_s);
    (
        office.requests_per_minute.checked_sub(window.count),
        reset_s,
    )
}

fn limits(answer: Answer, limit: &str, left: &str, reset_s: i64) -> Answer {
    let reset = reset_s.to_string();
    let usual = [
        ("ratelimit-limit", limit),
        ("ratelimit-remaining", left),
        ("ratelimit-reset", &reset),
        ("quota-limit", "100000"),
        ("quota-remaining", "99999"),
        ("quota-reset", "86400"),
    ];
    usual.into_iter().fold(answer, |answer, (name, value)| {
        // A scripted refusal may have said something else.
        if answer.headers.contains_key(name) {
            answer
        } else {
            answer.with(name, value)
        }
    })
}

fn conduct(
    office: &Office,
    book: &mut Book,
    key: &ApiKey,
    request: &Request,
    path: &[&str],
    scripted: Option<Answer>,
) -> Answer {
    if let Some(early) = scripted
        .as_ref()
        .filter(|answer| [401, 429].contains(&answer.status.as_u16()))
    {
        return early.clone();
    }
    let inflection = match headers(request) {
        Ok(inflection) => inflection,
        Err(refusal) => return refusal,
    };
    let once = request
        .header("idempotency-key")
        .filter(|_| request.method == Method::POST)
        .map(|name| format!("{}/{name}", key.secret));
    let asked = fingerprint(request);
    let now_ms = office.clock.now_ms();
    if let Some(name) = &once
        && let Some(first) = book
            .replays
            .get(name)
            .filter(|first| now_ms.saturating_sub(first.at_ms) < DAY_MS)
    {
        return if first.asked == asked {
            first.answer.clone()
        } else {
            error(
                409,
                "Conflict",
                "The idempotency key was used with other parameters.",
            )
        };
    }
    let answer = scripted.unwrap_or_else(|| match route(office, book, key, request, path) {
        Ok(found) => shown(key, inflection, found),
        Err(refusal) => refusal,
    });
    if let Some(name) = once {
        let first = Replay {
            asked,
            answer: answer.clone(),
            at_ms: now_ms,
        };
        book.replays.insert(name, first);
    }
    answer
}

fn headers(request: &Request) -> Result<Inflection, Answer> {
    let version = request.header("persona-version");
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        return Err(bad("Persona-Version is missing or not a known version."));
    }
    request
        .header("key-inflection")
        .and_then(Inflection::parse)
        .ok_or_else(|| bad("Key-Inflection must be kebab, camel or snake."))
}

fn fingerprint(request: &Request) -> Vec<u8> {
    let mut all = request.target.clone().into_bytes();
    all.push(0);
    all.extend_from_slice(&request.body);
    digest(&SHA256, &all).as_ref().to_vec()
}

fn shown(key: &ApiKey, inflection: Inflection, mut found: Found) -> Answer {
    blocklist::cut(&key.blocklist, &mut found.data);
    let mut document = Map::from_iter([("data".to_owned(), found.data)]);
    if let Some(mut included) = found.included {
        for object in &mut included {
            blocklist::cut(&key.blocklist, object);
        }
        document.insert("included".to_owned(), json!(included));
    }
    if let Some(meta) = found.meta {
        document.insert("meta".to_owned(), meta);
    }
    Answer::json(found.status, &inflection.spell(Value::Object(document)))
}

fn route(
    office: &Office,
    book: &mut Book,
    key: &ApiKey,
    request: &Request,
    path: &[&str],
) -> Outcome {
    let get = request.method == Method::GET;
    let verb = if get { "read" } else { "write" };
    let subject = match path.first() {
        Some(&"inquiries") => "inquiry",
        Some(&"verifications" | &"verification") => "verification",
        Some(&"events") => "event",
        _ => return Err(missing()),
    };
    let needed = format!("{subject}.{verb}");
    if !key.permissions.is_empty() && !key.permissions.contains(&needed) {
        return Err(error(
            403,
            "Forbidden",
            &format!("The API key lacks the permission {needed}."),
        ));
    }
    let side = key.environment();
    match (&request.method, path) {
        (&Method::POST, ["inquiries"]) => inquiries::create(office, book, side, request),
        (_, ["inquiries", id, rest @ ..]) => {
            let ours = book
                .inquiries
                .get(*id)
                .is_some_and(|inquiry| inquiry.environment == side);
            if !ours {
                return Err(missing());
            }
            inquiries::inquiry(office, book, id, request, rest)
        }
        (_, ["verifications", id] | ["verification", _, id]) => {
            let known = book
                .verifications
                .get(*id)
                .filter(|known| known.environment == side);
            let kind = match path {
                ["verification", kind, _] => Some(*kind),
                _ => None,
            };
            let fits =
                known.is_some_and(|known| kind.is_none_or(|kind| collection(known.kind) == kind));
            if !fits {
                return Err(missing());
            }
            verification(office, book, id, &request.method)
        }
        (&Method::GET, ["events", id]) => {
            let event = book
                .events
                .iter()
                .find(|event| event.id == *id && event.environment() == side);
            let document = event.map(|event| event.document(&[])).ok_or_else(missing)?;
            Ok(Found::ok(document.get("data").cloned().unwrap_or_default()))
        }
        _ => Err(missing()),
    }
}

fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::GovernmentId => "government-ids",
        Kind::Selfie => "selfies",
    }
}

fn verification(office: &Office, book: &mut Book, id: &str, method: &Method) -> Outcome {
    let limit = match office.redaction {
        Redaction::AfterGets(limit) => limit,
        Redaction::OnSettle => u32::MAX,
    };
    let known = book.verifications.get_mut(id).ok_or_else(missing)?;
    let due = known.doomed && known.reads >= limit;
    match *method {
        Method::GET if !due => known.reads = known.reads.saturating_add(u32::from(known.doomed)),
        Method::GET | Method::DELETE => office.redact_verification(book, id),
        _ => return Err(missing()),
    }
    let known = book.verifications.get(id).ok_or_else(missing)?;
    Ok(Found::ok(known.document()))
}

impl Persona {
    /// How many accounts were made: lasting records that gather every inquiry of one person.
    #[must_use]
    pub fn accounts(&self) -> usize {
        let book = self.state.lock();
        let mut all: Vec<&String> = book
            .inquiries
            .values()
            .filter_map(|inquiry| inquiry.account.as_ref())
            .collect();
        all.sort();
        all.dedup();
        all.len()
    }
}

impl Office {
    /// What a choice on the page stands for.
    pub(super) fn chosen(
        &self,
        decision: &str,
        evidence: &str,
    ) -> Option<(Decision, Option<Evidence>)> {
        let now_ms = self.clock.now_ms();
        let decision = match decision {
            "approve" => Decision::Approve,
            "decline" => Decision::Decline,
            "review" => Decision::NeedsReview,
            _ => return None,
        };
        let evidence = match evidence {
            "minor" => Some(Evidence::minor(now_ms)),
            "expired" => Some(Evidence::expired(now_ms)),
            "licence" => Some(Evidence::without_nationality(now_ms)),
            "face" => Some(Evidence::other_face(now_ms)),
            _ => None,
        };
        Some((decision, evidence))
    }
}

const VERSIONS: [&str; 8] = [
    "2020-05-18",
    "2021-05-14",
    "2021-07-05",
    "2022-09-01",
    "2023-01-05",
    "2025-10-27",
    "2025-12-08",
    "2026-09-29",
];
const DAY_MS: i64 = 86_400_000;

//! The API under `/api/v1`.

use super::evidence::{Decision, Evidence, IP_ADDRESS, USER_AGENT};
use super::inflect::{Inflection, kebab};
use super::inquiry::Inquiry;
use super::refusal::{bad, error, missing, too_many, unauthorized, unprocessable};
use super::verification::{Kind, Verification};
use super::{ApiKey, Book, Environment, Office, Persona, Redaction, blocklist};
use crate::answer::Answer;
use crate::clock::rfc3339;
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
        (&Method::POST, ["inquiries"]) => create(office, book, side, request),
        (_, ["inquiries", id, rest @ ..]) => {
            let ours = book
                .inquiries
                .get(*id)
                .is_some_and(|inquiry| inquiry.environment == side);
            if !ours {
                return Err(missing());
            }
            inquiry(office, book, id, request, rest)
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

fn inquiry(
    office: &Office,
    book: &mut Book,
    id: &str,
    request: &Request,
    rest: &[&str],
) -> Outcome {
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let included = include(book, id, request);
            Ok(Found {
                included,
                ..show(book, id)?
            })
        }
        (&Method::DELETE, []) => {
            office.redact_inquiry(book, id);
            show(book, id)
        }
        (&Method::POST, ["generate-one-time-link"]) => link(office, book, id, request),
        (&Method::POST, ["resume"]) => resume(office, book, id),
        (&Method::POST, ["perform-simulate-actions"]) => simulate(office, book, id, request),
        _ => Err(missing()),
    }
}

fn show(book: &Book, id: &str) -> Outcome {
    let inquiry = book.inquiries.get(id).ok_or_else(missing)?;
    Ok(Found::ok(inquiry.document()))
}

/// Related objects that the request asks for. Sessions tell where a person sat and with what.
fn include(book: &Book, id: &str, request: &Request) -> Option<Vec<Value>> {
    let wanted = request.query()?.remove("include")?;
    let inquiry = book.inquiries.get(id)?;
    let mut out = Vec::new();
    for path in wanted.split(',') {
        match path {
            "verifications" => {
                let known = inquiry
                    .verifications
                    .iter()
                    .filter_map(|id| book.verifications.get(id));
                out.extend(known.map(Verification::document));
            }
            "sessions" => out.push(json!({
                "type": "inquiry-session",
                "id": format!("iqse_{id}"),
                "attributes": {
                    "status": "expired",
                    "created-at": rfc3339(inquiry.created_ms),
                    "ip-address": IP_ADDRESS,
                    "user-agent": USER_AGENT,
                    "country-code": "NL",
                    "latitude": 52.0115,
                    "longitude": 4.7105,
                },
            })),
            _ => {}
        }
    }
    Some(out)
}

fn create(
    office: &Office,
    book: &mut Book,
    environment: Environment,
    request: &Request,
) -> Outcome {
    let asked = kebab(request.json().ok_or_else(|| bad("The body is not JSON."))?);
    let attributes = asked.pointer("/data/attributes").and_then(Value::as_object);
    let attributes =
        attributes.ok_or_else(|| bad("param is missing or the value is empty: data"))?;
    let meta = asked.get("meta").and_then(Value::as_object);
    let text = |name: &str| {
        attributes
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let number = |name: &str| attributes.get(name).and_then(Value::as_i64);
    let reference = meta
        .and_then(|meta| meta.get("auto-create-account-reference-id"))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .or_else(|| text("reference-id"));
    let account = account(office, book, meta, reference.as_deref());
    let redirect_uri = text("redirect-uri");
    if redirect_uri
        .as_deref()
        .is_some_and(|uri| url::Url::parse(uri).is_err())
    {
        return Err(unprocessable(
            "Redirect uri is invalid",
            "/data/attributes/redirect-uri",
        ));
    }
    let template = template(office, attributes)?;
    let now_ms = office.clock.now_ms();
    let life_s = number("expiration-after-create-interval-seconds").unwrap_or(DAY_S);
    let inquiry = Inquiry {
        id: office.seed.name(&book.inquiry_prefix),
        order: book.inquiries.len(),
        environment,
        template,
        reference,
        account,
        redirect_uri,
        status: "created".to_owned(),
        fields: fields(attributes),
        verifications: Vec::new(),
        sessions: 0,
        link_s: number("one-time-link-expiration-seconds").unwrap_or(DAY_S),
        start_s: number("expiration-after-start-interval-seconds"),
        resume_s: number("expiration-after-resume-interval-seconds").unwrap_or(DAY_S),
        created_ms: now_ms,
        expires_ms: now_ms.saturating_add(life_s.saturating_mul(1000)),
        started_ms: None,
        completed_ms: None,
        failed_ms: None,
        expired_ms: None,
        marked_ms: None,
        decisioned_ms: None,
        redacted_ms: None,
    };
    let id = inquiry.id.clone();
    book.inquiries.insert(id.clone(), inquiry);
    office.tell_inquiry(book, &id, "inquiry.created");
    Ok(Found {
        status: StatusCode::CREATED,
        ..show(book, &id)?
    })
}

/// Exactly one template, of a kind that its prefix tells.
fn template(
    office: &Office,
    attributes: &Map<String, Value>,
) -> Result<(&'static str, String), Answer> {
    let kinds = [
        ("inquiry-template-id", "inquiry-template", "itmpl_"),
        (
            "inquiry-template-version-id",
            "inquiry-template-version",
            "itmplv_",
        ),
        ("template-id", "template", "tmpl_"),
    ];
    let mut given = kinds.iter().filter_map(|(name, kind, prefix)| {
        Some((name, *kind, *prefix, attributes.get(*name)?.as_str()?))
    });
    let (Some((name, kind, prefix, id)), None) = (given.next(), given.next()) else {
        return Err(bad(
            "Exactly one of inquiry-template-id, inquiry-template-version-id and template-id is needed.",
        ));
    };
    let known = office.templates.is_empty() || office.templates.iter().any(|known| known == id);
    if !id.starts_with(prefix) || !known {
        return Err(unprocessable(
            "Template must exist",
            &format!("/data/attributes/{name}"),
        ));
    }
    Ok((kind, id.to_owned()))
}

/// The account that gathers all inquiries of one reference, unless it was declined.
fn account(
    office: &Office,
    book: &Book,
    meta: Option<&Map<String, Value>>,
    reference: Option<&str>,
) -> Option<String> {
    let declined = meta.and_then(|meta| meta.get("auto-create-account")) == Some(&json!(false));
    if declined {
        return None;
    }
    let same =
        |inquiry: &&Inquiry| reference.is_some() && inquiry.reference.as_deref() == reference;
    let earlier = book
        .inquiries
        .values()
        .find(same)
        .and_then(|inquiry| inquiry.account.clone());
    earlier.or_else(|| Some(office.seed.name("act_")))
}

fn fields(attributes: &Map<String, Value>) -> Map<String, Value> {
    let given = attributes.get("fields").and_then(Value::as_object);
    let field = |(name, value): (&String, &Value)| {
        let whole = value.get("value").is_some();
        let field = if whole {
            value.clone()
        } else {
            json!({"type": "string", "value": value})
        };
        (name.clone(), field)
    };
    given.into_iter().flatten().map(field).collect()
}

fn link(office: &Office, book: &mut Book, id: &str, request: &Request) -> Outcome {
    let inquiry = book.inquiries.get(id).ok_or_else(missing)?;
    if !inquiry.open() {
        let details = match inquiry.status.as_str() {
            "expired" => "The inquiry has expired and must be resumed first",
            _ => "The inquiry is already finished",
        };
        return Err(unprocessable(details, "/data/attributes/status"));
    }
    let asked = request.json().map(kebab).unwrap_or_default();
    let life_s = asked
        .pointer("/meta/expires-in-seconds")
        .and_then(Value::as_i64);
    let life_ms = life_s.unwrap_or(inquiry.link_s).saturating_mul(1000);
    let code = office.seed.name("");
    let link = super::pages::Link {
        inquiry: id.to_owned(),
        used_ms: None,
        expires_ms: office.clock.now_ms().saturating_add(life_ms),
    };
    let short: String = code.chars().take(10).collect();
    let meta = json!({
        "one-time-link": format!("{}/verify?code={code}", office.url),
        "one-time-link-short": format!("{}/v/{short}", office.url),
    });
    book.links.insert(code, link);
    Ok(Found {
        meta: Some(meta),
        ..show(book, id)?
    })
}

fn resume(office: &Office, book: &mut Book, id: &str) -> Outcome {
    let now_ms = office.clock.now_ms();
    let token = office.seed.name("");
    let inquiry = book.inquiries.get_mut(id).ok_or_else(missing)?;
    if !inquiry.open() && inquiry.status != "expired" {
        return Err(unprocessable(
            "The inquiry is already finished",
            "/data/attributes/status",
        ));
    }
    if inquiry.status == "expired" {
        let status = if inquiry.started_ms.is_some() {
            "pending"
        } else {
            "created"
        };
        status.clone_into(&mut inquiry.status);
        inquiry.expired_ms = None;
    }
    inquiry.expires_ms = now_ms.saturating_add(inquiry.resume_s.saturating_mul(1000));
    book.tokens.insert(token.clone(), id.to_owned());
    Ok(Found {
        meta: Some(json!({"session-token": token})),
        ..show(book, id)?
    })
}

fn simulate(office: &Office, book: &mut Book, id: &str, request: &Request) -> Outcome {
    let sandbox = book
        .inquiries
        .get(id)
        .is_some_and(|inquiry| inquiry.environment == Environment::Sandbox);
    if !sandbox {
        return Err(error(
            403,
            "Forbidden",
            "Simulate actions are only available in sandbox.",
        ));
    }
    let asked = request.json().map(kebab).unwrap_or_default();
    let actions = asked
        .pointer("/meta/simulate-actions")
        .and_then(Value::as_array);
    let actions = actions
        .ok_or_else(|| bad("param is missing or the value is empty: meta/simulate-actions"))?;
    let kinds: Vec<&str> = actions
        .iter()
        .filter_map(|action| action.get("type")?.as_str())
        .collect();
    // Looked at before any is done: a list with one bad word changes nothing.
    if kinds.len() != actions.len() || !kinds.iter().all(|kind| ACTIONS.contains(kind)) {
        return Err(unprocessable(
            "Simulate action is not supported",
            "/meta/simulate-actions",
        ));
    }
    for (kind, action) in kinds.into_iter().zip(actions) {
        act(office, book, id, kind, action);
    }
    show(book, id)
}

fn act(office: &Office, book: &mut Book, id: &str, kind: &str, action: &Value) {
    let (status, event) = match kind {
        "start_inquiry" => ("pending", "inquiry.started"),
        "complete_inquiry" => ("completed", "inquiry.completed"),
        "fail_inquiry" => ("failed", "inquiry.failed"),
        "expire_inquiry" => ("expired", "inquiry.expired"),
        "mark_for_review_inquiry" => ("needs_review", "inquiry.marked-for-review"),
        "approve_inquiry" => ("approved", "inquiry.approved"),
        "decline_inquiry" => ("declined", "inquiry.declined"),
        _ => {
            let mut evidence = Evidence::adult(office.clock.now_ms());
            if kind == "create_failed_verification"
                && let Some(check) = evidence.document.first_mut()
            {
                *check = super::Check::failed(&check.name, "id_fraudulent");
            }
            let face = action.to_string().contains("verification/selfie");
            let made = if face {
                Kind::Selfie
            } else {
                Kind::GovernmentId
            };
            office.examine(book, id, made, &evidence, "CNRXSIMULATED1");
            return;
        }
    };
    office.turn(book, id, status, event);
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
const ACTIONS: [&str; 9] = [
    "start_inquiry",
    "complete_inquiry",
    "fail_inquiry",
    "expire_inquiry",
    "mark_for_review_inquiry",
    "approve_inquiry",
    "decline_inquiry",
    "create_passed_verification",
    "create_failed_verification",
];
const DAY_S: i64 = 86_400;
const DAY_MS: i64 = 86_400_000;

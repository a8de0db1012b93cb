//! Inquiries: made, opened, resumed, decided by hand, deleted.

use super::{Found, Outcome};
use crate::answer::Answer;
use crate::clock::rfc3339;
use crate::persona::evidence::{Check, Evidence, IP_ADDRESS, USER_AGENT};
use crate::persona::inflect::kebab;
use crate::persona::inquiry::Inquiry;
use crate::persona::refusal::{bad, error, missing, unprocessable};
use crate::persona::verification::{Kind, Verification};
use crate::persona::{Book, Environment, Office, pages};
use crate::request::Request;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// The answer about one inquiry.
pub(super) fn inquiry(
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

/// A new inquiry.
pub(super) fn create(
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
    let good_for_ms = life_s.unwrap_or(inquiry.link_s).saturating_mul(1000);
    let code = office.seed.name("");
    let link = pages::Link {
        inquiry: id.to_owned(),
        used_ms: None,
        expires_ms: office.clock.now_ms().saturating_add(good_for_ms),
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
                *check = Check::failed(&check.name, "id_fraudulent");
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

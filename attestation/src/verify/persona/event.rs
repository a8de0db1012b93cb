//! What a webhook says, without what it says of a person.

use serde::Deserialize;

use super::{Hint, News, Session, WebhookError};
use crate::config::instant;

/// Reads an event. Fields that are not named here are skipped where they are parsed: names,
/// birthdates and image links never become a value.
pub(super) fn read(body: &[u8]) -> Result<Hint, WebhookError> {
    let document: Document = serde_json::from_slice(body).map_err(|_| WebhookError::Form)?;
    let event = document.data;
    let at = instant(&event.attributes.created_at).ok_or(WebhookError::Form)?;
    let id = (1..=128).contains(&event.id.len()) && event.id.bytes().all(|b| b.is_ascii_graphic());
    if event.kind != "event" || !id {
        return Err(WebhookError::Form);
    }
    let news = match event.attributes.name.as_str() {
        "inquiry.completed"
        | "inquiry.failed"
        | "inquiry.expired"
        | "inquiry.approved"
        | "inquiry.declined"
        | "inquiry.marked-for-review"
        | "inquiry.transitioned" => {
            let about = event.attributes.payload.map(|payload| payload.data);
            let about = about.filter(|about| about.kind == "inquiry");
            let session = about.and_then(|about| Session::parse(&about.id));
            News::Moved(session.ok_or(WebhookError::Form)?)
        }
        name if KNOWN.iter().any(|known| name.starts_with(known)) => News::Nothing,
        _ => News::Unknown,
    };
    Ok(Hint {
        event: event.id,
        at,
        news,
    })
}

#[derive(Deserialize)]
struct Document {
    data: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    name: String,
    #[serde(rename = "created-at")]
    created_at: String,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    data: About,
}

#[derive(Deserialize)]
struct About {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// Documented families of events that decide nothing here.
const KNOWN: [&str; 9] = [
    "inquiry.",
    "inquiry-session.",
    "verification.",
    "document.",
    "report/",
    "account.",
    "selfie.",
    "workflow-run.",
    "transaction.",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(change: impl Fn(&mut Value)) -> Result<Hint, WebhookError> {
        let mut event = json!({ "data": {
            "type": "event", "id": "evt_A",
            "attributes": {
                "name": "inquiry.approved", "created-at": "2026-11-20T10:00:00.000Z",
                "payload": {
                    "data": {
                        "type": "inquiry", "id": "inq_A",
                        "attributes": { "status": "approved", "fields": { "name-first": { "value": "Ada" } } },
                    },
                    "included": [],
                },
            },
        } });
        change(&mut event);
        read(event.to_string().as_bytes())
    }

    #[test]
    fn whk_13_an_event_is_read_to_an_id_and_a_time() {
        let hint = event(|_| {}).unwrap_or_else(|error| panic!("{error}"));

        assert_eq!(hint.event, "evt_A");
        assert_eq!(hint.at.to_string(), "2026-11-20T10:00:00.000Z");
        assert!(matches!(hint.news, News::Moved(session) if session.as_str() == "inq_A"));
    }

    #[test]
    fn whk_09_an_unknown_event_is_taken_and_leads_to_nothing() {
        let named = |name: &str| {
            let name = name.to_owned();
            event(move |e| e["data"]["attributes"]["name"] = json!(name)).map(|hint| hint.news)
        };

        assert!(matches!(named("verification.passed"), Ok(News::Nothing)));
        assert!(matches!(named("inquiry.redacted"), Ok(News::Nothing)));
        assert!(matches!(named("galaxy.collapsed"), Ok(News::Unknown)));
        // Extra fields and other id prefixes come without a version bump.
        let extra = event(|e| {
            e["data"]["attributes"]["new-field"] = json!([1]);
            e["data"]["attributes"]["payload"]["data"]["id"] = json!("inquiry-v2_9");
        });
        assert!(matches!(extra.map(|hint| hint.news), Ok(News::Moved(_))));
    }

    #[test]
    fn whk_09_a_malformed_event_is_refused() {
        let broken: [fn(&mut Value); 9] = [
            |e| e["data"]["id"] = json!(7),
            |e| e["data"]["id"] = json!(""),
            |e| e["data"]["type"] = json!("inquiry"),
            |e| e["data"]["attributes"]["created-at"] = json!("yesterday"),
            |e| e["data"]["attributes"]["created-at"] = json!(1_763_632_800),
            |e| e["data"]["attributes"]["payload"] = json!({}),
            |e| e["data"]["attributes"]["payload"]["data"]["type"] = json!("account"),
            |e| e["data"]["attributes"]["payload"]["data"]["id"] = json!("../accounts/act_1"),
            |e| *e = json!([]),
        ];
        for (place, change) in broken.into_iter().enumerate() {
            assert!(matches!(event(change), Err(WebhookError::Form)), "{place}");
        }
        for text in ["", "{", "null", "{\"data\":{},\"data\":{}}"] {
            assert!(
                matches!(read(text.as_bytes()), Err(WebhookError::Form)),
                "{text}"
            );
        }
    }
}

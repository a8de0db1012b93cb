//! What a log says of an export of itself.

use serde_json::{Map, Value, json};

use super::{Request, write::Found};

/// An export that is about to be written, as the log it is made of records it.
///
/// It is appended before the first line is written, so that an export without its record cannot
/// be: a record without a file is an export that failed. It names nobody, and no pseudonym that
/// the log does not hold anyway.
#[derive(Clone, Debug)]
pub struct Disclosure(Map<String, Value>);

impl Disclosure {
    /// What is asked for by `request`, in which `format`, and what was `found` just before.
    #[must_use]
    pub fn new(request: &Request, format: &str, found: Found) -> Self {
        let fields = [
            ("plane", json!(request.plane.to_string())),
            ("from", json!(request.window.from())),
            ("to", json!(request.window.to())),
            ("filter", request.filter.disclosed(request.plane)),
            ("profile", json!(request.profile.to_string())),
            ("format", json!(format)),
            ("matched", json!(found.matched)),
            ("size", json!(found.size)),
            ("by", json!(OPERATOR)),
        ];
        Self(Map::from_iter(
            fields.map(|(name, value)| (name.to_owned(), value)),
        ))
    }

    /// The same, when it was somebody at the console and not whoever has the server's files: `who` is a
    /// random number and never a name.
    #[must_use]
    pub fn by(mut self, who: &str) -> Self {
        self.0.insert("by".to_owned(), json!(who));
        self
    }

    /// The members of the event, all but `type` and `at`.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Whoever has the server's files and keys. Which account that was is for the machine to know.
const OPERATOR: &str = "operator";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Durability, Filter, Plane, Profile, Window};

    fn told(plane: Plane) -> Value {
        let filter = Filter::everything()
            .only("type", ["token.issued"])
            .only("pseudonym", ["bp1_abc"])
            .only("model", ["Ada Lovelace", "ada@corp.example"]);
        let request = Request {
            plane,
            window: Window::new("2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z").unwrap(),
            filter,
            profile: Profile::Siem,
            durability: Durability::Fsync,
            previous: None,
        };
        let found = Found {
            matched: 3,
            size: 9,
        };
        Value::Object(Disclosure::new(&request, "jsonl", found).fields().clone())
    }

    #[test]
    fn an_export_is_told_without_what_could_name_somebody() {
        let told = told(Plane::Gateway);

        assert_eq!(
            told,
            json!({
                "plane": "gateway", "profile": "siem", "format": "jsonl", "by": "operator",
                "from": "2026-11-01T00:00:00.000Z", "to": "2026-12-01T00:00:00.000Z",
                "matched": 3, "size": 9,
                "filter": {
                    "type": ["token.issued"], "pseudonym": ["bp1_abc"], "model": ["(not recorded)"],
                },
            })
        );
    }

    #[test]
    fn a_pseudonym_of_the_gateway_does_not_enter_the_identity_log() {
        let told = told(Plane::Identity);

        assert_eq!(told["filter"]["pseudonym"], json!(["(not recorded)"]));
        assert!(!told.to_string().contains("bp1_abc"));
    }
}

//! What a person showed to the camera, and how it ended. Every value is planted.

use crate::canary::Canary;
use crate::clock::date;
use serde_json::{Map, Value, json};

/// How an inquiry ends.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Everything passed and the vendor's workflow approved.
    Approve,
    /// The document failed and the workflow declined. On an approved inquiry: declined later.
    Decline,
    /// A human at the vendor has to look.
    NeedsReview,
    /// The person finished; nothing is decided yet.
    Complete,
    /// The person ran out of attempts.
    Fail,
    /// Nobody came.
    Expire,
    /// A status that no documentation mentions.
    Status(String),
}

/// One check of a verification.
#[derive(Clone, Debug)]
pub struct Check {
    /// The name.
    pub name: String,
    /// `passed`, `failed` or `not_applicable`.
    pub status: String,
    /// Why, when it failed.
    pub reasons: Vec<String>,
}

impl Check {
    /// A check that passed.
    #[must_use]
    pub fn passed(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            status: "passed".to_owned(),
            reasons: Vec::new(),
        }
    }

    /// A check that failed.
    #[must_use]
    pub fn failed(name: &str, reason: &str) -> Self {
        Self {
            name: name.to_owned(),
            status: "failed".to_owned(),
            reasons: vec![reason.to_owned()],
        }
    }
}

/// What the document and the face say.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// `pp` for a passport, `dl` for a driving licence, ...
    pub id_class: String,
    /// The issuing country, ISO alpha-2.
    pub country: String,
    /// The nationality, if the document says it.
    pub nationality: Option<String>,
    /// `YYYY-MM-DD`.
    pub birthdate: Option<String>,
    /// `YYYY-MM-DD`.
    pub expiration: Option<String>,
    /// The number on the document; one of its own for each inquiry when `None`.
    pub document_number: Option<String>,
    /// The checks of the document.
    pub document: Vec<Check>,
    /// The checks of the face.
    pub selfie: Vec<Check>,
}

impl Evidence {
    /// An adult with a passport that is good for years.
    #[must_use]
    pub fn adult(now_ms: i64) -> Self {
        let document = [
            "id_compromised_detection",
            "id_extracted_properties_detection",
            "id_barcode_detection",
            "id_expired_detection",
        ];
        let selfie = [
            "selfie_id_comparison",
            "selfie_liveness_detection",
            "selfie_pose_detection",
            "selfie_suspicious_entity_detection",
            "selfie_public_figure_detection",
        ];
        Self {
            id_class: "pp".to_owned(),
            country: "NL".to_owned(),
            nationality: Some("NL".to_owned()),
            birthdate: Some("1971-08-23".to_owned()),
            expiration: Some(years_from(now_ms, 5, "05-17")),
            document_number: None,
            document: document.map(Check::passed).to_vec(),
            selfie: selfie.map(Check::passed).to_vec(),
        }
    }

    /// A person of about fifteen.
    #[must_use]
    pub fn minor(now_ms: i64) -> Self {
        Self {
            birthdate: Some(years_from(now_ms, -15, "08-23")),
            ..Self::adult(now_ms)
        }
    }

    /// A passport that ran out last year, and that the vendor took nevertheless.
    #[must_use]
    pub fn expired(now_ms: i64) -> Self {
        Self {
            expiration: Some(years_from(now_ms, -1, "05-17")),
            ..Self::adult(now_ms)
        }
    }

    /// A driving licence: nothing on it says whose citizen somebody is.
    #[must_use]
    pub fn without_nationality(now_ms: i64) -> Self {
        Self {
            id_class: "dl".to_owned(),
            nationality: None,
            ..Self::adult(now_ms)
        }
    }

    /// A good passport in front of another face.
    #[must_use]
    pub fn other_face(now_ms: i64) -> Self {
        Self {
            selfie: vec![
                Check::failed("selfie_id_comparison", "no_match"),
                Check::passed("selfie_liveness_detection"),
            ],
            ..Self::adult(now_ms)
        }
    }

    /// The attributes of the document's verification, and what was planted in them.
    pub(super) fn government_id(
        &self,
        number: &str,
        files: &str,
    ) -> (Map<String, Value>, Vec<Canary>) {
        let photo = |side: &str| format!("{files}/{side}?access_token={PHOTO}-{side}-{number}");
        let attributes = json!({
            "id-class": self.id_class,
            "country-code": self.country,
            "nationality": self.nationality,
            "visa-status": null,
            "issuing-authority": "Gemeente Canarywaard",
            "issuing-subdivision": null,
            "birthdate": self.birthdate,
            "birthplace": "Canarywaard aan Zee",
            "expiration-date": self.expiration,
            "issue-date": "2021-05-17",
            "name-first": NAME_FIRST, "name-middle": NAME_MIDDLE, "name-last": NAME_LAST,
            "name-suffix": null,
            "native-name-first": NATIVE_FIRST, "native-name-middle": null, "native-name-last": NATIVE_LAST,
            "sex": "Female",
            "height": null,
            "address-street-1": STREET, "address-street-2": null, "address-city": "Canarywaard",
            "address-subdivision": null, "address-postal-code": "9042 QX",
            "identification-number": format!("{number}-ID"),
            "document-number": number,
            "capture-method": "auto",
            "front-photo-url": photo("front"),
            "back-photo-url": photo("back"),
            "photo-urls": [{"page": "front", "url": photo("front"), "byte-size": 1187}],
            "selfie-photo": {"url": photo("portrait"), "byte-size": 1187},
            "selfie-photo-url": photo("portrait"),
            "video-url": photo("video"),
            "entity-confidence-score": 99.1,
            "from-reusable-persona": false,
        });
        planted(attributes)
    }

    /// The attributes of the face's verification, and what was planted in them.
    pub(super) fn face(number: &str, files: &str) -> (Map<String, Value>, Vec<Canary>) {
        let photo = |side: &str| format!("{files}/{side}?access_token={PHOTO}-{side}-{number}");
        let attributes = json!({
            "capture-method": "manual",
            "center-photo-url": photo("center"),
            "left-photo-url": photo("left"),
            "right-photo-url": photo("right"),
            "photo-urls": [{"page": "center", "url": photo("center"), "byte-size": 1187}],
            "selfie-similarity-score-left": 98.2,
            "entity-confidence-score": 97.4,
            "document-similarity-score": 96.6,
        });
        planted(attributes)
    }

    /// The fields that the inquiry carries once it is complete: these travel in the redirect.
    pub(super) fn fields(&self, number: &str) -> Map<String, Value> {
        let texts = [
            ("name-first", Some(NAME_FIRST)),
            ("name-middle", Some(NAME_MIDDLE)),
            ("name-last", Some(NAME_LAST)),
            ("address-street-1", Some(STREET)),
            ("address-city", Some("Canarywaard")),
            ("address-postal-code", Some("9042 QX")),
            ("email-address", Some(EMAIL)),
            ("phone-number", Some(PHONE)),
            ("birthdate", self.birthdate.as_deref()),
            ("identification-number", Some(number)),
            ("selected-country-code", Some(self.country.as_str())),
        ];
        let field = |(name, value): (&str, Option<&str>)| {
            let kind = if name == "birthdate" {
                "date"
            } else {
                "string"
            };
            (name.to_owned(), json!({"type": kind, "value": value}))
        };
        texts.into_iter().map(field).collect()
    }
}

/// What every inquiry plants, whatever the evidence.
pub(super) fn constant_canaries() -> Vec<Canary> {
    [
        ("name-first", NAME_FIRST),
        ("name-middle", NAME_MIDDLE),
        ("name-last", NAME_LAST),
        ("native-name-first", NATIVE_FIRST),
        ("native-name-last", NATIVE_LAST),
        ("address-street-1", STREET),
        ("address-city", "Canarywaard"),
        ("address-postal-code", "9042 QX"),
        ("email-address", EMAIL),
        ("phone-number", PHONE),
        ("front-photo-url", PHOTO),
        ("ip-address", IP_ADDRESS),
        ("user-agent", USER_AGENT),
    ]
    .map(|(field, value)| Canary::new(field, value))
    .to_vec()
}

/// Attributes as a map, and the texts in them that are long enough to be searched for.
fn planted(attributes: Value) -> (Map<String, Value>, Vec<Canary>) {
    let Value::Object(attributes) = attributes else {
        return (Map::new(), Vec::new());
    };
    let personal = |name: &str| {
        [
            "birthdate",
            "birthplace",
            "date",
            "number",
            "url",
            "authority",
        ]
        .iter()
        .any(|part| name.contains(part))
    };
    let canaries = attributes
        .iter()
        .filter(|(name, _)| personal(name) && *name != "issue-date")
        .filter_map(|(name, value)| Some(Canary::new(name.clone(), value.as_str()?)))
        .collect();
    (attributes, canaries)
}

fn years_from(now_ms: i64, years: i64, day: &str) -> String {
    let (year, _, _) = date(now_ms);
    format!("{:04}-{day}", year.saturating_add(years))
}

const NAME_FIRST: &str = "Zephyrine";
const NAME_MIDDLE: &str = "Ottoline";
const NAME_LAST: &str = "Quillfeather";
const NATIVE_FIRST: &str = "Зефирина";
const NATIVE_LAST: &str = "Пёрышкина";
const STREET: &str = "1187 Wexmoor Kade";
const EMAIL: &str = "zephyrine.quillfeather@canary-mail.example";
const PHONE: &str = "+883 5100 0742 1187";
const PHOTO: &str = "canary-photo-7f31";
pub(super) const IP_ADDRESS: &str = "203.0.113.177";
pub(super) const USER_AGENT: &str = "CanaryBrowser/118.7 (Wexmoor OS)";

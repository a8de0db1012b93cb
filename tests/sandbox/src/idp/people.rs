//! Who can sign in, and which applications may send them here.

use crate::page::text;
use serde_json::{Map, Value, json};

/// A person with an account at the company.
#[derive(Clone, Debug)]
pub struct Person {
    /// The first name, as the button shows it.
    pub name: String,
    /// The subject identifier.
    pub sub: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Claims on top of the usual ones, or instead of them.
    pub claims: Map<String, Value>,
}

impl Person {
    /// A person with a subject of their own, in these groups.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            sub: format!("sandbox-subject-{}-7c1d40", name.to_lowercase()),
            groups: groups.iter().map(ToString::to_string).collect(),
            claims: Map::new(),
        }
    }

    /// The people every sandbox starts with.
    pub(super) fn everyone() -> Vec<Self> {
        vec![
            Self::new("Ada", &["engineering"]),
            Self::new("Bob", &["ai-platform"]),
            Self::new("Carol", &["compliance"]),
            Self::new("Dave", &["compliance"]),
        ]
    }
}

/// An application that may send people here.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client id.
    pub id: String,
    /// The client secret.
    pub secret: String,
    /// Where people may be sent back to, byte for byte.
    pub redirect_uris: Vec<String>,
    /// Where people may be sent after signing out, byte for byte.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where logout tokens go.
    pub backchannel_logout_uri: Option<String>,
}

impl Client {
    /// An application with one redirect URI.
    #[must_use]
    pub fn new(id: &str, secret: &str, redirect_uri: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            redirect_uris: vec![redirect_uri.to_owned()],
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
        }
    }
}

/// What a talkative provider says about a person. Distinctive, so that it can be searched for.
pub(super) fn leaks(person: &Person) -> Map<String, Value> {
    let low = person.name.to_lowercase();
    let number = low.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte)) % 10_000
    });
    let family = format!("Quetzalfinch-{}sen", person.name);
    let claims = json!({
        "email": format!("{low}.leak-7f31@canary-mail.example"),
        "email_verified": true,
        "name": format!("{} {family}", person.name),
        "given_name": format!("Canarygiven{low}"),
        "family_name": family,
        "preferred_username": format!("{low}.quetzalfinch"),
        "phone_number": format!("+883 5100 0193 {number:04}"),
        "picture": format!("https://pictures.canary-mail.example/{low}-9b02.jpg"),
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// A person as a list item without a button.
pub(super) fn row(person: &Person) -> String {
    format!("<li><span>{}</span></li>", label(person))
}

/// Name and groups, as HTML.
pub(super) fn label(person: &Person) -> String {
    format!(
        "<strong>{}</strong> <span class=\"quiet\">{}</span>",
        text(&person.name),
        text(&person.groups.join(", "))
    )
}

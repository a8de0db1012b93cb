//! What each template shows: plain text, made elsewhere.

use askama::Template;

/// What all pages share.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// The page, for the navigation.
    pub(crate) here: &'static str,
    /// Whether somebody is signed in.
    pub(crate) signed_in: bool,
    /// Whether this proves nothing.
    pub(crate) development: bool,
}

/// A way on.
pub(crate) struct Link {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
}

impl Link {
    pub(crate) const fn new(href: &'static str, label: &'static str) -> Self {
        Self { href, label }
    }
}

/// A hidden field of a form.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// A name and a value.
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Fact {
    pub(crate) fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
        }
    }
}

/// For who is not signed in.
#[derive(Template)]
#[template(path = "welcome.html")]
pub(crate) struct Welcome {
    pub(crate) frame: Frame,
}

/// Where a member stands.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home {
    pub(crate) frame: Frame,
    pub(crate) verified_until: Option<String>,
    pub(crate) verified_in: String,
    pub(crate) verified_by: String,
    pub(crate) lasting: String,
    pub(crate) renew: bool,
    pub(crate) next: Link,
    /// Whether the next step gives the member anything.
    pub(crate) urgent: bool,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) tools: Tools,
    pub(crate) officer: Option<Duty>,
    /// What the member should know today.
    pub(crate) notices: Vec<String>,
    /// Where the console begins, for who may enter it.
    pub(crate) console: Option<&'static str>,
}

/// Whether an officer's word counts.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Duty {
    Counts,
    VerifyFirst,
}

/// The ways to a token that work for this member under this configuration.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    /// Where a program signs in.
    pub(crate) login: Option<String>,
    /// Whether a program without a browser may, by a code.
    pub(crate) code: bool,
    pub(crate) labelled: bool,
}

/// How much of a scope is open.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Door {
    Open,
    InPart,
    Shut,
}

/// A scope, and what of it is open.
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) state: Door,
    pub(crate) privacy: &'static str,
    pub(crate) models: String,
    pub(crate) because: Vec<String>,
}

/// What is collected, by whom, and what is kept.
#[derive(Template)]
#[template(path = "verify.html")]
pub(crate) struct Verify {
    pub(crate) frame: Frame,
    pub(crate) heading: String,
    pub(crate) lead: String,
    pub(crate) note: Option<String>,
    pub(crate) closed: Vec<String>,
    pub(crate) vendor: String,
    pub(crate) vendor_sees: Vec<String>,
    pub(crate) vendor_deletes: String,
    pub(crate) bauta_keeps: Vec<String>,
    pub(crate) verified: bool,
    /// The record, byte for byte as it was signed.
    pub(crate) record: Option<String>,
    pub(crate) under_way: bool,
    pub(crate) ways: Vec<Way>,
    pub(crate) in_person: bool,
}

/// A verifier that can be begun here.
pub(crate) struct Way {
    pub(crate) vendor: &'static str,
    pub(crate) button: String,
    pub(crate) agree: String,
}

/// A verification under way.
#[derive(Template)]
#[template(path = "waiting.html")]
pub(crate) struct Waiting {
    pub(crate) frame: Frame,
    pub(crate) heading: String,
    pub(crate) text: String,
    pub(crate) done: bool,
    pub(crate) still: bool,
    pub(crate) next: Link,
}

/// What a member shows to officers, and how far it is.
#[derive(Template)]
#[template(path = "in_person.html")]
pub(crate) struct InPerson {
    pub(crate) frame: Frame,
    pub(crate) heading: &'static str,
    pub(crate) vouched: u32,
    pub(crate) worth: &'static str,
    pub(crate) within: String,
    pub(crate) code: Option<Spelled>,
    pub(crate) lasts: String,
    pub(crate) attest: Vec<&'static str>,
    pub(crate) keeps: Vec<&'static str>,
}

/// A code, for the eye and for the ear.
pub(crate) struct Spelled {
    pub(crate) code: String,
    pub(crate) letters: String,
}

/// Where an officer types a code.
#[derive(Template)]
#[template(path = "officer.html")]
pub(crate) struct Officer {
    pub(crate) frame: Frame,
    /// Whether there is no vendor, so that nobody checked the officers either.
    pub(crate) unchecked: bool,
    pub(crate) problem: Option<&'static str>,
}

/// What an officer's word says.
#[derive(Template)]
#[template(path = "officer_ask.html")]
pub(crate) struct OfficerAsk {
    pub(crate) frame: Frame,
    pub(crate) code: String,
    pub(crate) attest: Vec<String>,
    pub(crate) holds: String,
    pub(crate) notice: &'static str,
    pub(crate) problem: Option<&'static str>,
}

/// Tokens in force and a form for a new one.
#[derive(Template)]
#[template(path = "tokens.html")]
pub(crate) struct Tokens {
    pub(crate) frame: Frame,
    /// Label and scope of what was just revoked.
    pub(crate) revoked: Option<(String, String)>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) scopes: Vec<Choice>,
    pub(crate) none_open: String,
    pub(crate) problem: Option<String>,
    pub(crate) typed: String,
    pub(crate) most_days: i64,
    pub(crate) default_days: i64,
}

/// A token in force.
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) scope: String,
    pub(crate) kind: &'static str,
    pub(crate) made: String,
    pub(crate) refreshed: String,
    pub(crate) ends: String,
}

/// A scope that has labelled tokens.
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) days: i64,
}

/// A token, shown once.
#[derive(Template)]
#[template(path = "made.html")]
pub(crate) struct Made {
    pub(crate) frame: Frame,
    pub(crate) label: String,
    pub(crate) token: zeroize::Zeroizing<String>,
    pub(crate) scope: String,
    pub(crate) until: String,
    pub(crate) keep: &'static str,
    pub(crate) snippets: Vec<Snippet>,
}

/// Lines for one tool.
pub(crate) struct Snippet {
    pub(crate) tool: &'static str,
    pub(crate) text: &'static str,
    pub(crate) code: String,
}

/// Everything held about a member.
#[derive(Template)]
#[template(path = "privacy.html")]
pub(crate) struct Privacy {
    pub(crate) frame: Frame,
    pub(crate) held: Vec<Group>,
    /// Who looked at this member in the console.
    pub(crate) looks: Vec<String>,
    /// Why the member cannot erase itself now.
    pub(crate) stays: Option<&'static str>,
    pub(crate) problem: Option<&'static str>,
}

/// What a token has used, asked for from this browser.
#[derive(Template)]
#[template(path = "usage.html")]
pub(crate) struct Usage {
    pub(crate) frame: Frame,
    /// The gateway, without a slash at its end.
    pub(crate) gateway: String,
}

/// One answer of several.
pub(crate) struct Ticket {
    pub(crate) value: &'static str,
    pub(crate) label: &'static str,
}

/// What a member objects to.
#[derive(Template)]
#[template(path = "appeal.html")]
pub(crate) struct Appeal {
    pub(crate) frame: Frame,
    pub(crate) about: Vec<Ticket>,
    pub(crate) grounds: Vec<Ticket>,
    /// What was asked before, and what came of it.
    pub(crate) before: Option<String>,
    /// Whether one is open.
    pub(crate) open: bool,
    pub(crate) problem: Option<&'static str>,
}

/// What is held in one place, and when it goes.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) facts: Vec<Fact>,
    /// The signed record in it, byte for byte.
    pub(crate) record: Option<String>,
    pub(crate) gone: String,
}

/// Where a code is typed.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct Device {
    pub(crate) frame: Frame,
    pub(crate) problem: Option<&'static str>,
    pub(crate) typed: String,
}

/// What a code leads to.
#[derive(Template)]
#[template(path = "device_ask.html")]
pub(crate) struct DeviceAsk {
    pub(crate) frame: Frame,
    pub(crate) login: String,
    pub(crate) surface: String,
    pub(crate) asked: String,
    pub(crate) network: &'static str,
    pub(crate) warn: bool,
    pub(crate) problem: Option<&'static str>,
    pub(crate) scopes: Vec<String>,
    pub(crate) none_open: &'static str,
}

/// Consent to a program.
#[derive(Template)]
#[template(path = "authorize.html")]
pub(crate) struct Authorize {
    pub(crate) frame: Frame,
    pub(crate) client: String,
    pub(crate) redirect: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) scopes: Vec<String>,
}

/// One sentence, and a way on.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message {
    pub(crate) frame: Frame,
    pub(crate) kicker: &'static str,
    pub(crate) heading: String,
    pub(crate) text: String,
    pub(crate) next: Option<Link>,
}

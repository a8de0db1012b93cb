//! What each page of the console shows: plain text, made elsewhere.

use askama::Template;

use crate::portal::view::{Fact, Frame};

/// What every page of the console shares.
pub(crate) struct Desk {
    pub(crate) frame: Frame,
    pub(crate) tabs: Vec<Tab>,
    /// Whether an administrator looks.
    pub(crate) admin: bool,
}

/// A part of the console.
pub(crate) struct Tab {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) here: bool,
}

/// A way on.
pub(crate) struct Way {
    pub(crate) href: String,
    pub(crate) label: String,
}

/// Whether something works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Light {
    Good,
    Note,
    Mend,
}

/// One thing that was tried.
pub(crate) struct Check {
    pub(crate) light: Light,
    pub(crate) what: String,
    pub(crate) said: String,
    /// What to do; empty when nothing is to be done.
    pub(crate) mend: String,
}

/// Things that were tried, of one kind.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) checks: Vec<Check>,
}

/// Whether everything works.
#[derive(Template)]
#[template(path = "admin_setup.html")]
pub(crate) struct Setup {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) heading: String,
    pub(crate) lead: String,
    pub(crate) green: bool,
    pub(crate) at: String,
    pub(crate) sections: Vec<Section>,
}

/// A member in a list.
pub(crate) struct Row {
    pub(crate) member: String,
    pub(crate) short: String,
    pub(crate) tag: String,
    pub(crate) suspended: Option<String>,
    pub(crate) verified: String,
    pub(crate) roles: String,
    pub(crate) signed_in: String,
}

/// Who is a member.
#[derive(Template)]
#[template(path = "admin_members.html")]
pub(crate) struct Members {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) rows: Vec<Row>,
    pub(crate) suspended: bool,
    pub(crate) first: bool,
    /// Where the list goes on.
    pub(crate) next: Option<String>,
    pub(crate) problem: Option<&'static str>,
}

/// A token of a member.
pub(crate) struct Grant {
    pub(crate) label: String,
    pub(crate) scope: String,
    pub(crate) line: String,
}

/// What may be done about a member.
pub(crate) struct Act {
    pub(crate) what: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) button: &'static str,
    pub(crate) reasons: Vec<Choice>,
    /// What has to be ticked first.
    pub(crate) sure: Option<&'static str>,
}

/// A code and what it says.
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) label: &'static str,
}

/// All that the console shows of one member.
#[derive(Template)]
#[template(path = "admin_member.html")]
pub(crate) struct Member {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) gates: Vec<Fact>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) looks: Vec<String>,
    pub(crate) acts: Vec<Act>,
    pub(crate) second: bool,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) held: Option<&'static str>,
}

/// What waits for a second administrator.
pub(crate) struct Waiting {
    pub(crate) member: String,
    pub(crate) short: String,
    pub(crate) at: String,
    pub(crate) what: &'static str,
    pub(crate) line: String,
    /// Whether whoever looks proposed it.
    pub(crate) own: bool,
}

/// What a member objects to.
pub(crate) struct Appeal {
    pub(crate) member: String,
    pub(crate) short: String,
    pub(crate) at: String,
    pub(crate) line: String,
    pub(crate) said: &'static str,
}

/// What waits for somebody, and what happened lately.
#[derive(Template)]
#[template(path = "admin_alerts.html")]
pub(crate) struct Alerts {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) heading: &'static str,
    pub(crate) proposals: Vec<Waiting>,
    pub(crate) appeals: Vec<Appeal>,
    pub(crate) replies: Vec<Choice>,
    pub(crate) checks: Vec<Check>,
    pub(crate) lately: Vec<Lately>,
    pub(crate) partly: bool,
}

/// How often something happened.
pub(crate) struct Lately {
    pub(crate) count: u64,
    pub(crate) what: &'static str,
    pub(crate) href: String,
}

/// A scope.
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) privacy: &'static str,
    pub(crate) facts: Vec<Fact>,
}

/// A rule and its versions, newest first.
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) gates: String,
    pub(crate) versions: Vec<Version>,
    pub(crate) configured: bool,
}

/// One version of a rule.
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) in_force: bool,
    pub(crate) asks: String,
    pub(crate) dates: String,
    pub(crate) hash: String,
}

/// Scopes and rules.
#[derive(Template)]
#[template(path = "admin_policies.html")]
pub(crate) struct Policies {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) rules: Vec<Policy>,
    pub(crate) may_try: bool,
}

/// Something that may be ticked.
pub(crate) struct Tick {
    pub(crate) value: &'static str,
    pub(crate) label: &'static str,
    pub(crate) on: bool,
}

/// A rule to be tried, and what it would do.
#[derive(Template)]
#[template(path = "admin_try.html")]
pub(crate) struct Try {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) policy: String,
    pub(crate) gates: String,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) deny: String,
    pub(crate) allow: String,
    pub(crate) problem: Option<&'static str>,
    pub(crate) outcome: Option<Outcome>,
}

/// What a rule would do.
pub(crate) struct Outcome {
    pub(crate) heading: String,
    pub(crate) counts: Vec<Count>,
    pub(crate) unverified: String,
    pub(crate) members: Option<Vec<Loser>>,
    pub(crate) cut: Option<String>,
    pub(crate) losers: u64,
}

/// How many members something would happen to.
pub(crate) struct Count {
    pub(crate) count: u64,
    pub(crate) what: &'static str,
}

/// A member who would lose access.
pub(crate) struct Loser {
    pub(crate) member: String,
    pub(crate) short: String,
    pub(crate) why: &'static str,
}

/// One entry of the log.
pub(crate) struct Leaf {
    pub(crate) index: u64,
    pub(crate) kind: String,
    pub(crate) at: String,
    pub(crate) facts: Vec<Said>,
    pub(crate) erased: bool,
}

/// One thing that an entry says.
pub(crate) struct Said {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) href: Option<String>,
}

/// A type of event, for a choice.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) on: bool,
}

/// The log, searched.
#[derive(Template)]
#[template(path = "audit.html")]
pub(crate) struct Audit {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) member: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) problem: Option<&'static str>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) looked: String,
    pub(crate) older: Option<String>,
    pub(crate) narrowed: bool,
    pub(crate) key: String,
}

/// What came of something.
#[derive(Template)]
#[template(path = "admin_told.html")]
pub(crate) struct Told {
    pub(crate) frame: Frame,
    pub(crate) desk: Desk,
    pub(crate) heading: String,
    pub(crate) text: String,
    pub(crate) next: Vec<Way>,
}

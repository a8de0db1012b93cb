//! Who would lose access if a rule said something else: counts first, then members by number.
//!
//! Nothing changes by it. What is tried is on record, and whether members were shown.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use bauta_audit::store::StoreError;
use bauta_token::{scope::Name, units::UnixMillis};

use super::{Area, closed, enter, policies, view, words};
use crate::{
    Plane,
    attest::{Predicate, Record, Truth},
    config::{Country, NationalityRule, PolicyConfig, Undetermined},
    login::SignedInMember,
    oauth::fields::{Fields, Form, Query},
    portal::{page as render, unavailable},
    ports::{
        MemberId,
        people::{MemberState, StandingRow},
    },
    qualify::policy::Policy,
};

pub(super) async fn form(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    Query(query): Query,
) -> Response {
    let query = query.unwrap_or_default();
    match begin(&plane, &who, &query) {
        Ok((desk, name, config)) => render(&sheet(&plane, desk, &name, &config)),
        Err(response) => *response,
    }
}

pub(super) async fn run(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    form: Form,
) -> Response {
    let (desk, name, config) = match begin(&plane, &who, &form) {
        Ok(begun) => begun,
        Err(response) => return *response,
    };
    let draft = match read(&form, &config.version) {
        Ok(draft) => draft,
        Err(problem) => {
            let mut response = render(&view::Try {
                problem: Some(problem),
                ..sheet(&plane, desk, &name, &config)
            });
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        }
    };
    let members = form.find("show") == Some("members");
    match plane.tried_out(&who, &name, &draft, members).await {
        Ok(tally) => render(&view::Try {
            outcome: Some(outcome(&tally, members)),
            ..sheet(&plane, desk, &name, &draft)
        }),
        Err(error) => unavailable(&error),
    }
}

/// The rule that is asked about, to one who may.
fn begin(
    plane: &Plane,
    who: &SignedInMember,
    fields: &Fields,
) -> Result<(view::Desk, Name, PolicyConfig), Box<Response>> {
    let desk = enter(plane, who, Area::Policies)?;
    if !policies::may_try(who) {
        return Err(Box::new(closed(plane)));
    }
    let name = fields.find("policy").and_then(Name::parse);
    let found = name.and_then(|name| {
        let config = plane.settings.policies.get(&name)?.clone();
        Some((name, config))
    });
    match found {
        Some((name, config)) => Ok((desk, name, config)),
        None => Err(Box::new(super::told(
            desk,
            StatusCode::NOT_FOUND,
            (
                "There is no such rule",
                "The configuration has none of that name. Nothing was tried.",
            ),
            vec![view::Way {
                href: "/admin/policies".to_owned(),
                label: "Back to the rules".to_owned(),
            }],
        ))),
    }
}

fn sheet(plane: &Plane, desk: view::Desk, name: &Name, config: &PolicyConfig) -> view::Try {
    let codes = |list: &dyn Fn(&NationalityRule) -> Vec<Country>| {
        let list = config.nationality.as_ref().map(list).unwrap_or_default();
        let codes: Vec<_> = list.iter().map(Country::as_str).collect();
        codes.join(" ")
    };
    view::Try {
        frame: desk.frame,
        desk,
        policy: name.to_string(),
        gates: policies::gated(plane, name.as_str()),
        ticks: Predicate::ALL
            .into_iter()
            .map(|predicate| view::Tick {
                value: predicate.as_str(),
                label: label(predicate),
                on: config.requires.contains(&predicate),
            })
            .collect(),
        deny: codes(&|rule| rule.deny.clone()),
        allow: codes(&|rule| rule.allow.clone()),
        problem: None,
        outcome: None,
    }
}

const fn label(predicate: Predicate) -> &'static str {
    match predicate {
        Predicate::PersonVerified => "A real person, the one who signed in",
        Predicate::AgeOver18 => "18 or older",
        Predicate::DocumentUnexpired => "A document that had not expired",
        Predicate::LivenessChecked => "A live selfie that matched",
        Predicate::SanctionsClear => "Not found on sanctions lists",
    }
}

/// The rule as the form has it, counting from now on.
fn read(form: &Fields, version: &Name) -> Result<PolicyConfig, &'static str> {
    let requires: Vec<_> = Predicate::ALL
        .into_iter()
        .filter(|predicate| form.find(predicate.as_str()) == Some("yes"))
        .collect();
    let (deny, allow) = (countries(form, "deny")?, countries(form, "allow")?);
    if requires.is_empty() && deny.is_empty() && allow.is_empty() {
        return Err("A rule that asks for nothing is none. Tick something.");
    }
    let nationality = (!deny.is_empty() || !allow.is_empty()).then_some(NationalityRule {
        deny,
        allow,
        effective_from: None,
        undetermined: Undetermined::Ineligible,
    });
    Ok(PolicyConfig {
        version: version.clone(),
        requires,
        effective_from: None,
        nationality,
    })
}

fn countries(form: &Fields, field: &str) -> Result<Vec<Country>, &'static str> {
    let text = form.find(field).unwrap_or_default();
    let codes = text
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|code| !code.is_empty());
    let codes: Option<Vec<_>> = codes.map(Country::parse).collect();
    codes
        .filter(|codes| codes.len() <= MOST_COUNTRIES)
        .ok_or("A country is two letters of ISO 3166-1, such as IT, with spaces between them.")
}

/// What would happen to how many.
#[derive(Debug, Default)]
struct Tally {
    keep: u64,
    gain: u64,
    closed: u64,
    /// It says that they do not meet it.
    fail: u64,
    /// Nobody knows whether they meet it: they would verify again.
    unknown: u64,
    unverified: u64,
    losers: Vec<(MemberId, Truth)>,
    cut: bool,
}

impl Plane {
    /// Tries `draft` on every member, after that was put on record.
    async fn tried_out(
        &self,
        who: &SignedInMember,
        name: &Name,
        draft: &PolicyConfig,
        members: bool,
    ) -> Result<Tally, StoreError> {
        let now = self.clock.now();
        let shown = if members { "members" } else { "counts" };
        let event = self.scribe(now).policy_tried(who.member, name, shown);
        self.store.note(&[event]).await?;
        let draft = Policy::draft(name.clone(), draft.clone(), now);
        let mut tally = Tally::default();
        let cut = self
            .each_member(MOST, |row| {
                let record = self.record_of(&row, now);
                tally.count(self, &row, record.as_ref(), &draft, now);
            })
            .await?;
        tally.cut = cut;
        Ok(tally)
    }

    fn record_of(&self, row: &StandingRow, now: UnixMillis) -> Option<Record> {
        if row.member.state != MemberState::Active {
            return None;
        }
        let attested = self.attested(row, now).ok();
        attested.map(|(_, record)| record)
    }
}

impl Tally {
    fn count(
        &mut self,
        plane: &Plane,
        row: &StandingRow,
        record: Option<&Record>,
        draft: &Policy,
        now: UnixMillis,
    ) {
        let add = |count: &mut u64| *count = count.saturating_add(1);
        let Some(record) = record else {
            add(&mut self.unverified);
            return;
        };
        let gate = draft.gate();
        let mut in_force = plane.policies.in_force(now);
        let today = in_force.find(|policy| policy.gate().policy() == gate.policy());
        // A rule that does not count yet closes nothing.
        let before = today.is_none_or(|policy| policy.judge(record, now).holds());
        let after = draft.judge(record, now);
        match (before, after) {
            (true, Truth::True) => add(&mut self.keep),
            (false, Truth::True) => add(&mut self.gain),
            (false, _) => add(&mut self.closed),
            (true, Truth::False) => add(&mut self.fail),
            (true, Truth::Undetermined) => add(&mut self.unknown),
        }
        if before && !after.holds() && self.losers.len() < MOST_SHOWN {
            self.losers.push((row.member.member, after));
        }
    }
}

fn outcome(tally: &Tally, members: bool) -> view::Outcome {
    let losers = tally.fail.saturating_add(tally.unknown);
    let heading = match losers {
        0 => "Nobody would lose access".to_owned(),
        1 => "One member would lose access".to_owned(),
        some => format!("{some} members would lose access"),
    };
    let count = |count, what| view::Count { count, what };
    let loser = |(member, why): &(MemberId, Truth)| view::Loser {
        member: member.to_string(),
        short: words::short(*member),
        why: match why {
            Truth::False => "does not meet it",
            _ => "not known to meet it; verifying again may show it",
        },
    };
    let shown = u64::try_from(tally.losers.len()).unwrap_or(u64::MAX);
    let cut = if tally.cut {
        Some(format!("Only the first {MOST} members were counted."))
    } else {
        (members && shown < losers).then(|| format!("The first {shown} are shown."))
    };
    view::Outcome {
        heading,
        counts: vec![
            count(tally.fail, "would lose access: they do not meet it"),
            count(
                tally.unknown,
                "would lose access until they verify again: it is not known whether they meet it",
            ),
            count(tally.keep, "would keep access"),
            count(tally.gain, "would gain access"),
            count(tally.closed, "would stay without"),
        ],
        unverified: format!(
            "{} {} not verified or suspended, and would notice nothing.",
            tally.unverified,
            if tally.unverified == 1 {
                "member is"
            } else {
                "members are"
            }
        ),
        members: members.then(|| tally.losers.iter().map(loser).collect()),
        cut,
        losers,
    }
}

/// A try reads them all; an organisation with more runs it on a copy.
const MOST: u64 = 50_000;
const MOST_SHOWN: usize = 500;
const MOST_COUNTRIES: usize = 250;

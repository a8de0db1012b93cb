//! All that the console shows of one member: numbers, dates and labels.
//!
//! The look is on record before anything is shown; one that cannot be recorded does not happen.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use bauta_audit::store::StoreError;

use super::{Area, enter, members, nobody, view, words};
use crate::{
    Plane,
    attest::Truth,
    login::SignedInMember,
    member::Standing,
    portal::{self, page as render, tokens, unavailable, verify::redaction, view::Fact},
    ports::{
        MemberId, Role,
        grants::{Held, HeldFor, KeptGrant},
        office::{Look, Looked, Proposal},
        people::{MemberRow, MemberState},
    },
};

pub(super) async fn page(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    Path(member): Path<String>,
) -> Response {
    let desk = match enter(&plane, &who, Area::Members) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let Some(member) = MemberId::parse(&member) else {
        return nobody(&plane);
    };
    match plane.looked_at(member, &who).await {
        Ok(Some(seen)) => render(&shown(&plane, desk, &who, &seen)),
        Ok(None) => nobody(&plane),
        Err(error) => unavailable(&error),
    }
}

/// All that is read for the page.
struct Seen {
    row: MemberRow,
    standing: Standing,
    grants: Vec<KeptGrant>,
    holds: Vec<Held>,
    looks: Vec<Looked>,
    waiting: Option<Proposal>,
}

impl Plane {
    async fn looked_at(
        &self,
        member: MemberId,
        who: &SignedInMember,
    ) -> Result<Option<Seen>, StoreError> {
        let Some(row) = self.store.member(member).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let role = if who.roles.contains(&Role::Admin) {
            Role::Admin
        } else {
            Role::Officer
        };
        let look = Look {
            member,
            by: who.member,
            role,
            now,
            event: self.scribe(now).member_viewed(member, who.member, role),
        };
        self.store.note_look(&look).await?;
        let Some(standing) = self.standing(member).await? else {
            return Ok(None);
        };
        let waiting = self.store.proposals(now).await?;
        Ok(Some(Seen {
            row,
            standing,
            grants: self.grants(member).await?,
            holds: self.store.held(self.holder(member)).await?,
            looks: self.store.looks(member, LOOKS).await?,
            waiting: waiting.into_iter().find(|it| it.member == member),
        }))
    }
}

fn shown(plane: &Plane, desk: view::Desk, who: &SignedInMember, seen: &Seen) -> view::Member {
    let row = &seen.row;
    let suspended = row.state == MemberState::Suspended;
    let shut = seen.holds.iter().any(|it| it.why == HeldFor::Deactivated);
    let own = row.member == who.member;
    view::Member {
        acts: if desk.admin && !own && seen.waiting.is_none() {
            acts(suspended, shut)
        } else {
            Vec::new()
        },
        held: held(own, suspended, shut),
        frame: desk.frame,
        desk,
        id: row.member.to_string(),
        state: match (suspended, row.reason.as_deref()) {
            (false, _) => "A member, active".to_owned(),
            (true, Some(reason)) => format!("A member, suspended: {reason}"),
            (true, None) => "A member, suspended".to_owned(),
        },
        facts: facts(row, &seen.standing, &seen.holds),
        gates: gates(&seen.standing),
        grants: seen
            .grants
            .iter()
            .map(|grant| self::grant(plane, grant))
            .collect(),
        looks: seen.looks.iter().map(look).collect(),
        second: plane.settings.admin.second,
        waiting: seen.waiting.as_ref().map(|it| waiting(it, who.member)),
    }
}

fn facts(row: &MemberRow, standing: &Standing, holds: &[Held]) -> Vec<Fact> {
    let or_none = |text: String| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text
        }
    };
    let roles: Vec<_> = standing.roles.iter().map(|role| role.as_str()).collect();
    let scopes: Vec<_> = standing.scopes.iter().collect();
    let mut facts = vec![
        Fact::new(
            "Tag",
            format!("{}… (keyed hash of the account)", members::tag(row)),
        ),
        Fact::new("First sign-in", portal::words::day(standing.joined)),
        Fact::new("Last sign-in", portal::words::day(standing.signed_in)),
        Fact::new("Roles", or_none(portal::words::list(&roles))),
        Fact::new("Scopes by group", or_none(portal::words::list(&scopes))),
        Fact::new("Verification", verification(standing)),
    ];
    if let Some(attempt) = &standing.attempt {
        let line = format!(
            "{} with {}, begun {}; deletion there: {}",
            attempt.state.as_str(),
            portal::words::vendor(&attempt.vendor),
            portal::words::day(attempt.began),
            redaction(attempt.redaction)
        );
        facts.push(Fact::new("Newest attempt", line));
    }
    facts.extend(holds.iter().map(|held| {
        let why = match held.why {
            HeldFor::Suspended => "held past its epoch while suspended",
            HeldFor::Deactivated => "held for good: the provider has shut the account",
        };
        Fact::new(&format!("Pseudonym at {}", held.provider), why)
    }));
    facts
}

fn verification(standing: &Standing) -> String {
    let Some(verified) = &standing.verified else {
        return members::verified(standing);
    };
    format!(
        "{}, checked in {} by {} ({}, {})",
        members::verified(standing),
        portal::words::month(&verified.verified_on),
        portal::words::vendor(&verified.vendor),
        verified.method.replace('_', " "),
        verified.environment
    )
}

fn gates(standing: &Standing) -> Vec<Fact> {
    let told = standing.gates.iter().map(|gate| {
        let result = match gate.result {
            Truth::True => "met",
            Truth::False => "not met",
            Truth::Undetermined => "not known to be met",
        };
        let (policy, version) = (gate.gate.policy(), gate.gate.version());
        Fact::new(policy.as_str(), format!("version {version}: {result}"))
    });
    told.collect()
}

fn grant(plane: &Plane, grant: &KeptGrant) -> view::Grant {
    let shown = tokens::shown(plane, grant);
    view::Grant {
        line: format!(
            "{}, made {}, last refreshed {}, ends {}",
            shown.kind, shown.made, shown.refreshed, shown.ends
        ),
        label: shown.label,
        scope: shown.scope,
    }
}

pub(crate) fn look(look: &Looked) -> String {
    format!(
        "{} ({}), {}",
        words::role(look.role),
        words::short(look.by),
        words::instant(look.at)
    )
}

/// What waits, as whoever `looks` sees it.
pub(super) fn waiting(proposal: &Proposal, looks: MemberId) -> view::Waiting {
    view::Waiting {
        member: proposal.member.to_string(),
        short: words::short(proposal.member),
        at: proposal.at.0.to_string(),
        what: words::undoing(proposal.what),
        line: format!(
            "Because: {}. Proposed by {} on {}; lapses on {}.",
            proposal.reason,
            words::short(proposal.by),
            words::instant(proposal.at),
            words::instant(proposal.expires_at)
        ),
        own: proposal.by == looks,
    }
}

fn acts(suspended: bool, shut: bool) -> Vec<view::Act> {
    if suspended {
        return vec![view::Act {
            what: "reinstate",
            title: "Reinstate",
            text: "They may sign in again. What ended stays ended: they make new tokens.",
            button: "Reinstate",
            reasons: words::choices(&words::REINSTATE),
            sure: None,
        }];
    }
    let mut acts = vec![view::Act {
        what: "suspend",
        title: "Suspend",
        text: "Ends their sessions, tokens and running streams within seconds, and has every \
               provider’s pseudonym refused. Nothing is deleted.",
        button: "Suspend now",
        reasons: words::choices(&words::SUSPEND),
        sure: None,
    }];
    if !shut {
        acts.push(view::Act {
            what: "erase",
            title: "Erase",
            text: "Deletes the row, the attestation, its nonce, and what the log says in words. It \
                   cannot be undone. Whoever signs in again afterwards is somebody new.",
            button: "Erase",
            reasons: words::choices(&words::ERASE),
            sure: Some("I know that this cannot be undone."),
        });
    }
    acts
}

const fn held(own: bool, suspended: bool, shut: bool) -> Option<&'static str> {
    if own {
        return Some(
            "This is you. Another administrator must change it; your own privacy page erases you.",
        );
    }
    if suspended {
        return Some(
            "Who is suspended is not erased: they would come back as somebody new. Reinstate \
             first.",
        );
    }
    if shut {
        return Some(
            "A provider has shut this member’s account for good; erasing would give them a fresh \
             pseudonym.",
        );
    }
    None
}

/// The last ones; the log has them all.
const LOOKS: u32 = 20;

//! What an administrator does about a member. Suspending is done at once by one; undoing may take
//! two (ADR 43).

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use bauta_audit::store::StoreError;
use bauta_token::units::UnixMillis;

use super::{Area, command, nobody, told, view, way_to, words};
use crate::{
    Plane,
    login::SignedInMember,
    member::Erased,
    oauth::fields::Form,
    portal::unavailable,
    ports::{
        MemberId,
        office::{NewProposal, Proposal, Proposed, Settled, Settling, Undoing, Verdict},
    },
};

/// What is asked for, each with the codes that may say why.
enum Asked {
    Suspend(&'static str),
    Undo(Undoing, &'static str),
}

/// What came of it: a heading and a sentence.
type Said = (StatusCode, &'static str, String);

pub(super) async fn change(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    form: Form,
) -> Response {
    let desk = match command(&plane, &who, Area::Members) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let Some(member) = form.find("member").and_then(MemberId::parse) else {
        return nobody(&plane);
    };
    let said = match read(&form) {
        Err(problem) => (
            StatusCode::BAD_REQUEST,
            "Nothing was changed",
            problem.to_owned(),
        ),
        Ok(_) if member == who.member => {
            (StatusCode::FORBIDDEN, "Nothing was changed", OWN.to_owned())
        }
        Ok(asked) => match plane.changed(member, &who, asked).await {
            Ok(Some(said)) => said,
            Ok(None) => return nobody(&plane),
            Err(error) => return unavailable(&error),
        },
    };
    answer(desk, member, &said)
}

fn answer(desk: view::Desk, member: MemberId, (status, heading, text): &Said) -> Response {
    let mut next = vec![view::Way {
        href: "/admin/members".to_owned(),
        label: "All members".to_owned(),
    }];
    if *heading != ERASED {
        next.insert(0, way_to(member));
    }
    told(desk, *status, (*heading, text.as_str()), next)
}

fn read(form: &Form) -> Result<Asked, &'static str> {
    let reason = form.find("reason");
    let of = |list: &[(&'static str, &'static str)]| words::chosen(list, reason).ok_or(NO_REASON);
    match form.find("what") {
        Some("suspend") => Ok(Asked::Suspend(of(&words::SUSPEND)?)),
        Some("reinstate") => Ok(Asked::Undo(Undoing::Reinstate, of(&words::REINSTATE)?)),
        Some("erase") if form.find("sure") != Some("yes") => Err(NOT_SURE),
        Some("erase") => Ok(Asked::Undo(Undoing::Erase, of(&words::ERASE)?)),
        _ => Err("Nothing that can be done was asked for. Go back and try again."),
    }
}

impl Plane {
    /// `None` when there is no such member.
    async fn changed(
        &self,
        member: MemberId,
        who: &SignedInMember,
        asked: Asked,
    ) -> Result<Option<Said>, StoreError> {
        if self.store.member(member).await?.is_none() {
            return Ok(None);
        }
        let said = match asked {
            Asked::Suspend(reason) => {
                let ended = self.suspend(member, Some(who.member), reason).await?;
                if ended {
                    (StatusCode::OK, "Suspended", SUSPENDED.to_owned())
                } else {
                    unchanged("They were suspended before.")
                }
            }
            Asked::Undo(what, reason) if self.settings.admin.second => {
                self.proposed(member, who, what, reason).await?
            }
            Asked::Undo(what, reason) => self.undo(member, who.member, what, reason).await?,
        };
        Ok(Some(said))
    }

    async fn proposed(
        &self,
        member: MemberId,
        who: &SignedInMember,
        what: Undoing,
        reason: &'static str,
    ) -> Result<Said, StoreError> {
        let at = self.clock.now();
        let expires_at = at.plus_seconds(self.settings.admin.second_within.as_seconds());
        let proposal = Proposal {
            member,
            what,
            reason: reason.to_owned(),
            by: who.member,
            at,
            expires_at,
        };
        let event = self
            .scribe(at)
            .proposal_made(member, who.member, what, reason);
        let kept = self.store.propose(&NewProposal { proposal, event }).await?;
        Ok(match kept {
            Proposed::Kept => (
                StatusCode::ACCEPTED,
                "It waits for a second administrator",
                format!(
                    "Another one finds it under Alerts, until {}. You cannot agree to it yourself.",
                    words::instant(expires_at)
                ),
            ),
            Proposed::Another => {
                unchanged("Something about this member waits already. Settle that first.")
            }
            Proposed::NoMember => unchanged("They were erased meanwhile."),
        })
    }

    async fn undo(
        &self,
        member: MemberId,
        by: MemberId,
        what: Undoing,
        reason: &str,
    ) -> Result<Said, StoreError> {
        match what {
            Undoing::Reinstate => Ok(if self.reinstate_for(member, by, reason).await? {
                (StatusCode::OK, "Reinstated", REINSTATED.to_owned())
            } else {
                unchanged("They were not suspended.")
            }),
            Undoing::Erase => Ok(
                match self.erase_for(member, Some(by), Some(reason)).await? {
                    Erased::Done => (StatusCode::OK, ERASED, GONE.to_owned()),
                    Erased::Held => unchanged(HELD),
                    Erased::NoMember => unchanged("They were erased before."),
                },
            ),
        }
    }
}

/// The second administrator's word, or anybody's that it shall not be.
pub(super) async fn settle(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    form: Form,
) -> Response {
    let desk = match command(&plane, &who, Area::Alerts) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let member = form.find("member").and_then(MemberId::parse);
    let at = form
        .find("at")
        .and_then(|at| at.parse().ok())
        .map(UnixMillis);
    let verdict = match form.find("verdict") {
        Some("agree") => Some(Verdict::Agreed),
        Some("drop") => Some(Verdict::Dropped),
        _ => None,
    };
    let (Some(member), Some(at), Some(verdict)) = (member, at, verdict) else {
        return nobody(&plane);
    };
    match plane.settled(member, at, &who, verdict).await {
        Ok(said) => answer(desk, member, &said),
        Err(error) => unavailable(&error),
    }
}

impl Plane {
    async fn settled(
        &self,
        member: MemberId,
        at: UnixMillis,
        who: &SignedInMember,
        verdict: Verdict,
    ) -> Result<Said, StoreError> {
        let now = self.clock.now();
        let word = match verdict {
            Verdict::Agreed => "agreed",
            Verdict::Dropped => "dropped",
        };
        let settling = Settling {
            member,
            at,
            by: who.member,
            verdict,
            now,
            event: self.scribe(now).proposal_settled(member, who.member, word),
        };
        Ok(match self.store.settle(&settling).await? {
            Settled::Own => (
                StatusCode::FORBIDDEN,
                "Nothing was changed",
                OWN_PROPOSAL.to_owned(),
            ),
            Settled::Gone => unchanged(
                "It was settled before, has lapsed, or who proposed it is no administrator any \
                 more.",
            ),
            Settled::Taken(_) if verdict == Verdict::Dropped => (
                StatusCode::OK,
                "Dropped",
                "It is not done, and waits no more.".to_owned(),
            ),
            // Taken first: were it lost here, nothing is undone, and it can be proposed again.
            Settled::Taken(it) => self.undo(member, who.member, it.what, &it.reason).await?,
        })
    }
}

fn unchanged(why: &str) -> Said {
    (StatusCode::CONFLICT, "Nothing was changed", why.to_owned())
}

const ERASED: &str = "Erased";
const SUSPENDED: &str = "Their sessions, tokens and running streams end within seconds, on every \
                         gateway. Their pseudonyms are refused until they are reinstated.";
const REINSTATED: &str = "They may sign in again, and make new tokens.";
const GONE: &str = "The row, the attestation and its nonce are gone, and what the log said of them \
                    in words. What a vendor still holds is deleted there next.";
const HELD: &str = "They are suspended, or a provider has shut their account: erased, they would \
                    come back as somebody new.";
const OWN: &str = "That is you. Another administrator must do it.";
const OWN_PROPOSAL: &str = "You proposed it yourself. Another administrator must agree.";
const NO_REASON: &str = "Choose a reason; it goes into the log.";
const NOT_SURE: &str = "Tick the box first: an erasure cannot be undone.";

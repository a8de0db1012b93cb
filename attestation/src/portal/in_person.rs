//! The member's side of a meeting with officers: a code to tell them, and how far it is.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{answer, frame, page as render, unavailable, verify::worth, view, words};
use crate::{
    Plane, login::SignedInMember, member::Standing, user_code::UserCode,
    verify::officer::CODE_SECONDS,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    shown(&plane, &member, None).await
}

/// A form and not a link: each code takes the place of the one before.
pub(super) async fn show(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    if !plane.officers_vouch() {
        return nobody(&plane);
    }
    match plane.meeting_code(member.member).await {
        Ok(Some(code)) => shown(&plane, &member, Some(&code)).await,
        Ok(None) => answer(
            &plane,
            StatusCode::FORBIDDEN,
            "Your access is suspended",
            "No code is shown while it is. Ask a compliance officer of your organisation.",
        ),
        Err(error) => unavailable(&error),
    }
}

async fn shown(plane: &Plane, member: &SignedInMember, code: Option<&UserCode>) -> Response {
    let Some(config) = &plane.officer else {
        return nobody(plane);
    };
    let standing = match plane.standing(member.member).await {
        Ok(standing) => standing,
        Err(error) => return unavailable(&error),
    };
    let vouched = standing.as_ref().map_or(0, |standing| standing.vouched);
    let done = standing.as_ref().is_some_and(by_officers);
    render(&view::InPerson {
        frame: frame(plane, "verify", true),
        heading: heading(done && vouched == 0),
        vouched: if done && vouched == 0 {
            2
        } else {
            vouched.min(1)
        },
        worth: worth(plane, standing.as_ref()),
        within: words::span(config.second_within.as_seconds()),
        code: code.map(|code| view::Spelled {
            code: code.to_string(),
            letters: code.spelled(),
        }),
        lasts: words::span(CODE_SECONDS),
        attest: config
            .predicates
            .iter()
            .map(|predicate| words::predicate(*predicate))
            .collect(),
        keeps: KEEPS.to_vec(),
    })
}

fn by_officers(standing: &Standing) -> bool {
    let verified = standing.verified.as_ref();
    verified.is_some_and(|verified| verified.vendor == "officer")
}

const fn heading(done: bool) -> &'static str {
    if done {
        "Two officers have vouched for you"
    } else {
        "Have two officers vouch for you"
    }
}

pub(super) fn nobody(plane: &Plane) -> Response {
    answer(
        plane,
        StatusCode::NOT_FOUND,
        "Officers do not vouch here",
        "Your organisation has not set this up. The verification page says what there is.",
    )
}

/// Of a word in person; there is no vendor whose answer could be committed to.
const KEEPS: [&str; 5] = [
    "A random number for you, and a keyed hash of your account",
    "For each line they attest: that two officers said so",
    "For each access rule: its version and whether you meet it",
    "The month of the meeting, and the month it expires",
    "Our signature over these lines",
];

//! The answer to what a member objects to.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use bauta_token::units::UnixMillis;

use super::{Area, enter, nobody, told, view};
use crate::{
    Plane,
    login::SignedInMember,
    oauth::fields::Form,
    portal::unavailable,
    ports::{
        MemberId,
        office::{AppealAnswer, Reply},
    },
};

pub(super) async fn answer(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    form: Form,
) -> Response {
    let desk = match enter(&plane, &who, Area::Alerts) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let member = form.find("member").and_then(MemberId::parse);
    let at = form
        .find("at")
        .and_then(|at| at.parse().ok())
        .map(UnixMillis);
    let reply = form.find("reply").and_then(Reply::parse);
    let (Some(member), Some(at), Some(reply)) = (member, at, reply) else {
        return nobody(&plane);
    };
    let next = || {
        vec![view::Way {
            href: "/admin/alerts".to_owned(),
            label: "Back to the alerts".to_owned(),
        }]
    };
    if member == who.member {
        return told(desk, StatusCode::FORBIDDEN, OWN, next());
    }
    let now = plane.clock.now();
    let answer = AppealAnswer {
        member,
        at,
        reply,
        now,
        event: plane.scribe(now).appeal_answered(member, who.member, reply),
    };
    match plane.store.answer_appeal(&answer).await {
        Ok(true) => told(desk, StatusCode::OK, ANSWERED, next()),
        Ok(false) => told(desk, StatusCode::CONFLICT, BEFORE, next()),
        Err(error) => unavailable(&error),
    }
}

const ANSWERED: (&str, &str) = (
    "Answered",
    "They find it on their overview the next time they come.",
);
const BEFORE: (&str, &str) = (
    "Nothing was changed",
    "Somebody answered it before, or they were erased.",
);
const OWN: (&str, &str) = (
    "Nothing was changed",
    "That is your own. Somebody else must answer it.",
);

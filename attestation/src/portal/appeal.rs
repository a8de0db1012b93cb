//! What a member objects to. There is nothing to type and nothing to attach: what people write about
//! themselves would name them.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use bauta_audit::store::StoreError;

use super::{answer, frame, page as render, unavailable, view, words};
use crate::{
    Plane,
    login::SignedInMember,
    oauth::fields::Form,
    ports::{
        MemberId,
        office::{Appeal, Ground, NewAppeal, Objection, Reply},
    },
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    match shown(&plane, member.member, None).await {
        Ok(page) => render(&page),
        Err(error) => unavailable(&error),
    }
}

async fn shown(
    plane: &Plane,
    member: MemberId,
    problem: Option<&'static str>,
) -> Result<view::Appeal, StoreError> {
    let before = plane.store.appeal_of(member).await?;
    Ok(view::Appeal {
        frame: frame(plane, "verify", true),
        about: Objection::ALL
            .into_iter()
            .map(|about| view::Ticket {
                value: about.as_str(),
                label: objection(about),
            })
            .collect(),
        grounds: Ground::ALL
            .into_iter()
            .map(|ground| view::Ticket {
                value: ground.as_str(),
                label: self::ground(ground),
            })
            .collect(),
        open: before.as_ref().is_some_and(|it| it.reply.is_none()),
        before: before.as_ref().map(told),
        problem,
    })
}

pub(super) async fn make(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    form: Form,
) -> Response {
    let about = form.find("about").and_then(Objection::parse);
    let ground = form.find("ground").and_then(Ground::parse);
    let Some((about, ground)) = about.zip(ground) else {
        return refused(&plane, member.member).await;
    };
    let now = plane.clock.now();
    let appeal = NewAppeal {
        member: member.member,
        about,
        ground,
        now,
        event: plane.scribe(now).appeal_made(member.member, about, ground),
    };
    match plane.store.appeal(&appeal).await {
        Ok(true) => answer(&plane, StatusCode::OK, "It is on its way", MADE),
        Ok(false) => answer(&plane, StatusCode::CONFLICT, "One is open already", OPEN),
        Err(error) => unavailable(&error),
    }
}

async fn refused(plane: &Plane, member: MemberId) -> Response {
    match shown(plane, member, Some("Choose one of each.")).await {
        Ok(page) => {
            let mut response = render(&page);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
        Err(error) => unavailable(&error),
    }
}

/// What the overview says of an appeal.
pub(super) fn notice(appeal: &Appeal) -> Option<String> {
    appeal.reply.map(|_| told(appeal))
}

fn told(appeal: &Appeal) -> String {
    let about = match appeal.about {
        Objection::Declined => "a check that was not approved",
        Objection::Closed => "models that stay closed",
        Objection::Record => "what is kept about you",
    };
    let made = words::day(appeal.at.day());
    match appeal.reply {
        None => format!("You objected to {about} on {made}. Nobody has answered yet."),
        Some((reply, at)) => format!(
            "You objected to {about} on {made}. The answer of {}: {}",
            words::day(at.day()),
            match reply {
                Reply::Again => "verify again; it may come out otherwise.",
                Reply::Meet => "go to two officers in person, with your document.",
                Reply::Stands => {
                    "it was looked at and stays as it is. Ask a compliance officer, with your \
                     number, if you want to know more."
                }
            }
        ),
    }
}

const fn objection(about: Objection) -> &'static str {
    match about {
        Objection::Declined => "A check was not approved",
        Objection::Closed => "Some models stay closed to me",
        Objection::Record => "Something that is kept about me is wrong",
    }
}

const fn ground(ground: Ground) -> &'static str {
    match ground {
        Ground::Mistaken => "The check was wrong about me",
        Ground::Changed => "Something has changed since: a new document, a birthday",
        Ground::Person => "I want a person to look at it and to talk to me",
    }
}

const MADE: &str = "An administrator or a compliance officer finds it under your random number. The \
                    answer comes to your overview. If you want to talk, take the number from your \
                    privacy page with you.";
const OPEN: &str = "Wait for its answer first; it comes to your overview.";

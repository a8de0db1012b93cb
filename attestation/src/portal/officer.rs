//! The officer's side of a meeting: the code of who stands before them, what they attest, their word.
//!
//! Nothing on these pages says who a member is: the officer knows that, and Bauta does not.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    answer, frame, in_person::nobody, page as render, unavailable, verify::NOTICE_VERSION, view,
    words,
};
use crate::{
    Plane,
    config::OfficerConfig,
    login::SignedInMember,
    oauth::fields::Form,
    ports::{MemberId, Role, people::Met},
    user_code::UserCode,
    verify::officer::Word,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, officer: SignedInMember) -> Response {
    match may(&plane, &officer).await {
        Ok(_) => entry(&plane, StatusCode::OK, None),
        Err(shut) => shut,
    }
}

fn entry(plane: &Plane, status: StatusCode, problem: Option<&'static str>) -> Response {
    let mut response = render(&view::Officer {
        frame: frame(plane, "officer", true),
        unchecked: plane.vendors.is_empty(),
        problem,
    });
    *response.status_mut() = status;
    response
}

pub(super) async fn typed(
    State(plane): State<Arc<Plane>>,
    officer: SignedInMember,
    form: Form,
) -> Response {
    let config = match may(&plane, &officer).await {
        Ok(config) => config,
        Err(shut) => return shut,
    };
    match find(&plane, &officer, &form).await {
        Ok((code, _)) => ask(&plane, config, &code, None),
        Err(response) => response,
    }
}

pub(super) async fn vouch(
    State(plane): State<Arc<Plane>>,
    officer: SignedInMember,
    form: Form,
) -> Response {
    let config = match may(&plane, &officer).await {
        Ok(config) => config,
        Err(shut) => return shut,
    };
    let (code, member) = match find(&plane, &officer, &form).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let agreed = form.find("notice_version") == Some(NOTICE_VERSION);
    if !agreed || form.find("seen") != Some("yes") {
        return ask(&plane, config, &code, Some(UNSEEN));
    }
    match plane.vouch(&officer, member, &code).await {
        Ok(word) => told(&plane, config, word),
        Err(error) => unavailable(&error),
    }
}

/// What officers vouch for, to one who may; else the page that says why not.
async fn may<'p>(
    plane: &'p Plane,
    officer: &SignedInMember,
) -> Result<&'p OfficerConfig, Response> {
    let config = plane.officer.as_ref().ok_or_else(|| nobody(plane))?;
    if !officer.roles.contains(&Role::Officer) {
        return Err(answer(
            plane,
            StatusCode::FORBIDDEN,
            "Only officers vouch",
            "Your groups do not make you one. If they should, ask your platform team and sign in \
             again.",
        ));
    }
    match plane.word_counts(officer.member).await {
        Ok(true) => Ok(config),
        Ok(false) => Err(say(
            plane,
            StatusCode::FORBIDDEN,
            UNVERIFIED,
            view::Link::new("/verify", "Verify once"),
        )),
        Err(error) => Err(unavailable(&error)),
    }
}

/// What came of it, and the way on.
fn say(
    plane: &Plane,
    status: StatusCode,
    (heading, text): (&str, &str),
    next: view::Link,
) -> Response {
    let mut response = render(&view::Message {
        frame: frame(plane, "officer", true),
        kicker: "In person",
        heading: heading.to_owned(),
        text: text.to_owned(),
        next: Some(next),
    });
    *response.status_mut() = status;
    response
}

/// Who shows the code. Nobody may meet themselves.
async fn find(
    plane: &Plane,
    officer: &SignedInMember,
    form: &Form,
) -> Result<(UserCode, MemberId), Response> {
    let Some(code) = form.find("code").and_then(UserCode::read) else {
        return Err(entry(plane, StatusCode::BAD_REQUEST, Some(NO_CODE)));
    };
    match plane.meet(officer.member, &code).await {
        Ok(Met::Found(member)) if member == officer.member => {
            Err(entry(plane, StatusCode::FORBIDDEN, Some(YOURSELF)))
        }
        Ok(Met::Found(member)) => Ok((code, member)),
        Ok(Met::Unknown) => Err(entry(plane, StatusCode::BAD_REQUEST, Some(UNKNOWN))),
        Ok(Met::Paused) => Err(entry(plane, StatusCode::TOO_MANY_REQUESTS, Some(PAUSED))),
        Err(error) => Err(unavailable(&error)),
    }
}

fn ask(
    plane: &Plane,
    config: &OfficerConfig,
    code: &UserCode,
    problem: Option<&'static str>,
) -> Response {
    let mut attest: Vec<String> = config
        .predicates
        .iter()
        .map(|predicate| words::attested(*predicate).to_owned())
        .collect();
    attest.extend(config.assesses.iter().map(|policy| {
        format!("They meet the nationality rule of “{policy}”, as your organisation assessed it")
    }));
    let mut response = render(&view::OfficerAsk {
        frame: frame(plane, "officer", true),
        code: code.to_string(),
        attest,
        holds: words::span(config.valid_for.as_seconds()),
        notice: NOTICE_VERSION,
        problem,
    });
    if problem.is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

fn told(plane: &Plane, config: &OfficerConfig, word: Word) -> Response {
    let within = words::span(config.second_within.as_seconds());
    let (status, heading, text) = match word {
        Word::First => (
            StatusCode::OK,
            "Your word is taken",
            format!("It is the first of two. Another officer must follow within {within}."),
        ),
        Word::Granted => (
            StatusCode::OK,
            "They are verified",
            "Yours was the second word. They can go on at once.".to_owned(),
        ),
        Word::Again => (
            StatusCode::OK,
            "You had vouched already",
            "One officer counts once. Another officer must follow.".to_owned(),
        ),
        Word::Unverified => (StatusCode::FORBIDDEN, UNVERIFIED.0, UNVERIFIED.1.to_owned()),
        Word::NoMember => (
            StatusCode::NOT_FOUND,
            "Nobody to vouch for",
            "They were suspended or erased meanwhile. Nothing was kept.".to_owned(),
        ),
        Word::Refused => (
            StatusCode::FORBIDDEN,
            "Your word does not count",
            "You are no officer any more, or it was about yourself. Nothing was kept.".to_owned(),
        ),
    };
    let next = view::Link::new("/officer", "Vouch for somebody else");
    say(plane, status, (heading, &text), next)
}

const UNVERIFIED: (&str, &str) = (
    "Verify yourself first",
    "Members are verified by a vendor here. An officer’s word for somebody else counts once the \
     officer is verified too.",
);
const NO_CODE: &str = "A code is eight letters, such as BCDF-GHJK.";
const UNKNOWN: &str = "Nobody shows that code, or not any more. Have them show a new one.";
const PAUSED: &str = "Those were many wrong codes. Wait ten minutes.";
const YOURSELF: &str =
    "That is your own code. Nobody vouches for themselves: two other officers must.";
const UNSEEN: &str = "Your word counts only when you have met them. Tick the box if you have.";

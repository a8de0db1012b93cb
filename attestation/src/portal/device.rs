//! The page where a device's code is typed.
//!
//! The attack on it is one sentence long: somebody else starts a login and gets you to type the
//! code. So it is typed twice, never taken from a link; the page says what asks, when, and whether
//! from another network; and no is as easy as yes.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bauta_token::scope::Name;

use super::{
    Opening, closed, frame, message, page as render, tokens::unhex, unavailable, view, words,
};
use crate::{
    Plane,
    config::DeviceFlow,
    issue::holder::DEVICE,
    login::SignedInMember,
    network::Network,
    oauth::fields::{Form, Query},
    ports::{
        Lookup, MemberId,
        grants::{Allowed, Answer, Entry, Typed, Waiting, hex},
    },
    user_code::UserCode,
};

pub(super) async fn page(
    State(plane): State<Arc<Plane>>,
    Query(query): Query,
    _member: SignedInMember,
) -> Response {
    if plane.settings.oauth.device == DeviceFlow::Off {
        return off(&plane);
    }
    // A code in the link is shown and nothing more: a person still sends it.
    let code = query
        .ok()
        .and_then(|query| query.find("user_code").and_then(UserCode::read));
    let typed = code.map(|code| code.to_string()).unwrap_or_default();
    entry(&plane, StatusCode::OK, None, typed)
}

fn entry(
    plane: &Plane,
    status: StatusCode,
    problem: Option<&'static str>,
    typed: String,
) -> Response {
    let mut response = render(&view::Device {
        frame: frame(plane, "", true),
        problem,
        typed,
    });
    *response.status_mut() = status;
    response
}

pub(super) async fn typed(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    network: Network,
    form: Form,
) -> Response {
    match find(&plane, member.member, &form).await {
        Ok((user, waiting)) => ask(&plane, &member, &network, (user, &waiting), None).await,
        Err(response) => response,
    }
}

/// The login that the typed code names. Each try is counted first.
async fn find(plane: &Plane, member: MemberId, form: &Form) -> Result<(Lookup, Waiting), Response> {
    if plane.settings.oauth.device == DeviceFlow::Off {
        return Err(off(plane));
    }
    let Some(code) = form.find("user_code").and_then(UserCode::read) else {
        return Err(entry(
            plane,
            StatusCode::BAD_REQUEST,
            Some(NO_CODE),
            String::new(),
        ));
    };
    let user = plane.user_code(&code);
    let waiting = look(plane, member, user).await?;
    Ok((user, waiting))
}

async fn look(plane: &Plane, member: MemberId, user: Lookup) -> Result<Waiting, Response> {
    let now = plane.clock.now();
    let typed = plane.store.typed(Entry {
        user,
        holder: plane.holder(member),
        now,
        since: now.plus_seconds(-WINDOW),
        at_most: AT_MOST,
    });
    match typed.await {
        Ok(Typed::Found(waiting)) => Ok(waiting),
        Ok(Typed::Unknown) => Err(entry(
            plane,
            StatusCode::BAD_REQUEST,
            Some(UNKNOWN),
            String::new(),
        )),
        Ok(Typed::Paused) => Err(entry(
            plane,
            StatusCode::TOO_MANY_REQUESTS,
            Some(PAUSED),
            String::new(),
        )),
        Err(error) => Err(unavailable(&error)),
    }
}

async fn ask(
    plane: &Plane,
    member: &SignedInMember,
    network: &Network,
    (user, waiting): (Lookup, &Waiting),
    problem: Option<&'static str>,
) -> Response {
    let opening = match device_opening(plane, member.member, waiting.scope.as_ref()).await {
        Ok(opening) => opening,
        Err(response) => return response,
    };
    let (text, warn) = match network.0 {
        Some(here) if here == waiting.network => ("The same as this browser’s", false),
        Some(_) if waiting.network != plane.nowhere() => ("Another than this browser’s", true),
        _ => ("Unknown", false),
    };
    let none_open = opening.because.text();
    let mut response = render(&view::DeviceAsk {
        frame: frame(plane, "", true),
        login: hex(&user),
        surface: surface(&waiting.surface),
        asked: words::ago(waiting.asked_at, plane.clock.now()),
        network: text,
        warn,
        problem,
        scopes: opening.scopes.iter().map(ToString::to_string).collect(),
        none_open,
    });
    if problem.is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

async fn device_opening(
    plane: &Plane,
    member: MemberId,
    wanted: Option<&Name>,
) -> Result<Opening, Response> {
    let opening = plane.opening(member, wanted).await;
    let mut opening = opening.map_err(|error| unavailable(&error))?;
    opening
        .scopes
        .retain(|name| plane.scopes.get(name).is_some_and(|rule| rule.device));
    Ok(opening)
}

pub(super) async fn answer(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    network: Network,
    form: Form,
) -> Response {
    let (user, waiting) = match answered(&plane, &member, &network, &form).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let answer = match form.find("answer") {
        Some("deny") => Answer::Deny,
        Some("allow") => match allow(&plane, &member, &waiting, &form).await {
            Ok(Some(allowed)) => Answer::Allow(allowed),
            Ok(None) => {
                return ask(&plane, &member, &network, (user, &waiting), Some(NO_SCOPE)).await;
            }
            Err(response) => return response,
        },
        _ => return ask(&plane, &member, &network, (user, &waiting), None).await,
    };
    let denied = matches!(answer, Answer::Deny);
    match plane.store.answer(user, answer, plane.clock.now()).await {
        Ok(true) => {
            tracing::info!(denied, "a device login was answered");
            done(&plane, denied)
        }
        Ok(false) => entry(
            &plane,
            StatusCode::BAD_REQUEST,
            Some(UNKNOWN),
            String::new(),
        ),
        Err(error) => unavailable(&error),
    }
}

/// The login that is answered. The page carries a keyed hash of what it showed, never the code: a
/// yes is for the code that is typed, and has to be for the login that was shown. A no needs no
/// code, and who mistypes stays where they were.
async fn answered(
    plane: &Plane,
    member: &SignedInMember,
    network: &Network,
    form: &Form,
) -> Result<(Lookup, Waiting), Response> {
    let Some(shown) = form.find("login").and_then(unhex) else {
        return find(plane, member.member, form).await;
    };
    if plane.settings.oauth.device == DeviceFlow::Off {
        return Err(off(plane));
    }
    let typed = form.find("user_code");
    let same = typed
        .and_then(UserCode::read)
        .map(|code| plane.user_code(&code))
        == Some(shown);
    let waiting = look(plane, member.member, shown).await?;
    if same || form.find("answer") == Some("deny") {
        return Ok((shown, waiting));
    }
    let problem = if typed.is_none() { NOT_TYPED } else { NOT_THIS };
    Err(ask(plane, member, network, (shown, &waiting), Some(problem)).await)
}

/// `None` when the chosen scope is none that may be given.
async fn allow(
    plane: &Plane,
    member: &SignedInMember,
    waiting: &Waiting,
    form: &Form,
) -> Result<Option<Allowed>, Response> {
    let opening = device_opening(plane, member.member, waiting.scope.as_ref()).await?;
    if opening.scopes.is_empty() {
        return Err(closed(plane, &opening));
    }
    let chosen = form.find("scope").and_then(Name::parse);
    let Some(scope) = chosen.filter(|scope| opening.scopes.contains(scope)) else {
        return Ok(None);
    };
    let handle = plane
        .seal_member(DEVICE, waiting.code.as_bytes(), member.member)
        .map_err(|error| unavailable(&error))?;
    Ok(Some(Allowed {
        holder: plane.holder(member.member),
        handle,
        scope,
    }))
}

fn done(plane: &Plane, denied: bool) -> Response {
    let (heading, text) = if denied {
        (
            "Denied",
            "Nothing was given. If somebody sent you that code, tell your security team: they will \
             try a colleague next.",
        )
    } else {
        (
            "Your device is signed in",
            "It goes on by itself in a few seconds. You can close this page.",
        )
    };
    render(&view::Message {
        frame: frame(plane, "", true),
        kicker: "Device login",
        heading: heading.to_owned(),
        text: text.to_owned(),
        next: Some(view::Link::new("/tokens", "See what is in force")),
    })
}

fn surface(surface: &str) -> String {
    match surface {
        "unknown" => "It gave no name".to_owned(),
        "claude_code" => "It says it is Claude Code".to_owned(),
        "bauta_cli" => "It says it is the bauta command line".to_owned(),
        other => format!("It says it is “{other}”"),
    }
}

fn off(plane: &Plane) -> Response {
    message(
        plane,
        StatusCode::NOT_FOUND,
        "Logins by code are switched off",
        "Your organisation has not allowed them. Sign in with a browser on the same machine.",
    )
    .into_response()
}

const WINDOW: i64 = 600;
/// A login takes two; the rest is for typing errors.
const AT_MOST: i64 = 20;
const NO_CODE: &str = "A code is eight letters, such as BCDF-GHJK.";
const UNKNOWN: &str =
    "No login waits under that code. It may have run out: your tool shows a new one.";
const PAUSED: &str = "Those were many codes. Wait ten minutes.";
const NOT_TYPED: &str =
    "Nothing is allowed yet: type the code once more below, then choose “Allow”.";
const NOT_THIS: &str = "That is not the code of this login. Type it again as the device shows it.";
const NO_SCOPE: &str = "Choose what the device may use, and type the code again.";

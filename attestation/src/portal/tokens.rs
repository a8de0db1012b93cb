//! Tokens for tools: made, shown once, listed, revoked.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use bauta_audit::store::StoreError;
use bauta_token::scope::Name;
use zeroize::Zeroizing;

use super::{frame, page as render, snippets, unavailable, view, words};
use crate::{
    Plane,
    issue::{Ask, ClientKind, IssueError, Issued, Label},
    login::SignedInMember,
    oauth::fields::Form,
    ports::{
        Lookup, MemberId,
        grants::{KeptGrant, hex},
    },
    qualify::QualifyError,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    match tokens(&plane, member.member).await {
        Ok(tokens) => render(&tokens),
        Err(error) => unavailable(&error),
    }
}

async fn tokens(plane: &Plane, member: MemberId) -> Result<view::Tokens, StoreError> {
    let kept = plane.grants(member).await?;
    let opening = plane.opening(member, None).await?;
    let scopes: Vec<_> = opening
        .scopes
        .iter()
        .filter_map(|name| choice(plane, name))
        .collect();
    let most_days = scopes.iter().map(|scope| scope.days).max().unwrap_or(1);
    let none_open = if opening.scopes.is_empty() {
        opening.because.text()
    } else {
        "None of your scopes has labelled tokens. Sign your tool in instead."
    };
    Ok(view::Tokens {
        frame: frame(plane, "tokens", true),
        grants: kept.iter().map(|grant| shown(plane, grant)).collect(),
        scopes,
        none_open: none_open.to_owned(),
        revoked: None,
        problem: None,
        typed: String::new(),
        most_days,
        default_days: most_days.min(OFFERED),
    })
}

fn choice(plane: &Plane, name: &Name) -> Option<view::Choice> {
    let longest = plane.scopes.get(name)?.max_label_ttl?;
    Some(view::Choice {
        name: name.to_string(),
        days: longest.as_seconds().div_euclid(DAY).max(1),
    })
}

pub(crate) fn shown(plane: &Plane, grant: &KeptGrant) -> view::Grant {
    let kind = match ClientKind::parse(&grant.client) {
        Some(ClientKind::Cli) => "Command line",
        Some(ClientKind::Device) => "Signed-in device",
        Some(ClientKind::Ci) => "Build",
        _ => "Labelled token",
    };
    let label = plane.open_label(grant);
    view::Grant {
        id: hex(&grant.id),
        label: label.map_or_else(|| kind.to_owned(), |label| label.as_str().to_owned()),
        scope: grant.scope.to_string(),
        kind,
        made: words::day(grant.made_on),
        refreshed: words::day(grant.refreshed_on),
        ends: words::day(grant.ends_at.day()),
    }
}

pub(super) async fn create(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    form: Form,
) -> Response {
    let typed = form.find("label").unwrap_or_default();
    let problem = match make(&plane, member.member, &form).await {
        Ok((label, issued)) => return made(&plane, &label, &issued),
        Err(Problem::Say(text)) => text,
        Err(Problem::NoAnswer(error)) => return unavailable(&*error),
    };
    match tokens(&plane, member.member).await {
        Ok(tokens) => {
            let mut response = render(&view::Tokens {
                problem: Some(problem.to_owned()),
                typed: typed.to_owned(),
                ..tokens
            });
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
        Err(error) => unavailable(&error),
    }
}

enum Problem {
    Say(&'static str),
    NoAnswer(Box<dyn std::error::Error>),
}

async fn make(plane: &Plane, member: MemberId, form: &Form) -> Result<(String, Issued), Problem> {
    let label = form
        .find("label")
        .and_then(Label::parse)
        .ok_or(Problem::Say(
            "A label is up to 40 letters, digits, spaces and . _ - ( ) /, and no e-mail address.",
        ))?;
    let scope = form
        .find("scope")
        .and_then(Name::parse)
        .ok_or(Problem::Say("Choose a scope."))?;
    let days: i64 = form
        .find("days")
        .and_then(|days| days.parse().ok())
        .filter(|days| (1..=3_650).contains(days))
        .ok_or(Problem::Say("Choose how many days it should live."))?;
    let qualified = plane
        .qualify(member, &scope)
        .await
        .map_err(|error| match error {
            QualifyError::Store(_) | QualifyError::Broken(_) => Problem::NoAnswer(Box::new(error)),
            QualifyError::NotVerified | QualifyError::Expired => {
                Problem::Say("Verify first; then tokens open.")
            }
            QualifyError::SignInAgain => Problem::Say("Your sign-in is too old. Sign in again."),
            _ => Problem::Say("That scope is not open to you."),
        })?;
    let name = label.as_str().to_owned();
    let ask = Ask::labelled(label, days.saturating_mul(DAY));
    match plane.issue(qualified, ask).await {
        Ok(issued) => Ok((name, issued)),
        Err(IssueError::Life) => Err(Problem::Say(
            "That scope has no labelled tokens of that life. Choose fewer days.",
        )),
        Err(IssueError::Full) => Err(Problem::Say(
            "You have as many tokens as one person may have. Revoke one first.",
        )),
        Err(IssueError::Anonymous) => Err(Problem::Say(
            "That scope is anonymous, and anonymous use is not available here yet.",
        )),
        Err(IssueError::Lapsing) => Err(Problem::Say(
            "Your verification ends in a moment. Verify again first.",
        )),
        Err(error) => Err(Problem::NoAnswer(Box::new(error))),
    }
}

fn made(plane: &Plane, label: &str, issued: &Issued) -> Response {
    render(&view::Made {
        frame: frame(plane, "tokens", true),
        label: label.to_owned(),
        token: Zeroizing::new(issued.access().to_owned()),
        scope: issued.scope().to_string(),
        until: words::day(issued.expires_at().day()),
        keep: snippets::KEEP,
        snippets: snippets::all(&plane.settings.gateway_url),
    })
}

/// Ends one token and says which. The page is the answer itself: a label belongs in no address, and
/// who sends the form twice ends nothing twice.
pub(super) async fn revoke(
    State(plane): State<Arc<Plane>>,
    member: SignedInMember,
    form: Form,
) -> Response {
    let Some(id) = form.find("grant").and_then(unhex) else {
        return (StatusCode::SEE_OTHER, [(LOCATION, "/tokens")]).into_response();
    };
    match end(&plane, member.member, id).await {
        Ok(page) => render(&page),
        Err(error) => unavailable(&error),
    }
}

async fn end(plane: &Plane, member: MemberId, id: Lookup) -> Result<view::Tokens, StoreError> {
    let kept = plane.grants(member).await?;
    let ended = kept.iter().find(|grant| grant.id == id);
    let ended = ended.map(|grant| shown(plane, grant));
    plane.end_grant(member, id).await?;
    Ok(view::Tokens {
        revoked: ended.map(|grant| (grant.label, grant.scope)),
        ..tokens(plane, member).await?
    })
}

pub(super) fn unhex(text: &str) -> Option<Lookup> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0; 32];
    for (slot, place) in out.iter_mut().zip((0..64_usize).step_by(2)) {
        let pair = text.get(place..place.saturating_add(2))?;
        *slot = u8::from_str_radix(pair, 16).ok()?;
    }
    // One spelling: `hex` writes lower case and no sign.
    let id = Lookup(out);
    (hex(&id) == text).then_some(id)
}

const DAY: i64 = 86_400;
/// What is offered when more is allowed.
const OFFERED: i64 = 30;

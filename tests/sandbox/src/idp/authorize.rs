//! The authorization endpoint and the sign-in page.

use super::people::label;
use super::token::Code;
use super::{Lie, Person, Provider, Session, WHAT};
use crate::answer::Answer;
use crate::page::{self, text};
use crate::request::Request;
use http::StatusCode;
use std::collections::BTreeMap;
use url::form_urlencoded::Serializer;

/// A valid authorization request, waiting for a person.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) state: Option<String>,
    pub(super) scope: String,
    pub(super) max_age: Option<i64>,
    at_s: i64,
}

/// Shows the sign-in page, or sends the browser back with what is wrong.
pub(super) fn ask(provider: &Provider, request: &Request) -> Answer {
    let Some(query) = request.query() else {
        return local("The request names a parameter twice.");
    };
    let (client, redirect_uri) = match addressee(provider, &query) {
        Ok(known) => known,
        Err(page) => return page,
    };
    let state = query.get("state").cloned();
    let asked = match valid(&query) {
        Ok(challenge) => Asked {
            client,
            redirect_uri,
            challenge,
            nonce: query.get("nonce").cloned(),
            state,
            scope: query.get("scope").cloned().unwrap_or_default(),
            max_age: query.get("max_age").and_then(|age| age.parse().ok()),
            at_s: provider.clock.now_s(),
        },
        Err((error, why)) => {
            let told = [("error", error), ("error_description", why)];
            return back(provider, &redirect_uri, state.as_deref(), &told, None);
        }
    };
    let unattended = provider.lock().unattended.clone();
    if let Some(name) = unattended {
        return accept(provider, &asked, &name, None);
    }
    let session = request.cookie(COOKIE).map(str::to_owned);
    if query.get("prompt").is_some_and(|prompt| prompt == "none") {
        return silent(provider, &asked, session.as_deref());
    }
    choose(provider, asked)
}

/// What a person decided on the sign-in page.
pub(super) fn decide(provider: &Provider, request: &Request) -> Answer {
    let Some(form) = request.form() else {
        return local("The form cannot be read.");
    };
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let asked = provider.lock().asked.remove(field("request"));
    let now_s = provider.clock.now_s();
    let Some(asked) = asked.filter(|asked| now_s.saturating_sub(asked.at_s) <= PAGE_S) else {
        return local(
            "This sign-in page was used before or is too old. Start again at the application.",
        );
    };
    if form.contains_key("cancel") {
        let told = [
            ("error", "access_denied"),
            ("error_description", "The person declined."),
        ];
        return back(
            provider,
            &asked.redirect_uri,
            asked.state.as_deref(),
            &told,
            None,
        );
    }
    accept(provider, &asked, field("person"), request.cookie(COOKIE))
}

/// Application and redirect URI: without both known there is nowhere to send an error.
fn addressee(
    provider: &Provider,
    query: &BTreeMap<String, String>,
) -> Result<(String, String), Answer> {
    let id = query
        .get("client_id")
        .map(String::as_str)
        .unwrap_or_default();
    let Some(client) = provider.lock().client(id) else {
        return Err(local("No such application is known here."));
    };
    match query.get("redirect_uri") {
        Some(uri) if client.redirect_uris.contains(uri) => Ok((client.id, uri.clone())),
        _ => Err(local(
            "The application asks to return to an address that is not registered.",
        )),
    }
}

/// The code challenge, or an error that the application may know.
fn valid(query: &BTreeMap<String, String>) -> Result<String, (&'static str, &'static str)> {
    let is = |name: &str, value: &str| query.get(name).is_some_and(|given| given == value);
    if !is("response_type", "code") {
        return Err((
            "unsupported_response_type",
            "only response_type=code is supported",
        ));
    }
    if query.contains_key("request") || query.contains_key("request_uri") {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    let scope = query.get("scope").map(String::as_str).unwrap_or_default();
    if !scope.split(' ').any(|word| word == "openid") {
        return Err(("invalid_scope", "scope must include openid"));
    }
    if !is("code_challenge_method", "S256") {
        return Err(("invalid_request", "code_challenge_method must be S256"));
    }
    match query.get("code_challenge") {
        Some(challenge) if challenge.len() == 43 => Ok(challenge.clone()),
        _ => Err((
            "invalid_request",
            "code_challenge must be the 43 characters of S256",
        )),
    }
}

fn silent(provider: &Provider, asked: &Asked, session: Option<&str>) -> Answer {
    let known = session.and_then(|sid| provider.lock().sessions.get(sid).cloned());
    let now_s = provider.clock.now_s();
    let fresh = known.filter(|known| {
        asked
            .max_age
            .is_none_or(|age| now_s.saturating_sub(known.at_s) <= age)
    });
    let Some(known) = fresh else {
        let told = [("error", "login_required")];
        return back(
            provider,
            &asked.redirect_uri,
            asked.state.as_deref(),
            &told,
            None,
        );
    };
    accept(provider, asked, &known.sub, session)
}

fn choose(provider: &Provider, asked: Asked) -> Answer {
    let id = provider.seed.name("ask_");
    let onward = page::origin(&asked.redirect_uri);
    let client = text(&asked.client);
    let mut book = provider.lock();
    let row = |person: &Person| {
        format!(
            "<li><span>{}</span><form method=\"post\" action=\"/authorize\">\
             <input type=\"hidden\" name=\"request\" value=\"{id}\">\
             <input type=\"hidden\" name=\"person\" value=\"{}\">\
             <button type=\"submit\">Sign in as {}</button></form></li>",
            label(person),
            text(&person.sub),
            text(&person.name),
        )
    };
    let rows: String = book.people.iter().map(row).collect();
    let body = format!(
        "<p>The application <code>{client}</code> asks who you are. Choose one:</p>\
         <ul class=\"people\">{rows}</ul>\
         <form method=\"post\" action=\"/authorize\">\
         <input type=\"hidden\" name=\"request\" value=\"{id}\">\
         <button type=\"submit\" name=\"cancel\" value=\"1\">Do not sign in</button></form>"
    );
    book.asked.insert(id, asked);
    drop(book);
    page::page(StatusCode::OK, "Company sign-in", WHAT, &body, &[&onward])
}

/// Signs a person in and sends the browser back with a code.
fn accept(provider: &Provider, asked: &Asked, name: &str, sid: Option<&str>) -> Answer {
    let mut book = provider.lock();
    let Some(person) = book.person(name) else {
        drop(book);
        return local("Nobody of that name works here.");
    };
    let now_s = provider.clock.now_s();
    let kept = sid.filter(|sid| {
        book.sessions
            .get(*sid)
            .is_some_and(|kept| kept.sub == person.sub)
    });
    let sid = kept.map_or_else(|| provider.seed.name("sid_"), str::to_owned);
    let session = book.sessions.entry(sid.clone()).or_insert_with(|| Session {
        sub: person.sub.clone(),
        at_s: now_s,
        clients: Vec::new(),
    });
    session.at_s = now_s;
    if !session.clients.contains(&asked.client) {
        session.clients.push(asked.client.clone());
    }
    let code = provider.seed.name("code_");
    book.codes
        .insert(code.clone(), Code::new(asked, person, &sid, now_s));
    let lie = book.lie(Lie::in_redirect);
    drop(book);
    back(
        provider,
        &asked.redirect_uri,
        asked.state.as_deref(),
        &[("code", &code)],
        lie,
    )
    .with(
        "set-cookie",
        &format!("{COOKIE}={sid}; Path=/; HttpOnly; SameSite=Lax"),
    )
}

fn back(
    provider: &Provider,
    redirect_uri: &str,
    state: Option<&str>,
    told: &[(&str, &str)],
    lie: Option<Lie>,
) -> Answer {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(told);
    match (lie, state) {
        (Some(Lie::OtherState), _) => {
            query.append_pair("state", "a-state-that-nobody-began");
        }
        (Some(Lie::NoState), _) | (_, None) => {}
        (_, Some(state)) => {
            query.append_pair("state", state);
        }
    }
    match lie {
        Some(Lie::NoIssParameter) => {}
        Some(Lie::OtherIssParameter) => {
            query.append_pair("iss", "https://other-idp.example");
        }
        _ => {
            query.append_pair("iss", &provider.issuer);
        }
    }
    let mark = if redirect_uri.contains('?') { '&' } else { '?' };
    Answer::see_other(&format!("{redirect_uri}{mark}{}", query.finish()))
        .with("cache-control", "no-store")
        .with("referrer-policy", "no-referrer")
}

/// An error told to the person and to nobody else.
fn local(why: &str) -> Answer {
    let body = format!("<p>{}</p>", text(why));
    page::page(
        StatusCode::BAD_REQUEST,
        "That did not work",
        WHAT,
        &body,
        &[],
    )
}

/// The id of the request that a sign-in page is about.
pub(super) fn hidden(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("name=\"request\" value=\"")?;
    rest.split('"').next()
}

pub(super) const COOKIE: &str = "sandbox_idp_session";
/// How long a sign-in page stays good, in seconds.
const PAGE_S: i64 = 600;

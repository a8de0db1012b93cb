//! The page to which a person is sent, and the photographs that must never be fetched.

use super::{Book, Office};
use crate::answer::Answer;
use crate::page::{self, text};
use crate::request::Request;
use http::{Method, StatusCode};
use serde_json::Value;
use url::form_urlencoded::Serializer;

/// A one-time link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) inquiry: String,
    pub(super) used_ms: Option<i64>,
    pub(super) expires_ms: i64,
}

/// The answer to whatever is not the API.
pub(super) fn answer(office: &Office, request: &Request) -> Answer {
    match (&request.method, request.segments().as_slice()) {
        (&Method::GET, ["style.css"]) => page::style(),
        (&Method::GET, ["verify"]) => open(office, request),
        (&Method::GET, ["v", short]) => follow(office, short),
        (&Method::POST, ["verify"]) => decide(office, request),
        (&Method::GET, ["files", _]) => file(request),
        (&Method::GET, []) => note(
            "Identity check",
            "Start at the application: it gives you a link to this page.",
        ),
        _ => note("Nothing here", "This address leads nowhere."),
    }
}

/// Opens an inquiry by its one-time link, or by its id while nobody has begun it.
fn open(office: &Office, request: &Request) -> Answer {
    let query = request.query().unwrap_or_default();
    let mut book = office.lock();
    let book = &mut *book;
    let admitted = match (query.get("code"), query.get("inquiry-id")) {
        (Some(code), _) => by_code(office, book, code),
        (None, Some(id)) => by_id(book, id, query.get("session-token").map(String::as_str)),
        (None, None) => Err("The link is not complete."),
    };
    let id = match admitted {
        Ok(id) => id,
        Err(why) => return note("This link cannot be used", why),
    };
    let Some(inquiry) = book.inquiries.get_mut(&id) else {
        return note("This link cannot be used", "There is no such inquiry.");
    };
    if inquiry.sessions >= SESSIONS {
        return note("This link cannot be used", "It was opened too many times.");
    }
    inquiry.sessions = inquiry.sessions.saturating_add(1);
    if let Some(uri) = query.get("redirect-uri") {
        inquiry.redirect_uri.get_or_insert_with(|| uri.clone());
    }
    let onward = inquiry.redirect_uri.clone();
    office.start(book, &id);
    let session = office.seed.name("page_");
    book.pages.insert(session.clone(), id);
    form(&session, onward.as_deref())
}

fn by_code(office: &Office, book: &mut Book, code: &str) -> Result<String, &'static str> {
    let now_ms = office.clock.now_ms();
    let link = book.links.get_mut(code).ok_or("The link is unknown.")?;
    if link.expires_ms <= now_ms {
        return Err("The link has expired.");
    }
    let first_ms = *link.used_ms.get_or_insert(now_ms);
    if now_ms.saturating_sub(first_ms) > GRACE_MS {
        return Err("The link was used before.");
    }
    let id = link.inquiry.clone();
    let open = book.inquiries.get(&id).is_some_and(super::Inquiry::open);
    open.then_some(id)
        .ok_or("The inquiry is finished or has expired.")
}

fn by_id(book: &Book, id: &str, token: Option<&str>) -> Result<String, &'static str> {
    let inquiry = book.inquiries.get(id).ok_or("There is no such inquiry.")?;
    let resumed = token
        .and_then(|token| book.tokens.get(token))
        .is_some_and(|known| known == id);
    match inquiry.status.as_str() {
        "created" => Ok(id.to_owned()),
        "pending" if resumed => Ok(id.to_owned()),
        "pending" => Err("The inquiry was begun before: a session token is needed."),
        _ => Err("The inquiry is finished or has expired."),
    }
}

fn follow(office: &Office, short: &str) -> Answer {
    let code = office
        .lock()
        .links
        .keys()
        .find(|code| code.starts_with(short))
        .cloned();
    match code {
        Some(code) if short.len() == 10 => {
            Answer::see_other(&format!("{}/verify?code={code}", office.url))
        }
        _ => note("This link cannot be used", "The link is unknown."),
    }
}

fn form(session: &str, redirect_uri: Option<&str>) -> Answer {
    let people = [
        ("adult", "An adult with a good passport"),
        ("minor", "A person of fifteen with a good passport"),
        ("expired", "An adult whose passport ran out last year"),
        (
            "licence",
            "An adult with a driving licence, which names no nationality",
        ),
        ("face", "A good passport in front of another face"),
    ];
    let choice = |(value, label): (&str, &str)| {
        let checked = if value == "adult" { " checked" } else { "" };
        format!(
            "<label><input type=\"radio\" name=\"evidence\" value=\"{value}\"{checked}> {label}</label>"
        )
    };
    let choices: String = people.map(choice).concat();
    let body = format!(
        "<p>A real vendor would now ask for your passport and a picture of your face. This page asks for neither, \
         takes nothing and checks nothing: you say how it ends.</p>\
         <form method=\"post\" action=\"/verify\"><input type=\"hidden\" name=\"session\" value=\"{session}\">\
         <fieldset><legend>Who is in front of the camera?</legend>{choices}</fieldset>\
         <fieldset><legend>What does the vendor decide?</legend><div class=\"row\">\
         <button type=\"submit\" name=\"decision\" value=\"approve\">Approve</button>\
         <button type=\"submit\" name=\"decision\" value=\"decline\">Decline</button>\
         <button type=\"submit\" name=\"decision\" value=\"review\">Needs review</button></div></fieldset></form>\
         <p class=\"quiet\">As the real one does, this page sends you back with invented names and a birth date in the \
         address. Bauta must drop them at once: see whether you find them anywhere.</p>"
    );
    let onward = redirect_uri.map(page::origin);
    let onward: Vec<&str> = onward.iter().map(String::as_str).collect();
    page::page(StatusCode::OK, "Identity check", WHAT, &body, &onward)
}

fn decide(office: &Office, request: &Request) -> Answer {
    let form = request.form().unwrap_or_default();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let id = office.lock().pages.remove(field("session"));
    let open = id.filter(|id| {
        office
            .lock()
            .inquiries
            .get(id)
            .is_some_and(super::Inquiry::open)
    });
    let Some(id) = open else {
        return note(
            "That did not work",
            "This page was used before, or the inquiry is finished.",
        );
    };
    let Some((decision, evidence)) = office.chosen(field("decision"), field("evidence")) else {
        return note("That did not work", "Choose one of the three outcomes.");
    };
    office.decide(&id, decision, evidence);
    leave(office, &id)
}

/// Sends the person back, with everything in the address that the real one puts there.
fn leave(office: &Office, id: &str) -> Answer {
    let book = office.lock();
    let Some(inquiry) = book.inquiries.get(id) else {
        return note("Done", "You can close this page.");
    };
    let Some(uri) = &inquiry.redirect_uri else {
        return note("Done", "You can close this page.");
    };
    let mut query = Serializer::new(String::new());
    query.append_pair("inquiry-id", id);
    if let Some(reference) = &inquiry.reference {
        query.append_pair("reference-id", reference);
    }
    let status = if inquiry.status == "failed" {
        "failed"
    } else {
        "completed"
    };
    query.append_pair("status", status);
    query.append_pair("fields", &Value::Object(inquiry.fields.clone()).to_string());
    let mark = if uri.contains('?') { '&' } else { '?' };
    Answer::see_other(&format!("{uri}{mark}{}", query.finish()))
}

/// A photograph. The record shows who came for it.
fn file(request: &Request) -> Answer {
    let token = request
        .query()
        .and_then(|mut query| query.remove("access_token"));
    match token {
        Some(token) if !token.is_empty() => Answer::bytes(
            StatusCode::OK,
            "image/jpeg",
            format!("canary image {token}"),
        ),
        _ => Answer::empty(StatusCode::FORBIDDEN),
    }
}

fn note(title: &str, why: &str) -> Answer {
    let status = match title {
        "Done" | "Identity check" => StatusCode::OK,
        "Nothing here" => StatusCode::NOT_FOUND,
        _ => StatusCode::GONE,
    };
    page::page(status, title, WHAT, &format!("<p>{}</p>", text(why)), &[])
}

const WHAT: &str = "This stands in for the verification vendor. No document and no face is looked at, and nothing real is checked.";
/// A used link still opens for five minutes: browsers fetch things twice.
const GRACE_MS: i64 = 300_000;
/// How often one inquiry can be opened.
const SESSIONS: u32 = 25;

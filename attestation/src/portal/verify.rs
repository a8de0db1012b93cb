//! Before and while a verification runs: who collects what, and what is kept.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::Response,
};
use serde_json::Value;

use super::{csp, frame, page as render, unavailable, view, words};
use crate::{
    Plane,
    config::{PersonaConfig, SecretText, VerifierConfig},
    login::SignedInMember,
    member::Standing,
    ports::people::{RedactionState, VerificationState},
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    let standing = match plane.standing(member.member).await {
        Ok(standing) => standing,
        Err(error) => return unavailable(&error),
    };
    let mut response = render(&verify(&plane, standing.as_ref()));
    // The form leads to the vendor's own pages: a browser follows only where the page may go.
    if let Ok(policy) = HeaderValue::from_str(&csp(&vendor_pages(&plane))) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn verify(plane: &Plane, standing: Option<&Standing>) -> view::Verify {
    let verified = standing.and_then(|standing| standing.verified.as_ref());
    let first = plane.settings.verifiers.first();
    let vendor = first.map_or("the verifier", |config| words::verifier(config).1);
    view::Verify {
        frame: frame(plane, "verify", true),
        heading: match verified {
            Some(_) => "You are verified".to_owned(),
            None => "Show once that you are you".to_owned(),
        },
        lead: match verified {
            Some(v) => format!(
                "Since {}, until {}. You may verify again at any time; the new result takes the \
                 place of the old one.",
                words::month(&v.verified_on),
                words::day(v.valid_until)
            ),
            None => format!(
                "{} checks; Bauta keeps the outcome. It serves every provider and tool until it \
                 expires.",
                capital(vendor)
            ),
        },
        note: standing.and_then(note),
        vendor: vendor.to_owned(),
        vendor_sees: first.map_or_else(Vec::new, sees),
        vendor_deletes: first.map_or_else(String::new, deletes),
        bauta_keeps: KEEPS.iter().map(|line| (*line).to_owned()).collect(),
        record: verified.map_or_else(Vec::new, |v| facts(&v.record)),
        ways: plane.settings.verifiers.iter().map(way).collect(),
        notice_version: NOTICE_VERSION.to_owned(),
    }
}

fn note(standing: &Standing) -> Option<String> {
    if standing.expired {
        return Some("Your last verification has expired.".to_owned());
    }
    if standing.vouched > 0 {
        return Some("One officer has vouched for you; a second one must follow.".to_owned());
    }
    let attempt = standing.attempt.as_ref()?;
    match attempt.state {
        VerificationState::Declined => Some(format!(
            "{} did not confirm your last attempt. We are not told more than that. You may try \
             again with better light or another document.",
            capital(&words::vendor(&attempt.vendor))
        )),
        VerificationState::Submitted | VerificationState::UnderReview => {
            Some("A check is under way; the result comes here by itself.".to_owned())
        }
        _ => None,
    }
}

fn sees(config: &VerifierConfig<SecretText>) -> Vec<String> {
    let lines: &[&str] = match config {
        VerifierConfig::Persona(_) => &[
            "Your identity document, as you photograph it",
            "A live selfie",
            "Your browser and its network address, while you are on its pages",
            "A random reference from us; not your account, not your name",
        ],
        VerifierConfig::Officer(_) => &[
            "Your document, in your hand, in person",
            "You",
            "Nothing is copied and nothing is sent anywhere",
        ],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn deletes(config: &VerifierConfig<SecretText>) -> String {
    match config {
        VerifierConfig::Persona(persona) => format!(
            "We have Persona delete images and document data {} after the decision, and check that \
             it did. The receipt is on your privacy page.",
            hours(persona)
        ),
        VerifierConfig::Officer(_) => "There is nothing to delete.".to_owned(),
    }
}

fn hours(persona: &PersonaConfig<SecretText>) -> String {
    let hours = persona.redact_after.as_seconds().div_euclid(3_600).max(1);
    if hours == 1 {
        "an hour".to_owned()
    } else {
        format!("{hours} hours")
    }
}

fn way(config: &VerifierConfig<SecretText>) -> view::Way {
    let (vendor, name) = words::verifier(config);
    match config {
        VerifierConfig::Persona(_) => view::Way {
            vendor,
            button: format!("Go to {name}"),
            takes: "You need your document and a camera; it takes about three minutes. You leave \
                    this site for the vendor’s and come back.",
        },
        VerifierConfig::Officer(_) => view::Way {
            vendor: "",
            button: String::new(),
            takes: "Or in person: go to two officers of your organisation, one after the other, with \
                    your document. Each confirms here; nothing is copied.",
        },
    }
}

/// Where the vendor's hosted pages are: the vendor's own site, and the simulator's in development.
fn vendor_pages(plane: &Plane) -> String {
    let mut out = "https://withpersona.com https://*.withpersona.com".to_owned();
    for config in &plane.settings.verifiers {
        if let VerifierConfig::Persona(persona) = config {
            let _fits = write!(
                out,
                " {}",
                persona.api_base.url().origin().ascii_serialization()
            );
        }
    }
    out
}

/// The signed record, line by line, as it is stored.
pub(super) fn facts(record: &str) -> Vec<view::Fact> {
    let Ok(Value::Object(record)) = serde_json::from_str(record) else {
        return Vec::new();
    };
    record
        .iter()
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            view::Fact::new(name, text)
        })
        .collect()
}

pub(super) async fn waiting(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    match plane.standing(member.member).await {
        Ok(standing) => render(&progress(&plane, standing.as_ref())),
        Err(error) => unavailable(&error),
    }
}

fn progress(plane: &Plane, standing: Option<&Standing>) -> view::Waiting {
    let attempt = standing.and_then(|standing| standing.attempt.as_ref());
    let verified = standing.is_some_and(|standing| standing.verified.is_some());
    let (heading, text, done) = match attempt.map(|attempt| attempt.state) {
        Some(VerificationState::Approved) if verified => (
            "You are verified",
            "That was all. It serves every provider and tool until it expires.",
            true,
        ),
        Some(VerificationState::Approved) => (
            "The check is done",
            "It does not count here. Your overview says why.",
            true,
        ),
        Some(VerificationState::Declined) => (
            "Not confirmed",
            "The vendor did not confirm it. We are not told why, and keep only that it ended so. \
             You may try again.",
            true,
        ),
        Some(VerificationState::Expired) => (
            "Nobody finished it",
            "The attempt ran out before it was finished. Begin again when it suits you.",
            true,
        ),
        Some(VerificationState::UnderReview) => (
            "A person is looking",
            "The vendor wants a second pair of eyes. That can take a few hours; you need not wait \
             here.",
            false,
        ),
        Some(_) => (
            "Checking",
            "The vendor is looking. This usually takes less than a minute.",
            false,
        ),
        None => (
            "Nothing is under way",
            "You have not begun a verification.",
            true,
        ),
    };
    view::Waiting {
        frame: frame(plane, "verify", true),
        heading: heading.to_owned(),
        text: text.to_owned(),
        done,
        next: if verified {
            view::Link::new("/", "Go to the overview")
        } else {
            view::Link::new("/verify", "Back to verification")
        },
    }
}

/// Where evidence stands at the vendor.
pub(super) fn redaction(state: RedactionState) -> String {
    match state {
        RedactionState::None => "nothing to delete: nothing was kept".to_owned(),
        RedactionState::Due(at) => format!("will be asked for by {}", words::day(at.day())),
        RedactionState::Requested(on) => {
            format!("asked for on {}, not confirmed yet", words::day(on))
        }
        RedactionState::Confirmed(on) => format!("confirmed on {}", words::day(on)),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

const KEEPS: [&str; 6] = [
    "A random number for you, and a keyed hash of your account",
    "For each check: passed, failed, or not known",
    "For each access rule: its version and whether you meet it",
    "The month of the check, and the month it expires",
    "A keyed commitment to the vendor’s answer, noise once its key is deleted",
    "Our signature over these lines",
];

/// The wording of what is said above the button; a member's consent names it.
pub(crate) const NOTICE_VERSION: &str = "2026-11-01";

//! Before and while a verification runs: who collects what, and what is kept.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, header::REFRESH},
    response::Response,
};

use super::{frame, gates, page as render, unavailable, view, words};
use crate::{
    Plane,
    login::SignedInMember,
    member::Standing,
    oauth::fields::Query,
    ports::people::{RedactionState, VerificationState},
    verify::Offer,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    match plane.standing(member.member).await {
        Ok(standing) => render(&verify(&plane, standing.as_ref())),
        Err(error) => unavailable(&error),
    }
}

fn verify(plane: &Plane, standing: Option<&Standing>) -> view::Verify {
    let verified = standing.and_then(|standing| standing.verified.as_ref());
    let offers = plane.offers();
    let first = offers.first();
    let vendor = first.map_or_else(|| OFFICERS.to_owned(), |offer| words::vendor(offer.vendor));
    view::Verify {
        frame: frame(plane, "verify", true),
        heading: match verified {
            Some(_) => "You are verified".to_owned(),
            None => "Show once that you are you".to_owned(),
        },
        lead: match verified {
            Some(v) => format!(
                "Since {}, until {}.",
                words::month(&v.verified_on),
                words::day(v.valid_until)
            ),
            None => format!(
                "{} check{}; Bauta keeps the outcome. It counts for every provider and tool until \
                 it expires.",
                capital(&vendor),
                if first.is_some() { "s" } else { "" }
            ),
        },
        note: standing.and_then(note),
        closed: standing.map_or_else(Vec::new, |standing| closed(plane, standing)),
        under_way: standing.is_some_and(under_way),
        vendor_sees: sees(first),
        vendor_deletes: deletes(first, &vendor),
        vendor,
        bauta_keeps: KEEPS.iter().map(|line| (*line).to_owned()).collect(),
        verified: verified.is_some(),
        record: verified.map(|v| v.record.clone()),
        ways: offers
            .iter()
            .map(|offer| way(offer, verified.is_some()))
            .collect(),
        in_person: plane.officer.is_some(),
    }
}

/// One line for each rule that closes something.
fn closed(plane: &Plane, standing: &Standing) -> Vec<String> {
    let scopes = gates::scopes(plane, standing);
    let shut = gates::shut(plane, &scopes, standing);
    shut.iter().map(gates::Shut::line).collect()
}

/// What a verification is good for, to who has it.
pub(super) fn worth(plane: &Plane, standing: Option<&Standing>) -> &'static str {
    if standing.is_some_and(|standing| !closed(plane, standing).is_empty()) {
        "It counts for every provider and tool until it expires. Some models stay closed to you; \
         your overview says which, and why."
    } else {
        "It counts for every provider and tool until it expires."
    }
}

fn under_way(standing: &Standing) -> bool {
    standing.attempt.as_ref().is_some_and(|attempt| {
        matches!(
            attempt.state,
            VerificationState::Started
                | VerificationState::Submitted
                | VerificationState::UnderReview
        )
    })
}

/// What came of it until now, and what to do next, for who is not verified.
pub(super) fn so_far(standing: &Standing) -> Option<String> {
    if standing.expired {
        return Some("Your last verification has expired. Verify again to go on.".to_owned());
    }
    if standing.vouched > 0 {
        return Some("One officer has vouched for you; a second one must follow.".to_owned());
    }
    let attempt = standing.attempt.as_ref()?;
    match attempt.state {
        VerificationState::Declined => Some(format!(
            "{} did not confirm your last attempt. We are not told why. Try again, with better \
             light or another document.",
            capital(&words::vendor(&attempt.vendor))
        )),
        VerificationState::Expired => Some(
            "Your last attempt ran out before it was finished. Begin again when it suits you."
                .to_owned(),
        ),
        VerificationState::Approved => Some(
            "Your last check was done, and what it found does not count here: a document that has \
             expired, for example. Verify again with another one, or ask your platform team."
                .to_owned(),
        ),
        VerificationState::Submitted | VerificationState::UnderReview => {
            Some("A check is under way; the result comes here by itself.".to_owned())
        }
        VerificationState::Started => None,
    }
}

/// The same beside a verification that counts.
fn note(standing: &Standing) -> Option<String> {
    if standing.verified.is_none() {
        return so_far(standing);
    }
    let attempt = standing.attempt.as_ref()?;
    match attempt.state {
        VerificationState::Declined => Some(format!(
            "{} did not confirm a later attempt. What you have still counts.",
            capital(&words::vendor(&attempt.vendor))
        )),
        VerificationState::Submitted | VerificationState::UnderReview => so_far(standing),
        _ => None,
    }
}

fn sees(offer: Option<&Offer>) -> Vec<String> {
    let lines: &[&str] = match offer {
        Some(_) => &[
            "Your identity document, as you photograph it",
            "A live selfie",
            "Your browser and its network address, while you are on its pages",
            "A random reference from us; not your account, not your name",
        ],
        None => &[
            "Your document, in your hand, in person",
            "You",
            "Nothing is copied and nothing is sent anywhere",
        ],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn deletes(offer: Option<&Offer>, vendor: &str) -> String {
    let Some(offer) = offer else {
        return "There is nothing to delete.".to_owned();
    };
    let hours = offer.redact_after_seconds.div_euclid(3_600);
    let after = match hours {
        ..1 => "right".to_owned(),
        1 => "an hour".to_owned(),
        hours => format!("{hours} hours"),
    };
    format!(
        "We have {vendor} delete images and document data {after} after the decision, and check \
         that it did. The receipt is on your privacy page."
    )
}

fn way(offer: &Offer, again: bool) -> view::Way {
    let vendor = words::vendor(offer.vendor);
    view::Way {
        vendor: offer.vendor,
        button: if again {
            format!("Verify again with {vendor}")
        } else {
            format!("Go to {vendor}")
        },
        agree: offer.notice_version.clone(),
    }
}

/// Looks again by itself, and can be told not to: who reads slowly is not interrupted.
pub(super) async fn waiting(
    State(plane): State<Arc<Plane>>,
    Query(query): Query,
    member: SignedInMember,
) -> Response {
    let still = query.is_ok_and(|query| query.find("still").is_some());
    let page = match plane.standing(member.member).await {
        Ok(standing) => progress(&plane, standing.as_ref(), still),
        Err(error) => return unavailable(&error),
    };
    let mut response = render(&page);
    if !page.done && !page.still {
        let again = HeaderValue::from_static("5");
        response.headers_mut().insert(REFRESH, again);
    }
    response
}

fn progress(plane: &Plane, standing: Option<&Standing>, still: bool) -> view::Waiting {
    let attempt = standing.and_then(|standing| standing.attempt.as_ref());
    let verified = standing.is_some_and(|standing| standing.verified.is_some());
    let (heading, text, done) = match attempt.map(|attempt| attempt.state) {
        Some(VerificationState::Approved) if verified => {
            ("You are verified", worth(plane, standing), true)
        }
        Some(VerificationState::Approved) => (
            "The check is done",
            "It does not count here. Your overview says what to do.",
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
        still,
        next: if verified {
            view::Link::new("/", "Go to the overview")
        } else {
            view::Link::new("/verify", "Back to verification")
        },
    }
}

/// Where evidence stands at the vendor.
pub(crate) fn redaction(state: RedactionState) -> String {
    match state {
        RedactionState::Due(at) => format!("will be asked for by {}", words::day(at.day())),
        RedactionState::Requested(on) => {
            format!("asked for on {}, not confirmed yet", words::day(on.day()))
        }
        RedactionState::Confirmed(on) => format!("confirmed on {}", words::day(on.day())),
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

const OFFICERS: &str = "two officers of your organisation";

/// The wording above the button; a member's consent names it. A change of the wording is a new one.
pub(crate) const NOTICE_VERSION: &str = "2026-11-01";

//! The first page: what this is, or where a member stands.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use bauta_token::scope::Privacy;

use super::{frame, gates, page as render, unavailable, verify::so_far, view, words};
use crate::{
    Plane,
    config::{DeviceFlow, ScopeRule},
    login::SignedInMember,
    member::Standing,
    ports::{Role, office::Appeal, people::VerificationState},
};

pub(super) async fn page(
    State(plane): State<Arc<Plane>>,
    member: Option<SignedInMember>,
) -> Response {
    let Some(member) = member else {
        return render(&view::Welcome {
            frame: frame(&plane, "home", false),
        });
    };
    let appeal = match plane.store.appeal_of(member.member).await {
        Ok(appeal) => appeal,
        Err(error) => return unavailable(&error),
    };
    match plane.standing(member.member).await {
        Ok(Some(standing)) => render(&view::Home {
            notices: notices(&plane, &standing, appeal.as_ref()),
            console: crate::console::door(&member.roles),
            ..home(&plane, &standing)
        }),
        Ok(None) => render(&view::Welcome {
            frame: frame(&plane, "home", false),
        }),
        Err(error) => unavailable(&error),
    }
}

fn home(plane: &Plane, standing: &Standing) -> view::Home {
    let verified = standing.verified.as_ref();
    let left = verified.map(|v| v.valid_until.0.saturating_sub(plane.clock.now().day().0));
    let scopes = gates::scopes(plane, standing);
    let duty = duty(plane, standing);
    let mut lasting = lasting(standing, left);
    if duty == Some(view::Duty::VerifyFirst) {
        lasting.push_str(" As an officer you verify all the same, to vouch for others.");
    }
    if !gates::shut(plane, &scopes, standing).is_empty() {
        lasting.push_str(" Some models stay closed to you; below it says which, and why.");
    }
    view::Home {
        frame: frame(plane, "home", true),
        verified_until: verified.map(|v| words::day(v.valid_until)),
        verified_in: verified.map_or_else(String::new, |v| words::month(&v.verified_on)),
        verified_by: verified.map_or_else(String::new, |v| words::vendor(&v.vendor)),
        lasting,
        renew: left.is_some_and(|days| days <= SOON),
        next: next(standing),
        scopes: scopes
            .iter()
            .map(|rule| scope(plane, rule, standing))
            .collect(),
        tools: tools(plane, &scopes),
        urgent: !scopes.is_empty() || duty == Some(view::Duty::VerifyFirst),
        officer: duty,
        notices: Vec::new(),
        console: None,
    }
}

/// What a member should know today besides how long the verification lasts.
fn notices(plane: &Plane, standing: &Standing, appeal: Option<&Appeal>) -> Vec<String> {
    let now = plane.clock.now();
    let mut notices = gates::later(plane, &gates::scopes(plane, standing), standing);
    notices.sort();
    notices.dedup();
    let lapses = plane.sign_in_lapses(standing.signed_in);
    if lapses <= now.plus_seconds(SOON.saturating_mul(86_400)) {
        notices.push(format!(
            "Your tokens are renewed until {}, because what your groups open is looked up when you \
             sign in. Sign out and in again before that.",
            words::day(lapses.day())
        ));
    }
    notices.extend(appeal.and_then(super::appeal::notice));
    notices
}

fn duty(plane: &Plane, standing: &Standing) -> Option<view::Duty> {
    let officer = plane.officers_vouch() && standing.roles.contains(&Role::Officer);
    officer.then(|| {
        if standing.verified.is_some() || plane.vendors.is_empty() {
            view::Duty::Counts
        } else {
            view::Duty::VerifyFirst
        }
    })
}

/// A scope without a way in is not one: anonymous ones have none here yet.
fn tools(plane: &Plane, scopes: &[&ScopeRule]) -> view::Tools {
    let sealed = || scopes.iter().filter(|rule| rule.privacy == Privacy::Sealed);
    view::Tools {
        login: sealed().next().map(|_| plane.origin()),
        code: plane.settings.oauth.device != DeviceFlow::Off && sealed().any(|rule| rule.device),
        labelled: sealed().any(|rule| rule.max_label_ttl.is_some()),
    }
}

fn lasting(standing: &Standing, left: Option<i64>) -> String {
    if standing.scopes.is_empty() {
        let what = match left {
            Some(_) => "This opens nothing for you yet",
            None => "Verifying opens nothing for you yet",
        };
        return format!(
            "{what}: no group of yours has access. Ask your platform team for one that has, then \
             sign in again."
        );
    }
    match left {
        Some(days) if days <= SOON => format!(
            "It ends in {} {}; verify again in time and nothing stops working.",
            days.max(0),
            if days == 1 { "day" } else { "days" }
        ),
        Some(_) => "It counts for every provider and tool until then.".to_owned(),
        None => so_far(standing).unwrap_or_else(|| {
            "Prove once that you are a real, eligible person. It takes about three minutes and \
             counts for every provider and tool."
                .to_owned()
        }),
    }
}

fn next(standing: &Standing) -> view::Link {
    let pending = matches!(
        standing.attempt.as_ref().map(|attempt| attempt.state),
        Some(VerificationState::Submitted | VerificationState::UnderReview)
    );
    let tried = standing.attempt.is_some() || standing.expired;
    if standing.verified.is_some() {
        view::Link::new("/tokens", "Tokens")
    } else if pending {
        view::Link::new("/verify/waiting", "See how far it is")
    } else if standing.vouched > 0 {
        view::Link::new("/verify/in-person", "Go to the second officer")
    } else if tried {
        view::Link::new("/verify", "Verify again")
    } else {
        view::Link::new("/verify", "Verify once")
    }
}

fn scope(plane: &Plane, rule: &ScopeRule, standing: &Standing) -> view::Scope {
    let shut = gates::shut(plane, &[rule], standing);
    let open: Vec<_> = rule
        .models
        .iter()
        .filter(|model| !shut.iter().any(|shut| shut.models.contains(model)))
        .collect();
    let (open, because) = if standing.verified.is_none() {
        (Vec::new(), vec!["Opens once you are verified.".to_owned()])
    } else if rule.privacy == Privacy::Sealed {
        (open, shut.iter().map(gates::Shut::line).collect())
    } else {
        (Vec::new(), vec![ANONYMOUS.to_owned()])
    };
    view::Scope {
        name: rule.name.to_string(),
        state: match open.len() {
            0 => view::Door::Shut,
            some if some < rule.models.len() => view::Door::InPart,
            _ => view::Door::Open,
        },
        privacy: match rule.privacy {
            Privacy::Sealed => "pseudonymous",
            _ => "anonymous",
        },
        models: if open.is_empty() {
            words::list(&rule.models)
        } else {
            words::list(&open)
        },
        because,
    }
}

const ANONYMOUS: &str = "Anonymous use is not available here yet.";
/// From when on a member is reminded.
const SOON: i64 = 14;

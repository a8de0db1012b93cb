//! What waits for somebody, and what the log says happened this week.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use bauta_audit::store::StoreError;
use serde_json::Value;

use super::{
    Area,
    audit::{self, Reading},
    enter, member, view, words,
};
use crate::{
    Plane,
    http::chain,
    login::SignedInMember,
    portal::{page as render, unavailable},
    ports::office::Appeal,
    publish::PublishError,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, who: SignedInMember) -> Response {
    let desk = match enter(&plane, &who, Area::Alerts) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    // What happened a moment ago counts as well.
    if let Err(error) = plane.seal().await {
        return unsealed(&error);
    }
    match alerts(&plane, desk, &who).await {
        Ok(page) => render(&page),
        Err(error) => unavailable(&error),
    }
}

pub(super) fn unsealed(error: &PublishError) -> Response {
    tracing::error!(
        error = chain(error),
        "the log could not be sealed for a page"
    );
    unavailable(error)
}

async fn alerts(
    plane: &Plane,
    desk: view::Desk,
    who: &SignedInMember,
) -> Result<view::Alerts, StoreError> {
    let now = plane.clock.now();
    let proposals = plane.store.proposals(now).await?;
    let appeals = plane.store.appeals(MOST_APPEALS).await?;
    let checks: Vec<_> = plane.overdue().await?.into_iter().collect();
    let (lately, partly) = lately(plane).await?;
    let quiet = proposals.is_empty() && appeals.is_empty() && checks.is_empty();
    Ok(view::Alerts {
        frame: desk.frame,
        desk,
        heading: if quiet {
            "Nothing waits for you"
        } else {
            "This waits for somebody"
        },
        proposals: proposals
            .iter()
            .map(|it| member::waiting(it, who.member))
            .collect(),
        appeals: appeals.iter().map(appeal).collect(),
        replies: words::replies(),
        checks,
        lately,
        partly,
    })
}

fn appeal(appeal: &Appeal) -> view::Appeal {
    view::Appeal {
        member: appeal.member.to_string(),
        short: words::short(appeal.member),
        at: appeal.at.0.to_string(),
        line: format!(
            "objects to {}, since {}",
            words::objection(appeal.about),
            words::instant(appeal.at)
        ),
        said: words::ground(appeal.ground),
    }
}

/// How often each of [`WATCHED`] happened in the last seven days, as far back as a page may read.
async fn lately(plane: &Plane) -> Result<(Vec<view::Lately>, bool), StoreError> {
    let week_ago = plane.clock.now().plus_seconds(-7 * 86_400).to_string();
    let mut counts = BTreeMap::<&'static str, u64>::new();
    let mut reading = Reading::from_the_end(&*plane.store).await?;
    'log: while let Some(piece) = reading.next(&*plane.store).await? {
        for leaf in piece {
            let event: Option<Value> = leaf.event.as_deref().and_then(audit::read);
            let Some(event) = event else { continue };
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("at") < week_ago.as_str() {
                break 'log;
            }
            let watched = WATCHED.iter().find(|watched| {
                watched.kind == text("type")
                    && watched
                        .outcome
                        .is_none_or(|outcome| outcome == text("outcome"))
            });
            if let Some(watched) = watched {
                let count = counts.entry(watched.what).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    let from = plane.clock.now().plus_seconds(-7 * 86_400).day();
    let shown = WATCHED.iter().map(|watched| view::Lately {
        count: counts.get(watched.what).copied().unwrap_or_default(),
        what: watched.what,
        href: format!("/audit?type={}&from={from}", watched.kind),
    });
    Ok((shown.collect(), reading.is_cut()))
}

struct Watched {
    kind: &'static str,
    outcome: Option<&'static str>,
    what: &'static str,
}

const fn watched(kind: &'static str, outcome: Option<&'static str>, what: &'static str) -> Watched {
    Watched {
        kind,
        outcome,
        what,
    }
}

const WATCHED: [Watched; 8] = [
    watched("sso.refused", None, "sign-ins of suspended members refused"),
    watched(
        "verification.decided",
        Some("declined"),
        "verifications declined",
    ),
    watched("member.suspended", None, "members suspended"),
    watched("member.erased", None, "members erased"),
    watched("member.viewed", None, "looks at a member’s page"),
    watched(
        "webhook.ignored",
        None,
        "vendor webhooks that led to nothing",
    ),
    watched("audit.exported", None, "exports of this log"),
    watched("policy.adopted", None, "versions of rules announced"),
];
const MOST_APPEALS: u32 = 100;

//! Everybody who ever signed in, by number.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use bauta_audit::store::StoreError;
use bauta_token::pseudonym::Pseudonym;

use super::{Area, enter, view, words};
use crate::{
    Plane,
    login::{SignedInMember, see_other},
    member::Standing,
    oauth::fields::{Form, Query},
    portal::{self, page as render, unavailable},
    ports::{
        MemberId,
        people::{MemberRow, MemberState},
    },
    qualify::policy::hex,
};

pub(super) async fn page(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    Query(query): Query,
) -> Response {
    let query = query.unwrap_or_default();
    let after = query.find("after").and_then(MemberId::parse);
    let suspended = query.find("state") == Some("suspended");
    listed(&plane, &who, after, suspended, None).await
}

/// A number, or the pseudonym that a provider reports: typed into a form, so that it is in no
/// address and no log of addresses.
pub(super) async fn find(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    form: Form,
) -> Response {
    if let Err(closed) = enter(&plane, &who, Area::Members) {
        return *closed;
    }
    let typed = form.find("who").unwrap_or_default().trim();
    match whom(&plane, typed).await {
        Ok(Some(member)) => see_other(&format!("/admin/members/{member}"), []),
        Ok(None) => {
            let mut page = listed(&plane, &who, None, false, Some(UNKNOWN)).await;
            if page.status() == StatusCode::OK {
                *page.status_mut() = StatusCode::NOT_FOUND;
            }
            page
        }
        Err(error) => unavailable(&error),
    }
}

async fn whom(plane: &Plane, typed: &str) -> Result<Option<MemberId>, StoreError> {
    if let Some(member) = MemberId::parse(typed) {
        let row = plane.store.member(member).await?;
        return Ok(row.map(|row| row.member));
    }
    match Pseudonym::parse(typed) {
        Some(pseudonym) => plane.whose(&pseudonym).await,
        None => Ok(None),
    }
}

async fn listed(
    plane: &Plane,
    who: &SignedInMember,
    after: Option<MemberId>,
    suspended: bool,
    problem: Option<&'static str>,
) -> Response {
    let desk = match enter(plane, who, Area::Members) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    match some(plane, after, suspended).await {
        Ok((rows, next)) => render(&view::Members {
            frame: desk.frame,
            desk,
            rows,
            suspended,
            first: after.is_none(),
            next: next.map(|member| {
                let state = if suspended { "&state=suspended" } else { "" };
                format!("/admin/members?after={member}{state}")
            }),
            problem,
        }),
        Err(error) => unavailable(&error),
    }
}

/// A page of them, and where the next one begins, if there is more.
async fn some(
    plane: &Plane,
    mut after: Option<MemberId>,
    suspended: bool,
) -> Result<(Vec<view::Row>, Option<MemberId>), StoreError> {
    let mut rows = Vec::new();
    for _ in 0..MOST_READS {
        for row in plane.members(after, AT_ONCE).await? {
            after = Some(row.member);
            if suspended && row.state == MemberState::Active {
                continue;
            }
            let standing = plane.standing(row.member).await?;
            rows.extend(standing.map(|standing| shown(&row, &standing)));
            if rows.len() >= SHOWN {
                break;
            }
        }
        let more = !plane.members(after, 1).await?.is_empty();
        if !more || rows.len() >= SHOWN {
            return Ok((rows, after.filter(|_| more)));
        }
    }
    Ok((rows, after))
}

fn shown(row: &MemberRow, standing: &Standing) -> view::Row {
    let roles: Vec<_> = row.rights.roles.iter().map(|role| role.as_str()).collect();
    view::Row {
        member: row.member.to_string(),
        short: words::short(row.member),
        tag: tag(row),
        suspended: match row.state {
            MemberState::Active => None,
            MemberState::Suspended => Some(row.reason.clone().unwrap_or_default()),
        },
        verified: verified(standing),
        roles: roles.join(", "),
        signed_in: portal::words::day(row.signed_in),
    }
}

/// The first letters of the keyed hash of the account: enough to see that it changed.
pub(super) fn tag(row: &MemberRow) -> String {
    let whole = hex(&row.tag.tag.0);
    whole.chars().take(8).collect()
}

pub(super) fn verified(standing: &Standing) -> String {
    match &standing.verified {
        Some(verified) => format!(
            "verified until {}",
            portal::words::day(verified.valid_until)
        ),
        None if standing.expired => "verification expired".to_owned(),
        None => "not verified".to_owned(),
    }
}

const UNKNOWN: &str = "Nobody has that number, and no provider sees anybody under it. It may be of \
                       a member that was erased.";
/// Members on a page.
const SHOWN: usize = 50;
const AT_ONCE: u32 = 50;
/// A list of the suspended reads on until it is full, but not for ever.
const MOST_READS: u32 = 40;

//! The pages of administrators, officers and auditors: what is set up and what is wrong with it, who
//! is a member, what waits for somebody, which rules there are, what the log says.
//!
//! Members have numbers here and no names. Whoever opens a member's page leaves a leaf of the log
//! and a line on that member's own page, and whoever changes something leaves another.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};

use crate::{
    Plane,
    http::guard,
    login::SignedInMember,
    portal::{answer, page as render},
    ports::{MemberId, Role},
};

mod alerts;
mod appeals;
mod audit;
mod census;
mod change;
mod dry_run;
mod export;
mod member;
mod members;
mod policies;
mod setup;
pub(crate) mod view;
mod words;

pub(crate) use member::look;

/// All pages of the console.
pub(crate) fn routes(plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let pages = Router::new()
        .route("/admin", get(setup::page))
        .route("/admin/members", get(members::page).post(members::find))
        .route("/admin/members/{member}", get(member::page))
        .route("/admin/change", post(change::change))
        .route("/admin/proposals", post(change::settle))
        .route("/admin/alerts", get(alerts::page))
        .route("/admin/appeals", post(appeals::answer))
        .route("/admin/policies", get(policies::page))
        .route("/admin/policies/try", get(dry_run::form).post(dry_run::run))
        .route("/audit", get(audit::page))
        .route("/audit/export", post(export::download));
    guard(pages, plane)
}

/// A part of the console, and who may enter it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Area {
    /// Whether everything works.
    Setup,
    /// Who is a member.
    Members,
    /// What waits for somebody.
    Alerts,
    /// Scopes and rules.
    Policies,
    /// The log.
    Audit,
}

impl Area {
    const ALL: [Self; 5] = [
        Self::Setup,
        Self::Members,
        Self::Alerts,
        Self::Policies,
        Self::Audit,
    ];

    /// Whether somebody with `role` may enter. An auditor reads rules and log, and no member's page:
    /// the log says what an auditor needs.
    const fn open_to(self, role: Role) -> bool {
        match self {
            Self::Setup => matches!(role, Role::Admin),
            Self::Members | Self::Alerts => matches!(role, Role::Admin | Role::Officer),
            Self::Policies | Self::Audit => true,
        }
    }

    fn open(self, roles: &BTreeSet<Role>) -> bool {
        roles.iter().any(|role| self.open_to(*role))
    }

    const fn href(self) -> &'static str {
        match self {
            Self::Setup => "/admin",
            Self::Members => "/admin/members",
            Self::Alerts => "/admin/alerts",
            Self::Policies => "/admin/policies",
            Self::Audit => "/audit",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Setup => "Setup",
            Self::Members => "Members",
            Self::Alerts => "Alerts",
            Self::Policies => "Scopes and rules",
            Self::Audit => "Log",
        }
    }
}

/// Where the console begins for somebody with these roles; `None` for whom it is closed.
pub(crate) fn door(roles: &BTreeSet<Role>) -> Option<&'static str> {
    let open = Area::ALL.into_iter().find(|area| area.open(roles));
    open.map(Area::href)
}

/// What every page of the console shares, for somebody who may enter `area`; else the page that
/// says that they may not.
fn enter(plane: &Plane, who: &SignedInMember, area: Area) -> Result<view::Desk, Box<Response>> {
    if !area.open(&who.roles) {
        return Err(Box::new(closed(plane)));
    }
    let open = Area::ALL.into_iter().filter(|it| it.open(&who.roles));
    Ok(view::Desk {
        frame: crate::portal::frame(plane, "console", true),
        tabs: open
            .map(|it| view::Tab {
                href: it.href(),
                label: it.label(),
                here: it == area,
            })
            .collect(),
        admin: who.roles.contains(&Role::Admin),
    })
}

/// The same for what only an administrator does.
fn command(plane: &Plane, who: &SignedInMember, area: Area) -> Result<view::Desk, Box<Response>> {
    let desk = enter(plane, who, area)?;
    if desk.admin {
        Ok(desk)
    } else {
        Err(Box::new(closed(plane)))
    }
}

fn closed(plane: &Plane) -> Response {
    answer(
        plane,
        StatusCode::FORBIDDEN,
        "This page is for people with another role",
        "Your groups do not give you that role. If they should, ask whoever runs Bauta in your \
         organisation, then sign in again.",
    )
}

/// A member that is not there and one that nobody could ever be look the same.
fn nobody(plane: &Plane) -> Response {
    answer(
        plane,
        StatusCode::NOT_FOUND,
        "There is no such member",
        "It may have been erased, or the number was copied wrongly. Nothing was changed.",
    )
}

/// What came of something, and the ways on.
fn told(
    desk: view::Desk,
    status: StatusCode,
    (heading, text): (&str, &str),
    next: Vec<view::Way>,
) -> Response {
    let mut response = render(&view::Told {
        frame: desk.frame,
        desk,
        heading: heading.to_owned(),
        text: text.to_owned(),
        next,
    });
    *response.status_mut() = status;
    response
}

/// The way to a member's page.
fn way_to(member: MemberId) -> view::Way {
    view::Way {
        href: format!("/admin/members/{member}"),
        label: "Back to the member".to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! `/Groups`: which groups are pushed, and who is in them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    answer::{self, NOT_FOUND, ScimError, is_known, unchanged},
    body::{self, GroupFields},
    group_change::{NO_NAME, patched, whole},
    search::Query,
    show::Choice,
    user::TRIES,
};
use crate::{
    Plane,
    ports::{
        GroupId,
        directory::{Changed, GroupRemoval, GroupRow},
    },
};

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ScimError> {
    plane.list_groups(&Query::read(query.as_deref())?).await
}

pub(super) async fn create(
    State(plane): State<Arc<Plane>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let fields: GroupFields = body::fields(&body::read(&headers, body).await?)?;
    let draft = plane.group_draft(whole(fields));
    let row = plane.write_group(None, &draft, &headers).await?;
    plane.answer_group(StatusCode::CREATED, row, &choice).await
}

pub(super) async fn read(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let row = plane.store.group(named(&id)?).await?.ok_or(NOT_FOUND)?;
    if is_known(&headers, row.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    plane.answer_group(StatusCode::OK, row, &choice).await
}

/// A body without members is a group without members.
pub(super) async fn replace(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let id = named(&id)?;
    let fields: GroupFields = body::fields(&body::read(&headers, body).await?)?;
    if fields.name.is_none() {
        return Err(NO_NAME);
    }
    let draft = plane.group_draft(whole(fields));
    let row = plane.write_group(Some(id), &draft, &headers).await?;
    plane.answer_group(StatusCode::OK, row, &choice).await
}

pub(super) async fn patch(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let id = named(&id)?;
    let body = body::read(&headers, body).await?;
    let draft = plane.group_draft(patched(&body)?);
    let row = plane.write_group(Some(id), &draft, &headers).await?;
    plane.answer_group(StatusCode::OK, row, &choice).await
}

pub(super) async fn remove(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let id = named(&id)?;
    for _ in 0..TRIES {
        let row = plane.store.group(id).await?.ok_or(NOT_FOUND)?;
        unchanged(&headers, row.version)?;
        let people = if plane.opens(row.name) {
            plane.store.people_in(id).await?
        } else {
            Vec::new()
        };
        let now = plane.clock.now();
        let removal = GroupRemoval {
            id,
            from: row.version,
            openings: plane.openings(),
            affected: plane.behind(people.into_iter()).await?,
            now,
            event: plane.scribe(now).directory_group(id, "deleted"),
        };
        match plane.store.remove_group(&removal).await? {
            Changed::Done(()) => return Ok(answer::nothing()),
            Changed::Gone => return Err(NOT_FOUND),
            Changed::Stale | Changed::Taken | Changed::Stranger => {}
        }
    }
    Err(answer::UNAVAILABLE)
}

impl Plane {
    async fn answer_group(
        &self,
        status: StatusCode,
        row: GroupRow,
        choice: &Choice,
    ) -> Result<Response, ScimError> {
        let (id, version) = (row.id, row.version);
        let team = self.team(row, choice.has("members")).await?;
        let body = self.show_team(&team, choice);
        let place = self.place_of_group(id);
        Ok(answer::resource(status, &body, version, &place))
    }
}

/// An id of ours; the directory's own mean nothing here.
fn named(id: &str) -> Result<GroupId, ScimError> {
    GroupId::parse(id).ok_or(NOT_FOUND)
}

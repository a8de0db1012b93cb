//! `/Users`: who is listed, and what the directory says of it.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    answer::{self, NOT_FOUND, ScimError, is_known, unchanged},
    body::{self, UserFields},
    search::Query,
    show::Choice,
    user_change::{NO_USER_NAME, patched},
};
use crate::{
    Plane,
    ports::{
        UserId,
        directory::{Changed, UserRemoval, UserRow},
    },
};

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ScimError> {
    plane.list_people(&Query::read(query.as_deref())?).await
}

pub(super) async fn create(
    State(plane): State<Arc<Plane>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let fields: UserFields = body::fields(&body::read(&headers, body).await?)?;
    let draft = plane.user_draft(fields).await?;
    let row = plane.write_user(None, &draft, &headers).await?;
    plane.answer_user(StatusCode::CREATED, row, &choice).await
}

pub(super) async fn read(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let row = plane.store.user(named(&id)?).await?.ok_or(NOT_FOUND)?;
    if is_known(&headers, row.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    plane.answer_user(StatusCode::OK, row, &choice).await
}

/// Whatever a body leaves out stays: of what is write-only that is the rule, and who was taken away
/// does not come back by it.
pub(super) async fn replace(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let choice = Query::read(query.as_deref())?.choice;
    let id = named(&id)?;
    let fields: UserFields = body::fields(&body::read(&headers, body).await?)?;
    if fields.user_name.is_none() {
        return Err(NO_USER_NAME);
    }
    let draft = plane.user_draft(fields).await?;
    let row = plane.write_user(Some(id), &draft, &headers).await?;
    plane.answer_user(StatusCode::OK, row, &choice).await
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
    let draft = plane.user_draft(patched(&body)?).await?;
    let row = plane.write_user(Some(id), &draft, &headers).await?;
    plane.answer_user(StatusCode::OK, row, &choice).await
}

pub(super) async fn remove(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let id = named(&id)?;
    for _ in 0..TRIES {
        let row = plane.store.user(id).await?.ok_or(NOT_FOUND)?;
        unchanged(&headers, row.version)?;
        let now = plane.clock.now();
        let removal = UserRemoval {
            id,
            from: row.version,
            affected: plane.affected(&[row.subject].into(), "deleted").await?,
            now,
            event: plane.scribe(now).directory_user(id, "deleted"),
        };
        match plane.store.remove_user(&removal).await? {
            Changed::Done(()) => return Ok(answer::nothing()),
            Changed::Gone => return Err(NOT_FOUND),
            Changed::Stale | Changed::Taken | Changed::Stranger => {}
        }
    }
    Err(answer::UNAVAILABLE)
}

impl Plane {
    async fn answer_user(
        &self,
        status: StatusCode,
        row: UserRow,
        choice: &Choice,
    ) -> Result<Response, ScimError> {
        let (id, version) = (row.id, row.version);
        let person = self.person(row, choice.has("groups")).await?;
        let body = self.show_person(&person, choice);
        let place = self.place_of_user(id);
        Ok(answer::resource(status, &body, version, &place))
    }
}

/// An id of ours. What is none is nobody's: the directory's own ids mean nothing here.
fn named(id: &str) -> Result<UserId, ScimError> {
    UserId::parse(id).ok_or(NOT_FOUND)
}

/// Grants may begin while they are named; it cannot go on for long.
pub(super) const TRIES: u8 = 6;

//! The directory interface: SCIM 2.0 (RFC 7643, RFC 7644). Joiners, movers, leavers.
//!
//! ```text
//! body ──► body (only what is used) ──► user, group ──► storage: row, word, and all that ends
//!                                            │
//! filter ──► filter (a tree) ──► search ─────┘──► show (only what is kept)
//! ```
//!
//! A directory sends names and addresses whether they are wanted or not. They are skipped where the
//! body is read, before there is a type that could hold them. Of a person two keyed hashes stay, as
//! hard to guess as a tag, and whether it may go on. So `userName` and `externalId` are write-only
//! here, as RFC 7643 has it for values of which only a hash is kept; a directory that insists on
//! e-mail addresses gets them back, encrypted meanwhile (ADR 37).
//!
//! Whoever is taken away has lost sessions, grants and logins under way when the answer is out, and
//! each gateway hears of it with the next page of the feed.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    middleware::from_fn_with_state,
    response::Response,
    routing::{any, get, post},
};

use crate::Plane;

mod answer;
pub mod bearer;
mod body;
mod door;
mod filter;
mod group;
mod group_change;
mod leave;
mod names;
mod path;
mod schema;
mod search;
mod show;
#[cfg(test)]
mod tests;
mod user;
mod user_change;

use self::answer::{NOT_ALLOWED, NOT_FOUND, ScimError};
pub(crate) use self::{door::Door, leave::group_name, user_change::Listed};

/// The routes under `/scim/v2`. Each needs the directory's bearer, also the ones that describe.
pub(crate) fn routes(plane: &Arc<Plane>) -> Router<Arc<Plane>> {
    let routes = Router::new()
        .route(
            "/v2/ServiceProviderConfig",
            get(schema::config).fallback(not_allowed),
        )
        .route(
            "/v2/ResourceTypes",
            get(schema::types).fallback(not_allowed),
        )
        .route(
            "/v2/ResourceTypes/{id}",
            get(schema::one_type).fallback(not_allowed),
        )
        .route("/v2/Schemas", get(schema::schemas).fallback(not_allowed))
        .route(
            "/v2/Schemas/{id}",
            get(schema::one_schema).fallback(not_allowed),
        )
        .route("/v2/.search", post(search::both).fallback(not_allowed))
        .route(
            "/v2/Users/.search",
            post(search::people).fallback(not_allowed),
        )
        .route(
            "/v2/Groups/.search",
            post(search::groups).fallback(not_allowed),
        )
        .route(
            "/v2/Users",
            get(user::list).post(user::create).fallback(not_allowed),
        )
        .route(
            "/v2/Users/{id}",
            get(user::read)
                .put(user::replace)
                .patch(user::patch)
                .delete(user::remove)
                .fallback(not_allowed),
        )
        .route(
            "/v2/Groups",
            get(group::list).post(group::create).fallback(not_allowed),
        )
        .route(
            "/v2/Groups/{id}",
            get(group::read)
                .put(group::replace)
                .patch(group::patch)
                .delete(group::remove)
                .fallback(not_allowed),
        )
        .route("/", any(nothing))
        .route("/{*rest}", any(nothing))
        .layer(from_fn_with_state(Arc::clone(plane), door::authorise));
    Router::new().nest("/scim", routes)
}

async fn nothing(State(_plane): State<Arc<Plane>>) -> Result<Response, ScimError> {
    Err(NOT_FOUND)
}

async fn not_allowed() -> Result<Response, ScimError> {
    Err(NOT_ALLOWED)
}

//! Token exchange (RFC 8693): a build shows a token that its platform signed, and is given a short
//! one of ours, for which a member answers.
//!
//! Nobody delegates and nobody is impersonated: the platform's token says which build it is, and
//! what is given says nothing of it. A token that does not hold is `invalid_request` (section
//! 2.2.2); one that holds, for which nobody can answer now, is `invalid_grant`.

use axum::http::StatusCode;
use bauta_token::scope::Name;

use super::{
    OauthError,
    fields::Fields,
    token::{NO_SCOPE, Refused, bad, issue},
};
use crate::{
    Plane,
    http::chain,
    issue::{Ask, ClientKind, Issued},
    workload::WorkloadError,
};

/// RFC 8693, section 2.1.
pub(super) const EXCHANGE_GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is given, by its name in RFC 8693, section 3.
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) async fn exchange(plane: &Plane, form: &Fields) -> Result<Issued, OauthError> {
    let outcome = given(plane, form).await;
    plane.metrics.exchange(match &outcome {
        Ok(_) => "ok",
        Err(error) => error.code,
    });
    outcome
}

async fn given(plane: &Plane, form: &Fields) -> Result<Issued, OauthError> {
    if plane.workloads.is_empty() {
        return Err(OFF);
    }
    let token = shown(plane, form)?;
    let scope = match form.find("scope").map(Name::parse) {
        Some(None) => return Err(NO_SCOPE),
        found => found.flatten(),
    };
    let proven = plane
        .prove(token, scope.as_ref())
        .await
        .map_err(|error| refused(&error))?;
    let rule = &proven.workload.rule;
    let (sponsor, scope) = (rule.sponsor, rule.scope.clone());
    issue(plane, sponsor, &scope, Ask::workload(proven))
        .await
        .map_err(|refused| match refused {
            Refused::Scope => NO_SCOPE,
            Refused::Member | Refused::Again => NOBODY,
            Refused::Spent => USED,
            Refused::Unknown => OauthError::unavailable(),
        })
}

/// The platform's token, of a request that asks for what there is.
fn shown<'f>(plane: &Plane, form: &'f Fields) -> Result<&'f str, OauthError> {
    let says = |name: &str, wanted: &str| form.find(name).is_none_or(|said| said == wanted);
    if form.find("actor_token").is_some() || form.find("actor_token_type").is_some() {
        return Err(NO_ACTOR);
    }
    if !says("client_id", ClientKind::Ci.as_str()) {
        return Err(NO_CLIENT);
    }
    if !says("requested_token_type", ACCESS_TOKEN) {
        return Err(OauthError::request("only an access_token is given"));
    }
    let audience = plane.audience();
    let page = format!("{audience}/");
    if !says("audience", &audience) || !(says("resource", &audience) || says("resource", &page)) {
        return Err(NO_TARGET);
    }
    match form.find("subject_token_type") {
        Some(JWT | ID_TOKEN) => {}
        Some(_) => return Err(OauthError::request("subject_token_type is jwt or id_token")),
        None => return Err(OauthError::request("subject_token_type is missing")),
    }
    form.find("subject_token")
        .ok_or(OauthError::request("subject_token is missing"))
}

/// Whoever shows a token that holds may know what it lacks here; of any other nothing is said.
fn refused(error: &WorkloadError) -> OauthError {
    if let WorkloadError::Keys(_) = error {
        tracing::error!(error = chain(error), "a build's token cannot be looked at");
        return OauthError::unavailable();
    }
    tracing::info!(error = chain(error), "a build's token was refused");
    match error {
        WorkloadError::Unfit => UNFIT,
        WorkloadError::Several => SEVERAL,
        WorkloadError::Scope => NO_SCOPE,
        _ => REFUSED,
    }
}

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

const OFF: OauthError = bad(
    "unsupported_grant_type",
    "no builds are expected here: the configuration has no [[workload]]",
);
const REFUSED: OauthError = OauthError::request(
    "the subject_token is not taken here: issuer, audience, dates and signature must be right",
);
const UNFIT: OauthError =
    OauthError::request("the subject_token holds, and no [[workload]] fits what it says");
const USED: OauthError =
    OauthError::request("the subject_token was used before; get a fresh one of the platform");
const SEVERAL: OauthError = bad(
    "invalid_scope",
    "workloads of several scopes fit; say which with scope",
);
const NO_ACTOR: OauthError =
    OauthError::request("nobody acts for another here: leave the actor out");
const NO_TARGET: OauthError = bad(
    "invalid_target",
    "tokens are for the gateway of this server and nothing else",
);
const NO_CLIENT: OauthError = OauthError::new(
    StatusCode::UNAUTHORIZED,
    "invalid_client",
    "builds are the client bauta-ci, or name none",
);
/// Says the same whoever is suspended, or why: a build's log is read by many.
const NOBODY: OauthError = bad(
    "invalid_grant",
    "nobody can answer for this build now; whoever runs Bauta sees why with `bauta check`",
);

#[cfg(test)]
pub(crate) mod tests;

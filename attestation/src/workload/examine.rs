//! What would keep builds out, found before one is refused.

use bauta_audit::store::StoreError;
use bauta_token::units::UnixMillis;

use super::Platform;
use crate::{
    config::{Settings, WorkloadRule},
    http::chain,
    ports::{
        Store,
        people::{MemberState, StandingRow},
    },
    qualify::end_of,
};

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Examined {
    /// What.
    pub what: String,
    /// What is wrong with it, and what to do; `None` when nothing is.
    pub wrong: Option<String>,
}

/// Fetches the keys of every platform that a `[[workload]]` names, and asks `store`, when there is
/// one, whether each sponsor could answer for a build now. Changes nothing.
///
/// # Errors
///
/// When storage does not answer.
pub async fn examine(
    settings: &Settings,
    http: &reqwest::Client,
    store: Option<&dyn Store>,
    now: UnixMillis,
) -> Result<Vec<Examined>, StoreError> {
    let mut found = Vec::new();
    for (place, rule) in (1_usize..).zip(&settings.workloads) {
        let issuer = &rule.issuer;
        let keys = Platform::new(rule, http.clone()).keys(now).await;
        found.push(Examined {
            what: format!("the keys of workload {place}, {issuer}"),
            wrong: keys.err().map(|error| {
                format!(
                    "is the issuer right, and can this machine reach it? {}; keys_file takes its \
                     key set as a file",
                    chain(&error)
                )
            }),
        });
        let Some(store) = store else { continue };
        let standing = store.standing(rule.sponsor).await?;
        found.push(Examined {
            what: format!("the sponsor of workload {place}, {}", rule.sponsor),
            wrong: cannot_answer(settings, rule, standing.as_ref(), now)
                .map(|why| format!("it gets no token: {why}")),
        });
    }
    Ok(found)
}

/// Why a sponsor cannot answer for a build now, as far as rows say it.
fn cannot_answer(
    settings: &Settings,
    rule: &WorkloadRule,
    standing: Option<&StandingRow>,
    now: UnixMillis,
) -> Option<&'static str> {
    let Some(row) = standing else {
        return Some("there is no such member; its number is on its own privacy page");
    };
    if row.member.state != MemberState::Active {
        return Some("the member is suspended; name another one");
    }
    let rights_end =
        end_of(row.member.signed_in).plus_seconds(settings.sso.rights_max_age.as_seconds());
    if now >= rights_end {
        return Some("the member has not signed in for too long; it signs in again");
    }
    let scope = settings.scope(&rule.scope);
    let open_to_all = scope.is_some_and(|scope| scope.groups.is_empty());
    if !open_to_all && !row.member.rights.scopes.contains(&rule.scope) {
        return Some("its groups do not open the scope; add it to one, then it signs in again");
    }
    match &row.attestation {
        None => Some("the member is not verified; it verifies once, at /verify"),
        Some(attested) if now >= end_of(attested.expires_on) => {
            Some("its verification has expired; it verifies again, at /verify")
        }
        Some(_) => None,
    }
}

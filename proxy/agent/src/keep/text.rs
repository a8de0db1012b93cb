//! How a sign-in is written down.
//!
//! The one place where the secrets become text that is stored; it goes from and to memory that is
//! wiped, and no type that can be written leaves this file.

use bauta_token::{scope::Name, secret::Plain, units::UnixMillis};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    grant::{Access, Grant, SignIn},
    origin::Origin,
};

/// Tokens are borrowed from what was read: no copy is made that nobody wipes.
#[derive(Deserialize, Serialize)]
struct Whole<'t> {
    version: u32,
    issuer: &'t str,
    gateway: &'t str,
    first: &'t str,
    #[serde(borrow)]
    grants: Vec<Part<'t>>,
}

#[derive(Deserialize, Serialize)]
struct Part<'t> {
    scope: &'t str,
    access: &'t str,
    refresh: &'t str,
    obtained_at: UnixMillis,
    expires_at: UnixMillis,
    handed_at: Option<UnixMillis>,
}

/// `sign_in` as text.
pub(super) fn write(sign_in: &SignIn) -> Option<Zeroizing<Vec<u8>>> {
    let (issuer, gateway) = (sign_in.issuer.to_string(), sign_in.gateway.to_string());
    let grants: Vec<_> = sign_in
        .grants
        .iter()
        .map(|(scope, grant)| Part {
            scope: scope.as_str(),
            access: grant.access.reveal(),
            refresh: grant.refresh.reveal(),
            obtained_at: grant.obtained_at,
            expires_at: grant.expires_at,
            handed_at: grant.handed_at,
        })
        .collect();
    let tokens: usize = grants.iter().map(|part| part.access.len()).sum();
    // Room for all of it: what grows leaves a copy behind that nobody wipes.
    let room = tokens
        .saturating_add(grants.len().saturating_mul(ROOM))
        .saturating_add(ROOM);
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    let whole = Whole {
        version: VERSION,
        issuer: &issuer,
        gateway: &gateway,
        first: sign_in.first.as_str(),
        grants,
    };
    serde_json::to_writer(&mut *out, &whole).ok()?;
    Some(out)
}

/// What [`write`] wrote; `None` for anything else.
pub(super) fn read(text: &[u8]) -> Option<SignIn> {
    let whole: Whole<'_> = serde_json::from_slice(text).ok()?;
    if whole.version != VERSION {
        return None;
    }
    let grants = whole.grants.iter().map(|part| {
        let grant = Grant {
            access: Access::parse(part.access)?,
            refresh: Plain::parse(part.refresh)?,
            obtained_at: part.obtained_at,
            expires_at: part.expires_at,
            handed_at: part.handed_at,
        };
        Some((Name::parse(part.scope)?, grant))
    });
    Some(SignIn {
        issuer: Origin::parse(whole.issuer)?,
        gateway: Origin::parse(whole.gateway)?,
        first: Name::parse(whole.first)?,
        grants: grants.collect::<Option<_>>()?,
    })
}

const VERSION: u32 = 1;
/// What surrounds the tokens of one scope, with room to spare.
const ROOM: usize = 1_024;

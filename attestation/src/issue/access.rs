//! The access token: its claims, its pseudonyms, its signature.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_audit::store::StoreError;
use bauta_token::{
    ambient::bytes,
    claims::Claims,
    jws::{PREFIX, sign_access},
    pseudonym::Pseudonym,
    scope::Name,
    units::{UnixDay, UnixMillis},
};
use zeroize::Zeroizing;

use super::{ClientKind, IssueError, Life};
use crate::{
    Plane,
    ports::{
        Lookup, MemberId,
        grants::{Held, HeldFor},
    },
    qualify::Qualified,
};

impl Plane {
    pub(super) fn sign(
        &self,
        qualified: &Qualified,
        client: ClientKind,
        sub: &Pseudonym,
        psn: BTreeMap<Name, Pseudonym>,
        life: &Life,
    ) -> Result<Zeroizing<String>, IssueError> {
        let key = self.token_key().ok_or(IssueError::NoKey)?;
        let claims = Claims {
            iss: self.issuer(),
            aud: self.audience(),
            exp: life.until.seconds(),
            iat: life.from,
            jti: URL_SAFE_NO_PAD.encode(bytes::<16>(&*self.randomness)),
            sub: sub.clone(),
            end: self.end_of(sub),
            scope: qualified.scope_rule().name.clone(),
            psn,
            gates: qualified.gates().to_vec(),
            client_id: client.as_str().to_owned(),
        };
        let token = Zeroizing::new(sign_access(&claims, &key).map_err(IssueError::Sign)?);
        let mut whole = Zeroizing::new(String::with_capacity(
            PREFIX.len().saturating_add(token.len()),
        ));
        whole.push_str(PREFIX);
        whole.push_str(&token);
        Ok(whole)
    }

    /// What tokens have as `iss`: this plane's origin.
    pub(crate) fn issuer(&self) -> String {
        self.origin()
    }

    /// What tokens have as `aud`: the gateway's origin, and nothing else.
    pub(crate) fn audience(&self) -> String {
        self.settings.gateway_url.origin().ascii_serialization()
    }

    /// Who each provider sees now. One provider's pseudonym tells nothing about another's, and one
    /// epoch's nothing about the next, except where it is held.
    pub(crate) async fn pseudonyms(
        &self,
        member: MemberId,
        holder: Lookup,
        now: UnixMillis,
    ) -> Result<BTreeMap<Name, Pseudonym>, StoreError> {
        let held = self.store.held(holder).await?;
        // A provider that has shut somebody out sees nobody: not the old pseudonym, which it refuses,
        // and not a fresh one, which would get round it.
        let shut = |provider: &Name| {
            let mut held = held.iter().filter(|held| held.provider == *provider);
            held.any(|held| held.why == HeldFor::Deactivated)
        };
        let open = self.settings.providers.iter().filter(|it| !shut(it));
        let each = open.map(|provider| {
            let epoch = epoch_of(provider, &held, now);
            (provider.clone(), self.pseudonym(member, provider, epoch))
        });
        Ok(each.collect())
    }

    /// HMAC under a key of its own for each provider and epoch, which HKDF derives from the root.
    pub(crate) fn pseudonym(&self, member: MemberId, provider: &Name, epoch: UnixDay) -> Pseudonym {
        let key = self
            .keys
            .mac(&format!("pseudonym/v1/{provider}/{}", epoch.0));
        Pseudonym::from_bytes(&key.tag("bauta/pseudonym/v1", &[member.as_bytes()]))
    }
}

/// The first day of the epoch whose pseudonym `provider` sees: the held one, if one is held.
pub(crate) fn epoch_of(provider: &Name, held: &[Held], now: UnixMillis) -> UnixDay {
    held.iter()
        .find(|held| held.provider == *provider)
        .map_or_else(|| epoch_at(now), |held| held.epoch)
}

/// The first day of the epoch that `now` falls into.
pub(crate) const fn epoch_at(now: UnixMillis) -> UnixDay {
    epoch_of_day(now.day())
}

/// The first day of the epoch that `day` is in.
pub(super) const fn epoch_of_day(day: UnixDay) -> UnixDay {
    UnixDay(day.0.saturating_sub(day.0.rem_euclid(EPOCH_DAYS)))
}

/// Providers may stop a pseudonym for good: a shorter epoch would be evasion in effect.
pub(crate) const EPOCH_DAYS: i64 = 180;

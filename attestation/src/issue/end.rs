//! The end of grants: one, all of a member's, or all with its right to go on.
//!
//! A suspension is one transaction: the member's state, its sessions, its grants and logins under
//! way, the pseudonyms that are held, the notices and the leaf.

use bauta_audit::store::StoreError;
use bauta_token::{
    claims::Claims,
    jws::{Expected, verify_access},
    notice::Notice,
    pseudonym::Pseudonym,
    scope::Name,
    secret::{Plain, RefreshToken},
    units::UnixMillis,
};
use serde_json::json;

use super::{access::epoch_of, whose::Seen};
use crate::{
    Plane,
    ports::{
        Event, Lookup, MemberId, Rights,
        grants::{Ending, Fall, Fell, Held, HeldFor, KeptGrant, Named, Rise, hex},
    },
};

impl Plane {
    /// The grants of `member` that are in force, newest first.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn grants(&self, member: MemberId) -> Result<Vec<KeptGrant>, StoreError> {
        let holder = self.holder(member);
        self.store.grants(holder, self.clock.now()).await
    }

    /// Ends one grant of `member`. `false` when it has none such in force.
    ///
    /// # Errors
    ///
    /// When it may still be in force.
    pub async fn end_grant(&self, member: MemberId, id: Lookup) -> Result<bool, StoreError> {
        let Some(grant) = self.store.grant(id).await? else {
            return Ok(false);
        };
        self.end_kept(&grant, Some(self.holder(member)), "member")
            .await
    }

    /// Ends the grant of a token that somebody presents: its refresh token, or an access token.
    /// `false` for anything that is no token of a grant in force.
    ///
    /// # Errors
    ///
    /// When it may still be in force.
    pub async fn revoke(&self, token: &str) -> Result<bool, StoreError> {
        let grant = if let Some(refresh) = Plain::<RefreshToken>::parse(token) {
            self.store
                .renewable(refresh.hash(self.keys.secrets()))
                .await?
        } else if let Some(claims) = self.read_access(token) {
            self.store.grant(self.grant_id(&claims.sub)).await?
        } else {
            None
        };
        match grant {
            Some(grant) => self.end_kept(&grant, None, "token").await,
            None => Ok(false),
        }
    }

    /// The claims of a token that this plane made and that has not expired.
    pub(crate) fn read_access(&self, token: &str) -> Option<Claims> {
        let expected = Expected {
            issuer: self.issuer(),
            audience: self.audience(),
            max_life_seconds: LONGEST_LIFE,
        };
        verify_access(token, &self.issuer_keys(), &expected, self.clock.now()).ok()
    }

    pub(crate) async fn end_kept(
        &self,
        grant: &KeptGrant,
        holder: Option<Lookup>,
        why: &'static str,
    ) -> Result<bool, StoreError> {
        let opened = self.open_grant(grant).map_err(torn)?;
        self.store
            .end(Ending {
                id: grant.id,
                end: self.end_of(&opened.sub),
                holder,
                now: self.clock.now(),
                leaf: self.ended_leaf(grant.id, grant.holder, why),
            })
            .await
    }

    /// Ends every grant of `member` and the logins under way; nothing else about it changes.
    pub(crate) async fn end_grants(
        &self,
        member: MemberId,
        why: &'static str,
    ) -> Result<(), StoreError> {
        let holder = self.holder(member);
        for _ in 0..TRIES {
            let grants = self.named(holder).await?;
            let leaf = Event::private(
                "grants.ended",
                self.clock.now(),
                json!({ "holder": hex(&holder), "why": why }),
                &*self.randomness,
            );
            let now = self.clock.now();
            if self.store.end_all(holder, grants, now, leaf).await? != Fell::Changed {
                return Ok(());
            }
        }
        Err(restless())
    }

    /// Ends the grants of scopes that `rights` do not open. To be called after the rights were
    /// written: what is issued from then on is judged by them.
    pub(crate) async fn end_lost(
        &self,
        member: MemberId,
        rights: &Rights,
    ) -> Result<(), StoreError> {
        let holder = self.holder(member);
        for _ in 0..TRIES {
            let grants = self.named(holder).await?;
            let now = self.clock.now();
            let leaf = Event::private(
                "grants.ended",
                now,
                json!({ "holder": hex(&holder), "why": "groups" }),
                &*self.randomness,
            );
            let keep = rights.scopes.clone();
            let fell = self
                .store
                .end_others(holder, keep, grants, now, leaf)
                .await?;
            if fell != Fell::Changed {
                return Ok(());
            }
        }
        Err(restless())
    }

    /// Suspends `member`, everywhere. `false` when it was suspended already, or there is none.
    pub(crate) async fn fall(
        &self,
        member: MemberId,
        by: Option<MemberId>,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.fall_for(member, by, reason, None).await
    }

    /// The same; and what `shut` names is held for good.
    pub(crate) async fn fall_for(
        &self,
        member: MemberId,
        by: Option<MemberId>,
        reason: &str,
        shut: Option<&Seen>,
    ) -> Result<bool, StoreError> {
        let holder = self.holder(member);
        for _ in 0..TRIES {
            let now = self.clock.now();
            let fall = Fall {
                member,
                holder,
                grants: self.named(holder).await?,
                reason: reason.to_owned(),
                held: self.to_hold(member, holder, now, shut).await?,
                now,
                leaf: self.scribe(now).member_suspended(member, by, reason),
            };
            match self.store.fall(fall).await? {
                Fell::Changed => {}
                Fell::Already => return Ok(false),
                Fell::Ended(_) => return Ok(true),
            }
        }
        Err(restless())
    }

    /// Ends the suspension of `member`. `false` when it was not suspended.
    pub(crate) async fn rise(
        &self,
        member: MemberId,
        by: Option<MemberId>,
        reason: Option<&str>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let holder = self.holder(member);
        let held = self.store.held(holder).await?;
        let lifted = held
            .iter()
            .filter(|held| held.why == HeldFor::Suspended)
            .map(|held| self.pseudonym(member, &held.provider, held.epoch))
            .collect();
        self.store
            .rise(Rise {
                member,
                holder,
                lifted,
                leaf: self.scribe(now).member_reinstated(member, by, reason),
            })
            .await
    }

    /// Erases what is kept about the grants of `member`.
    pub(crate) async fn forget_grants(&self, member: MemberId) -> Result<(), StoreError> {
        // What is still queued would become a leaf after the leaves were emptied.
        let sealed = self.seal().await;
        sealed.map_err(|cause| StoreError::new("seal before forgetting", cause))?;
        let holder = self.holder(member);
        for _ in 0..TRIES {
            let grants = self.named(holder).await?;
            let now = self.clock.now();
            if self.store.forget_holder(holder, grants, now).await? != Fell::Changed {
                return Ok(());
            }
        }
        Err(restless())
    }

    /// Tells the gateway, and nobody else.
    pub(crate) async fn announce(&self, notices: Vec<Notice>) -> Result<(), StoreError> {
        self.store.announce(notices).await
    }

    /// Every grant of a holder, and what the notice of its end calls it.
    pub(crate) async fn named(&self, holder: Lookup) -> Result<Vec<Named>, StoreError> {
        let kept = self.store.grants(holder, self.clock.now()).await?;
        kept.iter()
            .map(|grant| {
                let opened = self.open_grant(grant).map_err(torn)?;
                Ok(Named {
                    id: grant.id,
                    end: self.end_of(&opened.sub),
                })
            })
            .collect()
    }

    /// What every provider sees now, to be held and refused.
    async fn to_hold(
        &self,
        member: MemberId,
        holder: Lookup,
        now: UnixMillis,
        shut: Option<&Seen>,
    ) -> Result<Vec<(Held, Pseudonym)>, StoreError> {
        let already = self.store.held(holder).await?;
        let hold = |provider: &Name, epoch, why| {
            let held = Held {
                provider: provider.clone(),
                epoch,
                why,
            };
            (held, self.pseudonym(member, provider, epoch))
        };
        let for_good = shut.map(|it| hold(&it.provider, it.epoch, HeldFor::Deactivated));
        let providers = self.settings.providers.iter();
        let others = providers.filter(|it| shut.is_none_or(|shut| shut.provider != **it));
        let each = others.map(|provider| {
            let epoch = epoch_of(provider, &already, now);
            hold(provider, epoch, HeldFor::Suspended)
        });
        Ok(for_good.into_iter().chain(each).collect())
    }

    pub(crate) fn ended_leaf(&self, id: Lookup, holder: Lookup, why: &'static str) -> Event {
        Event::private(
            "grant.ended",
            self.clock.now(),
            json!({ "grant": hex(&id), "holder": hex(&holder), "why": why }),
            &*self.randomness,
        )
    }
}

fn torn(cause: bauta_token::secret::CellError) -> StoreError {
    StoreError::new("open grant", cause)
}

fn restless() -> StoreError {
    StoreError::new("end grants", "new grants begin as fast as they are ended")
}

/// A new grant may begin while the others are named; it cannot go on for long.
const TRIES: u8 = 5;
/// Ten years: a labelled token lives as long as its scope allows, and never longer than a span.
const LONGEST_LIFE: i64 = 10 * 366 * 86_400;

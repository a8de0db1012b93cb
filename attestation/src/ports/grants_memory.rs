//! Grants in memory, for tests: what the SQL promises, in maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, StoreError},
};
use bauta_token::{
    notice::{Notice, Numbered},
    pseudonym::Pseudonym,
    scope::Name,
    secret::{AuthCode, DeviceCode, Hashed, RefreshToken},
    units::UnixMillis,
};

use super::{
    Event, Lookup,
    grants::{
        Allowed, Answer, AskLimits, Asked, Asking, Basis, Build, Ending, Entry, Fall, Fell, Grants,
        Held, HeldFor, Issuance, KeptCode, KeptGrant, Named, NewGrant, Outcome, Poll, Presented,
        Renewal, Rise, Seal, Told, Typed, Waiting, share_quota,
    },
    memory::{Memory, PeopleState},
    people::AttestationState,
};

/// All that the port keeps.
#[derive(Default)]
pub(super) struct GrantState {
    grants: BTreeMap<Lookup, KeptGrant>,
    refresh: BTreeMap<[u8; 32], (Lookup, Option<UnixMillis>)>,
    devices: BTreeMap<[u8; 32], Login>,
    attempts: Vec<(Lookup, UnixMillis)>,
    codes: BTreeMap<[u8; 32], KeptCode>,
    presented: BTreeMap<Lookup, (Presented, Lookup)>,
    held: BTreeMap<Lookup, Vec<Held>>,
    notices: Vec<Notice>,
    manifests: Vec<(u64, String)>,
}

struct Login {
    asking: Asking,
    polled_at: Option<UnixMillis>,
    wait_seconds: i64,
    denied: bool,
    allowed: Option<Allowed>,
}

#[async_trait]
impl Grants for Memory {
    async fn issue(&self, issuance: Issuance) -> Result<Outcome, StoreError> {
        let people = self.state();
        let outcome = match people.refused(&issuance) {
            Some(refused) => refused,
            None => self.grant_state().issue(&issuance),
        };
        drop(people);
        match (outcome, &issuance.basis) {
            (Outcome::Issued, _) => self.queue(issuance.leaf),
            (Outcome::Reused, Basis::Renewal(renewal)) => self.queue(renewal.reuse.clone()),
            _ => {}
        }
        Ok(outcome)
    }

    async fn renewable(
        &self,
        token: Hashed<RefreshToken>,
    ) -> Result<Option<KeptGrant>, StoreError> {
        let state = self.grant_state();
        let found = state.refresh.get(token.as_bytes());
        Ok(found.and_then(|(id, _)| state.grants.get(id).cloned()))
    }

    async fn grant(&self, id: Lookup) -> Result<Option<KeptGrant>, StoreError> {
        Ok(self.grant_state().grants.get(&id).cloned())
    }

    async fn grants(&self, holder: Lookup, now: UnixMillis) -> Result<Vec<KeptGrant>, StoreError> {
        Ok(self.grant_state().in_force(holder, now))
    }

    async fn builds(&self, now: UnixMillis) -> Result<Vec<Build>, StoreError> {
        let state = self.grant_state();
        let given = state.presented.values();
        Ok(given
            .filter_map(|(presented, id)| {
                let grant = state.grants.get(id)?;
                let lives = !grant.ended && grant.ends_at > now;
                lives.then(|| Build {
                    rule: presented.rule,
                    grant: grant.clone(),
                })
            })
            .collect())
    }

    async fn of_client(
        &self,
        client: &'static str,
        now: UnixMillis,
    ) -> Result<Vec<KeptGrant>, StoreError> {
        let state = self.grant_state();
        let grants = state.grants.values().filter(|it| it.client == client);
        Ok(grants
            .filter(|it| !it.ended && it.ends_at > now)
            .cloned()
            .collect())
    }

    async fn end(&self, ending: Ending) -> Result<bool, StoreError> {
        let Ending {
            id,
            end,
            holder,
            now,
            leaf,
        } = ending;
        let ended = self.grant_state().end(id, &end, holder, now);
        if ended {
            self.queue(leaf);
        }
        Ok(ended)
    }

    async fn ask(&self, asking: Asking, limits: AskLimits) -> Result<Asked, StoreError> {
        Ok(self.grant_state().ask(asking, limits))
    }

    async fn poll(&self, code: Hashed<DeviceCode>, now: UnixMillis) -> Result<Poll, StoreError> {
        Ok(self.grant_state().poll(&code, now))
    }

    async fn typed(&self, entry: Entry) -> Result<Typed, StoreError> {
        Ok(self.grant_state().typed(entry))
    }

    async fn answer(
        &self,
        user: Lookup,
        answer: Answer,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut state = self.grant_state();
        let Some(login) = state.waiting(user, now) else {
            return Ok(false);
        };
        match answer {
            Answer::Deny => login.denied = true,
            Answer::Allow(allowed) => login.allowed = Some(allowed),
        }
        Ok(true)
    }

    async fn keep_code(&self, code: KeptCode) -> Result<(), StoreError> {
        self.grant_state().codes.insert(*code.code.as_bytes(), code);
        Ok(())
    }

    async fn code(&self, code: Hashed<AuthCode>) -> Result<Option<KeptCode>, StoreError> {
        Ok(self.grant_state().codes.get(code.as_bytes()).cloned())
    }

    async fn held(&self, holder: Lookup) -> Result<Vec<Held>, StoreError> {
        Ok(self
            .grant_state()
            .held
            .get(&holder)
            .cloned()
            .unwrap_or_default())
    }

    async fn fall(&self, fall: Fall) -> Result<Fell, StoreError> {
        let outcome = self
            .grant_state()
            .end_all(fall.holder, &fall.grants, fall.now);
        if outcome == Fell::Changed {
            return Ok(outcome);
        }
        self.grant_state().hold(fall.holder, &fall.held);
        if !self.suspend(fall.member, &fall.reason) {
            return Ok(Fell::Already);
        }
        self.queue(fall.leaf);
        Ok(outcome)
    }

    async fn rise(&self, rise: Rise) -> Result<bool, StoreError> {
        if !self.reinstate(rise.member) {
            return Ok(false);
        }
        let mut state = self.grant_state();
        if let Some(held) = state.held.get_mut(&rise.holder) {
            held.retain(|held| held.why != HeldFor::Suspended);
        }
        let lifted = rise.lifted.into_iter();
        state
            .notices
            .extend(lifted.map(|pseudonym| Notice::Lifted { pseudonym }));
        drop(state);
        self.queue(rise.leaf);
        Ok(true)
    }

    async fn end_all(
        &self,
        holder: Lookup,
        grants: Vec<Named>,
        now: UnixMillis,
        leaf: Event,
    ) -> Result<Fell, StoreError> {
        let fell = self.grant_state().end_all(holder, &grants, now);
        if matches!(fell, Fell::Ended(1..)) {
            self.queue(leaf);
        }
        Ok(fell)
    }

    async fn end_others(
        &self,
        holder: Lookup,
        keep: BTreeSet<Name>,
        grants: Vec<Named>,
        now: UnixMillis,
        leaf: Event,
    ) -> Result<Fell, StoreError> {
        let fell = self.grant_state().end_others(holder, &keep, &grants, now);
        if matches!(fell, Fell::Ended(1..)) {
            self.queue(leaf);
        }
        Ok(fell)
    }

    async fn forget_holder(
        &self,
        holder: Lookup,
        grants: Vec<Named>,
        now: UnixMillis,
    ) -> Result<Fell, StoreError> {
        let mut state = self.grant_state();
        let fell = state.end_all(holder, &grants, now);
        if fell == Fell::Changed {
            return Ok(fell);
        }
        state.grants.retain(|_, grant| grant.holder != holder);
        if let Some(held) = state.held.get_mut(&holder) {
            held.retain(|held| held.why != HeldFor::Suspended);
        }
        drop(state);
        self.erase_leaves(&super::grants::hex(&holder));
        Ok(fell)
    }

    async fn announce(&self, notices: Vec<Notice>) -> Result<(), StoreError> {
        self.grant_state().notices.extend(notices);
        Ok(())
    }

    async fn notices(&self, after: u64, at_most: u32) -> Result<Told, StoreError> {
        let state = self.grant_state();
        let numbered = (1_u64..).zip(&state.notices);
        let after = numbered.filter(|(seq, _)| *seq > after);
        Ok(Told {
            last: u64::try_from(state.notices.len()).unwrap_or(u64::MAX),
            notices: after
                .take(usize::try_from(at_most).unwrap_or(usize::MAX))
                .map(|(seq, notice)| Numbered {
                    seq,
                    notice: notice.clone(),
                })
                .collect(),
        })
    }

    async fn publish(
        &self,
        text: String,
        signer: Arc<Signer>,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        if let Some((index, newest)) = self.grant_state().manifests.last()
            && *newest == text
        {
            return Ok(*index);
        }
        let head = self.append(&[(None, text.clone())], &signer, now);
        let index = head.size.saturating_sub(1);
        self.grant_state().manifests.push((index, text));
        Ok(index)
    }

    async fn manifest(&self) -> Result<Option<(u64, String)>, StoreError> {
        Ok(self.grant_state().manifests.last().cloned())
    }

    async fn seal(&self, seal: Seal) -> Result<Head, StoreError> {
        let events = self.drain(usize::try_from(seal.at_most).unwrap_or(usize::MAX));
        let entries: Vec<_> = events
            .iter()
            .map(|event| (event.salt().copied(), event.text().to_owned()))
            .collect();
        Ok(self.append(&entries, &seal.signer, seal.now))
    }

    async fn tidy(&self, now: UnixMillis) -> Result<(), StoreError> {
        self.grant_state().tidy(now);
        Ok(())
    }
}

impl PeopleState {
    /// Why nothing may be issued any more.
    fn refused(&self, issuance: &Issuance) -> Option<Outcome> {
        let row = self.members.get(&issuance.member);
        let Some(row) = row.filter(|row| row.may_go_on()) else {
            return Some(Outcome::Barred);
        };
        let ground = &issuance.ground;
        let attested = self.attestations.get(&ground.attestation);
        let holds = attested.is_some_and(|attested| {
            attested.member == row.member && attested.state == AttestationState::Valid
        });
        let lost = |scope| !row.rights.scopes.contains(scope);
        let withdrawn = !holds || ground.scope.as_ref().is_some_and(lost);
        withdrawn.then_some(Outcome::Withdrawn)
    }
}

impl GrantState {
    fn issue(&mut self, issuance: &Issuance) -> Outcome {
        match &issuance.basis {
            Basis::Asked(grant) => self.begin(issuance, grant),
            Basis::Device(code, grant) => {
                let good = self.devices.get(code.as_bytes()).is_some_and(|login| {
                    let by = login.allowed.as_ref().map(|allowed| allowed.holder);
                    by == Some(grant.holder) && login.asking.expires_at > issuance.now
                });
                if !good {
                    return Outcome::Spent;
                }
                self.devices.remove(code.as_bytes());
                self.begin(issuance, grant)
            }
            Basis::Code(code, grant) => {
                let kept = self.codes.get_mut(code.as_bytes());
                let fresh =
                    kept.filter(|kept| kept.used_for.is_none() && kept.expires_at > issuance.now);
                let Some(kept) = fresh else {
                    return Outcome::Spent;
                };
                kept.used_for = Some(issuance.id);
                self.begin(issuance, grant)
            }
            Basis::Renewal(renewal) => self.renew(issuance, renewal),
            Basis::Workload(presented, grant) => {
                if self.presented.contains_key(&presented.token) {
                    return Outcome::Spent;
                }
                let outcome = self.begin(issuance, grant);
                if outcome == Outcome::Issued {
                    self.presented
                        .insert(presented.token, (*presented, issuance.id));
                }
                outcome
            }
        }
    }

    fn begin(&mut self, issuance: &Issuance, grant: &NewGrant) -> Outcome {
        let held = self.in_force(grant.holder, issuance.now);
        let counted = |kept: &&KeptGrant| share_quota(&kept.client, grant.client);
        let held = held.iter().filter(counted).count();
        if held >= usize::try_from(grant.quota).unwrap_or(usize::MAX) {
            return Outcome::Full;
        }
        let today = issuance.now.day();
        let kept = KeptGrant {
            id: issuance.id,
            holder: grant.holder,
            handle: grant.handle.clone(),
            label: grant.label.clone(),
            client: grant.client.to_owned(),
            scope: grant.scope.clone(),
            made_on: today,
            refreshed_on: today,
            ends_at: issuance.ends_at,
            live_until: issuance.live_until,
            ended: false,
        };
        self.grants.insert(issuance.id, kept);
        if let Some(refresh) = &grant.refresh {
            self.refresh
                .insert(*refresh.as_bytes(), (issuance.id, None));
        }
        Outcome::Issued
    }

    fn renew(&mut self, issuance: &Issuance, renewal: &Renewal) -> Outcome {
        let Some((id, spent_at)) = self.refresh.get(renewal.old.as_bytes()).copied() else {
            return Outcome::Spent;
        };
        let kept = self.grants.get(&id);
        let lives = kept.is_some_and(|kept| !kept.ended && kept.ends_at > issuance.now);
        if !lives || id != issuance.id {
            return Outcome::Spent;
        }
        let new = *renewal.new.as_bytes();
        match spent_at {
            None => {
                let spent = (id, Some(issuance.now));
                self.refresh.insert(*renewal.old.as_bytes(), spent);
                self.refresh.insert(new, (id, None));
            }
            Some(spent_at) => {
                let unused = matches!(self.refresh.get(&new), Some((_, None)));
                let age = issuance.now.0.saturating_sub(spent_at.0);
                if age > renewal.grace_millis || !unused {
                    self.end(id, &issuance.end, None, issuance.now);
                    return Outcome::Reused;
                }
            }
        }
        if let Some(kept) = self.grants.get_mut(&id) {
            kept.refreshed_on = issuance.now.day();
            kept.ends_at = issuance.ends_at;
            kept.live_until = kept.live_until.max(issuance.live_until);
        }
        Outcome::Issued
    }

    pub(super) fn in_force(&self, holder: Lookup, now: UnixMillis) -> Vec<KeptGrant> {
        let mut found: Vec<_> = self
            .grants
            .values()
            .filter(|grant| grant.holder == holder && !grant.ended && grant.ends_at > now)
            .cloned()
            .collect();
        found.sort_by_key(|grant| std::cmp::Reverse(grant.made_on));
        found
    }

    fn end(
        &mut self,
        id: Lookup,
        name: &Pseudonym,
        holder: Option<Lookup>,
        now: UnixMillis,
    ) -> bool {
        let Some(grant) = self.grants.get_mut(&id) else {
            return false;
        };
        if grant.ended || holder.is_some_and(|holder| holder != grant.holder) {
            return false;
        }
        grant.ended = true;
        let until = grant.live_until;
        self.refresh.retain(|_, (of, _)| *of != id);
        if until > now {
            self.notices.push(Notice::Ended {
                grant: name.clone(),
                until,
            });
        }
        true
    }

    pub(super) fn end_all(&mut self, holder: Lookup, grants: &[Named], now: UnixMillis) -> Fell {
        let named = |grant: &KeptGrant| grants.iter().any(|named| named.id == grant.id);
        if !self.in_force(holder, now).iter().all(named) {
            return Fell::Changed;
        }
        let mut ended = 0_u64;
        for grant in grants {
            if self.end(grant.id, &grant.end, Some(holder), now) {
                ended = ended.saturating_add(1);
            }
        }
        self.devices.retain(|_, login| {
            let by = login.allowed.as_ref().map(|allowed| allowed.holder);
            by != Some(holder)
        });
        self.codes.retain(|_, code| code.holder != holder);
        self.attempts.retain(|(by, _)| *by != holder);
        Fell::Ended(ended)
    }

    pub(super) fn end_others(
        &mut self,
        holder: Lookup,
        keep: &BTreeSet<Name>,
        grants: &[Named],
        now: UnixMillis,
    ) -> Fell {
        let mut lost = self.in_force(holder, now);
        lost.retain(|grant| !keep.contains(&grant.scope));
        let mut ended = 0_u64;
        for grant in &lost {
            let Some(named) = grants.iter().find(|named| named.id == grant.id) else {
                return Fell::Changed;
            };
            self.end(grant.id, &named.end, Some(holder), now);
            ended = ended.saturating_add(1);
        }
        Fell::Ended(ended)
    }

    fn hold(&mut self, holder: Lookup, wanted: &[(Held, Pseudonym)]) {
        let held = self.held.entry(holder).or_default();
        for (new, pseudonym) in wanted {
            let known = held.iter_mut().find(|known| known.provider == new.provider);
            match known {
                // For good is for good.
                Some(known) if new.why == HeldFor::Deactivated => known.why = new.why,
                Some(_) => {}
                None => {
                    held.push(new.clone());
                    self.notices.push(Notice::Suspended {
                        pseudonym: pseudonym.clone(),
                    });
                }
            }
        }
    }

    fn ask(&mut self, asking: Asking, limits: AskLimits) -> Asked {
        let since = |login: &&Login| login.asking.asked_at > limits.since;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let here = |login: &&Login| login.asking.network == asking.network;
        let from_here = self.devices.values().filter(since).filter(here).count();
        let in_all = self.devices.values().filter(since).count();
        if count(from_here) >= limits.per_network || count(in_all) >= limits.in_all {
            return Asked::TooMany;
        }
        if self
            .devices
            .values()
            .any(|login| login.asking.user == asking.user)
        {
            return Asked::Taken;
        }
        let login = Login {
            polled_at: None,
            wait_seconds: asking.wait_seconds,
            denied: false,
            allowed: None,
            asking,
        };
        self.devices.insert(*login.asking.code.as_bytes(), login);
        Asked::Waiting
    }

    fn poll(&mut self, code: &Hashed<DeviceCode>, now: UnixMillis) -> Poll {
        let login = self.devices.get_mut(code.as_bytes());
        let Some(login) = login.filter(|login| login.asking.expires_at > now) else {
            return Poll::Expired;
        };
        let next = login
            .polled_at
            .map(|at| at.plus_seconds(login.wait_seconds));
        login.polled_at = Some(now);
        if next.is_some_and(|next| now < next) {
            login.wait_seconds = login.wait_seconds.saturating_add(5);
            return Poll::TooSoon;
        }
        match &login.allowed {
            Some(allowed) => Poll::Allowed(allowed.clone()),
            None if login.denied => Poll::Denied,
            None => Poll::Waiting,
        }
    }

    fn typed(&mut self, entry: Entry) -> Typed {
        let recent =
            |(holder, at): &&(Lookup, UnixMillis)| *holder == entry.holder && *at > entry.since;
        let attempts = self.attempts.iter().filter(recent).count();
        if i64::try_from(attempts).unwrap_or(i64::MAX) >= entry.at_most {
            return Typed::Paused;
        }
        self.attempts.push((entry.holder, entry.now));
        self.waiting(entry.user, entry.now)
            .map_or(Typed::Unknown, |login| {
                Typed::Found(Waiting {
                    code: login.asking.code,
                    surface: login.asking.surface.clone(),
                    network: login.asking.network,
                    scope: login.asking.scope.clone(),
                    asked_at: login.asking.asked_at,
                })
            })
    }

    fn waiting(&mut self, user: Lookup, now: UnixMillis) -> Option<&mut Login> {
        self.devices.values_mut().find(|login| {
            login.asking.user == user
                && login.asking.expires_at > now
                && !login.denied
                && login.allowed.is_none()
        })
    }

    fn tidy(&mut self, now: UnixMillis) {
        self.devices
            .retain(|_, login| login.asking.expires_at > now);
        let hour_ago = now.plus_seconds(-3600);
        self.codes.retain(|_, code| code.expires_at > hour_ago);
        self.attempts.retain(|(_, at)| *at > hour_ago);
        self.presented.retain(|_, (it, _)| it.until > now);
        for notice in &mut self.notices {
            if matches!(notice, Notice::Ended { until, .. } | Notice::Revoked { until, .. } if *until <= now)
            {
                *notice = Notice::Revoked {
                    token: String::new(),
                    until: UnixMillis(0),
                };
            }
        }
        let grants = &mut self.grants;
        grants.retain(|_, kept| kept.live_until > now || !(kept.ended || kept.ends_at <= now));
        self.refresh.retain(|_, (id, _)| grants.contains_key(id));
    }
}

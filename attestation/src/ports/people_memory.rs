//! Members in memory, for tests.

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::units::{UnixDay, UnixMillis};

use super::{
    AttestationId, Event, Lookup, MemberId, Rights, Role,
    directory_memory::DirectoryState,
    memory::{KeptSession, KeptVerification, Memory, PeopleState},
    people::{
        AttestationState, BackChannelLogout, Begun, Decided, Decision, Horizon, LoginAttempt,
        LoginBegun, LoginLimits, LogoutNames, Meeting, MeetingCode, MemberRow, MemberState, Met,
        NewAttestation, NewVerification, Once, People, PolicyRow, RedactionRow, RedactionState,
        RedactionStep, SessionRow, SignIn, SignedInAs, SigningKeyRow, StandingRow, TagRow,
        TakenLogin, Unredacted, VerificationRow, VerificationState, Vouch, Vouched,
    },
};

#[async_trait]
impl People for Memory {
    async fn begin_login(
        &self,
        attempt: &LoginAttempt,
        limits: LoginLimits,
    ) -> Result<LoginBegun, StoreError> {
        self.up("begin login")?;
        let attempts = &mut self.state().attempts;
        let under_way = |from: &dyn Fn(&LoginAttempt) -> bool| {
            let counted = attempts
                .values()
                .filter(|kept| kept.expires_at > limits.now && from(kept))
                .count();
            i64::try_from(counted).unwrap_or(i64::MAX)
        };
        let known = attempt.network.is_some();
        if under_way(&|_| true) >= limits.in_all
            || under_way(&|kept| known && kept.network == attempt.network) >= limits.per_network
        {
            return Ok(LoginBegun::TooMany);
        }
        attempts.insert(attempt.state, attempt.clone());
        Ok(LoginBegun::Kept)
    }

    async fn take_login(
        &self,
        state: Lookup,
        browser: Lookup,
        now: UnixMillis,
    ) -> Result<Option<TakenLogin>, StoreError> {
        self.up("take login")?;
        let attempts = &mut self.state().attempts;
        let good = attempts
            .get(&state)
            .is_some_and(|attempt| attempt.browser == browser && attempt.expires_at > now);
        let taken = good.then(|| attempts.remove(&state)).flatten();
        Ok(taken.map(|attempt| TakenLogin {
            return_to: attempt.return_to,
        }))
    }

    async fn member_by_tag(&self, tags: &[Lookup]) -> Result<Option<MemberRow>, StoreError> {
        self.up("member by tag")?;
        let state = self.state();
        let found = state
            .members
            .values()
            .find(|row| tags.contains(&row.tag.tag));
        Ok(found.cloned())
    }

    async fn member(&self, member: MemberId) -> Result<Option<MemberRow>, StoreError> {
        self.up("member")?;
        Ok(self.state().members.get(&member).cloned())
    }

    async fn sign_in(&self, entry: &SignIn) -> Result<SignedInAs, StoreError> {
        self.up("sign in")?;
        let directory = self.directory_state();
        let outcome = match directory.admitted(entry) {
            Ok(rights) => self.state().sign_in(entry, rights, &directory),
            Err(refused) => refused,
        };
        drop(directory);
        if outcome == SignedInAs::Written {
            self.queue_all(&entry.events);
        }
        Ok(outcome)
    }

    async fn session(
        &self,
        session: Lookup,
        now: UnixMillis,
        idle_seconds: i64,
    ) -> Result<Option<SessionRow>, StoreError> {
        self.up("session")?;
        let mut state = self.state();
        let Some(kept) = state.sessions.get_mut(&session) else {
            return Ok(None);
        };
        if kept.expires_at <= now || kept.used_at.plus_seconds(idle_seconds) <= now {
            return Ok(None);
        }
        kept.used_at = now;
        let row = SessionRow {
            member: kept.member,
            rights: Rights::default(),
            signed_in_at: kept.signed_in_at,
            expires_at: kept.expires_at,
        };
        let member = state.members.get(&row.member);
        let active = member.filter(|member| member.may_go_on());
        Ok(active.map(|member| SessionRow {
            rights: member.rights.clone(),
            ..row
        }))
    }

    async fn end_session(&self, session: Lookup, event: &Event) -> Result<bool, StoreError> {
        self.up("end session")?;
        let ended = self.state().sessions.remove(&session).is_some();
        if ended {
            self.queue(event.clone());
        }
        Ok(ended)
    }

    async fn named(&self, named: LogoutNames) -> Result<Vec<MemberId>, StoreError> {
        self.up("named")?;
        let state = self.state();
        let mut found: Vec<_> = match named {
            LogoutNames::Subject(subject) => {
                let rows = state.members.values().filter(|row| row.subject == subject);
                rows.map(|row| row.member).collect()
            }
            LogoutNames::Session(sid) => {
                let kept = state
                    .sessions
                    .values()
                    .filter(|kept| kept.idp_session == Some(sid));
                kept.map(|kept| kept.member).collect()
            }
        };
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn logout_taken(&self, token: Lookup) -> Result<bool, StoreError> {
        self.up("logout taken")?;
        Ok(self.state().logout_tokens.contains_key(&token))
    }

    async fn back_channel_logout(&self, logout: &BackChannelLogout) -> Result<Once, StoreError> {
        self.up("back channel logout")?;
        let mut state = self.state();
        if state.logout_tokens.contains_key(&logout.token) {
            return Ok(Once::Before);
        }
        state
            .logout_tokens
            .insert(logout.token, logout.remember_until);
        state
            .sessions
            .retain(|_, kept| !logout.members.contains(&kept.member));
        drop(state);
        self.queue_all(&logout.events);
        Ok(Once::Now)
    }

    async fn note(&self, events: &[Event]) -> Result<(), StoreError> {
        self.up("note")?;
        self.queue_all(events);
        Ok(())
    }

    async fn standing(&self, member: MemberId) -> Result<Option<StandingRow>, StoreError> {
        self.up("standing")?;
        Ok(self.state().standing(member))
    }

    async fn members(
        &self,
        after: Option<MemberId>,
        limit: u32,
    ) -> Result<Vec<MemberRow>, StoreError> {
        self.up("members")?;
        let state = self.state();
        let later = state
            .members
            .values()
            .filter(|row| after.is_none_or(|id| row.member > id));
        Ok(later.take(count(limit)).cloned().collect())
    }

    async fn erase_member(
        &self,
        member: MemberId,
        now: UnixMillis,
        event: &Event,
    ) -> Result<bool, StoreError> {
        self.up("erase member")?;
        let mut directory = self.directory_state();
        let subject = self.state().members.get(&member).and_then(|row| row.join);
        if !self.state().erase(member, now) {
            return Ok(false);
        }
        self.office_state().erase(member);
        directory.erase(subject);
        drop(directory);
        self.erase_leaves(&member.to_string());
        self.queue(event.clone());
        Ok(true)
    }

    async fn scrub_erased(&self) -> Result<u64, StoreError> {
        self.up("scrub erased")?;
        let waiting: Vec<_> = self.state().erased.iter().cloned().collect();
        let mut done = 0_u64;
        for member in waiting {
            if !self.is_pending(&member) {
                self.erase_leaves(&member);
                self.state().erased.remove(&member);
                done = done.saturating_add(1);
            }
        }
        Ok(done)
    }

    async fn begin_verification(
        &self,
        attempt: &NewVerification,
        limit: u32,
        since: UnixMillis,
    ) -> Result<Begun, StoreError> {
        self.up("begin verification")?;
        let mut state = self.state();
        let of_member =
            |kept: &&KeptVerification| kept.row.member == attempt.member && kept.row.began > since;
        if state.verifications.values().filter(of_member).count() >= count(limit) {
            return Ok(Begun::TooMany);
        }
        let kept = KeptVerification {
            row: begun(attempt),
            lookup: attempt.lookup,
            look_at: Some(attempt.redact_at),
        };
        state.verifications.insert(attempt.verification, kept);
        drop(state);
        self.queue(attempt.event.clone());
        Ok(Begun::Begun)
    }

    async fn verification(&self, vendor: Lookup) -> Result<Option<VerificationRow>, StoreError> {
        self.up("verification")?;
        let state = self.state();
        let found = state
            .verifications
            .values()
            .find(|kept| kept.lookup == vendor);
        Ok(found.map(|kept| kept.row.clone()))
    }

    async fn event_seen(&self, event: Lookup) -> Result<bool, StoreError> {
        self.up("event seen")?;
        Ok(self.state().vendor_events.contains_key(&event))
    }

    async fn decide(&self, decision: &Decision) -> Result<Decided, StoreError> {
        self.up("decide")?;
        let decided = self.state().decide(decision);
        if decided == Decided::Written {
            self.queue_all(&decision.events);
        }
        Ok(decided)
    }

    async fn show_code(&self, code: &MeetingCode) -> Result<bool, StoreError> {
        self.up("show code")?;
        let mut state = self.state();
        let row = state.members.get(&code.member);
        if row.is_none_or(|row| !row.may_go_on()) {
            return Ok(false);
        }
        state.codes.insert(code.member, code.clone());
        Ok(true)
    }

    async fn meet(&self, meeting: &Meeting) -> Result<Met, StoreError> {
        self.up("meet")?;
        let mut state = self.state();
        let recent =
            |(who, at): &&(MemberId, UnixMillis)| *who == meeting.officer && *at > meeting.since;
        let misses = state.misses.iter().filter(recent).count();
        if i64::try_from(misses).unwrap_or(i64::MAX) >= meeting.at_most {
            return Ok(Met::Paused);
        }
        let shown =
            |kept: &&MeetingCode| kept.code == meeting.code && kept.expires_at > meeting.now;
        if let Some(kept) = state.codes.values().find(shown) {
            return Ok(Met::Found(kept.member));
        }
        state.misses.push((meeting.officer, meeting.now));
        Ok(Met::Unknown)
    }

    async fn vouch(&self, vouch: &Vouch) -> Result<Vouched, StoreError> {
        self.up("vouch")?;
        let vouched = self.state().vouch(vouch);
        match vouched {
            Vouched::First => self.queue(vouch.event.clone()),
            Vouched::Granted => {
                self.queue(vouch.event.clone());
                self.queue_all(&vouch.granted);
            }
            Vouched::Again | Vouched::NoMember | Vouched::NoOfficer => {}
        }
        Ok(vouched)
    }

    async fn redactions_due(
        &self,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<RedactionRow>, StoreError> {
        self.up("redactions due")?;
        let state = self.state();
        let mut due: Vec<_> = state.verifications.values().filter_map(due_row).collect();
        due.extend(state.orphans.values().cloned().map(|(row, at)| (at, row)));
        due.retain(|(at, _)| *at <= now);
        due.sort_by_key(|(at, _)| *at);
        Ok(due
            .into_iter()
            .take(count(limit))
            .map(|(_, row)| row)
            .collect())
    }

    async fn unredacted(&self) -> Result<Unredacted, StoreError> {
        self.up("unredacted")?;
        let state = self.state();
        let held = state
            .verifications
            .values()
            .filter(|kept| kept.row.vendor_session.is_some());
        let oldest = held.clone().map(|kept| kept.row.began).min();
        let sessions = held.count().saturating_add(state.orphans.len());
        Ok(Unredacted {
            sessions: u64::try_from(sessions).unwrap_or(u64::MAX),
            oldest,
        })
    }

    async fn redaction_step(&self, step: &RedactionStep) -> Result<(), StoreError> {
        self.up("redaction step")?;
        let mut state = self.state();
        let confirmed = matches!(step.redaction, RedactionState::Confirmed(_));
        if let Some(kept) = state.verifications.get_mut(&step.verification) {
            kept.row.redaction = step.redaction;
            kept.look_at = (!confirmed).then_some(step.again_at);
            if confirmed {
                kept.row.vendor_session = None;
            }
        }
        if confirmed {
            state.orphans.remove(&step.verification);
        } else if let Some((row, at)) = state.orphans.get_mut(&step.verification) {
            (row.redaction, *at) = (step.redaction, step.again_at);
        }
        drop(state);
        if let Some(event) = &step.event {
            self.queue(event.clone());
        }
        Ok(())
    }

    async fn policies(&self) -> Result<Vec<PolicyRow>, StoreError> {
        self.up("policies")?;
        Ok(self.state().policies.clone())
    }

    async fn adopt_policy(&self, policy: &PolicyRow, event: &Event) -> Result<bool, StoreError> {
        self.up("adopt policy")?;
        let policies = &mut self.state().policies;
        let known = |row: &PolicyRow| row.policy == policy.policy && row.version == policy.version;
        if policies.iter().any(known) {
            return Ok(false);
        }
        policies.push(policy.clone());
        self.queue(event.clone());
        Ok(true)
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.up("signing keys")?;
        Ok(self.state().signing_keys.clone())
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRow,
        unless_until: UnixMillis,
        event: &Event,
    ) -> Result<bool, StoreError> {
        self.up("add signing key")?;
        let keys = &mut self.state().signing_keys;
        if keys.iter().any(|kept| kept.signs_until > unless_until) {
            return Ok(false);
        }
        keys.push(key.clone());
        self.queue(event.clone());
        Ok(true)
    }

    async fn fingerprint(&self, name: &str, fingerprint: Lookup) -> Result<Lookup, StoreError> {
        self.up("fingerprint")?;
        let kept = &mut self.state().fingerprints;
        Ok(*kept.entry(name.to_owned()).or_insert(fingerprint))
    }

    async fn stale_tags(&self, newest: i64, limit: u32) -> Result<Vec<TagRow>, StoreError> {
        self.up("stale tags")?;
        let state = self.state();
        let old = state
            .members
            .values()
            .map(|row| row.tag)
            .filter(|tag| tag.pepper_to < newest);
        Ok(old.take(count(limit)).collect())
    }

    async fn wrap_tag(&self, old: &TagRow, new: &TagRow) -> Result<bool, StoreError> {
        self.up("wrap tag")?;
        let mut state = self.state();
        let row = state.members.get_mut(&old.member);
        Ok(row
            .filter(|row| row.tag == *old)
            .map(|row| row.tag = *new)
            .is_some())
    }

    async fn expired(
        &self,
        today: UnixDay,
        limit: u32,
    ) -> Result<Vec<(MemberId, AttestationId)>, StoreError> {
        self.up("expired")?;
        let state = self.state();
        let over = state
            .attestations
            .values()
            .filter(|row| row.state == AttestationState::Valid && row.expires_on < today);
        Ok(over
            .take(count(limit))
            .map(|row| (row.member, row.attestation))
            .collect())
    }

    async fn expire(&self, attestation: AttestationId, event: &Event) -> Result<bool, StoreError> {
        self.up("expire")?;
        let mut state = self.state();
        let row = state.attestations.get_mut(&attestation);
        let Some(row) = row.filter(|row| row.state == AttestationState::Valid) else {
            return Ok(false);
        };
        row.state = AttestationState::Expired;
        drop(state);
        self.queue(event.clone());
        Ok(true)
    }

    async fn forget(&self, horizon: &Horizon) -> Result<u64, StoreError> {
        self.up("forget")?;
        Ok(self.state().forget(horizon))
    }
}

impl PeopleState {
    fn sign_in(
        &mut self,
        entry: &SignIn,
        rights: Rights,
        directory: &DirectoryState,
    ) -> SignedInAs {
        let id = entry.tag.member;
        let taken = |row: &MemberRow| row.tag.tag == entry.tag.tag && row.member != id;
        if self.members.values().any(taken) || self.members.contains_key(&id) == entry.new {
            return SignedInAs::Raced;
        }
        let joined = self
            .members
            .get(&id)
            .map_or(entry.now.day(), |row| row.joined);
        if self
            .members
            .get(&id)
            .is_some_and(|row| row.state == MemberState::Suspended)
        {
            return SignedInAs::Suspended;
        }
        let left = self.members.get(&id).is_some_and(|row| row.left.is_some());
        if left && !directory.lists(entry.join) {
            return SignedInAs::Left;
        }
        self.members.insert(
            id,
            MemberRow {
                member: id,
                tag: entry.tag,
                join: entry.join,
                state: MemberState::Active,
                reason: None,
                rights,
                subject: entry.subject,
                joined,
                signed_in: entry.now.day(),
                left: None,
            },
        );
        if let Some(old) = &entry.replaces {
            self.sessions.remove(old);
        }
        self.sessions.insert(
            entry.session,
            KeptSession {
                member: id,
                idp_session: entry.idp_session,
                signed_in_at: entry.now,
                used_at: entry.now,
                expires_at: entry.expires_at,
            },
        );
        SignedInAs::Written
    }

    fn standing(&self, member: MemberId) -> Option<StandingRow> {
        let row = self.members.get(&member)?.clone();
        let valid = |row: &&super::people::AttestationRow| {
            row.member == member && row.state == AttestationState::Valid
        };
        let attempts = self.verifications.values().map(|kept| &kept.row);
        Some(StandingRow {
            member: row,
            attestation: self.attestations.values().find(valid).cloned(),
            verification: attempts
                .filter(|row| row.member == member)
                .max_by_key(|row| row.began)
                .cloned(),
            vouched: self.vouched(member),
        })
    }

    fn erase(&mut self, member: MemberId, now: UnixMillis) -> bool {
        let active = |row: &MemberRow| row.state == MemberState::Active;
        if !self.members.get(&member).is_some_and(active) {
            return false;
        }
        self.members.remove(&member);
        self.sessions.retain(|_, kept| kept.member != member);
        self.codes.remove(&member);
        self.misses.retain(|(officer, _)| *officer != member);
        self.vouchings
            .retain(|(who, by), _| *who != member && *by != member);
        self.attestations.retain(|_, row| row.member != member);
        let attestations = &self.attestations;
        self.nonces.retain(|id, _| attestations.contains_key(id));
        let gone: Vec<_> = self
            .verifications
            .values()
            .filter(|kept| kept.row.member == member)
            .map(|kept| kept.row.clone())
            .collect();
        for row in gone {
            self.verifications.remove(&row.verification);
            let Some(vendor_session) = row.vendor_session else {
                continue;
            };
            let orphan = RedactionRow {
                verification: row.verification,
                member: None,
                vendor: row.vendor,
                vendor_session,
                redaction: row.redaction,
            };
            self.orphans.insert(row.verification, (orphan, now));
        }
        self.erased.insert(member.to_string());
        true
    }

    fn decide(&mut self, decision: &Decision) -> Decided {
        if self.vendor_events.contains_key(&decision.seen) {
            return Decided::Duplicate;
        }
        let Some(kept) = self.verifications.get_mut(&decision.verification) else {
            return Decided::Gone;
        };
        if kept.row.state != decision.from {
            return Decided::Raced;
        }
        self.vendor_events.insert(decision.seen, decision.now);
        if decision.at < kept.row.last_event || !kept.row.state.takes(decision.state) {
            return Decided::Late;
        }
        kept.row.state = decision.state;
        kept.row.last_event = decision.at;
        if let (RedactionState::Due(_), Some(at)) = (kept.row.redaction, decision.redact_at) {
            kept.row.redaction = RedactionState::Due(at);
            kept.look_at = Some(at);
        }
        let granted = kept.row.attestation;
        if let Some(grant) = &decision.grant {
            kept.row.attestation = Some(grant.row.attestation);
            self.grant(grant);
        } else if decision.state == VerificationState::Declined
            && let Some(row) = granted.and_then(|id| self.attestations.get_mut(&id))
        {
            row.state = AttestationState::Revoked;
        }
        Decided::Written
    }

    fn grant(&mut self, grant: &NewAttestation) {
        for row in self.attestations.values_mut() {
            if row.member == grant.row.member && row.state == AttestationState::Valid {
                row.state = AttestationState::Replaced;
            }
        }
        self.attestations
            .insert(grant.row.attestation, grant.row.clone());
        self.nonces.insert(grant.row.attestation, grant.nonce);
    }

    fn is_officer(&self, member: MemberId) -> bool {
        self.members
            .get(&member)
            .is_some_and(|row| row.may_go_on() && row.rights.roles.contains(&Role::Officer))
    }

    /// How many who are officers now vouch for a member.
    fn vouched(&self, member: MemberId) -> u32 {
        let words = self.vouchings.keys().filter(|(who, _)| *who == member);
        let counted = words.filter(|(_, officer)| self.is_officer(*officer));
        u32::try_from(counted.count()).unwrap_or(u32::MAX)
    }

    fn vouch(&mut self, vouch: &Vouch) -> Vouched {
        let active = |row: &MemberRow| row.may_go_on();
        if !self.members.get(&vouch.member).is_some_and(active) || vouch.member == vouch.officer {
            return Vouched::NoMember;
        }
        if !self.is_officer(vouch.officer) {
            return Vouched::NoOfficer;
        }
        let shown = |kept: &MeetingCode| kept.code == vouch.code && kept.expires_at > vouch.now;
        if !self.codes.get(&vouch.member).is_some_and(shown) {
            return Vouched::NoMember;
        }
        self.vouchings
            .retain(|(who, _), at| *who != vouch.member || *at > vouch.since);
        if self.vouchings.contains_key(&(vouch.member, vouch.officer)) {
            return Vouched::Again;
        }
        if self.vouched(vouch.member) > 0 {
            self.vouchings.retain(|(who, _), _| *who != vouch.member);
            self.codes.remove(&vouch.member);
            self.grant(&vouch.grant);
            return Vouched::Granted;
        }
        self.vouchings
            .insert((vouch.member, vouch.officer), vouch.now);
        Vouched::First
    }

    fn forget(&mut self, horizon: &Horizon) -> u64 {
        let before = self.size();
        self.attempts
            .retain(|_, attempt| attempt.expires_at > horizon.now);
        self.sessions
            .retain(|_, kept| kept.expires_at > horizon.now && kept.used_at > horizon.idle);
        self.logout_tokens.retain(|_, until| *until > horizon.now);
        self.vendor_events.retain(|_, at| *at > horizon.events);
        self.attestations
            .retain(|_, row| row.expires_on >= horizon.attestations);
        let attestations = &self.attestations;
        self.nonces.retain(|id, _| attestations.contains_key(id));
        self.verifications
            .retain(|_, kept| kept.look_at.is_some() || kept.row.began > horizon.verifications);
        self.signing_keys.retain(|key| key.not_after > horizon.now);
        self.vouchings.retain(|_, at| *at > horizon.vouchings);
        self.codes.retain(|_, kept| kept.expires_at > horizon.now);
        self.misses.retain(|(_, at)| *at > horizon.misses);
        u64::try_from(before.saturating_sub(self.size())).unwrap_or(u64::MAX)
    }

    fn size(&self) -> usize {
        [
            self.attempts.len(),
            self.sessions.len(),
            self.logout_tokens.len(),
            self.vendor_events.len(),
            self.attestations.len(),
            self.verifications.len(),
            self.signing_keys.len(),
            self.vouchings.len(),
            self.codes.len(),
            self.misses.len(),
        ]
        .iter()
        .sum()
    }
}

fn begun(attempt: &NewVerification) -> VerificationRow {
    VerificationRow {
        verification: attempt.verification,
        member: attempt.member,
        vendor: attempt.vendor.clone(),
        reference: attempt.reference,
        notice_version: attempt.notice_version.clone(),
        state: VerificationState::Started,
        vendor_session: Some(attempt.vendor_session.clone()),
        last_event: UnixMillis(0),
        began: attempt.now,
        attestation: None,
        redaction: RedactionState::Due(attempt.redact_at),
    }
}

fn due_row(kept: &KeptVerification) -> Option<(UnixMillis, RedactionRow)> {
    let row = RedactionRow {
        verification: kept.row.verification,
        member: Some(kept.row.member),
        vendor: kept.row.vendor.clone(),
        vendor_session: kept.row.vendor_session.clone()?,
        redaction: kept.row.redaction,
    };
    Some((kept.look_at?, row))
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

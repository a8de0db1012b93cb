//! The directory in memory, for tests: what the SQL promises, in maps.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::{
    secret::{Hashed, Scim},
    units::UnixMillis,
};

use super::{
    Event, GroupId, Lookup, MemberId, Rights, UserId,
    directory::{
        Affected, BearerRow, Census, Changed, Directory, GroupChange, GroupRemoval, GroupRow,
        Members, NewBearer, Openings, Said, Span, UserChange, UserRemoval, UserRow, Wanted,
    },
    grants::Fell,
    memory::Memory,
    people::{SignIn, SignedInAs},
};

/// All that the port keeps.
#[derive(Debug, Default)]
pub(super) struct DirectoryState {
    words: BTreeMap<Lookup, bool>,
    users: BTreeMap<UserId, UserRow>,
    groups: BTreeMap<GroupId, GroupRow>,
    within: BTreeSet<(GroupId, UserId)>,
    bearers: BTreeMap<i64, (Lookup, BearerRow)>,
}

#[async_trait]
impl Directory for Memory {
    async fn keep_bearer(
        &self,
        bearer: &NewBearer,
        at_most: u32,
    ) -> Result<Option<i64>, StoreError> {
        self.up("keep bearer")?;
        let bearers = &mut self.directory_state().bearers;
        let live = bearers
            .values()
            .filter(|(_, row)| row.expires_at > bearer.now);
        if live.count() >= usize::try_from(at_most).unwrap_or(usize::MAX) {
            return Ok(None);
        }
        let last = bearers.keys().next_back().copied().unwrap_or(0);
        let row = BearerRow {
            number: last.saturating_add(1),
            made_on: bearer.now.day(),
            expires_at: bearer.expires_at,
            used_on: None,
        };
        bearers.insert(row.number, (Lookup(*bearer.hash.as_bytes()), row));
        self.queue(bearer.event.clone());
        Ok(Some(row.number))
    }

    async fn bearers(&self) -> Result<Vec<BearerRow>, StoreError> {
        self.up("bearers")?;
        let state = self.directory_state();
        Ok(state.bearers.values().map(|(_, row)| *row).collect())
    }

    async fn drop_bearer(&self, number: i64, event: &Event) -> Result<bool, StoreError> {
        self.up("drop bearer")?;
        let was = self.directory_state().bearers.remove(&number).is_some();
        if was {
            self.queue(event.clone());
        }
        Ok(was)
    }

    async fn bearer(&self, hash: Hashed<Scim>, now: UnixMillis) -> Result<bool, StoreError> {
        self.up("bearer")?;
        let hash = Lookup(*hash.as_bytes());
        let mut state = self.directory_state();
        let mut live = state.bearers.values_mut();
        let found = live.find(|(known, row)| *known == hash && row.expires_at > now);
        Ok(found
            .map(|(_, row)| row.used_on = Some(now.day()))
            .is_some())
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        self.up("directory user")?;
        Ok(self.directory_state().users.get(&id).cloned())
    }

    async fn count_users(&self, wanted: Wanted<UserId>) -> Result<u64, StoreError> {
        self.up("count directory users")?;
        let state = self.directory_state();
        let found = state.users.values().filter(|row| is_wanted(wanted, row));
        Ok(u64::try_from(found.count()).unwrap_or(u64::MAX))
    }

    async fn users(&self, wanted: Wanted<UserId>, span: Span) -> Result<Vec<UserRow>, StoreError> {
        self.up("directory users")?;
        let state = self.directory_state();
        let found = state.users.values().filter(|row| is_wanted(wanted, row));
        Ok(part(found.cloned(), span))
    }

    async fn groups_of(&self, user: UserId) -> Result<Vec<GroupId>, StoreError> {
        self.up("groups of a directory user")?;
        let state = self.directory_state();
        let of = state.within.iter().filter(|(_, who)| *who == user);
        Ok(of.map(|(group, _)| *group).collect())
    }

    async fn put_user(&self, change: &UserChange) -> Result<Changed<UserRow>, StoreError> {
        self.up("put directory user")?;
        let mut state = self.directory_state();
        let old = state.users.get(&change.row.id).cloned();
        match (&old, change.from) {
            (None, None) => {}
            (Some(old), Some(from)) if old.version == from => {}
            (None, Some(_)) => return Ok(Changed::Gone),
            _ => return Ok(Changed::Stale),
        }
        let row = &change.row;
        let taken = |it: &&UserRow| {
            it.id != row.id && (it.subject == row.subject || it.user_name == row.user_name)
        };
        if state.users.values().any(|it| taken(&it)) {
            return Ok(Changed::Taken);
        }
        let active = match (change.said, state.words.get(&row.subject)) {
            (Said::Active, _) => true,
            (Said::Inactive, _) => false,
            (Said::Nothing, Some(word)) => *word,
            (Said::Nothing, None) => old.as_ref().is_none_or(|old| old.active),
        };
        let before = old.map(|old| old.subject).filter(|it| *it != row.subject);
        let mut leave: Vec<Lookup> = before.into_iter().collect();
        if !active {
            leave.push(row.subject);
        }
        let stay: &[Lookup] = if active { &[row.subject] } else { &[] };
        let leaving = self.behind(&leave, &change.affected, change.now);
        let staying = self.behind(stay, &change.affected, change.now);
        let (Some(leaving), Some(staying)) = (leaving, staying) else {
            return Ok(Changed::Stale);
        };
        state.words.insert(row.subject, active);
        if let Some(before) = before {
            state.words.insert(before, false);
        }
        let written = UserRow {
            active,
            ..row.clone()
        };
        state.users.insert(row.id, written.clone());
        for who in leaving {
            self.leave(who, change.now);
        }
        for who in staying {
            self.come_back(who);
        }
        self.queue(change.event.clone());
        Ok(Changed::Done(written))
    }

    async fn remove_user(&self, removal: &UserRemoval) -> Result<Changed<()>, StoreError> {
        self.up("remove directory user")?;
        let mut state = self.directory_state();
        let Some(old) = state.users.get(&removal.id).cloned() else {
            return Ok(Changed::Gone);
        };
        if old.version != removal.from {
            return Ok(Changed::Stale);
        }
        let Some(leaving) = self.behind(&[old.subject], &removal.affected, removal.now) else {
            return Ok(Changed::Stale);
        };
        state.words.insert(old.subject, false);
        state.users.remove(&removal.id);
        state.within.retain(|(_, user)| *user != removal.id);
        for who in leaving {
            self.leave(who, removal.now);
        }
        self.queue(removal.event.clone());
        Ok(Changed::Done(()))
    }

    async fn group(&self, id: GroupId) -> Result<Option<GroupRow>, StoreError> {
        self.up("directory group")?;
        Ok(self.directory_state().groups.get(&id).cloned())
    }

    async fn count_groups(&self, wanted: Wanted<GroupId>) -> Result<u64, StoreError> {
        self.up("count directory groups")?;
        let state = self.directory_state();
        let found = state.groups.values().filter(|row| is_sought(wanted, row));
        Ok(u64::try_from(found.count()).unwrap_or(u64::MAX))
    }

    async fn groups(
        &self,
        wanted: Wanted<GroupId>,
        span: Span,
    ) -> Result<Vec<GroupRow>, StoreError> {
        self.up("directory groups")?;
        let state = self.directory_state();
        let found = state.groups.values().filter(|row| is_sought(wanted, row));
        Ok(part(found.cloned(), span))
    }

    async fn people_in(&self, group: GroupId) -> Result<Vec<UserId>, StoreError> {
        self.up("people in a group")?;
        Ok(self.directory_state().people(group).into_iter().collect())
    }

    async fn put_group(&self, change: &GroupChange) -> Result<Changed<GroupRow>, StoreError> {
        self.up("put directory group")?;
        let mut state = self.directory_state();
        let (row, id) = (&change.row, change.row.id);
        let old = state.groups.get(&id).cloned();
        match (&old, change.from) {
            (None, None) => {}
            (Some(old), Some(from)) if old.version == from => {}
            (None, Some(_)) => return Ok(Changed::Gone),
            _ => return Ok(Changed::Stale),
        }
        let other = |it: &GroupRow| it.id != id && it.name == row.name;
        if state.groups.values().any(other) {
            return Ok(Changed::Taken);
        }
        let before = state.people(id);
        let listed = |user: &UserId| state.users.contains_key(user);
        let after: BTreeSet<_> = match &change.members {
            Members::Exactly(wanted) => wanted.iter().copied().filter(listed).collect(),
            Members::Shift { add, .. } if !add.iter().all(listed) => return Ok(Changed::Stranger),
            Members::Shift { add, remove } => {
                let all = before.union(add).copied();
                all.filter(|user| !remove.contains(user)).collect()
            }
        };
        let step = Step {
            old: old.map(|old| old.name),
            new: Some(row.name),
            before: &before,
            after: &after,
        };
        let shifts = self.shifts(
            &state,
            &step,
            &change.openings,
            &change.affected,
            change.now,
        );
        let Some(shifts) = shifts else {
            return Ok(Changed::Stale);
        };
        state.groups.insert(id, row.clone());
        state.within.retain(|(group, _)| *group != id);
        state.within.extend(after.iter().map(|user| (id, *user)));
        self.apply(shifts, change.now);
        self.queue(change.event.clone());
        Ok(Changed::Done(row.clone()))
    }

    async fn remove_group(&self, removal: &GroupRemoval) -> Result<Changed<()>, StoreError> {
        self.up("remove directory group")?;
        let mut state = self.directory_state();
        let Some(old) = state.groups.get(&removal.id).cloned() else {
            return Ok(Changed::Gone);
        };
        if old.version != removal.from {
            return Ok(Changed::Stale);
        }
        let (before, after) = (state.people(removal.id), BTreeSet::new());
        let step = Step {
            old: Some(old.name),
            new: None,
            before: &before,
            after: &after,
        };
        let affected = &removal.affected;
        let shifts = self.shifts(&state, &step, &removal.openings, affected, removal.now);
        let Some(shifts) = shifts else {
            return Ok(Changed::Stale);
        };
        state.groups.remove(&removal.id);
        state.within.retain(|(group, _)| *group != removal.id);
        self.apply(shifts, removal.now);
        self.queue(removal.event.clone());
        Ok(Changed::Done(()))
    }

    async fn members_as(&self, subject: Lookup) -> Result<Vec<MemberId>, StoreError> {
        self.up("members as")?;
        Ok(self.who(subject))
    }

    async fn word(&self, subject: Lookup) -> Result<Option<bool>, StoreError> {
        self.up("directory word")?;
        Ok(self.directory_state().words.get(&subject).copied())
    }

    async fn forget_directory(&self, names: bool, now: UnixMillis) -> Result<u64, StoreError> {
        self.up("forget directory")?;
        let mut state = self.directory_state();
        let before = state.bearers.len();
        state.bearers.retain(|_, (_, row)| row.expires_at > now);
        let gone = before.saturating_sub(state.bearers.len());
        let mut forgotten = u64::try_from(gone).unwrap_or(u64::MAX);
        let mut forget = |kept: &mut Option<Vec<u8>>| {
            if names && kept.take().is_some() {
                forgotten = forgotten.saturating_add(1);
            }
        };
        for row in state.users.values_mut() {
            forget(&mut row.names);
        }
        for row in state.groups.values_mut() {
            forget(&mut row.names);
        }
        Ok(forgotten)
    }

    async fn census(&self) -> Result<Census, StoreError> {
        self.up("directory census")?;
        let state = self.directory_state();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let joined = state.users.values();
        let joined = joined.filter(|row| !self.who(row.subject).is_empty());
        Ok(Census {
            users: number(state.users.len()),
            joined: number(joined.count()),
            groups: number(state.groups.len()),
        })
    }
}

/// A group under its old name and its new one, with its people before and after.
struct Step<'a> {
    old: Option<Lookup>,
    new: Option<Lookup>,
    before: &'a BTreeSet<UserId>,
    after: &'a BTreeSet<UserId>,
}

/// What becomes of a member's rights.
struct Shift<'a> {
    member: MemberId,
    rights: Rights,
    keep: BTreeSet<bauta_token::scope::Name>,
    losing: Option<&'a Affected>,
}

impl DirectoryState {
    /// The rights of a sign-in, or why there is none.
    pub(super) fn admitted(&self, entry: &SignIn) -> Result<Rights, SignedInAs> {
        let subject = entry.join.filter(|it| self.words.contains_key(it));
        let claimed = &entry.claimed;
        let Some(subject) = subject else {
            return if claimed.listed_only {
                Err(SignedInAs::Unlisted)
            } else {
                Ok(entry.rights.clone())
            };
        };
        if !self.lists(Some(subject)) {
            return Err(SignedInAs::Left);
        }
        let pushed = self.groups.values().map(|row| row.name).collect();
        let within = self.names_of(subject);
        let rules = &claimed.rules;
        Ok(rules.settle(&entry.rights, &claimed.groups, &pushed, &within))
    }

    /// Whether it says that whoever has this subject may go on.
    pub(super) fn lists(&self, subject: Option<Lookup>) -> bool {
        subject.is_some_and(|it| self.words.get(&it) == Some(&true))
    }

    /// Forgets whom it does not list any more.
    pub(super) fn erase(&mut self, subject: Option<Lookup>) {
        let Some(subject) = subject.filter(|it| self.words.get(it) == Some(&false)) else {
            return;
        };
        self.users.retain(|_, row| row.subject != subject);
        let users = &self.users;
        self.within.retain(|(_, user)| users.contains_key(user));
        self.words.remove(&subject);
    }

    fn people(&self, group: GroupId) -> BTreeSet<UserId> {
        let inside = self.within.iter().filter(|(it, _)| *it == group);
        inside.map(|(_, user)| *user).collect()
    }

    fn names_of(&self, subject: Lookup) -> BTreeSet<Lookup> {
        let is = |id: &UserId| self.users.get(id).is_some_and(|row| row.subject == subject);
        let of = self.within.iter().filter(|(_, user)| is(user));
        of.filter_map(|(group, _)| self.groups.get(group))
            .map(|row| row.name)
            .collect()
    }
}

impl Memory {
    fn who(&self, subject: Lookup) -> Vec<MemberId> {
        let state = self.state();
        let rows = state.members.values();
        let rows = rows.filter(|row| row.join == Some(subject));
        rows.map(|row| row.member).collect()
    }

    fn behind<'a>(
        &self,
        subjects: &[Lookup],
        affected: &'a [Affected],
        now: UnixMillis,
    ) -> Option<Vec<&'a Affected>> {
        let members = subjects.iter().flat_map(|subject| self.who(*subject));
        let named = members.map(|member| {
            let found = affected.iter().find(|it| it.member == member)?;
            let has = self.grant_state().in_force(found.holder, now);
            let known = |id| found.grants.iter().any(|named| named.id == id);
            has.iter().all(|grant| known(grant.id)).then_some(found)
        });
        named.collect()
    }

    fn leave(&self, who: &Affected, now: UnixMillis) {
        self.grant_state().end_all(who.holder, &who.grants, now);
        let mut state = self.state();
        state.sessions.retain(|_, it| it.member != who.member);
        state.vouchings.retain(|(_, by), _| *by != who.member);
        let row = state.members.get_mut(&who.member);
        let fresh = row.filter(|row| row.left.is_none());
        let left = fresh.map(|row| row.left = Some(now.day())).is_some();
        drop(state);
        if left {
            self.queue(who.left.clone());
        }
    }

    fn come_back(&self, who: &Affected) {
        let mut state = self.state();
        let row = state.members.get_mut(&who.member);
        let back = row.is_some_and(|row| row.left.take().is_some());
        drop(state);
        if back {
            self.queue(who.back.clone());
        }
    }

    fn shifts<'a>(
        &self,
        directory: &DirectoryState,
        step: &Step<'_>,
        openings: &Openings,
        affected: &'a [Affected],
        now: UnixMillis,
    ) -> Option<Vec<Shift<'a>>> {
        let mut shifts = Vec::new();
        for user in step.before.union(step.after) {
            let was = step.old.filter(|_| step.before.contains(user));
            let is = step.new.filter(|_| step.after.contains(user));
            let row = directory.users.get(user);
            let Some(row) = row.filter(|_| was != is) else {
                continue;
            };
            let mut within = directory.names_of(row.subject);
            within.retain(|name| Some(*name) != step.old);
            within.extend(is);
            for member in self.who(row.subject) {
                let rights = self.state().members.get(&member)?.rights.clone();
                let (gained, lost) = (is.into_iter().collect(), was.into_iter().collect());
                let next = openings.rules.shifted(&rights, &gained, &lost, &within);
                if next == rights {
                    continue;
                }
                let keep: BTreeSet<_> = next.scopes.union(&openings.to_all).cloned().collect();
                let losing = affected.iter().find(|it| it.member == member);
                if !rights.scopes.is_subset(&next.scopes) {
                    let losing = losing?;
                    let mut ends = self.grant_state().in_force(losing.holder, now);
                    ends.retain(|grant| !keep.contains(&grant.scope));
                    let known = |id| losing.grants.iter().any(|named| named.id == id);
                    if !ends.iter().all(|grant| known(grant.id)) {
                        return None;
                    }
                }
                shifts.push(Shift {
                    member,
                    rights: next,
                    keep,
                    losing,
                });
            }
        }
        Some(shifts)
    }

    fn apply(&self, shifts: Vec<Shift<'_>>, now: UnixMillis) {
        for shift in shifts {
            if let Some(row) = self.state().members.get_mut(&shift.member) {
                row.rights = shift.rights;
            }
            let Some(who) = shift.losing else { continue };
            let mut grants = self.grant_state();
            let fell = grants.end_others(who.holder, &shift.keep, &who.grants, now);
            drop(grants);
            if matches!(fell, Fell::Ended(1..)) {
                self.queue(who.lost.clone());
            }
        }
    }
}

fn is_wanted(wanted: Wanted<UserId>, row: &UserRow) -> bool {
    match wanted {
        Wanted::All => true,
        Wanted::Id(id) => row.id == id,
        Wanted::Name(name) => row.user_name == name,
        Wanted::External(external) => row.external == Some(external),
        Wanted::Subject(subject) => row.subject == subject,
    }
}

fn is_sought(wanted: Wanted<GroupId>, row: &GroupRow) -> bool {
    match wanted {
        Wanted::All => true,
        Wanted::Id(id) => row.id == id,
        Wanted::Name(name) => row.name == name,
        Wanted::External(external) => row.external == Some(external),
        Wanted::Subject(_) => false,
    }
}

fn part<T>(found: impl Iterator<Item = T>, span: Span) -> Vec<T> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    found.skip(size(span.skip)).take(size(span.most)).collect()
}

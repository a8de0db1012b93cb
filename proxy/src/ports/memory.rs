//! The ports in memory, for unit tests of the plane.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, LogStore, StoredLeaf},
    tree::{Frontier, Hash, NodeId, leaf_hash},
};
use bauta_token::{
    notice::{Notice, Numbered},
    pseudonym::Pseudonym,
    units::{MicroUsd, UnixMillis},
};

use super::{
    AtOnce, Charge, Closing, Entry, FeedBook, GrantUsage, Heard, Intent, Journal, ModelUsage,
    Outcome, Refused, ReplicaId, Replicas, RequestId, SEAL_ROWS, Sealing, Standing, StoreError,
    TurnedAway, Verdict, forget_after,
};
use crate::log::{Batch, Ended, Leaf, Row};

/// Forgets everything when dropped. [`Memory::fail`] makes it answer like storage that is gone.
#[derive(Default)]
pub struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    rows: BTreeMap<RequestId, Kept>,
    spending: HashMap<(Pseudonym, UnixMillis), Standing>,
    leases: HashMap<[u8; 16], UnixMillis>,
    turned_away: BTreeMap<(UnixMillis, &'static str), (u64, u64)>,
    heard: Heard,
    frontier: Option<Frontier>,
    leaves: Vec<StoredLeaf>,
    nodes: HashMap<NodeId, Hash>,
    note: String,
    failing: Option<Failing>,
    at_once: bool,
    commits: usize,
}

struct Kept {
    row: Row<'static>,
    grant: Pseudonym,
    replica: ReplicaId,
    window: Option<UnixMillis>,
    intent_logged: bool,
    outcome_logged: bool,
}

/// How storage fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "before and after are all there is")]
pub enum Failing {
    /// Nothing was written.
    Before,
    /// Everything was, and the answer was lost.
    After,
}

impl Memory {
    /// From now on commits fail so; `None` heals.
    pub fn fail(&self, failing: Option<Failing>) {
        self.state().failing = failing;
    }

    /// From now on it commits at once what it is asked to.
    pub fn commits_at_once(&self) {
        self.state().at_once = true;
    }

    /// How many transactions the journal has committed.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.state().commits
    }

    /// Every row of the journal, in the order of their ids.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'static>> {
        self.state()
            .rows
            .values()
            .map(|kept| kept.row.clone())
            .collect()
    }

    /// What was turned away: minute, reason, count.
    #[must_use]
    pub fn turned_away(&self) -> Vec<(UnixMillis, &'static str, u64)> {
        let state = self.state();
        let each = state.turned_away.iter();
        each.map(|((minute, reason), (n, _))| (*minute, *reason, *n))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guarded(&self, when: Failing) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.failing == Some(when) {
            return Err(StoreError::new("memory", "told to fail"));
        }
        Ok(state)
    }
}

#[async_trait]
impl Journal for Memory {
    async fn commit(&self, batch: Arc<[Entry]>) -> Result<Vec<Verdict>, StoreError> {
        let verdicts = {
            let mut state = self.guarded(Failing::Before)?;
            state.commits = state.commits.saturating_add(1);
            batch.iter().map(|entry| state.write(entry)).collect()
        };
        drop(self.guarded(Failing::After)?);
        Ok(verdicts)
    }

    fn commit_at_once(&self, entry: Entry) -> AtOnce {
        let mut state = self.state();
        if !state.at_once || state.failing.is_some() {
            return AtOnce::Waits(entry);
        }
        state.commits = state.commits.saturating_add(1);
        AtOnce::Written(state.write(&entry))
    }

    async fn renew(&self, replica: ReplicaId, lease_until: UnixMillis) -> Result<(), StoreError> {
        let mut state = self.guarded(Failing::Before)?;
        state.leases.insert(replica.0, lease_until);
        Ok(())
    }

    async fn reap(&self, replicas: Replicas, now: UnixMillis) -> Result<u64, StoreError> {
        let mut state = self.guarded(Failing::Before)?;
        match replicas {
            Replicas::Sole => state.leases.clear(),
            Replicas::Several => state.leases.retain(|_, until| *until >= now),
        }
        let orphans: Vec<_> = state
            .rows
            .values()
            .filter(|kept| kept.row.ended.is_none())
            .filter(|kept| !state.leases.contains_key(&kept.replica.0))
            .map(|kept| kept.row.id)
            .collect();
        let mut reaped = 0_u64;
        for id in orphans {
            state.close(&Closing::unknown(id, now));
            reaped = reaped.saturating_add(1);
        }
        Ok(reaped)
    }

    async fn usage(
        &self,
        grant: &Pseudonym,
        window_start: UnixMillis,
    ) -> Result<GrantUsage, StoreError> {
        let state = self.guarded(Failing::Before)?;
        let mut models: BTreeMap<String, ModelUsage> = BTreeMap::new();
        for kept in state.rows.values().filter(|kept| kept.grant == *grant) {
            let ended = kept.row.ended.as_ref();
            if ended.is_some_and(|ended| ended.outcome == Outcome::Refused.as_str()) {
                continue;
            }
            let model = models.entry(kept.row.model.to_string()).or_default();
            model.model = kept.row.model.to_string();
            model.requests = model.requests.saturating_add(1);
            if let Some(ended) = ended {
                model.add(ended);
            }
        }
        let key = (grant.clone(), window_start);
        Ok(GrantUsage {
            models: models.into_values().collect(),
            standing: state.spending.get(&key).copied().unwrap_or_default(),
        })
    }

    async fn turn_away(&self, counts: Arc<[TurnedAway]>) -> Result<(), StoreError> {
        let mut state = self.guarded(Failing::Before)?;
        for away in counts.iter() {
            let (n, _) = state
                .turned_away
                .entry((away.minute, away.reason))
                .or_default();
            *n = n.saturating_add(away.count);
        }
        Ok(())
    }

    async fn seal(
        &self,
        signer: Arc<Signer>,
        seed: [u8; 32],
        now: UnixMillis,
    ) -> Result<Sealing, StoreError> {
        let mut state = self.guarded(Failing::Before)?;
        let mut batch = Batch::new(&seed);
        let taken = state
            .gather(&mut batch, now)
            .map_err(|cause| StoreError::new("seal", cause))?;
        let leaves = batch.into_leaves();
        let count = leaves.len();
        for (salt, event) in leaves {
            state.append(salt, event);
        }
        let head = state.head();
        state.note = signer.checkpoint(head.size, &head.root);
        Ok(Sealing {
            leaves: count,
            more: taken >= SEAL_ROWS,
            head: state.head(),
        })
    }

    async fn disclose(
        &self,
        leaf: Leaf,
        signer: Arc<Signer>,
        _now: UnixMillis,
    ) -> Result<Head, StoreError> {
        let mut state = self.guarded(Failing::Before)?;
        state.append(leaf.salt, leaf.event);
        let head = state.head();
        state.note = signer.checkpoint(head.size, &head.root);
        Ok(state.head())
    }
}

#[async_trait]
impl FeedBook for Memory {
    async fn heard(&self, now: UnixMillis) -> Result<Heard, StoreError> {
        let state = self.guarded(Failing::Before)?;
        let mut heard = state.heard.clone();
        heard
            .notices
            .retain(|n| forget_after(&n.notice).is_none_or(|until| until >= now));
        Ok(heard)
    }

    async fn hear(&self, news: Arc<Heard>, _now: UnixMillis) -> Result<(), StoreError> {
        let mut state = self.guarded(Failing::Before)?;
        let known: BTreeSet<u64> = state.heard.notices.iter().map(|n| n.seq).collect();
        for numbered in &news.notices {
            if known.contains(&numbered.seq) {
                continue;
            }
            if let Notice::Lifted { pseudonym } = &numbered.notice {
                let lifted = Notice::Suspended {
                    pseudonym: pseudonym.clone(),
                };
                let earlier = |n: &Numbered| n.seq < numbered.seq && n.notice == lifted;
                state.heard.notices.retain(|n| !earlier(n));
            } else {
                state.heard.notices.push(numbered.clone());
            }
        }
        if news.manifest.is_some() && news.page_at >= state.heard.page_at {
            state.heard.manifest.clone_from(&news.manifest);
        }
        state.heard.seq = state.heard.seq.max(news.seq);
        state.heard.page_at = state.heard.page_at.max(news.page_at);
        Ok(())
    }
}

#[async_trait]
impl LogStore for Memory {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.state().head())
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        let state = self.state();
        ids.iter()
            .map(|id| state.nodes.get(id).copied())
            .collect::<Option<_>>()
            .ok_or_else(|| StoreError::new("nodes", "a node of the tree is missing"))
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<StoredLeaf>, StoreError> {
        let state = self.state();
        let within = |leaf: &&StoredLeaf| range.contains(&leaf.index);
        Ok(state.leaves.iter().filter(within).cloned().collect())
    }
}

impl State {
    fn write(&mut self, entry: &Entry) -> Verdict {
        match entry {
            Entry::Begin(intent) => self.begin(intent),
            Entry::Close(closing) => self.close(closing),
            Entry::Refuse(refused) => self.refuse(refused),
        }
    }

    fn begin(&mut self, intent: &Intent) -> Verdict {
        let known = self.rows.contains_key(&intent.id);
        let mut standing = None;
        if let Some(window) = intent.budget {
            let key = (intent.grant.clone(), window.start);
            let now = self.spending.entry(key).or_default();
            let held = now.held.checked_add(intent.held);
            let sum = held.and_then(|held| held.checked_add(now.spent));
            match (held, sum) {
                _ if known => {}
                (Some(held), Some(sum)) if sum <= window.limit => now.held = held,
                _ => {
                    let standing = *now;
                    self.refuse(&intent.over_budget());
                    return Verdict::OverBudget(standing);
                }
            }
            standing = Some(*now);
        }
        if !known {
            self.rows.insert(intent.id, kept(intent));
        }
        Verdict::Begun(standing)
    }

    fn close(&mut self, closing: &Closing) -> Verdict {
        let Some(kept) = self.rows.get_mut(&closing.id) else {
            return Verdict::ClosedBefore;
        };
        if kept.row.ended.is_some() {
            return Verdict::ClosedBefore;
        }
        let held = MicroUsd::new(kept.row.held).unwrap_or_default();
        let charged = match closing.charge {
            Charge::Amount(amount) => amount,
            Charge::Held => held,
        };
        kept.row.ended = Some(ended(closing, charged));
        if let Some(start) = kept.window {
            let key = (kept.grant.clone(), start);
            let standing = self.spending.entry(key).or_default();
            standing.held = standing.held.saturating_sub(held);
            standing.spent = standing
                .spent
                .checked_add(charged)
                .unwrap_or(standing.spent);
        }
        Verdict::Closed
    }

    fn refuse(&mut self, refused: &Refused) -> Verdict {
        self.rows.entry(refused.id).or_insert_with(|| Kept {
            row: Row {
                id: refused.id,
                grant: refused.grant.to_string().into(),
                scope: refused.scope.to_string().into(),
                dialect: refused.dialect.into(),
                route: refused.route.into(),
                model: refused.model.clone().into(),
                gate: None,
                targets: "".into(),
                started_at: refused.at,
                held: 0,
                ended: Some(Ended {
                    outcome: Outcome::Refused.as_str().into(),
                    reason: Some(refused.reason.into()),
                    status: Some(i64::from(refused.status)),
                    upstream: None,
                    served_model: None,
                    tokens: None,
                    charged: Some(0),
                    at: refused.at,
                }),
            },
            grant: refused.grant.clone(),
            replica: refused.replica,
            window: None,
            intent_logged: true,
            outcome_logged: false,
        });
        Verdict::Refused
    }

    fn gather(
        &mut self,
        batch: &mut Batch,
        now: UnixMillis,
    ) -> Result<i64, bauta_audit::canonical::CanonicalError> {
        let mut taken = 0_i64;
        for kept in self.rows.values_mut() {
            let ended = kept.row.ended.is_some() && !kept.outcome_logged;
            if taken >= SEAL_ROWS || (kept.intent_logged && !ended) {
                continue;
            }
            if !kept.intent_logged {
                batch.intent(&kept.row)?;
            }
            if ended {
                batch.outcome(&kept.row)?;
            }
            kept.intent_logged = true;
            kept.outcome_logged = kept.row.ended.is_some();
            taken = taken.saturating_add(1);
        }
        let minute = UnixMillis(now.0.saturating_sub(now.0.rem_euclid(60_000)));
        for ((at, reason), (n, logged)) in &mut self.turned_away {
            if *at < minute && *n > *logged {
                let count = i64::try_from(n.saturating_sub(*logged)).unwrap_or(i64::MAX);
                batch.turned_away(*at, reason, count)?;
                *logged = *n;
            }
        }
        Ok(taken)
    }

    fn append(&mut self, salt: [u8; 32], event: String) {
        let frontier = self.frontier.get_or_insert_with(Frontier::empty);
        let hash = leaf_hash(Some(&salt), event.as_bytes());
        let index = frontier.size();
        self.nodes.extend(frontier.append(hash));
        self.leaves.push(StoredLeaf {
            index,
            hash,
            salt: Some(salt),
            event: Some(event),
        });
    }

    fn head(&self) -> Head {
        let empty = Frontier::empty();
        let frontier = self.frontier.as_ref().unwrap_or(&empty);
        Head {
            size: frontier.size(),
            root: frontier.root(),
            note: self.note.clone(),
        }
    }
}

impl ModelUsage {
    fn add(&mut self, ended: &Ended<'_>) {
        let tokens = ended.tokens.unwrap_or_default();
        let sum = &mut self.tokens;
        sum.input = sum.input.saturating_add(tokens.input);
        sum.output = sum.output.saturating_add(tokens.output);
        sum.cache_read = sum.cache_read.saturating_add(tokens.cache_read);
        sum.cache_write = sum.cache_write.saturating_add(tokens.cache_write);
        let charged = ended.charged.and_then(MicroUsd::new).unwrap_or_default();
        self.charged = self.charged.checked_add(charged).unwrap_or(self.charged);
    }
}

fn kept(intent: &Intent) -> Kept {
    Kept {
        row: Row {
            id: intent.id,
            grant: intent.grant.to_string().into(),
            scope: intent.scope.to_string().into(),
            dialect: intent.dialect.into(),
            route: intent.route.into(),
            model: intent.model.clone().into(),
            gate: intent.gate.as_ref().map(|gate| gate.to_string().into()),
            targets: intent.targets.clone().into(),
            started_at: intent.started_at,
            held: intent.held.get(),
            ended: None,
        },
        grant: intent.grant.clone(),
        replica: intent.replica,
        window: intent.budget.map(|window| window.start),
        intent_logged: false,
        outcome_logged: false,
    }
}

fn ended(closing: &Closing, charged: MicroUsd) -> Ended<'static> {
    let served = closing.served.as_ref();
    Ended {
        outcome: closing.outcome.as_str().into(),
        reason: None,
        status: closing.status.map(i64::from),
        upstream: served.map(|served| served.upstream.to_string().into()),
        served_model: served.map(|served| served.model.clone().into()),
        tokens: closing.tokens,
        charged: Some(charged.get()),
        at: closing.ended_at,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::conformance, Memory};

    #[tokio::test]
    async fn memory_keeps_every_promise_of_the_ports() {
        conformance::all(async || Arc::new(Memory::default())).await;
    }
}

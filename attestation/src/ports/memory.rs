//! The ports in memory, for tests of the plane: what the SQL promises, in maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bauta_audit::{
    note::Signer,
    store::{Head, LogStore, StoreError, StoredLeaf},
    tree::{Frontier, Hash, NodeId, leaf_hash},
};
use bauta_token::units::UnixMillis;

use super::{
    AttestationId, Event, Lookup, MemberId, VerificationId,
    directory_memory::DirectoryState,
    grants_memory::GrantState,
    office_memory::OfficeState,
    people::{
        AttestationRow, LoginAttempt, MeetingCode, MemberRow, MemberState, PolicyRow, RedactionRow,
        SigningKeyRow, VerificationRow,
    },
};

/// Forgets everything when dropped.
#[derive(Default)]
pub struct Memory {
    pub(super) people: Mutex<PeopleState>,
    grants: Mutex<GrantState>,
    office: Mutex<OfficeState>,
    directory: Mutex<DirectoryState>,
    log: Mutex<LogState>,
}

/// All that the port for members keeps.
#[derive(Debug, Default)]
pub(super) struct PeopleState {
    pub(super) down: bool,
    pub(super) attempts: BTreeMap<Lookup, LoginAttempt>,
    pub(super) members: BTreeMap<MemberId, MemberRow>,
    pub(super) sessions: BTreeMap<Lookup, KeptSession>,
    pub(super) logout_tokens: BTreeMap<Lookup, UnixMillis>,
    pub(super) verifications: BTreeMap<VerificationId, KeptVerification>,
    pub(super) orphans: BTreeMap<VerificationId, (RedactionRow, UnixMillis)>,
    pub(super) vendor_events: BTreeMap<Lookup, UnixMillis>,
    pub(super) attestations: BTreeMap<AttestationId, AttestationRow>,
    pub(super) nonces: BTreeMap<AttestationId, [u8; 32]>,
    pub(super) vouchings: BTreeMap<(MemberId, MemberId), UnixMillis>,
    pub(super) codes: BTreeMap<MemberId, MeetingCode>,
    pub(super) misses: Vec<(MemberId, UnixMillis)>,
    pub(super) policies: Vec<PolicyRow>,
    pub(super) signing_keys: Vec<SigningKeyRow>,
    pub(super) fingerprints: BTreeMap<String, Lookup>,
    pub(super) erased: BTreeSet<String>,
}

/// A session as it is kept.
#[derive(Debug)]
pub(super) struct KeptSession {
    pub(super) member: MemberId,
    pub(super) idp_session: Option<Lookup>,
    pub(super) signed_in_at: UnixMillis,
    pub(super) used_at: UnixMillis,
    pub(super) expires_at: UnixMillis,
}

/// An attempt as it is kept.
#[derive(Debug)]
pub(super) struct KeptVerification {
    pub(super) row: VerificationRow,
    pub(super) lookup: Lookup,
    pub(super) look_at: Option<UnixMillis>,
}

#[derive(Default)]
struct LogState {
    pending: Vec<Event>,
    leaves: Vec<StoredLeaf>,
    nodes: BTreeMap<NodeId, Hash>,
    head: Option<Head>,
}

impl Memory {
    /// Every event there is, sealed or not, in order.
    pub fn events(&self) -> Vec<String> {
        let log = self.log();
        let sealed = log.leaves.iter().filter_map(|leaf| leaf.event.clone());
        let pending = log.pending.iter().map(|event| event.text().to_owned());
        sealed.chain(pending).collect()
    }

    /// All that is kept of members, and every event: where a test looks for what may not be there.
    pub fn dump(&self) -> String {
        format!(
            "{:?}\n{:?}\n{:?}\n{}",
            *self.directory_state(),
            *self.state(),
            *self.office_state(),
            self.events().join("\n")
        )
    }

    /// From now on storage gives no answer, or does again.
    pub fn go_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Storage, if it answers.
    pub(super) fn up(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.state().down {
            return Err(StoreError::new(operation, "it is down"));
        }
        Ok(())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, PeopleState> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn grant_state(&self) -> MutexGuard<'_, GrantState> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn office_state(&self) -> MutexGuard<'_, OfficeState> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be locked first of all.
    pub(super) fn directory_state(&self) -> MutexGuard<'_, DirectoryState> {
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, LogState> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event.
    pub(super) fn queue(&self, event: Event) {
        self.log().pending.push(event);
    }

    pub(super) fn queue_all(&self, events: &[Event]) {
        self.log().pending.extend_from_slice(events);
    }

    /// Suspends and signs out. `false` when there is nobody to suspend.
    pub(super) fn suspend(&self, member: MemberId, reason: &str) -> bool {
        let mut state = self.state();
        let Some(row) = state.members.get_mut(&member) else {
            return false;
        };
        if row.state == MemberState::Suspended {
            return false;
        }
        row.state = MemberState::Suspended;
        row.reason = Some(reason.to_owned());
        state.sessions.retain(|_, session| session.member != member);
        state.vouchings.retain(|(_, officer), _| *officer != member);
        true
    }

    /// Lifts a suspension. `false` when there was none.
    pub(super) fn reinstate(&self, member: MemberId) -> bool {
        let mut state = self.state();
        let Some(row) = state.members.get_mut(&member) else {
            return false;
        };
        let was = row.state == MemberState::Suspended;
        row.state = MemberState::Active;
        row.reason = None;
        was
    }

    /// Empties the leaves that contain `text`.
    pub(super) fn erase_leaves(&self, text: &str) {
        for leaf in &mut self.log().leaves {
            if leaf.event.as_ref().is_some_and(|event| {
                event.contains(text) && !event.contains(super::people::ERASED_EVENT)
            }) {
                (leaf.event, leaf.salt) = (None, None);
            }
        }
    }

    /// Whether an event that contains `text` waits to be sealed.
    pub(super) fn is_pending(&self, text: &str) -> bool {
        self.log()
            .pending
            .iter()
            .any(|event| event.text().contains(text))
    }

    /// Takes the oldest queued events.
    pub(super) fn drain(&self, at_most: usize) -> Vec<Event> {
        let mut log = self.log();
        let count = at_most.min(log.pending.len());
        log.pending.drain(..count).collect()
    }

    /// Appends leaves and signs a checkpoint.
    pub(super) fn append(
        &self,
        entries: &[(Option<[u8; 32]>, String)],
        signer: &Signer,
        _now: UnixMillis,
    ) -> Head {
        let mut log = self.log();
        let size = u64::try_from(log.leaves.len()).unwrap_or(u64::MAX);
        let peaks = Frontier::peak_ids(size)
            .iter()
            .filter_map(|id| log.nodes.get(id).copied())
            .collect();
        let mut frontier = Frontier::new(size, peaks).unwrap_or_else(Frontier::empty);
        for (salt, event) in entries {
            let index = frontier.size();
            let hash = leaf_hash(salt.as_ref(), event.as_bytes());
            log.nodes.extend(frontier.append(hash));
            log.leaves.push(StoredLeaf {
                index,
                hash,
                salt: *salt,
                event: Some(event.clone()),
            });
        }
        let (size, root) = (frontier.size(), frontier.root());
        let note = signer.checkpoint(size, &root);
        let head = Head { size, root, note };
        log.head = Some(head.clone());
        head
    }
}

#[async_trait]
impl LogStore for Memory {
    async fn head(&self) -> Result<Head, StoreError> {
        let head = self.log().head.clone();
        Ok(head.unwrap_or_else(|| Head {
            size: 0,
            root: Frontier::empty().root(),
            note: String::new(),
        }))
    }

    async fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        let log = self.log();
        ids.iter()
            .map(|id| log.nodes.get(id).copied())
            .collect::<Option<_>>()
            .ok_or_else(|| StoreError::new("log nodes", "a node of the tree is missing"))
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<StoredLeaf>, StoreError> {
        let log = self.log();
        let within = |leaf: &&StoredLeaf| range.contains(&leaf.index);
        Ok(log.leaves.iter().filter(within).cloned().collect())
    }
}

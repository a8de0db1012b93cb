//! What is in force.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use bauta_token::{
    claims::Claims,
    manifest::{GateTerm, Manifest},
    notice::{Notice, STALE_AFTER_MILLIS},
    pseudonym::Pseudonym,
    scope::{Gate, Name, Terms},
    units::UnixMillis,
};

use super::FollowError;

/// Everything that the feed has said and that still holds.
#[derive(Clone, Default)]
pub struct View {
    manifest: Option<Arc<Manifest>>,
    terms: HashMap<Name, Arc<Terms>>,
    revoked: HashMap<String, UnixMillis>,
    ended: HashMap<Pseudonym, UnixMillis>,
    suspended: HashSet<Pseudonym>,
    announced: Vec<GateTerm>,
    removed: HashSet<Name>,
    generation: u64,
}

/// What was taken away from a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Taken {
    /// The token.
    Token,
    /// Its grant.
    Grant,
    /// One of its pseudonyms.
    Pseudonym,
}

/// What a policy asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Asks {
    /// This version of it.
    For(Gate),
    /// Nothing before a later instant.
    NothingYet,
    /// It is no policy that is in force: what it gates is closed.
    Unknown,
}

impl View {
    /// The manifest in force; `None` before the first.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.manifest.as_ref()
    }

    /// The terms of a scope.
    #[must_use]
    pub fn terms(&self, scope: &Name) -> Option<&Arc<Terms>> {
        self.terms.get(scope)
    }

    /// How many manifests there were: what was verified under another one is verified again.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What was taken away from the token of these claims, if anything.
    #[must_use]
    pub fn taken(&self, claims: &Claims) -> Option<Taken> {
        if self.revoked.contains_key(&claims.jti) {
            return Some(Taken::Token);
        }
        if self.ended.contains_key(&claims.end) {
            return Some(Taken::Grant);
        }
        // A member who is suspended for one provider is not served by another door.
        let suspended = |psn: &Pseudonym| self.suspended.contains(psn);
        let any = !self.suspended.is_empty()
            && (suspended(&claims.sub) || claims.psn.values().any(suspended));
        any.then_some(Taken::Pseudonym)
    }

    /// What `policy` asks for at `now`: of the versions in effect, the one that came last.
    #[must_use]
    pub fn asks(&self, policy: &Name, now: UnixMillis) -> Asks {
        if self.removed.contains(policy) {
            return Asks::Unknown;
        }
        let published = self.manifest.iter().flat_map(|manifest| &manifest.gates);
        let mut known = false;
        let in_force = published
            .chain(&self.announced)
            .filter(|term| term.gate.policy() == policy)
            .inspect(|_| known = true)
            .filter(|term| term.effective_from <= now)
            .max_by_key(|term| term.effective_from)
            .map(|term| term.gate.clone());
        match in_force {
            Some(gate) => Asks::For(gate),
            None if known => Asks::NothingYet,
            None => Asks::Unknown,
        }
    }

    /// Puts `manifest` in force.
    pub(super) fn adopt(&mut self, manifest: Manifest) -> Result<(), FollowError> {
        let held = self.manifest.as_deref();
        if held.is_some_and(|held| !manifest.supersedes(held)) {
            return Err(FollowError::OldManifest);
        }
        self.terms = manifest
            .scopes
            .iter()
            .map(|terms| (terms.name.clone(), Arc::new(terms.clone())))
            .collect();
        // A policy that a later manifest lists exists again.
        for term in &manifest.gates {
            self.removed.remove(term.gate.policy());
        }
        self.manifest = Some(Arc::new(manifest));
        self.generation = self.generation.saturating_add(1);
        Ok(())
    }

    /// Puts one notice in force.
    pub(super) fn apply(&mut self, notice: Notice) {
        match notice {
            Notice::Revoked { token, until } => {
                self.revoked.insert(token, until);
            }
            Notice::Ended { grant, until } => {
                self.ended.insert(grant, until);
            }
            Notice::Suspended { pseudonym } => {
                self.suspended.insert(pseudonym);
            }
            Notice::Lifted { pseudonym } => {
                self.suspended.remove(&pseudonym);
            }
            Notice::Gate {
                gate,
                effective_from,
            } => {
                self.removed.remove(gate.policy());
                self.announced.push(GateTerm {
                    gate,
                    effective_from,
                });
            }
            Notice::GateRemoved { policy } => {
                self.announced.retain(|term| *term.gate.policy() != policy);
                self.removed.insert(policy);
            }
            // What this version does not know it cannot keep: nothing may pass.
            _ => {
                self.manifest = None;
                self.terms.clear();
            }
        }
    }

    /// Drops what names tokens that have expired, an hour late: clocks differ.
    pub(super) fn forget(&mut self, now: UnixMillis) {
        let now = now.plus_seconds(-3600);
        self.revoked.retain(|_, until| *until >= now);
        self.ended.retain(|_, until| *until >= now);
    }
}

/// The view in force, shared: read at every request, replaced by the follower.
pub struct Views {
    current: RwLock<Arc<View>>,
    /// Counts replacements, so that a stream can tell by one load that nothing changed.
    epoch: AtomicU64,
    /// When the last good pull began, by our clock.
    fresh_at: AtomicI64,
    /// When the newest page was signed, by the identity plane's.
    page_at: AtomicI64,
    /// Whether all that runs is to end.
    ending: AtomicBool,
}

impl Views {
    pub(super) fn new(view: View, page_at: UnixMillis) -> Self {
        Self {
            current: RwLock::new(Arc::new(view)),
            epoch: AtomicU64::new(0),
            fresh_at: AtomicI64::new(i64::MIN),
            page_at: AtomicI64::new(page_at.0),
            ending: AtomicBool::new(false),
        }
    }

    /// The view in force.
    #[must_use]
    pub fn current(&self) -> Arc<View> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever the view does.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether the view is young enough to let anybody pass. A clock that was set back makes it
    /// stale until the next pull.
    #[must_use]
    pub fn is_fresh(&self, now: UnixMillis) -> bool {
        let fresh_at = self.fresh_at.load(Ordering::Acquire);
        let age = now.0.saturating_sub(fresh_at);
        (0..=STALE_AFTER_MILLIS).contains(&age)
    }

    /// How old the view is in milliseconds; `None` before the first page.
    #[must_use]
    pub fn age_ms(&self, now: UnixMillis) -> Option<i64> {
        let fresh_at = self.fresh_at.load(Ordering::Acquire);
        (fresh_at != i64::MIN).then(|| now.0.saturating_sub(fresh_at))
    }

    /// `now`, but never before what the identity plane signed last: a clock that is set back does
    /// not bring expired tokens to life. The tolerated difference of two clocks is left.
    #[must_use]
    pub fn floored(&self, now: UnixMillis) -> UnixMillis {
        let floor = UnixMillis(self.page_at.load(Ordering::Acquire)).plus_seconds(-10);
        now.max(floor)
    }

    /// Whether all that runs is to end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// From now on all that runs is to end.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    pub(super) fn replace(&self, view: View) {
        let view = Arc::new(view);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = view;
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn renew(&self, began: UnixMillis, page_at: UnixMillis) {
        self.fresh_at.store(began.0, Ordering::Release);
        self.page_at.store(page_at.0, Ordering::Release);
    }
}

//! What is open and where each budget stands, in memory.
//!
//! One process has the file, so what it remembers is the truth: nobody else sets anything aside.
//! The tables have the same sums, a moment later.

use std::collections::{BTreeMap, HashMap, HashSet};

use bauta_proxy::ports::{Entry, Intent, Standing, Verdict, Window};
use bauta_token::{
    pseudonym::Pseudonym,
    units::{MicroUsd, UnixMillis},
};

use super::fact::{Begun, Closed, Fact, Id, Turned};

/// Budgets and open requests.
#[derive(Default)]
pub(crate) struct Ledger {
    open: HashMap<Id, Held>,
    budgets: HashMap<Pseudonym, BTreeMap<UnixMillis, Standing>>,
    /// Which sums changed since they were last asked for.
    changed: HashSet<(Pseudonym, UnixMillis)>,
}

/// What an open request has set aside, and where.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) grant: Pseudonym,
    pub(crate) window: Option<UnixMillis>,
    pub(crate) amount: MicroUsd,
}

/// A fact, and what it changed: others may be judged before it is known to be written.
pub(crate) struct Judged {
    pub(crate) fact: Fact,
    change: Change,
}

impl Judged {
    /// One that changes no sum.
    fn new(fact: Fact) -> Self {
        let change = Change::Nothing;
        Self { fact, change }
    }
}

enum Change {
    Nothing,
    /// It is open, and its amount is set aside.
    Opened(Id),
    /// It was open with so much set aside, and so much was charged.
    Closed(Id, Held, MicroUsd),
}

/// One sum of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    pub(crate) grant: Pseudonym,
    pub(crate) window: UnixMillis,
    pub(crate) standing: Standing,
}

impl Ledger {
    /// A request that is open.
    pub(crate) fn is_open(&mut self, id: Id, held: Held) {
        self.open.insert(id, held);
    }

    /// Where a budget stands.
    pub(crate) fn stands(&mut self, sum: Sum) {
        let windows = self.budgets.entry(sum.grant).or_default();
        windows.insert(sum.window, sum.standing);
    }

    /// Judges an entry, and gives what is to be written down of it: nothing when it changes nothing.
    pub(crate) fn judge(&mut self, entry: Entry) -> (Verdict, Option<Judged>) {
        match entry {
            Entry::Begin(intent) => self.begin(intent),
            Entry::Close(closing) => {
                let id = Id::from(closing.id);
                let Some(held) = self.open.remove(&id) else {
                    return (Verdict::ClosedBefore, None);
                };
                let closed = Closed::new(closing, held.amount);
                let charged = self.settle(&held, closed.charged);
                let fact = Fact::Closed(closed);
                let change = Change::Closed(id, held, charged);
                (Verdict::Closed, Some(Judged { fact, change }))
            }
            Entry::Refuse(refused) => {
                let fact = Fact::Refused(Turned::new(refused));
                (Verdict::Refused, Some(Judged::new(fact)))
            }
        }
    }

    /// Takes back what was judged, since it could not be written: it never was.
    pub(crate) fn take_back(&mut self, judged: Judged) {
        match judged.change {
            Change::Nothing => {}
            Change::Opened(id) => {
                if let Some(held) = self.open.remove(&id) {
                    self.change(&held, |now| Standing {
                        held: now.held.saturating_sub(held.amount),
                        ..now
                    });
                }
            }
            Change::Closed(id, held, charged) => {
                self.change(&held, |now| Standing {
                    held: plus(now.held, held.amount),
                    spent: now.spent.saturating_sub(charged),
                });
                self.open.insert(id, held);
            }
        }
    }

    /// Takes a fact that was judged before.
    pub(crate) fn replay(&mut self, fact: &Fact) {
        match fact {
            // Written twice: what was given up beside a line that could not be written is judged
            // again, and a crash leaves both.
            Fact::Begun(begun) if self.open.contains_key(&begun.id) => {}
            Fact::Begun(begun) => {
                let amount = MicroUsd::new(begun.held).unwrap_or(MicroUsd::ZERO);
                if let Some(window) = begun.window {
                    let now = self.standing(&begun.grant, window);
                    let held = plus(now.held, amount);
                    self.set(&begun.grant, window, Standing { held, ..now });
                }
                let held = Held {
                    grant: begun.grant.clone(),
                    window: begun.window,
                    amount,
                };
                self.open.insert(begun.id, held);
            }
            Fact::Closed(closed) => {
                if let Some(held) = self.open.remove(&closed.id) {
                    self.settle(&held, closed.charged);
                }
            }
            Fact::Refused(_) => {}
        }
    }

    /// The sums that changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<Sum> {
        let changed = std::mem::take(&mut self.changed);
        let sums = changed.into_iter().map(|(grant, window)| Sum {
            standing: self.standing(&grant, window),
            grant,
            window,
        });
        sums.collect()
    }

    /// Forgets windows that are over: a month before the newest one, with nothing set aside.
    pub(crate) fn forget_old(&mut self) {
        let newest = self.budgets.values().filter_map(|it| it.keys().next_back());
        let Some(newest) = newest.max().copied() else {
            return;
        };
        let from = newest.plus_seconds(KEPT_SECONDS.saturating_neg());
        self.budgets.retain(|_, windows| {
            windows.retain(|start, standing| *start >= from || standing.held > MicroUsd::ZERO);
            !windows.is_empty()
        });
    }

    fn begin(&mut self, intent: Intent) -> (Verdict, Option<Judged>) {
        let id = Id::from(intent.id);
        let Some(window) = intent.budget else {
            if self.open.contains_key(&id) {
                return (Verdict::Begun(None), None);
            }
            self.hold(&intent);
            let change = Change::Opened(id);
            let fact = Fact::Begun(Begun::new(intent));
            return (Verdict::Begun(None), Some(Judged { fact, change }));
        };
        let now = self.standing(&intent.grant, window.start);
        if self.open.contains_key(&id) {
            return (Verdict::Begun(Some(now)), None);
        }
        let Some(after) = set_aside(now, intent.held, window) else {
            let refused = Fact::Refused(Turned::new(intent.over_budget()));
            return (Verdict::OverBudget(now), Some(Judged::new(refused)));
        };
        self.set(&intent.grant, window.start, after);
        self.hold(&intent);
        let change = Change::Opened(id);
        let fact = Fact::Begun(Begun::new(intent));
        (Verdict::Begun(Some(after)), Some(Judged { fact, change }))
    }

    fn hold(&mut self, intent: &Intent) {
        let held = Held {
            grant: intent.grant.clone(),
            window: intent.budget.map(|window| window.start),
            amount: intent.held,
        };
        self.open.insert(intent.id.into(), held);
    }

    /// What was set aside is given back, what was charged is spent. Gives what that is.
    fn settle(&mut self, held: &Held, charged: i64) -> MicroUsd {
        let charged = MicroUsd::new(charged).unwrap_or(MicroUsd::ZERO);
        self.change(held, |now| Standing {
            held: now.held.saturating_sub(held.amount),
            spent: plus(now.spent, charged),
        });
        charged
    }

    fn change(&mut self, held: &Held, change: impl FnOnce(Standing) -> Standing) {
        if let Some(window) = held.window {
            let now = self.standing(&held.grant, window);
            self.set(&held.grant, window, change(now));
        }
    }

    fn standing(&self, grant: &Pseudonym, window: UnixMillis) -> Standing {
        let windows = self.budgets.get(grant);
        windows
            .and_then(|windows| windows.get(&window))
            .copied()
            .unwrap_or_default()
    }

    fn set(&mut self, grant: &Pseudonym, window: UnixMillis, standing: Standing) {
        if let Some(windows) = self.budgets.get_mut(grant) {
            windows.insert(window, standing);
        } else {
            let windows = BTreeMap::from([(window, standing)]);
            self.budgets.insert(grant.clone(), windows);
        }
        self.changed.insert((grant.clone(), window));
    }
}

/// The standing after `amount` was set aside; `None` when the window does not hold it.
fn set_aside(now: Standing, amount: MicroUsd, window: Window) -> Option<Standing> {
    let held = now.held.checked_add(amount)?;
    let sum = held.checked_add(now.spent)?;
    (sum <= window.limit).then_some(Standing { held, ..now })
}

/// The most a sum can be is more money than there is.
fn plus(one: MicroUsd, other: MicroUsd) -> MicroUsd {
    let most = MicroUsd::new(i64::MAX).unwrap_or(MicroUsd::ZERO);
    one.checked_add(other).unwrap_or(most)
}

/// A month and a day: no period of a budget is longer.
const KEPT_SECONDS: i64 = 31 * 86_400;

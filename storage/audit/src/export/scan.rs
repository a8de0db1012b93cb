//! Where in the log a window is.

use serde_json::{Map, Value};

use super::{
    Filter, Window,
    filter::{Place, instant},
    line::Counts,
};

/// Finds the smallest range that holds every event of a window, and counts what is in it.
///
/// Looks at every leaf. Batches are shuffled, clocks are set back: that events are in the order
/// of their time is an assumption that a proof of completeness cannot rest on. Erased leaves at
/// the edges belong to the range, because no one can tell any more that they do not.
#[derive(Debug)]
pub(super) struct Scan<'r> {
    window: &'r Window,
    filter: &'r Filter,
    found: Option<Counts>,
    /// Erased leaves since the range ended; or, before it began, just before this leaf.
    pending: u64,
    /// Erased leaves where the window would be, in case nothing else is found.
    gap: Option<Counts>,
    /// True when the window is behind: the last dated leaf was after it.
    passed: bool,
}

impl<'r> Scan<'r> {
    pub(super) fn new(window: &'r Window, filter: &'r Filter) -> Self {
        Self {
            window,
            filter,
            found: None,
            pending: 0,
            gap: None,
            passed: false,
        }
    }

    /// Looks at the next leaf. False when its event does not say when it happened.
    #[must_use]
    pub(super) fn see(&mut self, index: u64, event: Option<&Map<String, Value>>) -> bool {
        let Some(event) = event else {
            self.see_erased(index);
            return true;
        };
        let Some(at) = instant(event) else {
            return false;
        };
        match self.window.place(at) {
            Place::Inside => self.see_inside(index, self.filter.matches(event)),
            outside => self.see_outside(index, outside),
        }
        true
    }

    /// The range and what is in it.
    pub(super) fn finish(mut self, size: u64) -> Counts {
        self.close_gap(size);
        let mut counts = self.found.or(self.gap).unwrap_or_default();
        let shown = counts.matched.saturating_add(counts.erased);
        counts.withheld = counts.range().saturating_sub(shown);
        counts
    }

    fn see_erased(&mut self, index: u64) {
        match &mut self.found {
            Some(found) if found.end == index => {
                found.end = index.saturating_add(1);
                found.erased = found.erased.saturating_add(1);
            }
            _ => self.pending = self.pending.saturating_add(1),
        }
    }

    fn see_inside(&mut self, index: u64, matches: bool) {
        let before = self.run_before(index);
        let pending = std::mem::take(&mut self.pending);
        let found = self.found.get_or_insert(Counts {
            erased: 0,
            ..before
        });
        found.erased = found.erased.saturating_add(pending);
        found.end = index.saturating_add(1);
        found.window = found.window.saturating_add(1);
        found.matched = found.matched.saturating_add(u64::from(matches));
    }

    fn see_outside(&mut self, index: u64, place: Place) {
        if self.found.is_some() {
            return;
        }
        if place == Place::Before {
            self.gap = None;
        } else {
            self.close_gap(index);
        }
        self.passed = place == Place::After;
        self.pending = 0;
    }

    /// The erased leaves before `index` may be all that is left of the window, unless it is behind.
    fn close_gap(&mut self, index: u64) {
        if !self.passed && self.pending > 0 {
            self.gap = Some(self.run_before(index));
        }
    }

    /// The erased leaves just before `index`.
    fn run_before(&self, index: u64) -> Counts {
        Counts {
            first: index.saturating_sub(self.pending),
            end: index,
            erased: self.pending,
            ..Counts::default()
        }
    }
}

//! Faults in the order in which they shall happen.

use crate::fault::{Fault, Storm};
use crate::request::Request;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The faults still to come. Each is spent by one request.
#[derive(Debug, Default)]
pub(crate) struct Script {
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    lines: VecDeque<Line>,
    storm: Option<Storm>,
}

#[derive(Debug)]
struct Line {
    path: Option<String>,
    fault: Fault,
}

impl Script {
    /// The next request that no earlier line takes meets `fault`.
    pub(crate) fn push(&self, path: Option<&str>, fault: Fault) {
        let path = path.map(str::to_owned);
        self.lock().lines.push_back(Line { path, fault });
    }

    /// From now on every request without a line of its own takes its chance.
    pub(crate) fn weather(&self, storm: Option<Storm>) {
        self.lock().storm = storm;
    }

    /// How many faults have not happened yet.
    pub(crate) fn left(&self) -> usize {
        self.lock().lines.len()
    }

    /// The fault that `request` meets: the first line that fits, else what the weather brings.
    pub(crate) fn take(&self, request: &Request) -> Option<Fault> {
        let mut plan = self.lock();
        let fits = |line: &Line| {
            line.path
                .as_deref()
                .is_none_or(|path| request.path().starts_with(path))
        };
        if let Some(at) = plan.lines.iter().position(fits) {
            return plan.lines.remove(at).map(|line| line.fault);
        }
        plan.storm.as_ref().and_then(Storm::draw)
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What a simulator was asked, and what it shall do wrong next.

use crate::clock::Clock;
use crate::request::Request;
use crate::script::Script;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The record of one simulator and the script it follows.
#[derive(Debug)]
pub(crate) struct Tape {
    pub(crate) clock: Clock,
    pub(crate) script: Script,
    requests: Mutex<Vec<Request>>,
    tally: watch::Sender<Tally>,
}

/// How many requests came whole and how many were given up by the client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    pub(crate) aborted: usize,
}

impl Tape {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            script: Script::default(),
            requests: Mutex::default(),
            tally: watch::Sender::new(Tally::default()),
        }
    }

    pub(crate) fn record(&self, request: Request) {
        self.lock().push(request);
        self.tally
            .send_modify(|tally| tally.requests = tally.requests.saturating_add(1));
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.lock().clone()
    }

    /// Empties the record. The tally goes on: whoever waits for it must not wait for ever.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    pub(crate) async fn until(&self, enough: impl FnMut(&Tally) -> bool) {
        let mut seen = self.tally.subscribe();
        // The sender lives as long as `self`: there is no error to come.
        drop(seen.wait_for(enough).await);
    }

    /// A guard for one exchange: dropped before [`Exchange::finish`], the client had gone.
    pub(crate) fn open(self: &Arc<Self>) -> Exchange {
        Exchange {
            tape: Arc::clone(self),
            finished: false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    tape: Arc<Tape>,
    finished: bool,
}

impl Exchange {
    /// All was said, or broken off by us on purpose.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.finished {
            self.tape
                .tally
                .send_modify(|tally| tally.aborted = tally.aborted.saturating_add(1));
        }
    }
}

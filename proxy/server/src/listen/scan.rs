//! The requests on a connection, found by their framing.

use super::frame::{Frame, Reach};
use super::head::{Head, Reading};
use super::host::Hosts;
use super::refusal::Reason;

/// Where on a connection we are. Pure: bytes in, verdict out.
///
/// ```text
///            whole head                  100 Continue written
///   Head ─────────────────► Waiting ─────────────────────────► Body ──► Head ...
///    │ │        │ no expectation            │                   ▲ │
///    │ │        └───────────────────────────┼───────────────────┘ │
///    │ └─► refused                          └─► refused           └─► broken
///    └──── no body: the next Head
/// ```
#[derive(Debug)]
pub(super) struct Scanner {
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Head(Head),
    /// The head was good; its body may come when `100 Continue` was written.
    Waiting(Frame),
    Body(Frame),
}

/// What a run of bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Bytes that are good, from the start of the run: at most one head, or the rest of one body.
    pub(super) bytes: usize,
    /// What was found in them.
    pub(super) found: Found,
}

/// What was found in a run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that matters: a part of a head or of a body.
    Nothing,
    /// A good head. `odd` when it has fields that no handler may see.
    Head {
        /// See [`super::head::is_odd`].
        odd: bool,
    },
    /// A head that is refused. None of its bytes is good.
    Refused(Reason),
    /// A body that breaks its framing after the good bytes; its head has passed.
    Broken(Reason),
}

impl Scanner {
    /// At the start of a connection.
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Head(Head::default()),
        }
    }

    /// Whether the next byte belongs to a head.
    pub(super) const fn at_head(&self) -> bool {
        matches!(self.stage, Stage::Head(_))
    }

    /// Bytes were written: whatever waited for `100 Continue` may be sent.
    pub(super) fn answered(&mut self) {
        if let Stage::Waiting(frame) = self.stage {
            self.stage = Stage::Body(frame);
        }
    }

    /// Judges `bytes`, which begin where the last run's good bytes ended. Bytes after the end of
    /// the head or the body are left for the next call.
    pub(super) fn pass(&mut self, bytes: &[u8], hosts: &Hosts) -> Passed {
        match &mut self.stage {
            Stage::Head(head) => match head.read(bytes, hosts) {
                Reading::Part => Passed {
                    bytes: 0,
                    found: Found::Nothing,
                },
                Reading::Refused(reason) => refused(reason),
                Reading::Whole(whole) => {
                    if whole.expects && bytes.len() > whole.len {
                        return refused(Reason::Expectation);
                    }
                    self.stage = match whole.body {
                        Frame::Length(0) => Stage::Head(Head::default()),
                        body if whole.expects => Stage::Waiting(body),
                        body => Stage::Body(body),
                    };
                    Passed {
                        bytes: whole.len,
                        found: Found::Head { odd: whole.odd },
                    }
                }
            },
            // A body that did not wait.
            Stage::Waiting(_) if !bytes.is_empty() => Passed {
                bytes: 0,
                found: Found::Broken(Reason::Expectation),
            },
            Stage::Waiting(_) => Passed {
                bytes: 0,
                found: Found::Nothing,
            },
            Stage::Body(frame) => match frame.advance(bytes) {
                Reach::On => Passed {
                    bytes: bytes.len(),
                    found: Found::Nothing,
                },
                Reach::End(end) => {
                    self.stage = Stage::Head(Head::default());
                    Passed {
                        bytes: end,
                        found: Found::Nothing,
                    }
                }
                Reach::Broken(at) => Passed {
                    bytes: at,
                    found: Found::Broken(Reason::Framing),
                },
            },
        }
    }
}

fn refused(reason: Reason) -> Passed {
    Passed {
        bytes: 0,
        found: Found::Refused(reason),
    }
}

//! What can go wrong between two programs that speak HTTP.

use crate::answer::Answer;
use crate::seed::Seed;
use bytes::Bytes;
use std::time::Duration;

/// One thing gone wrong, for one request. The request is always read whole and recorded first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// This answer instead of the simulator's own.
    Answer(Box<Answer>),
    /// No answer at all; the connection stays open.
    Hang,
    /// The answer, later.
    Delay(Duration),
    /// The connection is reset (TCP RST) before a byte of the answer.
    Reset,
    /// The body ends in the middle: `usize` bytes of it, then the connection closes without the end
    /// that HTTP promised.
    CutAfter(usize),
    /// `usize` bytes of the body, then a reset.
    ResetAfter(usize),
    /// `usize` bytes of the body, then silence on an open connection.
    StallAfter(usize),
    /// The stream ends cleanly for HTTP, but the event that says so never comes.
    NoTerminal,
    /// This many frames of the stream, then these bytes, then a clean end.
    Interrupt {
        /// How many frames go out first.
        after: usize,
        /// What comes instead of the rest.
        with: Bytes,
    },
    /// The same bytes, in pieces of this size.
    Rechunk(usize),
    /// The same bytes one at a time, with this pause between them.
    Slow(Duration),
    /// The same bytes under another content type.
    ContentType(String),
    /// These headers on top of the usual ones.
    Headers(Vec<(String, String)>),
}

impl Fault {
    /// A refusal or any other complete answer.
    #[must_use]
    pub fn answer(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

/// Bad weather: each request has the same chance of a fault, drawn from a seed.
#[derive(Debug)]
pub struct Storm {
    seed: Seed,
    per_thousand: u64,
    faults: Vec<Fault>,
}

impl Storm {
    /// Weather in which `per_thousand` of a thousand requests meet one of `faults`.
    #[must_use]
    pub fn new(seed: u64, per_thousand: u64, faults: Vec<Fault>) -> Self {
        Self {
            seed: Seed::new(seed, "storm"),
            per_thousand,
            faults,
        }
    }

    pub(crate) fn draw(&self) -> Option<Fault> {
        if self.seed.below(1000) >= self.per_thousand {
            return None;
        }
        let kinds = u64::try_from(self.faults.len()).ok()?;
        let at = usize::try_from(self.seed.below(kinds)).ok()?;
        self.faults.get(at).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_repeats_itself_and_hits_about_as_often_as_it_says() {
        let run = |seed| {
            let storm = Storm::new(seed, 250, vec![Fault::Hang, Fault::Reset]);
            (0..1000)
                .map(|_| format!("{:?}", storm.draw()))
                .collect::<Vec<_>>()
        };

        let hits = run(3).iter().filter(|drawn| *drawn != "None").count();

        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        assert!((200..300).contains(&hits), "{hits} of 1000");
    }
}

//! What is known while targets are asked one after the other.

use http::Response;

use super::{ForwardError, Relay};
use crate::{
    gate::{Explanation, Reach},
    record::Sent,
    route::Door,
};

/// One request's way along its targets.
#[derive(Default)]
pub(super) struct Round {
    /// Why nobody has answered yet.
    pub(super) failure: ForwardError,
    /// Who was asked last.
    pub(super) asked: Option<Sent>,
    /// Targets whose provider checks who asks, and refused.
    barred: Vec<Door>,
    /// Whether only the model that was asked for may still answer: it asks for a moment's patience.
    pub(super) only_targets: bool,
    /// The first refusal that has an explanation.
    pub(super) explained: Option<&'static Explanation>,
    /// What the first target said that declined.
    heard: Option<Answered>,
}

/// What a target said, to be relayed.
pub(super) struct Answered {
    pub(super) place: usize,
    pub(super) response: Response<Relay>,
    pub(super) explained: Option<&'static Explanation>,
    pub(super) sent: Sent,
}

impl Round {
    /// Whether `door` may not be asked any more.
    pub(super) fn bars(&self, door: &Door) -> bool {
        (self.only_targets && door.is_fallback())
            || self.barred.iter().any(|refused| door.leads_round(refused))
    }

    /// The provider of `door` has refused a moment ago.
    pub(super) fn bar(&mut self, door: &Door) {
        self.barred.push(door.clone());
    }

    /// The target at `place` said that it did nothing.
    pub(super) fn declined(
        &mut self,
        place: usize,
        response: Response<Relay>,
        told: Option<&'static Explanation>,
        sent: Sent,
        targets: &[Door],
    ) {
        if let Some(told) = told {
            self.explained.get_or_insert(told);
            if told.bars && told.reach != Reach::Request {
                self.barred.extend(targets.get(place).cloned());
            }
        }
        self.failure = ForwardError::Unavailable;
        self.heard.get_or_insert(Answered {
            place,
            response,
            explained: told,
            sent,
        });
    }

    /// Whether any target after `place` may be asked; `soon` when the one at `place` answers again
    /// in a moment.
    pub(super) fn has_more(&self, targets: &[Door], place: usize, soon: bool) -> bool {
        let after = targets.iter().skip(place.saturating_add(1));
        let mut may = after.filter(|door| !(self.bars(door) || (soon && door.is_fallback())));
        may.next().is_some()
    }

    /// Nobody has answered, for this reason.
    pub(super) const fn end(&mut self, failure: ForwardError) {
        self.failure = failure;
    }

    /// What the first one said that declined, unless the request has to end otherwise: it may have
    /// reached somebody since, or be taken away.
    pub(super) fn heard(&mut self) -> Option<Answered> {
        match self.failure {
            ForwardError::Unavailable => self.heard.take(),
            _ => None,
        }
    }
}

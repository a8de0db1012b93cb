//! What is a leaf of the gateway log, and in which order leaves enter it.
//!
//! The journal is the record; the log is its proof. Rows enter the log in batches, shuffled, each
//! under a salt of its own, so that the tree that anybody may read says nothing about when or by
//! whom a request was made. An intent and an outcome are two events; so is a refusal, and so are
//! all the requests of a minute that were turned away for one reason.

use std::borrow::Cow;

use bauta_audit::{
    canonical::{self, CanonicalError, Object},
    export::Disclosure,
};
use bauta_token::{
    ambient::{Randomness, bytes},
    units::UnixMillis,
};
use ring::hmac;
use serde_json::{Map, Value, json};

use crate::ports::{Outcome, RequestId, Tokens};

/// A row of the journal, as far as the log tells of it. Who has the texts keeps them.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Row<'t> {
    /// Names the request.
    pub id: RequestId,
    /// The grant's pseudonym.
    pub grant: Cow<'t, str>,
    /// The scope.
    pub scope: Cow<'t, str>,
    /// The wire format.
    pub dialect: Cow<'t, str>,
    /// Our route.
    pub route: Cow<'t, str>,
    /// The model asked for.
    pub model: Cow<'t, str>,
    /// What opened it.
    pub gate: Option<Cow<'t, str>>,
    /// `upstream/model`, separated by blanks.
    pub targets: Cow<'t, str>,
    /// When it came.
    pub started_at: UnixMillis,
    /// Micro-dollars set aside.
    pub held: i64,
    /// How it ended, if it did.
    pub ended: Option<Ended<'t>>,
}

/// The part of a row that its end writes.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one field a column")]
pub struct Ended<'t> {
    /// How.
    pub outcome: Cow<'t, str>,
    /// Why it was refused.
    pub reason: Option<Cow<'t, str>>,
    /// The HTTP status sent.
    pub status: Option<i64>,
    /// Who answered.
    pub upstream: Option<Cow<'t, str>>,
    /// Which model answered.
    pub served_model: Option<Cow<'t, str>>,
    /// What was counted.
    pub tokens: Option<Tokens>,
    /// Micro-dollars.
    pub charged: Option<i64>,
    /// When.
    pub at: UnixMillis,
}

/// One leaf on its way into the log.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what is hashed")]
pub struct Leaf {
    /// Hashed before the event.
    pub salt: [u8; 32],
    /// Canonical JSON.
    pub event: String,
}

/// The log is about to be exported.
///
/// # Errors
///
/// When it has no canonical text.
pub fn exported(
    told: &Disclosure,
    at: UnixMillis,
    randomness: &dyn Randomness,
) -> Result<Leaf, CanonicalError> {
    let mut event = head("audit.exported", at);
    event.extend(told.fields().clone());
    Ok(Leaf {
        salt: bytes(randomness),
        event: canonical::to_string(&Value::Object(event))?,
    })
}

/// Leaves on their way into the log.
pub struct Batch {
    key: hmac::Key,
    events: Vec<String>,
}

impl Batch {
    /// An empty batch whose salts and order follow from `seed`: 32 fresh random bytes. A
    /// transaction that is tried again makes the same leaves in the same order.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            events: Vec::new(),
        }
    }

    /// Adds the event that a request is about to be sent.
    ///
    /// # Errors
    ///
    /// When the row has no canonical text.
    pub fn intent(&mut self, row: &Row<'_>) -> Result<(), CanonicalError> {
        let mut event = Object::default();
        event
            .text("at", &row.started_at.to_string())
            .text("dialect", &row.dialect)
            .maybe_text("gate", row.gate.as_deref())
            .number("held_micro_usd", row.held)
            .text("model", &row.model)
            .text("pseudonym", &row.grant)
            .text("request", &row.id.to_string())
            .text("route", &row.route)
            .text("scope", &row.scope)
            .texts("targets", row.targets.split(' '))
            .text("type", "request.intent");
        self.push(event)
    }

    /// Adds the event of how it ended. A row that runs still has none.
    ///
    /// # Errors
    ///
    /// When the row has no canonical text.
    pub fn outcome(&mut self, row: &Row<'_>) -> Result<(), CanonicalError> {
        let Some(ended) = &row.ended else {
            return Ok(());
        };
        if ended.outcome == Outcome::Refused.as_str() {
            return self.refused(row, ended);
        }
        let mut event = Object::default();
        event.text("at", &ended.at.to_string());
        if let Some(tokens) = ended.tokens {
            event
                .number("cache_read_tokens", tokens.cache_read)
                .number("cache_write_tokens", tokens.cache_write);
        }
        event
            .number("charged_micro_usd", ended.charged.unwrap_or(0))
            .text("dialect", &row.dialect);
        if let Some(tokens) = ended.tokens {
            event.number("input_tokens", tokens.input);
        }
        event
            .text("model", &row.model)
            .text("outcome", &ended.outcome);
        if let Some(tokens) = ended.tokens {
            event.number("output_tokens", tokens.output);
        }
        event
            .text("pseudonym", &row.grant)
            .text("request", &row.id.to_string())
            .text("route", &row.route)
            .text("scope", &row.scope)
            .maybe_text("served_model", ended.served_model.as_deref());
        if let Some(status) = ended.status {
            event.number("status", status);
        }
        event
            .text("type", "request.outcome")
            .maybe_text("upstream", ended.upstream.as_deref());
        self.push(event)
    }

    /// Adds the event that `count` requests of one minute were turned away for `reason`.
    ///
    /// # Errors
    ///
    /// When it has no canonical text.
    pub fn turned_away(
        &mut self,
        minute: UnixMillis,
        reason: &str,
        count: i64,
    ) -> Result<(), CanonicalError> {
        let mut event = Object::default();
        event
            .text("at", &minute.to_string())
            .number("count", count)
            .text("reason", reason)
            .text("type", "requests.turned_away");
        self.push(event)
    }

    /// Every event with its salt, shuffled.
    #[must_use]
    pub fn into_leaves(self) -> Vec<([u8; 32], String)> {
        let Self { key, events } = self;
        let mut leaves: Vec<_> = (0_u64..)
            .zip(events)
            .map(|(n, event)| (draw(&key, b"salt", n), event))
            .collect();
        // Fisher and Yates. 64 bits over at most a few thousand leaves: no bias to speak of.
        for last in (1..leaves.len()).rev() {
            let n = u64::try_from(last).unwrap_or(0);
            let drawn = draw(&key, b"order", n);
            let place = drawn
                .first_chunk()
                .map_or(0, |head| u64::from_be_bytes(*head))
                .checked_rem(n.saturating_add(1))
                .and_then(|place| usize::try_from(place).ok())
                .unwrap_or(0);
            leaves.swap(last, place);
        }
        leaves
    }

    fn refused(&mut self, row: &Row<'_>, ended: &Ended<'_>) -> Result<(), CanonicalError> {
        let mut event = Object::default();
        event
            .text("at", &ended.at.to_string())
            .text("dialect", &row.dialect)
            .text("model", &row.model)
            .text("pseudonym", &row.grant)
            .maybe_text("reason", ended.reason.as_deref())
            .text("request", &row.id.to_string())
            .text("route", &row.route)
            .text("scope", &row.scope);
        if let Some(status) = ended.status {
            event.number("status", status);
        }
        event.text("type", "request.refused");
        self.push(event)
    }

    fn push(&mut self, event: Object) -> Result<(), CanonicalError> {
        self.events.push(event.finish()?);
        Ok(())
    }
}

fn head(kind: &str, at: UnixMillis) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert("type".to_owned(), json!(kind));
    event.insert("at".to_owned(), json!(at.to_string()));
    event
}

fn draw(key: &hmac::Key, label: &[u8], n: u64) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(label);
    context.update(&n.to_be_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// Every type of event that this plane's log holds, in the order of the alphabet.
pub const TYPES: [&str; 5] = [
    "audit.exported",
    "request.intent",
    "request.outcome",
    "request.refused",
    "requests.turned_away",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_canonical_and_names_no_more_than_its_row() {
        let mut batch = Batch::new(&[7; 32]);

        batch.intent(&row()).unwrap();

        let leaves = batch.into_leaves();
        assert_eq!(
            leaves[0].1,
            "{\"at\":\"2025-11-20T10:00:00.000Z\",\"dialect\":\"anthropic\",\
             \"gate\":\"frontier-gate@2026-11-01\",\"held_micro_usd\":42,\
             \"model\":\"claude-opus\",\"pseudonym\":\"bp1_x\",\
             \"request\":\"00000000000000000000000001\",\"route\":\"messages\",\
             \"scope\":\"frontier\",\"targets\":[\"anthropic/claude-opus-4-7\",\"local/qwen3\"],\
             \"type\":\"request.intent\"}"
        );
    }

    #[test]
    fn a_row_that_runs_has_no_outcome_event() {
        let mut batch = Batch::new(&[7; 32]);

        batch.outcome(&row()).unwrap();

        assert!(batch.into_leaves().is_empty());
    }

    #[test]
    fn order_and_salts_follow_from_the_seed_alone() {
        let leaves = |seed: u8| {
            let mut batch = Batch::new(&[seed; 32]);
            for n in 0..100 {
                batch.turned_away(UnixMillis(0), "unknown", n).unwrap();
            }
            batch.into_leaves()
        };

        let (one, again, other) = (leaves(1), leaves(1), leaves(2));

        assert_eq!(one, again);
        let events = |leaves: &[([u8; 32], String)]| -> Vec<String> {
            leaves.iter().map(|(_, event)| event.clone()).collect()
        };
        assert_ne!(events(&one), events(&other));
        let mut salts: Vec<_> = one.iter().chain(&other).map(|(salt, _)| *salt).collect();
        salts.sort_unstable();
        salts.dedup();
        assert_eq!(salts.len(), 200);
        let mut sorted = events(&one);
        sorted.sort_unstable();
        assert_ne!(events(&one), sorted);
    }

    fn row() -> Row<'static> {
        let mut id = [0; 16];
        id[15] = 1;
        Row {
            id: RequestId::from_bytes(id),
            grant: "bp1_x".into(),
            scope: "frontier".into(),
            dialect: "anthropic".into(),
            route: "messages".into(),
            model: "claude-opus".into(),
            gate: Some("frontier-gate@2026-11-01".into()),
            targets: "anthropic/claude-opus-4-7 local/qwen3".into(),
            started_at: UnixMillis(1_763_632_800_000),
            held: 42,
            ended: None,
        }
    }
}

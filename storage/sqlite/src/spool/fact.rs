//! What a line of the spool says: an entry of the journal that was judged.

use std::borrow::Cow;

use bauta_proxy::ports::{Charge, Closing, Intent, Refused, RequestId, Tokens};
use bauta_token::{
    pseudonym::Pseudonym,
    scope::Name,
    units::{MicroUsd, UnixMillis},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Something that happened: the journal's tables take it as it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    /// A request was begun, and its amount is set aside.
    Begun(Begun),
    /// A request was closed, for the first time.
    Closed(Closed),
    /// A request was refused.
    Refused(Turned),
}

/// An intent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begun {
    pub(crate) id: Id,
    pub(crate) replica: Hex16,
    pub(crate) grant: Pseudonym,
    pub(crate) scope: Name,
    pub(crate) dialect: Cow<'static, str>,
    pub(crate) route: Cow<'static, str>,
    pub(crate) model: String,
    pub(crate) gate: Option<String>,
    pub(crate) targets: String,
    pub(crate) at: UnixMillis,
    pub(crate) window: Option<UnixMillis>,
    pub(crate) held: i64,
}

/// An end, with what was charged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closed {
    pub(crate) id: Id,
    pub(crate) outcome: Cow<'static, str>,
    pub(crate) status: Option<i64>,
    pub(crate) upstream: Option<String>,
    pub(crate) served_model: Option<String>,
    /// Input, output, cache read, cache write.
    pub(crate) tokens: Option<[i64; 4]>,
    pub(crate) charged: i64,
    pub(crate) at: UnixMillis,
}

/// A refusal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turned {
    pub(crate) id: Id,
    pub(crate) replica: Hex16,
    pub(crate) grant: Pseudonym,
    pub(crate) scope: Name,
    pub(crate) dialect: Cow<'static, str>,
    pub(crate) route: Cow<'static, str>,
    pub(crate) model: String,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) status: i64,
    pub(crate) at: UnixMillis,
}

/// A request's id: 32 hexadecimal digits in the file.
pub(crate) type Id = Hex16;

/// Sixteen bytes, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Hex16(pub(crate) [u8; 16]);

impl From<RequestId> for Hex16 {
    fn from(id: RequestId) -> Self {
        Self(*id.as_bytes())
    }
}

impl Begun {
    pub(crate) fn new(intent: Intent) -> Self {
        Self {
            id: intent.id.into(),
            replica: Hex16(intent.replica.0),
            grant: intent.grant,
            scope: intent.scope,
            dialect: Cow::Borrowed(intent.dialect),
            route: Cow::Borrowed(intent.route),
            model: intent.model,
            gate: intent.gate.map(|gate| gate.to_string()),
            targets: intent.targets,
            at: intent.started_at,
            window: intent.budget.map(|window| window.start),
            held: intent.held.get(),
        }
    }
}

impl Closed {
    /// `held` is charged where nobody knows better.
    pub(crate) fn new(closing: Closing, held: MicroUsd) -> Self {
        let charged = match closing.charge {
            Charge::Amount(amount) => amount,
            Charge::Held => held,
        };
        let served = closing.served;
        Self {
            id: closing.id.into(),
            outcome: Cow::Borrowed(closing.outcome.as_str()),
            status: closing.status.map(i64::from),
            upstream: served.as_ref().map(|served| served.upstream.to_string()),
            served_model: served.map(|served| served.model),
            tokens: closing.tokens.as_ref().map(columns),
            charged: charged.get(),
            at: closing.ended_at,
        }
    }
}

impl Turned {
    pub(crate) fn new(refused: Refused) -> Self {
        Self {
            id: refused.id.into(),
            replica: Hex16(refused.replica.0),
            grant: refused.grant,
            scope: refused.scope,
            dialect: Cow::Borrowed(refused.dialect),
            route: Cow::Borrowed(refused.route),
            model: refused.model,
            reason: Cow::Borrowed(refused.reason),
            status: i64::from(refused.status),
            at: refused.at,
        }
    }
}

fn columns(tokens: &Tokens) -> [i64; 4] {
    crate::gateway_journal::columns(tokens)
}

impl Serialize for Hex16 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0_u8; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            if let [high, low] = pair {
                *high = digit(byte >> 4);
                *low = digit(byte & 15);
            }
        }
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Hex16 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let number = u128::from_str_radix(&text, 16).map_err(D::Error::custom)?;
        let bytes = Self(number.to_be_bytes());
        if text.len() == 32 {
            Ok(bytes)
        } else {
            Err(D::Error::custom("not 32 digits"))
        }
    }
}

fn digit(half: u8) -> u8 {
    b"0123456789abcdef"
        .get(usize::from(half))
        .copied()
        .unwrap_or(b'0')
}

//! A provider's own gate: recognised by what it says, and explained to whoever can open it.
//!
//! Bauta adds a check and never gets round one. A provider that asks for a verification, an
//! entitlement or another country has refused, and only the person named here can change that. The
//! gateway treats it as loss of that upstream, relays what the provider said, and names the code of
//! the explanation in a header; `bauta explain` prints it.
//!
//! A sign that shuts an upstream for everybody is a code, or a whole sentence of the provider's: a
//! provider may repeat parts of a prompt in an error, and nobody may talk one into such a sign.

mod table;

use http::StatusCode;
use serde_json::Value;

use self::table::{Sign, TABLE};
use crate::dialect::Dialect;

/// What a provider's refusal means, who can help it, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// Stable, for programs and for `bauta explain`.
    pub code: &'static str,
    /// What it takes away.
    pub reach: Reach,
    /// Whether it is a check of who asks, or from where. Then the same model is not asked by
    /// another door, which would be a way round it.
    pub bars: bool,
    /// Why the provider refuses.
    pub cause: &'static str,
    /// Who can change that.
    pub owner: &'static str,
    /// What that person does.
    pub next: &'static str,
}

/// How much a refusal takes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// The account, the key or the place: nothing at this upstream answers until somebody acts.
    Upstream,
    /// One model, or one way to use it.
    Model,
    /// This request only. It is relayed, and no other target is asked.
    Request,
}

/// The explanation of what a provider answered, if it is one that is known.
///
/// `dialect` and `status` are those of the answer where they are known; `bauta explain` has a body
/// and no more. A body longer than [`MOST_BYTES`] is no refusal that is known.
#[must_use]
pub fn diagnose(
    dialect: Option<Dialect>,
    status: Option<StatusCode>,
    body: &[u8],
) -> Option<&'static Explanation> {
    if body.len() > MOST_BYTES || status.is_some_and(|it| !it.is_client_error()) {
        return None;
    }
    let document: Value = serde_json::from_slice(body).ok()?;
    let said = Said::of(&document)?;
    if dialect.is_none() && said.message.starts_with(crate::route::GATED) {
        // Ours has the code of Anthropic's, which Claude Code knows. No provider says this.
        return Some(&table::OWN);
    }
    let mut rows = TABLE
        .iter()
        .filter(|row| dialect.is_none_or(|it| it == row.dialect));
    rows.find(|row| row.sign.is_in(&said))
        .map(|row| &row.explanation)
}

/// Whether what Gemini's API answered is that it does not take the key. It says so with 400, in a
/// reason that no prompt gets into.
pub(crate) fn refuses_key(body: &[u8]) -> bool {
    let bad = Some(StatusCode::BAD_REQUEST);
    diagnose(Some(Dialect::Gemini), bad, body).is_some_and(|it| it.code == table::GEMINI_KEY)
}

/// The explanation of this code.
#[must_use]
pub fn explained(code: &str) -> Option<&'static Explanation> {
    let mut all = explanations().chain(std::iter::once(&table::OWN));
    all.find(|it| it.code == code)
}

/// Every explanation there is. One that has two signs comes twice.
pub fn explanations() -> impl Iterator<Item = &'static Explanation> {
    TABLE.iter().map(|row| &row.explanation)
}

/// The longest refusal that is looked into.
pub const MOST_BYTES: usize = 16 * 1024;

/// What the envelope of an error says.
struct Said<'a> {
    kind: &'a str,
    code: &'a str,
    detail: &'a str,
    status: &'a str,
    param: &'a str,
    message: &'a str,
    /// Google's: `reason` of an `ErrorInfo` among the details.
    reason: &'a str,
}

impl<'a> Said<'a> {
    fn of(document: &'a Value) -> Option<Self> {
        // Gemini sometimes wraps its envelope in a list of one.
        let document = document.get(0).unwrap_or(document);
        let error = document.get("error")?;
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            kind: text("type"),
            code: text("code"),
            detail: error
                .pointer("/details/error_code")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            status: text("status"),
            param: text("param"),
            message: text("message").trim(),
            reason: reason(error).unwrap_or_default(),
        })
    }
}

fn reason(error: &Value) -> Option<&str> {
    let details = error.get("details")?.as_array()?;
    let mut reasons = details.iter().filter_map(|it| it.get("reason")?.as_str());
    reasons.next()
}

impl Sign {
    fn is_in(&self, said: &Said<'_>) -> bool {
        match self {
            Self::Detail(code) => said.detail == *code,
            Self::Code(code) => said.code == *code,
            Self::Param(param) => said.param == *param,
            Self::Reason(reason) => said.reason == *reason,
            Self::Sentence { kind, whole } => said.kind == *kind && said.message == *whole,
            Self::Status { status, sentences } => {
                said.status == *status && sentences.contains(&said.message)
            }
            Self::Start(start) => said.message.starts_with(start),
            Self::Words(words) => words.iter().all(|word| said.message.contains(word)),
        }
    }
}

#[cfg(test)]
mod tests;

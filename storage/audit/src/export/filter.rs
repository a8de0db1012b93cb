//! Which events an export shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Map, Value, json};

use super::Plane;

/// A half-open span of time in UTC: from its start on, up to but not including its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    from: String,
    to: String,
}

impl Window {
    /// The span between two instants, each spelled as events spell theirs:
    /// `2026-11-20T10:00:00.000Z`. `None` when one is not, or the span is empty.
    #[must_use]
    pub fn new(from: &str, to: &str) -> Option<Self> {
        let whole = is_instant(from) && is_instant(to) && from < to;
        whole.then(|| Self {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }

    /// Its first instant.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The first instant after it.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn place(&self, at: &str) -> Place {
        // One spelling of fixed width: the order of texts is the order of instants.
        if at < self.from.as_str() {
            Place::Before
        } else if at < self.to.as_str() {
            Place::Inside
        } else {
            Place::After
        }
    }
}

/// Where an instant is, seen from a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Before,
    Inside,
    After,
}

/// When `event` happened. `None` when it does not say so in the one spelling.
pub(super) fn instant(event: &Map<String, Value>) -> Option<&str> {
    event
        .get("at")
        .and_then(Value::as_str)
        .filter(|at| is_instant(at))
}

/// `YYYY-MM-DDThh:mm:ss.sssZ`, years 0000 to 9999, no leap second.
fn is_instant(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00.000Z";
    let shaped = text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| {
            if shape == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == shape
            }
        });
    let within = |at: std::ops::Range<usize>, low: &str, high: &str| {
        text.get(at).is_some_and(|part| part >= low && part <= high)
    };
    shaped
        && within(5..7, "01", "12")
        && within(8..10, "01", "31")
        && within(11..13, "00", "23")
        && within(14..16, "00", "59")
        && within(17..19, "00", "59")
}

/// Which events to show: those that have, for each member named, one of the texts given. An
/// integer is compared by its decimal digits, an array matches when one of its elements does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter(BTreeMap<String, BTreeSet<String>>);

impl Filter {
    /// All events.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Only those of these events whose `member` is one of `texts`. Called again with the same
    /// member, it adds to the texts.
    #[must_use]
    pub fn only<T: Into<String>>(
        mut self,
        member: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> Self {
        let accepted = self.0.entry(member.to_owned()).or_default();
        accepted.extend(texts.into_iter().map(Into::into));
        self
    }

    /// True when it shows all events.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// True when it shows `event`.
    #[must_use]
    pub fn matches(&self, event: &Map<String, Value>) -> bool {
        self.0.iter().all(|(member, texts)| {
            event
                .get(member)
                .is_some_and(|value| accepts(texts, value) || any_accepted(texts, value))
        })
    }

    /// As the log of `plane` records it: whole, but for what could name somebody there. A pseudonym
    /// is the gateway's and does not enter the other log; and what was typed is kept only where it
    /// is spelled as the words of events are.
    pub(super) fn disclosed(&self, plane: Plane) -> Value {
        let shown = |member: &str, text: &String| match plane {
            Plane::Identity if member == "pseudonym" => UNSAID.to_owned(),
            _ if is_word(text) => text.clone(),
            _ => UNSAID.to_owned(),
        };
        let members = self.0.iter().map(|(member, texts)| {
            let texts: BTreeSet<_> = texts.iter().map(|text| shown(member, text)).collect();
            (member.clone(), json!(texts))
        });
        Value::Object(members.collect())
    }

    pub(super) fn to_value(&self) -> Value {
        json!(self.0)
    }

    /// The filter that a header spells. `None` when it would be spelled differently.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        let mut filter = Self::default();
        for (member, texts) in members {
            let texts: Option<Vec<&str>> = texts.as_array()?.iter().map(Value::as_str).collect();
            filter = filter.only(member, texts?);
        }
        (filter.to_value() == *value).then_some(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        let mut separator = "";
        for (member, texts) in &self.0 {
            let texts: Vec<_> = texts.iter().map(|text| format!("{text:?}")).collect();
            write!(f, "{separator}{member:?} is {}", texts.join(" or "))?;
            separator = ", ";
        }
        Ok(())
    }
}

/// What kinds, models, policies and pseudonyms are made of.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
    text.len() <= 128 && text.bytes().all(plain)
}

const UNSAID: &str = "(not recorded)";

fn any_accepted(texts: &BTreeSet<String>, value: &Value) -> bool {
    let elements = value.as_array();
    elements.is_some_and(|elements| elements.iter().any(|element| accepts(texts, element)))
}

fn accepts(texts: &BTreeSet<String>, value: &Value) -> bool {
    match value {
        Value::String(text) => texts.contains(text),
        Value::Number(number) => texts.contains(&number.to_string()),
        _ => false,
    }
}

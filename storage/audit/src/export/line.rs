//! The lines of an export: what they are made of, for those who write and those who read.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{Durability, Filter, Plane, Profile, Window, report::Why};
use crate::{
    canonical::{CanonicalError, MAX_DEPTH, parse_within, print},
    note::{Signer, Verifier, base64_hash},
    tree::{Hash, plain_hash},
};

/// How long a line may be, without its newline.
pub(super) const MAX_LINE: usize = 1024 * 1024;

/// The first line.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) plane: Plane,
    pub(super) window: Window,
    pub(super) filter: Filter,
    pub(super) profile: Profile,
    pub(super) durability: Durability,
    pub(super) tool: String,
    pub(super) key: Verifier,
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) counts: Counts,
}

/// How many records there are, and of which kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    /// The first leaf of the range, and the first after it.
    pub(super) first: u64,
    pub(super) end: u64,
    /// Events in the window, shown or not.
    pub(super) window: u64,
    /// Records by kind.
    pub(super) matched: u64,
    pub(super) withheld: u64,
    pub(super) erased: u64,
}

impl Counts {
    pub(super) fn range(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// True when they can be those of a tree of `size` leaves.
    fn add_up(&self, size: u64, filter: &Filter, plane: Plane) -> bool {
        let kinds = self
            .matched
            .checked_add(self.withheld)
            .and_then(|shown| shown.checked_add(self.erased));
        let unshown = self.window.checked_sub(self.matched);
        self.first <= self.end
            && self.end <= size
            && kinds == Some(self.range())
            && unshown.is_some_and(|unshown| unshown <= self.withheld)
            && (!filter.is_everything() || unshown == Some(0))
            // Erasure is a member's right, and no member is in the gateway log: there it is a gap.
            && (plane != Plane::Gateway || self.erased == 0)
    }
}

impl Header {
    pub(super) fn seal(&self, signer: &Signer) -> Result<String, CanonicalError> {
        let counts = &self.counts;
        let (first, last) = match counts.range() {
            0 => (None, None),
            _ => (Some(counts.first), Some(counts.end.saturating_sub(1))),
        };
        let value = json!({
            "bauta_export": 1,
            "durability": self.durability.to_string(),
            "erased": counts.erased,
            "filter": self.filter.to_value(),
            "first": first,
            "from": self.window.from(),
            "in_window": counts.window,
            "key": self.key.to_string(),
            "last": last,
            "matched": counts.matched,
            "plane": self.plane.to_string(),
            "profile": self.profile.to_string(),
            "records": counts.range(),
            "root": STANDARD.encode(self.root.0),
            "size": self.size,
            "to": self.window.to(),
            "tool": self.tool,
            "withheld": counts.withheld,
        });
        seal(value, HEADER, signer)
    }

    /// Reads the line under `key`, or under the key it names itself.
    pub(super) fn open(line: &str, key: Option<&Verifier>) -> Result<Self, Why> {
        let mut members = Members::parse(line)?;
        if members.take("bauta_export")? != json!(1) {
            return Err(Why::Member("bauta_export"));
        }
        let named = Verifier::parse(&members.text("key")?).map_err(Why::Key)?;
        if key.is_some_and(|key| *key != named) {
            return Err(Why::OtherKey);
        }
        unseal(line, HEADER, &named)?;
        members.take("seal")?;
        let window = Window::new(&members.text("from")?, &members.text("to")?);
        let filter = Filter::from_value(&members.take("filter")?);
        let header = Self {
            plane: members.word("plane")?,
            window: window.ok_or(Why::Member("from"))?,
            filter: filter.ok_or(Why::Member("filter"))?,
            profile: members.word("profile")?,
            durability: members.word("durability")?,
            tool: members.text("tool")?,
            key: named,
            size: members.number("size")?,
            root: members.hash("root")?,
            counts: members.counts()?,
        };
        members.finish()?;
        if !header
            .counts
            .add_up(header.size, &header.filter, header.plane)
        {
            return Err(Why::Counts);
        }
        Ok(header)
    }
}

/// The members of a line, taken one by one, so that none is left unread.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn parse(line: &str) -> Result<Self, Why> {
        let value = parse_within(line, LINE_DEPTH, MAX_LINE).map_err(Why::Canonical)?;
        Self::object(value).ok_or(Why::Canonical(CanonicalError::Syntax))
    }

    pub(super) fn object(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn take(&mut self, name: &'static str) -> Result<Value, Why> {
        self.0.remove(name).ok_or(Why::Member(name))
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, Why> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            _ => Err(Why::Member(name)),
        }
    }

    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, Why> {
        self.take(name)?.as_u64().ok_or(Why::Member(name))
    }

    pub(super) fn truth(&mut self, name: &'static str) -> Result<(), Why> {
        (self.take(name)? == Value::Bool(true))
            .then_some(())
            .ok_or(Why::Member(name))
    }

    pub(super) fn hash(&mut self, name: &'static str) -> Result<Hash, Why> {
        base64_hash(&self.text(name)?).ok_or(Why::Member(name))
    }

    pub(super) fn hashes(&mut self, name: &'static str) -> Result<Vec<Hash>, Why> {
        let value = self.take(name)?;
        let items = value.as_array().ok_or(Why::Member(name))?;
        items
            .iter()
            .map(|item| item.as_str().and_then(base64_hash))
            .collect::<Option<_>>()
            .ok_or(Why::Member(name))
    }

    fn word<T: std::str::FromStr>(&mut self, name: &'static str) -> Result<T, Why> {
        self.text(name)?.parse().map_err(|_| Why::Member(name))
    }

    fn counts(&mut self) -> Result<Counts, Why> {
        let (first, last) = (self.take("first")?, self.take("last")?);
        let (first, end) = if first.is_null() && last.is_null() {
            (0, 0)
        } else {
            let last = last.as_u64().and_then(|last| last.checked_add(1));
            let first = first.as_u64().ok_or(Why::Member("first"))?;
            (first, last.ok_or(Why::Member("last"))?)
        };
        let counts = Counts {
            first,
            end,
            window: self.number("in_window")?,
            matched: self.number("matched")?,
            withheld: self.number("withheld")?,
            erased: self.number("erased")?,
        };
        if self.number("records")? != counts.range() {
            return Err(Why::Counts);
        }
        Ok(counts)
    }

    /// Refuses what was not asked for.
    pub(super) fn finish(self) -> Result<(), Why> {
        self.0.is_empty().then_some(()).ok_or(Why::Stranger)
    }
}

/// `value`, an object, as a line that ends in a seal by `signer`.
pub(super) fn seal(
    mut value: Value,
    part: &str,
    signer: &Signer,
) -> Result<String, CanonicalError> {
    let seal = signer.sign(&seal_text(part, &print_line(&value)?));
    if let Some(members) = value.as_object_mut() {
        members.insert("seal".to_owned(), Value::String(seal));
    }
    print_line(&value)
}

/// Checks that `key` sealed `line` as `part` of an export, and that there is nothing else in the
/// seal: what is not signed could be changed.
pub(super) fn unseal(line: &str, part: &str, key: &Verifier) -> Result<(), Why> {
    let mut members = Members::parse(line)?;
    let note = members.text("seal")?;
    let text = key.open(&note).map_err(Why::Seal)?;
    let rest = print_line(&Value::Object(members.0)).map_err(Why::Canonical)?;
    if text != seal_text(part, &rest) || note.lines().count() != SEAL_LINES {
        return Err(Why::Unsealed);
    }
    Ok(())
}

/// What is signed. No checkpoint starts like this: the name of a key has no spaces.
fn seal_text(part: &str, line: &str) -> String {
    format!(
        "bauta export 1 {part}\nsha256 {}\n",
        plain_hash(line.as_bytes())
    )
}

pub(super) fn print_line(value: &Value) -> Result<String, CanonicalError> {
    print(value, LINE_DEPTH, MAX_LINE)
}

pub(super) fn base64(hashes: &[Hash]) -> Value {
    hashes.iter().map(|hash| STANDARD.encode(hash.0)).collect()
}

pub(super) const HEADER: &str = "header";
pub(super) const TRAILER: &str = "trailer";

/// An event nests in its record.
const LINE_DEPTH: u8 = MAX_DEPTH.saturating_add(1);
/// Two of text, a blank one, one signature.
const SEAL_LINES: usize = 4;

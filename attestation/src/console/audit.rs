//! The identity log, newest first: searched by type, member and day, a page at a time.
//!
//! A search is itself an entry of the log, made before anything is shown.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use bauta_audit::{
    canonical,
    store::{LogStore, StoreError, StoredLeaf},
};
use bauta_token::units::{UnixDay, UnixMillis};
use serde_json::{Map, Value, json};

use super::{Area, alerts::unsealed, enter, view};
use crate::{
    Plane,
    config::day,
    log::TYPES,
    login::SignedInMember,
    oauth::fields::{Fields, Query},
    portal::{page as render, unavailable},
    ports::{MemberId, Role, Store},
};

pub(super) async fn page(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    Query(query): Query,
) -> Response {
    let desk = match enter(&plane, &who, Area::Audit) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let fields = query.unwrap_or_default();
    let (asked, problem) = match Asked::read(&fields) {
        Ok(asked) => (asked, None),
        Err(problem) => (Asked::default(), Some(problem)),
    };
    let event = plane
        .scribe(plane.clock.now())
        .audit_searched(who.member, &asked.told());
    if let Err(error) = plane.store.note(&[event]).await {
        return unavailable(&error);
    }
    if let Err(error) = plane.seal().await {
        return unsealed(&error);
    }
    let people = who
        .roles
        .iter()
        .any(|role| matches!(role, Role::Admin | Role::Officer));
    match found(&plane, &asked).await {
        Ok(found) => render(&shown(&plane, desk, &asked, &found, problem, people)),
        Err(error) => unavailable(&error),
    }
}

/// What of the log is asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Asked {
    kind: Option<&'static str>,
    member: Option<MemberId>,
    from: Option<UnixDay>,
    /// The last day, inclusive.
    to: Option<UnixDay>,
    /// Only entries before this one: a further page.
    before: Option<u64>,
}

impl Asked {
    fn read(fields: &Fields) -> Result<Self, &'static str> {
        let kind = match fields.find("type") {
            None => None,
            Some(text) => {
                let known = TYPES.iter().find(|kind| **kind == text);
                Some(*known.ok_or("There is no such type of entry. Choose one from the list.")?)
            }
        };
        let member = match fields.find("member").map(str::trim) {
            None => None,
            Some(text) => Some(MemberId::parse(text).ok_or(
                "A member’s number is mbr_ and 26 letters. Copy it whole from the member’s page.",
            )?),
        };
        let a_day = |name: &str| match fields.find(name) {
            None => Ok(None),
            Some(text) => day(text).map(Some).ok_or("A day is written as 2026-11-20."),
        };
        let (from, to) = (a_day("from")?, a_day("to")?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err("The first day is after the last one.");
        }
        Ok(Self {
            kind,
            member,
            from,
            to,
            before: fields.find("before").and_then(|text| text.parse().ok()),
        })
    }

    /// As the log says what was asked of it.
    fn told(&self) -> Value {
        let mut told = Map::new();
        let mut tell = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                told.insert(name.to_owned(), Value::String(value));
            }
        };
        tell("type", self.kind.map(str::to_owned));
        tell("member", self.member.map(|it| it.to_string()));
        tell("from", self.from.map(|it| it.to_string()));
        tell("to", self.to.map(|it| it.to_string()));
        tell("before", self.before.map(|it| it.to_string()));
        json!(told)
    }

    fn is_narrowed(&self) -> bool {
        self.kind.is_some() || self.member.is_some() || self.from.is_some() || self.to.is_some()
    }

    fn takes(&self, event: &Map<String, Value>) -> bool {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = text("at");
        let member = self.member.map(|member| member.to_string());
        self.kind.is_none_or(|kind| text("type") == kind)
            && self
                .from
                .is_none_or(|from| at >= from.start().to_string().as_str())
            && self
                .to
                .is_none_or(|to| at < end_of(to).to_string().as_str())
            && member.is_none_or(|member| event.values().any(|value| names(value, &member)))
    }

    /// The address of the entries before `index`.
    fn older(&self, index: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(kind) = self.kind {
            query.append_pair("type", kind);
        }
        if let Some(member) = self.member {
            query.append_pair("member", &member.to_string());
        }
        if let Some(from) = self.from {
            query.append_pair("from", &from.to_string());
        }
        if let Some(to) = self.to {
            query.append_pair("to", &to.to_string());
        }
        query.append_pair("before", &index.to_string());
        format!("/audit?{}", query.finish())
    }
}

/// A value or one inside it: what was asked of the log names a member one level down.
fn names(value: &Value, member: &str) -> bool {
    match value {
        Value::String(text) => text == member,
        Value::Object(inner) => inner.values().any(|value| value.as_str() == Some(member)),
        _ => false,
    }
}

const fn end_of(day: UnixDay) -> UnixMillis {
    day.start().plus_seconds(86_400)
}

/// Entries that were found, and how far the reading came.
struct Found {
    leaves: Vec<StoredLeaf>,
    looked: u64,
    /// Entries before this one were not looked at.
    rest: Option<u64>,
}

async fn found(plane: &Plane, asked: &Asked) -> Result<Found, StoreError> {
    let mut reading = Reading::from_the_end(&*plane.store).await?;
    if let Some(before) = asked.before {
        reading.end = reading.end.min(before);
    }
    let mut leaves = Vec::new();
    let mut looked = 0_u64;
    while let Some(piece) = reading.next(&*plane.store).await? {
        for leaf in piece {
            looked = looked.saturating_add(1);
            let event = leaf.event.as_deref().and_then(read);
            let takes = match event.as_ref().and_then(Value::as_object) {
                Some(event) => asked.takes(event),
                // Nobody knows any more what it was.
                None => !asked.is_narrowed(),
            };
            if !takes {
                continue;
            }
            let index = leaf.index;
            leaves.push(leaf);
            if leaves.len() >= SHOWN {
                return Ok(Found {
                    leaves,
                    looked,
                    rest: (index > 0).then_some(index),
                });
            }
        }
    }
    Ok(Found {
        leaves,
        looked,
        rest: (reading.end > 0).then_some(reading.end),
    })
}

/// The log backwards, in pieces, and not for ever.
pub(super) struct Reading {
    end: u64,
    left: u64,
}

impl Reading {
    pub(super) async fn from_the_end(log: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            end: LogStore::head(log).await?.size,
            left: MOST_READ,
        })
    }

    /// The next piece, newest entry first; `None` at the beginning, or when enough was read.
    pub(super) async fn next(
        &mut self,
        log: &dyn Store,
    ) -> Result<Option<Vec<StoredLeaf>>, StoreError> {
        let size = self.end.min(PIECE).min(self.left);
        if size == 0 {
            return Ok(None);
        }
        let from = self.end.saturating_sub(size);
        let mut leaves = LogStore::leaves(log, from..self.end).await?;
        leaves.reverse();
        self.end = from;
        self.left = self.left.saturating_sub(size);
        Ok(Some(leaves))
    }

    /// Whether it ended before the log began.
    pub(super) const fn is_cut(&self) -> bool {
        self.left == 0 && self.end > 0
    }
}

/// What an entry says.
pub(super) fn read(text: &str) -> Option<Value> {
    canonical::parse(text).ok()
}

fn shown(
    plane: &Plane,
    desk: view::Desk,
    asked: &Asked,
    found: &Found,
    problem: Option<&'static str>,
    people: bool,
) -> view::Audit {
    let kinds = TYPES.iter().map(|name| view::Kind {
        name,
        on: asked.kind == Some(*name),
    });
    let text = |day: Option<UnixDay>| day.map_or_else(String::new, |day| day.to_string());
    view::Audit {
        frame: desk.frame,
        desk,
        kinds: kinds.collect(),
        member: asked.member.map_or_else(String::new, |it| it.to_string()),
        from: text(asked.from),
        to: text(asked.to),
        problem,
        looked: match (found.looked, found.leaves.len()) {
            (1, _) => "One entry was looked at.".to_owned(),
            (looked, shown) => format!("{looked} entries were looked at, {shown} shown."),
        },
        older: found.rest.map(|index| asked.older(index)),
        narrowed: asked.is_narrowed(),
        key: plane
            .log_signer()
            .map_or_else(|_| String::new(), |it| it.vkey()),
        leaves: found
            .leaves
            .iter()
            .map(|leaf| self::leaf(leaf, people))
            .collect(),
    }
}

fn leaf(leaf: &StoredLeaf, people: bool) -> view::Leaf {
    let event = leaf.event.as_deref().and_then(read);
    let Some(event) = event.as_ref().and_then(Value::as_object) else {
        return view::Leaf {
            index: leaf.index,
            kind: "erased".to_owned(),
            at: String::new(),
            facts: Vec::new(),
            erased: true,
        };
    };
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let facts = event
        .iter()
        .filter(|(name, value)| !matches!(name.as_str(), "type" | "at") && !is_empty(value));
    view::Leaf {
        index: leaf.index,
        kind: text("type").to_owned(),
        at: text("at").replacen('T', " ", 1).replacen('Z', " UTC", 1),
        facts: facts
            .map(|(name, value)| said(name, value, people))
            .collect(),
        erased: false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn said(name: &str, value: &Value, people: bool) -> view::Said {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect();
            items.join(", ")
        }
        other => other.to_string(),
    };
    let member = MemberId::parse(&text).filter(|_| people);
    view::Said {
        name: name.replace('_', " "),
        href: member.map(|member| format!("/admin/members/{member}")),
        value: text,
    }
}

/// Entries on a page.
const SHOWN: usize = 50;
/// Entries read at once: a tile.
const PIECE: u64 = 256;
/// Entries that one page reads: it must come within a second or two, and says where it stopped.
const MOST_READ: u64 = 20_480;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, &'static str> {
        Asked::read(&Fields::read(query.as_bytes()).unwrap_or_default())
    }

    fn event(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_was_typed_wrongly_finds_nothing_and_says_so() {
        for bad in [
            "type=sso.loginn",
            "member=Ada",
            "member=mbr_x",
            "from=20.11.2026",
            "to=2026-13-01",
            "from=2026-11-02&to=2026-11-01",
        ] {
            assert!(asked(bad).is_err(), "{bad}");
        }
        assert_eq!(asked("type=&member=&from=&to="), Ok(Asked::default()));
    }

    #[test]
    fn a_day_is_taken_whole_and_a_member_wherever_it_stands() {
        let member = MemberId([7; 16]);
        let day = asked("from=2026-11-20&to=2026-11-20").unwrap();
        let of_member = asked(&format!("member={member}")).unwrap();
        let at = |at: &str| event(&format!(r#"{{"type":"x","at":"{at}"}}"#));

        assert!(day.takes(&at("2026-11-20T00:00:00.000Z")));
        assert!(day.takes(&at("2026-11-20T23:59:59.999Z")));
        assert!(!day.takes(&at("2026-11-21T00:00:00.000Z")));
        assert!(!day.takes(&at("2026-11-19T23:59:59.999Z")));
        for text in [
            format!(r#"{{"by":"{member}"}}"#),
            format!(r#"{{"asked":{{"member":"{member}"}}}}"#),
        ] {
            assert!(of_member.takes(&event(&text)), "{text}");
        }
        assert!(!of_member.takes(&event(r#"{"member":"mbr_other"}"#)));
    }

    #[test]
    fn a_further_page_keeps_what_was_asked() {
        let first = asked("type=sso.login&from=2026-11-20").unwrap();

        let older = first.older(41);

        assert_eq!(older, "/audit?type=sso.login&from=2026-11-20&before=41");
        let (_, query) = older.split_once('?').unwrap();
        assert_eq!(asked(query).unwrap().before, Some(41));
    }
}

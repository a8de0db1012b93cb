//! Finding people and groups: what a filter asks for, judged on what is kept.
//!
//! What is kept of a name is a keyed hash, so a name is compared whole. A filter that pins one is
//! answered from an index; any other looks at each row.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{SYNTAX, ScimError, document},
    body::{self, Personal},
    filter::{self, Filter, INVALID, Literal, Op},
    names::Names,
    path::{Attr, Kind},
    show::{Choice, Person, Team},
};
use crate::{
    Plane,
    ports::{
        GroupId, Lookup, UserId,
        directory::{Span, Wanted},
    },
};

/// What is asked for, and which part of the answer.
#[derive(Default)]
pub(super) struct Query {
    filter: Option<Personal>,
    start: u32,
    count: u32,
    pub(super) choice: Choice,
}

impl Query {
    /// From the query of an address. Each parameter at most once; unknown ones say nothing.
    pub(super) fn read(text: Option<&str>) -> Result<Self, ScimError> {
        let text = text.unwrap_or_default();
        if text.len() > LONGEST_QUERY {
            return Err(INVALID);
        }
        let mut seen: Vec<(String, Personal)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()).take(MOST_PARAMETERS) {
            let name = name.to_ascii_lowercase();
            if seen.iter().any(|(known, _)| *known == name) {
                return Err(TWICE);
            }
            seen.push((name, Personal::new(&value)));
        }
        let find = |name: &str| {
            let found = seen.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.reveal())
        };
        let number = |name| find(name).map(str::parse::<i64>).transpose();
        let numbers = (number("startindex"), number("count"));
        let (Ok(start), Ok(count)) = numbers else {
            return Err(NO_NUMBER);
        };
        let list = |name| find(name).unwrap_or_default().split(',');
        Ok(Self {
            filter: find("filter").map(Personal::new),
            choice: Choice::new(list("attributes"), list("excludedattributes")),
            ..Self::part(start, count)
        })
    }

    /// From the body of a search (RFC 7644, section 3.4.3).
    fn asked(json: &[u8]) -> Result<Self, ScimError> {
        let asked: Asked = serde_json::from_slice(json).map_err(|_| SYNTAX)?;
        let only = asked.attributes.iter().map(String::as_str);
        let without = asked.excluded.iter().map(String::as_str);
        Ok(Self {
            choice: Choice::new(only, without),
            filter: asked.filter,
            ..Self::part(asked.start, asked.count)
        })
    }

    /// Counted from 1; less than that is 1, and less than nothing is nothing.
    fn part(start: Option<i64>, count: Option<i64>) -> Self {
        let start = start.unwrap_or(1).max(1);
        let count = count.unwrap_or(USUAL).clamp(0, MOST);
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            count: u32::try_from(count).unwrap_or_default(),
            ..Self::default()
        }
    }

    fn skip(&self) -> u64 {
        u64::from(self.start.saturating_sub(1))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    filter: Option<Personal>,
    #[serde(rename = "startIndex")]
    start: Option<i64>,
    count: Option<i64>,
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default, rename = "excludedAttributes")]
    excluded: Vec<String>,
}

/// A part of a list.
struct Found {
    total: u64,
    shown: Vec<Value>,
}

pub(super) async fn people(
    State(plane): State<Arc<Plane>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let query = Query::asked(&body::read(&headers, body).await?)?;
    plane.list_people(&query).await
}

pub(super) async fn groups(
    State(plane): State<Arc<Plane>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let query = Query::asked(&body::read(&headers, body).await?)?;
    plane.list_groups(&query).await
}

/// Over people and then groups. A filter that one of the two cannot answer finds nothing there.
pub(super) async fn both(
    State(plane): State<Arc<Plane>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ScimError> {
    let query = Query::asked(&body::read(&headers, body).await?)?;
    let (users, teams) = (
        plane.test(&query, Kind::User).await,
        plane.test(&query, Kind::Group).await,
    );
    if let (Err(error), Err(_)) = (&users, &teams) {
        return Err(*error);
    }
    let mut room = Room::new(&query);
    if let Ok(test) = users {
        plane.find_people(&test, &query, &mut room).await?;
    }
    if let Ok(test) = teams {
        plane.find_groups(&test, &query, &mut room).await?;
    }
    Ok(list(&query, &room.found()))
}

impl Plane {
    pub(super) async fn list_people(&self, query: &Query) -> Result<Response, ScimError> {
        let test = self.test(query, Kind::User).await?;
        let mut room = Room::new(query);
        self.find_people(&test, query, &mut room).await?;
        Ok(list(query, &room.found()))
    }

    pub(super) async fn list_groups(&self, query: &Query) -> Result<Response, ScimError> {
        let test = self.test(query, Kind::Group).await?;
        let mut room = Room::new(query);
        self.find_groups(&test, query, &mut room).await?;
        Ok(list(query, &room.found()))
    }

    async fn find_people(
        &self,
        test: &Test,
        query: &Query,
        room: &mut Room,
    ) -> Result<(), ScimError> {
        let edges = query.choice.has("groups");
        let wanted = test.user();
        if matches!(test, Test::All) {
            let total = self.store.count_users(Wanted::All).await?;
            if let Some(span) = room.span(total) {
                for row in self.store.users(Wanted::All, span).await? {
                    let person = self.person(row, edges).await?;
                    room.shown.push(self.show_person(&person, &query.choice));
                }
            }
            return Ok(());
        }
        let mut looked = 0_u32;
        loop {
            let rows = self.store.users(wanted, page(looked)?).await?;
            let more = rows.len() >= PAGE_ROWS;
            for row in rows {
                let person = self.person(row, test.asks_edges()).await?;
                if test.holds(&Seen::person(&person)) && room.takes() {
                    let person = self.person(person.row, edges).await?;
                    room.shown.push(self.show_person(&person, &query.choice));
                }
            }
            if !more {
                return Ok(());
            }
            looked = looked.saturating_add(PAGE);
        }
    }

    async fn find_groups(
        &self,
        test: &Test,
        query: &Query,
        room: &mut Room,
    ) -> Result<(), ScimError> {
        let edges = query.choice.has("members");
        let wanted = test.group();
        if matches!(test, Test::All) {
            let total = self.store.count_groups(Wanted::All).await?;
            if let Some(span) = room.span(total) {
                for row in self.store.groups(Wanted::All, span).await? {
                    let team = self.team(row, edges).await?;
                    room.shown.push(self.show_team(&team, &query.choice));
                }
            }
            return Ok(());
        }
        let mut looked = 0_u32;
        loop {
            let rows = self.store.groups(wanted, page(looked)?).await?;
            let more = rows.len() >= PAGE_ROWS;
            for row in rows {
                let team = self.team(row, test.asks_edges()).await?;
                if test.holds(&Seen::team(&team)) && room.takes() {
                    let team = self.team(team.row, edges).await?;
                    room.shown.push(self.show_team(&team, &query.choice));
                }
            }
            if !more {
                return Ok(());
            }
            looked = looked.saturating_add(PAGE);
        }
    }

    /// What a query asks of each row.
    async fn test(&self, query: &Query, kind: Kind) -> Result<Test, ScimError> {
        let Some(text) = &query.filter else {
            return Ok(Test::All);
        };
        let filter = filter::read(text.reveal(), kind)?;
        let mut hashes = 0_usize;
        Box::pin(self.weigh(filter, kind, &mut hashes)).await
    }

    async fn weigh(
        &self,
        filter: Filter,
        kind: Kind,
        hashes: &mut usize,
    ) -> Result<Test, ScimError> {
        Ok(match filter {
            Filter::And(a, b) => Test::And(
                Box::new(Box::pin(self.weigh(*a, kind, hashes)).await?),
                Box::new(Box::pin(self.weigh(*b, kind, hashes)).await?),
            ),
            Filter::Or(a, b) => Test::Or(
                Box::new(Box::pin(self.weigh(*a, kind, hashes)).await?),
                Box::new(Box::pin(self.weigh(*b, kind, hashes)).await?),
            ),
            Filter::Not(a) => Test::Not(Box::new(Box::pin(self.weigh(*a, kind, hashes)).await?)),
            Filter::Present(attr) => match attr {
                Attr::ExternalId => Test::HasExternal,
                Attr::Edges | Attr::Value => Test::HasEdges,
                // The rest every resource has.
                _ => Test::Always,
            },
            Filter::Compare(attr, op, literal) => {
                self.comparison(attr, op, literal, kind, hashes).await?
            }
        })
    }

    async fn comparison(
        &self,
        attr: Attr,
        op: Op,
        literal: Literal,
        kind: Kind,
        hashes: &mut usize,
    ) -> Result<Test, ScimError> {
        let text = match (attr, literal) {
            (Attr::Active, Literal::Flag(flag)) if op == Op::Is => return Ok(Test::Active(flag)),
            (Attr::Active, Literal::Text(text)) if op == Op::Is => {
                let word = text.reveal().to_ascii_lowercase();
                return match word.as_str() {
                    "true" => Ok(Test::Active(true)),
                    "false" => Ok(Test::Active(false)),
                    _ => Err(INVALID),
                };
            }
            (_, Literal::Text(text)) => text,
            _ => return Err(INVALID),
        };
        match (attr, op) {
            (Attr::Id, op) => Ok(Test::Id(op, text)),
            (Attr::Edges | Attr::Value, Op::Is) => Ok(Test::With(text)),
            (Attr::UserName | Attr::DisplayName, Op::Is) => {
                Ok(Test::Name(self.name_hash(&text, kind, hashes).await?))
            }
            (Attr::ExternalId, Op::Is) => Ok(Test::External(
                self.external_hash(&text, kind, hashes).await?,
            )),
            (Attr::UserName | Attr::DisplayName, op) if self.settings.scim.accept_email => {
                Ok(Test::NameLike(op, text))
            }
            (Attr::ExternalId, op) if self.settings.scim.accept_email => {
                Ok(Test::ExternalLike(op, text))
            }
            (Attr::UserName | Attr::DisplayName | Attr::ExternalId, _) => Err(ONLY_WHOLE),
            _ => Err(INVALID),
        }
    }

    async fn name_hash(
        &self,
        text: &Personal,
        kind: Kind,
        hashes: &mut usize,
    ) -> Result<Option<Lookup>, ScimError> {
        if kind == Kind::Group {
            return Ok(Some(self.group_name(text.reveal())));
        }
        self.once_more(hashes)?;
        self.user_name(text).await
    }

    async fn external_hash(
        &self,
        text: &Personal,
        kind: Kind,
        hashes: &mut usize,
    ) -> Result<Option<Lookup>, ScimError> {
        if kind == Kind::Group {
            return Ok(Some(self.group_external(text.reveal())));
        }
        self.once_more(hashes)?;
        self.user_external(text).await
    }

    /// Each hash of a person's name takes a tenth of a second and 46 MiB.
    #[expect(clippy::unused_self, reason = "reads as what it bounds")]
    fn once_more(&self, hashes: &mut usize) -> Result<(), ScimError> {
        *hashes = hashes.saturating_add(1);
        if *hashes > MOST_HASHES {
            return Err(TOO_COSTLY);
        }
        Ok(())
    }
}

/// What a filter asks of a row.
enum Test {
    /// Every row, without a look.
    All,
    /// Every row.
    Always,
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Active(bool),
    Id(Op, Personal),
    /// `None` for a name that nobody can have.
    Name(Option<Lookup>),
    External(Option<Lookup>),
    NameLike(Op, Personal),
    ExternalLike(Op, Personal),
    With(Personal),
    HasExternal,
    HasEdges,
}

/// A row as a filter sees it.
struct Seen<'a> {
    id: String,
    active: bool,
    name: Lookup,
    external: Option<Lookup>,
    names: Option<&'a Names>,
    edges: Vec<String>,
}

impl<'a> Seen<'a> {
    fn person(person: &'a Person) -> Self {
        Self {
            id: person.row.id.to_string(),
            active: person.row.active,
            name: person.row.user_name,
            external: person.row.external,
            names: person.names.as_ref(),
            edges: person.groups.iter().map(ToString::to_string).collect(),
        }
    }

    fn team(team: &'a Team) -> Self {
        Self {
            id: team.row.id.to_string(),
            active: true,
            name: team.row.name,
            external: team.row.external,
            names: team.names.as_ref(),
            edges: team.people.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Test {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::All | Self::Always => true,
            Self::And(a, b) => a.holds(seen) && b.holds(seen),
            Self::Or(a, b) => a.holds(seen) || b.holds(seen),
            Self::Not(a) => !a.holds(seen),
            Self::Active(wanted) => seen.active == *wanted,
            Self::Id(op, text) => op.holds(&seen.id, text.reveal()),
            Self::Name(name) => *name == Some(seen.name),
            Self::External(external) => external.is_some() && *external == seen.external,
            Self::NameLike(op, text) => {
                // A name of a person or a group has no case (RFC 7643, sections 4.1.1 and 4.2).
                let (name, text) = (seen.names.map(|it| &it.name), text.reveal().to_lowercase());
                name.is_some_and(|name| op.holds(&name.reveal().to_lowercase(), &text))
            }
            Self::ExternalLike(op, text) => {
                let external = seen.names.and_then(|it| it.external.as_ref());
                external.is_some_and(|it| op.holds(it.reveal(), text.reveal()))
            }
            Self::With(id) => seen.edges.iter().any(|edge| edge == id.reveal()),
            Self::HasExternal => seen.external.is_some(),
            Self::HasEdges => !seen.edges.is_empty(),
        }
    }

    fn asks_edges(&self) -> bool {
        match self {
            Self::And(a, b) | Self::Or(a, b) => a.asks_edges() || b.asks_edges(),
            Self::Not(a) => a.asks_edges(),
            Self::With(_) | Self::HasEdges => true,
            _ => false,
        }
    }

    /// Where to look for people: in an index, if one of the terms that all must hold pins it.
    fn user(&self) -> Wanted<UserId> {
        self.pinned(UserId::parse)
    }

    fn group(&self) -> Wanted<GroupId> {
        self.pinned(GroupId::parse)
    }

    fn pinned<Id: Copy + PartialEq>(&self, parse: fn(&str) -> Option<Id>) -> Wanted<Id> {
        match self {
            Self::And(a, b) => match a.pinned(parse) {
                Wanted::All => b.pinned(parse),
                pinned => pinned,
            },
            Self::Id(Op::Is, text) => parse(text.reveal()).map_or(Wanted::All, Wanted::Id),
            Self::Name(Some(name)) => Wanted::Name(*name),
            Self::External(Some(external)) => Wanted::External(*external),
            _ => Wanted::All,
        }
    }
}

impl Op {
    fn holds(self, value: &str, text: &str) -> bool {
        match self {
            Self::Is => value == text,
            Self::Contains => value.contains(text),
            Self::Begins => value.starts_with(text),
            Self::Ends => value.ends_with(text),
        }
    }
}

/// The part of a list that is asked for, filled as rows are found.
struct Room {
    total: u64,
    skip: u64,
    count: usize,
    shown: Vec<Value>,
}

impl Room {
    fn new(query: &Query) -> Self {
        Self {
            total: 0,
            skip: query.skip(),
            count: usize::try_from(query.count).unwrap_or_default(),
            shown: Vec::new(),
        }
    }

    /// Counts a row. Whether it is in the part.
    fn takes(&mut self) -> bool {
        self.total = self.total.saturating_add(1);
        self.total > self.skip && self.shown.len() < self.count
    }

    /// Counts `more` rows. Where of them the part lies.
    fn span(&mut self, more: u64) -> Option<Span> {
        let skip = self.skip.saturating_sub(self.total);
        self.total = self.total.saturating_add(more);
        let most = self.count.saturating_sub(self.shown.len());
        (skip < more && most > 0).then(|| Span {
            skip: u32::try_from(skip).unwrap_or(u32::MAX),
            most: u32::try_from(most).unwrap_or(u32::MAX),
        })
    }

    fn found(self) -> Found {
        Found {
            total: self.total,
            shown: self.shown,
        }
    }
}

fn list(query: &Query, found: &Found) -> Response {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": found.total,
        "startIndex": query.start,
        "itemsPerPage": found.shown.len(),
        "Resources": found.shown,
    });
    document(StatusCode::OK, &body)
}

/// The rows after the first `looked`.
fn page(looked: u32) -> Result<Span, ScimError> {
    if looked >= MOST_ROWS {
        return Err(TOO_MANY_ROWS);
    }
    Ok(Span {
        skip: looked,
        most: PAGE,
    })
}

const ONLY_WHOLE: ScimError = ScimError::bad(
    "invalidFilter",
    "Only a keyed hash of this value is kept, so it can be compared whole (eq, ne, pr) and not in parts.",
);
const TOO_COSTLY: ScimError = ScimError::bad(
    "tooMany",
    "The filter compares more names than may be looked up at once. Ask for eight at a time.",
);
const TOO_MANY_ROWS: ScimError = ScimError::bad(
    "tooMany",
    "The filter would look at more resources than may be. Pin userName, externalId or id with eq.",
);
const TWICE: ScimError = ScimError::bad("invalidValue", "A parameter of the query stands twice.");
const NO_NUMBER: ScimError =
    ScimError::bad("invalidValue", "startIndex and count are whole numbers.");
const LONGEST_QUERY: usize = 8_192;
const MOST_PARAMETERS: usize = 32;
const USUAL: i64 = 100;
/// Resources in one answer.
pub(super) const MOST: i64 = 200;
const MOST_HASHES: usize = 8;
const PAGE: u32 = 500;
const PAGE_ROWS: usize = 500;
const MOST_ROWS: u32 = 100_000;

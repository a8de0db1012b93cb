//! What is shown of people and groups.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    answer::tag,
    names::{Names, Table},
    path::{self, Kind},
};
use crate::{
    Plane,
    ports::{
        GroupId, UserId,
        directory::{GroupRow, UserRow},
    },
    scim::answer::ScimError,
};

/// Which attributes an answer has (RFC 7644, section 3.9). `id` and `schemas` it always has.
#[derive(Default)]
pub(super) struct Choice {
    only: Option<BTreeSet<String>>,
    without: BTreeSet<String>,
}

impl Choice {
    /// By the names in both lists.
    pub(super) fn new<'a>(
        only: impl Iterator<Item = &'a str>,
        without: impl Iterator<Item = &'a str>,
    ) -> Self {
        let only: BTreeSet<_> = only.filter_map(plain).collect();
        Self {
            only: (!only.is_empty()).then_some(only),
            without: without.filter_map(plain).collect(),
        }
    }

    /// Whether an answer has the attribute of this name, in lower case.
    pub(super) fn has(&self, name: &str) -> bool {
        let chosen = self.only.as_ref().is_none_or(|only| only.contains(name));
        chosen && !self.without.contains(name)
    }
}

/// The attribute that a path begins with, in lower case.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    let own = [Kind::User, Kind::Group].iter().find_map(|kind| {
        let rest = text.get(kind.schema().len()..)?;
        let start = text.get(..kind.schema().len())?;
        (start.eq_ignore_ascii_case(kind.schema()))
            .then(|| rest.strip_prefix(':'))
            .flatten()
    });
    let text = own.unwrap_or(text);
    path::read(text, Kind::User)?;
    let name = text.split(['.', '[']).next().unwrap_or(text);
    Some(name.to_ascii_lowercase())
}

/// Somebody as the directory sees it.
pub(super) struct Person {
    pub(super) row: UserRow,
    pub(super) names: Option<Names>,
    pub(super) groups: Vec<GroupId>,
}

/// A group as the directory sees it.
pub(super) struct Team {
    pub(super) row: GroupRow,
    pub(super) names: Option<Names>,
    pub(super) people: Vec<UserId>,
}

impl Plane {
    /// With its groups where an answer has them.
    pub(super) async fn person(
        &self,
        row: UserRow,
        with_groups: bool,
    ) -> Result<Person, ScimError> {
        let groups = if with_groups {
            self.store.groups_of(row.id).await?
        } else {
            Vec::new()
        };
        let names = self.names_of_user(&row)?;
        Ok(Person { row, names, groups })
    }

    /// With its people where an answer has them.
    pub(super) async fn team(&self, row: GroupRow, with_people: bool) -> Result<Team, ScimError> {
        let people = if with_people {
            self.store.people_in(row.id).await?
        } else {
            Vec::new()
        };
        let names = self.names_of_group(&row)?;
        Ok(Team { row, names, people })
    }

    /// What the directory calls somebody, where that is kept.
    pub(super) fn names_of_user(&self, row: &UserRow) -> Result<Option<Names>, ScimError> {
        self.names(row.names.as_deref(), Table::Users, row.id.as_bytes())
    }

    /// What the directory calls a group, where that is kept.
    pub(super) fn names_of_group(&self, row: &GroupRow) -> Result<Option<Names>, ScimError> {
        self.names(row.names.as_deref(), Table::Groups, row.id.as_bytes())
    }

    fn names(
        &self,
        cell: Option<&[u8]>,
        table: Table,
        row: &[u8; 16],
    ) -> Result<Option<Names>, ScimError> {
        // What was kept before the setting was taken back is not shown any more, and goes soon.
        let cell = cell.filter(|_| self.settings.scim.accept_email);
        let open = |cell: &[u8]| Names::open(cell, table, row, self.keys.names());
        Ok(cell.map(open).transpose()?)
    }

    pub(super) fn place_of_user(&self, id: UserId) -> String {
        format!("{}/scim/v2/Users/{id}", self.origin())
    }

    pub(super) fn place_of_group(&self, id: GroupId) -> String {
        format!("{}/scim/v2/Groups/{id}", self.origin())
    }

    pub(super) fn show_person(&self, person: &Person, choice: &Choice) -> Value {
        let id = person.row.id;
        let groups: Vec<_> = person
            .groups
            .iter()
            .map(|group| json!({ "value": group, "$ref": self.place_of_group(*group) }))
            .collect();
        let more = vec![
            ("active", Some(json!(person.row.active))),
            ("groups", (!groups.is_empty()).then(|| json!(groups))),
        ];
        let place = self.place_of_user(id);
        let meta = meta("User", &place, person.row.version);
        shown(
            Kind::User,
            json!(id),
            &meta,
            ("userName", person.names.as_ref()),
            more,
            choice,
        )
    }

    pub(super) fn show_team(&self, team: &Team, choice: &Choice) -> Value {
        let id = team.row.id;
        let people: Vec<_> = team
            .people
            .iter()
            .map(|user| json!({ "value": user, "$ref": self.place_of_user(*user), "type": "User" }))
            .collect();
        let more = vec![("members", (!people.is_empty()).then(|| json!(people)))];
        let place = self.place_of_group(id);
        let meta = meta("Group", &place, team.row.version);
        shown(
            Kind::Group,
            json!(id),
            &meta,
            ("displayName", team.names.as_ref()),
            more,
            choice,
        )
    }
}

fn meta(kind: &str, place: &str, version: i64) -> Value {
    json!({ "resourceType": kind, "location": place, "version": tag(version) })
}

fn shown(
    kind: Kind,
    id: Value,
    meta: &Value,
    (name, names): (&str, Option<&Names>),
    more: Vec<(&str, Option<Value>)>,
    choice: &Choice,
) -> Value {
    let mut out = Map::new();
    out.insert("schemas".to_owned(), json!([kind.schema()]));
    out.insert("id".to_owned(), id);
    let external = names.and_then(|names| names.external.as_ref());
    let called = names.map(|names| &names.name);
    let fields = [
        ("externalId", external.map(|it| json!(it.reveal()))),
        (name, called.map(|it| json!(it.reveal()))),
        ("meta", Some(meta.clone())),
    ];
    for (name, value) in fields.into_iter().chain(more) {
        if let Some(value) = value.filter(|_| choice.has(&name.to_ascii_lowercase())) {
            out.insert(name.to_owned(), value);
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_attributes_has_no_case_and_knows_parts_and_schemas() {
        let some = Choice::new(
            [
                "USERNAME",
                "groups.value",
                "urn:ietf:params:scim:schemas:core:2.0:User:active",
            ]
            .into_iter(),
            ["Members"].into_iter(),
        );

        for name in ["username", "groups", "active"] {
            assert!(some.has(name), "{name}");
        }
        for name in ["externalid", "members", "meta"] {
            assert!(!some.has(name), "{name}");
        }
        assert!(Choice::default().has("meta"));
    }
}

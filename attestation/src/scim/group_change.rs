//! What becomes of a group: who comes, who goes, and what that opens and closes.

use std::collections::BTreeSet;

use axum::http::HeaderMap;

use super::{
    answer::{NOT_FOUND, SYNTAX, ScimError, TAKEN, UNAVAILABLE, unchanged},
    body::{self, Given, GroupFields, Operation, People, Personal, Verb},
    filter::{self, Filter, Literal, Op},
    names::{Names, Table},
    path::{self, Attr, Kind},
    user::TRIES,
    user_change::{NO_PATH, NOT_YOURS},
};
use crate::{
    Plane,
    ports::{
        GroupId, Lookup, UserId,
        directory::{Changed, GroupChange, GroupRow, Members},
    },
};

/// What the directory says of a group.
#[derive(Default)]
pub(super) struct GroupSaid {
    name: Option<Personal>,
    external: Given<Personal>,
    people: Edits,
    /// Somebody comes who has no id of ours.
    stranger: bool,
}

/// Who comes and who goes, in the order that it was said.
#[derive(Default)]
struct Edits {
    /// All there are, if that was said.
    exactly: Option<BTreeSet<UserId>>,
    add: BTreeSet<UserId>,
    remove: BTreeSet<UserId>,
}

impl Edits {
    fn add(&mut self, people: BTreeSet<UserId>) {
        if let Some(all) = &mut self.exactly {
            all.extend(people);
            return;
        }
        self.remove.retain(|user| !people.contains(user));
        self.add.extend(people);
    }

    fn remove(&mut self, people: &BTreeSet<UserId>) {
        if let Some(all) = &mut self.exactly {
            all.retain(|user| !people.contains(user));
            return;
        }
        self.add.retain(|user| !people.contains(user));
        self.remove.extend(people);
    }

    fn set(&mut self, people: BTreeSet<UserId>) {
        self.exactly = Some(people);
    }

    fn members(&self) -> Members {
        match &self.exactly {
            Some(all) => Members::Exactly(all.clone()),
            None => Members::Shift {
                add: self.add.clone(),
                remove: self.remove.clone(),
            },
        }
    }
}

/// A whole body: who is not in it is out.
pub(super) fn whole(fields: GroupFields) -> GroupSaid {
    let mut said = GroupSaid {
        name: fields.name,
        external: fields.external,
        ..GroupSaid::default()
    };
    let people = match fields.members {
        Given::Value(people) => people.listed,
        Given::Absent | Given::Cleared => BTreeSet::new(),
    };
    said.people.set(people);
    said
}

/// What a PATCH says, as one change.
pub(super) fn patched(json: &[u8]) -> Result<GroupSaid, ScimError> {
    let mut said = GroupSaid::default();
    for operation in body::operations(json)? {
        operate(&mut said, &operation)?;
    }
    Ok(said)
}

fn operate(said: &mut GroupSaid, operation: &Operation<'_>) -> Result<(), ScimError> {
    let Some(path) = &operation.path else {
        return operate_whole(said, operation);
    };
    let path = path::read(path, Kind::Group).ok_or(NO_PATH)?;
    match path.attr {
        // Taken, and nothing of it is kept.
        Attr::Other => return Ok(()),
        Attr::Edges => return operate_people(said, operation, &path),
        attr if attr.is_ours(Kind::Group) => return Err(NOT_YOURS),
        _ if path.filter.is_some() || path.part.is_some() => return Err(NO_PATH),
        _ => {}
    }
    let external = path.attr == Attr::ExternalId;
    if operation.verb == Verb::Remove {
        if !external {
            return Err(NEEDED);
        }
        said.external = Given::Cleared;
        return Ok(());
    }
    let value = operation.value.ok_or(SYNTAX)?;
    if external {
        let value: Option<Personal> = body::value(value)?;
        said.external = value.map_or(Given::Cleared, Given::Value);
    } else {
        said.name = Some(body::value(value)?);
    }
    Ok(())
}

fn operate_whole(said: &mut GroupSaid, operation: &Operation<'_>) -> Result<(), ScimError> {
    if operation.verb == Verb::Remove {
        return Err(NO_TARGET);
    }
    let value = operation.value.ok_or(SYNTAX)?;
    let fields: GroupFields = body::fields(value.get().as_bytes())?;
    said.name = fields.name.or(said.name.take());
    if !matches!(fields.external, Given::Absent) {
        said.external = fields.external;
    }
    match (fields.members, operation.verb) {
        (Given::Absent, _) => {}
        (Given::Cleared, _) => said.people.set(BTreeSet::new()),
        (Given::Value(people), Verb::Replace) => said.people.set(people.listed),
        (Given::Value(people), _) => {
            said.stranger |= people.strangers;
            said.people.add(people.listed);
        }
    }
    Ok(())
}

/// One directory removes by a filter in the path, one by a list beside it: then only the listed go.
fn operate_people(
    said: &mut GroupSaid,
    operation: &Operation<'_>,
    path: &path::AttrPath<'_>,
) -> Result<(), ScimError> {
    if path.part.is_some() || (path.filter.is_some() && operation.verb != Verb::Remove) {
        return Err(NO_PATH);
    }
    if let Some(filter) = path.filter {
        let mut people = BTreeSet::new();
        pinned(&filter::read(filter, Kind::Entry)?, &mut people)?;
        said.people.remove(&people);
        return Ok(());
    }
    let people: Option<People> = match operation.value {
        Some(value) => body::value(value)?,
        None => None,
    };
    match (operation.verb, people) {
        (Verb::Remove, Some(people)) => said.people.remove(&people.listed),
        (Verb::Remove, None) => said.people.set(BTreeSet::new()),
        (Verb::Replace, people) => said.people.set(people.unwrap_or_default().listed),
        (Verb::Add, people) => {
            let people = people.ok_or(SYNTAX)?;
            said.stranger |= people.strangers;
            said.people.add(people.listed);
        }
    }
    Ok(())
}

/// The people that `value eq "..."`, joined by or, names.
fn pinned(filter: &Filter, people: &mut BTreeSet<UserId>) -> Result<(), ScimError> {
    match filter {
        Filter::Or(a, b) => {
            pinned(a, people)?;
            pinned(b, people)
        }
        Filter::Compare(Attr::Value, Op::Is, Literal::Text(id)) => {
            people.extend(UserId::parse(id.reveal()));
            Ok(())
        }
        _ => Err(filter::INVALID),
    }
}

/// A group as it is to be, in hashes and, where they are kept, in names.
pub(super) struct GroupDraft {
    name: Option<(Lookup, Personal)>,
    external: Given<(Lookup, Personal)>,
    members: Members,
    stranger: bool,
}

impl Plane {
    pub(super) fn group_draft(&self, said: GroupSaid) -> GroupDraft {
        let named = |text: Personal| (self.group_name(text.reveal()), text);
        GroupDraft {
            name: said.name.map(named),
            external: match said.external {
                Given::Value(text) => Given::Value((self.group_external(text.reveal()), text)),
                Given::Cleared => Given::Cleared,
                Given::Absent => Given::Absent,
            },
            members: said.people.members(),
            stranger: said.stranger && said.people.exactly.is_none(),
        }
    }

    /// Writes what the directory says of a group, which is new without an `id`.
    pub(super) async fn write_group(
        &self,
        id: Option<GroupId>,
        draft: &GroupDraft,
        headers: &HeaderMap,
    ) -> Result<GroupRow, ScimError> {
        if draft.stranger {
            return Err(STRANGER);
        }
        let fresh = GroupId::random(&*self.randomness);
        for _ in 0..TRIES {
            let current = match id {
                Some(id) => Some(self.store.group(id).await?.ok_or(NOT_FOUND)?),
                None => None,
            };
            if let Some(current) = &current {
                unchanged(headers, current.version)?;
            }
            let row = self.group_after(fresh, current.as_ref(), draft)?;
            let touched = self.touched(current.as_ref(), &row, &draft.members).await?;
            let now = self.clock.now();
            let act = if current.is_some() {
                "changed"
            } else {
                "created"
            };
            let change = GroupChange {
                from: current.as_ref().map(|current| current.version),
                members: draft.members.clone(),
                openings: self.openings(),
                affected: self.behind(touched.into_iter()).await?,
                now,
                event: self.scribe(now).directory_group(row.id, act),
                row,
            };
            match self.store.put_group(&change).await? {
                Changed::Done(row) => return Ok(row),
                Changed::Taken => return Err(TAKEN),
                Changed::Gone => return Err(NOT_FOUND),
                Changed::Stranger => return Err(STRANGER),
                Changed::Stale => {}
            }
        }
        Err(UNAVAILABLE)
    }

    /// Who may lose by it: whoever goes, and with another name everybody.
    async fn touched(
        &self,
        current: Option<&GroupRow>,
        row: &GroupRow,
        members: &Members,
    ) -> Result<Vec<UserId>, ScimError> {
        let Some(current) = current.filter(|current| self.opens(current.name)) else {
            return Ok(Vec::new());
        };
        let mut people = self.store.people_in(current.id).await?;
        if current.name == row.name {
            people.retain(|user| match members {
                Members::Exactly(all) => !all.contains(user),
                Members::Shift { remove, .. } => remove.contains(user),
            });
        }
        Ok(people)
    }

    /// Whether the configuration names the group.
    pub(super) fn opens(&self, name: Lookup) -> bool {
        self.group_rules.0.iter().any(|rule| rule.name == name)
    }

    fn group_after(
        &self,
        fresh: GroupId,
        current: Option<&GroupRow>,
        draft: &GroupDraft,
    ) -> Result<GroupRow, ScimError> {
        let name = draft.name.as_ref().map(|(name, _)| *name);
        let id = current.map_or(fresh, |current| current.id);
        Ok(GroupRow {
            id,
            name: name
                .or(current.map(|current| current.name))
                .ok_or(NO_NAME)?,
            external: match &draft.external {
                Given::Value((external, _)) => Some(*external),
                Given::Cleared => None,
                Given::Absent => current.and_then(|current| current.external),
            },
            names: self.group_names(current, draft, id)?,
            version: current.map_or(1, |current| current.version.saturating_add(1)),
        })
    }

    fn group_names(
        &self,
        current: Option<&GroupRow>,
        draft: &GroupDraft,
        id: GroupId,
    ) -> Result<Option<Vec<u8>>, ScimError> {
        if !self.settings.scim.accept_email {
            return Ok(None);
        }
        let before = match current {
            Some(current) => self.names_of_group(current)?,
            None => None,
        };
        let (old_name, old_external) =
            before.map_or((None, None), |it| (Some(it.name), it.external));
        let copy = |(_, text): &(Lookup, Personal)| Personal::new(text.reveal());
        let Some(name) = draft.name.as_ref().map(copy).or(old_name) else {
            return Ok(None);
        };
        let external = match &draft.external {
            Given::Value(external) => Some(copy(external)),
            Given::Cleared => None,
            Given::Absent => old_external,
        };
        let names = Names { name, external };
        let key = self.keys.names();
        let sealed = names.seal(Table::Groups, id.as_bytes(), key, &*self.randomness)?;
        Ok(Some(sealed))
    }
}

const NO_TARGET: ScimError = ScimError::bad("noTarget", "A remove says what it removes.");
const NEEDED: ScimError = ScimError::bad("mutability", "A group has a displayName.");
pub(super) const NO_NAME: ScimError = ScimError::bad(
    "invalidValue",
    "displayName is missing, or of the wrong kind.",
);
const STRANGER: ScimError = ScimError::bad(
    "invalidValue",
    "Somebody who is to come into the group is not listed here. List the person first; groups are not \
     put into groups.",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn people(of: &[u8]) -> BTreeSet<UserId> {
        of.iter().map(|n| UserId([*n; 16])).collect()
    }

    #[test]
    fn what_is_said_later_counts() {
        let mut edits = Edits::default();
        edits.add(people(&[1, 2]));
        edits.remove(&people(&[2, 3]));
        edits.add(people(&[3]));

        let shifted = edits.members();
        edits.set(people(&[]));
        edits.add(people(&[4]));

        assert_eq!(
            shifted,
            Members::Shift {
                add: people(&[1, 3]),
                remove: people(&[2])
            }
        );
        assert_eq!(edits.members(), Members::Exactly(people(&[4])));
    }

    #[test]
    fn a_remove_by_list_or_by_filter_removes_the_listed_and_nobody_else() {
        let (ada, bob) = (UserId([1; 16]), UserId([2; 16]));
        let body = |operation: String| {
            let whole = format!("{{\"Operations\":[{operation}]}}");
            patched(whole.as_bytes()).map(|said| said.people.members())
        };

        let by_list = body(format!(
            r#"{{"op":"Remove","path":"members","value":[{{"value":"{ada}"}}]}}"#
        ));
        let by_filter = body(format!(
            r#"{{"op":"remove","path":"members[value eq \"{ada}\" or value eq \"{bob}\"]"}}"#
        ));
        let all = body(r#"{"op":"remove","path":"members"}"#.to_owned());
        let nothing = body(r#"{"op":"remove"}"#.to_owned());

        let gone = |of: &[u8]| Members::Shift {
            add: people(&[]),
            remove: people(of),
        };
        assert_eq!(by_list, Ok(gone(&[1])));
        assert_eq!(by_filter, Ok(gone(&[1, 2])));
        assert_eq!(all, Ok(Members::Exactly(people(&[]))));
        assert_eq!(nothing, Err(NO_TARGET));
    }
}

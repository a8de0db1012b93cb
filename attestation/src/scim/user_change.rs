//! What becomes of somebody: names into hashes, a word into what it ends.

use axum::http::HeaderMap;
use bauta_audit::store::StoreError;

use super::{
    answer::{NOT_FOUND, SYNTAX, ScimError, TAKEN, UNAVAILABLE, unchanged},
    body::{self, Active, Given, Operation, Personal, UserFields, Verb},
    names::{Names, Table},
    path::{self, Attr, Kind},
    user::TRIES,
};
use crate::{
    Plane,
    attest::tag::{Hardened, Subject},
    config::JoinBy,
    ports::{
        Lookup, UserId,
        directory::{Changed, Said, UserChange, UserRow},
    },
};

/// What the directory says of somebody, in hashes.
pub(super) struct UserDraft {
    user_name: Option<Hashed>,
    external: Given<Hashed>,
    said: Said,
}

/// A value, what finds it, and what joins it with a sign-in if it is what joins.
struct Hashed {
    text: Personal,
    found_by: Lookup,
    joins: Lookup,
}

/// What a PATCH says, as one change.
pub(super) fn patched(json: &[u8]) -> Result<UserFields, ScimError> {
    let mut fields = UserFields::default();
    for operation in body::operations(json)? {
        operate(&mut fields, &operation)?;
    }
    Ok(fields)
}

fn operate(fields: &mut UserFields, operation: &Operation<'_>) -> Result<(), ScimError> {
    let Some(path) = &operation.path else {
        if operation.verb == Verb::Remove {
            return Err(NO_TARGET);
        }
        let value = operation.value.ok_or(SYNTAX)?;
        let said: UserFields = body::fields(value.get().as_bytes())?;
        fields.user_name = said.user_name.or(fields.user_name.take());
        fields.active = said.active.or(fields.active);
        if !matches!(said.external, Given::Absent) {
            fields.external = said.external;
        }
        return Ok(());
    };
    let path = path::read(path, Kind::User).ok_or(NO_PATH)?;
    if path.attr == Attr::Other {
        // Taken, and nothing of it is kept.
        return Ok(());
    }
    if path.attr.is_ours(Kind::User) {
        return Err(NOT_YOURS);
    }
    if path.filter.is_some() || path.part.is_some() {
        return Err(NO_PATH);
    }
    if operation.verb == Verb::Remove {
        if path.attr != Attr::ExternalId {
            return Err(NEEDED);
        }
        fields.external = Given::Cleared;
        return Ok(());
    }
    let value = operation.value.ok_or(SYNTAX)?;
    match path.attr {
        Attr::UserName => fields.user_name = Some(body::value(value)?),
        Attr::Active => fields.active = Some(body::value(value)?),
        _ => {
            let external: Option<Personal> = body::value(value)?;
            fields.external = external.map_or(Given::Cleared, Given::Value);
        }
    }
    Ok(())
}

impl Plane {
    /// Hashes what a body says. This is where addresses are refused that would have to be kept.
    pub(super) async fn user_draft(&self, fields: UserFields) -> Result<UserDraft, ScimError> {
        let address = |it: &Personal| it.is_address() && !self.settings.scim.accept_email;
        let external = match fields.external {
            Given::Value(text) if address(&text) => return Err(ADDRESS),
            Given::Value(text) => {
                let hard = self.hard(text.reveal()).await?.ok_or(NO_VALUE)?;
                Given::Value(Hashed {
                    found_by: hard.external(&self.keys),
                    joins: hard.join(&self.keys),
                    text,
                })
            }
            Given::Cleared => Given::Cleared,
            Given::Absent => Given::Absent,
        };
        let user_name = match fields.user_name {
            Some(text) if address(&text) => return Err(ADDRESS),
            Some(text) => Some(self.user_name_hashed(text).await?),
            None => None,
        };
        Ok(UserDraft {
            user_name,
            external,
            said: match fields.active {
                Some(Active(true)) => Said::Active,
                Some(Active(false)) => Said::Inactive,
                None => Said::Nothing,
            },
        })
    }

    /// It is found by in any case (RFC 7643, section 4.1.1), and joins in the one that it has.
    async fn user_name_hashed(&self, text: Personal) -> Result<Hashed, ScimError> {
        let plain = Personal::new(&text.reveal().to_lowercase());
        let hard = self.hard(plain.reveal()).await?.ok_or(NO_VALUE)?;
        let joins = if plain.reveal() == text.reveal() || self.join_by() != JoinBy::UserName {
            hard.join(&self.keys)
        } else {
            let exact = self.hard(text.reveal()).await?.ok_or(NO_VALUE)?;
            exact.join(&self.keys)
        };
        Ok(Hashed {
            found_by: hard.user_name(&self.keys),
            joins,
            text,
        })
    }

    /// Writes what the directory says of somebody, who is new without an `id`.
    pub(super) async fn write_user(
        &self,
        id: Option<UserId>,
        draft: &UserDraft,
        headers: &HeaderMap,
    ) -> Result<UserRow, ScimError> {
        let fresh = UserId::random(&*self.randomness);
        for _ in 0..TRIES {
            let current = match id {
                Some(id) => Some(self.store.user(id).await?.ok_or(NOT_FOUND)?),
                None => None,
            };
            if let Some(current) = &current {
                unchanged(headers, current.version)?;
            }
            let row = self.user_after(fresh, current.as_ref(), draft)?;
            let now = self.clock.now();
            let act = match (draft.said, &current) {
                (_, None) => "created",
                (Said::Active, _) => "activated",
                (Said::Inactive, _) => "deactivated",
                (Said::Nothing, _) => "changed",
            };
            let before = current.as_ref().map(|current| current.subject);
            let subjects = before.into_iter().chain([row.subject]).collect();
            let change = UserChange {
                from: current.as_ref().map(|current| current.version),
                said: draft.said,
                affected: self.affected(&subjects, "deactivated").await?,
                now,
                event: self.scribe(now).directory_user(row.id, act),
                row,
            };
            match self.store.put_user(&change).await? {
                Changed::Done(row) => return Ok(row),
                Changed::Taken => return Err(TAKEN),
                Changed::Gone => return Err(NOT_FOUND),
                Changed::Stale | Changed::Stranger => {}
            }
        }
        Err(UNAVAILABLE)
    }

    fn user_after(
        &self,
        fresh: UserId,
        current: Option<&UserRow>,
        draft: &UserDraft,
    ) -> Result<UserRow, ScimError> {
        let user_name = draft.user_name.as_ref();
        let found_by = user_name.map(|it| it.found_by);
        let external = match &draft.external {
            Given::Value(external) => Some(external.found_by),
            Given::Cleared => None,
            Given::Absent => current.and_then(|current| current.external),
        };
        let joins = match (self.join_by(), &draft.external) {
            (JoinBy::UserName, _) => user_name.map(|it| it.joins),
            (JoinBy::ExternalId, Given::Value(external)) => Some(external.joins),
            (JoinBy::ExternalId, Given::Cleared) => return Err(NEEDED),
            (JoinBy::ExternalId, Given::Absent) => None,
        };
        let id = current.map_or(fresh, |current| current.id);
        let mut row = UserRow {
            id,
            user_name: found_by
                .or(current.map(|current| current.user_name))
                .ok_or(NO_USER_NAME)?,
            subject: joins
                .or(current.map(|current| current.subject))
                .ok_or(NO_JOIN)?,
            external,
            active: false,
            names: None,
            version: 1,
        };
        let names = self.names_after(current, draft)?;
        let Some(current) = current else {
            row.names = self.sealed(names, id)?;
            return Ok(row);
        };
        let active = match draft.said {
            Said::Active => true,
            Said::Inactive => false,
            Said::Nothing => current.active,
        };
        let same = names.is_none()
            && (row.user_name, row.subject, row.external, active)
                == (
                    current.user_name,
                    current.subject,
                    current.external,
                    current.active,
                );
        if same {
            return Ok(current.clone());
        }
        row.version = current.version.saturating_add(1);
        row.names = match names {
            Some(names) => self.sealed(Some(names), id)?,
            None => current.names.clone(),
        };
        Ok(row)
    }

    /// What is to be kept of names; `None` when nothing is, or nothing changes.
    fn names_after(
        &self,
        current: Option<&UserRow>,
        draft: &UserDraft,
    ) -> Result<Option<Names>, ScimError> {
        if !self.settings.scim.accept_email {
            return Ok(None);
        }
        let before = match current {
            Some(current) => self.names_of_user(current)?,
            None => None,
        };
        let (old_name, old_external) =
            before.map_or((None, None), |it| (Some(it.name), it.external));
        let copy = |hashed: &Hashed| Personal::new(hashed.text.reveal());
        let name = draft.user_name.as_ref().map(copy);
        let external = match &draft.external {
            Given::Value(external) => Some(Some(copy(external))),
            Given::Cleared => Some(None),
            Given::Absent => None,
        };
        let equal = |new: Option<&Personal>, old: Option<&Personal>| {
            new.map(Personal::reveal) == old.map(Personal::reveal)
        };
        let unsaid = name.is_none() || equal(name.as_ref(), old_name.as_ref());
        let same = (external.as_ref())
            .is_none_or(|external| equal(external.as_ref(), old_external.as_ref()));
        if unsaid && same {
            return Ok(None);
        }
        // Without a name, which was said before names were kept, there is none to keep either.
        Ok(name.or(old_name).map(|name| Names {
            name,
            external: external.unwrap_or(old_external),
        }))
    }

    fn sealed(&self, names: Option<Names>, id: UserId) -> Result<Option<Vec<u8>>, ScimError> {
        let key = self.keys.names();
        let seal = |names: Names| names.seal(Table::Users, id.as_bytes(), key, &*self.randomness);
        Ok(names.map(seal).transpose()?)
    }

    /// What finds somebody by its `userName`.
    pub(super) async fn user_name(&self, text: &Personal) -> Result<Option<Lookup>, ScimError> {
        let plain = Personal::new(&text.reveal().to_lowercase());
        let hard = self.hard(plain.reveal()).await?;
        Ok(hard.map(|hard| hard.user_name(&self.keys)))
    }

    /// What finds somebody by its `externalId`.
    pub(super) async fn user_external(&self, text: &Personal) -> Result<Option<Lookup>, ScimError> {
        let hard = self.hard(text.reveal()).await?;
        Ok(hard.map(|hard| hard.external(&self.keys)))
    }

    /// As hard to guess as a tag; `None` for what is nobody's.
    async fn hard(&self, value: &str) -> Result<Option<Hardened>, ScimError> {
        let Some(subject) = Subject::new(&self.settings.sso.issuer, value) else {
            return Ok(None);
        };
        Ok(Some(subject.harden(&self.salt, &self.hashing).await?))
    }

    fn join_by(&self) -> JoinBy {
        // That it is one of the two was checked when the plane was opened.
        JoinBy::parse(&self.settings.sso.scim_subject).unwrap_or(JoinBy::ExternalId)
    }

    /// What the directory keeps of a member here, for the member's own page: whether it may go on, in
    /// how many groups it is, and what it is called, where that is kept.
    pub(crate) async fn listed(&self, subject: Lookup) -> Result<Option<Listed>, StoreError> {
        let wanted = crate::ports::directory::Wanted::Subject(subject);
        let span = crate::ports::directory::Span { skip: 0, most: 1 };
        let Some(row) = self.store.users(wanted, span).await?.pop() else {
            return Ok(None);
        };
        let groups = self.store.groups_of(row.id).await?.len();
        let torn = |_| StoreError::new("open directory names", "a cell does not open");
        let names = self.names_of_user(&row).map_err(torn)?;
        Ok(Some(Listed {
            number: row.id,
            groups,
            called: names.map(|names| {
                let external = names.external.map(|it| it.reveal().to_owned());
                (names.name.reveal().to_owned(), external)
            }),
        }))
    }
}

/// What is kept of a member because the directory lists it. Made for the member's own page and
/// nothing else.
pub(crate) struct Listed {
    pub(crate) number: UserId,
    pub(crate) groups: usize,
    /// `userName` and `externalId`, where they are kept.
    pub(crate) called: Option<(String, Option<String>)>,
}

const NO_TARGET: ScimError = ScimError::bad("noTarget", "A remove says what it removes.");
pub(super) const NO_PATH: ScimError = ScimError::bad(
    "invalidPath",
    "The path leads to no attribute of this resource.",
);
pub(super) const NOT_YOURS: ScimError = ScimError::bad(
    "mutability",
    "The path leads to an attribute that only Bauta writes.",
);
const NEEDED: ScimError = ScimError::bad(
    "mutability",
    "This attribute is needed: without it a leaver is not found. Set another value instead.",
);
pub(super) const NO_USER_NAME: ScimError =
    ScimError::bad("invalidValue", "userName is missing, or of the wrong kind.");
const NO_JOIN: ScimError = ScimError::bad(
    "invalidValue",
    "The attribute that sso.scim_subject names is missing. It carries the identifier that sign-ins carry, \
     and a leaver is found by it: map it in the directory.",
);
const NO_VALUE: ScimError = ScimError::bad(
    "invalidValue",
    "An identifier is empty, or longer than 512 bytes.",
);
const ADDRESS: ScimError = ScimError::bad(
    "invalidValue",
    "userName and externalId must be identifiers that never change and say nothing, such as objectId of \
     Entra or id of Okta, and the same that sign-ins carry; an e-mail address is neither. Map them so in \
     the directory. Where it can send nothing else, scim.accept_email = true takes addresses and keeps \
     them encrypted.",
);

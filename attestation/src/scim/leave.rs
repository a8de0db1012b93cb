//! Whom a change of the directory may take away from, named so that storage can end what they have.

use std::{collections::BTreeSet, sync::Arc};

use bauta_audit::store::StoreError;
use serde_json::json;

use crate::{
    Plane,
    keys::Keys,
    ports::{
        Event, Lookup, UserId,
        directory::{Affected, Openings},
        grants::hex,
    },
};

impl Plane {
    /// Every member who signs in as one of `subjects`, with all its grants. `why` is a code for the
    /// log.
    pub(super) async fn affected(
        &self,
        subjects: &BTreeSet<Lookup>,
        why: &'static str,
    ) -> Result<Vec<Affected>, StoreError> {
        let mut all = Vec::new();
        for subject in subjects {
            for member in self.store.members_as(*subject).await? {
                let now = self.clock.now();
                let (holder, scribe) = (self.holder(member), self.scribe(now));
                let fields = json!({ "holder": hex(&holder), "why": "directory_group" });
                all.push(Affected {
                    member,
                    holder,
                    grants: self.named(holder).await?,
                    left: scribe.member_left(member, why),
                    back: scribe.member_returned(member),
                    lost: Event::private("grants.ended", now, fields, &*self.randomness),
                });
            }
        }
        Ok(all)
    }

    /// The members behind some of the people listed.
    pub(super) async fn behind(
        &self,
        people: impl Iterator<Item = UserId>,
    ) -> Result<Vec<Affected>, StoreError> {
        let mut subjects = BTreeSet::new();
        for user in people {
            let row = self.store.user(user).await?;
            subjects.extend(row.map(|row| row.subject));
        }
        self.affected(&subjects, "group").await
    }

    /// What groups open, and what is open to all.
    pub(super) fn openings(&self) -> Openings {
        let to_all = self.scopes.values().filter(|rule| rule.groups.is_empty());
        Openings {
            rules: Arc::clone(&self.group_rules),
            to_all: to_all.map(|rule| rule.name.clone()).collect(),
        }
    }

    pub(crate) fn group_name(&self, name: &str) -> Lookup {
        group_name(&self.keys, name)
    }

    /// A keyed hash of what the directory calls a group.
    pub(super) fn group_external(&self, external: &str) -> Lookup {
        self.keys
            .lookup("scim-group-external/v1", &[external.as_bytes()])
    }
}

/// A keyed hash of a group's name. A group is no person: it is not made slow.
pub(crate) fn group_name(keys: &Keys, name: &str) -> Lookup {
    keys.lookup("scim-group/v1", &[name.as_bytes()])
}

//! What groups open, when two speak of them: a sign-in, and the directory.
//!
//! Of a group that the directory pushes, the directory says who is in it; of any other, the
//! sign-in does. A role takes both: whoever can push groups makes nobody an administrator.

use std::{collections::BTreeSet, sync::Arc};

use bauta_token::scope::Name;

use crate::ports::{Lookup, Rights, Role};

/// What one group opens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupRule {
    /// A keyed hash of the group's name, as the configuration writes it.
    pub name: Lookup,
    /// Roles it gives.
    pub roles: BTreeSet<Role>,
    /// Scopes it opens.
    pub scopes: BTreeSet<Name>,
}

/// What every group in the configuration opens.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupRules(pub Vec<GroupRule>);

/// What a sign-in says of groups, besides the rights that come of it.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// What groups open.
    pub rules: Arc<GroupRules>,
    /// Which of them the sign-in names.
    pub groups: BTreeSet<Lookup>,
    /// Whether only those whom the directory lists may sign in.
    pub listed_only: bool,
}

impl GroupRules {
    /// The rights of a sign-in that gives `claimed`, of somebody whom the directory lists: `pushed`
    /// are the groups that it speaks of, `within` those of them that the person is in.
    #[must_use]
    pub fn settle(
        &self,
        claimed: &Rights,
        named: &BTreeSet<Lookup>,
        pushed: &BTreeSet<Lookup>,
        within: &BTreeSet<Lookup>,
    ) -> Rights {
        let governed: BTreeSet<_> = self.0.iter().flat_map(|rule| &rule.scopes).collect();
        let free = claimed.scopes.iter().filter(|it| !governed.contains(it));
        let mut rights = Rights {
            roles: BTreeSet::new(),
            scopes: free.cloned().collect(),
        };
        for rule in &self.0 {
            let (said, inside) = (named.contains(&rule.name), within.contains(&rule.name));
            let known = pushed.contains(&rule.name);
            if said && (inside || !known) {
                rights.roles.extend(rule.roles.iter().copied());
            }
            let opens = if known { inside } else { said };
            if opens {
                rights.scopes.extend(rule.scopes.iter().cloned());
            }
        }
        rights
    }

    /// `rights` after somebody has come into the groups `gained` and gone from `lost`, and is in
    /// `within` now. What a lost group opened stays only if another one there opens it too; a role
    /// does not even then, until the next sign-in.
    #[must_use]
    pub fn shifted(
        &self,
        rights: &Rights,
        gained: &BTreeSet<Lookup>,
        lost: &BTreeSet<Lookup>,
        within: &BTreeSet<Lookup>,
    ) -> Rights {
        let mut after = rights.clone();
        for rule in self.0.iter().filter(|rule| lost.contains(&rule.name)) {
            after.roles.retain(|role| !rule.roles.contains(role));
            after.scopes.retain(|scope| !rule.scopes.contains(scope));
        }
        for rule in &self.0 {
            let stays = within.contains(&rule.name);
            let opened = rule.scopes.iter().filter(|scope| {
                gained.contains(&rule.name) || stays && rights.scopes.contains(scope)
            });
            after.scopes.extend(opened.cloned());
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(group: u8, roles: &[Role], scopes: &[&str]) -> GroupRule {
        GroupRule {
            name: Lookup([group; 32]),
            roles: roles.iter().copied().collect(),
            scopes: names(scopes),
        }
    }

    fn names(scopes: &[&str]) -> BTreeSet<Name> {
        scopes.iter().filter_map(|it| Name::parse(it)).collect()
    }

    fn groups(of: &[u8]) -> BTreeSet<Lookup> {
        of.iter().map(|group| Lookup([*group; 32])).collect()
    }

    fn rights(roles: &[Role], scopes: &[&str]) -> Rights {
        Rights {
            roles: roles.iter().copied().collect(),
            scopes: names(scopes),
        }
    }

    #[test]
    fn scm_09_a_group_that_is_pushed_makes_nobody_an_administrator() {
        let rules = GroupRules(vec![rule(1, &[Role::Admin], &["frontier"])]);
        let (nothing, admin) = (rights(&[], &[]), rights(&[Role::Admin], &["frontier"]));
        let pushed = groups(&[1]);

        let pushed_only = rules.settle(&nothing, &groups(&[]), &pushed, &groups(&[1]));
        let both = rules.settle(&admin, &groups(&[1]), &pushed, &groups(&[1]));
        let said_only = rules.settle(&admin, &groups(&[1]), &pushed, &groups(&[]));
        let gained = rules.shifted(&nothing, &groups(&[1]), &groups(&[]), &groups(&[1]));

        assert_eq!(pushed_only, rights(&[], &["frontier"]));
        assert_eq!(both, admin);
        assert_eq!(said_only, nothing, "the directory took it away");
        assert_eq!(gained, rights(&[], &["frontier"]));
    }

    #[test]
    fn of_a_group_that_is_not_pushed_the_sign_in_decides() {
        let rules = GroupRules(vec![
            rule(1, &[], &["frontier"]),
            rule(2, &[Role::Officer], &["quiet"]),
        ]);
        let claimed = rights(&[Role::Officer], &["quiet", "for-all"]);

        let settled = rules.settle(&claimed, &groups(&[2]), &groups(&[1]), &groups(&[1]));

        assert_eq!(
            settled,
            rights(&[Role::Officer], &["frontier", "quiet", "for-all"])
        );
    }

    #[test]
    fn what_a_group_opened_closes_with_it_unless_another_opens_it_too() {
        let rules = GroupRules(vec![
            rule(1, &[Role::Auditor], &["frontier", "quiet"]),
            rule(2, &[], &["frontier"]),
        ]);
        let before = rights(&[Role::Auditor], &["frontier", "quiet", "for-all"]);

        let one_stays = rules.shifted(&before, &groups(&[]), &groups(&[1]), &groups(&[2]));
        let none_stays = rules.shifted(&before, &groups(&[]), &groups(&[1]), &groups(&[]));

        assert_eq!(one_stays, rights(&[], &["frontier", "for-all"]));
        assert_eq!(none_stays, rights(&[], &["for-all"]));
    }
}

//! How many there are of what, counted over the members themselves and kept nowhere.

use std::collections::BTreeMap;

use bauta_audit::store::StoreError;
use bauta_token::scope::Name;

use crate::{
    Plane,
    member::Standing,
    ports::{
        MemberId, Role,
        people::{MemberState, StandingRow},
    },
};

/// What the members are, as far as they were counted.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Census {
    /// Members that were looked at.
    pub(super) looked: u64,
    /// Whether there are more.
    pub(super) cut: bool,
    /// Those that are suspended.
    pub(super) suspended: u64,
    /// Those that may go on and are verified.
    pub(super) verified: u64,
    /// Officers whose word counts.
    pub(super) officers: u64,
    /// Administrators that may go on.
    pub(super) admins: u64,
    /// Verified members by scope.
    pub(super) crowds: BTreeMap<Name, u64>,
}

impl Census {
    fn count(&mut self, standing: &Standing, vendors: bool) {
        let add = |count: &mut u64| *count = count.saturating_add(1);
        add(&mut self.looked);
        if standing.state != MemberState::Active {
            add(&mut self.suspended);
            return;
        }
        let verified = standing.verified.is_some();
        if standing.roles.contains(&Role::Admin) {
            add(&mut self.admins);
        }
        if standing.roles.contains(&Role::Officer) && (verified || !vendors) {
            add(&mut self.officers);
        }
        if verified {
            add(&mut self.verified);
            for scope in &standing.scopes {
                add(self.crowds.entry(scope.clone()).or_default());
            }
        }
    }
}

impl Plane {
    /// Counts the first [`MOST`] members.
    pub(super) async fn census(&self) -> Result<Census, StoreError> {
        let mut census = Census::default();
        let vendors = !self.vendors.is_empty();
        let now = self.clock.now();
        let cut = self
            .each_member(MOST, |row| census.count(&self.show(row, now), vendors))
            .await?;
        census.cut = cut;
        Ok(census)
    }

    /// Shows `see` the members in the order of their ids, at most `most`. Whether there are more.
    pub(super) async fn each_member(
        &self,
        most: u64,
        mut see: impl FnMut(StandingRow) + Send,
    ) -> Result<bool, StoreError> {
        let mut after: Option<MemberId> = None;
        let mut seen = 0_u64;
        loop {
            let rows = self.members(after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(false);
            };
            after = Some(last.member);
            for row in &rows {
                if seen >= most {
                    return Ok(true);
                }
                // One that was erased meanwhile counts for nothing.
                if let Some(standing) = self.store.standing(row.member).await? {
                    see(standing);
                }
                seen = seen.saturating_add(1);
            }
        }
    }
}

const PAGE: u32 = 200;
/// Each is a few reads and a signature: a page must come within a second.
const MOST: u64 = 2_000;

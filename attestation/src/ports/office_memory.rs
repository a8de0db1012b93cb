//! What the console remembers, in memory, for tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bauta_audit::store::StoreError;
use bauta_token::units::UnixMillis;

use super::{
    MemberId, Role,
    memory::{Memory, PeopleState},
    office::{
        Appeal, AppealAnswer, Look, Looked, NewAppeal, NewProposal, Office, Proposal, Proposed,
        Settled, Settling, Verdict,
    },
    people::MemberState,
};

/// All that the port keeps.
#[derive(Debug, Default)]
pub(super) struct OfficeState {
    looks: Vec<(MemberId, Looked)>,
    proposals: BTreeMap<MemberId, Proposal>,
    appeals: BTreeMap<MemberId, Appeal>,
}

impl OfficeState {
    /// What hangs on a member that is gone.
    pub(super) fn erase(&mut self, member: MemberId) {
        self.looks
            .retain(|(whom, look)| *whom != member && look.by != member);
        self.proposals
            .retain(|whom, proposal| *whom != member && proposal.by != member);
        self.appeals.remove(&member);
    }

    fn size(&self) -> usize {
        [self.looks.len(), self.proposals.len(), self.appeals.len()]
            .iter()
            .sum()
    }
}

#[async_trait]
impl Office for Memory {
    async fn note_look(&self, look: &Look) -> Result<(), StoreError> {
        self.up("note look")?;
        let looked = Looked {
            by: look.by,
            role: look.role,
            at: look.now,
        };
        let looks = &mut self.office_state().looks;
        if !looks.contains(&(look.member, looked)) {
            looks.push((look.member, looked));
        }
        self.queue(look.event.clone());
        Ok(())
    }

    async fn looks(&self, member: MemberId, limit: u32) -> Result<Vec<Looked>, StoreError> {
        self.up("looks")?;
        let state = self.office_state();
        let of_member = state.looks.iter().filter(|(whom, _)| *whom == member);
        let mut looks: Vec<_> = of_member.map(|(_, look)| *look).collect();
        looks.sort_by_key(|look| std::cmp::Reverse(look.at));
        looks.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(looks)
    }

    async fn propose(&self, new: &NewProposal) -> Result<Proposed, StoreError> {
        self.up("propose")?;
        let proposal = &new.proposal;
        if !self.state().members.contains_key(&proposal.member) {
            return Ok(Proposed::NoMember);
        }
        let proposals = &mut self.office_state().proposals;
        let waits = |kept: &Proposal| kept.expires_at > proposal.at;
        if proposals.get(&proposal.member).is_some_and(waits) {
            return Ok(Proposed::Another);
        }
        proposals.insert(proposal.member, proposal.clone());
        self.queue(new.event.clone());
        Ok(Proposed::Kept)
    }

    async fn proposals(&self, now: UnixMillis) -> Result<Vec<Proposal>, StoreError> {
        self.up("proposals")?;
        let state = self.office_state();
        let live = state.proposals.values().filter(|it| it.expires_at > now);
        let mut live: Vec<_> = live.cloned().collect();
        live.sort_by_key(|it| it.at);
        Ok(live)
    }

    async fn settle(&self, settling: &Settling) -> Result<Settled, StoreError> {
        self.up("settle")?;
        let people = self.state();
        let proposals = &mut self.office_state().proposals;
        let named = |it: &&Proposal| it.at == settling.at && it.expires_at > settling.now;
        let Some(found) = proposals.get(&settling.member).filter(named) else {
            return Ok(Settled::Gone);
        };
        if settling.verdict == Verdict::Agreed {
            if found.by == settling.by {
                return Ok(Settled::Own);
            }
            if !people.is_admin(found.by) {
                return Ok(Settled::Gone);
            }
        }
        if !people.is_admin(settling.by) {
            return Ok(Settled::Gone);
        }
        let taken = proposals.remove(&settling.member);
        self.queue(settling.event.clone());
        Ok(taken.map_or(Settled::Gone, Settled::Taken))
    }

    async fn appeal(&self, appeal: &NewAppeal) -> Result<bool, StoreError> {
        self.up("appeal")?;
        if !self.state().members.contains_key(&appeal.member) {
            return Ok(false);
        }
        let appeals = &mut self.office_state().appeals;
        let open = |kept: &Appeal| kept.reply.is_none();
        if appeals.get(&appeal.member).is_some_and(open) {
            return Ok(false);
        }
        let kept = Appeal {
            member: appeal.member,
            about: appeal.about,
            ground: appeal.ground,
            at: appeal.now,
            reply: None,
        };
        appeals.insert(appeal.member, kept);
        self.queue(appeal.event.clone());
        Ok(true)
    }

    async fn appeal_of(&self, member: MemberId) -> Result<Option<Appeal>, StoreError> {
        self.up("appeal of")?;
        Ok(self.office_state().appeals.get(&member).cloned())
    }

    async fn appeals(&self, limit: u32) -> Result<Vec<Appeal>, StoreError> {
        self.up("appeals")?;
        let state = self.office_state();
        let open = state.appeals.values().filter(|it| it.reply.is_none());
        let mut open: Vec<_> = open.cloned().collect();
        open.sort_by_key(|it| it.at);
        open.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(open)
    }

    async fn answer_appeal(&self, answer: &AppealAnswer) -> Result<bool, StoreError> {
        self.up("answer appeal")?;
        let mut state = self.office_state();
        let kept = state.appeals.get_mut(&answer.member);
        let Some(kept) = kept.filter(|it| it.at == answer.at && it.reply.is_none()) else {
            return Ok(false);
        };
        kept.reply = Some((answer.reply, answer.now));
        self.queue(answer.event.clone());
        Ok(true)
    }

    async fn forget_office(&self, now: UnixMillis, before: UnixMillis) -> Result<u64, StoreError> {
        self.up("forget office")?;
        let mut state = self.office_state();
        let size = state.size();
        state.looks.retain(|(_, look)| look.at > before);
        state.proposals.retain(|_, it| it.expires_at > now);
        let answered = |it: &Appeal| it.reply.is_some_and(|(_, at)| at <= before);
        state.appeals.retain(|_, it| !answered(it));
        Ok(u64::try_from(size.saturating_sub(state.size())).unwrap_or(u64::MAX))
    }
}

impl PeopleState {
    fn is_admin(&self, member: MemberId) -> bool {
        self.members.get(&member).is_some_and(|row| {
            row.state == MemberState::Active && row.rights.roles.contains(&Role::Admin)
        })
    }
}

//! Whose a pseudonym is: what a provider reports, and all that it can.

use bauta_audit::store::StoreError;
use bauta_token::{
    pseudonym::Pseudonym,
    scope::Name,
    units::{UnixDay, UnixMillis},
};

use super::access::{EPOCH_DAYS, epoch_at, epoch_of_day};
use crate::{
    Plane,
    ports::{MemberId, people::MemberRow},
};

impl Plane {
    /// The member that a provider sees, or has seen since it joined, as `pseudonym`. No table says
    /// so: every member's are computed again. `None` for a pseudonym of nobody, or of a member that
    /// was erased.
    ///
    /// # Errors
    ///
    /// When storage does not answer.
    pub async fn whose(&self, pseudonym: &Pseudonym) -> Result<Option<MemberId>, StoreError> {
        Ok(self.seen_as(pseudonym).await?.map(|seen| seen.member))
    }

    /// The same, with the provider that it is for and the epoch that it is of.
    pub(crate) async fn seen_as(&self, pseudonym: &Pseudonym) -> Result<Option<Seen>, StoreError> {
        let now = self.clock.now();
        let mut after = None;
        loop {
            let rows = self.store.members(after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(None);
            };
            after = Some(last.member);
            for row in &rows {
                if let Some(seen) = self.has_been(row, pseudonym, now).await? {
                    return Ok(Some(seen));
                }
            }
        }
    }

    async fn has_been(
        &self,
        row: &MemberRow,
        pseudonym: &Pseudonym,
        now: UnixMillis,
    ) -> Result<Option<Seen>, StoreError> {
        let is = |provider: &Name, epoch| self.pseudonym(row.member, provider, epoch) == *pseudonym;
        let seen = |provider: &Name, epoch| Seen {
            member: row.member,
            provider: provider.clone(),
            epoch,
        };
        // A held one may be of a provider that the configuration no longer names.
        let held = self.store.held(self.holder(row.member)).await?;
        if let Some(held) = held.iter().find(|held| is(&held.provider, held.epoch)) {
            return Ok(Some(seen(&held.provider, held.epoch)));
        }
        for epoch in epochs(row.joined, now) {
            if let Some(provider) = self.settings.providers.iter().find(|it| is(it, epoch)) {
                return Ok(Some(seen(provider, epoch)));
            }
        }
        Ok(None)
    }
}

/// Whom a provider sees, where, and since when.
pub(crate) struct Seen {
    pub(crate) member: MemberId,
    pub(crate) provider: Name,
    /// The first day of the epoch that the pseudonym is of.
    pub(crate) epoch: UnixDay,
}

/// The epochs from the one that `joined` falls into to the one that `now` does: a provider may report
/// what it saw months ago.
fn epochs(joined: UnixDay, now: UnixMillis) -> impl Iterator<Item = UnixDay> {
    let (newest, oldest) = (epoch_at(now).0, epoch_of_day(joined).0);
    let back = std::iter::successors(Some(newest), |day| day.checked_sub(EPOCH_DAYS));
    back.take_while(move |day| *day >= oldest).map(UnixDay)
}

const PAGE: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::DeviceFlow,
        issue::world::{World, name},
        ports::grants::{Held, HeldFor},
    };

    #[tokio::test]
    async fn a_provider_that_reports_a_pseudonym_names_its_member() {
        let world = World::new(DeviceFlow::Off).await;
        let (_other, ada) = (world.ada().await, world.ada().await);
        let plane = &world.plane;
        let provider = plane.settings.providers.first().unwrap().clone();
        let before = epoch_at(plane.clock.now());
        let seen = plane.pseudonym(ada.id, &provider, before);
        let elsewhere = plane.pseudonym(ada.id, &name("a-stranger"), before);

        let now = plane.whose(&seen).await.unwrap();
        world.later(EPOCH_DAYS * 86_400).await;
        let later = plane.whose(&seen).await.unwrap();

        assert_ne!(epoch_at(plane.clock.now()), before);
        assert_eq!(now, Some(ada.id));
        assert_eq!(later, Some(ada.id), "a report may be old");
        assert_eq!(plane.whose(&elsewhere).await.unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_is_suspended_is_found_by_what_is_held() {
        let world = World::new(DeviceFlow::Off).await;
        let ada = world.ada().await;
        let plane = &world.plane;
        let provider = plane.settings.providers.first().unwrap().clone();
        let seen = plane.pseudonym(ada.id, &provider, epoch_at(plane.clock.now()));

        let found = plane.whose(&seen).await.unwrap().unwrap();
        assert!(plane.suspend(found, None, "abuse-report").await.unwrap());

        let held = plane.store.held(plane.holder(ada.id)).await.unwrap();
        assert!(held.iter().any(|it: &Held| it.why == HeldFor::Suspended));
        assert_eq!(plane.whose(&seen).await.unwrap(), Some(ada.id));
    }

    #[tokio::test]
    async fn whom_a_provider_has_shut_out_is_never_shown_to_it_again() {
        let world = World::new(DeviceFlow::Off).await;
        let ada = world.ada().await;
        let plane = &world.plane;
        let (now, holder) = (|| plane.clock.now(), plane.holder(ada.id));
        let providers = plane.settings.providers.clone();
        let (shut, other) = (&providers[0], &providers[1]);
        let seen = plane.pseudonym(ada.id, shut, epoch_at(now()));

        let found = plane.shut_out(&seen, None, "provider-ban").await.unwrap();
        let held = plane.store.held(holder).await.unwrap();
        plane.reinstate(ada.id, None).await.unwrap();
        let told = plane.store.notices(0, 100).await.unwrap();
        let after = plane.pseudonyms(ada.id, holder, now()).await.unwrap();
        world.later(EPOCH_DAYS * 86_400).await;
        let later = plane.pseudonyms(ada.id, holder, now()).await.unwrap();

        assert_eq!(found, Some(ada.id));
        let why = |name: &Name| held.iter().find(|it| it.provider == *name).map(|it| it.why);
        assert_eq!(why(shut), Some(HeldFor::Deactivated));
        assert_eq!(why(other), Some(HeldFor::Suspended));
        let lifted = |it: &bauta_token::notice::Numbered| matches!(&it.notice, bauta_token::notice::Notice::Lifted { pseudonym } if *pseudonym == seen);
        assert!(!told.notices.iter().any(lifted), "it is served again");
        for shown in [after, later] {
            assert!(!shown.contains_key(shut), "a fresh pseudonym was given out");
            assert!(
                shown.contains_key(other),
                "the other provider is no party to it"
            );
        }
        assert_eq!(
            plane.erase(ada.id, None).await.unwrap(),
            crate::member::Erased::Held
        );
    }
}

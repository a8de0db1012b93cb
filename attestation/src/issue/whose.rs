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
        let now = self.clock.now();
        let mut after = None;
        loop {
            let rows = self.store.members(after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(None);
            };
            after = Some(last.member);
            for row in &rows {
                if self.has_been(row, pseudonym, now).await? {
                    return Ok(Some(row.member));
                }
            }
        }
    }

    async fn has_been(
        &self,
        row: &MemberRow,
        pseudonym: &Pseudonym,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let is = |provider: &Name, epoch| self.pseudonym(row.member, provider, epoch) == *pseudonym;
        // A held one may be of a provider that the configuration no longer names.
        let held = self.store.held(self.holder(row.member)).await?;
        if held.iter().any(|held| is(&held.provider, held.epoch)) {
            return Ok(true);
        }
        let providers = &self.settings.providers;
        Ok(epochs(row.joined, now).any(|epoch| providers.iter().any(|it| is(it, epoch))))
    }
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
}

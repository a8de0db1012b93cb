use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bauta_audit::note::Signer;
use bauta_token::{notice::Notice, units::UnixMillis};

use super::*;
use crate::{
    kit::{MockClock, Told, grant, manifest},
    ports::memory::{Failing, Memory},
};

#[tokio::test]
async fn nothing_is_fresh_before_the_first_page_and_all_is_after() {
    let kit = Kit::new().await;
    assert!(!kit.fresh());

    kit.follower.follow().await.unwrap();

    assert!(kit.fresh());
    assert!(kit.follower.views().current().manifest().is_some());
}

#[tokio::test]
async fn a_view_is_stale_five_seconds_after_the_last_good_page() {
    let kit = Kit::new().await;
    kit.follower.follow().await.unwrap();

    kit.clock.advance(5_000);
    assert!(kit.fresh());
    kit.clock.advance(1);

    assert!(!kit.fresh());
    kit.follower.follow().await.unwrap();
    assert!(kit.fresh());
}

#[tokio::test]
async fn clk_01_a_clock_set_back_makes_the_view_stale_until_the_next_page() {
    let kit = Kit::new().await;
    kit.follower.follow().await.unwrap();

    kit.clock.advance(-3_600_000);

    assert!(!kit.fresh());
    let floored = kit.follower.views().floored(kit.clock.now());
    assert_eq!(floored, crate::kit::START.plus_seconds(-10));
}

#[tokio::test]
async fn a_page_that_is_replayed_renews_nothing() {
    let kit = Kit::new().await;
    kit.follower.follow().await.unwrap();
    kit.feed.give(vec![kit.told.sign(&kit.told.page(0))]);

    kit.clock.advance(5_001);
    kit.follower.follow().await.unwrap();

    assert!(!kit.fresh());
}

#[tokio::test]
async fn a_long_feed_is_read_page_by_page_until_nothing_is_missing() {
    let kit = Kit::new().await;
    for n in 0..10 {
        kit.told.say(revoked(&n.to_string()));
    }

    let followed = kit.follower.follow().await.unwrap();

    assert_eq!((followed.seq, followed.news), (10, 10));
}

#[tokio::test]
async fn clk_02_a_page_with_a_gap_is_refused_whole() {
    let kit = Kit::new().await;
    kit.told.say(revoked("a"));
    kit.told.say(revoked("b"));
    kit.told.say(revoked("c"));
    let whole = kit.told.page(0);
    let mut missing_first = whole.clone();
    missing_first.notices.remove(0);
    let mut missing_middle = whole.clone();
    missing_middle.notices.remove(1);
    let mut beyond = whole.clone();
    beyond.last = 2;
    let mut elsewhere = whole.clone();
    elsewhere.after = 1;
    let mut empty = whole.clone();
    empty.notices.clear();
    let mut behind = whole;
    behind.last = 0;

    for page in [
        missing_first,
        missing_middle,
        beyond,
        elsewhere,
        empty,
        behind,
    ] {
        kit.feed.give(vec![kit.told.sign(&page)]);

        let refused = kit.follower.follow().await;

        assert!(matches!(refused, Err(FollowError::Gap)), "{page:?}");
        assert!(!kit.fresh());
    }
}

#[tokio::test]
async fn a_page_older_than_the_last_one_is_refused() {
    let kit = Kit::new().await;
    kit.follower.follow().await.unwrap();
    let mut page = kit.told.page(0);
    page.at = UnixMillis(page.at.0 - 1);
    kit.feed.give(vec![kit.told.sign(&page)]);

    assert!(matches!(
        kit.follower.follow().await,
        Err(FollowError::Older)
    ));
}

#[tokio::test]
async fn a_page_that_another_key_signed_is_refused() {
    let kit = Kit::new().await;
    let other = Signer::new("id.test/identity", &[66; 32]).unwrap();
    let text = serde_json::to_string(&kit.told.page(0)).unwrap();
    let good = kit.told.signer().sign(&text);
    let bad = good.replace("\"last\":0", "\"last\":9");

    for note in [other.sign(&text), text, bad, String::new()] {
        kit.feed.give(vec![note]);

        assert!(matches!(
            kit.follower.follow().await,
            Err(FollowError::Note(_))
        ));
        assert!(!kit.fresh());
    }
}

#[tokio::test]
async fn a_manifest_without_its_proof_is_refused_every_time() {
    let kit = Kit::new().await;
    let mut page = kit.told.page(0);
    page.manifest = Some(manifest().leaf().unwrap());

    for _ in 0..2 {
        kit.feed.give(vec![kit.told.sign(&page)]);
        let refused = kit.follower.follow().await;
        assert!(matches!(refused, Err(FollowError::Manifest(_))));
    }
    assert!(kit.follower.views().current().manifest().is_none());
}

#[tokio::test]
async fn a_manifest_never_follows_a_younger_one() {
    let kit = Kit::new().await;
    kit.clock.advance(10);
    kit.told.publish(|_| {});
    kit.follower.follow().await.unwrap();
    let mut page = kit.told.page(0);
    page.manifest = Some(kit.told.proved(&manifest()));

    for _ in 0..2 {
        kit.feed.give(vec![kit.told.sign(&page)]);
        let refused = kit.follower.follow().await;
        assert!(matches!(refused, Err(FollowError::OldManifest)));
    }
}

#[tokio::test]
async fn a_new_proof_of_the_same_manifest_is_no_news() {
    let kit = Kit::new().await;
    kit.follower.follow().await.unwrap();
    let (before, epoch) = (kit.generation(), kit.follower.views().epoch());
    let mut page = kit.told.page(0);
    let proved = page.manifest.unwrap();
    // The same leaf and checkpoint, cosigned since.
    page.manifest = Some(format!("{proved}\u{2014} witness.test AAAAAAAA\n"));
    page.at = UnixMillis(page.at.0 + 1);
    kit.feed.give(vec![kit.told.sign(&page)]);

    kit.follower.follow().await.unwrap();

    assert_eq!(
        (kit.generation(), kit.follower.views().epoch()),
        (before, epoch)
    );
}

#[tokio::test]
async fn what_was_heard_is_in_force_again_after_a_restart() {
    let kit = Kit::new().await;
    kit.told.say(Notice::Suspended { pseudonym: grant() });
    kit.follower.follow().await.unwrap();

    let again = kit.open().await;

    let view = again.views().current();
    assert!(view.taken(&crate::kit::claims()).is_some());
    assert!(view.manifest().is_some());
    assert!(!again.views().is_fresh(kit.clock.now()));
    again.follow().await.unwrap();
    assert!(again.views().is_fresh(kit.clock.now()));
}

#[tokio::test]
async fn what_could_not_be_stored_is_in_force_and_stored_with_the_next_page() {
    let kit = Kit::new().await;
    kit.told.say(Notice::Suspended { pseudonym: grant() });
    kit.book.fail(Some(Failing::Before));

    let failed = kit.follower.follow().await;

    assert!(matches!(failed, Err(FollowError::Store(_))));
    assert!(kit.fresh());
    assert!(
        kit.follower
            .views()
            .current()
            .taken(&crate::kit::claims())
            .is_some()
    );
    kit.book.fail(None);
    kit.clock.advance(1);
    kit.follower.follow().await.unwrap();
    let heard = kit.book.heard(kit.clock.now()).await.unwrap();
    assert_eq!((heard.seq, heard.notices.len()), (1, 1));
}

#[tokio::test]
async fn a_quiet_feed_is_not_written_to_disk_every_second() {
    let kit = Kit::new().await;
    kit.follower.follow().await.unwrap();
    let stored = kit.book.heard(kit.clock.now()).await.unwrap().page_at;
    for _ in 0..59 {
        kit.clock.advance(1_000);
        kit.follower.follow().await.unwrap();
    }
    assert_eq!(
        kit.book.heard(kit.clock.now()).await.unwrap().page_at,
        stored
    );

    kit.clock.advance(1_000);
    kit.follower.follow().await.unwrap();

    assert_eq!(
        kit.book.heard(kit.clock.now()).await.unwrap().page_at,
        kit.clock.now()
    );
}

#[tokio::test]
async fn a_policy_that_was_removed_closes_what_it_gates() {
    let kit = Kit::new().await;
    let policy = crate::kit::name("frontier-gate");
    kit.told.say(Notice::GateRemoved {
        policy: policy.clone(),
    });
    kit.follower.follow().await.unwrap();
    let asks = || {
        kit.follower
            .views()
            .current()
            .asks(&policy, kit.clock.now())
    };
    assert_eq!(asks(), Asks::Unknown);

    // Until a later manifest lists it again.
    kit.clock.advance(1);
    kit.told.publish(|_| {});
    kit.follower.follow().await.unwrap();

    assert!(matches!(asks(), Asks::For(_)));
}

struct Kit {
    clock: Arc<MockClock>,
    told: Arc<Told>,
    feed: Arc<Given>,
    book: Arc<Memory>,
    follower: Follower,
}

impl Kit {
    async fn new() -> Self {
        let clock = MockClock::new();
        let told = Told::new(Arc::clone(&clock), manifest());
        let feed = Arc::new(Given {
            told: Arc::clone(&told),
            given: Mutex::default(),
        });
        let book = Arc::new(Memory::default());
        let follower = open(&feed, &book, &told, &clock).await;
        Self {
            clock,
            told,
            feed,
            book,
            follower,
        }
    }

    async fn open(&self) -> Follower {
        open(&self.feed, &self.book, &self.told, &self.clock).await
    }

    fn fresh(&self) -> bool {
        self.follower.views().is_fresh(self.clock.now())
    }

    fn generation(&self) -> u64 {
        self.follower.views().current().generation()
    }
}

async fn open(
    feed: &Arc<Given>,
    book: &Arc<Memory>,
    told: &Arc<Told>,
    clock: &Arc<MockClock>,
) -> Follower {
    let (feed, book) = (Arc::clone(feed) as _, Arc::clone(book) as _);
    Follower::open(feed, book, told.verifier(), Arc::clone(clock) as _)
        .await
        .unwrap()
}

/// Gives what it was given, then what there is.
struct Given {
    told: Arc<Told>,
    given: Mutex<Vec<String>>,
}

impl Given {
    fn give(&self, notes: Vec<String>) {
        *self.given.lock().unwrap() = notes;
    }
}

#[async_trait]
impl Feed for Given {
    async fn pull(&self, after: u64) -> Result<String, FeedError> {
        let given = self.given.lock().unwrap().pop();
        match given {
            Some(note) => Ok(note),
            None => self.told.pull(after).await,
        }
    }
}

fn revoked(token: &str) -> Notice {
    Notice::Revoked {
        token: token.to_owned(),
        until: UnixMillis(i64::MAX),
    }
}

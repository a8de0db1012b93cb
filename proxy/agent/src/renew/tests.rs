use std::sync::atomic::{AtomicI64, Ordering};

use bauta_token::{
    ambient::Randomness,
    secret::{Plain, RefreshToken},
};
use tempfile::TempDir;

use super::*;
use crate::{
    fake::Fake,
    grant::tests::{Counted, name, sign_in},
    keep::FileKeep,
};

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

/// Somebody signed in at second 1, for an hour.
struct World {
    fake: Fake,
    keep: FileKeep,
    clock: Hand,
    randomness: Counted,
    _home: TempDir,
}

impl World {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let world = Self {
            fake: Fake::start().await,
            keep: FileKeep::new(home.path().join("bauta")),
            clock: Hand(AtomicI64::new(1_000)),
            randomness: Counted::default(),
            _home: home,
        };
        let mut sign_in = sign_in(&["frontier"]);
        sign_in.issuer = world.fake.origin();
        world.held().write(&sign_in).unwrap();
        // Never the same as what was kept first.
        world.randomness.fill(&mut [0; 1]);
        world
    }

    fn held(&self) -> Box<dyn Held> {
        self.keep.try_hold().unwrap().unwrap()
    }

    fn at(&self, seconds: i64) -> &Self {
        let now = UnixMillis::from_seconds(seconds);
        self.clock.0.store(now.0, Ordering::SeqCst);
        self
    }

    async fn token(&self, purpose: Purpose) -> Result<String, TokenError> {
        let current = current(&self.keep, None, purpose, &self.clock).await?;
        Ok(current.access.reveal().to_owned())
    }

    fn gives(&self, access: &str) -> String {
        self.fake.answers(200, self.fake.metadata());
        self.gives_tokens(access)
    }

    fn gives_tokens(&self, access: &str) -> String {
        let refresh = Plain::<RefreshToken>::generate(&self.randomness);
        let refresh = refresh.reveal().to_owned();
        self.fake.answers(
            200,
            format!(
                "{{\"access_token\":\"{access}\",\"token_type\":\"Bearer\",\"expires_in\":3600,\
                 \"refresh_token\":\"{refresh}\",\"scope\":\"frontier\"}}"
            ),
        );
        refresh
    }

    fn refuses(&self, status: u16, code: &str) {
        self.fake.answers(200, self.fake.metadata());
        self.fake
            .answers(status, format!("{{\"error\":\"{code}\"}}"));
    }

    fn kept_refresh(&self) -> Option<String> {
        let kept = self.held().read().unwrap()?;
        let grant = kept.grants.get(&name("frontier"))?;
        Some(grant.refresh.reveal().to_owned())
    }
}

#[tokio::test]
async fn a_token_is_given_from_what_is_kept_until_its_last_fifth() {
    let world = World::new().await;
    for seconds in [10, 1_000, 2_880] {
        let token = world.at(seconds).token(Purpose::Asking).await.unwrap();
        assert_eq!(token, "bauta_access-frontier", "at {seconds}");
    }
    assert_eq!(world.fake.requests().len(), 0);

    let next = world.gives("bauta_new");
    let token = world.at(2_890).token(Purpose::Asking).await.unwrap();

    assert_eq!(token, "bauta_new");
    assert_eq!(world.kept_refresh(), Some(next));
}

#[tokio::test]
async fn who_comes_back_at_once_was_refused_and_the_server_is_asked() {
    let world = World::new().await;
    world.at(1_000).token(Purpose::Asking).await.unwrap();
    world.gives("bauta_new");

    let back = world.at(1_020).token(Purpose::Asking).await.unwrap();
    let again = world.at(1_040).token(Purpose::Asking).await.unwrap();

    assert_eq!((&*back, &*again), ("bauta_new", "bauta_new"));
    assert_eq!(world.fake.requests().len(), 2, "metadata and one refresh");
}

#[tokio::test]
async fn a_program_that_keeps_its_token_gets_a_whole_life() {
    let world = World::new().await;
    world.gives("bauta_new");

    let token = world.at(600).token(Purpose::Keeping).await.unwrap();

    assert_eq!(token, "bauta_new");
}

#[tokio::test]
async fn a_refresh_token_is_spent_once_and_repeated_only_when_the_answer_was_lost() {
    let world = World::new().await;
    let first = world.kept_refresh().unwrap();
    world.fake.answers(200, world.fake.metadata());
    world.fake.hangs_up();
    let second = world.gives_tokens("bauta_new");

    let token = world.at(3_590).token(Purpose::Asking).await.unwrap();

    assert_eq!(token, "bauta_new");
    let asked = world.fake.requests();
    let spent: Vec<_> = asked.iter().filter(|r| r.contains(&first)).collect();
    assert_eq!(spent.len(), 2, "the same question, to the letter");
    assert_eq!(spent[0], spent[1]);
    assert_eq!(world.kept_refresh(), Some(second));
}

#[tokio::test]
async fn who_is_refused_gets_no_token_though_one_is_left_and_is_signed_in_no_more() {
    let world = World::new().await;
    world.at(1_000).token(Purpose::Asking).await.unwrap();
    world.refuses(401, "invalid_grant");

    let refused = world.at(1_010).token(Purpose::Asking).await.err().unwrap();
    let after = world.token(Purpose::Asking).await.err().unwrap();

    assert!(matches!(refused, TokenError::Refused(Refusal::Grant)));
    assert!(matches!(after, TokenError::NotSignedIn));
}

#[tokio::test]
async fn a_server_that_is_away_costs_nothing_while_a_token_is_left() {
    let world = World::new().await;
    let refresh = world.kept_refresh();

    let left = world.at(3_500).token(Purpose::Asking).await.unwrap();
    world.fake.leads_to("https://hotel.example/welcome");
    let hotel = world.at(3_550).token(Purpose::Asking).await.unwrap();
    let over = world.at(3_600).token(Purpose::Asking).await.err().unwrap();
    world.refuses(503, "temporarily_unavailable");
    let busy = world.at(3_600).token(Purpose::Asking).await.err().unwrap();

    assert_eq!((&*left, &*hotel), ("bauta_access-frontier", &*left));
    assert!(matches!(over, TokenError::Call(CallError::Unreachable(_))));
    assert!(matches!(busy, TokenError::Call(CallError::Busy)));
    assert_eq!(world.kept_refresh(), refresh, "nothing is forgotten");
}

#[tokio::test]
async fn nothing_is_spent_when_what_comes_could_not_be_kept() {
    let world = World::new().await;
    let folder = std::path::PathBuf::from(world.keep.place());
    std::fs::create_dir(folder.with_file_name("sign-in.json.new")).unwrap();

    let refused = world.at(3_590).token(Purpose::Asking).await.err().unwrap();

    assert!(matches!(refused, TokenError::Keep(KeepError::Io { .. })));
    assert_eq!(world.fake.requests().len(), 0);
}

#[tokio::test]
async fn two_who_ask_at_once_renew_once() {
    let world = World::new().await;
    world.gives("bauta_new");
    world.at(3_590);

    let (one, two) = tokio::join!(world.token(Purpose::Asking), world.token(Purpose::Asking));

    assert_eq!((&*one.unwrap(), &*two.unwrap()), ("bauta_new", "bauta_new"));
    assert_eq!(world.fake.requests().len(), 2, "metadata and one refresh");
}

#[tokio::test]
async fn a_scope_that_nobody_signed_in_for_has_no_token() {
    let world = World::new().await;
    let other = name("local");

    let refused = current(&world.keep, Some(&other), Purpose::Asking, &world.clock).await;

    assert!(matches!(refused.err().unwrap(), TokenError::NoScope(scope) if scope == other));
}

use std::sync::Arc;

use bauta_token::{claims::Claims, scope::Privacy, units::UnixMillis};
use http::Request;

use super::*;
use crate::{
    admit,
    follow::Follower,
    kit::{self, MockClock, Told, manifest, token},
    ports::memory::Memory,
};

pub(crate) fn claims() -> Claims {
    kit::claims()
}

#[tokio::test]
async fn a_good_token_is_a_pass_with_or_without_its_prefix() {
    let kit = Kit::new().await;
    let token = token(|_| {});

    for shown in [token.as_str(), token.strip_prefix("bauta_").unwrap()] {
        let pass = kit.redeem(shown).unwrap();

        assert_eq!(*pass.grant(), kit::grant());
        assert!(matches!(
            pass.opens(&kit::name("frontier-gate")),
            Opens::By(_)
        ));
        assert_eq!(pass.opens(&kit::name("other-gate")), Opens::Not);
        assert_eq!(pass.opens(&kit::name("unheard-of")), Opens::Not);
    }
}

#[tokio::test]
async fn jwt_25_a_token_that_begins_like_a_good_one_is_none() {
    let kit = Kit::new().await;
    let good = token(|_| {});
    kit.redeem(&good).unwrap();
    let at = good.len() - 10;
    let other = if &good[at..=at] == "A" { "B" } else { "A" };
    let twin = format!("{}{other}{}", &good[..at], &good[at + 1..]);
    let longer = format!("{good}A");

    for bad in [twin, longer, good[..good.len() - 1].to_owned()] {
        assert!(matches!(kit.redeem(&bad), Err(RedeemError::Token(_))));
    }
}

#[tokio::test]
async fn a_token_that_is_known_expires_all_the_same() {
    let kit = Kit::new().await;
    let token = token(|claims| claims.exp = kit::START.seconds() + 60);
    kit.redeem(&token).unwrap();

    kit.clock.advance(70_000);
    kit.follower.follow().await.unwrap();

    assert!(matches!(kit.redeem(&token), Err(RedeemError::Expired)));
}

#[tokio::test]
async fn p11_a_clock_set_back_brings_no_expired_token_to_life() {
    let kit = Kit::new().await;
    let token = token(|claims| claims.exp = kit::START.seconds() + 60);
    kit.redeem(&token).unwrap();
    kit.clock.advance(3_600_000);
    kit.follower.follow().await.unwrap();
    let page_at = kit.clock.now();

    // Back to when it was good; the identity plane's clock is not set back with ours.
    kit.clock.advance(-3_600_000);
    kit.follower
        .views()
        .renewed_for_tests(kit.clock.now(), page_at);

    assert!(matches!(kit.redeem(&token), Err(RedeemError::Expired)));
}

#[tokio::test]
async fn cry_02_a_key_that_leaves_the_manifest_takes_its_known_tokens_with_it() {
    let kit = Kit::new().await;
    let token = token(|_| {});
    kit.redeem(&token).unwrap();

    kit.clock.advance(1);
    kit.told.publish(|manifest| manifest.keys.clear());
    kit.follower.follow().await.unwrap();

    assert!(matches!(kit.redeem(&token), Err(RedeemError::Token(_))));
}

#[tokio::test]
async fn a_scope_that_is_gone_or_anonymous_is_not_opened_by_a_sealed_token() {
    let kit = Kit::new().await;
    let token = token(|_| {});
    kit.clock.advance(1);
    kit.told
        .publish(|manifest| manifest.scopes[0].privacy = Privacy::Anonymous);
    kit.follower.follow().await.unwrap();
    assert!(matches!(kit.redeem(&token), Err(RedeemError::Scope)));

    kit.clock.advance(1);
    kit.told.publish(|manifest| manifest.scopes.clear());
    kit.follower.follow().await.unwrap();

    assert!(matches!(kit.redeem(&token), Err(RedeemError::Scope)));
}

#[tokio::test]
async fn a_flood_of_bad_tokens_does_not_shut_out_who_is_known() {
    let kit = Kit::new().await;
    let good = token(|_| {});
    kit.redeem(&good).unwrap();
    let mut refused = 0;
    for n in 0..2_100 {
        if matches!(
            kit.redeem(&format!("bauta_a.b.{n}")),
            Err(RedeemError::Busy)
        ) {
            refused += 1;
        }
    }

    assert_eq!(refused, 100);
    assert!(kit.redeem(&good).is_ok());
    kit.clock.advance(1_000);
    assert!(matches!(
        kit.redeem("bauta_a.b.c"),
        Err(RedeemError::Token(_))
    ));
}

#[tokio::test]
async fn nobody_passes_while_the_view_is_stale() {
    let kit = Kit::new().await;
    let token = token(|_| {});
    kit.redeem(&token).unwrap();

    kit.clock.advance(5_001);

    let refused = kit.redeem(&token).err().unwrap();
    assert!(matches!(refused, RedeemError::Stale));
    assert_eq!(refused.public().0.as_u16(), 503);
    assert_eq!(refused.retry_after_s(), Some(2));
}

#[test]
fn a_forged_an_expired_and_an_unknown_token_look_alike() {
    let told = [
        RedeemError::Expired.public(),
        RedeemError::Token(JwsError::Signature).public(),
        RedeemError::Token(JwsError::UnknownKey).public(),
    ];

    assert!(told.windows(2).all(|two| two[0] == two[1]));
}

struct Kit {
    clock: Arc<MockClock>,
    told: Arc<Told>,
    follower: Follower,
    redeemer: Redeemer,
}

impl Kit {
    async fn new() -> Self {
        let clock = MockClock::new();
        let told = Told::new(Arc::clone(&clock), manifest());
        let book = Arc::new(Memory::default());
        let (feed, dial) = (Arc::clone(&told), Arc::clone(&clock));
        let follower = Follower::open(feed, book, told.verifier(), dial)
            .await
            .unwrap();
        follower.follow().await.unwrap();
        let views = Arc::clone(follower.views());
        let redeemer = Redeemer::new(views, Arc::clone(&clock) as Arc<dyn Clock>, 90 * 86_400);
        Self {
            clock,
            told,
            follower,
            redeemer,
        }
    }

    fn redeem(&self, token: &str) -> Result<Pass, RedeemError> {
        let request = Request::get("/v1/models").header("authorization", format!("Bearer {token}"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let head = admit::admit(&parts, &admit::Limits::default()).unwrap();
        self.redeemer.redeem(&head.split().0)
    }
}

impl Views {
    /// As if a page had been signed at `page_at` and pulled now.
    fn renewed_for_tests(&self, now: UnixMillis, page_at: UnixMillis) {
        self.renew(now, page_at);
    }
}

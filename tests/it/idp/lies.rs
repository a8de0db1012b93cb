//! A provider that lies signs nobody in.

use bauta::dev::member::Member;
use bauta_sandbox::idp::{Lie, LogoutLie};
use bauta_tests::{Backend, World};

use super::{between, is_signed_in, sessions};

/// What happens to somebody whose provider lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// Nobody is signed in.
    Refused,
    /// Signed in, with nothing opened.
    WithoutRights,
    /// Signed in as who she is, with her own groups: what is left unsaid was no lie.
    SignedIn,
}

const LIES: [(Lie, End); 32] = [
    (Lie::WrongNonce, End::Refused),
    (Lie::NoNonce, End::Refused),
    (Lie::WrongIssuer, End::Refused),
    (Lie::IssuerSlash, End::Refused),
    (Lie::WrongAudience, End::Refused),
    (Lie::TwoAudiences, End::Refused),
    (Lie::Expired, End::Refused),
    (Lie::NoExpiry, End::Refused),
    (Lie::FromTheFuture, End::Refused),
    (Lie::NotYetValid, End::Refused),
    (Lie::AlgNone, End::Refused),
    (Lie::AlgHs256, End::Refused),
    (Lie::OtherKeySameKid, End::Refused),
    (Lie::UnknownKid, End::Refused),
    (Lie::BrokenSignature, End::Refused),
    (Lie::WrongType, End::Refused),
    (Lie::Critical, End::Refused),
    (Lie::NoSubject, End::Refused),
    (Lie::TwoSubjects, End::Refused),
    (Lie::GroupsAsText, End::Refused),
    (Lie::GroupsElsewhere, End::Refused),
    // Not said in the token, they are asked of userinfo, which says them.
    (Lie::NoGroups, End::SignedIn),
    (Lie::WrongAccessHash, End::Refused),
    // Bauta asks for no `max_age`: how long a sign-in lasts there is the organisation's matter.
    (Lie::StaleSignIn, End::SignedIn),
    (Lie::NoIssParameter, End::Refused),
    (Lie::OtherIssParameter, End::Refused),
    (Lie::OtherState, End::Refused),
    (Lie::NoState, End::Refused),
    (Lie::DiscoveryOtherIssuer, End::Refused),
    (Lie::DiscoverySlash, End::Refused),
    (Lie::DiscoveryKeysElsewhere, End::Refused),
    (Lie::UserinfoOtherSubject, End::Refused),
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_by_a_lie_of_the_provider() {
    // The document is read once and kept: each lie in it needs a Bauta that has not read it.
    let mut world = World::new(Backend::Sqlite).await;
    let mut wrong = Vec::new();
    for (lie, expected) in LIES {
        let in_discovery = format!("{lie:?}").starts_with("Discovery");
        if in_discovery {
            world.end().await;
            world = World::new(Backend::Sqlite).await;
        }
        let mut ada = world.member("Ada");
        let before = sessions(&world).await;
        let idp = &world.stage.scene.sandbox.idp;
        if lie == Lie::UserinfoOtherSubject {
            // It is asked only when the token names no groups.
            idp.lie(Lie::NoGroups);
        }
        idp.lie(lie);

        let (end, said) = sign_in(&world, &mut ada).await;

        println!(
            "{:<24} {:<14} {said}",
            format!("{lie:?}"),
            format!("{end:?}")
        );
        if end != expected {
            wrong.push((lie, end));
        }
        if end == End::Refused {
            assert_eq!(sessions(&world).await, before, "{lie:?} left a session");
        }
        // The same browser signs in as soon as the provider is honest: the lie was the reason.
        let (honest, said) = sign_in(&world, &mut ada).await;
        assert_eq!(honest, End::SignedIn, "after {lie:?}: {said}");
        // A key that is not known is looked up once a minute.
        world.hands.advance_seconds(61);
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    world.end().await;
}

async fn sign_in(world: &World, ada: &mut Member<'_>) -> (End, String) {
    let said = match ada.sign_in().await {
        Ok(page) => page.status.to_string(),
        Err(error) => {
            let said = format!("{error:#}");
            let code = between(&said, "\"code\":\"", "\"").map(str::to_owned);
            code.unwrap_or(said)
        }
    };
    if !is_signed_in(ada).await {
        return (End::Refused, said);
    }
    let home = format!("{}/", world.stage.scene.url);
    let home = ada.browser.open(&home).await.unwrap();
    if home.body.contains("frontier") {
        (End::SignedIn, said)
    } else {
        (End::WithoutRights, said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_out_by_a_lie_of_the_provider() {
    let world = World::new(Backend::Sqlite).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let idp = &world.stage.scene.sandbox.idp;
    let lies = [
        LogoutLie::WithNonce,
        LogoutLie::NoEvents,
        LogoutLie::WrongType,
        LogoutLie::WrongAudience,
        LogoutLie::WrongIssuer,
        LogoutLie::Expired,
        LogoutLie::Nobody,
        LogoutLie::NoId,
        LogoutLie::AlgNone,
        LogoutLie::OtherKeySameKid,
    ];
    for lie in lies {
        let token = idp.logout_token("bauta", "Ada", None, lie).unwrap();

        let status = idp.send_logout("bauta", &token).await.unwrap();

        println!("{:<24} {status}", format!("{lie:?}"));
        assert_eq!(status, 400, "{lie:?}");
        assert!(is_signed_in(&mut ada).await, "{lie:?}");
    }
    let honest = idp.logout_token("bauta", "Ada", None, LogoutLie::Honest);
    let honest = honest.unwrap();
    assert_eq!(idp.send_logout("bauta", &honest).await.unwrap(), 200);
    assert!(!is_signed_in(&mut ada).await);
    // Said twice, it ends nothing that came after it.
    ada.sign_in().await.unwrap();
    assert_eq!(idp.send_logout("bauta", &honest).await.unwrap(), 200);
    assert!(is_signed_in(&mut ada).await, "a replay signed her out");
    world.end().await;
}

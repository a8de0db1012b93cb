use super::*;

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let sandbox = known(Options::default());

    let used = code(&sandbox.idp, "Ada").await;
    assert_eq!(exchange(&sandbox.idp, &used, &[]).await.status, 200);
    assert_eq!(
        exchange(&sandbox.idp, &used, &[]).await.json()["error"],
        "invalid_grant"
    );

    let old = code(&sandbox.idp, "Ada").await;
    sandbox.clock.advance(Duration::from_secs(61));
    assert_eq!(
        exchange(&sandbox.idp, &old, &[]).await.json()["error"],
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_code_is_bound_to_its_request() {
    let sandbox = known(Options::default());
    sandbox
        .idp
        .register(Client::new("other", "0ther", CALLBACK));

    for (change, error) in [
        (
            &[(
                "code_verifier",
                "another-verifier-of-forty-three-characters-x",
            )][..],
            "invalid_grant",
        ),
        (&[("code_verifier", "short")], "invalid_grant"),
        (&[("code_verifier", "")], "invalid_grant"),
        (
            &[("redirect_uri", "http://127.0.0.1:8080/callback/")],
            "invalid_grant",
        ),
        (
            &[("client_id", "other"), ("client_secret", "0ther")],
            "invalid_grant",
        ),
        (&[("client_secret", "wrong")], "invalid_client"),
        (&[("client_secret", "")], "invalid_client"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
    ] {
        let code = code(&sandbox.idp, "Ada").await;
        let refused = exchange(&sandbox.idp, &code, change).await;

        assert_eq!(refused.json()["error"], error, "{change:?}");
    }
}

#[tokio::test]
async fn a_client_authenticates_in_one_way_only() {
    let sandbox = known(Options::default());
    let basic = format!("Basic {}", STANDARD.encode("bauta:s3cret"));
    let url = format!("{}/token", sandbox.idp.url());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", basic.as_str()),
    ];

    for (secret, status) in [(None, 200), (Some("s3cret"), 400)] {
        let code = code(&sandbox.idp, "Ada").await;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        form.extend(secret.map(|secret| ("client_secret", secret)));
        let answered = call("POST", &url, &headers, &query(&form)).await;

        assert_eq!(answered.status.as_u16(), status);
    }
}

#[tokio::test]
async fn names_and_addresses_are_told_only_when_leaky() {
    for leaky in [false, true] {
        let sandbox = known(Options {
            leaky,
            ..Options::default()
        });

        let token = id_token(&sandbox.idp, "Ada").await;
        let claims = read(&sandbox.idp, &token, "JWT").await.unwrap().to_string();
        let planted = sandbox.idp.canaries();
        let told = planted
            .iter()
            .filter(|canary| canary.field != "sub" && claims.contains(&canary.value))
            .count();

        assert_eq!(claims.contains("canary-mail.example"), leaky);
        assert_eq!(told, if leaky { 7 } else { 0 });
    }
}

#[tokio::test]
async fn every_lie_is_one_that_a_strict_reader_catches_and_is_told_once() {
    for (lie, caught) in [
        (Lie::WrongNonce, "nonce"),
        (Lie::NoNonce, "nonce"),
        (Lie::WrongIssuer, "addressee"),
        (Lie::IssuerSlash, "addressee"),
        (Lie::WrongAudience, "addressee"),
        (Lie::TwoAudiences, "addressee"),
        (Lie::Expired, "time"),
        (Lie::NoExpiry, "time"),
        (Lie::FromTheFuture, "time"),
        (Lie::NotYetValid, "time"),
        (Lie::AlgNone, "kid"),
        (Lie::AlgHs256, "alg"),
        (Lie::OtherKeySameKid, "signature"),
        (Lie::UnknownKid, "kid"),
        (Lie::BrokenSignature, "signature"),
        (Lie::WrongType, "header"),
        (Lie::Critical, "header"),
        (Lie::NoSubject, "sub"),
        (Lie::TwoSubjects, "twice"),
        (Lie::GroupsAsText, "groups"),
        (Lie::GroupsElsewhere, "groups"),
        (Lie::NoGroups, "groups"),
        (Lie::WrongAccessHash, "at_hash"),
        (Lie::StaleSignIn, "auth_time"),
    ] {
        let sandbox = known(Options::default());
        sandbox.idp.lie(lie);

        assert_eq!(sign_in(&sandbox.idp).await.unwrap_err(), caught, "{lie:?}");
        assert!(
            sign_in(&sandbox.idp).await.is_ok(),
            "{lie:?} was told twice"
        );
    }
}

#[tokio::test]
async fn an_old_key_is_good_until_it_is_retired() {
    for alg in [Alg::Rs256, Alg::EdDsa] {
        let sandbox = known(Options {
            alg,
            ..Options::default()
        });
        let old = id_token(&sandbox.idp, "Ada").await;

        sandbox.idp.rotate().unwrap();
        let new = id_token(&sandbox.idp, "Ada").await;
        assert!(read(&sandbox.idp, &old, "JWT").await.is_ok());
        assert!(read(&sandbox.idp, &new, "JWT").await.is_ok());

        sandbox.idp.retire();
        assert_eq!(read(&sandbox.idp, &old, "JWT").await.unwrap_err(), "kid");
        assert!(read(&sandbox.idp, &new, "JWT").await.is_ok());
    }
}

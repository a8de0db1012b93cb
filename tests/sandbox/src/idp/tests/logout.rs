use super::*;

#[tokio::test]
async fn signing_out_tells_the_applications() {
    let sandbox = known(Options::default());
    let mut tasks = JoinSet::new();
    let receiver = inbox(&mut tasks);
    let mut client = Client::new("bauta", "s3cret", CALLBACK);
    client.backchannel_logout_uri = Some(format!("{}/logout/backchannel", receiver.url()));
    sandbox.idp.register(client);
    id_token(&sandbox.idp, "Ada").await;
    let sid = sandbox.idp.sessions("Ada").remove(0);

    let statuses = sandbox.idp.sign_out("Ada").await.unwrap();

    let form = receiver.requests()[0].form().unwrap();
    let claims = read(&sandbox.idp, &form["logout_token"], "logout+jwt")
        .await
        .unwrap();
    assert_eq!(statuses, [200]);
    assert_eq!(claims["sid"], sid);
    assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert!(claims.get("nonce").is_none());
    assert!(sandbox.idp.sessions("Ada").is_empty());
}

#[tokio::test]
async fn logout_tokens_can_lie_too() {
    let sandbox = known(Options::default());
    let made = |lie| sandbox.idp.logout_token("bauta", "Ada", None, lie).unwrap();

    for (lie, caught) in [
        (LogoutLie::WrongType, "header"),
        (LogoutLie::WrongAudience, "addressee"),
        (LogoutLie::WrongIssuer, "addressee"),
        (LogoutLie::Expired, "time"),
        (LogoutLie::AlgNone, "kid"),
        (LogoutLie::OtherKeySameKid, "signature"),
    ] {
        assert_eq!(
            read(&sandbox.idp, &made(lie), "logout+jwt")
                .await
                .unwrap_err(),
            caught,
            "{lie:?}"
        );
    }
    for (lie, name, there) in [
        (LogoutLie::WithNonce, "nonce", true),
        (LogoutLie::NoEvents, "events", false),
        (LogoutLie::Nobody, "sub", false),
        (LogoutLie::NoId, "jti", false),
        (LogoutLie::Honest, "jti", true),
    ] {
        let claims = read(&sandbox.idp, &made(lie), "logout+jwt").await.unwrap();
        assert_eq!(claims.get(name).is_some(), there, "{lie:?}");
    }
}

#[tokio::test]
async fn after_signing_out_one_is_sent_on_only_to_a_registered_address() {
    let sandbox = known(Options::default());
    let mut client = Client::new("bauta", "s3cret", CALLBACK);
    client.post_logout_redirect_uris = vec!["http://127.0.0.1:8080/".to_owned()];
    sandbox.idp.register(client);
    let token = id_token(&sandbox.idp, "Ada").await;

    for (onward, status) in [
        ("http://127.0.0.1:8080/", 303),
        ("http://evil.example/", 200),
    ] {
        let asked = [
            ("id_token_hint", token.as_str()),
            ("post_logout_redirect_uri", onward),
            ("state", "s"),
        ];
        let url = format!("{}/end-session?{}", sandbox.idp.url(), query(&asked));
        let left = call("GET", &url, &[], "").await;

        assert_eq!(left.status.as_u16(), status, "{onward}");
    }
    assert!(sandbox.idp.sessions("Ada").is_empty());
}

//! Tokens of an identity provider.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    idp::{Idp, kid},
    *,
};

#[test]
fn every_algorithm_verifies_under_its_own_name_only() {
    let (idp, rule) = (Idp::new(), rule(Purpose::IdToken));
    let keys = idp.keys();

    for alg in Alg::ALL {
        let token = idp.sign(&header(alg), &payload(), alg);
        let read: Read = verify_foreign(&token, &keys, &rule, now()).unwrap();
        assert_eq!(read.sub, "u1", "{alg}");
        for other in Alg::ALL.into_iter().filter(|other| *other != alg) {
            // The header of one over the signature of another, with the key of either.
            let renamed = header(alg).replace(kid(alg), kid(other));
            for header in [header(alg), renamed] {
                let token = idp.sign(&header, &payload(), other);
                let outcome = verify_foreign::<Read>(&token, &keys, &rule, now());
                assert!(outcome.is_err(), "{alg} by {other}");
            }
        }
    }
}

#[test]
fn only_configured_algorithms_are_taken() {
    let idp = Idp::new();
    let mut rule = rule(Purpose::IdToken);
    rule.algs = vec![Alg::ES256];

    for alg in Alg::ALL {
        let token = idp.sign(&header(alg), &payload(), alg);
        let outcome = verify_foreign::<Read>(&token, &idp.keys(), &rule, now()).map(drop);
        let expected = if alg == Alg::ES256 {
            Ok(())
        } else {
            Err(JwsError::Alg)
        };
        assert_eq!(outcome, expected, "{alg}");
    }
}

#[test]
fn jwt_01_no_name_of_none_is_an_algorithm() {
    for alg in [
        "none", "nOnE", "NONE", "none ", "", "HS256", "HS384", "HS512", "es256", "ES256K", "ES512",
        "Ed25519",
    ] {
        let header = format!(r#"{{"alg":"{alg}","kid":"p256"}}"#);
        assert_eq!(refused_header(&header), JwsError::Alg, "{alg}");
    }
    let unsigned = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(payload()));
    let outcome = verify_foreign::<Read>(
        &unsigned,
        &Idp::new().keys(),
        &rule(Purpose::IdToken),
        now(),
    );
    assert_eq!(outcome.map(drop), Err(JwsError::Parts));
}

#[test]
fn jwt_09_any_crit_is_refused() {
    for crit in [
        r#"["x"]"#,
        "[]",
        r#"["exp"]"#,
        r#"["b64"]"#,
        "null",
        r#""x""#,
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"p256","crit":{crit}}}"#);
        assert_eq!(refused_header(&header), JwsError::Extension, "{crit}");
    }
}

#[test]
fn jwt_10_a_header_that_brings_a_key_or_an_encoding_is_refused() {
    let members = [
        r#""b64":false"#,
        r#""b64":true"#,
        r#""jku":"https://idp.example/jwks""#,
        r#""x5u":"https://idp.example""#,
        r#""jwk":{}"#,
        r#""x5c":[]"#,
        r#""cty":"JWT""#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""\u0063rit":[]"#,
    ];
    for member in members {
        let header = format!(r#"{{"alg":"ES256","kid":"p256",{member}}}"#);
        assert_eq!(refused_header(&header), JwsError::Extension, "{member}");
    }
    // Entra names its certificate; that asks for nothing.
    let header = r#"{"alg":"ES256","kid":"p256","typ":"JWT","x5t":"AA"}"#;
    assert_eq!(outcome(header, &payload()).map(drop), Ok(()));
}

#[test]
fn jwt_11_a_token_ends_ten_seconds_after_its_expiry() {
    let idp = Idp::new();
    let token = idp.sign(&header(Alg::ES256), &payload(), Alg::ES256);

    for (after, taken) in [(0, true), (9, true), (10, false), (11, false), (30, false)] {
        let outcome = verify_foreign::<Read>(
            &token,
            &idp.keys(),
            &rule(Purpose::IdToken),
            at(300 + after),
        );
        assert_eq!(outcome.is_ok(), taken, "{after} s");
    }
}

#[test]
fn jwt_12_a_token_that_is_not_valid_yet_is_refused() {
    for (nbf, fault) in [
        (json!(MADE + 30 + 10), None),
        (json!(MADE + 30 + 11), Some(JwsError::Claim("nbf"))),
        (json!(MADE + 3600), Some(JwsError::Claim("nbf"))),
        (json!(MADE.to_string()), Some(JwsError::Claim("registered"))),
        (json!(null), Some(JwsError::Claim("registered"))),
        (json!([MADE]), Some(JwsError::Shape)),
    ] {
        assert_eq!(with("nbf", nbf.clone()).err(), fault, "{nbf}");
    }
}

#[test]
fn jwt_13_a_token_from_the_future_or_the_past_is_refused() {
    let made = |seconds: i64| {
        let mut claims = claims();
        claims["iat"] = json!(MADE + 30 + seconds);
        claims["exp"] = json!(MADE + 30 + seconds + 1200);
        outcome(&header(Alg::ES256), &claims.to_string()).map(drop)
    };

    for seconds in [10, 0, -300, -610] {
        assert_eq!(made(seconds), Ok(()), "{seconds} s");
    }
    for seconds in [11, 60, 31_536_000, -611, -1000] {
        assert_eq!(made(seconds), Err(JwsError::Claim("iat")), "{seconds} s");
    }
}

#[test]
fn jwt_14_an_expiry_is_a_date_and_not_too_far() {
    for exp in [
        json!(null),
        json!("never"),
        json!("1795169100"),
        json!(-1),
        json!(u64::MAX),
        json!(1e18),
        json!([]),
        json!(true),
    ] {
        let fault = with("exp", exp.clone()).map(drop).unwrap_err();
        assert!(
            matches!(fault, JwsError::Claim("registered" | "exp")),
            "{exp}: {fault}"
        );
    }
    for exp in ["1e400", "NaN"] {
        let payload = payload().replace("1795169100", exp);
        assert_eq!(
            outcome(&header(Alg::ES256), &payload).map(drop),
            Err(JwsError::Payload(strict::Fault::Syntax))
        );
    }
    assert_eq!(with("exp", json!(MADE + 604_800)).map(drop), Ok(()));
    assert_eq!(
        with("exp", json!(MADE + 604_801)).map(drop),
        Err(JwsError::Claim("exp"))
    );
    assert_eq!(without("exp"), Err(JwsError::Claim("exp")));
    assert_eq!(without("iat"), Err(JwsError::Claim("registered")));
}

/// Some identity providers write dates with a fraction.
#[test]
fn a_date_may_have_a_fraction() {
    let payload = payload()
        .replace("1795169100", "1795169100.423546")
        .replace("1795168800", "1795168800.9");
    assert_eq!(outcome(&header(Alg::ES256), &payload).map(drop), Ok(()));
}

#[test]
fn jwt_15_a_token_for_several_says_for_whom_it_was_made() {
    let cases = [
        (json!("us"), None, true),
        (json!(["us"]), None, true),
        (json!("us"), Some(json!("us")), true),
        (json!(["us", "them"]), Some(json!("us")), true),
        (json!(["us", "them"]), None, false),
        (json!(["us", "them"]), Some(json!("them")), false),
        (json!("us"), Some(json!("them")), false),
        (json!("us"), Some(json!(null)), false),
        (json!("us"), Some(json!(["us"])), false),
        (json!("them"), Some(json!("us")), false),
        (json!(["them"]), Some(json!("us")), false),
        (json!(["us", 1]), Some(json!("us")), false),
        (json!(["us", null]), Some(json!("us")), false),
        (json!(["us", "us"]), None, false),
        (json!([]), None, false),
        (json!([["us"]]), None, false),
        (json!("US"), None, false),
        (json!("us "), None, false),
        (json!(42), None, false),
        (json!(null), None, false),
        (json!({"us": 1}), None, false),
    ];
    for (aud, azp, taken) in cases {
        let mut claims = claims();
        claims["aud"] = aud.clone();
        if let Some(azp) = azp.clone() {
            claims["azp"] = azp;
        }
        let outcome = outcome(&header(Alg::ES256), &claims.to_string());
        assert_eq!(outcome.is_ok(), taken, "{aud} {azp:?}");
    }
    assert_eq!(without("aud"), Err(JwsError::Claim("aud")));
}

#[test]
fn jwt_16_the_issuer_is_the_configured_one_to_the_byte() {
    let others = [
        json!("https://idp.example/"),
        json!("https://IDP.example"),
        json!("http://idp.example"),
        json!("https://іdp.example"),
        json!("https://idp.example/other-tenant"),
        json!("https://idp.example\n"),
        json!(["https://idp.example"]),
        json!(["https://evil.example", "https://idp.example"]),
        json!(1),
        json!(null),
        json!(""),
    ];
    for iss in others {
        let fault = with("iss", iss.clone()).map(drop).unwrap_err();
        assert!(
            matches!(fault, JwsError::Claim("iss" | "registered")),
            "{iss}: {fault}"
        );
    }
    assert_eq!(without("iss"), Err(JwsError::Claim("iss")));
}

#[test]
fn jwt_17_a_claim_that_stands_twice_is_refused_even_one_we_do_not_read() {
    for claim in [
        r#""sub":"u2""#,
        r#""groups":["a"],"groups":["b"]"#,
        r#""tid":"a","\u0074id":"b""#,
        r#""x":{"y":[{"z":1,"z":2}]}"#,
    ] {
        let payload = payload().replacen('{', &format!("{{{claim},"), 1);
        let outcome = outcome(&header(Alg::ES256), &payload).map(drop);
        assert_eq!(
            outcome,
            Err(JwsError::Payload(strict::Fault::Twice)),
            "{claim}"
        );
    }
}

#[test]
fn jwt_18_no_token_serves_two_purposes() {
    let idp = Idp::new();
    let verify = |typ: Option<&str>, claims: &Value, purpose| {
        let header = typ.map_or_else(
            || header(Alg::ES256),
            |typ| format!(r#"{{"alg":"ES256","kid":"p256","typ":"{typ}"}}"#),
        );
        let token = idp.sign(&header, &claims.to_string(), Alg::ES256);
        verify_foreign::<Value>(&token, &idp.keys(), &rule(purpose), now()).map(drop)
    };
    let id = claims();
    let mut logout = claims();
    logout["events"] = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    logout["jti"] = json!("j");
    let mut workload = claims();
    workload.as_object_mut().unwrap().remove("nonce");
    let purposes = [Purpose::IdToken, Purpose::Logout, Purpose::Workload];

    for purpose in purposes {
        for typ in [
            "at+jwt",
            "",
            "JWS",
            "application/jwt",
            "dpop+jwt",
            "client-authentication+jwt",
        ] {
            assert_eq!(verify(Some(typ), &id, purpose), Err(JwsError::Typ), "{typ}");
        }
    }
    for typ in [None, Some("JWT"), Some("jwt")] {
        assert_eq!(verify(typ, &id, Purpose::IdToken), Ok(()));
        assert_eq!(verify(typ, &id, Purpose::Logout), Err(JwsError::Typ));
        assert_eq!(
            verify(typ, &id, Purpose::Workload),
            Err(JwsError::Claim("nonce"))
        );
        assert_eq!(verify(typ, &workload, Purpose::Workload), Ok(()));
        assert_eq!(
            verify(typ, &logout, Purpose::IdToken),
            Err(JwsError::Claim("events"))
        );
        assert_eq!(
            verify(typ, &logout, Purpose::Workload),
            Err(JwsError::Claim("events"))
        );
    }
    let typ = Some("logout+jwt");
    assert_eq!(
        verify(typ, &logout, Purpose::Logout),
        Err(JwsError::Claim("nonce"))
    );
    logout.as_object_mut().unwrap().remove("nonce");
    assert_eq!(verify(typ, &logout, Purpose::Logout), Ok(()));
    assert_eq!(verify(typ, &logout, Purpose::IdToken), Err(JwsError::Typ));
    assert_eq!(
        verify(typ, &id, Purpose::Logout),
        Err(JwsError::Claim("events"))
    );
    logout.as_object_mut().unwrap().remove("sub");
    assert_eq!(
        verify(typ, &logout, Purpose::Logout),
        Err(JwsError::Claim("sub"))
    );
    logout["sid"] = json!("s");
    assert_eq!(verify(typ, &logout, Purpose::Logout), Ok(()));
}

#[test]
fn jwt_18_a_token_of_ours_is_no_sign_in() {
    let ours_too =
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": encoded(ours().public())}]});
    let keys = Jwks::parse(ours_too.to_string().as_bytes()).unwrap();
    let token = sign_access(&access::claims(), &ours()).unwrap();
    let rule = ForeignRule::new(
        Purpose::IdToken,
        "https://id.bauta.example",
        "https://bauta.example",
        Alg::ALL,
    );

    assert_eq!(
        verify_foreign::<Value>(&token, &keys, &rule, now()),
        Err(JwsError::Typ)
    );
}

#[test]
fn jwt_19_a_member_of_200_groups_signs_in_and_a_flood_does_not() {
    let groups = |n: usize| {
        let all: Vec<_> = (0..n)
            .map(|n| format!("00000000-0000-0000-0000-{n:012}"))
            .collect();
        with("groups", json!(all)).map(drop)
    };
    let many: Vec<_> = (0..1100).collect();

    assert_eq!(groups(200), Ok(()));
    assert_eq!(groups(400), Err(JwsError::Length));
    assert_eq!(
        with("x", json!(many)).map(drop),
        Err(JwsError::Payload(strict::Fault::Many))
    );
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let payload = payload().replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    assert_eq!(
        outcome(&header(Alg::ES256), &payload).map(drop),
        Err(JwsError::Payload(strict::Fault::Deep))
    );
}

#[test]
fn a_key_is_found_by_its_name_or_when_it_is_the_only_one() {
    let idp = Idp::new();
    let keys = |names: &[Option<&str>]| {
        let template = idp.jwks()["keys"][1].clone();
        let other = Idp::new().jwks()["keys"][1].clone();
        let all: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let mut key = if n == 0 {
                    template.clone()
                } else {
                    other.clone()
                };
                key["kid"] = json!(name);
                key
            })
            .collect();
        Jwks::parse(json!({ "keys": all }).to_string().as_bytes()).unwrap()
    };
    let verify = |kid: Option<&str>, keys: &Jwks| {
        let header = json!({"alg": "ES256", "kid": kid});
        let mut header = header.as_object().unwrap().clone();
        header.retain(|_, value| !value.is_null());
        let token = idp.sign(&Value::Object(header).to_string(), &payload(), Alg::ES256);
        verify_foreign::<Read>(&token, keys, &rule(Purpose::IdToken), now()).map(drop)
    };

    assert_eq!(verify(Some("a"), &keys(&[Some("a"), Some("b")])), Ok(()));
    assert_eq!(
        verify(Some("b"), &keys(&[Some("a"), Some("b")])),
        Err(JwsError::Signature)
    );
    assert_eq!(
        verify(Some("c"), &keys(&[Some("a"), Some("b")])),
        Err(JwsError::UnknownKey)
    );
    assert_eq!(
        verify(Some("A"), &keys(&[Some("a")])),
        Err(JwsError::UnknownKey)
    );
    assert_eq!(verify(Some("a"), &keys(&[None])), Err(JwsError::UnknownKey));
    assert_eq!(verify(None, &keys(&[Some("a")])), Ok(()));
    assert_eq!(verify(None, &keys(&[None])), Ok(()));
    assert_eq!(
        verify(None, &keys(&[Some("a"), Some("b")])),
        Err(JwsError::AmbiguousKey)
    );
    assert_eq!(
        verify(Some(&"a".repeat(257)), &keys(&[Some("a")])),
        Err(JwsError::UnknownKey)
    );
}

#[test]
fn a_claim_the_caller_needs_must_be_of_its_type() {
    assert_eq!(with("sub", json!(1)).map(drop), Err(JwsError::Shape));
    assert_eq!(without("sub"), Err(JwsError::Claim("sub")));
}

#[derive(Debug, Deserialize, PartialEq)]
struct Read {
    sub: String,
}

fn with(name: &str, value: Value) -> Result<Read, JwsError> {
    let mut claims = claims();
    claims[name] = value;
    outcome(&header(Alg::ES256), &claims.to_string())
}

fn without(name: &str) -> Result<(), JwsError> {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    outcome(&header(Alg::ES256), &claims.to_string()).map(drop)
}

fn refused_header(header: &str) -> JwsError {
    outcome(header, &payload()).unwrap_err()
}

fn outcome(header: &str, payload: &str) -> Result<Read, JwsError> {
    let idp = Idp::new();
    let token = idp.sign(header, payload, Alg::ES256);
    verify_foreign(&token, &idp.keys(), &rule(Purpose::IdToken), now())
}

fn rule(purpose: Purpose) -> ForeignRule {
    ForeignRule::new(purpose, "https://idp.example", "us", Alg::ALL)
}

fn header(alg: Alg) -> String {
    format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, kid(alg))
}

fn payload() -> String {
    claims().to_string()
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.example", "aud": "us", "sub": "u1", "nonce": "n",
        "iat": MADE, "exp": MADE + 300,
    })
}

#[test]
fn a_hint_is_read_within_the_limits_of_a_token_and_says_nothing_else() {
    let (idp, rule) = (Idp::new(), rule(Purpose::IdToken));
    let token = |claims: &Value| idp.sign(&header(Alg::ES256), &claims.to_string(), Alg::ES256);
    let mut for_two = claims();
    for_two["aud"] = json!(["other", rule.client_id]);

    let (one, two) = (
        Hint::read(&token(&claims())).unwrap(),
        Hint::read(&token(&for_two)).unwrap(),
    );

    assert_eq!(one.issuer(), rule.issuer);
    assert!(one.is_for(&rule.client_id) && !one.is_for("other"));
    assert!(two.is_for(&rule.client_id) && two.is_for("other"));
    assert!(!two.is_for(""));
    for (name, value) in [("iss", json!(7)), ("iss", json!(["a"])), ("aud", json!(7))] {
        let mut bad = claims();
        bad[name] = value;
        assert!(Hint::read(&token(&bad)).is_err(), "{name}");
    }
    let twice = format!(r#"{{"iss":"a","iss":"b","aud":"{}"}}"#, rule.client_id);
    for bad in [
        String::new(),
        "a.b".to_owned(),
        "x".repeat(20_000),
        idp.sign(&header(Alg::ES256), &twice, Alg::ES256),
    ] {
        assert!(Hint::read(&bad).is_err());
    }
}

//! Tokens of ours: what they claim.

use super::{
    access::{PAYLOAD, PSEUDONYM, by_hand, claims, expected, header, keys, verify},
    *,
};

#[test]
fn jwt_11_a_token_ends_ten_seconds_after_its_expiry() {
    let token = sign_access(&claims(), &ours()).unwrap();

    for (after, taken) in [
        (0, true),
        (9, true),
        (10, false),
        (11, false),
        (30, false),
        (86_400, false),
    ] {
        let outcome = verify_access(&token, &keys(), &expected(), at(3600 + after));
        assert_eq!(outcome.is_ok(), taken, "{after} s");
    }
}

#[test]
fn jwt_12_a_token_of_ours_has_no_nbf() {
    for nbf in [MADE + 11, MADE + 3600, MADE, 0] {
        refused_claims(
            r#""jti""#,
            &format!(r#""nbf":{nbf},"jti""#),
            JwsError::Shape,
        );
    }
    for nbf in [r#""1795168800""#, "null", "[]"] {
        refused_claims(
            r#""jti""#,
            &format!(r#""nbf":{nbf},"jti""#),
            JwsError::Shape,
        );
    }
}

#[test]
fn jwt_13_a_token_from_the_future_is_refused() {
    let token = |ahead: i64| {
        let payload = PAYLOAD
            .replace("1795168800", &(MADE + 30 + ahead).to_string())
            .replace("1795172400", &(MADE + 60 + ahead).to_string());
        verify(&by_hand(&header(), &payload)).map(drop)
    };

    assert_eq!(token(10), Ok(()));
    for ahead in [11, 60, 61, 3600, 31_536_000] {
        assert_eq!(token(ahead), Err(JwsError::Claim("iat")), "{ahead} s");
    }
}

#[test]
fn jwt_14_an_expiry_is_an_integer_within_the_longest_life() {
    let exp = |value: &str| {
        let payload = PAYLOAD.replace("1795172400", value);
        verify(&by_hand(&header(), &payload)).unwrap_err()
    };

    let missing = PAYLOAD.replace(r#""exp":1795172400,"#, "");
    assert!(verify(&by_hand(&header(), &missing)).is_err());
    let others = [
        "null",
        r#""never""#,
        r#""1795172400""#,
        "1e18",
        "1795172400.0",
        "1795172400.5",
        "1.7951724e9",
        "18446744073709551615",
        "9223372036854775808",
        "[1795172400]",
        "{}",
        "true",
    ];
    for value in others {
        assert_eq!(exp(value), JwsError::Shape, "{value}");
    }
    for value in [
        "1e400",
        "NaN",
        "Infinity",
        "-",
        "0x6aff",
        "+1795172400",
        "01795172400",
    ] {
        assert!(matches!(exp(value), JwsError::Payload(_)), "{value}");
    }
    for value in [
        "-1",
        "0",
        "1795168800",
        "1795172401",
        "9223372036854775807",
        "253402300800",
    ] {
        assert_eq!(exp(value), JwsError::Claim("exp"), "{value}");
    }
    let iat = |value: &str| {
        let payload = PAYLOAD.replace("1795168800", value);
        verify(&by_hand(&header(), &payload)).unwrap_err()
    };
    for value in ["null", "1795168800.0", r#""1795168800""#, "1e9"] {
        assert_eq!(iat(value), JwsError::Shape, "{value}");
    }
    for value in ["-1", "-9223372036854775808", "0"] {
        assert_eq!(iat(value), JwsError::Claim("exp"), "{value}");
    }
}

#[test]
fn jwt_15_the_audience_is_exactly_us() {
    let missing = PAYLOAD.replace(r#""aud":"https://bauta.example","#, "");
    assert!(verify(&by_hand(&header(), &missing)).is_err());
    let others = [
        "\"https://other.example\"",
        "\"\"",
        "[]",
        "[\"https://bauta.example\"]",
        "[\"https://bauta.example\",\"https://other.example\"]",
        "[\"https://other.example\"]",
        "[\"https://bauta.example\",1]",
        "[null]",
        "42",
        "null",
        "{}",
        "true",
        "\"https://bauta.example/\"",
        "\"https://BAUTA.example\"",
        "\"https://bauta.example \"",
        "\"https://bauta.example\\u0000\"",
    ];
    for aud in others {
        let payload = PAYLOAD.replace("\"https://bauta.example\"", aud);
        let fault = verify(&by_hand(&header(), &payload)).unwrap_err();
        assert!(
            matches!(fault, JwsError::Shape | JwsError::Claim("aud")),
            "{aud}: {fault}"
        );
    }
}

#[test]
fn jwt_16_the_issuer_is_ours_to_the_byte() {
    let missing = PAYLOAD.replace(r#""iss":"https://id.bauta.example","#, "");
    assert!(verify(&by_hand(&header(), &missing)).is_err());
    let others = [
        "\"https://id.bauta.example/\"",
        "\"https://ID.bauta.example\"",
        "\"HTTPS://id.bauta.example\"",
        "\"http://id.bauta.example\"",
        "\"https://id.bаuta.example\"",
        "\"https://xn--id.bauta.example\"",
        "\"https://id.bauta.example.evil.example\"",
        "\"https://id.bauta.example:443\"",
        "\"https://id.bauta.example\\n\"",
        "[\"https://id.bauta.example\"]",
        "[\"https://evil.example\",\"https://id.bauta.example\"]",
        "1",
        "null",
        "\"\"",
        "{}",
    ];
    for iss in others {
        let payload = PAYLOAD.replace("\"https://id.bauta.example\"", iss);
        let fault = verify(&by_hand(&header(), &payload)).unwrap_err();
        assert!(
            matches!(fault, JwsError::Shape | JwsError::Claim("iss")),
            "{iss}: {fault}"
        );
    }
}

#[test]
fn jwt_17_a_claim_that_stands_twice_is_refused() {
    let twice = [
        r#""sub":"x","#,
        r#""exp":4102444800,"#,
        r#""tenant":1,"tenant":2,"#,
        r#""scope":"chat","#,
        r#""\u0073cope":"chat","#,
        r#""x":{"y":1,"y":2},"#,
        r#""x":[{"y":1,"y":1}],"#,
        r#""jti":"","#,
    ];
    for claim in twice {
        let payload = PAYLOAD.replacen('{', &format!("{{{claim}"), 1);
        let fault = JwsError::Payload(strict::Fault::Twice);
        assert_eq!(verify(&by_hand(&header(), &payload)), Err(fault), "{claim}");
        let payload = PAYLOAD.replace("}}", &format!("}},{}}}", claim.trim_end_matches(',')));
        assert!(verify(&by_hand(&header(), &payload)).is_err(), "{claim}");
    }
    for member in [
        r#""alg":"EdDSA","#,
        r#""\u0061lg":"none","#,
        r#""kid":"x","#,
        r#""typ":"JWT","#,
    ] {
        let header = header().replacen('{', &format!("{{{member}"), 1);
        let fault = JwsError::Header(strict::Fault::Twice);
        assert_eq!(verify(&by_hand(&header, PAYLOAD)), Err(fault), "{member}");
    }
    let psn = PAYLOAD.replace(
        r#""psn":{"#,
        &format!(r#""psn":{{"anthropic":"{PSEUDONYM}","#),
    );
    assert_eq!(
        verify(&by_hand(&header(), &psn)),
        Err(JwsError::Payload(strict::Fault::Twice))
    );
}

#[test]
fn jwt_18_claims_of_another_purpose_are_refused() {
    for claim in [
        r#""nonce":"n""#,
        r#""at_hash":"h""#,
        r#""events":{}"#,
        r#""sid":"s""#,
        r#""azp":"a""#,
        r#""email":"a@b.example""#,
        r#""auth_time":1795168800"#,
        r#""cnf":{"jkt":"x"}"#,
        r#""act":{"sub":"x"}"#,
    ] {
        refused_claims(r#""jti""#, &format!(r#"{claim},"jti""#), JwsError::Shape);
    }
    // A client assertion says who the client is and nothing that opens anything.
    let assertion = r#"{"iss":"c","sub":"c","aud":"https://bauta.example","exp":1795172400,"iat":1795168800,"jti":"x"}"#;
    assert_eq!(verify(&by_hand(&header(), assertion)), Err(JwsError::Shape));
}

fn refused_claims(from: &str, to: &str, fault: JwsError) {
    let payload = PAYLOAD.replacen(from, to, 1);
    assert_ne!(payload, PAYLOAD);
    assert_eq!(verify(&by_hand(&header(), &payload)), Err(fault), "{to}");
}

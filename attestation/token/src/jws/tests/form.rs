//! Tokens of ours: form, header and size.

use std::time::{Duration, Instant};

use super::{
    access::{PAYLOAD, by_hand, claims, expected, header, keys, verify},
    *,
};

#[test]
fn jwt_01_a_token_without_a_signature_is_refused() {
    let payload = encoded(PAYLOAD);
    for alg in ["none", "EdDSA"] {
        let header = encoded(header().replace("EdDSA", alg));
        assert_eq!(
            verify(&format!("{header}.{payload}.")),
            Err(JwsError::Parts)
        );
        assert_eq!(verify(&format!("{header}.{payload}")), Err(JwsError::Parts));
    }
    let signed = by_hand(&header().replace("EdDSA", "none"), PAYLOAD);
    assert_eq!(verify(&signed), Err(JwsError::Alg));
}

#[test]
fn jwt_02_only_the_exact_name_of_the_algorithm_is_taken() {
    let names = [
        "nOnE",
        "NONE",
        "none ",
        " none",
        "None",
        "",
        "eddsa",
        "EDDSA",
        "EdDSA ",
        "EdDSA\\u0000",
        "Ed25519",
        "ES256",
        "RS256",
        "HS256",
        "HS512",
        "EdDSA,none",
    ];
    for name in names {
        let header = header().replace("EdDSA", name);
        assert_eq!(
            verify(&by_hand(&header, PAYLOAD)),
            Err(JwsError::Alg),
            "{name}"
        );
    }
    for value in ["null", "1", "true", "[\"EdDSA\"]", "{}"] {
        let header = header().replace("\"EdDSA\"", value);
        assert_eq!(
            verify(&by_hand(&header, PAYLOAD)),
            Err(JwsError::Extension),
            "{value}"
        );
    }
}

#[test]
fn jwt_02_a_public_key_is_no_hmac_secret() {
    let message = format!(
        "{}.{}",
        encoded(header().replace("EdDSA", "HS256")),
        encoded(PAYLOAD)
    );
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, ours().public());
    let tag = ring::hmac::sign(&secret, message.as_bytes());

    let token = format!("{message}.{}", encoded(tag.as_ref()));

    assert_eq!(verify(&token), Err(JwsError::Alg));
}

#[test]
fn jwt_09_any_crit_is_refused() {
    for crit in [
        r#"["x"]"#,
        "[]",
        r#"["exp"]"#,
        r#"["alg"]"#,
        r#"["b64"]"#,
        r#""x""#,
        "null",
        "0",
    ] {
        refused_header(&format!(r#""crit":{crit}"#));
        refused_header(&format!(r#""crit":{crit},"x":1"#));
    }
}

#[test]
fn jwt_10_an_unencoded_payload_is_refused() {
    for b64 in [
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":false,"crit":["b64"]"#,
    ] {
        refused_header(b64);
    }
}

#[test]
fn a_header_that_brings_a_key_or_an_encoding_is_refused() {
    let members = [
        r#""jku":"https://evil.example/jwks""#,
        r#""x5u":"https://evil.example/x""#,
        r#""jwk":{"kty":"OKP"}"#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"AA""#,
        r#""cty":"JWT""#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""x":1"#,
    ];
    for member in members {
        refused_header(member);
    }
}

#[test]
fn jwt_18_a_token_of_another_type_is_refused() {
    for typ in [
        "JWT",
        "jwt",
        "AT+JWT",
        "at+JWT",
        "application/at+jwt",
        "at+jwt ",
        "",
        "logout+jwt",
        "client-authentication+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
    ] {
        let header = header().replace("at+jwt", typ);
        assert_eq!(
            verify(&by_hand(&header, PAYLOAD)),
            Err(JwsError::Typ),
            "{typ}"
        );
    }
    let without = header().replace(r#""typ":"at+jwt","#, "");
    assert_eq!(
        verify(&by_hand(&without, PAYLOAD)),
        Err(JwsError::Extension)
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "a promise shows its figure")]
fn jwt_19_too_much_is_refused_before_any_signature() {
    let padded = |size: usize| {
        let token = by_hand(
            &header(),
            &PAYLOAD.replacen('{', &format!("{{{}", " ".repeat(size)), 1),
        );
        token.len()
    };
    let spaces = (0..8192).rev().find(|size| padded(*size) <= 8192).unwrap();
    let at_most = by_hand(
        &header(),
        &PAYLOAD.replacen('{', &format!("{{{}", " ".repeat(spaces)), 1),
    );
    let nested = format!(r#"{{"a":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    let many: Vec<_> = (0..600).map(|n| format!(r#""{n}":0"#)).collect();
    let many = format!("{{{}}}", many.join(","));
    let claims: Vec<_> = (0..100_000).map(|n| format!(r#""{n}":0"#)).collect();
    let cases = [
        (format!("{at_most}A"), JwsError::Length),
        ("A".repeat(8193), JwsError::Length),
        (format!("{PREFIX}{}", "A".repeat(8187)), JwsError::Length),
        ("A.".repeat(2_500_000), JwsError::Length),
        (by_hand(&" ".repeat(1_000_000), PAYLOAD), JwsError::Length),
        (
            by_hand(&header(), &format!("{{{}}}", claims.join(","))),
            JwsError::Length,
        ),
        (by_hand(&header(), &"[".repeat(10_000)), JwsError::Length),
        (
            by_hand(&header(), &nested),
            JwsError::Payload(strict::Fault::Deep),
        ),
        (
            by_hand(&nested, PAYLOAD),
            JwsError::Header(strict::Fault::Deep),
        ),
        (
            by_hand(&header(), &many),
            JwsError::Payload(strict::Fault::Many),
        ),
        (
            by_hand(&many, PAYLOAD),
            JwsError::Header(strict::Fault::Many),
        ),
        ("A".repeat(8192), JwsError::Parts),
        (".".repeat(8192), JwsError::Parts),
        (String::new(), JwsError::Length),
    ];

    assert!(
        at_most.len() <= 8192 && verify(&at_most).is_ok(),
        "{}",
        at_most.len()
    );
    let (keys, expected) = (keys(), expected());
    for (token, fault) in cases {
        let (outcome, took) = fastest(|| verify_access(&token, &keys, &expected, now()));
        println!("{fault:?}: {took:?}");
        assert_eq!(outcome, Err(fault));
        assert!(took < Duration::from_millis(1), "{fault:?} took {took:?}");
    }
}

#[test]
fn jwt_20_only_the_compact_form_is_taken() {
    let good = by_hand(&header(), PAYLOAD);
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let json = format!(r#"{{"protected":"{head}","payload":"{body}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{body}","signatures":[{{"protected":"{head}","signature":"{signature}"}}]}}"#
    );
    let mut bad = vec![
        json,
        general,
        format!("{good}="),
        format!("{good}=="),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}==.{signature}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{head}.{body}.\n{signature}"),
        format!("{head}\t.{body}.{signature}"),
        format!("{head}.{body}"),
        head.to_owned(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{good}.{body}.{signature}"),
        format!("{head}..{signature}"),
        format!(".{body}.{signature}"),
        "..".to_owned(),
        format!("\"{good}\""),
        format!("{{{good}}}"),
        format!("{head}.{{{body}.{signature}"),
        format!("{head}.{body}.\"{signature}"),
        format!("Bearer {good}"),
        format!("{good}\0"),
        format!("{head}.{body}é.{signature}"),
        format!("{head}%2E{body}.{signature}"),
    ];
    for (n, _) in good.match_indices(['-', '_']) {
        let mut other = good.clone().into_bytes();
        other[n] = if other[n] == b'-' { b'+' } else { b'/' };
        bad.push(String::from_utf8(other).unwrap());
    }
    let before = bad.len();
    bad.extend(stray_bits([head, body, signature]));
    assert_eq!(bad.len() - before, 3, "each part has bits left over");

    for token in bad {
        assert_eq!(verify(&token), Err(JwsError::Parts), "{token}");
    }
    // The prefix is base64url as well.
    for prefix in ["bauta_bauta_", "BAUTA_", "bauta", "bauta_rt_"] {
        assert!(verify(&format!("{prefix}{good}")).is_err(), "{prefix}");
    }
}

#[test]
fn jwt_25_a_token_is_all_of_its_characters() {
    let good = by_hand(&header(), PAYLOAD);
    let other = sign_access(
        &Claims {
            client_id: "bauta-ci".to_owned(),
            ..claims()
        },
        &ours(),
    )
    .unwrap();

    for same in [16, 64, good.rfind('.').unwrap(), good.len() - 2] {
        let tail: String = good[same..]
            .chars()
            .map(|c| if c == 'A' { 'B' } else { 'A' })
            .collect();
        let crossed = format!("{}{}", &good[..same], other.get(same..).unwrap_or(""));
        assert!(
            verify(&format!("{}{tail}", &good[..same])).is_err(),
            "{same}"
        );
        assert!(
            [&good, &other].contains(&&crossed) || verify(&crossed).is_err(),
            "{same}"
        );
    }
}

#[test]
fn jwt_28_a_refusal_repeats_nothing_of_the_token() {
    let sql = "x' OR 1=1; DROP TABLE grants;--";
    let good = by_hand(&header(), PAYLOAD);
    let tokens = [
        sql.to_owned(),
        format!("{good}{sql}"),
        format!("{sql}.{sql}.{sql}"),
        by_hand(&header().replace("EdDSA", sql), PAYLOAD),
        by_hand(&header().replace("at+jwt", sql), PAYLOAD),
        by_hand(&header().replace(&ours().id().to_string(), sql), PAYLOAD),
        by_hand(&header(), &PAYLOAD.replace("chat", sql)),
        by_hand(
            &header(),
            &PAYLOAD
                .replace("bauta-cli", sql)
                .replace("\"exp\":1795172400", &format!("\"exp\":\"{sql}\"")),
        ),
        by_hand(
            &header(),
            &PAYLOAD.replacen('{', &format!("{{\"{sql}\":1,"), 1),
        ),
        by_hand(&header(), &PAYLOAD.replace("https://bauta.example", sql)),
    ];
    for token in tokens {
        let fault = verify(&token).unwrap_err();
        for said in [
            fault.to_string(),
            format!("{fault:?}"),
            fault.public().to_owned(),
            fault.reason().to_owned(),
        ] {
            assert!(!said.contains("DROP"), "{said}");
        }
        assert_eq!(fault.public(), "token_refused");
    }
}

fn refused_header(member: &str) {
    let header = header().replacen('{', &format!("{{{member},"), 1);
    assert_eq!(
        verify(&by_hand(&header, PAYLOAD)),
        Err(JwsError::Extension),
        "{member}"
    );
}

/// The same three parts, each once with a bit in its last letter that no byte has.
fn stray_bits(parts: [&str; 3]) -> Vec<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stray = |part: &str| {
        let (last, place) = (part.as_bytes().last()?, part.len() - 1);
        let value = LETTERS.iter().position(|letter| letter == last)?;
        let letter = char::from(LETTERS[value | 1]);
        (!part.len().is_multiple_of(4)).then(|| format!("{}{letter}", &part[..place]))
    };
    (0..3)
        .filter_map(|n| {
            let mut changed = parts.map(str::to_owned);
            changed[n] = stray(parts[n])?;
            Some(changed.join("."))
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn fastest<T>(run: impl Fn() -> T) -> (T, Duration) {
    let timed = || {
        let begun = Instant::now();
        let outcome = run();
        (outcome, begun.elapsed())
    };
    (0..9)
        .map(|_| timed())
        .min_by_key(|(_, took)| *took)
        .unwrap()
}

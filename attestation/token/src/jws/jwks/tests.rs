use serde_json::{Value, json};

use super::*;

#[test]
fn keys_that_are_not_for_us_are_left_out() {
    let others = [
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": "AA"}),
        changed(&rsa(), "use", "enc"),
        changed(&rsa(), "alg", "RSA-OAEP"),
        changed(&rsa(), "alg", "HS256"),
        changed(&rsa(), "key_ops", json!(["encrypt", "wrapKey"])),
    ];
    for other in others {
        let set = json!({"keys": [other, ed()]});
        assert_eq!(parse(&set).map(|keys| keys.len()), Ok(1), "{set}");
    }
    assert!(parse(&json!({"keys": []})).is_ok_and(|keys| keys.is_empty()));
}

#[test]
fn cry_01_a_weak_key_refuses_the_set() {
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        changed(&rsa(), "n", URL_SAFE_NO_PAD.encode(n))
    };
    for bits in [512, 1024, 2040, 2047] {
        assert_eq!(one(&modulus(bits)), Err(JwksError::Weak), "{bits}");
    }
    for bits in [2048, 2049, 4096, 8192] {
        assert_eq!(one(&modulus(bits)), Ok(1), "{bits}");
    }
    assert_eq!(one(&modulus(8193)), Err(JwksError::Key));
    for exponent in ["AQ", "Aw", "EQ", "_w"] {
        assert_eq!(
            one(&changed(&rsa(), "e", exponent)),
            Err(JwksError::Weak),
            "{exponent}"
        );
    }
    for curve in ["P-192", "P-224"] {
        let key = json!({"kty": "EC", "crv": curve, "x": "AA", "y": "AA"});
        assert_eq!(one(&key), Err(JwksError::Weak), "{curve}");
    }
}

#[test]
fn a_private_key_refuses_the_set() {
    for key in [rsa(), ed()] {
        let leaked = changed(&key, "d", "AAAA");
        assert_eq!(one(&leaked), Err(JwksError::Private));
        assert_eq!(
            one(&changed(&leaked, "use", "enc")),
            Err(JwksError::Private)
        );
    }
}

#[test]
fn a_malformed_key_refuses_the_set() {
    let short = URL_SAFE_NO_PAD.encode([1; 31]);
    let long = URL_SAFE_NO_PAD.encode([1; 33]);
    let fits = URL_SAFE_NO_PAD.encode([1; 32]);
    let even = URL_SAFE_NO_PAD.encode([0xfe; 256]);
    let padded = URL_SAFE_NO_PAD.encode([[0].as_slice(), &[0xff; 256]].concat());
    let keys = [
        changed(&ed(), "x", short.as_str()),
        changed(&ed(), "x", long.as_str()),
        changed(&ed(), "x", format!("{fits}=")),
        changed(&ed(), "x", "!"),
        changed(&ed(), "x", json!(null)),
        changed(&ed(), "crv", json!(null)),
        changed(&ed(), "alg", "RS256"),
        changed(&rsa(), "alg", "EdDSA"),
        changed(&rsa(), "n", ""),
        changed(&rsa(), "n", even),
        changed(&rsa(), "n", padded),
        changed(&rsa(), "n", json!(null)),
        changed(&rsa(), "e", "AAEAAQ"),
        changed(&rsa(), "e", "AQABAAE"),
        changed(&rsa(), "e", "AQAC"),
        json!({"kty": "EC", "crv": "P-256", "x": fits, "y": short}),
        json!({"kty": "EC", "crv": "P-256", "x": fits}),
        json!({"kty": "EC", "crv": "P-384", "x": fits, "y": fits}),
        json!({"kty": "EC", "x": fits, "y": fits}),
    ];
    for key in keys {
        assert_eq!(one(&key), Err(JwksError::Key), "{key}");
    }
}

#[test]
fn two_keys_that_one_header_could_mean_refuse_the_set() {
    let (ed, other) = (
        changed(&ed(), "kid", "k"),
        changed(&ed(), "x", URL_SAFE_NO_PAD.encode([2; 32])),
    );
    let other = changed(&other, "kid", "k");
    let rsa = changed(&rsa(), "kid", "k");

    assert_eq!(all(&[&ed, &ed]), Err(JwksError::Twice));
    assert_eq!(all(&[&ed, &other]), Err(JwksError::Twice));
    assert_eq!(
        all(&[&rsa, &changed(&rsa, "alg", "RS256")]),
        Err(JwksError::Twice)
    );
    // One name for keys that no header could confuse.
    assert_eq!(all(&[&ed, &rsa]), Ok(2));
    let (rs, ps) = (changed(&rsa, "alg", "RS256"), changed(&rsa, "alg", "PS256"));
    assert_eq!(all(&[&rs, &ps]), Ok(2));
    assert_eq!(all(&[&ed, &changed(&other, "kid", "l")]), Ok(2));
}

#[test]
fn jwt_17_a_set_with_a_name_twice_is_refused() {
    let text = json!({"keys": [ed()]}).to_string();
    let twice = [
        text.replacen('{', r#"{"keys":[],"#, 1),
        text.replace(r#""kty""#, r#""kty":"RSA","kty""#),
        text.replace(r#""kty""#, r#""x5c":[{"a":1,"a":2}],"kty""#),
    ];
    for set in twice {
        let outcome = Jwks::parse(set.as_bytes()).map(|keys| keys.len());
        assert_eq!(outcome, Err(JwksError::Json(Fault::Twice)), "{set}");
    }
}

#[test]
fn jwt_19_a_set_has_limits() {
    let many = |n: usize| json!({"keys": vec![json!({"kty": "oct"}); n]});
    let long = format!("{}{}", json!({"keys": []}), " ".repeat(LENGTH));

    assert_eq!(parse(&many(64)).map(|keys| keys.len()), Ok(0));
    assert_eq!(
        parse(&many(65)).map(|keys| keys.len()),
        Err(JwksError::Long)
    );
    assert_eq!(
        Jwks::parse(long.as_bytes()).map(|keys| keys.len()),
        Err(JwksError::Long)
    );
    let deep = format!(
        r#"{{"keys":[],"x":{}{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    assert_eq!(
        Jwks::parse(deep.as_bytes()).map(|keys| keys.len()),
        Err(JwksError::Json(Fault::Deep))
    );
}

#[test]
fn what_is_no_set_is_refused() {
    for set in [
        json!({}),
        json!({"keys": {}}),
        json!({"keys": [1]}),
        json!({"keys": [{}]}),
        json!({"keys": [{"kty": 1}]}),
    ] {
        assert_eq!(
            parse(&set).map(|keys| keys.len()),
            Err(JwksError::Shape),
            "{set}"
        );
    }
    for text in ["", "[]", "null", "<html>"] {
        assert!(
            matches!(Jwks::parse(text.as_bytes()), Err(JwksError::Json(_))),
            "{text}"
        );
    }
}

#[test]
fn the_newer_name_of_an_algorithm_is_the_older() {
    let keys = parse(&json!({"keys": [changed(&ed(), "alg", "Ed25519")]})).unwrap();

    assert!(keys.find(None, Alg::EdDSA).is_ok());
}

fn one(key: &Value) -> Result<usize, JwksError> {
    all(&[key])
}

fn all(keys: &[&Value]) -> Result<usize, JwksError> {
    parse(&json!({ "keys": keys })).map(|keys| keys.len())
}

fn parse(set: &Value) -> Result<Jwks, JwksError> {
    Jwks::parse(set.to_string().as_bytes())
}

fn changed(key: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut key = key.clone();
    key[name] = value.into();
    key
}

fn rsa() -> Value {
    json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"})
}

fn ed() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32])})
}

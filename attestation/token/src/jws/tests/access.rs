//! Tokens of ours: keys and round trips, and what the other tests of them share.

use std::collections::BTreeMap;

use super::*;

use crate::{
    pseudonym::Pseudonym,
    scope::{Gate, Name},
};

#[test]
fn what_is_signed_verifies_with_and_without_its_prefix() {
    let token = sign_access(&claims(), &ours()).unwrap();

    assert_eq!(verify(&token), Ok(claims()));
    assert_eq!(verify(&format!("{PREFIX}{token}")), Ok(claims()));
    // A scanner knows it by this form.
    assert_eq!(token.rsplit('.').next().unwrap().len(), 86);
}

#[test]
fn the_good_token_of_these_tests_is_good() {
    assert_eq!(verify(&by_hand(&header(), PAYLOAD)), Ok(claims()));
}

#[test]
fn cry_02_a_key_is_taken_in_its_time_only() {
    let token = sign_access(&claims(), &ours()).unwrap();
    let window = |begins: i64, ends: i64| {
        let keys = [IssuerKey::new(ours().public(), at(begins), at(ends))];
        verify_access(&token, &keys, &expected(), now()).map(drop)
    };

    assert_eq!(window(0, 3600), Ok(()));
    assert_eq!(
        window(40, 3600),
        Ok(()),
        "our clock may be ten seconds behind"
    );
    assert_eq!(window(41, 3600), Err(JwsError::KeyWindow));
    assert_eq!(window(0, 31), Ok(()));
    assert_eq!(window(0, 30), Err(JwsError::KeyWindow));
}

#[test]
fn cry_02_both_keys_are_taken_while_they_overlap() {
    let both = [key_of(&ours()), key_of(&stranger())];
    for signer in [ours(), stranger()] {
        let token = sign_access(&claims(), &signer).unwrap();
        assert!(verify_access(&token, &both, &expected(), now()).is_ok());
    }
    let token = sign_access(&claims(), &ours()).unwrap();
    let without = verify_access(&token, &both[1..], &expected(), now());
    assert_eq!(without, Err(JwsError::UnknownKey));
}

#[test]
fn a_key_is_the_one_its_id_names() {
    let token = sign_access(&claims(), &ours()).unwrap();
    let mut relabelled = key_of(&stranger());
    relabelled.kid = ours().id();

    let verify = |keys: &[IssuerKey]| verify_access(&token, keys, &expected(), now()).unwrap_err();

    assert_eq!(verify(&[]), JwsError::UnknownKey);
    assert_eq!(verify(&[relabelled]), JwsError::UnknownKey);
    assert_eq!(
        verify(&[key_of(&ours()), key_of(&ours())]),
        JwsError::AmbiguousKey
    );
    // The name of our key over the signature of another.
    let forged = signed(&header(), PAYLOAD, &stranger());
    assert_eq!(
        verify_access(&forged, &keys(), &expected(), now()),
        Err(JwsError::Signature)
    );
}

#[test]
fn what_would_be_refused_is_not_signed() {
    let sign = |change: &dyn Fn(&mut Claims)| {
        let mut changed = claims();
        change(&mut changed);
        sign_access(&changed, &ours()).map(drop)
    };

    assert_eq!(sign(&|_| ()), Ok(()));
    assert_eq!(
        sign(&|c| c.iat += 1),
        Err(JwsError::Claim("iat")),
        "the second tells a sign-in"
    );
    assert_eq!(sign(&|c| c.exp = c.iat), Err(JwsError::Claim("exp")));
    assert_eq!(
        sign(&|c| c.jti = "short".to_owned()),
        Err(JwsError::Claim("jti"))
    );
    assert_eq!(
        sign(&|c| c.jti = "A".repeat(21) + "B"),
        Err(JwsError::Claim("jti"))
    );
}

pub(super) fn verify(token: &str) -> Result<Claims, JwsError> {
    verify_access(token, &keys(), &expected(), now())
}

pub(super) fn by_hand(header: &str, payload: &str) -> String {
    signed(header, payload, &ours())
}

pub(super) fn header() -> String {
    format!(
        r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}"}}"#,
        ours().id()
    )
}

pub(super) fn keys() -> Vec<IssuerKey> {
    vec![key_of(&stranger()), key_of(&ours())]
}

pub(super) fn key_of(key: &SigningKey) -> IssuerKey {
    IssuerKey::new(key.public(), at(-86_400), at(86_400))
}

pub(super) fn expected() -> Expected {
    Expected {
        issuer: "https://id.bauta.example".to_owned(),
        audience: "https://bauta.example".to_owned(),
        max_life_seconds: 3600,
    }
}

pub(super) fn claims() -> Claims {
    let pseudonym = Pseudonym::parse(PSEUDONYM).unwrap();
    Claims {
        iss: "https://id.bauta.example".to_owned(),
        aud: "https://bauta.example".to_owned(),
        exp: MADE + 3600,
        iat: MADE,
        jti: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        sub: pseudonym.clone(),
        end: pseudonym.clone(),
        scope: Name::parse("chat").unwrap(),
        psn: BTreeMap::from([(Name::parse("anthropic").unwrap(), pseudonym)]),
        gates: vec![Gate::parse("adult@1").unwrap()],
        client_id: "bauta-cli".to_owned(),
    }
}

pub(super) const PSEUDONYM: &str = "bp1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// [`claims`] as JSON.
pub(super) const PAYLOAD: &str = concat!(
    r#"{"iss":"https://id.bauta.example","aud":"https://bauta.example","exp":1795172400,"#,
    r#""iat":1795168800,"jti":"AAAAAAAAAAAAAAAAAAAAAA","#,
    r#""sub":"bp1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","scope":"chat","#,
    r#""end":"bp1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","#,
    r#""gates":["adult@1"],"client_id":"bauta-cli","#,
    r#""psn":{"anthropic":"bp1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}"#,
);

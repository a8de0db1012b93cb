use serde_json::{Value, json};

use super::*;
use crate::{
    config::{DeviceFlow, PersonaConfig, PolicyConfig, ScopeRule, Sso, VerifierConfig},
    issue::world::settings,
};

/// Why the settings are refused after `change`.
fn refused(change: impl FnOnce(&mut Settings)) -> Option<String> {
    let mut settings = settings(DeviceFlow::Off);
    change(&mut settings);
    settings.check().err().map(|error| error.to_string())
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn what_would_be_unsafe_is_refused_by_its_key() {
    assert_eq!(refused(|_| {}), None);
    for bad in [
        "http://ai.example.com",
        "https://ai.example.com/path",
        "https://u@ai.example.com",
        "ftp://x",
    ] {
        let error = refused(|settings| settings.public_url = url(bad)).unwrap();
        assert!(error.starts_with("server.public_url: "), "{error}");
    }
    for bad in [
        "http://idp.example.com",
        "https://idp.example.com?x",
        "idp",
        "",
    ] {
        let error = refused(|settings| bad.clone_into(&mut settings.sso.issuer)).unwrap();
        assert!(error.starts_with("sso.issuer: "), "{error}");
    }
    for bad in [
        &["groups"][..],
        &["openid", "email"],
        &["openid", "profile"],
    ] {
        let scopes = bad.iter().map(|scope| (*scope).to_owned()).collect();
        let error = refused(|settings| settings.sso.scopes = scopes).unwrap();
        assert!(error.starts_with("sso.scopes: "), "{error}");
    }
    for bad in [
        "idp.example.com:443",
        "Idp.example.com",
        "idp.example.com/x",
        "169.254.169.254",
        "a b",
    ] {
        let error = refused(|settings| settings.sso.hosts = vec![bad.to_owned()]).unwrap();
        assert!(error.starts_with("sso.hosts: "), "{bad}: {error}");
    }
}

#[test]
fn a_scope_or_policy_that_cannot_work_is_refused() {
    type Change = fn(&mut ScopeRule);
    let changes: [Change; 4] = [
        |rule| rule.token_ttl = crate::config::Span::seconds(3_601),
        |rule| rule.token_ttl = crate::config::Span::seconds(0),
        |rule| rule.models.clear(),
        |rule| rule.max_label_ttl = Some(crate::config::Span::seconds(60)),
    ];
    for change in changes {
        let error = refused(|settings| change(&mut settings.scopes[0])).unwrap();
        assert!(error.starts_with("scope frontier: "), "{error}");
    }
    let twice = refused(|settings| settings.scopes.push(settings.scopes[0].clone()));
    assert!(twice.unwrap().contains("two of this name"));
    for policy in [
        json!({ "version": "1", "requires": [] }),
        json!({ "version": "1", "requires": ["person_verified"], "nationality": {} }),
    ] {
        let policy: PolicyConfig = serde_json::from_value(policy).unwrap();
        let name = bauta_token::scope::Name::parse("gate").unwrap();
        let error = refused(|settings| drop(settings.policies.insert(name, policy)));
        assert!(error.unwrap().starts_with("policy.gate: "));
    }
}

#[test]
fn sections_read_as_the_reference_writes_them() {
    let sso: Sso<Value> = serde_json::from_value(json!({
        "issuer": "https://idp.example.com", "client_id": "bauta",
        "client_secret": { "env": "BAUTA_SSO_SECRET" },
        "roles": { "admin": ["ai-platform"], "officer": ["compliance"] },
    }))
    .unwrap();
    assert_eq!(
        (sso.scopes.join(" ").as_str(), sso.subject_claim.as_str()),
        ("openid groups", "sub")
    );
    let verifier: VerifierConfig<Value> = serde_json::from_value(json!({
        "kind": "persona", "template": "itmpl_X", "redact_after": "24h",
        "api_key": { "env": "A" }, "webhook_secret": { "env": "B" },
        "api_base": "https://api.withpersona.com/api/v1",
    }))
    .unwrap();
    let VerifierConfig::Persona(PersonaConfig {
        valid_for,
        api_base,
        ..
    }) = &verifier
    else {
        panic!("another kind");
    };
    assert_eq!(valid_for.as_seconds(), 365 * 86_400);
    let place = api_base.join(&["inquiries", "../accounts", "a/b?c#d"]);
    assert_eq!(
        place.as_str(),
        "https://api.withpersona.com/api/v1/inquiries/..%2Faccounts/a%2Fb%3Fc%23d"
    );
    for bad in [
        json!({ "kind": "persona", "template": "x", "api_key": 1, "webhook_secret": 1, "api_base": "http://evil.example" }),
        json!({ "kind": "persona", "template": "x", "api_key": 1, "webhook_secret": 1, "extra": 1 }),
        json!({ "kind": "nobody" }),
    ] {
        assert!(
            serde_json::from_value::<VerifierConfig<Value>>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}

use serde_json::json;

use super::*;
use crate::{config::DeviceFlow, issue::world::settings};

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn rule(change: &Value) -> WorkloadRule {
    let mut rule = json!({
        "issuer": GITHUB, "audience": "https://ai.example.com",
        "claims": { "repository_owner_id": "1234", "environment": "ci" },
        "scope": "frontier", "sponsor": MemberId([7; 16]).to_string(),
    });
    for (name, value) in change.as_object().unwrap() {
        rule[name] = value.clone();
    }
    serde_json::from_value(rule).unwrap()
}

/// Why a rule is refused after `change`.
fn refused(change: &Value) -> Option<String> {
    let mut settings = settings(DeviceFlow::Off);
    settings.workloads = vec![rule(change)];
    settings.check().err().map(|error| error.to_string())
}

#[test]
fn a_rule_is_read_as_the_reference_writes_it() {
    let read = rule(&json!({}));

    assert_eq!(read.ttl.as_seconds(), 900, "fifteen minutes when left out");
    assert_eq!(read.claims["environment"], Condition::Is("ci".to_owned()));
    assert_eq!(refused(&json!({})), None);
    let nested = json!({
        "issuer": "https://oidc.cluster.example", "claims": { "kubernetes.io": {
            "namespace": "ci", "serviceaccount": { "name": ["builder", "tester"] } } },
    });
    assert_eq!(refused(&nested), None);
    for bad in [json!(1234), json!(true), json!([1]), json!(null)] {
        let read = serde_json::from_value::<Condition>(bad.clone());
        let error = read.unwrap_err().to_string();
        let told = error.contains("a text in quotes") || error.contains("a string");
        assert!(told, "{bad}: {error}");
    }
}

#[test]
fn a_rule_that_lets_in_everybodys_builds_is_refused() {
    for claims in [
        json!({}),
        json!({ "environment": "ci" }),
        json!({ "ref": "refs/heads/main", "workflow": "build" }),
        // What can be renamed and taken by somebody else.
        json!({ "repository": "corp/app" }),
        json!({ "repository_owner": "corp" }),
        json!({ "sub": "repo:corp/app:ref:refs/heads/main" }),
    ] {
        let why = refused(&json!({ "claims": claims })).unwrap();
        assert!(why.starts_with("workload 1: claims lets in"), "{why}");
        assert!(why.contains("repository_owner_id"), "{why}");
    }
    for issuer in ["https://gitlab.com", "https://ci.corp.example"] {
        let why = refused(&json!({ "issuer": issuer, "claims": { "ref": "main" } })).unwrap();
        assert!(why.contains("claims"), "{why}");
    }
    let own = json!({ "issuer": "https://ci.corp.example", "claims": { "sub": "job-7" } });
    assert_eq!(refused(&own), None);
}

#[test]
fn what_would_not_work_or_not_hold_is_refused_by_its_key() {
    for (change, key) in [
        (json!({ "issuer": "http://ci.example" }), "issuer"),
        (json!({ "issuer": "https://ci.example?x" }), "issuer"),
        (json!({ "audience": "" }), "audience"),
        (json!({ "audience": "a b" }), "audience"),
        (json!({ "audience": GITHUB }), "audience"),
        (json!({ "audience": "https://github.com/corp" }), "audience"),
        (json!({ "hosts": ["ci.example:443"] }), "hosts"),
        (
            json!({ "claims": { "repository_id": "" } }),
            "claims.repository_id",
        ),
        (
            json!({ "claims": { "repository_id": [] } }),
            "claims.repository_id",
        ),
        (
            json!({ "claims": { "repository_id": {} } }),
            "claims.repository_id",
        ),
        (
            json!({ "claims": { "repository_id": "12*" } }),
            "claims.repository_id",
        ),
        (json!({ "scope": "nowhere" }), "no [[scope]]"),
        (json!({ "scope": "masked" }), "anonymous"),
        (json!({ "ttl": "4m" }), "ttl"),
        (json!({ "ttl": "16m" }), "ttl"),
    ] {
        let why = refused(&change).unwrap();
        assert!(why.starts_with("workload 1: "), "{why}");
        assert!(why.contains(key), "{change}: {why}");
    }
}

#[test]
fn the_keys_of_an_issuer_are_in_one_place() {
    let mut settings = settings(DeviceFlow::Off);
    let mut second = rule(&json!({}));
    second.hosts = vec!["keys.example".to_owned()];
    settings.workloads = vec![rule(&json!({})), second];
    let why = settings.check().unwrap_err().to_string();
    assert!(why.starts_with("workload 2: hosts and keys_file"), "{why}");

    for keys in [
        "",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
    ] {
        settings.workloads.truncate(1);
        settings.workloads[0].keys = Some(keys.into());
        let why = settings.check().unwrap_err().to_string();
        assert!(why.starts_with("workload 1: keys_file"), "{keys}: {why}");
    }
}

#[test]
fn the_tokens_that_people_sign_in_with_are_no_builds() {
    let mut settings = settings(DeviceFlow::Off);
    settings.workloads = vec![rule(&json!({
        "issuer": settings.sso.issuer, "audience": settings.sso.client_id,
        "claims": { "sub": "u1" },
    }))];

    let why = settings.check().unwrap_err().to_string();

    assert!(why.contains("sso.client_id"), "{why}");
}

#[test]
fn a_condition_is_compared_as_it_is_written() {
    let is = |condition: Value, claim: Value| {
        let condition: Condition = serde_json::from_value(condition).unwrap();
        condition.holds(Some(&claim))
    };

    assert!(is(json!("1234"), json!("1234")));
    assert!(is(json!(["a", "b"]), json!("b")));
    assert!(is(json!({ "a": "1" }), json!({ "a": "1", "b": 2 })));
    for (condition, claim) in [
        (json!("1234"), json!(1234)),
        (json!("1234"), json!("12345")),
        (json!("1234"), json!("1234 ")),
        (json!("CI"), json!("ci")),
        (json!("a"), json!(["a"])),
        (json!("true"), json!(true)),
        (json!("null"), json!(null)),
        (json!(["a", "b"]), json!("c")),
        (json!(["a", "b"]), json!(["a", "b"])),
        (json!({ "a": "1" }), json!({ "b": "1" })),
        (json!({ "a": "1" }), json!("a")),
    ] {
        assert!(!is(condition.clone(), claim.clone()), "{condition} {claim}");
    }
    assert!(!Condition::Is("x".to_owned()).holds(None));
}

//! Tokens as the platforms make them, against the rules that `docs/WORKLOADS.md` shows.

use bauta_token::scope::Name;
use serde_json::{Value, json};

use super::{Proven, WorkloadError};
use crate::{
    config::{Condition, DeviceFlow},
    oauth::exchange::tests::Factory,
};

/// A factory whose rule has these conditions.
async fn factory(claims: Value) -> Factory {
    let claims: std::collections::BTreeMap<String, Condition> =
        serde_json::from_value(claims).unwrap();
    Factory::with(DeviceFlow::Off, |settings| {
        settings.workloads[0].claims = claims;
    })
    .await
}

impl Factory {
    async fn proves(&self, claims: &Value) -> Result<Proven, WorkloadError> {
        let now = self.platform.said().now;
        let mut token = json!({
            "iss": self.platform.issuer, "aud": "https://ai.example.com",
            "iat": now, "nbf": now, "exp": now.saturating_add(600),
        });
        for (name, value) in claims.as_object().unwrap() {
            token[name] = value.clone();
        }
        let token = self.platform.token(&token);
        self.world.plane.prove(&token, None::<&Name>).await
    }

    /// Whether `token` fits, and no longer does when one claim says something else.
    async fn fits_but_for(&self, token: &Value, path: &str, other: &str) {
        let proven = self.proves(token).await;
        assert!(proven.is_ok(), "{:?}", proven.err());
        let mut changed = token.clone();
        *changed.pointer_mut(path).unwrap() = json!(other);
        let refused = self.proves(&changed).await;
        assert!(matches!(refused, Err(WorkloadError::Unfit)), "{path}");
    }
}

#[tokio::test]
async fn a_job_of_github_actions_is_known_by_numbers_that_nobody_else_gets() {
    let factory = factory(json!({
        "repository_owner_id": "1234", "repository_id": "5678",
        "ref": "refs/heads/main", "environment": "ci",
    }))
    .await;
    // https://docs.github.com/actions/reference/security/oidc
    let token = json!({
        "jti": "4a8c1f4e-b8f3-4a49-a3ab-0a6a6a6a6a6a",
        "sub": "repo:corp/app:environment:ci", "environment": "ci",
        "ref": "refs/heads/main", "sha": "6b5c", "repository": "corp/app",
        "repository_owner": "corp", "actor_id": "99", "repository_visibility": "private",
        "repository_id": "5678", "repository_owner_id": "1234", "run_id": "7",
        "run_number": "10", "run_attempt": "2", "runner_environment": "github-hosted",
        "actor": "a-person", "workflow": "build", "head_ref": "", "base_ref": "",
        "event_name": "push", "ref_protected": "true", "ref_type": "branch",
        "job_workflow_ref": "corp/app/.github/workflows/build.yml@refs/heads/main",
    });

    for (claim, other) in [
        ("/repository_owner_id", "4321"),
        ("/repository_id", "8765"),
        ("/ref", "refs/pull/1/merge"),
        ("/environment", "none"),
    ] {
        factory.fits_but_for(&token, claim, other).await;
    }
}

#[tokio::test]
async fn a_job_of_gitlab_is_known_by_its_project_and_branch() {
    let factory = factory(json!({
        "project_id": "22", "ref_type": "branch", "ref": ["main", "release"], "ref_protected": "true",
    }))
    .await;
    // https://docs.gitlab.com/ci/secrets/id_token_authentication/
    let token = json!({
        "jti": "c82eeb0c-5c6f-4a33-abf5-4c474b92b558",
        "sub": "project_path:my-group/my-project:ref_type:branch:ref:main",
        "namespace_id": "72", "namespace_path": "my-group", "project_id": "22",
        "project_path": "my-group/my-project", "user_id": "42", "user_login": "a-person",
        "user_email": "a-person@example.com", "user_identities": [],
        "user_access_level": "maintainer", "pipeline_id": "574", "pipeline_source": "push",
        "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_path": "refs/heads/main", "ref_protected": "true", "groups_direct": ["my-group"],
        "environment": "test", "environment_protected": "false", "runner_id": 1,
        "runner_environment": "self-hosted", "sha": "714a", "job_group_id": 7,
    });

    for (claim, other) in [
        ("/project_id", "23"),
        ("/ref", "feature"),
        ("/ref_type", "tag"),
        ("/ref_protected", "false"),
    ] {
        factory.fits_but_for(&token, claim, other).await;
    }
}

#[tokio::test]
async fn a_pod_of_kubernetes_is_known_by_its_service_account() {
    let factory = factory(json!({
        "sub": "system:serviceaccount:ci:builder",
        "kubernetes.io": { "serviceaccount": { "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" } },
    }))
    .await;
    // https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
    let token = json!({
        "aud": ["https://ai.example.com"], "jti": "ed1ecfb4-9c0f-4e1a-8ba6-0f1f0f1f0f1f",
        "sub": "system:serviceaccount:ci:builder",
        "kubernetes.io": {
            "namespace": "ci",
            "node": { "name": "worker-1", "uid": "646e7c5e" },
            "pod": { "name": "build-7", "uid": "5e0bd49b" },
            "serviceaccount": { "name": "builder", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
        },
    });

    factory
        .fits_but_for(&token, "/sub", "system:serviceaccount:ci:other")
        .await;
    // Deleted and made anew under its old name.
    factory
        .fits_but_for(&token, "/kubernetes.io/serviceaccount/uid", "another")
        .await;
}

#[tokio::test]
async fn a_token_is_remembered_as_long_as_it_or_what_it_gave_is_good() {
    let factory = factory(json!({ "sub": "x" })).await;
    let now = factory.world.plane.clock.now();
    let said = factory.platform.said().now;

    let short = factory.proves(&json!({ "sub": "x" })).await.unwrap();
    let long = json!({ "sub": "x", "exp": said.saturating_add(86_400) });
    let long = factory.proves(&long).await.unwrap();

    assert_eq!(short.presented.until, now.plus_seconds(3_660));
    assert!(long.presented.until >= now.plus_seconds(86_400));
    assert_ne!(short.presented.token, long.presented.token);
    assert_eq!(short.presented.rule, long.presented.rule);
}

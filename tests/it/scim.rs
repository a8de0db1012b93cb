//! The directory interface, judged by a checker that nobody here wrote, and its bearer, made on the
//! command line while the server runs.

use std::process::Command;

use bauta_tests::{Backend, World, root, tool};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{run, text, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_checker_of_scim_servers_finds_nothing_wrong_where_names_are_hashed() {
    let directory = Directory::open(Backend::Sqlite, "").await;
    directory.is_compliant(50).await;
    directory.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checker_of_scim_servers_finds_nothing_wrong_where_names_are_kept() {
    let directory = Directory::open(Backend::Postgres, ACCEPT_EMAIL).await;
    directory.is_compliant(50).await;
    directory.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_is_made_listed_and_ended_while_the_server_runs() {
    let world = World::new(Backend::Sqlite).await;
    let config = world.stage.scene.folder.join("bauta.toml");
    let keys = |words: &[&'static str]| {
        let mut words = words.to_vec();
        words.splice(0..0, ["keys", "scim"]);
        words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()
    };
    let with = |words: &[&'static str]| {
        let mut words = keys(words);
        words.extend(["--config".to_owned(), text(&config).to_owned()]);
        words
    };
    let say = |words: &[&'static str]| {
        let words = with(words);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        told(&words)
    };

    let bearer = say(&["new", "--days", "30"]).trim().to_owned();
    let second: Value = serde_json::from_str(&say(&["new", "--json"])).unwrap();
    let third = with(&["new"]);
    let third: Vec<_> = third.iter().map(String::as_str).collect();
    let third = run(&third);
    let directory = Directory { world, bearer };
    let (opened, _) = directory.call(Method::GET, "/Users", None).await;
    let listed: Value = serde_json::from_str(&say(&["list", "--json"])).unwrap();
    say(&["end", "1"]);
    let (ended, _) = directory.call(Method::GET, "/Users", None).await;

    assert!(
        directory.bearer.starts_with("bauta_scim_"),
        "nothing but the bearer"
    );
    assert!(second["url"].as_str().unwrap().ends_with("/scim/v2"));
    assert_eq!(third.status.code(), Some(3), "two are in force");
    assert_eq!((opened, ended), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    assert_eq!(listed["bearers"].as_array().unwrap().len(), 2);
    assert!(listed["bearers"][0]["used"].is_string(), "{listed}");
    directory.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_listed_before_the_first_sign_in_is_the_same_person_after_it() {
    let directory = Directory::open(Backend::Sqlite, "").await;
    let world = &directory.world;
    let sub = |name: &str| {
        let people = world.stage.scene.sandbox.idp.people();
        people.into_iter().find(|it| it.name == name).unwrap().sub
    };
    let ada = directory.lists(&sub("Ada")).await;
    let bob = directory.lists(&sub("Bob")).await;
    directory.says(&bob, false).await;

    let (mut here, mut gone) = (world.member("Ada"), world.member("Bob"));
    here.sign_in().await.unwrap();
    let refused = gone.sign_in().await.err().unwrap().to_string();
    assert!(refused.contains("403"), "{refused}");
    directory.says(&ada, false).await;
    assert!(here.number().await.is_err(), "her session goes on");
    assert!(here.sign_in().await.is_err());
    for id in [&ada, &bob] {
        directory.says(id, true).await;
    }
    here.sign_in().await.unwrap();
    gone.sign_in().await.unwrap();
    directory.world.end().await;
}

/// A world whose directory has its bearer.
pub(crate) struct Directory {
    pub(crate) world: World,
    bearer: String,
}

impl Directory {
    pub(crate) async fn open(backend: Backend, more: &'static str) -> Self {
        let world = World::with(backend, |setting| setting.more = more.to_owned()).await;
        Self::of(world).await
    }

    pub(crate) async fn of(world: World) -> Self {
        let plane = world.stage.running.plane.as_ref().unwrap();
        let bearer = plane.make_bearer(30).await.unwrap().unwrap();
        let bearer = bearer.secret.reveal().to_owned();
        Self { world, bearer }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let scene = &self.world.stage.scene;
        let url = format!("{}/scim/v2{path}", scene.url);
        let mut request = scene.http.request(method, url).bearer_auth(&self.bearer);
        if let Some(body) = body {
            let body = body.to_string();
            request = request
                .header("content-type", "application/scim+json")
                .body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// Lists somebody under the identifier that sign-ins carry.
    pub(crate) async fn lists(&self, sub: &str) -> String {
        let body = json!({ "userName": sub, "externalId": sub, "active": true });
        let (status, made) = self.call(Method::POST, "/Users", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn says(&self, id: &str, active: bool) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "active", "value": active }],
        });
        let path = format!("/Users/{id}");
        let (status, said) = self.call(Method::PATCH, &path, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{said}");
    }

    async fn is_compliant(&self, at_least: u64) {
        let checked = Command::new(tool("BAUTA_TEST_PYTHON", "python3"))
            .arg(root().join("tests/clients/scim.py"))
            .arg(format!("{}/scim/v2", self.world.stage.scene.url))
            .arg(&self.bearer)
            .output()
            .expect("BAUTA_TEST_PYTHON names no Python; ./tests/run installs one");
        let error = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{error}");
        let told: Value = serde_json::from_slice(&checked.stdout).unwrap();
        println!(
            "scim2-tester: {} checks, {} failed",
            told["checks"], told["failed"]
        );
        assert_eq!(told["failed"], json!([]));
        assert!(told["checks"].as_u64().unwrap() >= at_least, "{told}");
    }
}

pub(crate) const ACCEPT_EMAIL: &str = "\n[scim]\naccept_email = true\n";

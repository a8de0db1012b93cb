//! Signing in with a provider that nobody here wrote: the certified `oidc-provider`, in a process of
//! its own, through its own pages. And with the simulated one, which lies.

mod lies;
mod redirects;
mod vendor;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    process::{Child, Command, Stdio},
    thread,
};

use bauta::dev::{browser::Page, member::Member};
use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World, root, tool};
use bauta_token::ambient::Clock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::server::free;

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_signs_people_in_with_rs256_and_its_groups_open_scopes() {
    signs_in("RS256", "rsa-").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_signs_people_in_with_es256_and_its_groups_open_scopes() {
    signs_in("ES256", "ec-").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_signs_people_in_with_eddsa_and_its_groups_open_scopes() {
    signs_in("EdDSA", "ed-").await;
}

async fn signs_in(alg: &str, kid: &str) {
    let office = Office::open(alg).await;
    let world = &office.world;
    assert!(office.corporate.keys(world).await.contains(kid));

    let mut alice = office.member();
    let page = office.sign_in(&mut alice, "alice").await;
    assert!(page.status.is_success(), "{}", page.body);
    assert!(is_signed_in(&mut alice).await);
    alice.verify(Decision::Approve).await.unwrap();
    let token = alice.device_token("frontier").await.unwrap();
    let (status, answer) = crate::journey::ask(world, &token.access, false).await;
    assert!(status.is_success(), "{answer}");
    // Who is not in its group gets no token of it, however verified.
    let mut bob = office.member();
    office.sign_in(&mut bob, "bob").await;
    bob.verify(Decision::Approve).await.unwrap();
    assert!(bob.device_token("frontier").await.is_err());
    // Roles come from groups, too: Carol is an officer and may vouch, Alice is none.
    let code = bob.meeting_code().await.unwrap();
    let mut carol = office.member();
    office.sign_in(&mut carol, "carol").await;
    assert!(carol.vouch_for(&code).await.is_err(), "not verified yet");
    carol.verify(Decision::Approve).await.unwrap();
    carol.vouch_for(&code).await.unwrap();
    assert!(alice.vouch_for(&code).await.is_err());
    // The same person is the same member, whatever browser she comes with.
    let (first, mut again) = (alice.number().await.unwrap(), office.member());
    office.sign_in(&mut again, "alice").await;
    assert_eq!(again.number().await.unwrap(), first);
    assert_eq!(
        office.corporate.count("jwks").await,
        2,
        "ours, and the test's"
    );

    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_changed_are_fetched_once_and_then_known() {
    let mut office = Office::open("ES256").await;
    let mut alice = office.member();
    office.sign_in(&mut alice, "alice").await;
    let number = alice.number().await.unwrap();

    office.corporate.end();
    let port = office.corporate.port;
    office.corporate = Corporate::start(&office.world, "ES256", "2", port).await;
    // Nobody makes Bauta fetch twice in a minute, not even who holds a good token.
    let mut early = office.member();
    let refused = office.sign_in(&mut early, "alice").await;
    assert_eq!(refused.status.as_u16(), 401, "{}", refused.body);
    assert_eq!(office.corporate.count("jwks").await, 0);
    office.world.hands.advance_seconds(61);
    for _ in 0..3 {
        let mut again = office.member();
        office.sign_in(&mut again, "alice").await;
        assert_eq!(again.number().await.unwrap(), number);
    }

    assert_eq!(office.corporate.count("jwks").await, 1);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_disabled_there_does_not_sign_in_here() {
    let office = Office::open("RS256").await;
    office.corporate.tell("disable/alice").await;

    let mut alice = office.member();
    let page = office.sign_in(&mut alice, "alice").await;

    assert!(!page.url.as_str().starts_with(&office.world.stage.scene.url));
    assert!(!is_signed_in(&mut alice).await);
    assert_eq!(sessions(&office.world).await, 0);
    office.corporate.tell("enable/alice").await;
    office.sign_in(&mut alice, "alice").await;
    assert!(is_signed_in(&mut alice).await);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_there_ends_every_session_and_every_token_here() {
    let office = Office::open("EdDSA").await;
    let world = &office.world;
    let (mut laptop, mut phone, mut bob) = (office.member(), office.member(), office.member());
    office.sign_in(&mut laptop, "alice").await;
    office.sign_in(&mut phone, "alice").await;
    office.sign_in(&mut bob, "bob").await;
    laptop.verify(Decision::Approve).await.unwrap();
    let tokens = laptop.device_token("frontier").await.unwrap();

    office.corporate.tell("logout/alice").await;

    assert!(!is_signed_in(&mut laptop).await);
    assert!(!is_signed_in(&mut phone).await);
    assert!(is_signed_in(&mut bob).await, "nobody logged Bob out");
    assert!(laptop.refresh(&tokens).await.is_err());
    let gateway = world.stage.running.gateway.as_ref().unwrap();
    gateway.follow().await.unwrap();
    let (status, _) = crate::journey::ask(world, &tokens.access, false).await;
    assert_eq!(status.as_u16(), 401);
    // And she may come back.
    office.sign_in(&mut laptop, "alice").await;
    assert!(is_signed_in(&mut laptop).await);
    office.close().await;
}

/// A world whose people sign in with a provider of their own.
struct Office {
    world: World,
    corporate: Corporate,
}

impl Office {
    async fn open(alg: &str) -> Self {
        let port = free().port();
        let issuer = format!("http://127.0.0.1:{port}");
        let world = World::with(Backend::Sqlite, |setting| {
            setting.edit = Box::new(move |text| with_issuer(&text, &issuer));
        })
        .await;
        // Bauta looks for it when the first person signs in, not before.
        let corporate = Corporate::start(&world, alg, "1", port).await;
        Self { world, corporate }
    }

    fn member(&self) -> Member<'_> {
        self.world.member("")
    }

    /// Signs in through the provider's own pages, as far as they lead.
    async fn sign_in(&self, member: &mut Member<'_>, login: &str) -> Page {
        let browser = &mut member.browser;
        let start = format!("{}/login", self.world.stage.scene.url);
        let mut page = browser.open(&start).await.unwrap();
        // One page asks who it is, one whether the application may know.
        for _ in 0..2 {
            let Some(action) = between(&page.body, "action=\"", "\" method=\"post\"") else {
                break;
            };
            let action = action.to_owned();
            let prompt = between(&page.body, "name=\"prompt\" value=\"", "\"").unwrap();
            let prompt = prompt.to_owned();
            let fields = [
                ("prompt", prompt.as_str()),
                ("login", login),
                ("password", "any"),
            ];
            page = browser.submit(&action, &fields).await.unwrap();
        }
        page
    }

    async fn close(self) {
        self.world.end().await;
        drop(self.corporate);
    }
}

/// The provider's process. Killed when dropped.
struct Corporate {
    child: Child,
    port: u16,
    http: reqwest::Client,
    folder: TempDir,
}

impl Corporate {
    /// With keys of this generation and no memory of an earlier one.
    async fn start(world: &World, alg: &str, generation: &str, port: u16) -> Self {
        let scene = &world.stage.scene;
        // A module finds its packages beside itself.
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("idp.mjs");
        fs::copy(root().join("tests/clients/idp.mjs"), &script).unwrap();
        let packages = env::var_os("BAUTA_TEST_NPM")
            .expect("BAUTA_TEST_NPM names no packages; ./tests/run installs them");
        symlink(packages, folder.path().join("node_modules")).unwrap();
        let mut child = Command::new(tool("BAUTA_TEST_NODE", "node"))
            .arg(script)
            .env("PORT", port.to_string())
            .env("ALG", alg)
            .env("GEN", generation)
            .env("RP", &scene.url)
            .env(
                "SECRET",
                fs::read_to_string(scene.folder.join("keys/sso")).unwrap(),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("BAUTA_TEST_NODE names no Node; ./tests/run installs one");
        let said = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = oneshot::channel();
        // Read to its end: a process whose words nobody takes dies of them.
        thread::spawn(move || {
            let mut lines = said.lines().map_while(Result::ok);
            if lines.any(|line| line.starts_with("ready")) && tell.send(()).is_ok() {
                lines.for_each(drop);
            }
        });
        let ready = told.await.is_ok();
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(ready, "the identity provider does not start: {log}");
        Self {
            child,
            port,
            http: scene.http.clone(),
            folder,
        }
    }

    async fn tell(&self, what: &str) -> String {
        let url = format!("http://127.0.0.1:{}/_test/{what}", self.port);
        let answer = self.http.post(url).send().await.unwrap();
        let status = answer.status();
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(status.is_success(), "{what}: {status}, {}", log());
        answer.text().await.unwrap()
    }

    /// How often a path was asked for since the start.
    async fn count(&self, path: &str) -> u32 {
        self.tell(&format!("count/{path}")).await.parse().unwrap()
    }

    async fn keys(&self, world: &World) -> String {
        let url = format!("http://127.0.0.1:{}/jwks", self.port);
        let answer = world.stage.scene.http.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Corporate {
    fn drop(&mut self) {
        self.end();
    }
}

/// The configuration with another issuer.
fn with_issuer(text: &str, issuer: &str) -> String {
    let old = between(text, "issuer        = \"", "\"").unwrap();
    text.replacen(old, issuer, 1)
}

/// Whether the member's own page opens.
async fn is_signed_in(member: &mut Member<'_>) -> bool {
    member.number().await.is_ok()
}

/// How many browsers are signed in, from the table.
async fn sessions(world: &World) -> i64 {
    let file = world.stage.scene.folder.join("data/identity.db");
    let url = format!("sqlite://{}?mode=ro", file.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let now = world.hands.now().0;
    let count = sqlx::query_scalar("SELECT count(*) FROM session WHERE expires_at > $1")
        .bind(now)
        .fetch_one(&pool)
        .await
        .unwrap();
    pool.close().await;
    count
}

/// The identity log's events of a kind, sealed and oldest first.
async fn events(world: &World, kind: &str) -> Vec<Value> {
    let plane = world.stage.running.plane.clone().unwrap();
    plane.seal().await.unwrap();
    let log = plane.log();
    let size = log.head().await.unwrap().size;
    let leaves = log.leaves(0..size).await.unwrap();
    let events = leaves.iter().filter_map(|leaf| leaf.event.as_deref());
    events
        .map(|event| serde_json::from_str::<Value>(event).unwrap())
        .filter(|event| event["type"] == kind)
        .collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

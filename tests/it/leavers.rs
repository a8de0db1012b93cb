//! A leaver is refused by every gateway within two seconds, and its running answers end within five:
//! three gateways on one database, and a directory that deactivates one after the other.

use std::{env, time::Duration};

use bauta::serve::Running;
use bauta_sandbox::{Reply, idp::Person, persona::Decision};
use bauta_tests::Backend;
use reqwest::StatusCode;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    race::replica,
    scim::Directory,
    sdk::{
        CHAT, GEMINI, MESSAGES, at, question,
        stream::{DOORS, error_at},
    },
};

/// What is promised between the directory's answer and the last gateway's refusal.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);
/// What is promised for answers that run.
const CUT_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn scm_05_every_gateway_refuses_a_leaver_within_two_seconds() {
    let leavers = count();
    let house = House::open().await;
    let directory = &house.directory;
    let mut people = Vec::new();
    for n in 0..leavers {
        let name = format!("Leaver{n}");
        people.push(house.somebody(&name).await);
    }

    let mut slowest = Duration::ZERO;
    for (id, token) in &people {
        for url in &house.urls {
            assert_eq!(
                house.asks(url, token).await,
                StatusCode::OK,
                "before it leaves"
            );
        }
        directory.says(id, false).await;
        let began = Instant::now();
        let mut waiting = JoinSet::new();
        for url in &house.urls {
            let (url, token) = (url.clone(), token.clone());
            let http = directory.world.stage.scene.http.clone();
            waiting.spawn(async move {
                loop {
                    let models = http.get(format!("{url}/v1/models")).bearer_auth(&token);
                    let status = models.send().await.unwrap().status();
                    if status == StatusCode::UNAUTHORIZED {
                        return began.elapsed();
                    }
                    assert_eq!(status, StatusCode::OK);
                    assert!(
                        began.elapsed() < Duration::from_secs(30),
                        "it is never refused"
                    );
                    sleep(Duration::from_millis(10)).await;
                }
            });
        }
        let last = waiting.join_all().await.into_iter().max().unwrap();
        slowest = slowest.max(last);
    }

    println!(
        "{leavers} deactivations, {} gateways: the slowest refusal came {} ms after the directory's \
         answer",
        house.urls.len(),
        slowest.as_millis()
    );
    assert!(slowest <= REFUSED_WITHIN, "{slowest:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sse_07_a_leavers_answers_end_within_five_seconds_in_the_callers_dialect() {
    let house = House::open().await;
    let directory = &house.directory;
    let sandbox = &directory.world.stage.scene.sandbox;
    let gap = Duration::from_millis(400);
    sandbox.anthropic.pause(gap);
    sandbox.openai.pause(gap);
    sandbox.gemini.pause(gap);
    let long = || Reply {
        text: Some("a bauta hides the face and lets its wearer speak. ".repeat(400)),
        ..Reply::default()
    };
    let (id, token) = house.somebody("Leaver").await;
    let mut running = JoinSet::new();
    let mut streams = 0;
    for url in &house.urls {
        for (path, model, _) in DOORS {
            match path {
                MESSAGES => sandbox.anthropic.reply_next(long()),
                GEMINI => sandbox.gemini.reply_next(long()),
                _ => sandbox.openai.reply_next(long()),
            }
            let request = directory
                .world
                .stage
                .scene
                .http
                .post(format!("{url}{}", at(path, model, true)));
            let mut answer = request
                .bearer_auth(&token)
                .header("anthropic-version", "2023-06-01")
                .header("content-type", "application/json")
                .timeout(Duration::from_secs(120))
                .body(question(path, model, true, 4_000).to_string())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let first = answer.chunk().await.unwrap().unwrap();
            streams += 1;
            running.spawn(async move {
                let mut got = first.to_vec();
                while let Some(piece) = answer.chunk().await.unwrap() {
                    got.extend_from_slice(&piece);
                }
                (path, got, Instant::now())
            });
        }
    }

    directory.says(&id, false).await;
    let began = Instant::now();
    let ended = timeout(Duration::from_secs(60), running.join_all()).await;

    let mut slowest = Duration::ZERO;
    for (path, got, at) in ended.expect("an answer never ends") {
        let took = at.saturating_duration_since(began);
        assert!(took <= CUT_WITHIN, "{path}: {took:?}");
        slowest = slowest.max(took);
        let last = String::from_utf8(got[error_at(path, &got)..].to_vec()).unwrap();
        let told = match path {
            CHAT => "token_revoked",
            GEMINI => "UNAUTHENTICATED",
            MESSAGES => "authentication_error",
            _ => "token_revoked",
        };
        assert!(last.contains(told), "{path}: {last}");
        assert!(last.contains("revoked"), "{path}: {last}");
    }
    println!(
        "{streams} running answers: the last one ended {} ms after",
        slowest.as_millis()
    );
    house.close().await;
}

/// How many leave: a few in the fast tier, a thousand with `tests/run --full leavers`.
fn count() -> usize {
    env::var("BAUTA_LEAVERS").map_or(6, |text| text.parse().unwrap())
}

/// An identity plane and three gateways on one PostgreSQL server.
struct House {
    directory: Directory,
    urls: Vec<String>,
    more: Vec<Running>,
}

impl House {
    async fn open() -> Self {
        let directory = Directory::open(Backend::Postgres, "").await;
        let mut urls = vec![directory.world.stage.scene.url.clone()];
        let mut more = Vec::new();
        for _ in 0..2 {
            let (running, url) = replica(&directory.world).await;
            urls.push(url);
            more.push(running);
        }
        Self {
            directory,
            urls,
            more,
        }
    }

    /// Somebody who is listed, signs in, is verified and has a token: the listed id, and the token.
    async fn somebody(&self, name: &str) -> (String, String) {
        let world = &self.directory.world;
        let person = Person::new(name, &["engineering"]);
        let sub = person.sub.clone();
        world.stage.scene.sandbox.idp.hire(person);
        let id = self.directory.lists(&sub).await;
        let mut member = world.member(name);
        member.sign_in().await.unwrap();
        member.verify(Decision::Approve).await.unwrap();
        let token = member.device_token("frontier").await.unwrap().access;
        // Out of the way: the page of the simulated provider lists everybody.
        world.stage.scene.sandbox.idp.dismiss(name);
        (id, token)
    }

    async fn asks(&self, url: &str, token: &str) -> StatusCode {
        let models = self
            .directory
            .world
            .stage
            .scene
            .http
            .get(format!("{url}/v1/models"));
        models.bearer_auth(token).send().await.unwrap().status()
    }

    async fn close(self) {
        for running in &self.more {
            running.stop().await;
        }
        self.directory.world.end().await;
    }
}

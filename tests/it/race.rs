//! A thousand requests at once for a budget that holds a hundred, and a replica that dies in the
//! middle: through the real listener, on every backend, and on two gateways with one database.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use bauta::{
    config::Config,
    serve::{Role, Running, Start},
};
use bauta_sandbox::{Fault, Reply, Usage, persona::Decision};
use bauta_tests::{Backend, World};
use bauta_token::ambient::Clock;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep},
};
use toml::Table;

use crate::sdk::{MESSAGES, question};

/// How many requests the budget holds, to the micro-dollar.
const HOLDS: i64 = 100;
const RACERS: usize = 1_000;
/// What a request may have written.
const MOST: u32 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn bud_01_of_a_thousand_racers_a_budget_for_a_hundred_lets_a_hundred_pass() {
    for backend in Backend::BOTH {
        let (world, token) = set(backend).await;
        let urls = [world.stage.scene.url.clone()];

        let passed = race(&urls, &token, RACERS).await;

        println!("{backend:?}: {passed:?} of {RACERS} at once");
        spent_to_the_last(&world, &token, &urls, passed).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bud_01_two_gateways_with_one_database_share_one_ceiling() {
    let (world, token) = set(Backend::Postgres).await;
    let (second, url) = replica(&world).await;
    let urls = [world.stage.scene.url.clone(), url];

    let passed = race(&urls, &token, RACERS).await;

    println!("two replicas: {passed:?} of {RACERS} at once");
    spent_to_the_last(&world, &token, &urls, passed).await;
    second.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bud_02_what_a_dead_replica_held_is_charged_when_its_lease_is_over_and_not_before() {
    const HELD: i64 = 7;
    let (world, token) = set(Backend::Postgres).await;
    // A replica of its own threads, so that all of it can stop at one instant.
    let host = Runtime::new().unwrap();
    let (second, url) = {
        let (config, base) = second_config(&world).await;
        let hands = Arc::clone(&world.hands) as Arc<dyn Clock>;
        let listener = config.1;
        let config = config.0;
        let url = format!("http://{}", listener.local_addr().unwrap());
        let run = host.spawn(async move {
            // The listener belongs to the runtime that polls it.
            let listener = listener.into_std().unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            start(&config, &base, hands, listener).await
        });
        (run.await.unwrap(), url)
    };
    for _ in 0..HELD {
        world.stage.scene.sandbox.anthropic.next(Fault::Hang);
    }
    let mut hanging = JoinSet::new();
    for _ in 0..HELD {
        let request = ask(&reqwest::Client::builder().build().unwrap(), &url, &token);
        hanging.spawn(async move { drop(request.send().await) });
    }
    until(&world, &token, |used| held(used) == HELD * each()).await;

    // What a kill leaves: no task of it runs any more, and nobody settles.
    std::mem::forget(second);
    spawn_blocking(move || host.shutdown_timeout(Duration::ZERO))
        .await
        .unwrap();
    hanging.shutdown().await;

    // It lived last at most ten seconds ago, and its lease is a minute.
    move_on(&world, 45).await;
    tick(&world, &token).await;
    // An answer is out a moment before it is settled.
    until(&world, &token, |used| spent(used) == each()).await;
    let before = usage(&world, &token).await;
    assert_eq!(held(&before), HELD * each(), "its lease still runs");
    move_on(&world, 16).await;
    tick(&world, &token).await;
    until(&world, &token, |used| held(used) == 0).await;
    let after = usage(&world, &token).await;
    assert_eq!(spent(&after) - spent(&before), (HELD + 1) * each());
    world.end().await;
}

/// A gateway whose scope `hundred` holds exactly [`HOLDS`] requests, and a token for it. What a
/// provider counts is far above what a request may cost, so each that passes is charged all it held.
async fn set(backend: Backend) -> (World, String) {
    let dollars = format!("0.{:06}", HOLDS * each());
    let more = format!(
        "\n[[scope]]\nname   = \"hundred\"\nmodels = [\"claude-haiku\"]\ngroups = [\"engineering\"]\n\
         budget = {{ amount = \"{dollars}\", per = \"month\" }}\n"
    );
    let world = World::with(backend, |setting| setting.more = more).await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let token = ada.device_token("hundred").await.unwrap().access;
    for _ in 0..2 * RACERS {
        world.stage.scene.sandbox.anthropic.reply_next(Reply {
            usage: Some(Usage {
                input: 1_000_000,
                output: 1_000_000,
                ..Usage::default()
            }),
            ..Reply::default()
        });
    }
    (world, token)
}

fn asked() -> Value {
    question(MESSAGES, "claude-haiku", false, MOST)
}

/// What [`asked`] may cost at most, in micro-dollars: its bytes and what a provider adds, at the
/// price of writing a cache (1.25 dollars a million), and the answer at 5.
fn each() -> i64 {
    let read = i64::try_from(asked().to_string().len()).unwrap() + 2_048;
    let quoted = read * 1_250_000 + i64::from(MOST) * 5_000_000;
    (quoted + 999_999) / 1_000_000
}

/// How a thousand at once ended.
#[derive(Debug, Default)]
struct Passed {
    good: i64,
    over: i64,
    busy: i64,
}

/// Asks `times` at once, spread over `urls`. Every two hundred come from an address of their own,
/// since a gateway takes only so many connections from one.
async fn race(urls: &[String], token: &str, times: usize) -> Passed {
    let clients: Vec<_> = (0..times.div_ceil(200))
        .map(|n| {
            let from = Ipv4Addr::new(127, 0, 1, u8::try_from(n).unwrap() + 1);
            let client = reqwest::Client::builder().local_address(Some(from.into()));
            client.no_proxy().build().unwrap()
        })
        .collect();
    let mut racers = JoinSet::new();
    for n in 0..times {
        let request = ask(&clients[n / 200], &urls[n % urls.len()], token);
        racers.spawn(async move {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            drop(answer.bytes().await.unwrap());
            status
        });
    }
    let mut passed = Passed::default();
    for status in racers.join_all().await {
        match status {
            StatusCode::OK => passed.good += 1,
            StatusCode::TOO_MANY_REQUESTS => passed.over += 1,
            StatusCode::SERVICE_UNAVAILABLE => passed.busy += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        passed.good + passed.over + passed.busy,
        i64::try_from(times).unwrap()
    );
    passed
}

/// Nobody got more than the budget holds; nothing is left set aside; and what a busy gateway did
/// not take can still be used, to the last micro-dollar and no further.
async fn spent_to_the_last(world: &World, token: &str, urls: &[String], mut passed: Passed) {
    assert!(passed.good <= HOLDS, "{passed:?}");
    until(world, token, |used| held(used) == 0).await;
    assert_eq!(spent(&usage(world, token).await), passed.good * each());
    // Only a gateway that was too busy may have kept one out.
    assert!(passed.good + passed.busy >= HOLDS, "{passed:?}");
    for _ in 0..HOLDS {
        if passed.good == HOLDS {
            break;
        }
        passed.good += race(urls, token, RACERS / 5).await.good;
        assert!(passed.good <= HOLDS, "{passed:?}");
        until(world, token, |used| held(used) == 0).await;
    }
    assert_eq!(passed.good, HOLDS);
    assert_eq!(race(urls, token, urls.len()).await.good, 0);
    let used = usage(world, token).await;
    assert_eq!((spent(&used), held(&used)), (HOLDS * each(), 0));
    let reached = world.stage.scene.sandbox.anthropic.requests().len();
    assert_eq!(
        i64::try_from(reached).unwrap(),
        HOLDS,
        "sent to the provider"
    );
}

fn ask(http: &reqwest::Client, url: &str, token: &str) -> reqwest::RequestBuilder {
    http.post(format!("{url}{MESSAGES}"))
        .header("x-api-key", token)
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .body(asked().to_string())
}

/// One request of the first replica, so that its writer writes, and looks at the leases.
async fn tick(world: &World, token: &str) {
    let request = ask(&world.stage.scene.http, &world.stage.scene.url, token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(answer.bytes().await.unwrap());
}

async fn move_on(world: &World, seconds: i64) {
    world.hands.advance_seconds(seconds);
    let gateway = world.stage.running.gateway.as_ref().unwrap();
    gateway.follow().await.unwrap();
}

async fn usage(world: &World, token: &str) -> Value {
    let scene = &world.stage.scene;
    let shown = scene.http.get(format!("{}/usage/self", scene.url));
    let shown = shown.bearer_auth(token).send().await.unwrap();
    serde_json::from_str(&shown.text().await.unwrap()).unwrap()
}

fn held(used: &Value) -> i64 {
    used["budget"]["held_micro_usd"].as_i64().unwrap()
}

fn spent(used: &Value) -> i64 {
    used["budget"]["spent_micro_usd"].as_i64().unwrap()
}

async fn until(world: &World, token: &str, wanted: impl Fn(&Value) -> bool) {
    let began = Instant::now();
    loop {
        let used = usage(world, token).await;
        if wanted(&used) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{used}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A second gateway on the database of the first, which hears the identity plane over HTTP.
pub(crate) async fn replica(world: &World) -> (Running, String) {
    let ((config, listener), base) = second_config(world).await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let hands = Arc::clone(&world.hands) as Arc<dyn Clock>;
    (start(&config, &base, hands, listener).await, url)
}

async fn start(
    config: &Config,
    base: &std::path::Path,
    clock: Arc<dyn Clock>,
    listener: TcpListener,
) -> Running {
    let start = Start {
        role: Role::Gateway,
        clock: Arc::clone(&clock),
        gateway_clock: clock,
        listener: Some(listener),
        ..Start::new(config, base)
    };
    start.run().await.unwrap()
}

async fn second_config(world: &World) -> ((Config, TcpListener), std::path::PathBuf) {
    let scene = &world.stage.scene;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = std::fs::read_to_string(scene.folder.join("bauta.toml")).unwrap();
    let mut config: Table = text.parse().unwrap();
    for section in ["sso", "oauth", "verifier"] {
        config.remove(section);
    }
    let plane = world.stage.running.plane.as_ref().unwrap();
    let server = json!({
        "public_url": scene.url,
        "gateway_url": format!("http://{address}"),
        "listen": address.to_string(),
        "identity_log_key": plane.log_signer().unwrap().vkey(),
    });
    config.insert("server".into(), toml::Value::try_from(server).unwrap());
    config["storage"].as_table_mut().unwrap().remove("identity");
    config["keys"]
        .as_table_mut()
        .unwrap()
        .retain(|name, _| name == "gateway");
    let file = scene.folder.join("second.toml");
    std::fs::write(&file, config.to_string()).unwrap();
    let config = Config::read(&file).unwrap();
    ((config, listener), scene.folder.clone())
}

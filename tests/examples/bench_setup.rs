//! Prepares a folder for `tests/bench`: keys, settings and databases of a server as an organisation
//! would run it, and the token of a member whom two officers verified. Prints the token.
//!
//! ```text
//! bench_setup FOLDER PORT            two files under FOLDER
//! bench_setup FOLDER PORT postgres   two databases of the server that BAUTA_TEST_POSTGRES_URL names
//! ```
//!
//! The upstream is the mock of `tests/bench`. Budget and rate are there, so that their work is done
//! and measured, and so large that they refuse nothing.

use std::{
    env, fs,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use bauta::dev::{
    member::Member,
    stage::{RealUpstream, Scene, Setting, Vendor},
};
use bauta_tests::{at, root, tool};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let (folder, port, databases) = match words.as_slice() {
        [folder, port] => (folder, port, None),
        [folder, port, word] if word == "postgres" => (folder, port, Some(databases().await?)),
        _ => bail!("bench_setup FOLDER PORT [postgres]"),
    };
    let setting = Setting {
        vendor: Vendor::Officers,
        databases,
        upstreams: vec![RealUpstream {
            name: "anthropic",
            base_url: "http://127.0.0.1:9000",
            key: UPSTREAM_KEY,
        }],
        more: MODEL.to_owned(),
        ..Setting::new(PathBuf::from(folder))
    };
    let scene = Scene::set(&setting, SocketAddr::from(([127, 0, 0, 1], port.parse()?)))?;
    let config = scene.folder.join("bauta.toml");
    loosen(&config)?;
    let mut server = serve(&config, &scene).await?;
    let token = token(&scene).await;
    server.kill()?;
    server.wait()?;
    println!("{}", token?);
    Ok(())
}

/// Two empty databases, made anew.
async fn databases() -> anyhow::Result<(String, String)> {
    let mut admin = PgConnection::connect(&at("postgres")).await?;
    for name in ["bench_identity", "bench_gateway"] {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        admin.execute(AssertSqlSafe(drop)).await?;
        let create = format!("CREATE DATABASE {name}");
        admin.execute(AssertSqlSafe(create)).await?;
    }
    Ok((at("bench_identity"), at("bench_gateway")))
}

/// Opens the one scope to the mock's model, and takes its limits out of the way without taking
/// them away.
fn loosen(config: &Path) -> anyhow::Result<()> {
    let mut settings: toml::Table = fs::read_to_string(config)?.parse()?;
    let scope = settings["scope"][0].as_table_mut().context("no scope")?;
    let models = scope["models"].as_array_mut().context("no models")?;
    models.push("mock".into());
    scope["budget"]["amount"] = "1000000.00".into();
    scope["rate"]["requests"] = 1_000_000_000.into();
    scope["rate"]["concurrent"] = 100_000.into();
    fs::write(config, settings.to_string())?;
    Ok(())
}

async fn token(scene: &Scene) -> anyhow::Result<String> {
    let mut ada = Member::new(scene, "Ada");
    ada.sign_in().await?;
    let code = ada.meeting_code().await?;
    for name in ["Carol", "Dave"] {
        let mut officer = Member::new(scene, name);
        officer.sign_in().await?;
        officer.vouch_for(&code).await?;
    }
    ada.labelled_token("frontier", "bench", 30).await
}

async fn serve(config: &Path, scene: &Scene) -> anyhow::Result<Child> {
    let log = scene.folder.join("setup.log");
    let mut child = Command::new(binary())
        .args(["serve", "--config"])
        .arg(config)
        .env(UPSTREAM_KEY, "worth-nothing")
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()?;
    let address: SocketAddr = scene.url.trim_start_matches("http://").parse()?;
    while child.try_wait()?.is_none() {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Ok(child);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!(
        "the server does not start: {}",
        fs::read_to_string(&log)?.trim()
    )
}

fn binary() -> PathBuf {
    let built = root().join("target/release/bauta");
    tool("BAUTA_BENCH_BIN", &built.to_string_lossy())
}

/// The environment variable with the key of the mock, which looks at none.
const UPSTREAM_KEY: &str = "BAUTA_BENCH_UPSTREAM_KEY";

/// What the bodies of the benchmark ask for. Gated, so that the gate is checked.
const MODEL: &str = r#"
[policy.bench-gate]
version  = "2026-11-01"
requires = ["person_verified"]

[[model]]
name     = "mock"
gated_by = "bench-gate"
targets  = [ { upstream = "anthropic", model = "claude-mock-1" } ]
price    = { input = "3.00", output = "15.00", cache_read = "0.30", cache_write = "3.75" }
"#;

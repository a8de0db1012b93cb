//! Exports of a real journey: both verifiers agree, and one changed byte is found and named.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use bauta_audit::export::{Options, verify};
use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World, root, tool};

use crate::journey::{ask, token};

/// What the independent verifier's own suite proves about exports made for it.
#[path = "../../storage/audit/trial/independent.rs"]
mod independent;

#[tokio::test(flavor = "multi_thread")]
async fn both_verifiers_accept_both_planes_and_name_a_changed_record() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    for stream in [true, false] {
        ask(&world, &token, stream).await;
    }
    let files = exports(&world).await;
    let folder = world.end().await;

    for file in &files {
        assert!(
            verify(
                BufReader::new(File::open(file).unwrap()),
                &Options::default()
            )
            .is_ok()
        );
        let said = python(file);
        assert!(said.status.success(), "{}", text(&said));
        tampering_is_found(file, folder.path());
    }
}

fn tampering_is_found(file: &Path, folder: &Path) {
    let good = fs::read(file).unwrap();
    let changed = folder.join("changed.jsonl");
    let step = good.len() / 40;
    let mut named = 0;
    for place in (0..good.len()).step_by(step.max(1)) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&changed, &bad).unwrap();
        let ours = verify(bad.as_slice(), &Options::default());
        let error = ours.expect_err("a changed byte verifies");
        let theirs = python(&changed);
        assert_eq!(
            theirs.status.code(),
            Some(1),
            "byte {place}: {}",
            text(&theirs)
        );
        let line = good[..place].iter().filter(|b| **b == b'\n').count() + 1;
        assert_eq!(
            error.line(),
            Some(u64::try_from(line).unwrap()),
            "byte {place}: {error}"
        );
        assert!(
            text(&theirs).contains(&format!("line {line}")),
            "{}",
            text(&theirs)
        );
        named += 1;
    }
    println!(
        "{}: {named} of {named} changed bytes found and named",
        file.display()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_does_not_start_from_what_was_kept_says_so() {
    let world = World::new(Backend::Sqlite).await;
    let first = exports(&world).await;
    let kept = fs::read(&first[0]).unwrap();
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let old = bauta_audit::export::kept(kept.as_slice()).unwrap();

    let second = exports(&world).await;

    let options = Options {
        key: None,
        previous: Some(old),
    };
    // Made without it, an export holds no proof that starts there: that is said, not passed over.
    let verdict = verify(BufReader::new(File::open(&second[0]).unwrap()), &options);
    assert!(verdict.is_err());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aud_02_a_log_that_was_cut_is_never_signed_again() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    let gateway = world.stage.running.gateway.clone().unwrap();
    for _ in 0..3 {
        ask(&world, &token, false).await;
        gateway.seal().await.unwrap();
    }
    let file = world.stage.scene.folder.join("data/gateway.db");
    let thief = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    for cut in [
        "DELETE FROM leaf WHERE idx >= 4",
        "DELETE FROM checkpoint WHERE size > 4",
        "DELETE FROM tree_node WHERE (idx + 1) * (1 << level) > 4",
    ] {
        sqlx::query(cut).execute(&thief).await.unwrap();
    }
    thief.close().await;
    ask(&world, &token, false).await;

    let signed = gateway.seal().await;

    let error = signed.expect_err("the cut log was signed");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("shorter than the one that was signed"),
        "{cause}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aud_01_a_record_that_was_blanked_is_no_erasure_in_the_gateway_log() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    ask(&world, &token, false).await;
    let gateway = world.stage.running.gateway.clone().unwrap();
    gateway.seal().await.unwrap();
    let file = world.stage.scene.folder.join("data/gateway.db");
    let thief = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    let blank = "UPDATE leaf SET salt = NULL, event = NULL WHERE idx = 0";
    sqlx::query(blank).execute(&thief).await.unwrap();
    thief.close().await;
    let out = world.stage.scene.folder.join("exports/gateway.jsonl");

    let made = bauta::export::gateway(&gateway, &bauta::export::Whole::until_now(), &out).await;

    assert!(made.is_err(), "a blanked record was exported as erased");
    assert!(!out.exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aud_13_an_export_is_on_record_in_the_log_it_is_made_of() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    ask(&world, &token, false).await;

    let mut told = Vec::new();
    for _ in 0..2 {
        for file in exports(&world).await {
            told.push(recorded(&file));
        }
    }

    let counts: Vec<_> = told.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1, 2, 2], "each is its own last record");
    for (plane, first, both) in [
        ("identity", &told[0], &told[2]),
        ("gateway", &told[1], &told[3]),
    ] {
        let (index, event) = &first[0];
        assert_eq!(event["plane"], plane);
        assert_eq!(event["profile"], "auditor");
        assert_eq!(event["format"], "jsonl");
        assert_eq!(event["by"], "operator");
        assert_eq!(event["to"], "9999-12-31T00:00:00.000Z");
        assert_eq!(event["size"].as_u64(), Some(*index), "it comes first");
        assert_eq!(event["matched"], event["size"], "everything was asked for");
        assert_eq!(&both[0], &first[0]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aud_13_what_cannot_be_recorded_is_not_exported() {
    let world = World::new(Backend::Sqlite).await;
    let token = token(&world).await;
    ask(&world, &token, false).await;
    let running = &world.stage.running;
    let (plane, gateway) = (running.plane.clone(), running.gateway.clone());
    let (plane, gateway) = (plane.unwrap(), gateway.unwrap());
    plane.seal().await.unwrap();
    gateway.seal().await.unwrap();
    for (database, table) in [("identity", "pending_event"), ("gateway", "leaf")] {
        let file = world.stage.scene.folder.join(format!("data/{database}.db"));
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display()))
            .await
            .unwrap();
        let full = format!(
            "CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
        );
        sqlx::query(sqlx::AssertSqlSafe(full))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    }
    let whole = bauta::export::Whole::until_now();
    let out = |name: &str| world.stage.scene.folder.join("exports").join(name);

    let here = bauta::export::identity(&plane, &whole, &out("identity.jsonl")).await;
    let there = bauta::export::gateway(&gateway, &whole, &out("gateway.jsonl")).await;

    for error in [here.unwrap_err(), there.unwrap_err()] {
        assert!(error.to_string().contains("could not record it"), "{error}");
    }
    let left: Vec<_> = fs::read_dir(world.stage.scene.folder.join("exports"))
        .map(|files| files.map(|file| file.unwrap().file_name()).collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
    world.end().await;
}

/// Place and event of each record of an export in `file`.
fn recorded(file: &Path) -> Vec<(u64, serde_json::Value)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line
    });
    lines
        .filter(|line| line["event"]["type"] == "audit.exported")
        .map(|line| (line["index"].as_u64().unwrap(), line["event"].clone()))
        .collect()
}

async fn exports(world: &World) -> Vec<PathBuf> {
    let running = &world.stage.running;
    let whole = bauta::export::Whole::until_now();
    let at = |name: &str| world.stage.scene.folder.join("exports").join(name);
    let (identity, gateway) = (at("identity.jsonl"), at("gateway.jsonl"));
    bauta::export::identity(running.plane.as_ref().unwrap(), &whole, &identity)
        .await
        .unwrap();
    bauta::export::gateway(running.gateway.as_ref().unwrap(), &whole, &gateway)
        .await
        .unwrap();
    vec![identity, gateway]
}

fn python(file: &Path) -> Output {
    Command::new(tool("BAUTA_TEST_PYTHON", "python3"))
        .arg(root().join("docs/verify-export.py"))
        .arg(file)
        .output()
        .expect("python3 runs")
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

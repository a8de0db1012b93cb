//! The portal in a real browser, with scripts and without.

use std::{
    fs,
    process::{Command, Stdio},
};

use bauta_sandbox::idp::Person;
use bauta_tests::{Backend, World, process_log, root, tool};
use serde_json::Value;
use tokio::task::spawn_blocking;

#[tokio::test(flavor = "multi_thread")]
async fn ada_does_everything_on_the_portal_with_scripts_on() {
    portal("on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ada_does_everything_on_the_portal_with_scripts_off() {
    portal("off").await;
}

async fn portal(scripts: &'static str) {
    let world = World::new(Backend::Sqlite).await;
    click_through(world, "pages.py", scripts, 2 * 34).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_does_everything_in_the_console_with_scripts_on() {
    console("on", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_does_everything_in_the_console_with_scripts_off() {
    console("off", 55).await;
}

/// Two administrators, of whom each other agrees to what one proposes, and a crowd that has signed in
/// before: lists are long then.
async fn console(scripts: &'static str, crowd: u32) {
    let world = World::with(Backend::Sqlite, |setting| {
        setting.edit = Box::new(|text| {
            text.replace(
                r#"admin   = ["ai-platform"]"#,
                r#"admin   = ["ai-platform", "sandbox-second"]"#,
            ) + "\n[admin]\nsecond = true\n"
        });
        setting.sandbox.idp.people = people(crowd);
    })
    .await;
    for n in 0..crowd {
        let mut somebody = world.member(&format!("Extra {n}"));
        somebody.sign_in().await.unwrap();
    }
    click_through(world, "console.py", scripts, 2 * 34).await;
}

/// The usual people, of whom Carol administrates besides, and others.
fn people(crowd: u32) -> Vec<Person> {
    let others = (0..crowd).map(|n| Person::new(&format!("Extra {n}"), &["engineering"]));
    let known = [
        Person::new("Ada", &["engineering"]),
        Person::new("Bob", &["ai-platform"]),
        Person::new("Carol", &["compliance", "sandbox-second"]),
        Person::new("Dave", &["compliance"]),
    ];
    known.into_iter().chain(others).collect()
}

/// Two visits, light and dark, on a telephone and on a desk: nothing may be wrong on any page.
async fn click_through(world: World, script: &str, scripts: &'static str, at_least: u64) {
    let told = browse(script, &world.stage.scene.url, scripts).await;
    assert!(told["pages"].as_u64().unwrap() > at_least, "{told}");
    world.end().await;
}

/// What a script of `tests/clients` says of the pages at `url`, when nothing was wrong.
pub(crate) async fn browse(script: &str, url: &str, scripts: &'static str) -> Value {
    let screens = process_log().with_file_name("screens");
    fs::create_dir_all(&screens).unwrap();
    let browser = std::env::var_os("BAUTA_TEST_CHROMIUM")
        .expect("BAUTA_TEST_CHROMIUM names no browser; ./tests/run installs one");
    let mut run = Command::new(tool("BAUTA_TEST_PYTHON", "python3"));
    run.arg(root().join("tests/clients").join(script))
        .arg(url)
        .arg(&screens)
        .arg(scripts)
        .env("BAUTA_TEST_CHROMIUM", browser)
        .env(
            "BAUTA_TEST_NPM",
            tool("BAUTA_TEST_NPM", "tests/.tools/npm/node_modules"),
        )
        .stdin(Stdio::null());

    let run = spawn_blocking(move || run.output()).await.unwrap();

    let run = run.expect("BAUTA_TEST_PYTHON names no Python; ./tests/run installs one");
    let error = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{error}");
    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    let wrong = told["wrong"].as_array().unwrap();
    println!(
        "Chromium {}, scripts {scripts}: {} pages looked at, {} things wrong; pictures in {}",
        told["browser"].as_str().unwrap(),
        told["pages"],
        wrong.len(),
        screens.display()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    told
}

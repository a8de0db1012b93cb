//! The portal in a real browser, with scripts and without.

use std::{
    fs,
    process::{Command, Stdio},
};

use bauta_tests::{Backend, World, process_log, root, tool};
use serde_json::Value;
use tokio::task::spawn_blocking;

#[tokio::test(flavor = "multi_thread")]
async fn ada_does_everything_on_the_portal_with_scripts_on() {
    click_through("on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ada_does_everything_on_the_portal_with_scripts_off() {
    click_through("off").await;
}

/// Two visits, light and dark, on a telephone and on a desk: nothing may be wrong on any page.
async fn click_through(scripts: &'static str) {
    let world = World::new(Backend::Sqlite).await;
    let screens = process_log().with_file_name("screens");
    fs::create_dir_all(&screens).unwrap();
    let browser = std::env::var_os("BAUTA_TEST_CHROMIUM")
        .expect("BAUTA_TEST_CHROMIUM names no browser; ./tests/run installs one");
    let mut script = Command::new(tool("BAUTA_TEST_PYTHON", "python3"));
    script
        .arg(root().join("tests/clients/pages.py"))
        .arg(&world.stage.scene.url)
        .arg(&screens)
        .arg(scripts)
        .env("BAUTA_TEST_CHROMIUM", browser)
        .stdin(Stdio::null());

    let run = spawn_blocking(move || script.output()).await.unwrap();

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
    assert!(told["pages"].as_u64().unwrap() > 2 * 34, "{told}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.end().await;
}

//! What somebody meets who uses the binary for the first time, and gets something wrong.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use bauta::{
    dev::stage::{Scene, Setting, Vendor},
    export::types,
};
use bauta_audit::export::Plane;
use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World};

use crate::server::{Server, binary, free, run, text, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dev_on_one_folder_changes_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("dev");
    let first = Dev::start(&data);
    let before = fs::read_to_string(data.join("bauta.toml")).unwrap();

    let second = run(&["dev", "--data", text(&data), "--listen", &port()]);
    let reset = run(&["dev", "--data", text(&data), "--reset", "--listen", &port()]);

    for refused in [second, reset] {
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("another `bauta dev` runs"), "{said}");
    }
    assert_eq!(fs::read_to_string(data.join("bauta.toml")).unwrap(), before);
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dev_whose_address_is_taken_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("dev");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    for listen in [address.as_str(), "192.0.2.1:80"] {
        let refused = run(&["dev", "--data", text(&data), "--listen", listen]);

        assert!(!refused.status.success());
        assert!(!data.exists(), "{listen}");
    }
    let said = run(&["dev", "--data", text(&data), "--listen", &address]).stderr;
    assert!(String::from_utf8(said).unwrap().contains("--listen"));
}

/// The lines that a shell reads in are for its children, and the next start gives the same token: a
/// shell that has it goes on, and no token is left lying about.
#[tokio::test(flavor = "multi_thread")]
async fn what_dev_prints_works_in_a_shell_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("dev");
    let listen = port();
    let ask = |dev: &Dev| {
        let read_in = dev.printed.iter().find(|line| line.starts_with(". "));
        let script = format!(
            "{} && exec sh -c 'curl -s -o /dev/null -w %{{http_code}} \
             -H \"authorization: Bearer $ANTHROPIC_AUTH_TOKEN\" $ANTHROPIC_BASE_URL/v1/models'",
            read_in.unwrap()
        );
        let said = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let token = |dev: &Dev| {
        let line = dev
            .printed
            .iter()
            .find(|it| it.starts_with("ANTHROPIC_AUTH_TOKEN="));
        line.unwrap().clone()
    };

    let first = Dev::start_at(&data, &listen);
    let (asked, kept) = (ask(&first), token(&first));
    drop(first);
    let second = Dev::start_at(&data, &listen);
    let (again, same) = (ask(&second), token(&second));
    drop(second);
    let moved = Dev::start(&data);
    let other = (ask(&moved), token(&moved));

    assert_eq!((asked.as_str(), again.as_str()), ("200", "200"));
    assert_eq!(kept, same);
    assert_eq!(other.0, "200");
    assert_ne!(other.1, kept, "a token is for one address");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_needs_no_secret_of_the_other_sides() {
    let world = World::new(Backend::Sqlite).await;
    let config = world.stage.scene.folder.join("bauta.toml");
    let list = || told(&["member", "list", "--config", text(&config)]);
    let empty = run(&["member", "list", "--config", text(&config)]);
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let early = list();
    ada.verify(Decision::Approve).await.unwrap();
    for secret in ["sso", "persona", "persona-webhook", "upstream", "gateway"] {
        fs::remove_file(world.stage.scene.folder.join("keys").join(secret)).unwrap();
    }

    let verified = list();
    let number = ada.number().await.unwrap();
    told(&[
        "member",
        "suspend",
        &number,
        "--reason",
        "lost-device",
        "--config",
        text(&config),
    ]);
    let suspended = list();
    let again = run(&[
        "member",
        "suspend",
        &number,
        "--reason",
        "lost-device",
        "--config",
        text(&config),
    ]);
    let nobody = format!("mbr_{}", "a".repeat(26));
    let unknown = run(&["member", "reinstate", &nobody, "--config", text(&config)]);

    assert!(
        String::from_utf8(empty.stderr)
            .unwrap()
            .contains("nobody has signed in yet")
    );
    assert!(early.contains("not verified"), "{early}");
    assert!(verified.contains("verified until 20"), "{verified}");
    assert!(suspended.contains("suspended (lost-device)"), "{suspended}");
    let again = String::from_utf8(again.stderr).unwrap();
    assert!(
        again.contains("was suspended before (lost-device)"),
        "{again}"
    );
    let unknown = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.contains("is nobody's number"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_reports_is_enough_to_suspend() {
    let world = World::new(Backend::Sqlite).await;
    let config = world.stage.scene.folder.join("bauta.toml");
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    let number = ada.number().await.unwrap();
    let token = ada.labelled_token("frontier", "tool", 1).await.unwrap();
    let body =
        r#"{"model":"claude-opus","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let ask = || async {
        let url = format!("{}/v1/messages", world.stage.scene.url);
        let ask = world.stage.scene.http.post(url).bearer_auth(&token);
        let ask = ask.header("anthropic-version", "2023-06-01").body(body);
        let ask = ask.header("content-type", "application/json");
        ask.send().await.unwrap().status()
    };
    assert!(ask().await.is_success());
    let seen = world.stage.scene.sandbox.anthropic.requests();
    let seen = seen.last().unwrap().json().unwrap();
    let reported = seen
        .pointer("/metadata/user_id")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();

    let done = told(&[
        "member",
        "suspend",
        "--pseudonym",
        &reported,
        "--reason",
        "abuse-report",
        "--config",
        text(&config),
    ]);

    assert!(done.starts_with(&number), "{done}");
    let plane = world.stage.running.plane.as_ref().unwrap();
    let rows = plane.members(None, 9).await.unwrap();
    assert_eq!(rows[0].reason.as_deref(), Some("abuse-report"));
    let gateway = world.stage.running.gateway.as_ref().unwrap();
    gateway.follow().await.unwrap();
    assert_eq!(ask().await, 401, "the token still works");
    plane.seal().await.unwrap();
    gateway.seal().await.unwrap();
    known(&*plane.log(), types(Plane::Identity)).await;
    known(&*gateway.log(), types(Plane::Gateway)).await;
}

/// Every event of `log` is of a type that an export may ask for.
async fn known(log: &dyn bauta_audit::store::LogStore, types: &[&str]) {
    let size = log.head().await.unwrap().size;
    for leaf in log.leaves(0..size).await.unwrap() {
        let event: serde_json::Value = serde_json::from_str(&leaf.event.unwrap()).unwrap();
        let kind = event["type"].as_str().unwrap();
        assert!(types.contains(&kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_yet_is_named() {
    let (scene, _folder) = scene();
    let config = scene.folder.join("bauta.toml");

    let refused = run(&["member", "list", "--config", text(&config)]);

    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("identity.db is not there"), "{said}");
    assert!(said.contains("bauta serve"), "{said}");
    assert_eq!(said.matches("identity.db").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_what_keeps_people_out() {
    let (scene, _folder) = scene();
    let config = scene.folder.join("bauta.toml");
    let away = fs::read_to_string(&config).unwrap();
    let away = away.replace(&scene.sandbox.idp.issuer(), "http://127.0.0.1:9/nobody");
    fs::write(&config, away).unwrap();
    let address: std::net::SocketAddr = scene.url.trim_start_matches("http://").parse().unwrap();

    let server = Server::start(&config, &[], address).await;
    let second = run(&["serve", "--config", text(&config)]);
    let strange = scene.http.get(&scene.url).header("host", "evil.example");
    let strange = strange.send().await.unwrap();
    let (status, body) = (strange.status(), strange.text().await.unwrap());
    let log = config.with_file_name("server.log");
    let wait_for = |what: &str| {
        (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            fs::read_to_string(&log).unwrap().contains(what)
        })
    };

    assert_eq!(status, 421);
    assert!(body.contains(&format!("answers to {address}")), "{body}");
    assert!(wait_for("is sso.issuer right?"), "of the provider");
    assert!(wait_for("evil.example"), "of the name that was asked for");
    let second = String::from_utf8(second.stderr).unwrap();
    let said = second.matches("in use by another Bauta process").count();
    assert_eq!(said, 1, "{second}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_makes_its_folder_and_writes_over_nothing() {
    let world = World::new(Backend::Sqlite).await;
    let config = world.stage.scene.folder.join("bauta.toml");
    world.member("Ada").sign_in().await.unwrap();
    let out = world.folder().join("new/exports");
    let export = |more: &[&str]| {
        let all = [
            "audit",
            "export",
            "--config",
            text(&config),
            "--out",
            text(&out),
        ];
        run(&[&all, more].concat())
    };

    let first = export(&[]);
    let second = export(&[]);
    let forced = export(&["--force"]);
    let typo = export(&["--force", "--type", "sso.loginn"]);

    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    assert_eq!(second.status.code(), Some(2));
    assert!(
        String::from_utf8(second.stderr)
            .unwrap()
            .contains("--force")
    );
    assert!(forced.status.success());
    let typo = String::from_utf8(typo.stderr).unwrap();
    assert!(typo.contains("did you mean \"sso.login\"?"), "{typo}");
}

/// A configuration with officers alone, which a production server takes, and nothing running.
fn scene() -> (Scene, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting {
        vendor: Vendor::Officers,
        ..Setting::new(folder.path().join("bauta"))
    };
    (Scene::set(&setting, free()).unwrap(), folder)
}

/// A port that was free a moment ago, as were the four after it, below those that the system hands
/// out: the simulators must not take what another test was given.
fn port() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    let mut bases = (0..1_000).map(|_| {
        let next = NEXT.fetch_add(5, Ordering::Relaxed);
        20_000 + (own + next) % 10_000
    });
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let base = bases.find(|base| (0..5).all(|n| free(base + n)));
    base.unwrap().to_string()
}

/// A `bauta dev`, ended when the test is over however it ends.
struct Dev {
    child: Child,
    printed: Vec<String>,
}

impl Dev {
    fn start(data: &Path) -> Self {
        Self::start_at(data, &port())
    }

    fn start_at(data: &Path, listen: &str) -> Self {
        let mut child = Command::new(binary())
            .args(["dev", "--listen", listen, "--data"])
            .arg(data)
            .env_remove("ANTHROPIC_API_KEY")
            .env("OPENAI_API_KEY", "bauta_pasted")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let last = line.contains("Ctrl-C ends it");
            printed.push(line);
            if last {
                break;
            }
        }
        let dev = Self { child, printed };
        assert!(
            dev.printed
                .iter()
                .any(|it| it.contains("OPENAI_API_KEY in the environment"))
        );
        assert!(dev.printed[0].contains("everything around it simulated"));
        dev
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

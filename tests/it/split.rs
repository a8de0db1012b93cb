//! The planes as two processes: own configuration, own keys, own database, and nothing between them
//! but the feed over HTTP.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bauta::dev::{
    member::Member,
    stage::{Scene, Setting, Vendor},
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;
use toml::{Table, toml};

use crate::server::{Server, free, run, text, told};

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_serve_a_member_and_refuse_it_within_two_seconds_of_its_suspension() {
    let split = Split::new();
    let gateway = split.serve_gateway().await;
    let early = split.ask("bauta_nothing").await;
    let identity = split.serve_identity().await;
    let token = split.token_of_ada().await;
    split.until(&token, StatusCode::OK).await;

    let asked = split.ask(&token).await;
    let number = split.number_of_ada().await;
    told(&[
        "member",
        "suspend",
        "--config",
        text(&split.identity),
        &number,
        "--reason",
        "lost_device",
    ]);
    let took = split.until(&token, StatusCode::UNAUTHORIZED).await;

    println!("refused {} ms after the suspension", took.as_millis());
    assert_eq!(early, StatusCode::SERVICE_UNAVAILABLE, "before any page");
    assert_eq!(asked, StatusCode::OK);
    assert!(took < Duration::from_secs(2), "{took:?}");
    split.exports_verify();
    drop((gateway, identity));
    split.nothing_is_shared();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_says_what_the_other_planes_configuration_lacks() {
    let split = Split::new();
    let refused = |config: &Path, role: &str| {
        let said = run(&["serve", "--role", role, "--config", text(config)]);
        assert!(!said.status.success(), "{role} starts on the other's files");
        String::from_utf8(said.stderr).unwrap()
    };

    let identity = refused(&split.gateway, "identity");
    let gateway = refused(&split.identity, "gateway");

    assert!(identity.contains("storage.identity"), "{identity}");
    assert!(gateway.contains("storage.gateway"), "{gateway}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_one_role_asks_for_nothing_of_the_other() {
    let split = Split::new();
    let check = |config: &Path, role: &str| {
        let said = run(&["check", "--json", "--role", role, "--config", text(config)]);
        let rows: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap();
        let bad = rows.into_iter().filter(|row| row["good"] == false);
        bad.map(|row| row["what"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    let identity = check(&split.identity, "identity");
    let alone = check(&split.gateway, "gateway");
    let server = split.serve_identity().await;
    let together = check(&split.gateway, "gateway");
    let whole = check(&split.gateway, "all");

    assert!(identity.is_empty(), "{identity:?}");
    assert_eq!(
        alone,
        [format!("the identity plane at {}", split.scene.url)]
    );
    assert!(together.is_empty(), "{together:?}");
    assert!(whole.contains(&"storage.identity is absent".to_owned()));
    drop(server);
}

/// Two homes that share nothing, and the counterparties.
struct Split {
    scene: Scene,
    /// The configuration of each.
    identity: PathBuf,
    gateway: PathBuf,
    gateway_url: String,
    _folder: tempfile::TempDir,
}

impl Split {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting {
            vendor: Vendor::Officers,
            ..Setting::new(folder.path().join("both"))
        };
        let scene = Scene::set(&setting, free()).unwrap();
        let whole: Table = fs::read_to_string(scene.folder.join("bauta.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let gateway_url = format!("http://{}", free());
        let home = |plane: &str, keys: &[&str]| {
            let home = folder.path().join(plane);
            for part in ["keys", "data"] {
                fs::create_dir_all(home.join(part)).unwrap();
            }
            for key in keys {
                // A rename keeps the strict mode, and leaves nothing behind.
                let from = scene.folder.join("keys").join(key);
                fs::rename(from, home.join("keys").join(key)).unwrap();
            }
            home.join("bauta.toml")
        };
        let identity = home("identity", &["pepper", "kek", "sso"]);
        let gateway = home("gateway", &["gateway", "upstream"]);
        fs::remove_dir_all(&scene.folder).unwrap();
        let split = Self {
            identity,
            gateway,
            gateway_url,
            scene,
            _folder: folder,
        };
        split.write(whole);
        split
    }

    /// Each gets the sections of its plane, and both what the two must agree on.
    fn write(&self, whole: Table) {
        let (here, there) = (&self.scene.url, &self.gateway_url);
        let server = |url: &str| {
            let mut server = Table::new();
            server.insert("public_url".into(), here.as_str().into());
            server.insert("gateway_url".into(), there.as_str().into());
            server.insert("listen".into(), address(url).to_string().into());
            server
        };
        let mut identity = whole.clone();
        identity.insert("server".into(), server(here).into());
        identity.insert(
            "storage".into(),
            toml! { identity = "sqlite://data/identity.db" }.into(),
        );
        identity["keys"].as_table_mut().unwrap().remove("gateway");
        for upstream in identity["upstream"].as_array_mut().unwrap() {
            upstream.as_table_mut().unwrap().remove("credential");
        }
        fs::write(&self.identity, identity.to_string()).unwrap();

        let mut gateway = whole;
        for section in ["sso", "oauth", "verifier"] {
            gateway.remove(section);
        }
        let mut server = server(there);
        server.insert("identity_log_key".into(), self.log_key().into());
        gateway.insert("server".into(), server.into());
        gateway.insert(
            "storage".into(),
            toml! { gateway = "sqlite://data/gateway.db" }.into(),
        );
        let keys = gateway["keys"].as_table_mut().unwrap();
        keys.retain(|name, _| name == "gateway");
        fs::write(&self.gateway, gateway.to_string()).unwrap();
    }

    /// As an operator copies it from one machine to the other.
    fn log_key(&self) -> String {
        let config = text(&self.identity);
        let said = told(&["check", "--json", "--role", "identity", "--config", config]);
        let rows: Vec<Value> = serde_json::from_str(&said).unwrap();
        let mut notes = rows.iter().filter_map(|row| row["note"].as_str());
        let line = notes
            .find_map(|note| note.strip_prefix("server.identity_log_key = "))
            .expect("the check shows no key");
        line.trim_matches('"').to_owned()
    }

    async fn serve_identity(&self) -> Server {
        let address = address(&self.scene.url);
        Server::start(&self.identity, &["--role", "identity"], address).await
    }

    async fn serve_gateway(&self) -> Server {
        let address = address(&self.gateway_url);
        Server::start(&self.gateway, &["--role", "gateway"], address).await
    }

    /// Ada signs in, two officers vouch for her, and her terminal gets a token.
    async fn token_of_ada(&self) -> String {
        let mut ada = Member::new(&self.scene, "Ada");
        ada.sign_in().await.unwrap();
        let code = ada.meeting_code().await.unwrap();
        for name in ["Carol", "Dave"] {
            let mut officer = Member::new(&self.scene, name);
            officer.sign_in().await.unwrap();
            officer.vouch_for(&code).await.unwrap();
        }
        ada.device_token("frontier").await.unwrap().access
    }

    async fn number_of_ada(&self) -> String {
        let mut ada = Member::new(&self.scene, "Ada");
        ada.sign_in().await.unwrap();
        ada.number().await.unwrap()
    }

    async fn ask(&self, token: &str) -> StatusCode {
        let body = json!({
            "model": "claude-haiku", "max_tokens": 16,
            "messages": [ { "role": "user", "content": "hello" } ],
        });
        let sent = self
            .scene
            .http
            .post(format!("{}/v1/messages", self.gateway_url))
            .header("x-api-key", token)
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(body.to_string())
            .send();
        sent.await.unwrap().status()
    }

    /// Asks until the answer is `wanted`, and says how long that took.
    async fn until(&self, token: &str, wanted: StatusCode) -> Duration {
        let began = Instant::now();
        loop {
            let status = self.ask(token).await;
            if status == wanted {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "still {status} and not {wanted}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn exports_verify(&self) {
        for (config, plane) in [(&self.identity, "identity"), (&self.gateway, "gateway")] {
            let out = config.with_file_name("exports");
            fs::create_dir_all(&out).unwrap();
            told(&[
                "audit",
                "export",
                "--config",
                text(config),
                "--out",
                text(&out),
            ]);
            let files: Vec<_> = fs::read_dir(&out)
                .unwrap()
                .map(|file| file.unwrap().file_name())
                .collect();
            assert_eq!(files, [format!("{plane}.jsonl").as_str()], "its own alone");
            let file = out.join(&files[0]);
            told(&["audit", "verify", text(&file)]);
            let records = fs::read_to_string(file).unwrap();
            assert!(records.contains("audit.exported"), "{plane}");
        }
    }

    /// No key and no database of the one is in the home of the other.
    fn nothing_is_shared(&self) {
        let names = |config: &Path, part: &str| {
            let files = fs::read_dir(config.with_file_name(part)).unwrap();
            let mut names: Vec<_> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&self.identity, "keys"), ["kek", "pepper", "sso"]);
        assert_eq!(names(&self.gateway, "keys"), ["gateway", "upstream"]);
        for (config, other) in [(&self.identity, "gateway"), (&self.gateway, "identity")] {
            let data = names(config, "data");
            assert!(!data.iter().any(|name| name.contains(other)), "{data:?}");
        }
        assert!(!self.scene.folder.exists());
    }
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

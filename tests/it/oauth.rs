//! The authorization server, taken by a client that nobody here wrote: the certified
//! `openid-client`, against the real binary. And builds of a platform that signs as GitHub does.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use bauta::dev::{
    member::Member,
    stage::{Scene, Setting, Vendor},
};
use bauta_tests::{root, tool};
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
};

use crate::server::{Server, free, run, text, told};

const SECRET: &str = "what-a-resource-server-presents";
/// What a program shows the browser when it comes back.
const CLOSE_ME: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nclose me";

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_client_goes_every_way_to_a_token_and_is_refused_every_other() {
    let house = House::open();
    let server = house.serve().await;
    let mut ada = house.verified("Ada").await;
    let redirect = Redirect::listen().await;
    let url = house.scene.url.clone();
    let mut client = Talk::with("oauth.mjs", &[&url, &url, SECRET, &redirect.uri]);

    let found = loop {
        let said = client.next().await;
        if !said["found"].is_null() {
            break said["found"].clone();
        }
        let answer = act(&mut ada, &url, &said).await;
        client.tell(&answer);
    };

    discovered(&found, &url);
    assert_eq!(
        found["code"],
        json!({
            "type": "bearer", "scope": "frontier", "expires": found["code"]["expires"],
            "verifier": "invalid_grant", "redirect": "invalid_grant", "denied": "access_denied",
        })
    );
    let claims = [
        "aud",
        "client_id",
        "end",
        "exp",
        "gates",
        "iat",
        "iss",
        "jti",
        "psn",
        "scope",
        "sub",
    ];
    assert_eq!(found["claims"], json!(claims));
    let pushed = json!({
        "query": ["client_id", "request_uri"], "taken": "TAKEN", "wrong": "invalid_request",
    });
    assert_eq!(found["pushed"], pushed, "RFC 9126");
    for kind in ["another", "absent"] {
        let objection = found["iss"][kind].as_str().unwrap();
        assert!(objection.starts_with("OAUTH_"), "RFC 9207: {objection}");
    }
    let redirects = found["redirects"].as_object().unwrap();
    assert_eq!(redirects.len(), 14);
    for (redirect, answer) in redirects {
        assert_eq!(*answer, json!([400, null]), "{redirect} was followed");
    }
    let twice = json!({ "again": "invalid_grant", "refresh": "invalid_grant" });
    assert_eq!(found["twice"], twice);
    let rotation = json!({
        "fresh": 3, "reuse": "invalid_grant", "family": "invalid_grant", "wider": "invalid_scope",
    });
    assert_eq!(found["rotation"], rotation, "the whole family dies");
    assert_eq!(found["race"], json!({ "successors": 1, "refused": 0 }));
    assert_eq!(found["revoked"], "invalid_grant");
    introspected(&found["introspection"], &url);
    assert_eq!(
        found["device"],
        json!({
            "allow": "TAKEN", "deny": "access_denied",
            "waiting": ["authorization_pending", "slow_down"],
        })
    );
    for (grant, error) in found["none"].as_object().unwrap() {
        assert_eq!(error, "unsupported_grant_type", "{grant}");
    }
    assert_eq!(
        found["assertion"], "invalid_client",
        "nobody has a credential here"
    );
    let token = |name: &str| found[name].as_str().unwrap().to_owned();
    assert!(ada.may_ask_with(&token("live")).await.unwrap());
    until_refused(&ada, &token("dead")).await;
    drop(server);
}

/// The metadata of RFC 8414, and no promise in it that is not kept above.
fn discovered(found: &Value, url: &str) {
    assert_eq!(found["openid"], *url);
    let metadata = &found["metadata"];
    assert_eq!(metadata["issuer"], *url);
    for (name, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("pushed_authorization_request_endpoint", "/oauth/par"),
        ("token_endpoint", "/oauth/token"),
        (
            "device_authorization_endpoint",
            "/oauth/device_authorization",
        ),
        ("revocation_endpoint", "/oauth/revoke"),
        ("introspection_endpoint", "/oauth/introspect"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(metadata[name], format!("{url}{path}"), "{name}");
    }
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
}

fn introspected(found: &Value, url: &str) {
    let live = json!({
        "active": true, "scope": "frontier", "client_id": "bauta-cli", "token_type": "Bearer",
        "aud": url,
    });
    assert_eq!(found["live"], live);
    let inactive = json!({ "active": false });
    assert_eq!(
        (&found["revoked"], &found["nothing"]),
        (&inactive, &inactive)
    );
    for who in ["stranger", "nobody"] {
        let refused = found[who].as_str().unwrap();
        assert!(refused != "TAKEN", "{who}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_exchanges_its_platforms_token_while_its_sponsor_may() {
    let port = free().port().to_string();
    let mut house = House::open();
    let server = house.serve().await;
    let ada = house.verified("Ada").await;
    let number = house.number(ada).await;
    drop(server);
    house.add(&format!(
        "\n[[workload]]\nissuer = \"http://127.0.0.1:{port}\"\naudience = \"{}\"\n\
         claims = {{ repository_owner_id = \"1234\", environment = \"ci\" }}\n\
         scope = \"frontier\"\nsponsor = \"{number}\"\nttl = \"10m\"\n",
        house.scene.url
    ));
    let server = house.serve().await;
    let mut ci = Talk::with("ci.mjs", &[&port, &house.scene.url]);
    assert_eq!(ci.next().await, json!({ "ready": true }));
    let checked = run(&["check", "--config", text(&house.config)]);
    let checked = String::from_utf8(checked.stdout).unwrap();
    for what in ["the keys of workload 1", "the sponsor of workload 1"] {
        let mut rows = checked.lines().filter(|row| row.contains(what));
        assert!(rows.any(|row| row.starts_with("ok")), "{what}: {checked}");
    }

    let given = ci.asks(&json!({ "claims": {} })).await;
    let again = ci.asks(&json!({ "again": true })).await;
    let foreign = ci
        .asks(&json!({ "claims": { "repository_owner_id": "4321" } }))
        .await;
    let default_audience = json!({ "claims": { "aud": "https://github.com/corp" } });
    let default_audience = ci.asks(&default_audience).await;

    let token = given["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{given}"));
    assert_eq!(given["scope"], "frontier");
    assert_eq!(given.get("refresh_token"), None);
    assert!(given["expires_in"].as_i64().unwrap() <= 600);
    let asked = member(&house.scene).may_ask_with(token).await;
    assert!(asked.unwrap(), "the gateway takes it");
    assert_eq!(again["error"], "invalid_request", "{again}");
    assert_eq!(foreign["error"], "invalid_request", "{foreign}");
    assert_eq!(default_audience["error"], "invalid_request");
    let fetched = &default_audience["fetched"];
    assert_eq!(
        *fetched, 2,
        "one by the check, one by the server for all of them"
    );

    let by_hand = ci.asks(&json!({ "sign": {} })).await;
    let by_hand = as_the_page_shows(&house.scene.url, by_hand["token"].as_str().unwrap());
    let taken = member(&house.scene).may_ask_with(&by_hand).await;
    assert!(taken.unwrap(), "{by_hand}");

    told(&[
        "member",
        "suspend",
        &number,
        "--reason",
        "left",
        "--config",
        text(&house.config),
    ]);
    let refused = ci.asks(&json!({ "claims": {} })).await;
    assert_eq!(refused["error"], "invalid_grant", "{refused}");
    until_refused(&member(&house.scene), token).await;
    for file in ["data/identity.db", "data/identity.db-wal", "server.log"] {
        let bytes = fs::read(house.scene.folder.join(file)).unwrap_or_default();
        let bytes = String::from_utf8_lossy(&bytes);
        for said in ["a-person", "corp/app", "repo:corp"] {
            assert!(!bytes.contains(said), "{said} is in {file}");
        }
    }
    drop(server);
}

/// What the function of `docs/WORKLOADS.md` prints for a platform's token.
fn as_the_page_shows(url: &str, token: &str) -> String {
    let page = fs::read_to_string(root().join("docs/WORKLOADS.md")).unwrap();
    let function = page.split_once("```sh\n").unwrap().1;
    let function = function.split_once("```").unwrap().0;
    let mut shell = Command::new("sh")
        .arg("-c")
        .arg(format!("{function}\nbauta_token"))
        .env("BAUTA_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(token.as_bytes()).unwrap();
    drop(stdin);
    let done = shell.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    String::from_utf8(done.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// A production server's settings, with nobody simulated but the identity provider and the models.
struct House {
    scene: Scene,
    config: std::path::PathBuf,
    _folder: TempDir,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting {
            vendor: Vendor::Officers,
            ..Setting::new(folder.path().join("bauta"))
        };
        let scene = Scene::set(&setting, free()).unwrap();
        let config = scene.folder.join("bauta.toml");
        let mut house = Self {
            config,
            scene,
            _folder: folder,
        };
        fs::write(house.scene.folder.join("keys/resource"), SECRET).unwrap();
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(house.scene.folder.join("keys/resource"), own).unwrap();
        house.add("\n[introspection]\nsecret = { file = \"keys/resource\" }\n");
        house
    }

    fn add(&mut self, more: &str) {
        let text = fs::read_to_string(&self.config).unwrap();
        fs::write(&self.config, text + more).unwrap();
    }

    async fn serve(&self) -> Server {
        let address = self.scene.url.strip_prefix("http://").unwrap();
        Server::start(&self.config, &[], address.parse().unwrap()).await
    }

    /// Somebody whom two officers have seen.
    async fn verified(&self, name: &str) -> Member<'_> {
        let mut member = Member::new(&self.scene, name);
        member.sign_in().await.unwrap();
        let code = member.meeting_code().await.unwrap();
        for name in ["Carol", "Dave"] {
            let mut officer = Member::new(&self.scene, name);
            officer.sign_in().await.unwrap();
            officer.vouch_for(&code).await.unwrap();
        }
        member
    }

    async fn number(&self, mut member: Member<'_>) -> String {
        member.number().await.unwrap()
    }
}

fn member(scene: &Scene) -> Member<'_> {
    Member::new(scene, "")
}

/// The feed is read twice a second.
async fn until_refused(member: &Member<'_>, token: &str) {
    for _ in 0..100 {
        if !member.may_ask_with(token).await.unwrap() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the gateway takes a token whose grant has ended");
}

/// Does what a person does: on the page that a program opened, or with the code that it showed.
async fn act(member: &mut Member<'_>, url: &str, said: &Value) -> String {
    let browser = &mut member.browser;
    for (key, answer) in [("open", "allow"), ("deny", "deny")] {
        if let Some(page) = said[key].as_str() {
            let page = browser.open(page).await.unwrap();
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            let mut fields = hidden(&page.body);
            fields.push(("answer".to_owned(), answer.to_owned()));
            let fields: Vec<_> = fields
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let to = format!("{url}/oauth/authorize");
            return browser.submit(&to, &fields).await.unwrap().url.into();
        }
    }
    for (key, answer) in [("type", "allow"), ("refuse", "deny")] {
        if let Some(code) = said[key].as_str() {
            let fields = [
                ("user_code", code),
                ("scope", "frontier"),
                ("answer", answer),
            ];
            for (page, fields) in [("device", &fields[..1]), ("device/answer", &fields[..])] {
                let page = browser
                    .submit(&format!("{url}/{page}"), fields)
                    .await
                    .unwrap();
                assert!(page.status.is_success(), "{}", page.body);
            }
            return "done".to_owned();
        }
    }
    panic!("{said}");
}

/// Every hidden field of a page.
fn hidden(page: &str) -> Vec<(String, String)> {
    let fields = page.split("<input type=\"hidden\" name=\"").skip(1);
    fields
        .map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            let (value, _) = rest.split_once('"').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// Where a program on the member's machine waits for the browser.
struct Redirect {
    uri: String,
    _served: JoinSet<()>,
}

impl Redirect {
    async fn listen() -> Self {
        let address = free();
        let socket = TcpListener::bind(address).await.unwrap();
        let mut served = JoinSet::new();
        served.spawn(async move {
            loop {
                let (mut browser, _) = socket.accept().await.unwrap();
                // A request of a few hundred bytes; what it asks for is in the browser's hands too.
                drop(browser.read(&mut [0; 8_192]).await);
                drop(browser.write_all(CLOSE_ME).await);
            }
        });
        Self {
            uri: format!("http://{address}/callback"),
            _served: served,
        }
    }
}

/// A script that says and reads lines of JSON. Killed when dropped.
struct Talk {
    child: Child,
    stdin: ChildStdin,
    said: mpsc::UnboundedReceiver<String>,
    folder: TempDir,
}

impl Talk {
    fn with(script: &str, arguments: &[&str]) -> Self {
        // A module finds its packages beside itself.
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(script);
        fs::copy(root().join("tests/clients").join(script), &place).unwrap();
        let packages = env::var_os("BAUTA_TEST_NPM")
            .expect("BAUTA_TEST_NPM names no packages; ./tests/run installs them");
        symlink(packages, folder.path().join("node_modules")).unwrap();
        let mut child = Command::new(tool("BAUTA_TEST_NODE", "node"))
            .arg(place)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("BAUTA_TEST_NODE names no Node; ./tests/run installs one");
        let (tell, said) = mpsc::unbounded_channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        Self {
            stdin: child.stdin.take().unwrap(),
            child,
            said,
            folder,
        }
    }

    async fn next(&mut self) -> Value {
        let Some(line) = self.said.recv().await else {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
            panic!("the script ended: {log}");
        };
        serde_json::from_str(&line).unwrap()
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    async fn asks(&mut self, what: &Value) -> Value {
        self.tell(&what.to_string());
        self.next().await
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

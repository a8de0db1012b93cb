//! Real clients against `bauta serve` as a process of its own, on a machine that is signed in with
//! `bauta login`: the configuration an operator writes, the token that a helper prints, and a
//! provider that records what it gets.

use std::{path::Path, process::Stdio};

use bauta::dev::{
    member::Member,
    stage::{Scene, Setting, Vendor},
};
use bauta_sandbox::Request;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{
    cli,
    desk::{ANSWER, Desk, NOTE, answering, calling, lines, run},
    sdk::{
        ANTHROPIC, GOOGLE, Known, MESSAGES, OPENAI,
        clients::{is_unknown_to, only},
    },
    server::{Server, binary, free, text, told},
};

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_claude_code_gets_its_token_from_a_helper_and_names_nobody_to_a_served_bauta() {
    let house = House::open().await;
    let provider = &house.scene.sandbox.anthropic;
    provider.reply_next(calling("Bash", &json!({ "command": "cat notes.txt" })));
    provider.reply_next(answering());
    let helper = format!("'{}' token", binary().display());

    let claude = house.desk.claude_by_helper(&house.scene.url, &helper);
    let said = lines(&run(claude).await);

    let end = said.last().unwrap();
    assert_eq!(end["result"], ANSWER, "{end}");
    let asked = |request: &Request| request.path() == MESSAGES;
    let requests = provider.requests().into_iter().filter(asked).collect();
    let face = json!({ "user_id": house.member.face("anthropic") });
    for body in house.left(requests, 2, &ANTHROPIC, "claude-cli/2.1.329") {
        assert_eq!(body["metadata"], face);
        assert_eq!(body["stream"], true);
    }
    house.has_on_record(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_codex_gets_its_token_from_a_program_and_names_nobody_to_a_served_bauta() {
    let house = House::open().await;
    let provider = &house.scene.sandbox.openai;
    provider.reply_next(calling("exec_command", &json!({ "cmd": "cat notes.txt" })));
    provider.reply_next(answering());

    let codex = house
        .desk
        .codex_by_helper(&house.scene.url, &binary(), "gpt");
    let said = lines(&run(codex).await);

    let message = |line: &&Value| line["item"]["type"] == "agent_message";
    let last = said.iter().rfind(message).unwrap();
    assert_eq!(last["item"]["text"], ANSWER, "{said:#?}");
    for body in house.left(provider.requests(), 2, &OPENAI, "codex_exec/0.169.0") {
        assert_eq!(body["client_metadata"], json!({}));
        assert_eq!(body["safety_identifier"], house.member.face("openai"));
        assert_eq!(body["stream"], true);
    }
    house.has_on_record(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_gemini_cli_names_nobody_to_a_served_bauta() {
    let house = House::open().await;
    let provider = &house.scene.sandbox.gemini;
    provider.reply_next(calling("read_file", &json!({ "file_path": "notes.txt" })));
    provider.reply_next(answering());

    let gemini = house.desk.gemini(&house.scene.url, &house.token, "gemini");
    let said = String::from_utf8(run(gemini).await.stdout).unwrap();

    assert!(said.contains(ANSWER), "{said}");
    house.left(provider.requests(), 2, &GOOGLE, "GeminiCLI-tui/0.61.0");
    house.has_on_record(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_sdks_stream_and_use_tools_and_name_nobody_to_a_served_bauta() {
    let house = House::open().await;
    let sandbox = &house.scene.sandbox;
    let place = json!({ "place": "naïve, 東京, 🎭" });
    let mut sent = 0;
    for (language, kind, model, calls, agent) in SDKS {
        for _ in 0..calls {
            match kind {
                "anthropic" => {
                    sandbox.anthropic.reply_next(calling("look", &place));
                    sandbox.anthropic.reply_next(answering());
                }
                "openai" => {
                    sandbox.openai.reply_next(calling("look", &place));
                    sandbox.openai.reply_next(answering());
                }
                _ => {
                    sandbox.gemini.reply_next(calling("look", &place));
                    sandbox.gemini.reply_next(answering());
                }
            }
        }
        let (url, token) = (&house.scene.url, &house.token);
        let script = match language {
            "python" => house.desk.python(kind, url, token, model),
            _ => house.desk.javascript(kind, url, token, model),
        };

        let seen: Value = serde_json::from_slice(&run(script).await.stdout).unwrap();

        let seen = seen.as_object().unwrap();
        assert_eq!(seen.len(), calls, "{seen:?}");
        for (call, told) in seen {
            assert_eq!(told["text"], ANSWER, "{language} {kind} {call}");
            assert_eq!(told["input"], place, "{language} {kind} {call}");
        }
        let (requests, headers) = match kind {
            "anthropic" => (sandbox.anthropic.requests(), &ANTHROPIC[..]),
            "openai" => (sandbox.openai.requests(), &OPENAI[..]),
            _ => (sandbox.gemini.requests(), &GOOGLE[..]),
        };
        for body in house.unknown(requests, 2 * calls, headers, agent) {
            match kind {
                "anthropic" => {
                    let face = json!({ "user_id": house.member.face("anthropic") });
                    assert_eq!(body["metadata"], face);
                }
                "openai" => assert_eq!(body["safety_identifier"], house.member.face("openai")),
                _ => assert_eq!(
                    body["labels"].as_object().map_or(0, serde_json::Map::len),
                    0
                ),
            }
        }
        sandbox.anthropic.forget_requests();
        sandbox.openai.forget_requests();
        sandbox.gemini.forget_requests();
        sent += 2 * calls;
    }
    house.has_on_record(sent);
}

/// Language, whose, a model, calls (each is two requests), and what is left of the user agent.
const SDKS: [(&str, &str, &str, usize, &str); 5] = [
    (
        "python",
        "anthropic",
        "claude-opus",
        2,
        "Anthropic/Python 2.11.0",
    ),
    ("python", "openai", "gpt", 3, "OpenAI/Python 3.52.0"),
    ("python", "gemini", "gemini", 2, "google-genai-sdk/3.4.0"),
    (
        "javascript",
        "anthropic",
        "claude-opus",
        2,
        "Anthropic/JS 1.14.0",
    ),
    ("javascript", "openai", "gpt", 3, "OpenAI/JS 6.30.1"),
];

/// Bauta as an operator runs it, and a member's machine that is signed in to it.
struct House {
    scene: Scene,
    desk: Desk,
    /// What `bauta token` prints there.
    token: String,
    member: Known,
    server: Server,
    _folder: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let setting = Setting {
            vendor: Vendor::Officers,
            more: "\n[guard]\nhome = \"redact\"\n".to_owned(),
            // What officers vouch for says nothing of an age, which the gate of these models asks.
            edit: Box::new(|text| text.replace("gated_by = \"frontier-gate\"\n", "")),
            ..Setting::new(folder.path().join("bauta"))
        };
        let scene = Scene::set(&setting, free()).unwrap();
        let address = scene.url.trim_start_matches("http://").parse().unwrap();
        let server = Server::start(&scene.folder.join("bauta.toml"), &[], address).await;
        let desk = Desk::new();
        let (token, member) = {
            let mut ada = Member::new(&scene, "Ada");
            ada.sign_in().await.unwrap();
            let code = ada.meeting_code().await.unwrap();
            for name in ["Carol", "Dave"] {
                let mut officer = Member::new(&scene, name);
                officer.sign_in().await.unwrap();
                officer.vouch_for(&code).await.unwrap();
            }
            sign_in(&desk, &scene.url, &mut ada).await;
            let token = said(&desk.home, &["token"]).await;
            let member = Known::of(&scene, &mut ada, token.clone()).await;
            (token, member)
        };
        Self {
            scene,
            desk,
            token,
            member,
            server,
            _folder: folder,
        }
    }

    /// Asserts that so many requests left, that nothing in them tells who sent them, and that what
    /// a tool read is in the last; gives their bodies.
    fn left(&self, requests: Vec<Request>, n: usize, headers: &[&str], agent: &str) -> Vec<Value> {
        assert!(
            requests.last().unwrap().contains(NOTE),
            "what was read is sent"
        );
        self.unknown(requests, n, headers, agent)
    }

    fn unknown(
        &self,
        requests: Vec<Request>,
        n: usize,
        headers: &[&str],
        agent: &str,
    ) -> Vec<Value> {
        assert_eq!(requests.len(), n);
        for request in &requests {
            only(request, headers, agent);
            is_unknown_to(request, &self.member);
        }
        requests.iter().map(|it| it.json().unwrap()).collect()
    }

    /// Asserts that so many requests ended well, by the export that an auditor gets.
    fn has_on_record(self, n: usize) {
        self.server.end();
        let config = self.scene.folder.join("bauta.toml");
        let out = self.scene.folder.join("exports");
        told(&[
            "audit",
            "export",
            "--config",
            text(&config),
            "--out",
            text(&out),
        ]);
        let file = out.join("gateway.jsonl");
        told(&["audit", "verify", text(&file)]);
        let records = std::fs::read_to_string(file).unwrap();
        let ended = records
            .lines()
            .filter(|line| line.contains("request.outcome") && line.contains("completed"));
        assert_eq!(ended.count(), n, "{records}");
        for canary in [self.token.as_str(), NOTE, ANSWER] {
            assert!(!records.contains(canary), "{canary}");
        }
    }
}

/// `bauta login`, with the member at the browser.
async fn sign_in(desk: &Desk, url: &str, member: &mut Member<'_>) {
    let mut login = bauta(&desk.home, &["login", url, "--no-browser"])
        .spawn()
        .unwrap();
    let mut said = BufReader::new(login.stdout.take().unwrap()).lines();
    let asked = loop {
        let line = said
            .next_line()
            .await
            .unwrap()
            .expect("it shows an address");
        if line.trim_start().starts_with("http") {
            break line.trim().to_owned();
        }
    };
    cli::answer(member, &asked, "allow").await;
    while said.next_line().await.unwrap().is_some() {}
    assert!(login.wait().await.unwrap().success());
}

async fn said(home: &Path, args: &[&str]) -> String {
    let done = bauta(home, args).output().await.unwrap();
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "bauta {args:?}: {error}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn bauta(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

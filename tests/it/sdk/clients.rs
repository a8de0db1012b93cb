//! The command line tools that people use, from where they are published, and the SDKs for
//! JavaScript: each calls a tool, streams, and names nobody.
//!
//! Each runs in a home and a repository of its own that say who it is in every place that clients
//! look at. What leaves is searched for all of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use bauta_sandbox::Request;
use bauta_tests::{Backend, World, root, tool};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{ANTHROPIC, GOOGLE, Known, MESSAGES, OPENAI, outcomes};
use crate::desk::{
    ANSWER, ASKED, CANARIES, CLAUDE, Desk, GIT_NAME, MAIL, NOTE, REMOTE, USER, answering, calling,
    lines, packages, run, told,
};

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_claude_code_works_unmodified_and_names_nobody() {
    let world = world().await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.anthropic;
    provider.reply_next(calling("Bash", &json!({ "command": "cat notes.txt" })));
    provider.reply_next(answering());
    let desk = Desk::new();
    let claude = desk.claude(&world.stage.scene.url, &member.token);

    let said = lines(&run(claude).await);

    let end = said.last().unwrap();
    assert_eq!(end["is_error"], false, "{end}");
    assert_eq!(end["result"], ANSWER, "{end}");
    let requests = provider.requests();
    let asked = |request: &&Request| request.path() == MESSAGES;
    let requests: Vec<&Request> = requests.iter().filter(asked).collect();
    assert_eq!(requests.len(), 2, "a tool was called, and its result told");
    for request in &requests {
        only(request, &ANTHROPIC, "claude-cli/2.1.329");
        is_unknown_to(request, &member);
        let body = request.json().unwrap();
        assert_eq!(
            body["model"], "claude-opus-4-8",
            "by the name built into it"
        );
        assert_eq!(body["stream"], true);
        let face = json!({ "user_id": member.face("anthropic") });
        assert_eq!(body["metadata"], face);
    }
    assert!(requests[1].contains(NOTE), "what the tool read is sent");
    let ends = outcomes(&world, 2).await;
    assert!(ends.iter().all(|end| end["outcome"] == "completed"));
    world.end().await;
}

/// As where an organisation rolls it out: the address of the gateway is the machine's, and nothing
/// else is. `/login` in a terminal, a code in a browser, settings from the gateway, `logout`.
#[tokio::test(flavor = "multi_thread")]
async fn prv_08_claude_code_signs_in_by_itself_and_tells_no_git_name_under_our_settings() {
    let world = world().await;
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(bauta_sandbox::persona::Decision::Approve)
        .await
        .unwrap();
    let desk = Desk::new();
    let url = &world.stage.scene.url;
    let managed = json!({ "forceLoginMethod": "gateway", "forceLoginGatewayUrl": url });
    desk.write(
        "etc/claude-code/managed-settings.json",
        &managed.to_string(),
    );
    let begun = json!({
        "hasCompletedOnboarding": true,
        "theme": "dark",
        "projects": { desk.work.to_str().unwrap(): { "hasTrustDialogAccepted": true } },
    });
    desk.write(".claude/.claude.json", &begun.to_string());
    let kept = desk.home.join(".claude/.credentials.json");

    let mut login = desk.managed(&tool("BAUTA_TEST_PYTHON", "python3"));
    login.arg(root().join("tests/clients/login.py")).arg(&kept);
    login
        .arg(tool("BAUTA_TEST_NODE", "node"))
        .arg(packages().join(CLAUDE));
    let mut login = login
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(login.stdout.take().unwrap()).lines();
    let code = spawn_blocking(move || (said.next().unwrap().unwrap(), said)).await;
    let (code, mut said) = code.unwrap();
    let code = code.strip_prefix("CODE ").unwrap();
    let typed = [
        ("user_code", code),
        ("scope", "frontier"),
        ("answer", "allow"),
    ];
    for (page, fields) in [("device", &typed[..1]), ("device/answer", &typed[..])] {
        let page = ada.browser.submit(&format!("{url}/{page}"), fields).await;
        assert!(page.unwrap().status.is_success());
    }
    let end = spawn_blocking(move || said.next()).await.unwrap();
    let done = spawn_blocking(move || login.wait_with_output())
        .await
        .unwrap();
    let done = done.unwrap();
    assert_eq!(end.unwrap().unwrap(), "SIGNED IN", "{}", told(&done));

    let provider = &world.stage.scene.sandbox.anthropic;
    provider.reply_next(answering());
    let mut claude = desk.managed(&tool("BAUTA_TEST_NODE", "node"));
    claude
        .arg(packages().join(CLAUDE))
        .args(["-p", ASKED, "--output-format", "json"]);
    let said = lines(&run(claude).await);

    assert_eq!(said.last().unwrap()["result"], ANSWER, "{said:#?}");
    let requests = provider.requests();
    let request = requests.iter().find(|it| it.path() == MESSAGES).unwrap();
    let body = request.json().unwrap().to_string();
    assert!(!body.contains("Git user"), "it is told not to look for one");
    for canary in [GIT_NAME, MAIL, REMOTE, USER] {
        assert!(!request.contains(canary), "{canary}");
    }
    let token = fs::read_to_string(&kept).unwrap();
    let token = token
        .split('"')
        .find(|word| word.starts_with("bauta_ey"))
        .unwrap();
    let token = token.to_owned();
    assert!(ada.may_ask_with(&token).await.unwrap());
    let mut logout = desk.managed(&tool("BAUTA_TEST_NODE", "node"));
    logout.arg(packages().join(CLAUDE)).args(["auth", "logout"]);
    run(logout).await;
    let mut tries = 0;
    while ada.may_ask_with(&token).await.unwrap() {
        tries += 1;
        assert!(tries < 250, "signing out ended nothing");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_codex_works_unmodified_and_names_nobody() {
    let world = world().await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.openai;
    provider.reply_next(calling("exec_command", &json!({ "cmd": "cat notes.txt" })));
    provider.reply_next(answering());
    let desk = Desk::new();
    let codex = desk.codex(&world.stage.scene.url, &member.token, "gpt");

    let said = lines(&run(codex).await);

    let message = |line: &&Value| line["item"]["type"] == "agent_message";
    let last = said.iter().rfind(message).unwrap();
    assert_eq!(last["item"]["text"], ANSWER, "{said:#?}");
    let requests = provider.requests();
    assert_eq!(requests.len(), 2, "a tool was called, and its result told");
    for request in &requests {
        only(request, &OPENAI, "codex_exec/0.169.0");
        is_unknown_to(request, &member);
        let body = request.json().unwrap();
        assert_eq!(body["client_metadata"], json!({}));
        assert_eq!(body["safety_identifier"], member.face("openai"));
        assert_eq!(body["stream"], true);
    }
    assert!(requests[1].contains(NOTE), "what the tool read is sent");
    let key = |n: usize| requests[n].json().unwrap()["prompt_cache_key"].clone();
    assert_eq!(key(0).as_str().unwrap().len(), 43);
    assert_eq!(key(0), key(1), "the provider's cache goes on working");
    let ends = outcomes(&world, 2).await;
    assert!(ends.iter().all(|end| end["outcome"] == "completed"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_gemini_cli_works_unmodified_and_names_nobody() {
    let world = world().await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.gemini;
    provider.reply_next(calling("read_file", &json!({ "file_path": "notes.txt" })));
    provider.reply_next(answering());
    let desk = Desk::new();
    let gemini = desk.gemini(&world.stage.scene.url, &member.token, "gemini");

    let said = run(gemini).await;

    let text = String::from_utf8(said.stdout).unwrap();
    let whole = text.find('{').map(|at| &text[at..]).unwrap_or_default();
    let said: Value = serde_json::from_str(whole).expect(&text);
    let response = said["response"].as_str().unwrap();
    assert!(response.ends_with(ANSWER), "{response}");
    let requests = provider.requests();
    assert_eq!(requests.len(), 2, "a tool was called, and its result told");
    for request in &requests {
        only(request, &GOOGLE, "GeminiCLI-tui/0.61.0");
        is_unknown_to(request, &member);
        let target = "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse";
        assert_eq!(request.target, target);
    }
    assert!(requests[1].contains(NOTE), "what the tool read is sent");
    let ends = outcomes(&world, 2).await;
    assert!(ends.iter().all(|end| end["outcome"] == "completed"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_anthropic_sdk_for_javascript_works_unmodified_and_names_nobody() {
    let world = world().await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.anthropic;
    for _ in 0..2 {
        provider.reply_next(calling("look", &json!({ "place": "naïve, 東京, 🎭" })));
        provider.reply_next(answering());
    }
    let desk = Desk::new();

    let seen = javascript(&desk, &world, &member, "anthropic", "claude-opus").await;

    for call in ["stream", "whole"] {
        assert_eq!(seen[call]["text"], ANSWER, "{seen}");
        assert_eq!(seen[call]["input"]["place"], "naïve, 東京, 🎭", "{seen}");
    }
    let requests = provider.requests();
    assert_eq!(requests.len(), 4, "two calls of a tool, two answers");
    for request in &requests {
        only(request, &ANTHROPIC, "Anthropic/JS 1.14.0");
        is_unknown_to(request, &member);
        let face = json!({ "user_id": member.face("anthropic") });
        assert_eq!(request.json().unwrap()["metadata"], face);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prv_08_the_openai_sdk_for_javascript_works_unmodified_and_names_nobody() {
    let world = world().await;
    let member = Known::verified(&world).await;
    let provider = &world.stage.scene.sandbox.openai;
    for _ in 0..3 {
        provider.reply_next(calling("look", &json!({ "place": "naïve, 東京, 🎭" })));
        provider.reply_next(answering());
    }
    let desk = Desk::new();

    let seen = javascript(&desk, &world, &member, "openai", "gpt").await;

    for call in ["stream", "whole", "responses"] {
        assert_eq!(seen[call]["text"], ANSWER, "{seen}");
        assert_eq!(seen[call]["input"]["place"], "naïve, 東京, 🎭", "{seen}");
    }
    let requests = provider.requests();
    assert_eq!(requests.len(), 6, "three calls of a tool, three answers");
    for request in &requests {
        only(request, &OPENAI, "OpenAI/JS 6.30.1");
        is_unknown_to(request, &member);
        let face = member.face("openai");
        assert_eq!(request.json().unwrap()["safety_identifier"], face);
    }
    world.end().await;
}

/// What an SDK for JavaScript saw.
async fn javascript(desk: &Desk, world: &World, member: &Known, kind: &str, model: &str) -> Value {
    let script = desk.javascript(kind, &world.stage.scene.url, &member.token, model);
    serde_json::from_slice(&run(script).await.stdout).unwrap()
}

/// A system that sends no home folder on either: the tools are called with paths that need none.
async fn world() -> World {
    let strict = "\n[guard]\nhome = \"redact\"\n";
    World::with(Backend::Sqlite, |setting| setting.more = strict.to_owned()).await
}

/// Asserts that the request tells nothing of the desk and of who sits at it.
pub(crate) fn is_unknown_to(request: &Request, member: &Known) {
    let who = CANARIES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    member.is_unknown_to(request, &who.into());
}

/// Asserts that the request carries `allowed` headers, each once, and no more of its program than
/// `agent`.
pub(crate) fn only(request: &Request, allowed: &[&str], agent: &str) {
    for name in request.headers.keys() {
        let times = request.headers.get_all(name).iter().count();
        assert_eq!(times, 1, "{name} came {times} times");
        assert!(allowed.contains(&name.as_str()), "{name} left: {request:?}");
    }
    assert_eq!(request.header("user-agent"), Some(agent));
}

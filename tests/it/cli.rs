//! The member's command line: the real binary in a home of its own, against a running system, with
//! the test at the browser.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    process::{Output, Stdio},
};

use bauta::dev::{browser::Page, member::Member};
use bauta_sandbox::persona::Decision;
use bauta_tests::{Backend, World};
use reqwest::{StatusCode, Url};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{journey::ask, server::binary};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_signs_in_with_a_browser_and_uses_the_token_at_the_gateway() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    let mut ada = verified(&world).await;

    let page = terminal.sign_in(&mut ada).await;
    let token = terminal.token().await;
    let who: Value = serde_json::from_str(&terminal.good(&["whoami", "--json"]).await).unwrap();

    assert!(page.body.contains("You are signed in"), "{}", page.body);
    assert!(page.url.as_str().starts_with("http://127.0.0.1:"));
    assert_eq!(ask(&world, &token, false).await.0, StatusCode::OK);
    assert_eq!(who["server"], world.stage.scene.url.as_str());
    assert_eq!(who["scopes"][0]["scope"], "frontier");
    assert_eq!(fs::metadata(terminal.file()).unwrap().mode() & 0o777, 0o600);
    terminal.never_said_its_refresh_token();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_signs_in_with_a_code() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    let mut ada = verified(&world).await;
    let mut login = terminal.start(&["login", &world.stage.scene.url, "--device"]);

    let shown = login.until("type the code ").await;
    let code = shown.rsplit(' ').next().unwrap();
    let url = &world.stage.scene.url;
    for (path, fields) in [
        ("/device", vec![("user_code", code)]),
        (
            "/device/answer",
            vec![
                ("user_code", code),
                ("scope", "frontier"),
                ("answer", "allow"),
            ],
        ),
    ] {
        let page = ada.browser.submit(&format!("{url}{path}"), &fields).await;
        assert_eq!(page.unwrap().status, StatusCode::OK, "{path}");
    }
    let (code, error) = login.end().await;

    assert_eq!(code, Some(0), "{error}");
    let token = terminal.token().await;
    assert_eq!(ask(&world, &token, false).await.0, StatusCode::OK);
    terminal.never_said_its_refresh_token();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_verified_is_told_so_at_the_terminal_and_led_to_verify() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    let mut login = terminal.start(&["login", &world.stage.scene.url, "--no-browser"]);

    let asked = login.until("  http").await;
    let page = ada.browser.open(asked.trim()).await.unwrap();
    let (code, error) = login.end().await;

    let verify = format!("{}/verify", world.stage.scene.url);
    assert_eq!(page.url.as_str(), verify);
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains(&verify), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!terminal.file().exists());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_in_the_browser_has_no_token() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    let mut ada = verified(&world).await;
    let mut login = terminal.start(&["login", &world.stage.scene.url, "--no-browser"]);

    let asked = login.until("  http").await;
    answer(&mut ada, asked.trim(), "deny").await;
    let (code, error) = login.end().await;

    assert_eq!(code, Some(3), "{error}");
    let token = terminal.run(&["token"]).await;
    assert_eq!(token.status.code(), Some(3));
    assert!(token.stdout.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_a_token_at_once_after_it_expired_spend_one_refresh_token_once() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    terminal.sign_in(&mut verified(&world).await).await;
    let old = terminal.token().await;
    terminal.age();

    let asked = ["token"];
    let (one, two, three, four) = tokio::join!(
        terminal.good(&asked),
        terminal.good(&asked),
        terminal.good(&asked),
        terminal.good(&asked),
    );

    assert_ne!(one, old);
    assert!(two == one && three == one && four == one, "each renewed it");
    // Past the time in which a second use is forgiven, the family lives.
    world.hands.advance_seconds(60);
    terminal.age();
    assert_ne!(terminal.good(&asked).await, one);
    terminal.never_said_its_refresh_token();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_logout_nothing_that_was_kept_is_good_for_anything() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    terminal.sign_in(&mut verified(&world).await).await;
    let token = terminal.token().await;
    let kept = fs::read(terminal.file()).unwrap();

    terminal.good(&["logout"]).await;
    let after = terminal.run(&["token"]).await;
    let gateway = world.stage.running.gateway.as_ref().unwrap();
    gateway.follow().await.unwrap();
    terminal.put_back(&kept);
    terminal.age();
    let stolen = terminal.run(&["token"]).await;

    assert_eq!(ask(&world, &token, false).await.0, StatusCode::UNAUTHORIZED);
    for refused in [after, stolen] {
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(3), "{error}");
        assert!(refused.stdout.is_empty());
        assert!(error.contains("bauta login"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_of_a_suspended_member_fails_at_its_second_call() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    terminal.sign_in(&mut verified(&world).await).await;
    terminal.older(60);
    let first = terminal.token().await;
    let plane = world.stage.running.plane.as_ref().unwrap();
    for row in plane.members(None, 9).await.unwrap() {
        assert!(plane.suspend(row.member, None, "case").await.unwrap());
    }

    let second = terminal.run(&["token"]).await;

    assert!(first.starts_with("bauta_"));
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(3), "{error}");
    assert!(second.stdout.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_ends_with_4_once_no_token_is_left() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    terminal.sign_in(&mut verified(&world).await).await;
    let url = world.stage.scene.url.clone();
    let folder = world.end().await;

    let left = terminal.run(&["token"]).await;
    terminal.age();
    let token = terminal.run(&["token"]).await;
    let login = terminal.run(&["login", &url, "--no-browser"]).await;
    let logout = terminal.run(&["logout"]).await;
    let kept = terminal.file().exists();
    let forced = terminal.run(&["logout", "--force"]).await;

    assert_eq!(left.status.code(), Some(0), "what is left is good");
    for down in [token, login, logout] {
        let error = String::from_utf8(down.stderr).unwrap();
        assert_eq!(down.status.code(), Some(4), "{error}");
        assert!(error.contains(&url), "{error}");
    }
    assert!(kept, "what was not revoked is not forgotten");
    assert_eq!(forced.status.code(), Some(0));
    assert!(!terminal.file().exists());
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_others_may_read_is_refused() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    terminal.sign_in(&mut verified(&world).await).await;
    fs::set_permissions(terminal.file(), Permissions::from_mode(0o644)).unwrap();

    for command in [
        &["token"][..],
        &["env"],
        &["whoami"],
        &["run", "--", "true"],
    ] {
        let refused = terminal.run(command).await;
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{command:?}: {error}");
        assert!(refused.stdout.is_empty());
        assert!(error.contains("chmod 600"), "{error}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_with_the_token_and_its_exit_code_is_passed_on() {
    let world = World::new(Backend::Sqlite).await;
    let terminal = Terminal::new(&world);
    terminal.sign_in(&mut verified(&world).await).await;
    let script = "echo $ANTHROPIC_BASE_URL $ANTHROPIC_AUTH_TOKEN ${ANTHROPIC_API_KEY-none}; exit 7";

    let ran = terminal.run(&["run", "--", "sh", "-c", script]).await;
    let env = terminal.good(&["env", "--client", "claude"]).await;
    let missing = terminal.run(&["run", "--", "no-such-program"]).await;

    let said = String::from_utf8(ran.stdout).unwrap();
    let words: Vec<_> = said.split_whitespace().collect();
    assert_eq!(ran.status.code(), Some(7));
    assert_eq!((words[0], words[2]), (&*world.stage.scene.url, "none"));
    assert_eq!(ask(&world, words[1], false).await.0, StatusCode::OK);
    let lines: Vec<_> = env.lines().collect();
    assert_eq!(lines[0], "unset ANTHROPIC_API_KEY", "it would win");
    assert_eq!(
        lines[1],
        format!("export ANTHROPIC_BASE_URL='{}'", world.stage.scene.url)
    );
    assert!(lines[2].starts_with("export ANTHROPIC_AUTH_TOKEN='bauta_"));
    assert_eq!((lines.len(), missing.status.code()), (3, Some(2)));
    world.end().await;
}

/// A home with nothing in it, and whatever was said there.
struct Terminal {
    home: TempDir,
    url: String,
    said: std::sync::Mutex<String>,
}

impl Terminal {
    fn new(world: &World) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            url: world.stage.scene.url.clone(),
            said: std::sync::Mutex::default(),
        }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join(".local/state/bauta/sign-in.json")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("ANTHROPIC_API_KEY", "a-key-of-the-providers-own")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        let done = self.command(args).output().await.unwrap();
        let mut said = self.said.lock().unwrap();
        said.push_str(&String::from_utf8_lossy(&done.stdout));
        said.push_str(&String::from_utf8_lossy(&done.stderr));
        done
    }

    /// What it said, when it must succeed.
    async fn good(&self, args: &[&str]) -> String {
        let done = self.run(args).await;
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "bauta {args:?}: {error}");
        assert!(error.is_empty(), "{error}");
        String::from_utf8(done.stdout).unwrap()
    }

    async fn token(&self) -> String {
        let said = self.good(&["token"]).await;
        let token = said.strip_suffix('\n').unwrap();
        assert!(token.starts_with("bauta_ey") && !token.contains(char::is_whitespace));
        token.to_owned()
    }

    fn start(&self, args: &[&str]) -> Started {
        let mut child = self.command(args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Started { child, lines }
    }

    /// Signs in, with `member` at the browser; gives the page that the browser ends at.
    async fn sign_in(&self, member: &mut Member<'_>) -> Page {
        let mut login = self.start(&["login", &self.url, "--no-browser"]);
        let asked = login.until("  http").await;
        let page = answer(member, asked.trim(), "allow").await;
        let (code, error) = login.end().await;
        assert_eq!(code, Some(0), "{error}");
        page
    }

    /// Makes the kept token one that is over.
    fn age(&self) {
        self.older(7_200);
    }

    /// Makes what is kept older: moving the clock of this machine would take longer.
    fn older(&self, seconds: i64) {
        let mut kept: Value = serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap();
        for grant in kept["grants"].as_array_mut().unwrap() {
            for time in ["obtained_at", "expires_at"] {
                grant[time] = (grant[time].as_i64().unwrap() - seconds * 1000).into();
            }
            grant["handed_at"] = Value::Null;
        }
        self.put_back(kept.to_string().as_bytes());
    }

    fn put_back(&self, kept: &[u8]) {
        fs::write(self.file(), kept).unwrap();
        fs::set_permissions(self.file(), Permissions::from_mode(0o600)).unwrap();
    }

    fn never_said_its_refresh_token(&self) {
        let kept = fs::read_to_string(self.file()).unwrap();
        assert!(kept.contains("bauta_rt_"), "it is the one that is kept");
        assert!(!self.said.lock().unwrap().contains("bauta_rt_"));
    }
}

/// A command that goes on while the test does its part.
struct Started {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Started {
    /// The first line with `what` in it.
    async fn until(&mut self, what: &str) -> String {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line.contains(what) {
                return line;
            }
        }
        panic!("it never said {what}");
    }

    /// Its exit code, and what it said on standard error.
    async fn end(self) -> (Option<i32>, String) {
        let Self { child, mut lines } = self;
        while lines.next_line().await.unwrap().is_some() {}
        let done = child.wait_with_output().await.unwrap();
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    }
}

/// Goes to the page that a program asked for, and answers there.
pub(crate) async fn answer(member: &mut Member<'_>, asked: &str, answer: &str) -> Page {
    let page = member.browser.open(asked).await.unwrap();
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let asked = Url::parse(asked).unwrap();
    let pairs: Vec<_> = asked.query_pairs().into_owned().collect();
    let mut fields: Vec<_> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    fields.extend([("scope", "frontier"), ("answer", answer)]);
    let form = asked.join("/oauth/authorize").unwrap();
    member.browser.submit(form.as_str(), &fields).await.unwrap()
}

async fn verified(world: &World) -> Member<'_> {
    let mut ada = world.member("Ada");
    ada.sign_in().await.unwrap();
    ada.verify(Decision::Approve).await.unwrap();
    ada
}

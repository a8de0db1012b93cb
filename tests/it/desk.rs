//! Somebody's machine, and the clients that they use on it: each in a home and a repository of its own
//! that say who they are in every place that clients look at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use bauta_sandbox::{Call, Reply};
use bauta_tests::{root, tool};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// Somebody's machine, as far as a client can see it: a home, and in it a repository.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) home: PathBuf,
    pub(crate) work: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home").join(USER);
        let work = home.join("work");
        fs::create_dir_all(&work).unwrap();
        fs::write(work.join("notes.txt"), NOTE).unwrap();
        let desk = Self { folder, home, work };
        for args in [
            &["init", "--quiet"][..],
            &["config", "user.name", GIT_NAME],
            &["config", "user.email", MAIL],
            &["remote", "add", "origin", REMOTE],
            &["add", "."],
            &["commit", "--quiet", "--message", "Begin"],
        ] {
            let mut git = Command::new("git");
            desk.alone(&mut git).args(args);
            let done = git.output().unwrap();
            assert!(done.status.success(), "git {args:?}: {done:?}");
        }
        desk
    }

    pub(crate) fn claude(&self, url: &str, token: &str) -> Command {
        let mut claude = self.node(CLAUDE);
        claude
            .args(["-p", ASKED, "--output-format", "stream-json", "--verbose"])
            .args(["--allowedTools", "Bash"])
            .env("CLAUDE_CONFIG_DIR", self.home.join(".claude"))
            .env("ANTHROPIC_BASE_URL", url)
            .env("ANTHROPIC_AUTH_TOKEN", token);
        claude
    }

    /// Claude Code that asks a helper for its token, as its settings say.
    pub(crate) fn claude_by_helper(&self, url: &str, helper: &str) -> Command {
        let settings = json!({ "apiKeyHelper": helper });
        self.write(".claude/settings.json", &settings.to_string());
        let mut claude = self.claude(url, "");
        claude.env_remove("ANTHROPIC_AUTH_TOKEN");
        claude
    }

    /// Codex that asks a program for its token.
    pub(crate) fn codex_by_helper(&self, url: &str, program: &Path, model: &str) -> Command {
        let codex = self.codex(url, "", model);
        let auth = format!(
            "[model_providers.bauta.auth]\ncommand = {:?}\nargs = [\"token\"]\n",
            program.to_str().unwrap()
        );
        let config = self.home.join(".codex/config.toml");
        let plain = fs::read_to_string(&config).unwrap();
        let plain = plain.replace("env_key = \"BAUTA_TOKEN\"\n", "");
        fs::write(config, plain + &auth).unwrap();
        codex
    }

    pub(crate) fn codex(&self, url: &str, token: &str, model: &str) -> Command {
        let config = CODEX.replace("@URL@", url).replace("@MODEL@", model);
        self.write(".codex/config.toml", &config);
        let mut codex = self.node("@openai/codex/bin/codex.js");
        codex
            .args([
                "exec",
                "--json",
                "--dangerously-bypass-approvals-and-sandbox",
                ASKED,
            ])
            .env("CODEX_HOME", self.home.join(".codex"))
            .env("BAUTA_TOKEN", token);
        codex
    }

    pub(crate) fn gemini(&self, url: &str, token: &str, model: &str) -> Command {
        let by_key = r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#;
        self.write(".gemini/settings.json", by_key);
        let mut gemini = self.node("@google/gemini-cli/bundle/gemini.js");
        gemini
            .args(["-m", model, "-p", ASKED, "--output-format", "json"])
            .env("GOOGLE_GEMINI_BASE_URL", url)
            .env("GEMINI_API_KEY", token)
            .env("GEMINI_CLI_TRUST_WORKSPACE", "true");
        gemini
    }

    /// An SDK for JavaScript that streams and uses a tool; `kind` is whose.
    pub(crate) fn javascript(&self, kind: &str, url: &str, token: &str, model: &str) -> Command {
        let mut script = self.command();
        script
            .arg(root().join("tests/clients/talk.mjs"))
            .args([kind, url, token, model, GIT_NAME, MAIL])
            .env("BAUTA_TEST_CLIENTS", packages());
        script
    }

    /// The same for Python.
    pub(crate) fn python(&self, kind: &str, url: &str, token: &str, model: &str) -> Command {
        let mut script = Command::new(tool("BAUTA_TEST_PYTHON", "python3"));
        self.alone(&mut script)
            .arg(root().join("tests/clients/talk.py"))
            .args([kind, url, token, model, GIT_NAME, MAIL]);
        script
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.home.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A program of an installed package, not started yet.
    pub(crate) fn node(&self, program: &str) -> Command {
        let program = packages().join(program);
        assert!(
            program.exists(),
            "{program:?} is missing; ./tests/run installs it"
        );
        let mut node = self.command();
        node.arg(program);
        node
    }

    pub(crate) fn command(&self) -> Command {
        let mut node = Command::new(tool("BAUTA_TEST_NODE", "node"));
        self.alone(&mut node);
        node
    }

    /// A program on a machine that is managed by what stands under `etc` of the home: it sees that
    /// in its `/etc`, and nobody else does.
    pub(crate) fn managed(&self, program: &Path) -> Command {
        let script =
            "mount -t overlay overlay -o lowerdir=\"$1\":/etc /etc && shift && exec \"$@\"";
        let mut unshare = Command::new("unshare");
        self.alone(&mut unshare)
            // Root may mount as it is; anybody else as the root of a namespace.
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .arg(self.home.join("etc"))
            .arg(program)
            .env("CLAUDE_CONFIG_DIR", self.home.join(".claude"))
            .env("CLAUDE_GATEWAY_ALLOW_LOOPBACK", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8");
        unshare
    }

    /// Nothing of whoever runs the tests.
    pub(crate) fn alone<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var_os("PATH").unwrap();
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.home)
            .env("USER", USER)
            .env("LOGNAME", USER)
            .env("TMPDIR", self.folder.path())
            .current_dir(&self.work)
            .stdin(Stdio::null())
    }
}

pub(crate) fn packages() -> PathBuf {
    tool("BAUTA_TEST_CLIENTS", "tests/.tools/clients/node_modules")
}

pub(crate) async fn run(mut command: Command) -> Output {
    let done = spawn_blocking(move || command.output()).await.unwrap();
    let done = done.expect("BAUTA_TEST_NODE names no Node; ./tests/run installs one");
    assert!(done.status.success(), "{}", told(&done));
    done
}

pub(crate) fn told(done: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&done.stdout), text(&done.stderr))
}

/// The lines of JSON among what a program printed.
pub(crate) fn lines(done: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&done.stdout);
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.filter_map(Result::ok).collect();
    assert!(!lines.is_empty(), "{}", told(done));
    lines
}

pub(crate) fn calling(name: &str, input: &Value) -> Reply {
    Reply {
        text: Some("I look.".to_owned()),
        call: Some(Call {
            name: name.to_owned(),
            input: input.clone(),
        }),
        ..Reply::default()
    }
}

pub(crate) fn answering() -> Reply {
    Reply {
        text: Some(ANSWER.to_owned()),
        ..Reply::default()
    }
}

const CODEX: &str = r#"
model = "@MODEL@"
model_provider = "bauta"
[model_providers.bauta]
name = "Bauta"
base_url = "@URL@/v1"
wire_api = "responses"
env_key = "BAUTA_TOKEN"
"#;

pub(crate) const CLAUDE: &str = "@anthropic-ai/claude-code/cli-wrapper.cjs";
pub(crate) const ASKED: &str = "What is in notes.txt?";
pub(crate) const ANSWER: &str = "The mask is white and the cloak is black.";
/// In a file, so that it is known only to who read it.
pub(crate) const NOTE: &str = "what the tabarro hides";

pub(crate) const USER: &str = "ada-canary";
pub(crate) const GIT_NAME: &str = "Ada Canary Lovelace";
pub(crate) const MAIL: &str = "ada.canary@corp.example";
pub(crate) const REMOTE: &str = "git@git.corp.example:canary/secret.git";

/// What each client could tell, by what it is.
pub(crate) const CANARIES: [(&str, &str); 4] = [
    ("git name", GIT_NAME),
    ("mail", MAIL),
    ("remote", REMOTE),
    ("user", USER),
];

//! `bauta dev`: the whole system on this machine.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bauta_sandbox::persona::Decision;
use bauta_token::ambient::Clock;

use super::{Exit, Failure, init::private_folder, print, serve::until_told};
use crate::{
    cli::print::Style,
    dev::{
        hands::Hands,
        member::Member,
        stage::{RealUpstream, Setting, Stage},
        walk::walk,
    },
    telemetry,
};

/// The whole system on this machine, with simulated counterparties
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where everything it writes is kept
    #[arg(long, value_name = "DIR", default_value = ".bauta-dev")]
    data: PathBuf,
    /// Forget everything first
    #[arg(long)]
    reset: bool,
    /// Do the main job once, show each step, and end
    #[arg(long)]
    walk: bool,
}

pub(crate) async fn run(mut command: Dev) -> Result<Exit, Failure> {
    if command.walk {
        // A walk begins with nobody known, beside whatever `bauta dev` has.
        refuse_foreign(&command.data)?;
        mark(&command.data)?;
        command.reset = true;
        command.data.push("walk");
        command.listen.set_port(0);
    }
    if command.reset {
        forget(&command.data)?;
    }
    refuse_foreign(&command.data)?;
    mark(&command.data)?;
    let log = telemetry::start(Some(&command.data.join("bauta.log")))?;
    let done = show(command).await;
    log.flush();
    done
}

async fn show(command: Dev) -> Result<Exit, Failure> {
    let hands = Arc::new(Hands::default());
    let mut setting = Setting {
        clock: Arc::clone(&hands) as Arc<dyn Clock>,
        listen: command.listen,
        upstreams: if command.walk { Vec::new() } else { real() },
        ..Setting::new(&command.data)
    };
    setting.sandbox.clock = hands.told();
    let real: Vec<_> = setting.upstreams.iter().map(|u| u.name).collect();
    let stage = Stage::open(setting).await?;
    if command.walk {
        let done = walk(&stage, &hands).await;
        stage.close().await;
        done?;
        print::line("");
        print::line(format!(
            "Done. The exports are in {}; check one yourself:",
            command.data.join("exports").display()
        ));
        print::line(format!(
            "  python3 docs/verify-export.py {}",
            command.data.join("exports/gateway.jsonl").display()
        ));
        return Ok(Exit::Done);
    }
    greet(&stage, &real).await?;
    let file = command.data.join("bauta.toml");
    until_told(&stage.running, &file).await?;
    Ok(Exit::Done)
}

/// Real providers are asked when their keys are in the environment.
fn real() -> Vec<RealUpstream> {
    let known = [
        RealUpstream {
            name: "anthropic",
            base_url: "https://api.anthropic.com",
            key: "ANTHROPIC_API_KEY",
        },
        RealUpstream {
            name: "openai",
            base_url: "https://api.openai.com/v1",
            key: "OPENAI_API_KEY",
        },
        RealUpstream {
            name: "gemini",
            base_url: "https://generativelanguage.googleapis.com",
            key: "GEMINI_API_KEY",
        },
    ];
    let set = |u: &RealUpstream| std::env::var_os(u.key).is_some_and(|v| is_a_provider_s(&v));
    known.into_iter().filter(set).collect()
}

/// Whether a key can be a provider's. The lines that we print put a token of ours into the same
/// variables, and the shell they were pasted into may start us again.
fn is_a_provider_s(key: &OsStr) -> bool {
    !key.is_empty() && !key.as_encoded_bytes().starts_with(b"bauta_")
}

/// Makes Ada a verified member with a token, and prints what can be pasted.
async fn greet(stage: &Stage, real: &[&str]) -> anyhow::Result<()> {
    let style = Style::of_stdout();
    let mut ada = Member::new(&stage.scene, "Ada");
    ada.sign_in().await?;
    let token = if let Ok(token) = ada.labelled_token("frontier", "bauta dev", 30).await {
        token
    } else {
        // Nobody is verified yet, or no longer.
        ada.verify(Decision::Approve).await?;
        ada.labelled_token("frontier", "bauta dev", 30).await?
    };
    let url = &stage.scene.url;
    print::line(style.bold("Bauta is running, with everything around it simulated."));
    print::line("");
    print::line(format!(
        "Portal   {url}   (sign in as Ada, Bob, Carol or Dave)"
    ));
    for name in real {
        print::line(format!(
            "Note     {name} is the real one: its API key is in the environment"
        ));
    }
    print::line(format!("Data     {}", stage.scene.folder.display()));
    print::line("");
    print::line(style.dim("# Ada is verified already; these are hers"));
    print::line(format!("ANTHROPIC_BASE_URL={url}"));
    print::line(format!("ANTHROPIC_AUTH_TOKEN={token}"));
    print::line(format!("OPENAI_BASE_URL={url}/v1"));
    print::line(format!("OPENAI_API_KEY={token}"));
    print::line(format!("GEMINI_BASE_URL={url}"));
    // Under this name Google's own SDKs and CLI look for it.
    print::line(format!("GOOGLE_GEMINI_BASE_URL={url}"));
    print::line(format!("GEMINI_API_KEY={token}"));
    print::line("");
    print::line(style.dim("# ask something"));
    print::line(format!(
        "curl -N {url}/v1/messages -H \"authorization: Bearer {token}\" \\"
    ));
    print::line("  -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\");
    print::line(
        "  -d '{\"model\":\"claude-opus\",\"max_tokens\":200,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"What is a bauta?\"}]}'",
    );
    print::line("");
    print::line(style.dim(
        "Ctrl-C ends it. `bauta dev --walk` does the main job by itself and shows each step.",
    ));
    Ok(())
}

/// Deletes only what `bauta dev` made: a folder without its mark is left alone, whatever is in it.
fn forget(folder: &Path) -> Result<(), Failure> {
    refuse_foreign(folder)?;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// A folder that holds something and not our mark is somebody's, perhaps a production server's.
fn refuse_foreign(folder: &Path) -> Result<(), Failure> {
    let empty = !folder.exists() || std::fs::read_dir(folder)?.next().is_none();
    if empty || folder.join(MARK).is_file() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} was not made by `bauta dev`; nothing in it was changed. Name another folder with \
         --data",
        folder.display()
    )))
}

/// Puts our mark into the folder.
fn mark(folder: &Path) -> anyhow::Result<()> {
    private_folder(folder)?;
    let text = "Made by `bauta dev`, which may delete this folder with --reset.\n";
    Ok(std::fs::write(folder.join(MARK), text)?)
}

const MARK: &str = "made-by-bauta-dev";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_never_deleted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();

        assert!(forget(folder.path()).is_err());
        assert!(refuse_foreign(folder.path()).is_err());
        assert!(folder.path().join("keys").is_dir());
    }

    #[test]
    fn a_token_of_ours_is_no_key_of_a_provider() {
        for ours in ["", "bauta_eyJ0eXAi.x.y"] {
            assert!(!is_a_provider_s(OsStr::new(ours)), "{ours}");
        }
        assert!(is_a_provider_s(OsStr::new("AIza-canary")));
    }

    #[test]
    fn a_folder_of_ours_is_forgotten_whole() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("dev");
        mark(&ours).unwrap();

        forget(&ours).unwrap();

        assert!(!ours.exists());
    }
}

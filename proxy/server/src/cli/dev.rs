//! `bauta dev`: the whole system on this machine.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use bauta_attestation::ports::MemberId;
use bauta_sandbox::persona::Decision;
use bauta_token::ambient::Clock;
use tokio::net::TcpListener;

use super::{Exit, Failure, print, serve::until_told};
use crate::{
    cli::print::Style,
    dev::{
        hands::Hands,
        member::Member,
        paste,
        place::Place,
        stage::{RealUpstream, Setting, Stage, bind},
        walk::walk,
    },
    telemetry,
};

/// The whole system on this machine, with simulated counterparties
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Where to listen; loopback only. A port alone is enough. The simulators take the four ports
    /// after it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Where everything it writes is kept
    #[arg(long, value_name = "DIR", default_value = ".bauta-dev")]
    data: PathBuf,
    /// Forget everything first
    #[arg(long)]
    reset: bool,
    /// Do the main job once, show each step, and end. It begins anew in DIR/walk, leaves what else
    /// is in DIR alone, and listens on free ports whatever --listen says
    #[arg(long)]
    walk: bool,
}

impl Dev {
    fn listen_at(&self) -> SocketAddr {
        let mut address = self.listen;
        if self.walk {
            address.set_port(0);
        }
        address
    }
}

pub(crate) async fn run(mut command: Dev) -> Result<Exit, Failure> {
    let listener = bind(command.listen_at()).await?;
    if command.walk {
        // A walk begins with nobody known, beside whatever `bauta dev` has.
        Place::beside(&command.data).map_err(Failure::usage)?;
        command.reset = true;
        command.data.push("walk");
    }
    let place = Place::take(&command.data).map_err(Failure::usage)?;
    if command.reset {
        place.forget()?;
    }
    let log = telemetry::start(Some(&command.data.join("bauta.log")))?;
    let done = show(command, listener).await;
    log.flush();
    done
}

async fn show(command: Dev, listener: TcpListener) -> Result<Exit, Failure> {
    let hands = Arc::new(Hands::default());
    let key = |name: &str| std::env::var(name).ok();
    let (upstreams, notes) = if command.walk {
        (Vec::new(), Vec::new())
    } else {
        real(key)
    };
    let mut setting = Setting {
        clock: Arc::clone(&hands) as Arc<dyn Clock>,
        listen: command.listen_at(),
        upstreams,
        ..Setting::new(&command.data)
    };
    setting.sandbox.clock = hands.told();
    let real: Vec<_> = setting.upstreams.iter().map(|u| u.name).collect();
    let stage = Stage::open_on(setting, listener).await?;
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
    greet(&stage, &real, &notes).await?;
    let file = command.data.join("bauta.toml");
    until_told(&stage.running, &file).await?;
    Ok(Exit::Done)
}

/// Real providers are asked when their keys are in the environment. What was set and not taken is
/// told.
fn real<T: AsRef<str>>(key: impl Fn(&str) -> Option<T>) -> (Vec<RealUpstream>, Vec<String>) {
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
    let (mut real, mut notes) = (Vec::new(), Vec::new());
    for upstream in known {
        let Some(value) = key(upstream.key) else {
            continue;
        };
        match value.as_ref().trim() {
            "" => {}
            // A line of ours, pasted: to send it to a provider would give a token away.
            ours if ours.starts_with("bauta_") => notes.push(format!(
                "{} in the environment is a Bauta token and no key of {}'s, which stays simulated",
                upstream.key, upstream.name
            )),
            _ => {
                notes.push(format!(
                    "{} is the real one: {} is in the environment, and what you ask leaves this \
                     machine and is billed",
                    upstream.name, upstream.key
                ));
                real.push(upstream);
            }
        }
    }
    (real, notes)
}

fn headline(real: &[&str]) -> String {
    match real {
        [] => "Bauta is running, with everything around it simulated.".to_owned(),
        [one] => format!("Bauta is running. {one} is the real one; the rest is simulated."),
        some => format!(
            "Bauta is running. {} are the real ones; the rest is simulated.",
            some.join(" and ")
        ),
    }
}

/// Makes Ada a verified member with a token, and prints what can be pasted.
async fn greet(stage: &Stage, real: &[&str], notes: &[String]) -> anyhow::Result<()> {
    let style = Style::of_stdout();
    let file = std::path::absolute(stage.scene.folder.join("env"))?;
    let token = token(stage, &file).await?;
    let url = &stage.scene.url;
    paste::write(&file, url, &token)?;
    print::line(style.bold(&headline(real)));
    print::line("");
    print::line(format!(
        "Portal   {url}   (sign in as Ada, Bob, Carol or Dave)"
    ));
    for note in notes {
        print::line(format!("Note     {note}"));
    }
    print::line(format!("Data     {}", stage.scene.folder.display()));
    print::line("");
    print::line(style.dim("# in another terminal: Ada is verified already, and asks"));
    print::line(format!(". {}", word(&file)));
    print::line("claude -p hello");
    print::line("");
    print::line(style.dim("# what that file exports, for elsewhere"));
    for (name, value) in paste::variables(url, &token) {
        print::line(format!("{name}={value}"));
    }
    print::line("");
    print::line(style.dim("# or without any tool"));
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

/// The token of the last start while it is good, so that a shell that has it goes on; else a new
/// one, and the old ones of this name end.
async fn token(stage: &Stage, file: &Path) -> anyhow::Result<String> {
    let mut ada = Member::new(&stage.scene, "Ada");
    ada.sign_in().await?;
    if let Some(kept) = paste::token(file)
        && ada.may_ask_with(&kept).await?
    {
        return Ok(kept);
    }
    if let Some(plane) = &stage.running.plane {
        let number = MemberId::parse(&ada.number().await?);
        let number = number.context("/privacy shows no number")?;
        for grant in plane.grants(number).await? {
            if plane
                .open_label(&grant)
                .is_some_and(|it| it.as_str() == LABEL)
            {
                plane.end_grant(number, grant.id).await?;
            }
        }
    }
    if let Ok(token) = ada.labelled_token("frontier", LABEL, DAYS).await {
        return Ok(token);
    }
    // Nobody is verified yet, or no longer.
    ada.verify(Decision::Approve).await?;
    ada.labelled_token("frontier", LABEL, DAYS).await
}

/// A path as a shell takes it, plain where it can be.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if text.bytes().all(plain) {
        text
    } else {
        paste::quoted(&text)
    }
}

const LABEL: &str = "bauta dev";
const DAYS: u32 = 30;

/// A whole address, a port alone, or `localhost` with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let port = port.parse::<u16>().map_err(
        |_| "write an address and a port such as 127.0.0.1:8080, or a port alone such as 8080",
    )?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_enough_of_an_address() {
        for text in ["127.0.0.1:8080", "8080", "localhost:8080"] {
            assert_eq!(address(text).unwrap().to_string(), "127.0.0.1:8080");
        }
        for text in ["", "127.0.0.1", "host:1", "70000"] {
            assert!(address(text).unwrap_err().contains("127.0.0.1:8080"));
        }
    }

    #[test]
    fn a_bauta_token_is_no_key_of_a_provider() {
        let pasted = |name: &str| {
            Some(if name.starts_with("OPENAI") {
                "bauta_ey"
            } else {
                "sk-1"
            })
        };

        let (real, notes) = real(pasted);

        let names: Vec<_> = real.iter().map(|it| it.name).collect();
        assert_eq!(names, ["anthropic", "gemini"]);
        assert!(
            notes
                .iter()
                .any(|it| it.contains("OPENAI_API_KEY in the environment is a Bauta"))
        );
        assert!(headline(&["anthropic"]).contains("anthropic is the real one"));
        assert!(headline(&[]).contains("everything around it simulated"));
    }
}

//! `bauta init`: a configuration to fill in, and keys that nobody else can read.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use bauta_proxy::federation::AssertionKey;
use bauta_token::ambient;

use self::fill::Answers;
use super::{Exit, Failure, print};
use crate::{ambient::SystemRandomness, config::Config, secret::hex};

mod fill;

/// Write a commented configuration and keys with strict modes
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Where to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    answers: Answers,
}

pub(crate) fn run(init: &Init) -> Result<Exit, Failure> {
    let config = init.out.join("bauta.toml");
    if config.exists() {
        return Err(Failure::usage(format!(
            "{} is there already and was left as it is; name another folder with --out",
            config.display()
        )));
    }
    let text = init.answers.fill(TEMPLATE)?;
    // Before a file is written: what would be refused later is refused now.
    Config::parse(&text, std::iter::empty()).map_err(Failure::usage)?;
    for folder in ["keys", "data"] {
        private_folder(&init.out.join(folder))?;
    }
    for key in KEYS {
        new_key(&init.out.join("keys").join(key))?;
    }
    new_issuer_key(&init.out.join("keys").join(ISSUER_KEY))?;
    write(&config, text.as_bytes())?;
    print::line(format!(
        "{}  the configuration: fill in [sso], [[verifier]] and [[upstream]]",
        config.display()
    ));
    for key in KEYS.into_iter().chain([ISSUER_KEY]) {
        print::line(format!(
            "{}  a fresh key: back it up where the database is not",
            init.out.join("keys").join(key).display()
        ));
    }
    print::line(format!("Next: bauta check --config {}", config.display()));
    Ok(Exit::Done)
}

/// A folder that only its owner may enter.
pub(crate) fn private_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("{} cannot be made", path.display()))
}

/// 32 fresh bytes in hex, in a file that must not be there yet.
pub(crate) fn new_key(path: &Path) -> anyhow::Result<()> {
    let key: [u8; 32] = ambient::bytes(&SystemRandomness::default());
    let mut hex = zeroize::Zeroizing::new(hex(&key));
    hex.push('\n');
    write(path, hex.as_bytes())
}

/// A fresh key for the gateway's assertions, as PEM, in a file that must not be there yet.
pub(crate) fn new_issuer_key(path: &Path) -> anyhow::Result<()> {
    let der = AssertionKey::generate().context("no key can be made")?;
    let text = zeroize::Zeroizing::new(STANDARD.encode(&*der));
    let mut pem = zeroize::Zeroizing::new("-----BEGIN PRIVATE KEY-----\n".to_owned());
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place.checked_rem(64) == Some(0) {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    write(path, pem.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// The root secrets of both planes.
pub(crate) const KEYS: [&str; 3] = ["pepper", "kek", "gateway"];

/// The key that signs the gateway's assertions; used where upstreams federate.
pub(crate) const ISSUER_KEY: &str = "federation";

/// The commented configuration that `deploy/` ships as well.
pub(crate) const TEMPLATE: &str = include_str!("../../../../deploy/bauta.toml");

//! `bauta keys`: what rests encrypted, what a provider is told to trust, and what a directory shows.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::Context;
use bauta_proxy::forward::Credential;
use bauta_token::scope::Name;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::{ConfigFile, Exit, Failure, print, serve::base};
use crate::{
    ambient::SystemRandomness,
    config::Config,
    secret::sealed,
    serve::{federation_issuer, gateway_root},
};

mod scim;

/// Keys of the gateway, and bearers of the directory
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Encrypt a provider's key under keys.gateway; it is read from standard input
    Seal(Seal),
    /// Print what a provider is told to trust: the issuer and its public keys
    Issuer(Issuer),
    /// Make, list or end the bearers that the directory (SCIM) shows
    #[command(subcommand)]
    Scim(scim::Scim),
}

/// Encrypt a provider's key
#[derive(Debug, clap::Args)]
pub(crate) struct Seal {
    #[command(flatten)]
    file: ConfigFile,
    /// The upstream it is for
    #[arg(long, value_name = "NAME")]
    upstream: String,
    /// Where to; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Print what a provider is told to trust
#[derive(Debug, clap::Args)]
pub(crate) struct Issuer {
    #[command(flatten)]
    file: ConfigFile,
}

pub(crate) async fn run(command: Keys) -> Result<Exit, Failure> {
    match command {
        Keys::Seal(command) => seal(&command, io::stdin().lock()),
        Keys::Issuer(command) => issuer(&command),
        Keys::Scim(command) => scim::run(command).await,
    }
}

fn seal(command: &Seal, input: impl Read) -> Result<Exit, Failure> {
    let file = &command.file.config;
    let config = Config::read(file).map_err(Failure::usage)?;
    let name = Name::parse(&command.upstream)
        .filter(|name| config.upstream.iter().any(|it| it.name == *name));
    let Some(name) = name else {
        return Err(Failure::usage(format!(
            "{} has no upstream of that name; a key is sealed for the one that it is shown to",
            file.display()
        )));
    };
    let root = gateway_root(&config, base(file))?;
    let mut key = Zeroizing::new(String::new());
    input.take(LIMIT).read_to_string(&mut key)?;
    if Credential::new(&key).is_none() {
        return Err(Failure::usage(
            "standard input holds no key: one line of visible characters",
        ));
    }
    let line = sealed::seal(key.trim(), &name, &root, &SystemRandomness::default())?;
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&command.out)
        .and_then(|mut out| out.write_all(line.as_bytes()))
        .with_context(|| format!("{} cannot be written", command.out.display()))?;
    print::line(format!(
        "{}  sealed for {name}: write it as credential = {{ sealed = \"...\" }}, relative to the \
         configuration",
        command.out.display()
    ));
    Ok(Exit::Done)
}

fn issuer(command: &Issuer) -> Result<Exit, Failure> {
    let file = &command.file.config;
    let config = Config::read(file).map_err(Failure::usage)?;
    let Some(issuer) = federation_issuer(&config, base(file))? else {
        return Err(Failure::usage(format!(
            "{} has no [federation] with keys, so nothing is to be trusted",
            file.display()
        )));
    };
    print::note(format!(
        "issuer: {}\nIts keys, for providers that cannot reach it:",
        issuer.url()
    ));
    print::line(issuer.jwks());
    Ok(Exit::Done)
}

/// No key is longer.
const LIMIT: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        cli::init::{ISSUER_KEY, KEYS, TEMPLATE, new_issuer_key, new_key, private_folder},
        secret::SecretRef,
    };

    #[test]
    fn the_key_that_init_makes_is_one_that_the_gateway_signs_with() {
        let (folder, config) = home();
        let key = folder.path().join("keys").join(ISSUER_KEY);
        new_issuer_key(&key).unwrap();
        let silent = Config::read(&config).unwrap();
        let federation = "[federation]\nkeys = [ { file = \"keys/federation\" } ]\n\n[[scope]]";
        fs::write(&config, TEMPLATE.replacen("[[scope]]", federation, 1)).unwrap();
        let read = Config::read(&config).unwrap();

        let issuer = federation_issuer(&read, folder.path()).unwrap().unwrap();

        assert_eq!(issuer.url(), "https://ai-gw.example.com/federation");
        assert!(issuer.jwks().contains("\"alg\":\"ES256\""));
        assert!(federation_issuer(&silent, folder.path()).unwrap().is_none());
        let pem = fs::read_to_string(&key).unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
        assert!(new_issuer_key(&key).is_err(), "a key is never written over");
    }

    #[test]
    fn a_key_is_sealed_for_an_upstream_that_there_is_and_never_over_a_file() {
        let (folder, config) = home();
        let command = |upstream: &str| Seal {
            file: ConfigFile {
                config: config.clone(),
            },
            upstream: upstream.to_owned(),
            out: folder.path().join("keys/anthropic.sealed"),
        };

        assert!(seal(&command("nobody"), "sk-canary".as_bytes()).is_err());
        assert!(seal(&command("anthropic"), "".as_bytes()).is_err());
        seal(&command("anthropic"), "sk-canary\n".as_bytes()).unwrap();
        assert!(seal(&command("anthropic"), "sk-other".as_bytes()).is_err());

        let read = Config::read(&config).unwrap();
        let secret = SecretRef::Sealed {
            sealed: "keys/anthropic.sealed".into(),
        };
        let root = gateway_root(&read, folder.path()).unwrap();
        let name = &read.upstream[0].name;
        let opened = secret.upstream_key(folder.path(), name, &root).unwrap();
        assert_eq!(*opened, "sk-canary");
        let text = fs::read_to_string(command("anthropic").out).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert!(secret.text(folder.path()).is_err());
    }

    fn home() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        private_folder(&folder.path().join("keys")).unwrap();
        for key in KEYS {
            new_key(&folder.path().join("keys").join(key)).unwrap();
        }
        let config = folder.path().join("bauta.toml");
        fs::write(&config, TEMPLATE).unwrap();
        (folder, config)
    }
}

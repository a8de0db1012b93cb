//! The command line: one file a command.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::chain::chain;

mod audit;
mod check;
mod completions;
#[cfg(feature = "dev")]
mod dev;
mod drill;
mod env;
mod explain;
pub(crate) mod init;
mod keys;
mod login;
mod logout;
mod member;
mod migrate;
mod mine;
pub mod print;
mod run;
pub(crate) mod serve;
mod token;
mod tools;
mod verify;
mod whoami;

/// A privacy-preserving verification proxy: one proof of identity per person, scoped tokens, and
/// prompts that cannot be tied to either.
#[derive(Debug, Parser)]
#[command(name = "bauta", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole system on this machine, with simulated counterparties
    #[cfg(feature = "dev")]
    Dev(dev::Dev),
    /// The production server
    Serve(serve::Serve),
    /// Say what is wrong with a configuration and how to mend it
    Check(check::Check),
    /// Try what would happen, and print a figure
    #[command(subcommand)]
    Drill(drill::Drill),
    /// Say what a provider's refusal means, who can help it, and how
    Explain(explain::Explain),
    /// Bring the databases to the newest schema
    Migrate(migrate::Migrate),
    /// Write a commented configuration and keys with strict modes
    Init(init::Init),
    /// Seal a provider's key, show what providers are told to trust, make the directory's bearer
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Export a log, or verify an export
    #[command(subcommand)]
    Audit(audit::Audit),
    /// List, suspend, reinstate or erase members, on the server's own files
    #[command(subcommand)]
    Member(member::Member),
    /// Sign this machine in
    Login(login::Login),
    /// End this machine's sign-in, at the server and here
    Logout(logout::Logout),
    /// Show what this machine is signed in to
    Whoami(whoami::Whoami),
    /// Open the page on which you are verified, once
    Verify(verify::Verify),
    /// Print one token that is good now, and nothing else
    Token(token::Token),
    /// Print the variables that tools read, for `eval "$(bauta env)"`
    Env(env::Env),
    /// Run a command with a token in its environment
    Run(run::Run),
    /// Print completions for a shell
    Completions(completions::Completions),
}

/// `--config FILE`, as every command of an operator takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration
    #[arg(
        long,
        value_name = "FILE",
        env = "BAUTA_CONFIG",
        default_value = "bauta.toml"
    )]
    pub(crate) config: PathBuf,
}

/// How a command ended, as its exit code tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The configuration or the arguments are wrong.
    Usage = 2,
    /// Refused by policy.
    Refused = 3,
    /// The other side is unreachable.
    Unreachable = 4,
}

/// Why a command did not do what it was asked: one sentence of what, why and the next step.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    sentence: String,
}

impl Failure {
    /// A failure that ends the program with `exit`.
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self {
            exit,
            sentence: sentence.into(),
        }
    }

    /// A configuration that cannot be used.
    pub(crate) fn usage(cause: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, cause.to_string())
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Failed, chain(error.into().as_ref()))
    }
}

/// Does what was asked and says how it ended.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    bauta_token::jws::install();
    // Two providers in one process would make the choice of one a panic at run time.
    drop(rustls::crypto::ring::default_provider().install_default());
    let done = match cli.command {
        #[cfg(feature = "dev")]
        Command::Dev(command) => block_on(dev::run(command)),
        Command::Serve(command) => block_on(serve::run(command)),
        Command::Check(command) => block_on(check::run(command)),
        Command::Drill(command) => block_on(drill::run(command)),
        Command::Explain(command) => explain::run(&command),
        Command::Migrate(command) => block_on(migrate::run(command)),
        Command::Init(command) => init::run(&command),
        Command::Keys(command) => block_on(keys::run(command)),
        Command::Audit(command) => block_on(audit::run(command)),
        Command::Member(command) => block_on(member::run(command)),
        Command::Login(command) => block_on(login::run(command)),
        Command::Logout(command) => block_on(logout::run(command)),
        Command::Whoami(command) => block_on(whoami::run(command)),
        Command::Verify(command) => block_on(verify::run(command)),
        Command::Token(command) => block_on(token::run(command)),
        Command::Env(command) => block_on(env::run(command)),
        Command::Run(command) => block_on(run::run(command)),
        Command::Completions(command) => completions::run(&command),
    };
    match done {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            print::note(format!("bauta: {}", failure.sentence));
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

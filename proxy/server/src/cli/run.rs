//! `bauta run`: a command with a token in its environment.
//!
//! This process becomes the command, so that signals, terminal and exit code are its own. The token
//! is a fresh one and is not renewed for it: what runs for longer than a token lives asks
//! `bauta token` itself.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use bauta_agent::renew::Purpose;

use super::{
    Exit, Failure, mine,
    tools::{in_the_way, variables},
};

/// Run a command with a token in its environment
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    scope: mine::Scope,
    /// The command and what it is to be told
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) async fn run(run: Run) -> Result<Exit, Failure> {
    let mut words = run.command.into_iter();
    let Some(program) = words.next() else {
        return Err(Failure::usage("no command was given"));
    };
    let current = mine::token(run.scope.scope.as_ref(), Purpose::Keeping).await?;
    let mut command = Command::new(&program);
    command.args(words);
    for name in in_the_way(None) {
        command.env_remove(name);
    }
    for (name, value) in variables(None, &current) {
        command.env(name, &*value);
    }
    // Comes back only when it could not be started.
    let error = command.exec();
    Err(Failure::usage(format!(
        "{} could not be started: {error}; check its name and PATH",
        program.display()
    )))
}

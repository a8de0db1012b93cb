//! Arguments, and nothing else.

use std::process::ExitCode;

use bauta::cli::{Cli, run};
use clap::Parser;

fn main() -> ExitCode {
    run(Cli::parse())
}

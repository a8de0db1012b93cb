//! Arguments, and nothing else.

use std::process::ExitCode;

use bauta::cli::{Cli, run};
use clap::Parser;
use mimalloc::MiMalloc;

/// A request is some sixty small pieces of memory that come and go on two threads: the allocator of
/// the C library took a fifth of its CPU.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse())
}

//! `bauta verify`: opens the page on which a member is verified, once.

use super::{Exit, Failure, mine, print};

/// Open the page on which you are verified, once
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The server's address; the one signed in to, when it is left out
    #[arg(value_name = "SERVER", env = "BAUTA_URL")]
    server: Option<String>,
    /// Print the address and open no browser
    #[arg(long)]
    no_browser: bool,
}

pub(crate) async fn run(verify: Verify) -> Result<Exit, Failure> {
    let keep = mine::keep()?;
    let server = mine::server(&keep, verify.server.as_deref()).await?;
    let page = server.at("/verify");
    print::line(format!("Verify on this page: {page}"));
    if !verify.no_browser && !mine::open(&page) {
        print::line("No browser could be opened; any browser, on any machine, will do.");
    }
    Ok(Exit::Done)
}

//! `bauta token`: one token on standard output and nothing else, for tools that ask a helper.
//!
//! Such tools ask again for as long as the helper answers, so a refusal is an error here and never
//! an old token: they show the sentence and stop.

use bauta_agent::renew::Purpose;

use super::{Exit, Failure, mine, print};

/// Print one token that is good now, and nothing else
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    #[command(flatten)]
    scope: mine::Scope,
}

pub(crate) async fn run(token: Token) -> Result<Exit, Failure> {
    mine::hide();
    let current = mine::token(token.scope.scope.as_ref(), Purpose::Asking).await?;
    print::line(current.access.reveal());
    Ok(Exit::Done)
}

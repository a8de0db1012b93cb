//! `bauta logout`: ends the sign-in at the server, then forgets it here.

use bauta_agent::end::{Ended, Unanswered, end};

use super::{Exit, Failure, mine, print};

/// End this machine's sign-in, at the server and here
#[derive(Debug, clap::Args)]
pub(crate) struct Logout {
    /// Forget it here even if the server cannot be told
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(logout: Logout) -> Result<Exit, Failure> {
    mine::hide();
    let keep = mine::keep()?;
    let (server, unanswered) = if logout.force {
        (None, Unanswered::Forgotten)
    } else {
        (mine::kept(&keep).await?, Unanswered::Stays)
    };
    let server = server.map_or_else(String::new, |kept| kept.issuer.to_string());
    let ended = end(&keep, unanswered).await;
    print::line(
        match ended.map_err(|error| mine::of_end(&error, &server))? {
            Ended::Everywhere => "Signed out: the tokens are revoked and forgotten.",
            Ended::Nothing => "Nobody was signed in on this machine.",
            _ => {
                "Forgotten here. The server was not told: revoke the sign-in on its page of tokens, or \
             it lapses by itself."
            }
        },
    );
    Ok(Exit::Done)
}

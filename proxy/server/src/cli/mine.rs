//! What the commands of a member share: where the sign-in rests, and what each failure means to
//! the member. What, why and the next step: said here, once, for all of them.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use bauta_agent::{
    call::{CallError, Refusal},
    end::EndError,
    grant::SignIn,
    keep::{FileKeep, KeepError, hold},
    login::LoginError,
    origin::Origin,
    renew::{Current, Purpose, TokenError, current},
};
use bauta_token::scope::Name;
use reqwest::Url;

use super::{Exit, Failure};
use crate::{ambient::SystemClock, harden::harden};

/// `--scope S`, as every command of a member takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Scope {
    /// What the token is for; the scope of the first sign-in, when it is left out
    #[arg(long, value_name = "SCOPE", value_parser = name)]
    pub(crate) scope: Option<Name>,
}

/// A scope as a person types it.
pub(crate) fn name(text: &str) -> Result<Name, &'static str> {
    Name::parse(text).ok_or("a scope is named in lower-case letters, digits and hyphens")
}

/// What holds a token writes no core dump. Not for `bauta run`: what it becomes would inherit that.
pub(crate) fn hide() {
    if let Err(error) = harden() {
        // It holds them for a second; a machine that cannot do this is no reason to do nothing.
        tracing::debug!(%error, "core dumps are not off");
    }
}

/// Where this user's sign-in rests.
pub(crate) fn keep() -> Result<FileKeep, Failure> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    // A relative one is none (XDG Base Directory Specification).
    let state = absolute("XDG_STATE_HOME");
    let state = state.or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        Failure::usage("there is no home folder to keep a sign-in in; set HOME or XDG_STATE_HOME")
    })?;
    Ok(FileKeep::new(state.join("bauta")))
}

/// What is kept, if anything is.
pub(crate) async fn kept(keep: &FileKeep) -> Result<Option<SignIn>, Failure> {
    let held = hold(keep).await.map_err(|error| of_keep(&error))?;
    held.read().map_err(|error| of_keep(&error))
}

/// The server that is meant: the one named, else the one signed in to.
pub(crate) async fn server(keep: &FileKeep, named: Option<&str>) -> Result<Origin, Failure> {
    if let Some(named) = named {
        return Origin::typed(named).ok_or_else(|| {
            Failure::usage(format!(
                "{} is no address of a server; it is https://NAME without a path, or http:// on \
                 this machine",
                named.escape_debug()
            ))
        });
    }
    let kept = kept(keep).await?;
    kept.map(|kept| kept.issuer).ok_or_else(|| {
        Failure::usage("no server is named and none is signed in to; run `bauta login SERVER`")
    })
}

/// A token that is good now.
pub(crate) async fn token(scope: Option<&Name>, purpose: Purpose) -> Result<Current, Failure> {
    let keep = keep()?;
    match current(&keep, scope, purpose, &SystemClock).await {
        Ok(current) => Ok(current),
        Err(error) => Err(of_token(&error, &keep).await),
    }
}

async fn of_token(error: &TokenError, keep: &FileKeep) -> Failure {
    let server = || async {
        let kept = kept(keep).await.ok().flatten();
        kept.map_or_else(|| "the server".to_owned(), |kept| kept.issuer.to_string())
    };
    match error {
        TokenError::NotSignedIn => Failure::new(
            Exit::Refused,
            "no token: nobody is signed in on this machine; run `bauta login SERVER`",
        ),
        TokenError::NoScope(scope) => Failure::new(
            Exit::Refused,
            format!(
                "no token: this machine is not signed in for the scope {scope}; run \
                 `bauta login --scope {scope}`"
            ),
        ),
        TokenError::Refused(refusal) => of_refusal(*refusal, &server().await),
        TokenError::Call(error) => of_call(error, &server().await),
        TokenError::Keep(error) => of_keep(error),
        error => Failure::new(Exit::Failed, error.to_string()),
    }
}

/// Why nobody was signed in to `server`.
pub(crate) fn of_login(error: &LoginError, server: &Origin) -> Failure {
    match error {
        LoginError::Call(error) => of_call(error, &server.to_string()),
        LoginError::Keep(error) => of_keep(error),
        LoginError::Late => Failure::new(
            Exit::Failed,
            "nobody answered in the browser within five minutes; run `bauta login` again, or \
             `bauta login --device` where the browser is on another machine",
        ),
        LoginError::Other(other) => Failure::usage(format!(
            "this machine is signed in to {other}, and one sign-in is kept at a time; run \
             `bauta logout` first"
        )),
        error => Failure::new(
            Exit::Failed,
            format!("{}; run `bauta login` again", chain(error)),
        ),
    }
}

/// Why a sign-in goes on.
pub(crate) fn of_end(error: &EndError, server: &str) -> Failure {
    match error {
        EndError::Keep(error) => of_keep(error),
        EndError::Call(error) => {
            let mut failure = of_call(error, server);
            failure.sentence.push_str(
                ". You are still signed in; `bauta logout --force` forgets the sign-in here and \
                 leaves it to lapse there",
            );
            failure
        }
        error => Failure::new(Exit::Failed, error.to_string()),
    }
}

/// Why `server` gave nothing.
pub(crate) fn of_call(error: &CallError, server: &str) -> Failure {
    match error {
        CallError::Refused(refusal) => of_refusal(*refusal, server),
        CallError::Unreachable(_) => Failure::new(
            Exit::Unreachable,
            format!(
                "{server} was not reached ({}); check the address and the network, and try again",
                innermost(error)
            ),
        ),
        CallError::Busy => Failure::new(
            Exit::Unreachable,
            format!("{server} cannot answer right now; try again in a minute"),
        ),
        CallError::Imposter(name) => Failure::new(
            Exit::Failed,
            format!(
                "what answers at {server} says that it is {name}; nothing was sent to it. Use \
                 that address if it is your organisation's"
            ),
        ),
        _ => Failure::new(
            Exit::Failed,
            format!(
                "{server} does not answer as a Bauta server does; check the address, or whether \
                 this bauta is too old for it"
            ),
        ),
    }
}

fn of_refusal(refusal: Refusal, server: &str) -> Failure {
    let next = match refusal {
        Refusal::Verify => {
            format!("verify once at {server}/verify, then run `bauta login` again")
        }
        Refusal::SignIn => format!("sign out and in again at {server}, then run `bauta login`"),
        Refusal::Grant => "run `bauta login`".to_owned(),
        Refusal::Scope => {
            "ask your platform team which group opens it; `bauta login` without --scope offers \
             what is open to you"
                .to_owned()
        }
        Refusal::Way => "run `bauta login` without --device, with a browser here".to_owned(),
        Refusal::Denied => format!(
            "if it was not you, look at {server}/verify whether you are verified, then run \
             `bauta login` again"
        ),
        Refusal::Expired => "run `bauta login --device` again".to_owned(),
        Refusal::SlowDown => {
            let sentence = format!("{server} was asked too often; wait a few minutes");
            return Failure::new(Exit::Failed, sentence);
        }
        _ => {
            let sentence = format!("{server} refused: {refusal}; try a newer bauta");
            return Failure::new(Exit::Failed, sentence);
        }
    };
    Failure::new(
        Exit::Refused,
        format!("{server} refused: {refusal}; {next}"),
    )
}

/// Why the sign-in cannot be read or kept.
pub(crate) fn of_keep(error: &KeepError) -> Failure {
    let exit = match error {
        KeepError::Loose { .. } | KeepError::Foreign { .. } | KeepError::Broken { .. } => {
            Exit::Usage
        }
        _ => Exit::Failed,
    };
    Failure::new(exit, chain(error))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The cause that says most: a client wraps it several times.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Opens `page` in the member's browser; whether one could be started.
pub(crate) fn open(page: &Url) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    // The address begins with its scheme: it is never taken for an option.
    let started = Command::new(opener)
        .arg(page.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_why_and_the_next_step_and_ends_with_3() {
        for refusal in [
            Refusal::Verify,
            Refusal::SignIn,
            Refusal::Grant,
            Refusal::Scope,
            Refusal::Way,
            Refusal::Denied,
            Refusal::Expired,
        ] {
            let failure = of_refusal(refusal, "https://ai.example.com");
            let sentence = &failure.sentence;

            assert_eq!(failure.exit, Exit::Refused, "{sentence}");
            assert!(sentence.starts_with("https://ai.example.com refused: "));
            assert!(sentence.contains("bauta login"), "{sentence}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
        let verify = of_refusal(Refusal::Verify, "https://ai.example.com");
        assert!(verify.sentence.contains("https://ai.example.com/verify"));
    }

    #[test]
    fn a_server_that_is_away_ends_with_4_and_one_of_another_name_does_not() {
        assert_eq!(of_call(&CallError::Busy, "x").exit, Exit::Unreachable);
        let imposter = CallError::Imposter("https://evil.example".to_owned());
        assert_eq!(of_call(&imposter, "x").exit, Exit::Failed);
    }
}

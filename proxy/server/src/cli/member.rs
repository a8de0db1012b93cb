//! `bauta member`: administration on the server's own files, whether it runs or not.
//!
//! A running gateway hears of it with the next page of the feed, within a second or two.

use std::sync::Arc;

use bauta_attestation::{
    Plane,
    member::Erased,
    ports::{MemberId, people::MemberState},
};
use bauta_token::pseudonym::Pseudonym;

use super::{ConfigFile, Exit, Failure, print, serve::base};
use crate::{config::Config, serve::Start};

mod list;

/// List, suspend, reinstate or erase members, on the server's own files
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Member {
    /// Everybody who ever signed in: number, state, verification, roles and days. There are no names
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End sessions, tokens and streams of a member at once, and refuse its pseudonyms
    Suspend {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        whom: Whom,
        /// Why, as a short code that goes into the log; never a name
        #[arg(long, value_name = "CODE")]
        reason: String,
        /// The provider that reported the pseudonym has shut it out for good: also after a
        /// reinstatement it is not asked for this member any more
        #[arg(long, requires = "pseudonym")]
        for_good: bool,
    },
    /// Let a suspended member go on; it signs in again
    Reinstate {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        whom: Whom,
    },
    /// Erase all that is held about a member; what the log has of it becomes noise
    Erase {
        #[command(flatten)]
        file: ConfigFile,
        /// The number, mbr_...
        member: String,
        /// Do it: it cannot be undone
        #[arg(long)]
        yes: bool,
    },
}

/// A member by its number, or by what a provider sees of it.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whom {
    /// The number, mbr_...
    member: Option<String>,
    /// The pseudonym that a provider reports, bp1_...; its member is found by computing everybody's
    #[arg(long, value_name = "BP1")]
    pseudonym: Option<String>,
}

pub(crate) async fn run(command: Member) -> Result<Exit, Failure> {
    match command {
        Member::List { file, json } => {
            let plane = open(&file).await?;
            list::list(&plane, json).await
        }
        Member::Suspend {
            file,
            whom,
            reason,
            for_good,
        } => {
            let reason = code(&reason)?;
            let plane = open(&file).await?;
            if for_good {
                let pseudonym = whom.pseudonym()?;
                let shut = plane.shut_out(&pseudonym, None, reason).await?;
                let member = shut.ok_or_else(|| nobody(&pseudonym))?;
                return Ok(told(
                    member,
                    "suspended, and shut out by that provider for good",
                ));
            }
            let member = whom.find(&plane).await?;
            if plane.suspend(member, None, reason).await? {
                return Ok(told(member, "suspended"));
            }
            Err(unchanged(&plane, member, "was suspended before").await)
        }
        Member::Reinstate { file, whom } => {
            let plane = open(&file).await?;
            let member = whom.find(&plane).await?;
            if plane.reinstate(member, None).await? {
                return Ok(told(member, "reinstated; it signs in again"));
            }
            Err(unchanged(&plane, member, "was not suspended").await)
        }
        Member::Erase { file, member, yes } => {
            if !yes {
                return Err(Failure::usage(format!(
                    "{member} would be erased, and that cannot be undone; add --yes to do it"
                )));
            }
            let member = number(&member)?;
            let plane = open(&file).await?;
            match plane.erase(member, None).await? {
                Erased::Done => Ok(told(member, "erased")),
                Erased::Held => Err(Failure::new(
                    Exit::Refused,
                    format!(
                        "{member} is suspended or shut out by a provider and was not erased: it \
                         would come back as somebody new. Close the case or reinstate it first"
                    ),
                )),
                _ => Err(unchanged(&plane, member, "was not erased").await),
            }
        }
    }
}

async fn open(file: &ConfigFile) -> Result<Arc<Plane>, Failure> {
    let config = Config::read(&file.config).map_err(Failure::usage)?;
    Ok(Start::new(&config, base(&file.config))
        .join_identity()
        .await?)
}

impl Whom {
    async fn find(&self, plane: &Plane) -> Result<MemberId, Failure> {
        if let Some(text) = &self.member {
            return number(text);
        }
        let pseudonym = self.pseudonym()?;
        let found = plane.whose(&pseudonym).await?;
        found.ok_or_else(|| nobody(&pseudonym))
    }

    fn pseudonym(&self) -> Result<Pseudonym, Failure> {
        let text = self.pseudonym.as_deref().unwrap_or_default();
        Pseudonym::parse(text).ok_or_else(|| {
            Failure::usage(format!(
                "\"{text}\" is no pseudonym; it is bp1_ and 52 letters, as the provider was sent it"
            ))
        })
    }
}

fn nobody(pseudonym: &Pseudonym) -> Failure {
    Failure::new(
        Exit::Failed,
        format!(
            "no provider sees anybody as {pseudonym}; nothing was changed. It may be of another \
             Bauta, of a member that was erased, or of a grant and not of a provider"
        ),
    )
}

fn told(member: MemberId, what: &str) -> Exit {
    print::line(format!("{member}: {what}"));
    Exit::Done
}

/// Why nothing happened to `member`: there is none, or `otherwise`.
async fn unchanged(plane: &Plane, member: MemberId, otherwise: &str) -> Failure {
    let why = match plane.standing(member).await {
        Err(error) => return error.into(),
        Ok(None) => {
            "is nobody's number; `bauta member list` shows the numbers there are".to_owned()
        }
        Ok(Some(row)) => match (row.state, row.reason) {
            (MemberState::Suspended, Some(reason)) => format!("{otherwise} ({reason})"),
            _ => otherwise.to_owned(),
        },
    };
    Failure::new(Exit::Failed, format!("{member} {why}; nothing was changed"))
}

fn number(text: &str) -> Result<MemberId, Failure> {
    MemberId::parse(text).ok_or_else(|| {
        Failure::usage(format!(
            "{text} is no member's number; it is mbr_ and 26 letters, as `bauta member list` shows"
        ))
    })
}

/// A code and no prose: what an administrator types must not bring a name into the log.
fn code(text: &str) -> Result<&str, Failure> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if (1..=40).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text);
    }
    Err(Failure::usage(
        "--reason is a short code of a-z, 0-9, - and _, such as left-company or abuse-report; \
         never a name",
    ))
}

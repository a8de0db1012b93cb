//! `bauta member`: administration on the server's own files, whether it runs or not.
//!
//! A running gateway hears of it with the next page of the feed, within a second or two.

use std::sync::Arc;

use bauta_attestation::{
    Plane,
    member::Erased,
    ports::{MemberId, people::MemberState},
};
use serde_json::json;

use super::{ConfigFile, Exit, Failure, print, serve::base};
use crate::{config::Config, serve::Start};

/// List, suspend, reinstate or erase members, on the server's own files
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Member {
    /// Everybody who ever signed in: number, state, days and what is open. There are no names
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
        /// The number, mbr_...
        member: String,
        /// Why, as a short code that goes into the log; never a name
        #[arg(long, value_name = "CODE")]
        reason: String,
    },
    /// Let a suspended member go on; it signs in again
    Reinstate {
        #[command(flatten)]
        file: ConfigFile,
        /// The number, mbr_...
        member: String,
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

pub(crate) async fn run(command: Member) -> Result<Exit, Failure> {
    match command {
        Member::List { file, json } => {
            let plane = open(&file).await?;
            list(&plane, json).await
        }
        Member::Suspend {
            file,
            member,
            reason,
        } => {
            let plane = open(&file).await?;
            let done = plane
                .suspend(number(&member)?, None, code(&reason)?)
                .await?;
            told(
                done,
                &member,
                "suspended",
                "was suspended before, or there is none of that number",
            )
        }
        Member::Reinstate { file, member } => {
            let plane = open(&file).await?;
            let done = plane.reinstate(number(&member)?, None).await?;
            told(
                done,
                &member,
                "reinstated; it signs in again",
                "was not suspended, or there is none of that number",
            )
        }
        Member::Erase { file, member, yes } => {
            if !yes {
                return Err(Failure::usage(format!(
                    "{member} would be erased, and that cannot be undone; add --yes to do it"
                )));
            }
            let plane = open(&file).await?;
            match plane.erase(number(&member)?, None).await? {
                Erased::Done => told(true, &member, "erased", ""),
                Erased::Held => Err(Failure::new(
                    Exit::Refused,
                    format!(
                        "{member} is suspended or shut out by a provider and was not erased: it \
                         would come back as somebody new. Close the case or reinstate it first"
                    ),
                )),
                _ => told(false, &member, "", "is nobody's number"),
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

async fn list(plane: &Plane, as_json: bool) -> Result<Exit, Failure> {
    let mut after = None;
    loop {
        let rows = plane.members(after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(Exit::Done);
        };
        after = Some(last.member);
        for row in &rows {
            let state = match row.state {
                MemberState::Active => "active",
                MemberState::Suspended => "suspended",
            };
            let (number, joined, seen) = (row.member, row.joined, row.signed_in);
            print::line(if as_json {
                json!({
                    "member": number.to_string(), "state": state, "joined": joined.to_string(),
                    "signed_in": seen.to_string(), "reason": row.reason,
                })
                .to_string()
            } else {
                format!("{number}  {state:<9}  joined {joined}  signed in {seen}")
            });
        }
    }
}

fn told(done: bool, member: &str, yes: &str, no: &str) -> Result<Exit, Failure> {
    if done {
        print::line(format!("{member}: {yes}"));
        return Ok(Exit::Done);
    }
    Err(Failure::new(
        Exit::Failed,
        format!("{member} {no}; nothing was changed"),
    ))
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

const PAGE: u32 = 200;

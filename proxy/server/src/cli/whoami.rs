//! `bauta whoami`: what this machine is signed in to. No name is shown, since none is known.

use bauta_agent::{grant::SignIn, keep::Keep};
use bauta_token::{ambient::Clock, units::UnixMillis};
use serde_json::json;

use super::{Exit, Failure, mine, print};
use crate::ambient::SystemClock;

/// Show what this machine is signed in to
#[derive(Debug, clap::Args)]
pub(crate) struct Whoami {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(whoami: Whoami) -> Result<Exit, Failure> {
    mine::hide();
    let keep = mine::keep()?;
    let Some(kept) = mine::kept(&keep).await? else {
        return Err(Failure::new(
            Exit::Refused,
            "nobody is signed in on this machine; run `bauta login SERVER`",
        ));
    };
    let now = SystemClock.now();
    if whoami.json {
        print::line(as_json(&kept, &keep.place(), now));
    } else {
        for line in as_text(&kept, &keep.place(), now) {
            print::line(line);
        }
    }
    Ok(Exit::Done)
}

fn as_json(kept: &SignIn, place: &str, now: UnixMillis) -> String {
    let scopes: Vec<_> = kept
        .grants
        .iter()
        .map(|(scope, grant)| {
            json!({
                "scope": scope.as_str(),
                "first": *scope == kept.first,
                "token_ends_in_seconds": left(grant.expires_at, now),
            })
        })
        .collect();
    json!({
        "server": kept.issuer.to_string(),
        "gateway": kept.gateway.to_string(),
        "scopes": scopes,
        "kept_in": place,
    })
    .to_string()
}

fn as_text(kept: &SignIn, place: &str, now: UnixMillis) -> Vec<String> {
    let mut lines = vec![
        format!("Server   {}", kept.issuer),
        format!("Gateway  {}", kept.gateway),
    ];
    for (scope, grant) in &kept.grants {
        let minutes = left(grant.expires_at, now) / 60;
        let first = if *scope == kept.first {
            "  (used when none is named)"
        } else {
            ""
        };
        lines.push(format!(
            "Scope    {scope}  its token has {minutes} min left and renews itself{first}"
        ));
    }
    lines.push(format!("Kept in  {place}"));
    lines.push("Name     none: the server keeps no name, and neither does this machine".to_owned());
    lines
}

fn left(ends: UnixMillis, now: UnixMillis) -> i64 {
    ends.seconds().saturating_sub(now.seconds()).max(0)
}

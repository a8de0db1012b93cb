//! The table of members.

use bauta_attestation::{Plane, member::Standing, ports::people::MemberState};
use serde_json::json;

use crate::cli::{Exit, Failure, print};

/// Prints everybody who ever signed in.
pub(super) async fn list(plane: &Plane, as_json: bool) -> Result<Exit, Failure> {
    let mut after = None;
    loop {
        let rows = plane.members(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.member);
        for row in &rows {
            // It may have been erased meanwhile.
            if let Some(standing) = plane.standing(row.member).await? {
                print::line(if as_json {
                    object(&standing)
                } else {
                    line(&standing)
                });
            }
        }
    }
    if after.is_none() {
        print::note("nobody has signed in yet");
    }
    Ok(Exit::Done)
}

fn line(it: &Standing) -> String {
    let state = match &it.reason {
        Some(reason) => format!("{} ({reason})", state(it)),
        None => state(it).to_owned(),
    };
    let verified = match &it.verified {
        Some(verified) => format!("verified until {}", verified.valid_until),
        None if it.expired => "verification expired".to_owned(),
        None => "not verified".to_owned(),
    };
    let roles = match roles(it) {
        roles if roles.is_empty() => "no role".to_owned(),
        roles => roles.join(","),
    };
    format!(
        "{}  {state:<9}  {verified:<25}  {roles:<7}  joined {}  signed in {}",
        it.member, it.joined, it.signed_in
    )
}

fn object(it: &Standing) -> String {
    json!({
        "member": it.member.to_string(), "state": state(it), "reason": it.reason,
        "verified_until": it.verified.as_ref().map(|it| it.valid_until.to_string()),
        "roles": roles(it), "joined": it.joined.to_string(),
        "signed_in": it.signed_in.to_string(),
    })
    .to_string()
}

const fn state(it: &Standing) -> &'static str {
    match (it.state, it.left) {
        (MemberState::Suspended, _) => "suspended",
        (MemberState::Active, Some(_)) => "left",
        (MemberState::Active, None) => "active",
    }
}

fn roles(it: &Standing) -> Vec<&'static str> {
    it.roles.iter().map(|role| role.as_str()).collect()
}

const PAGE: u32 = 200;

//! Everything held about a member, shown to it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use bauta_audit::store::StoreError;

use super::{
    frame, page as render, unavailable,
    verify::redaction,
    view::{self, Fact, Group},
    words,
};
use crate::{
    Plane,
    attest::Truth,
    login::SignedInMember,
    member::{Standing, Verified},
    ports::{
        MemberId,
        grants::{Held, HeldFor, KeptGrant},
        office::Appeal,
    },
    scim::Listed,
    verify::officer::CODE_SECONDS,
};

pub(super) async fn page(State(plane): State<Arc<Plane>>, member: SignedInMember) -> Response {
    shown(&plane, &member, None).await
}

pub(super) async fn shown(
    plane: &Plane,
    member: &SignedInMember,
    problem: Option<&'static str>,
) -> Response {
    match everything(plane, member, problem).await {
        Ok(page) => render(&page),
        Err(error) => unavailable(&error),
    }
}

async fn everything(
    plane: &Plane,
    member: &SignedInMember,
    problem: Option<&'static str>,
) -> Result<view::Privacy, StoreError> {
    let held = held(plane, member).await?;
    let looks = plane.store.looks(member.member, LOOKS).await?;
    let holds = plane.store.held(plane.holder(member.member)).await?;
    let shut = holds.iter().any(|held| held.why == HeldFor::Deactivated);
    Ok(view::Privacy {
        frame: frame(plane, "privacy", true),
        held,
        looks: looks.iter().map(crate::console::look).collect(),
        stays: shut.then_some(SHUT),
        problem,
    })
}

pub(super) async fn held(plane: &Plane, member: &SignedInMember) -> Result<Vec<Group>, StoreError> {
    let standing = plane.standing(member.member).await?;
    let grants = plane.grants(member.member).await?;
    let holds = plane.store.held(plane.holder(member.member)).await?;
    let row = plane.store.member(member.member).await?;
    let listed = match row.and_then(|row| row.join) {
        Some(subject) => plane.listed(subject).await?,
        None => None,
    };
    let mut groups = Vec::new();
    if let Some(standing) = &standing {
        groups.push(account(plane, member.member, standing));
        groups.extend(listed.map(directory));
        groups.push(attestation(plane, standing));
        groups.push(evidence(standing));
        groups.extend(meetings(plane, standing));
    }
    groups.push(session(member));
    groups.push(tokens(plane, &grants));
    groups.push(pseudonyms(plane, &holds));
    groups.extend(appeal(plane.store.appeal_of(member.member).await?.as_ref()));
    groups.push(log());
    Ok(groups)
}

fn account(plane: &Plane, member: MemberId, standing: &Standing) -> Group {
    let roles: Vec<_> = standing.roles.iter().map(|role| role.as_str()).collect();
    let scopes: Vec<_> = standing.scopes.iter().collect();
    let or_none = |text: String| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text
        }
    };
    let issuer = &plane.settings.sso.issuer;
    Group {
        title: "Your account here",
        facts: vec![
            Fact::new("Random number", member.to_string()),
            Fact::new(
                "Tag",
                format!(
                    "a keyed, slow hash of your account at {issuer}; the key is not in the database"
                ),
            ),
            Fact::new(
                "State",
                match standing.reason.as_deref() {
                    Some(reason) => format!("suspended: {reason}"),
                    None => "active".to_owned(),
                },
            ),
            Fact::new("Scopes your groups open", or_none(words::list(&scopes))),
            Fact::new("Roles", or_none(words::list(&roles))),
            Fact::new("First sign-in", words::day(standing.joined)),
            Fact::new("Last sign-in", words::day(standing.signed_in)),
            Fact::new(
                "Directory join",
                "a keyed hash of your directory id, if there is one, to notice when you leave; and the \
                 day on which you left",
            ),
        ],
        record: None,
        gone: "Gone when you are erased. The groups themselves are not kept.".to_owned(),
    }
}

/// What is kept because the directory lists the member.
fn directory(listed: Listed) -> Group {
    let mut facts = vec![
        Fact::new("Number", listed.number.to_string()),
        Fact::new(
            "Word",
            "that you may go on. Also after the directory forgets you: then that you may not",
        ),
        Fact::new(
            "What it calls you",
            "keyed, slow hashes of its userName and externalId, by which it finds you here",
        ),
        Fact::new(
            "Groups",
            format!("you are in {} that it sends", listed.groups),
        ),
    ];
    if let Some((name, external)) = listed.called {
        // The one thing that names somebody, and only where the directory can do no other.
        facts.push(Fact::new("userName, kept encrypted", name));
        facts.extend(external.map(|it| Fact::new("externalId, kept encrypted", it)));
    }
    Group {
        title: "Your organisation’s directory",
        facts,
        record: None,
        gone: "Goes when the directory takes you away and you are erased. Whatever else it sends of you \
               (names, addresses, pictures) is passed over while it is read."
            .to_owned(),
    }
}

fn attestation(plane: &Plane, standing: &Standing) -> Group {
    let verified = standing.verified.as_ref();
    Group {
        title: "Your attestation",
        facts: verified.map_or_else(Vec::new, |verified| attested(plane, standing, verified)),
        record: verified.map(|verified| verified.record.clone()),
        gone: match verified {
            Some(verified) => format!(
                "Counts until {}. The row goes some time after that, with its nonce.",
                words::day(verified.valid_until)
            ),
            None => "Nothing that counts now.".to_owned(),
        },
    }
}

/// What the record says, in words; the record itself is beside it.
fn attested(plane: &Plane, standing: &Standing, verified: &Verified) -> Vec<Fact> {
    let found = verified.predicates.iter().map(|(predicate, truth)| {
        let truth = match truth {
            Truth::True => "yes",
            Truth::False => "no",
            Truth::Undetermined if plane.policies.all().any(|rule| rule.asks(*predicate)) => {
                "not known"
            }
            Truth::Undetermined => "not known, and no rule asks",
        };
        Fact::new(words::predicate(*predicate), truth)
    });
    let checked = Fact::new(
        "Checked",
        format!(
            "in {} by {}",
            words::month(&verified.verified_on),
            words::vendor(&verified.vendor)
        ),
    );
    let rules = standing.gates.iter().map(|gate| {
        let meets = match gate.result {
            Truth::True => "you meet it",
            Truth::False => "you do not meet it",
            Truth::Undetermined => "not known whether you meet it",
        };
        let (policy, version) = (gate.gate.policy(), gate.gate.version());
        Fact::new(
            &format!("Rule “{policy}”"),
            format!("version {version}: {meets}"),
        )
    });
    let kept = [
        Fact::new(
            "Signature",
            "64 bytes over your random number and the signed record",
        ),
        Fact::new(
            "Nonce",
            "32 random bytes, kept apart; deleting them makes the commitment in the record noise",
        ),
    ];
    found.chain([checked]).chain(rules).chain(kept).collect()
}

fn evidence(standing: &Standing) -> Group {
    let attempt = standing.attempt.as_ref();
    Group {
        title: "Evidence at the vendor",
        facts: attempt.map_or_else(Vec::new, |attempt| {
            vec![
                Fact::new("Vendor", words::vendor(&attempt.vendor)),
                Fact::new("Attempt began", words::day(attempt.began)),
                Fact::new("Deletion there", redaction(attempt.redaction)),
                Fact::new(
                    "Vendor’s session id",
                    "kept encrypted until deletion is confirmed, then deleted here",
                ),
            ]
        }),
        record: None,
        gone:
            "Images and document data are at the vendor only, and only until this says confirmed."
                .to_owned(),
    }
}

/// What waits for a second officer.
fn meetings(plane: &Plane, standing: &Standing) -> Option<Group> {
    let config = plane.officer.as_ref()?;
    let within = words::span(config.second_within.as_seconds());
    Some(Group {
        title: "Officers who vouch in person",
        facts: vec![
            Fact::new(
                "For you",
                format!(
                    "{} of 2; each as the officer’s random number and the time",
                    standing.vouched
                ),
            ),
            Fact::new(
                "By you",
                "if you are an officer: whom you vouched for, by random number, while it waits; and \
                 when you typed a wrong code, for an hour",
            ),
            Fact::new("Your code", "a keyed hash of the newest one you were shown"),
        ],
        record: None,
        gone: format!(
            "A word that waits goes after {within}, or with the second one. A code goes after {}.",
            words::span(CODE_SECONDS)
        ),
    })
}

fn session(member: &SignedInMember) -> Group {
    Group {
        title: "This browser",
        facts: vec![
            Fact::new("Session", "a keyed hash of your cookie"),
            Fact::new(
                "Sign-in service",
                "keyed hashes of its session and subject, so that signing out there ends this",
            ),
            Fact::new("Ends at the latest", words::day(member.expires_at.day())),
        ],
        record: None,
        gone: "Gone at sign-out or when it has not been used. No address, no browser name."
            .to_owned(),
    }
}

fn tokens(plane: &Plane, grants: &[KeptGrant]) -> Group {
    let facts = grants.iter().map(|grant| {
        let label = plane.open_label(grant);
        let name = label.map_or_else(|| grant.client.clone(), |label| label.as_str().to_owned());
        let text = format!(
            "scope {}, made {}, last refreshed {}, ends {}; your random number and the label are \
             encrypted, the token itself is not kept",
            grant.scope,
            words::day(grant.made_on),
            words::day(grant.refreshed_on),
            words::day(grant.ends_at.day())
        );
        Fact::new(&name, text)
    });
    Group {
        title: "Your tokens",
        facts: facts.collect(),
        record: None,
        gone:
            "Each row goes when its last token has expired. How a token was used is not known here."
                .to_owned(),
    }
}

fn pseudonyms(plane: &Plane, holds: &[Held]) -> Group {
    let facts = plane.settings.providers.iter().map(|provider| {
        let held = holds.iter().find(|held| held.provider == *provider);
        let text = match held.map(|held| held.why) {
            None => "not stored: computed with a key when a token is made, new every 180 days",
            Some(HeldFor::Suspended) => "held past its epoch while you are suspended",
            Some(HeldFor::Deactivated) => "held for good: the provider has shut your account there",
        };
        Fact::new(provider.as_str(), text)
    });
    Group {
        title: "Your pseudonyms",
        facts: facts.collect(),
        record: None,
        gone: "Each provider sees another one; only this side could tell that they are yours."
            .to_owned(),
    }
}

/// What the member objects to.
fn appeal(appeal: Option<&Appeal>) -> Option<Group> {
    let appeal = appeal?;
    let answer = match appeal.reply {
        Some((reply, at)) => format!("{}, on {}", reply.as_str(), words::day(at.day())),
        None => "not answered yet".to_owned(),
    };
    Some(Group {
        title: "Your appeal",
        facts: vec![
            Fact::new("About", appeal.about.as_str()),
            Fact::new("Ground", appeal.ground.as_str()),
            Fact::new("Made", words::day(appeal.at.day())),
            Fact::new("Answer", answer),
        ],
        record: None,
        gone: "Gone 400 days after the answer, or when you make another one.".to_owned(),
    })
}

fn log() -> Group {
    Group {
        title: "The tamper-evident log",
        facts: vec![Fact::new(
            "Events about you",
            "sign-ins, verification, what was attested, tokens issued and ended: each with a random \
             salt of its own",
        )],
        record: None,
        gone: "When you are erased, salts and texts are deleted; what stays are hashes that say nothing."
            .to_owned(),
    }
}

const SHUT: &str = "A provider has shut your account there for good. Erased, you would come back with \
                    a fresh pseudonym, so this waits: ask a compliance officer.";
/// The last ones; the log has them all.
const LOOKS: u32 = 50;

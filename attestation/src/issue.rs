//! The one place tokens are made.
//!
//! Every grant, however it was asked for, comes through [`Plane::issue`] with a
//! [`Qualified`] that it takes by value: who was judged once is given one token. The token, its
//! grant, what entitled to it and its leaf are one transaction; nothing is handed out before that
//! has committed.
//!
//! The parts: `access` makes the claims and signs them, `refresh` derives successors,
//! `labelled` names tokens for tools, `holder` hides whose a grant is, `end` ends grants.

use std::sync::Arc;

use axum::http::StatusCode;
use bauta_audit::store::StoreError;
use bauta_token::{
    jws::JwsError,
    pseudonym::Pseudonym,
    scope::{Name, Privacy},
    secret::{AuthCode, CellError, DeviceCode, Hashed, Plain, RefreshToken},
    units::UnixMillis,
};
use serde_json::json;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Plane,
    ports::{
        Event, Lookup, MemberId,
        grants::{Basis, Ground, Issuance, KeptGrant, NewGrant, Outcome, Presented, Renewal, hex},
    },
    qualify::Qualified,
    workload::{Proven, Workload},
};

pub use self::labelled::Label;

pub(crate) mod access;
pub(crate) mod end;
pub(crate) mod holder;
pub(crate) mod labelled;
pub(crate) mod refresh;
mod whose;
#[cfg(test)]
pub(crate) mod world;

/// A kind of client. A constant in the token: it says nothing about a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientKind {
    /// The command line, through a browser on the same machine.
    Cli,
    /// Something that showed a code.
    Device,
    /// A build, with an identity of its own.
    Ci,
    /// The portal, for a tool that cannot sign in.
    Portal,
}

impl ClientKind {
    /// As tokens, rows and events write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "bauta-cli",
            Self::Device => "bauta-device",
            Self::Ci => "bauta-ci",
            Self::Portal => "bauta-portal",
        }
    }

    /// Reads what [`ClientKind::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Cli, Self::Device, Self::Ci, Self::Portal]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What is asked for.
pub struct Ask {
    client: ClientKind,
    way: Way,
}

/// What entitles to a token besides being qualified.
enum Way {
    SignIn,
    Labelled {
        label: Label,
        seconds: i64,
    },
    Device(Hashed<DeviceCode>),
    Code(Hashed<AuthCode>),
    Renewal {
        old: Plain<RefreshToken>,
        grant: Box<KeptGrant>,
    },
    Workload {
        workload: Arc<Workload>,
        presented: Presented,
    },
}

impl Ask {
    /// A short token with a refresh token, for somebody who is signed in.
    #[must_use]
    pub const fn sign_in(client: ClientKind) -> Self {
        Self {
            client,
            way: Way::SignIn,
        }
    }

    /// One long token with a name, for a tool. It is not renewed.
    #[must_use]
    pub const fn labelled(label: Label, seconds: i64) -> Self {
        Self {
            client: ClientKind::Portal,
            way: Way::Labelled { label, seconds },
        }
    }

    /// What a device login that was allowed gives.
    pub(crate) const fn device(code: Hashed<DeviceCode>) -> Self {
        Self {
            client: ClientKind::Device,
            way: Way::Device(code),
        }
    }

    /// What an authorization code gives.
    pub(crate) const fn code(code: Hashed<AuthCode>, client: ClientKind) -> Self {
        Self {
            client,
            way: Way::Code(code),
        }
    }

    /// What a build gets that proved what it is: one short token, which nothing renews.
    pub(crate) fn workload(proven: Proven) -> Self {
        Self {
            client: ClientKind::Ci,
            way: Way::Workload {
                workload: proven.workload,
                presented: proven.presented,
            },
        }
    }

    /// What a refresh token gives.
    pub(crate) fn renewal(old: Plain<RefreshToken>, grant: KeptGrant, client: ClientKind) -> Self {
        let grant = Box::new(grant);
        Self {
            client,
            way: Way::Renewal { old, grant },
        }
    }
}

/// A token that was written down and may be handed out, once.
pub struct Issued {
    access: Zeroizing<String>,
    refresh: Option<Plain<RefreshToken>>,
    scope: Name,
    expires_at: UnixMillis,
    made_at: UnixMillis,
    id: Lookup,
}

impl Issued {
    /// The access token, with its prefix.
    #[must_use]
    pub fn access(&self) -> &str {
        &self.access
    }

    /// What renews it, if it can be.
    #[must_use]
    pub const fn refresh(&self) -> Option<&Plain<RefreshToken>> {
        self.refresh.as_ref()
    }

    /// What it may be used for.
    #[must_use]
    pub const fn scope(&self) -> &Name {
        &self.scope
    }

    /// When it expires.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// Seconds until then.
    #[must_use]
    pub const fn expires_in(&self) -> i64 {
        self.expires_at
            .seconds()
            .saturating_sub(self.made_at.seconds())
    }

    /// Names its grant here.
    #[must_use]
    pub const fn id(&self) -> Lookup {
        self.id
    }
}

/// Why no token was made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The scope is anonymous: its tokens are blind-signed and have no grant.
    #[error("an anonymous scope has no such tokens")]
    Anonymous,
    /// The scope has no labelled tokens, or none for so long.
    #[error("the scope has no labelled token of that life")]
    Life,
    /// What it would rest on ends in a moment.
    #[error("what the token would rest on ends in a moment")]
    Lapsing,
    /// What entitled to it was used before.
    #[error("what entitled to the token was used before")]
    Spent,
    /// A spent refresh token came back; its grant has ended.
    #[error("a spent refresh token came back")]
    Reused,
    /// The member has as many grants as may be.
    #[error("the member has too many grants")]
    Full,
    /// The member was suspended meanwhile.
    #[error("the member is suspended")]
    Barred,
    /// The verification or the scope was taken back meanwhile.
    #[error("what the token would rest on was taken back meanwhile")]
    Withdrawn,
    /// No key may sign now.
    #[error("no key may sign tokens now")]
    NoKey,
    /// It could not be signed.
    #[error("a token could not be signed")]
    Sign(#[source] JwsError),
    /// A stored handle does not open.
    #[error("a grant does not open")]
    Cell(#[from] CellError),
    /// It is not known whether it was written.
    #[error("it is not known whether the token was written down")]
    Store(#[from] StoreError),
}

impl IssueError {
    /// Status and stable code for the caller.
    #[must_use]
    pub const fn public(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Anonymous => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::Life => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Lapsing => (StatusCode::FORBIDDEN, "verification_expired"),
            Self::Spent | Self::Reused => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::Full => (StatusCode::TOO_MANY_REQUESTS, "too_many_grants"),
            Self::Barred => (StatusCode::FORBIDDEN, "member_suspended"),
            Self::Withdrawn => (StatusCode::FORBIDDEN, "verification_required"),
            Self::NoKey | Self::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            Self::Sign(_) | Self::Cell(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }
}

impl Plane {
    /// Makes a token for who is qualified, writes it down, and only then gives it out.
    ///
    /// # Errors
    ///
    /// [`IssueError`]. Nothing was handed out then; on [`IssueError::Store`] a grant may be left
    /// that nobody holds a token of.
    pub async fn issue(&self, qualified: Qualified, ask: Ask) -> Result<Issued, IssueError> {
        let now = self.clock.now();
        let member = qualified.member();
        let holder = self.holder(member);
        let life = Life::of(&qualified, &ask, &self.settings.oauth, now)?;
        let (id, sub) = self.grant_of(&ask)?;
        let psn = self.pseudonyms(member, holder, now).await?;
        let access = self.sign(&qualified, ask.client, &sub, psn, &life)?;
        let scope = qualified.scope_rule().name.clone();
        let leaf = self.issued_leaf(id, holder, &qualified, &ask, &life);
        let client = ask.client;
        let (basis, refresh) = self.basis(ask, member, id, &sub, holder, &scope)?;
        let issuance = Issuance {
            member,
            ground: ground(&qualified),
            id,
            end: self.end_of(&sub),
            basis,
            live_until: life.until,
            ends_at: life.grant_until,
            now,
            leaf,
        };
        match self.store.issue(issuance).await? {
            Outcome::Issued => {}
            Outcome::Spent => return Err(IssueError::Spent),
            Outcome::Reused => return Err(IssueError::Reused),
            Outcome::Full => return Err(IssueError::Full),
            Outcome::Barred => return Err(IssueError::Barred),
            Outcome::Withdrawn => return Err(IssueError::Withdrawn),
        }
        tracing::info!(client = client.as_str(), %scope, "token issued");
        Ok(Issued {
            access,
            refresh,
            scope,
            expires_at: life.until,
            made_at: now,
            id,
        })
    }

    /// A fresh name, or the one of the grant that is renewed.
    fn grant_of(&self, ask: &Ask) -> Result<(Lookup, Pseudonym), IssueError> {
        if let Way::Renewal { grant, .. } = &ask.way {
            let opened = self.open_grant(grant)?;
            return Ok((grant.id, opened.sub));
        }
        let sub = Pseudonym::from_bytes(&bauta_token::ambient::bytes(&*self.randomness));
        Ok((self.grant_id(&sub), sub))
    }

    fn basis(
        &self,
        ask: Ask,
        member: MemberId,
        id: Lookup,
        sub: &Pseudonym,
        holder: Lookup,
        scope: &Name,
    ) -> Result<(Basis, Option<Plain<RefreshToken>>), IssueError> {
        let fresh = |refresh: Option<&Plain<RefreshToken>>, label| -> Result<_, IssueError> {
            Ok(NewGrant {
                holder,
                handle: self.seal_grant(id, member, sub)?,
                label,
                client: ask.client.as_str(),
                scope: scope.clone(),
                refresh: refresh.map(|token| token.hash(self.keys.secrets())),
                quota: match ask.client {
                    ClientKind::Ci => BUILDS,
                    _ => QUOTA,
                },
            })
        };
        let drawn = || Plain::generate(&*self.randomness);
        Ok(match ask.way {
            Way::SignIn => {
                let token = drawn();
                (Basis::Asked(fresh(Some(&token), None)?), Some(token))
            }
            Way::Device(code) => {
                let token = drawn();
                (Basis::Device(code, fresh(Some(&token), None)?), Some(token))
            }
            Way::Code(code) => {
                let token = drawn();
                (Basis::Code(code, fresh(Some(&token), None)?), Some(token))
            }
            Way::Labelled { label, .. } => {
                let label = self.seal_label(id, &label)?;
                (Basis::Asked(fresh(None, Some(label))?), None)
            }
            Way::Workload { presented, .. } => {
                (Basis::Workload(presented, fresh(None, None)?), None)
            }
            Way::Renewal { old, .. } => {
                let new = self.successor(&old);
                let renewal = Renewal {
                    old: old.hash(self.keys.secrets()),
                    new: new.hash(self.keys.secrets()),
                    grace_millis: self.refresh_grace_millis(),
                    reuse: self.ended_leaf(id, holder, "refresh_reuse"),
                };
                (Basis::Renewal(renewal), Some(new))
            }
        })
    }

    /// One leaf per token. It names the grant and its holder by keyed hashes: the log alone ties
    /// no token to a member, whoever has the key can. Of a build it says on which platform it ran.
    fn issued_leaf(
        &self,
        id: Lookup,
        holder: Lookup,
        qualified: &Qualified,
        ask: &Ask,
        life: &Life,
    ) -> Event {
        let how = match &ask.way {
            Way::SignIn => "sign_in",
            Way::Labelled { .. } => "label",
            Way::Device(_) => "device_code",
            Way::Code(_) => "authorization_code",
            Way::Renewal { .. } => "refresh",
            Way::Workload { .. } => "token_exchange",
        };
        let mut fields = json!({
            "grant": hex(&id), "holder": hex(&holder), "client": ask.client.as_str(),
            "how": how, "scope": qualified.scope_rule().name, "gates": qualified.gates(),
            "expires": life.until.to_string(),
        });
        if let (Some(fields), Way::Workload { workload, .. }) = (fields.as_object_mut(), &ask.way) {
            fields.insert("platform".to_owned(), workload.rule.issuer.as_str().into());
        }
        Event::private(
            "token.issued",
            UnixMillis::from_seconds(life.from),
            fields,
            &*self.randomness,
        )
    }
}

/// What was judged, for the transaction that writes the token to ask again.
fn ground(qualified: &Qualified) -> Ground {
    let rule = qualified.scope_rule();
    Ground {
        attestation: qualified.attestation(),
        scope: (!rule.groups.is_empty()).then(|| rule.name.clone()),
    }
}

/// From when to when, for the token and its grant. `from` is on the minute: the second would
/// single a sign-in out.
pub(crate) struct Life {
    pub(crate) from: i64,
    pub(crate) until: UnixMillis,
    pub(crate) grant_until: UnixMillis,
}

impl Life {
    fn of(
        qualified: &Qualified,
        ask: &Ask,
        oauth: &crate::config::Oauth,
        now: UnixMillis,
    ) -> Result<Self, IssueError> {
        let rule = qualified.scope_rule();
        if rule.privacy != Privacy::Sealed {
            return Err(IssueError::Anonymous);
        }
        let from = now.seconds().saturating_sub(now.seconds().rem_euclid(60));
        let seconds = match &ask.way {
            Way::Labelled { seconds, .. } => {
                let longest = rule.max_label_ttl.ok_or(IssueError::Life)?.as_seconds();
                if !(MINUTE..=longest).contains(seconds) {
                    return Err(IssueError::Life);
                }
                *seconds
            }
            Way::Workload { workload, .. } => {
                let ttl = rule.token_ttl.min(workload.rule.ttl);
                ttl.as_seconds().min(HOUR)
            }
            _ => rule.token_ttl.as_seconds().min(HOUR),
        };
        let expires = from
            .saturating_add(seconds)
            .min(qualified.valid_until().seconds());
        if expires.saturating_sub(now.seconds()) < SHORTEST {
            return Err(IssueError::Lapsing);
        }
        let until = UnixMillis::from_seconds(expires);
        let grant_until = match ask.way {
            Way::Labelled { .. } | Way::Workload { .. } => until,
            _ => now.plus_seconds(oauth.refresh_idle.as_seconds()).max(until),
        };
        Ok(Self {
            from,
            until,
            grant_until,
        })
    }
}

/// How many grants one member may have at once. One member, one credential: this is for machines.
const QUOTA: u32 = 50;
/// How many builds may go on at once for which one member answers.
const BUILDS: u32 = 500;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
/// A token that lives shorter than this only makes a client ask again.
const SHORTEST: i64 = 5;

#[cfg(test)]
mod tests;

//! Signing a machine in.
//!
//! The default is a browser on the same machine: authorization code with PKCE, answered on loopback
//! (RFC 8252). What another program here could see of it, the address in the browser, is worth
//! nothing without the verifier, which never leaves this process but to the token endpoint.
//! [`device`] is for machines without a browser, where policy allows it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bauta_token::{
    ambient::{Clock, Randomness, bytes},
    scope::Name,
    secret::{Plain, RefreshToken},
    units::UnixMillis,
};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    call::{Answer, CallError, Refusal},
    grant::{Access, Grant, SignIn},
    keep::{Keep, KeepError, hold},
    server::Server,
};

use self::listen::{Door, Heard};

pub mod device;
mod listen;

/// A sign-in that waits for the member to answer in a browser.
pub struct Waiting {
    door: Door,
    url: Url,
    redirect: String,
    state: String,
    verifier: Zeroizing<String>,
}

/// What a sign-in gave: the tokens of one scope.
pub struct Issued {
    /// The scope that the member chose.
    pub scope: Name,
    /// Its tokens.
    pub grant: Grant,
}

impl Server {
    /// Begins a sign-in, for `scope` or for what the member will choose.
    ///
    /// # Errors
    ///
    /// When this machine lets nobody listen on loopback.
    pub async fn begin(
        &self,
        scope: Option<&Name>,
        randomness: &dyn Randomness,
    ) -> Result<Waiting, LoginError> {
        let door = Door::open().await.map_err(LoginError::Listen)?;
        let redirect = door.redirect();
        let state = URL_SAFE_NO_PAD.encode(bytes::<32>(randomness));
        let verifier = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes::<32>(randomness)));
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", CLIENT)
            .append_pair("redirect_uri", &redirect)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        if let Some(scope) = scope {
            url.query_pairs_mut().append_pair("scope", scope.as_str());
        }
        Ok(Waiting {
            door,
            url,
            redirect,
            state,
            verifier,
        })
    }

    /// Waits until the member has answered, at most five minutes, and gives what came of it.
    ///
    /// # Errors
    ///
    /// When nobody answers, the answer is no, or the server does not stand by it.
    pub async fn finish(&self, waiting: Waiting, clock: &dyn Clock) -> Result<Issued, LoginError> {
        let (visitor, heard) = waiting.door.answer(&waiting.state, &self.issuer).await?;
        let code = match heard {
            Heard::Code(code) => code,
            Heard::Refused(refusal) => {
                visitor.refused(refusal, &self.issuer).await;
                return Err(CallError::Refused(refusal).into());
            }
        };
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("redirect_uri", &waiting.redirect),
            ("code", &code),
            ("code_verifier", &waiting.verifier),
        ];
        let asked_at = clock.now();
        let issued = match self.caller.post(self.token.clone(), &form).await {
            Ok(answer) => issued(&answer, asked_at),
            Err(error) => Err(error),
        };
        match issued {
            Ok(issued) => {
                visitor.done().await;
                Ok(issued)
            }
            Err(error) => {
                visitor.failed().await;
                Err(error.into())
            }
        }
    }
}

impl Waiting {
    /// Where the member answers.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }
}

/// Says whether a sign-in to `server` could be kept: asked before a member is troubled.
///
/// # Errors
///
/// When it could not, or when this machine is signed in to another server.
pub async fn room(keep: &dyn Keep, server: &Server) -> Result<(), LoginError> {
    let mut held = hold(keep).await?;
    refuse_other(held.read()?.as_ref(), server)?;
    Ok(held.ready()?)
}

/// Keeps what a sign-in gave, and ends what was kept of the same scope before.
///
/// # Errors
///
/// When it cannot be kept.
pub async fn settle(keep: &dyn Keep, server: &Server, issued: Issued) -> Result<(), LoginError> {
    let mut held = hold(keep).await?;
    let kept = held.read()?;
    refuse_other(kept.as_ref(), server)?;
    let mut sign_in = kept.unwrap_or_else(|| SignIn {
        issuer: server.issuer.clone(),
        gateway: server.gateway.clone(),
        first: issued.scope.clone(),
        grants: std::collections::BTreeMap::new(),
    });
    sign_in.gateway = server.gateway.clone();
    let old = sign_in.grants.insert(issued.scope, issued.grant);
    held.write(&sign_in)?;
    drop(held);
    if let Some(old) = old {
        // What is not ended now ends by itself when nobody uses it.
        drop(server.revoke(&old).await);
    }
    Ok(())
}

fn refuse_other(kept: Option<&SignIn>, server: &Server) -> Result<(), LoginError> {
    match kept {
        Some(kept) if kept.issuer != server.issuer => {
            Err(LoginError::Other(kept.issuer.to_string()))
        }
        _ => Ok(()),
    }
}

/// Reads what the token endpoint gave.
pub(crate) fn issued(answer: &Answer, asked_at: UnixMillis) -> Result<Issued, CallError> {
    #[derive(Deserialize)]
    struct Given<'a> {
        access_token: &'a str,
        token_type: &'a str,
        expires_in: i64,
        refresh_token: &'a str,
        scope: &'a str,
    }
    let given: Given<'_> = answer.read()?;
    let access = Access::parse(given.access_token);
    let refresh = Plain::<RefreshToken>::parse(given.refresh_token);
    let (Some(access), Some(refresh), Some(scope)) = (access, refresh, Name::parse(given.scope))
    else {
        return Err(CallError::Garbled);
    };
    if !given.token_type.eq_ignore_ascii_case("bearer") || !(1..=DAY).contains(&given.expires_in) {
        return Err(CallError::Garbled);
    }
    Ok(Issued {
        scope,
        grant: Grant {
            access,
            refresh,
            obtained_at: asked_at,
            expires_at: asked_at.plus_seconds(given.expires_in),
            handed_at: None,
        },
    })
}

/// RFC 7636, section 4.2.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// Why nobody is signed in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The server, or what it said.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What it gave cannot be kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// No port of this machine can be listened at.
    #[error("no port on 127.0.0.1 can be listened at")]
    Listen(#[source] std::io::Error),
    /// Nobody answered.
    #[error("nobody answered in the browser within five minutes")]
    Late,
    /// Another server answered.
    #[error("the answer came from another server than the one that was asked")]
    Foreign,
    /// There is one sign-in at a time.
    #[error("this machine is signed in to {0}")]
    Other(String),
}

impl From<Refusal> for LoginError {
    fn from(refusal: Refusal) -> Self {
        Self::Call(CallError::Refused(refusal))
    }
}

pub(crate) const CLIENT: &str = "bauta-cli";
const DAY: i64 = 86_400;

#[cfg(test)]
mod tests;

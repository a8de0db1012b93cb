//! One call to the server: bounded in time and size, and no redirect followed.

use std::{fmt, time::Duration};

use reqwest::{Client, RequestBuilder, StatusCode, redirect::Policy};
use serde::Deserialize;
use thiserror::Error;
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use crate::origin::Origin;

/// Calls one server.
pub(crate) struct Caller(Client);

/// What came back, with a status that says success.
pub(crate) struct Answer(Zeroizing<Vec<u8>>);

impl Caller {
    pub(crate) fn new(origin: &Origin) -> Result<Self, CallError> {
        let mut client = Client::builder()
            .redirect(Policy::none())
            .user_agent("bauta")
            .connect_timeout(CONNECT)
            .timeout(WHOLE);
        // A proxy of the company is no way to this machine.
        if origin.is_here() {
            client = client.no_proxy();
        }
        client.build().map(Self).map_err(CallError::Unreachable)
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Answer, CallError> {
        let request = self.0.get(url).header("accept", "application/json");
        answer(request).await
    }

    pub(crate) async fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<Answer, CallError> {
        let request = self.0.post(url).header("accept", "application/json");
        answer(request.form(form)).await
    }
}

impl Answer {
    /// The body as JSON, borrowed where it can be: no copy of a secret is made.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, CallError> {
        serde_json::from_slice(&self.0).map_err(|_| CallError::Garbled)
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer, CallError> {
    // A URL may hold a code.
    let unreachable = |error: reqwest::Error| CallError::Unreachable(error.without_url());
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let mut body = Zeroizing::new(Vec::with_capacity(LONGEST));
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len().saturating_add(chunk.len()) > LONGEST {
            return Err(CallError::Garbled);
        }
        body.extend_from_slice(&chunk);
        // The last owner of the chunk wipes it.
        if let Ok(mut chunk) = chunk.try_into_mut() {
            chunk.as_mut().zeroize();
        }
    }
    if status == StatusCode::OK {
        return Ok(Answer(body));
    }
    Err(failed(status, &body))
}

fn failed(status: StatusCode, body: &[u8]) -> CallError {
    #[derive(Deserialize)]
    struct Said<'a> {
        error: &'a str,
    }
    let said = serde_json::from_slice::<Said<'_>>(body).ok();
    let refusal = said.and_then(|said| Refusal::parse(said.error));
    match refusal {
        Some(refusal) if status.is_client_error() => CallError::Refused(refusal),
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => CallError::Busy,
        _ => CallError::Garbled,
    }
}

/// What the server says when it says no: the codes of RFC 6749, 8628 and OpenID Connect that have
/// a meaning here, and one of our own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The member, or what policy says about the member.
    Denied,
    /// What was presented does not hold, or holds no more.
    Grant,
    /// The scope is not there, or not open to the member.
    Scope,
    /// Policy does not allow this way to sign in.
    Way,
    /// The member was not verified, or no longer is.
    Verify,
    /// The member's sign-in with corporate SSO is too old.
    SignIn,
    /// Nobody has answered the code yet.
    Pending,
    /// The same, and the question came too soon.
    SlowDown,
    /// Nobody answered the code in time.
    Expired,
    /// The request itself. What sent it is wrong, or too old for this server.
    Request,
}

impl Refusal {
    pub(crate) fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "access_denied" => Self::Denied,
            "invalid_grant" => Self::Grant,
            "invalid_scope" => Self::Scope,
            "unauthorized_client" | "unsupported_grant_type" => Self::Way,
            "verification_required" => Self::Verify,
            "login_required" => Self::SignIn,
            "authorization_pending" => Self::Pending,
            "slow_down" => Self::SlowDown,
            "expired_token" => Self::Expired,
            "invalid_request" | "invalid_client" | "unsupported_response_type" => Self::Request,
            _ => return None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "it was denied",
            Self::Grant => "the sign-in has ended, was revoked or lost its verification",
            Self::Scope => "the scope does not exist or is not open to you",
            Self::Way => "this way to sign in is switched off there",
            Self::Verify => "you are not verified yet, or no longer",
            Self::SignIn => "your sign-in with the company is too old",
            Self::Pending => "nobody has answered the code yet",
            Self::SlowDown => "it was asked too often",
            Self::Expired => "nobody answered the code in time",
            Self::Request => "it does not know this kind of request",
        })
    }
}

/// Why a call gave nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server was not reached, or not in time.
    #[error("the server was not reached in time")]
    Unreachable(#[source] reqwest::Error),
    /// The server is there and cannot answer now.
    #[error("the server cannot answer right now")]
    Busy,
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(Refusal),
    /// The answer is not what the standards say, or too long.
    #[error("the server does not answer as a Bauta server does")]
    Garbled,
    /// What answers there calls itself something else.
    #[error("the server says that it is {0}, which is not the address it was asked at")]
    Imposter(String),
}

const CONNECT: Duration = Duration::from_secs(3);
/// Two of them fit into the ten seconds in which a server repeats its answer to a refresh.
const WHOLE: Duration = Duration::from_secs(4);
const LONGEST: usize = 64 * 1024;

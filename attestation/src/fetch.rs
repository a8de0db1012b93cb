//! Calls to somebody else: no redirect is followed, no answer is longer than it may be.

use http::StatusCode;
use reqwest::{Client, RequestBuilder, Response};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

/// The body at `url`, if it is there and not longer than `longest`.
pub(crate) async fn get(
    client: &Client,
    url: Url,
    bearer: Option<&str>,
    longest: usize,
) -> Result<Zeroizing<Vec<u8>>, FetchError> {
    let mut request = client.get(url).header("accept", "application/json");
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = send(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    body(answer, longest).await
}

/// Sends within [`SECONDS`].
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, FetchError> {
    request
        .timeout(std::time::Duration::from_secs(SECONDS))
        .send()
        .await
        // A URL may hold a code or an id.
        .map_err(|error| FetchError::Unreachable(error.without_url()))
}

/// The body of `answer`, cut off with an error past `longest`. It is wiped when dropped: it may
/// hold a token, or what a vendor knows of a person.
pub(crate) async fn body(
    mut answer: Response,
    longest: usize,
) -> Result<Zeroizing<Vec<u8>>, FetchError> {
    let mut out = Zeroizing::new(Vec::new());
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| FetchError::Unreachable(error.without_url()))?
    {
        if out.len().saturating_add(chunk.len()) > longest {
            return Err(FetchError::Long);
        }
        out.extend_from_slice(&chunk);
        // The last owner of the chunk wipes it.
        if let Ok(mut chunk) = chunk.try_into_mut() {
            zeroize::Zeroize::zeroize(chunk.as_mut());
        }
    }
    Ok(out)
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It was not reached, or not in time.
    #[error("it was not reached in time")]
    Unreachable(#[source] reqwest::Error),
    /// It answered with another status.
    #[error("it answered with status {0}")]
    Status(u16),
    /// It answered with more than is taken.
    #[error("its answer is longer than is taken")]
    Long,
}

const SECONDS: u64 = 5;

//! Calls to somebody else: no redirect is followed, no answer is longer than it may be.

use bauta_token::units::UnixMillis;
use http::StatusCode;
use reqwest::{Client, RequestBuilder, Response};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::config::instant;

/// The body at `url`, if it is there and not longer than `longest`.
pub(crate) async fn get(
    client: &Client,
    url: Url,
    bearer: Option<&str>,
    longest: usize,
) -> Result<Zeroizing<Vec<u8>>, FetchError> {
    let (body, _) = dated(client, url, bearer, longest).await?;
    Ok(body)
}

/// The same, and what time the other side says it is.
pub(crate) async fn dated(
    client: &Client,
    url: Url,
    bearer: Option<&str>,
    longest: usize,
) -> Result<(Zeroizing<Vec<u8>>, Option<UnixMillis>), FetchError> {
    let mut request = client.get(url).header("accept", "application/json");
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = send(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let date = answer.headers().get(http::header::DATE);
    let at = date.and_then(|date| date.to_str().ok()).and_then(http_date);
    Ok((body(answer, longest).await?, at))
}

/// RFC 9110, section 5.6.7, in the one form that is written: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<UnixMillis> {
    let rest = text.get(5..).filter(|_| text.len() == 29)?;
    let parts: Vec<_> = rest.split(' ').collect();
    let [day, month, year, clock, "GMT"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)?;
    let month = month.saturating_add(1);
    instant(&format!("{year}-{month:02}-{day}T{clock}Z"))
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

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read_in_its_one_form() {
        let read = |text: &str| http_date(text).map(|at| at.to_string());

        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:37 GMT").as_deref(),
            Some("1994-11-06T08:49:37.000Z")
        );
        for bad in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 28:49:37 GMT",
            "Sun, 06 Növ 1994 08:49:37 GM",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

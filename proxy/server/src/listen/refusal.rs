//! Why the edge refuses a request, what it answers, and how often it did.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

use super::host::Hosts;

/// Why a request never reached a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Bytes that are not an HTTP/1.1 request head.
    Malformed,
    /// More than one way to read where the body ends, or a body that breaks its framing.
    Framing,
    /// A body where the method has none.
    Body,
    /// A `Host` that is missing, repeated or not a host.
    Host,
    /// A target that is not one canonical path and query.
    Target,
    /// More than one credential of one kind.
    Credentials,
    /// A path with an empty segment, which no route has.
    Path,
    /// A method that is not served.
    Method,
    /// A head that took too long.
    SlowHead,
    /// A target of more than 8 KiB.
    LongTarget,
    /// An expectation other than `100-continue`, or a body that did not wait for it.
    Expectation,
    /// A well-formed `Host` that is not ours.
    Misdirected,
    /// A head of more than 16 KiB or 64 fields.
    LargeHead,
    /// A version other than HTTP/1.1.
    Version,
}

impl Reason {
    /// Every reason, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Framing,
        Self::Body,
        Self::Host,
        Self::Target,
        Self::Credentials,
        Self::Path,
        Self::Method,
        Self::SlowHead,
        Self::LongTarget,
        Self::Expectation,
        Self::Misdirected,
        Self::LargeHead,
        Self::Version,
    ];

    /// The status that the caller is answered.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed
            | Self::Framing
            | Self::Body
            | Self::Host
            | Self::Target
            | Self::Credentials => StatusCode::BAD_REQUEST,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowHead => StatusCode::REQUEST_TIMEOUT,
            Self::LongTarget => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::LargeHead => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// The stable name of the reason in counts. The caller sees only the status.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Framing => "framing",
            Self::Body => "body",
            Self::Host => "host",
            Self::Target => "target",
            Self::Credentials => "credentials",
            Self::Path => "path",
            Self::Method => "method",
            Self::SlowHead => "slow_head",
            Self::LongTarget => "long_target",
            Self::Expectation => "expectation",
            Self::Misdirected => "misdirected",
            Self::LargeHead => "large_head",
            Self::Version => "version",
        }
    }

    /// The whole body of the answer: fixed, so that it echoes nothing.
    const fn document(self) -> &'static str {
        match self {
            Self::Malformed
            | Self::Framing
            | Self::Body
            | Self::Host
            | Self::Target
            | Self::Credentials => r#"{"type":"about:blank","title":"Bad Request","status":400}"#,
            Self::Path => r#"{"type":"about:blank","title":"Not Found","status":404}"#,
            Self::Method => r#"{"type":"about:blank","title":"Method Not Allowed","status":405}"#,
            Self::SlowHead => r#"{"type":"about:blank","title":"Request Timeout","status":408}"#,
            Self::LongTarget => r#"{"type":"about:blank","title":"URI Too Long","status":414}"#,
            Self::Expectation => {
                r#"{"type":"about:blank","title":"Expectation Failed","status":417}"#
            }
            Self::Misdirected => {
                r#"{"type":"about:blank","title":"Misdirected Request","status":421}"#
            }
            Self::LargeHead => {
                r#"{"type":"about:blank","title":"Request Header Fields Too Large","status":431}"#
            }
            Self::Version => {
                r#"{"type":"about:blank","title":"HTTP Version Not Supported","status":505}"#
            }
        }
    }

    /// The answer, which is also the connection's last. It echoes nothing, and names `hosts` only
    /// where they are this machine's own.
    pub(super) fn answer(self, hosts: &Hosts) -> Response<Body> {
        let mut answer = closing(self.status(), self.document());
        if self == Self::Misdirected
            && let Some(names) = hosts.told()
        {
            let detail = format!("this server answers to {names}");
            let document = serde_json::json!({
                "type": "about:blank", "title": "Misdirected Request", "status": 421,
                "detail": detail,
            });
            *answer.body_mut() = Body::from(document.to_string());
        }
        if self == Self::Method {
            let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            answer.headers_mut().insert(header::ALLOW, allow);
        }
        answer
    }
}

/// What a caller is told when a handler panicked: nothing but that.
pub(super) fn fault() -> Response<Body> {
    closing(
        StatusCode::INTERNAL_SERVER_ERROR,
        r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
    )
}

/// An answer as raw bytes for connections over the cap, written before any request is read.
pub(super) const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\ncontent-length: 65\r\nretry-after: 1\r\n\
    connection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503}";

fn closing(status: StatusCode, document: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(document));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// How often each thing happened at the edge since the start. No address, no request: only counts.
#[derive(Debug, Default)]
pub struct Tally {
    refused: [AtomicU64; Reason::ALL.len()],
    turned_away: AtomicU64,
    cut: AtomicU64,
    panicked: AtomicU64,
}

impl Tally {
    /// Every count with its stable name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = Reason::ALL.iter().map(|reason| reason.code());
        refused
            .zip(&self.refused)
            .chain([
                ("turned_away", &self.turned_away),
                ("cut", &self.cut),
                ("panicked", &self.panicked),
            ])
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// One request was refused for `reason`.
    pub(super) fn refuse(&self, reason: Reason) {
        if let Some(count) = self.refused.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One connection was over a cap.
    pub(super) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// One connection was cut for being slow or silent while it was its turn, or at the end of a drain.
    pub(super) fn cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// One handler panicked.
    pub(super) fn panic(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        let tally = Tally::default();

        for reason in Reason::ALL {
            tally.refuse(reason);
        }

        let counts: Vec<_> = tally.counts().take(Reason::ALL.len()).collect();
        assert!(counts.iter().all(|(_, count)| *count == 1), "{counts:?}");
        for (reason, (name, _)) in Reason::ALL.iter().zip(&counts) {
            assert_eq!(reason.code(), *name);
        }
    }

    #[test]
    fn the_document_names_the_status_and_nothing_of_the_reason() {
        for reason in Reason::ALL {
            let parsed: serde_json::Value = serde_json::from_str(reason.document()).unwrap();

            assert_eq!(parsed["status"], reason.status().as_u16());
            assert_eq!(
                parsed["title"],
                reason.status().canonical_reason().unwrap(),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn the_busy_answer_counts_its_own_bytes() {
        let text = std::str::from_utf8(BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();

        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}

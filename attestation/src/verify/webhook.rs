//! Signatures of webhooks: checked over the raw bytes, before anything is parsed.

use axum::http::{HeaderMap, StatusCode};
use bauta_token::{secret::ct_eq, units::UnixMillis};
use ring::hmac;
use thiserror::Error;

use crate::config::SecretText;

/// Checks that one of `secrets` signed `body`, within `tolerance` seconds of `now`, both ways.
///
/// The header holds one or more sets `t=T,v1=HEX`, separated by blanks: during a rotation one per
/// secret. A parser that splits at commas only would refuse the new secret and take the old one,
/// so blanks come first. Anything but `v1` is nothing.
pub(crate) fn signed(
    headers: &HeaderMap,
    name: &str,
    body: &[u8],
    secrets: &[&SecretText],
    now: UnixMillis,
    tolerance: i64,
) -> Result<(), WebhookError> {
    let mut given = headers.get_all(name).iter();
    let (Some(header), None) = (given.next(), given.next()) else {
        return Err(WebhookError::Signature);
    };
    let header = header.to_str().map_err(|_| WebhookError::Signature)?;
    if header.len() > LONGEST_HEADER {
        return Err(WebhookError::Signature);
    }
    let sets: Option<Vec<Set<'_>>> = header.split_ascii_whitespace().map(Set::read).collect();
    let sets = sets.ok_or(WebhookError::Signature)?;
    // Every set and secret is tried, whatever the first ones say: how long it takes tells nothing.
    let mut fresh = false;
    let mut good = false;
    for set in &sets {
        let near = now.seconds().abs_diff(set.at) <= tolerance.unsigned_abs();
        for secret in secrets {
            let holds = set.holds(secret, body);
            good |= holds;
            fresh |= holds && near;
        }
    }
    match (good, fresh) {
        (_, true) => Ok(()),
        (true, false) => Err(WebhookError::Stale),
        (false, false) => Err(WebhookError::Signature),
    }
}

/// One `t=T,v1=HEX[,v1=HEX]`.
struct Set<'h> {
    time: &'h str,
    at: i64,
    tags: Vec<[u8; 32]>,
}

impl<'h> Set<'h> {
    fn read(text: &'h str) -> Option<Self> {
        let mut time = None;
        let mut tags = Vec::new();
        for pair in text.split(',') {
            match pair.split_once('=')? {
                ("t", value) if time.is_none() => time = Some(value),
                ("t", _) => return None,
                // Another length is another scheme, or a shortened one: it never fits.
                ("v1", value) => tags.extend(unhex(value)),
                _ => {}
            }
        }
        let time = time?;
        let digits = (1..=12).contains(&time.len()) && time.bytes().all(|b| b.is_ascii_digit());
        let at = time.parse().ok()?;
        (digits && tags.len() <= MOST_TAGS).then_some(Self { time, at, tags })
    }

    fn holds(&self, secret: &SecretText, body: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(self.time.as_bytes());
        context.update(b".");
        context.update(body);
        let tag = context.sign();
        self.tags
            .iter()
            .fold(false, |found, said| found | ct_eq(tag.as_ref(), said))
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |place: usize| char::from(*pair.get(place)?).to_digit(16);
        *byte = u8::try_from((digit(0)? << 4) | digit(1)?).ok()?;
    }
    Some(out)
}

/// Why a webhook is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum WebhookError {
    /// Not signed, or not with a secret of ours.
    #[error("a webhook's signature does not hold")]
    Signature,
    /// Signed rightly, too long ago or in the future.
    #[error("a webhook's time is too far from now")]
    Stale,
    /// Signed rightly, and not of a form we read.
    #[error("a webhook is malformed")]
    Form,
}

impl WebhookError {
    /// What the sender is told.
    #[must_use]
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Signature | Self::Stale => StatusCode::UNAUTHORIZED,
            Self::Form => StatusCode::BAD_REQUEST,
        }
    }
}

const LONGEST_HEADER: usize = 2_048;
const MOST_TAGS: usize = 8;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use zeroize::Zeroizing;

    use super::*;

    const BODY: &[u8] = br#"{"data":{"type":"event","id":"evt_T1","attributes":{"name":"inquiry.approved","created-at":"2026-11-20T10:00:00.000Z"}}}"#;
    const T: i64 = 1_763_632_800;
    const NEW: &str = "4607b9856d0a8bd1fccb1000b7dbc214b71326779670490e53cb7e2cb00e3441";
    const OLD: &str = "995ec86ce475fd406db785c09a6499fe51febdeea209821b9cc5e342932fbc17";

    fn check(header: &str, secrets: &[&str], now: i64) -> Result<(), WebhookError> {
        let mut headers = HeaderMap::new();
        headers.insert("persona-signature", HeaderValue::from_str(header).unwrap());
        let secrets: Vec<_> = secrets
            .iter()
            .map(|s| SecretText::new(Zeroizing::new((*s).to_owned())))
            .collect();
        let secrets: Vec<_> = secrets.iter().collect();
        signed(
            &headers,
            "persona-signature",
            BODY,
            &secrets,
            UnixMillis::from_seconds(now),
            300,
        )
    }

    #[test]
    fn the_vendors_vectors_hold() {
        assert_eq!(
            check(&format!("t={T},v1={NEW}"), &["wbhsec_new"], T),
            Ok(())
        );
        assert_eq!(
            check(&format!("t={T},v1={OLD}"), &["wbhsec_old"], T),
            Ok(())
        );
    }

    #[test]
    fn a_rotating_header_holds_with_either_secret() {
        let rotating = format!("t={T},v1={NEW} t={T},v1={OLD}");

        for secrets in [
            &["wbhsec_new"][..],
            &["wbhsec_old"],
            &["wbhsec_new", "wbhsec_old"],
        ] {
            assert_eq!(check(&rotating, secrets, T), Ok(()), "{secrets:?}");
        }
        assert_eq!(
            check(&rotating, &["wbhsec_other"], T),
            Err(WebhookError::Signature)
        );
    }

    #[test]
    fn whk_01_anything_but_a_whole_right_v1_is_refused() {
        let short = &NEW[..62];
        for header in [
            String::new(),
            format!("v1={NEW}"),
            format!("t={T}"),
            format!("t={T},v0={NEW}"),
            format!("t={T},v2={NEW}"),
            format!("t={T},v1={short}"),
            format!("t={T},v1={NEW}00"),
            format!("t={T},t={T},v1={NEW}"),
            format!("t=0{T},v1={NEW}"),
            format!("t=+{T},v1={NEW}"),
            format!("t={T},v1={}", "0".repeat(64)),
            format!("t={T},v1={OLD}"),
            format!("t={T};v1={NEW}"),
            format!("t={T},v1={}{}", "z", &NEW[1..]),
            format!("t={T},{}v1={OLD}", "v1=00,".repeat(600)),
        ] {
            let refused = check(&header, &["wbhsec_new"], T);
            assert_eq!(refused, Err(WebhookError::Signature), "{header}");
        }
        assert_eq!(
            check(&format!("t={T},v1={OLD},v1={NEW}"), &["wbhsec_new"], T),
            Ok(())
        );
    }

    #[test]
    fn whk_03_three_hundred_seconds_are_near_and_one_more_is_not() {
        let header = format!("t={T},v1={NEW}");

        for near in [T - 300, T + 300] {
            assert_eq!(check(&header, &["wbhsec_new"], near), Ok(()));
        }
        for far in [T - 301, T + 301, 0] {
            assert_eq!(
                check(&header, &["wbhsec_new"], far),
                Err(WebhookError::Stale)
            );
        }
        // The time is part of what is signed: another one in its place is another signature.
        let restamped = format!("t={},v1={NEW}", T + 400);
        assert_eq!(
            check(&restamped, &["wbhsec_new"], T + 400),
            Err(WebhookError::Signature)
        );
    }

    #[test]
    fn whk_01_two_headers_are_refused_even_if_one_is_right() {
        let mut headers = HeaderMap::new();
        let right = HeaderValue::from_str(&format!("t={T},v1={NEW}")).unwrap();
        headers.append("persona-signature", right.clone());
        headers.append("persona-signature", right);
        let secret = SecretText::new(Zeroizing::new("wbhsec_new".to_owned()));

        let refused = signed(
            &headers,
            "persona-signature",
            BODY,
            &[&secret],
            UnixMillis::from_seconds(T),
            300,
        );

        assert_eq!(refused, Err(WebhookError::Signature));
    }
}

//! The signature of a webhook, right and wrong.

use ring::hmac;

/// How a webhook is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Signing {
    /// With every secret of the webhook, one set each, separated by a space.
    Honest,
    /// With the oldest secret only.
    Oldest,
    /// With a secret that is nobody's.
    Wrong,
    /// With no header at all.
    Absent,
    /// The right signature under a version that does not exist.
    OtherVersion,
    /// The right signature without its last two digits.
    Short,
    /// The right signature, in a second header after a wrong one.
    Twice,
    /// Rightly, so many seconds away from now.
    At(i64),
    /// Rightly, under another time than the one that was signed.
    Restamped,
    /// Rightly, for a body that has since been changed.
    Tampered,
    /// With an empty secret.
    EmptySecret,
}

/// The values of the signature header, one for each time it is sent.
pub(super) fn signatures(
    secrets: &[String],
    now_s: i64,
    body: &[u8],
    signing: Signing,
) -> Vec<String> {
    let newest = secrets.first().map(String::as_str).unwrap_or_default();
    let oldest = secrets.last().map(String::as_str).unwrap_or_default();
    let set = |secret: &str, at_s: i64| format!("t={at_s},v1={}", sign(secret, at_s, body));
    match signing {
        Signing::Honest | Signing::Tampered => {
            let sets: Vec<String> = secrets.iter().map(|secret| set(secret, now_s)).collect();
            vec![sets.join(" ")]
        }
        Signing::Oldest => vec![set(oldest, now_s)],
        Signing::Wrong => vec![set("wbhsec_nobody", now_s)],
        Signing::Absent => Vec::new(),
        Signing::OtherVersion => vec![format!("t={now_s},v0={}", sign(newest, now_s, body))],
        Signing::Short => {
            let mut short = set(newest, now_s);
            short.truncate(short.len().saturating_sub(2));
            vec![short]
        }
        Signing::Twice => vec![set("wbhsec_nobody", now_s), set(newest, now_s)],
        Signing::At(seconds) => vec![set(newest, now_s.saturating_add(seconds))],
        Signing::Restamped => {
            let old_s = now_s.saturating_sub(86_400);
            vec![format!("t={now_s},v1={}", sign(newest, old_s, body))]
        }
        Signing::EmptySecret => vec![set("", now_s)],
    }
}

/// The signature of one secret: HMAC-SHA-256 over time, full stop and raw body, in hex.
pub(super) fn sign(secret: &str, at_s: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = hmac::Context::with_key(&key);
    signed.update(at_s.to_string().as_bytes());
    signed.update(b".");
    signed.update(body);
    let signature = signed.sign();
    let nibbles = signature
        .as_ref()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_known_vector() {
        let body = br#"{"data":{"type":"event","id":"evt_T1","attributes":{"name":"inquiry.approved","created-at":"2026-11-20T10:00:00.000Z"}}}"#;
        let (new, old) = (
            "4607b9856d0a8bd1fccb1000b7dbc214b71326779670490e53cb7e2cb00e3441",
            "995ec86ce475fd406db785c09a6499fe51febdeea209821b9cc5e342932fbc17",
        );
        let secrets = ["wbhsec_new".to_owned(), "wbhsec_old".to_owned()];

        let header = signatures(&secrets, 1_763_632_800, body, Signing::Honest);

        assert_eq!(
            header,
            [format!("t=1763632800,v1={new} t=1763632800,v1={old}")]
        );
    }
}

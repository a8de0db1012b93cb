//! The feed from the identity plane to the gateway: numbered, signed, the same for every reader.

use serde::{Deserialize, Serialize};

use crate::{
    pseudonym::Pseudonym,
    scope::{Gate, Name},
    units::UnixMillis,
};

/// One thing the gateway must know.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum Notice {
    /// This token is refused from now until it would have expired anyway.
    Revoked {
        /// Its `jti`.
        token: String,
        /// When the token expires and this can be forgotten.
        until: UnixMillis,
    },
    /// Every token and stream of this grant ends, until it would have expired anyway.
    Ended {
        /// The `end` of its tokens.
        grant: Pseudonym,
        /// When its last token expires.
        until: UnixMillis,
    },
    /// This pseudonym is refused until it is lifted.
    Suspended {
        /// As one provider sees it.
        pseudonym: Pseudonym,
    },
    /// This pseudonym is served again.
    Lifted {
        /// As one provider sees it.
        pseudonym: Pseudonym,
    },
    /// From this instant only this version of the policy satisfies the gate.
    Gate {
        /// Policy and version.
        gate: Gate,
        /// When it takes effect.
        effective_from: UnixMillis,
    },
    /// The policy no longer exists.
    GateRemoved {
        /// Which.
        policy: Name,
    },
}

/// What a reader gets: the notices after the number it has, and when this was said.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The number the reader named.
    pub after: u64,
    /// The number of the last notice there is; never less than `after`.
    pub last: u64,
    /// When the page was made. A copy older than [`STALE_AFTER_MILLIS`] denies.
    pub at: UnixMillis,
    /// In order, without a gap.
    pub notices: Vec<Numbered>,
    /// The manifest in force, with its proof. The reader takes it only when the proof holds.
    pub manifest: Option<String>,
}

/// A notice and its place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Numbered {
    /// From 1 on, without a gap.
    pub seq: u64,
    /// What is said.
    pub notice: Notice,
}

/// A gateway whose copy of the feed is older than this denies.
pub const STALE_AFTER_MILLIS: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The form on the wire: two planes of different age have to read it.
    #[test]
    fn the_form_of_a_notice_is_fixed() {
        let texts = [
            r#"{"kind":"revoked","token":"t","until":5}"#,
            &format!(r#"{{"kind":"ended","grant":"{PSEUDONYM}","until":5}}"#),
            &format!(r#"{{"kind":"suspended","pseudonym":"{PSEUDONYM}"}}"#),
            &format!(r#"{{"kind":"lifted","pseudonym":"{PSEUDONYM}"}}"#),
            r#"{"kind":"gate","gate":"adult@1","effective_from":5}"#,
            r#"{"kind":"gate_removed","policy":"adult"}"#,
        ];
        for text in texts {
            let notice: Notice = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&notice).unwrap(), text);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_never_skipped() {
        let texts = [
            r#"{"kind":"other","token":"t"}"#,
            r#"{"token":"t","until":5}"#,
            r#"{"kind":"revoked","token":"t"}"#,
            r#"{"kind":"revoked","token":"t","until":"5"}"#,
            r#"{"kind":"revoked","token":"t","until":5,"more":1}"#,
            r#"{"kind":"suspended","pseudonym":"anna@example.org"}"#,
            r#"{"kind":"gate","gate":"adult","effective_from":5}"#,
        ];
        for text in texts {
            assert!(serde_json::from_str::<Notice>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_reads_back_and_takes_nothing_else() {
        let text = concat!(
            r#"{"after":6,"last":7,"at":9,"notices":[{"seq":7,"notice":"#,
            r#"{"kind":"revoked","token":"t","until":5}}],"manifest":null}"#,
        );

        let page: Page = serde_json::from_str(text).unwrap();

        assert_eq!(serde_json::to_string(&page).unwrap(), text);
        for (from, to) in [
            (r#""after""#, r#""x":1,"after""#),
            (r#""seq""#, r#""x":1,"seq""#),
            (r#""after":6"#, r#""after":-6"#),
        ] {
            assert!(serde_json::from_str::<Page>(&text.replacen(from, to, 1)).is_err());
        }
    }

    const PSEUDONYM: &str = "bp1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
}

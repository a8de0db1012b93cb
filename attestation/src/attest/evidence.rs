//! What a vendor knows of a person, for as long as it takes to make results of it.

use std::collections::BTreeMap;

use bauta_audit::canonical;
use bauta_token::units::UnixDay;
use ring::hmac;
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use super::{Basis, Predicate, Truth};
use crate::config::NationalityRule;

/// The evidence of one verification. In memory only: it cannot be printed, copied, stored or sent,
/// it is wiped when dropped, and its fields have no way out but the functions here.
pub(crate) struct Evidence {
    pub(crate) session: Zeroizing<String>,
    pub(crate) reference: Zeroizing<String>,
    pub(crate) status: Status,
    /// Whether the vendor itself says that nothing was checked.
    pub(crate) sandbox: bool,
    pub(crate) document: Truth,
    pub(crate) face: Truth,
    pub(crate) liveness: Truth,
    pub(crate) sanctions_clear: Truth,
    /// Whether there was a report on sanctions at all.
    pub(crate) screened: bool,
    pub(crate) birthdate: Option<Private<UnixDay>>,
    pub(crate) expires: Option<Private<UnixDay>>,
    /// Only from a document that says whose citizen somebody is.
    pub(crate) nationality: Option<Zeroizing<String>>,
    /// Names and results of the checks: what the commitment covers.
    pub(crate) checks: Vec<Check>,
}

/// A value that is wiped when dropped.
pub(crate) struct Private<T: Wipe>(pub(crate) T);

/// What can be overwritten.
pub(crate) trait Wipe {
    fn wipe(&mut self);
}

impl Wipe for UnixDay {
    fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Wipe> Drop for Private<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// One check of the vendor's: its name and what came of it. Says nothing about a person.
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) result: String,
}

/// How far the vendor came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Open,
    Submitted,
    UnderReview,
    Approved,
    Declined,
    Expired,
    /// A status we do not know: not verified.
    Unknown,
}

impl Evidence {
    /// What a policy may ask of the person.
    pub(crate) fn predicates(&self, today: UnixDay) -> BTreeMap<Predicate, Truth> {
        let approved = Truth::from(self.status == Status::Approved);
        let age = self
            .birthdate
            .as_ref()
            .map(|birth| came_of_age(birth.0, today));
        let unexpired = self.expires.as_ref().map(|last| last.0 >= today);
        let known = |known: Option<bool>| known.map_or(Truth::Undetermined, Truth::from);
        BTreeMap::from([
            (
                Predicate::PersonVerified,
                approved.and(self.document).and(self.face),
            ),
            (Predicate::AgeOver18, known(age)),
            (Predicate::DocumentUnexpired, known(unexpired)),
            (Predicate::LivenessChecked, self.liveness),
            (Predicate::SanctionsClear, self.sanctions_clear),
        ])
    }

    /// What a rule on nationality says of the person.
    pub(crate) fn may_pass(&self, rule: &NationalityRule) -> (Truth, Basis) {
        let Some(code) = self.nationality.as_ref() else {
            return (Truth::Undetermined, Basis::Nothing);
        };
        let listed = |list: &[crate::config::Country]| {
            list.iter().any(|country| country.as_str() == code.as_str())
        };
        let passes = !listed(&rule.deny) && (rule.allow.is_empty() || listed(&rule.allow));
        (passes.into(), Basis::PassportNationality)
    }

    /// HMAC-SHA-256 of what was decided on, under `nonce`. Whoever has nonce and the vendor's record
    /// can check it; without the nonce it is noise.
    pub(crate) fn commitment(&self, nonce: &[u8; 32]) -> String {
        let mut checks: Vec<_> = self
            .checks
            .iter()
            .map(|check| json!([check.name, check.result]))
            .collect();
        checks.sort_by_key(ToString::to_string);
        let told = json!({
            "session": *self.session,
            "decision": self.status == Status::Approved,
            "checks": checks,
        });
        // Strings and one flag always have a canonical text.
        let text = Zeroizing::new(canonical::to_string(&told).unwrap_or_default());
        let key = hmac::Key::new(hmac::HMAC_SHA256, nonce);
        let tag = hmac::sign(&key, text.as_bytes());
        format!("hmac-sha256:{}", crate::qualify::policy::hex(tag.as_ref()))
    }

    /// The last day an attestation may be valid: the end of a month, not after `latest` and not
    /// after the document's own expiry, which cannot be read from it.
    pub(crate) fn last_day(&self, latest: UnixDay) -> UnixDay {
        let day = self
            .expires
            .as_ref()
            .map_or(latest, |last| last.0.min(latest));
        month_end_by(day)
    }
}

/// Whether somebody born on `birth` is 18 on `today`. Who was born on 29 February is on 1 March.
fn came_of_age(birth: UnixDay, today: UnixDay) -> bool {
    let (year, month, day) = birth.civil();
    (year.saturating_add(18), month, day) <= today.civil()
}

/// The last end of a month that is not after `day`.
pub(crate) fn month_end_by(day: UnixDay) -> UnixDay {
    let next = UnixDay(day.0.saturating_add(1));
    if next.civil().2 == 1 {
        day
    } else {
        before(month_start(day))
    }
}

/// The first day of the month of `day`.
pub(crate) fn month_start(day: UnixDay) -> UnixDay {
    let into = i64::from(day.civil().2).saturating_sub(1);
    UnixDay(day.0.saturating_sub(into))
}

/// `YYYY-MM`.
pub(crate) fn month(day: UnixDay) -> String {
    let (year, month, _) = day.civil();
    format!("{year:04}-{month:02}")
}

const fn before(day: UnixDay) -> UnixDay {
    UnixDay(day.0.saturating_sub(1))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Country;

    fn day(text: &str) -> UnixDay {
        crate::config::day(text).unwrap()
    }

    /// An adult with a good passport.
    pub(crate) fn adult() -> Evidence {
        Evidence {
            session: Zeroizing::new("inq_A".to_owned()),
            reference: Zeroizing::new("r".to_owned()),
            status: Status::Approved,
            sandbox: false,
            document: Truth::True,
            face: Truth::True,
            liveness: Truth::True,
            sanctions_clear: Truth::Undetermined,
            screened: false,
            birthdate: Some(Private(day("1971-08-23"))),
            expires: Some(Private(day("2031-05-17"))),
            nationality: Some(Zeroizing::new("NL".to_owned())),
            checks: vec![
                Check {
                    name: "b".to_owned(),
                    result: "passed".to_owned(),
                },
                Check {
                    name: "a".to_owned(),
                    result: "passed".to_owned(),
                },
            ],
        }
    }

    #[test]
    fn a_person_is_18_on_the_birthday_and_not_the_day_before() {
        assert!(!came_of_age(day("2008-11-22"), day("2026-11-21")));
        assert!(came_of_age(day("2008-11-21"), day("2026-11-21")));
        assert!(!came_of_age(day("2008-02-29"), day("2026-02-28")));
        assert!(came_of_age(day("2008-02-29"), day("2026-03-01")));
    }

    #[test]
    fn what_is_not_known_is_undetermined_and_never_true() {
        let mut blank = adult();
        (blank.birthdate, blank.expires) = (None, None);
        (blank.document, blank.liveness) = (Truth::Undetermined, Truth::Undetermined);

        let found = blank.predicates(day("2026-11-21"));

        assert!(
            found.values().all(|truth| *truth == Truth::Undetermined),
            "{found:?}"
        );
    }

    #[test]
    fn only_an_approved_inquiry_with_document_and_face_verifies_a_person() {
        let today = day("2026-11-21");
        let verified = |evidence: &Evidence| evidence.predicates(today)[&Predicate::PersonVerified];
        assert_eq!(verified(&adult()), Truth::True);

        for status in [
            Status::Open,
            Status::Submitted,
            Status::UnderReview,
            Status::Declined,
            Status::Expired,
            Status::Unknown,
        ] {
            let mut other = adult();
            other.status = status;
            assert_eq!(verified(&other), Truth::False, "{status:?}");
        }
        let mut faceless = adult();
        faceless.face = Truth::False;
        assert_eq!(verified(&faceless), Truth::False);
    }

    #[test]
    fn a_rule_on_nationality_has_three_answers() {
        let rule = |deny: &[&str], allow: &[&str]| NationalityRule {
            deny: deny.iter().map(|c| Country::parse(c).unwrap()).collect(),
            allow: allow.iter().map(|c| Country::parse(c).unwrap()).collect(),
            effective_from: None,
            undetermined: crate::config::Undetermined::Ineligible,
        };
        let person = adult();
        let mut unknown = adult();
        unknown.nationality = None;

        for (deny, allow, says) in [
            (&["RU"][..], &[][..], Truth::True),
            (&["nl"], &[], Truth::False),
            (&[], &["NL", "IT"], Truth::True),
            (&[], &["IT"], Truth::False),
            (&["NL"], &["NL"], Truth::False),
        ] {
            assert_eq!(
                person.may_pass(&rule(deny, allow)).0,
                says,
                "{deny:?} {allow:?}"
            );
            assert_eq!(unknown.may_pass(&rule(deny, allow)).0, Truth::Undetermined);
        }
    }

    #[test]
    fn an_expiry_is_the_end_of_a_month_and_hides_the_documents_own() {
        let person = adult();

        assert_eq!(person.last_day(day("2027-11-21")), day("2027-10-31"));
        assert_eq!(person.last_day(day("2027-11-30")), day("2027-11-30"));
        // The document ends on the 17th.
        assert_eq!(person.last_day(day("2040-01-01")), day("2031-04-30"));
        assert_eq!(person.last_day(day("2028-02-29")), day("2028-02-29"));
    }

    #[test]
    fn a_commitment_opens_with_its_nonce_only_and_covers_every_check() {
        let mut reordered = adult();
        reordered.checks.reverse();
        assert_eq!(adult().commitment(&[1; 32]), reordered.commitment(&[1; 32]));
        assert_ne!(adult().commitment(&[1; 32]), adult().commitment(&[2; 32]));

        let mut changed = adult();
        changed.checks[0].result = "failed".to_owned();
        assert_ne!(adult().commitment(&[1; 32]), changed.commitment(&[1; 32]));
    }
}

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    attest::evidence::tests::adult,
    config::{Country, Undetermined},
    ports::AttestationId,
};

const NOW: UnixMillis = UnixMillis(1_795_219_230_000);

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn config(
    version: &str,
    requires: &[Predicate],
    nationality: Option<NationalityRule>,
) -> PolicyConfig {
    PolicyConfig {
        version: name(version),
        requires: requires.to_vec(),
        effective_from: None,
        nationality,
    }
}

fn rule(deny: &[&str], from: Option<UnixMillis>) -> NationalityRule {
    NationalityRule {
        deny: deny
            .iter()
            .map(|code| Country::parse(code).unwrap())
            .collect(),
        allow: Vec::new(),
        effective_from: from.map(Instant),
        undetermined: Undetermined::Ineligible,
    }
}

fn open(config: PolicyConfig, kept: &[PolicyRow]) -> (Policies, Vec<PolicyRow>) {
    Policies::new(&BTreeMap::from([(name("gate"), config)]), kept, NOW).unwrap()
}

fn record(predicates: &[(Predicate, Truth)], eligibility: Vec<Eligibility>) -> Record {
    Record {
        v: 1,
        att_id: AttestationId([0; 16]),
        vendor: "persona".to_owned(),
        vendor_env: "production".to_owned(),
        method: "m".to_owned(),
        assurance: "a".to_owned(),
        predicates: predicates.iter().copied().collect(),
        eligibility,
        verified_on: "2026-11".to_owned(),
        expires_on: "2027-10-31".to_owned(),
        evidence_commitment: "none".to_owned(),
        consent: None,
        issuer_kid: "k".to_owned(),
    }
}

fn gates(policies: &Policies, at: UnixMillis) -> Vec<String> {
    policies
        .in_force(at)
        .map(|policy| policy.gate().to_string())
        .collect()
}

#[test]
fn a_requirement_is_satisfied_by_true_alone() {
    use Predicate::{AgeOver18 as Age, PersonVerified as Person};
    use Truth::{False, True, Undetermined as Unknown};
    let (policies, _) = open(config("1", &[Person, Age], None), &[]);
    let policy = policies.all().next().unwrap();

    for (person, age, says) in [
        (True, True, True),
        (True, False, False),
        (True, Unknown, Unknown),
        (False, Unknown, False),
        (Unknown, Unknown, Unknown),
        (Unknown, True, Unknown),
    ] {
        let known = record(&[(Person, person), (Age, age)], Vec::new());
        assert_eq!(policy.judge(&known, NOW), says, "{person:?} {age:?}");
    }
    assert_eq!(
        policy.judge(&record(&[(Person, True)], Vec::new()), NOW),
        Unknown,
        "absent is not known"
    );
}

#[test]
fn a_nationality_rule_gives_its_kept_result_and_undetermined_opens_nothing() {
    let person = [(Predicate::PersonVerified, Truth::True)];
    let requires = [Predicate::PersonVerified];
    let (policies, _) = open(config("1", &requires, Some(rule(&["RU", "nl"], None))), &[]);
    let policy = policies.all().next().unwrap();
    let known = BTreeMap::from(person);
    let mut elsewhere = adult();
    elsewhere.nationality = Some(zeroize::Zeroizing::new("IT".to_owned()));
    let mut nowhere = adult();
    nowhere.nationality = None;

    for (evidence, result, says) in [
        (adult(), Outcome::Ineligible, Truth::False),
        (elsewhere, Outcome::Eligible, Truth::True),
        (nowhere, Outcome::Undetermined, Truth::Undetermined),
    ] {
        let decided = policy.decide(&known, |rule| evidence.may_pass(rule));
        assert_eq!(decided.result, result);
        let kept = serde_json::to_string(&decided).unwrap();
        assert!(
            !["NL", "IT", "RU"].iter().any(|code| kept.contains(code)),
            "a result, never a country: {kept}"
        );
        assert_eq!(policy.judge(&record(&person, vec![decided]), NOW), says);
    }
    assert_eq!(
        policy.judge(&record(&person, Vec::new()), NOW),
        Truth::Undetermined,
        "never judged"
    );
}

#[test]
fn a_rule_counts_from_its_instant_on_and_not_a_moment_earlier() {
    let from = NOW.plus_seconds(3_600);
    let requires = [Predicate::PersonVerified];
    let (policies, _) = open(config("1", &requires, Some(rule(&["NL"], Some(from)))), &[]);
    let policy = policies.all().next().unwrap();
    let person = [(Predicate::PersonVerified, Truth::True)];
    let decided = policy.decide(&BTreeMap::from(person), |rule| adult().may_pass(rule));
    assert_eq!(
        decided.result,
        Outcome::Ineligible,
        "judged as if in force, while there is evidence"
    );
    let kept = record(&person, vec![decided]);

    assert_eq!(policy.judge(&kept, UnixMillis(from.0 - 1)), Truth::True);
    assert_eq!(policy.judge(&kept, from), Truth::False);
    assert_eq!(policy.turns_against(&kept, NOW), Some(from));
    assert_eq!(policy.turns_against(&kept, from), None);
}

#[test]
fn a_new_version_with_the_same_rule_needs_no_new_verification() {
    let requires = [Predicate::PersonVerified];
    let person = [
        (Predicate::PersonVerified, Truth::True),
        (Predicate::AgeOver18, Truth::True),
    ];
    let (old, _) = open(config("1", &requires, Some(rule(&["RU", "BY"], None))), &[]);
    let decided = old
        .all()
        .next()
        .unwrap()
        .decide(&BTreeMap::from(person), |rule| adult().may_pass(rule));
    let kept = record(&person, vec![decided]);
    let judge = |version: &str, requires: &[Predicate], deny: &[&str]| {
        let (new, _) = open(config(version, requires, Some(rule(deny, None))), &[]);
        new.all().next().unwrap().judge(&kept, NOW)
    };

    let both = [Predicate::PersonVerified, Predicate::AgeOver18];
    assert_eq!(
        judge("2", &both, &["BY", "RU", "RU"]),
        Truth::True,
        "in another order"
    );
    assert_eq!(
        judge("2", &requires, &["RU"]),
        Truth::Undetermined,
        "another rule"
    );
    assert_eq!(
        judge("2", &[Predicate::SanctionsClear], &["RU", "BY"]),
        Truth::Undetermined
    );
}

#[test]
fn the_older_version_stays_in_force_until_the_newer_takes_effect() {
    let requires = [Predicate::PersonVerified];
    let (first, new) = open(config("1", &requires, None), &[]);
    assert_eq!(gates(&first, NOW), ["gate@1"]);
    assert_eq!(new.len(), 1, "announced");
    let mut later = config("2", &[Predicate::AgeOver18], None);
    later.effective_from = Some(Instant(NOW.plus_seconds(3_600)));

    let (both, second) = open(later.clone(), &new);

    assert_eq!(second.len(), 1);
    assert_eq!(gates(&both, NOW), ["gate@1"]);
    assert_eq!(gates(&both, NOW.plus_seconds(3_600)), ["gate@2"]);
    let upcoming: Vec<_> = both
        .in_force_or_later(NOW)
        .map(|policy| policy.gate().to_string())
        .collect();
    assert_eq!(upcoming, ["gate@1", "gate@2"]);
    // A restart announces nothing, and reads the same from what was kept.
    let kept: Vec<_> = new.into_iter().chain(second).collect();
    let (again, nothing) = open(later, &kept);
    assert!(nothing.is_empty());
    assert_eq!(gates(&again, NOW), ["gate@1"]);
}

#[test]
fn a_version_keeps_its_wording_and_never_goes_back() {
    let requires = [Predicate::PersonVerified];
    let (_, kept) = open(config("1", &requires, None), &[]);
    let refused = |config: PolicyConfig, kept: &[PolicyRow]| {
        Policies::new(
            &BTreeMap::from([(name("gate"), config)]),
            kept,
            NOW.plus_seconds(60),
        )
        .err()
    };

    let reworded = config("1", &[Predicate::AgeOver18], None);
    assert!(matches!(
        refused(reworded, &kept),
        Some(PolicyError::Changed(_))
    ));
    let (_, newer) = Policies::new(
        &BTreeMap::from([(name("gate"), config("2", &requires, None))]),
        &kept,
        NOW.plus_seconds(60),
    )
    .unwrap();
    let both: Vec<_> = kept.into_iter().chain(newer).collect();
    let back = config("1", &requires, None);
    assert!(matches!(refused(back, &both), Some(PolicyError::Older(_))));
    let mut broken = both.clone();
    broken[0].body = "{}".to_owned();
    assert!(matches!(
        refused(config("2", &requires, None), &broken),
        Some(PolicyError::Unreadable(_))
    ));
}

#[test]
fn a_policy_is_written_in_configuration_as_it_is_kept() {
    let text = json!({
        "version": "2026-11-01",
        "requires": ["person_verified", "age_over_18", "document_unexpired"],
        "effective_from": "2026-06-12T21:21:00Z",
        "nationality": { "deny": ["ru"], "effective_from": "2026-06-12T23:21:00+02:00", "undetermined": "ineligible" },
    });
    let config: PolicyConfig = serde_json::from_value(text).unwrap();
    let (policies, new) = open(config, &[]);

    let kept: PolicyConfig = serde_json::from_str(&new[0].body).unwrap();
    let again = Policy::new(name("gate"), kept, new[0].effective_from);
    assert_eq!(again.hash, new[0].hash);
    assert_eq!(
        policies.all().next().unwrap().effective_from().to_string(),
        "2026-06-12T21:21:00.000Z"
    );
    for wrong in [
        json!({ "version": "1", "requires": ["person_verfied"] }),
        json!({ "version": "1", "requires": [], "nationality": { "deny": ["Russia"] } }),
        json!({ "version": "1", "requires": [], "nationality": { "deny": ["RU"], "undetermined": "eligible" } }),
        json!({ "version": "1", "requires": [], "extra": 1 }),
    ] {
        assert!(
            serde_json::from_value::<PolicyConfig>(wrong.clone()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_nationality_that_no_rule_asks_for_is_not_called_eligible() {
    let today = NOW.day();
    let predicates = adult().predicates(today);
    let (asks_not, _) = open(config("1", &[Predicate::PersonVerified], None), &[]);
    let (asks, _) = open(config("2", &[], Some(rule(&["XX"], None))), &[]);
    let decide = |policies: &Policies| {
        let policy = policies.all().next().unwrap();
        policy.decide(&predicates, |rule| adult().may_pass(rule))
    };

    let kept = decide(&asks_not);

    assert_eq!(
        (kept.result, kept.nationality, kept.basis),
        (Outcome::Eligible, Outcome::NotAsked, Basis::NotRequired)
    );
    assert_eq!(serde_json::to_value(kept.nationality).unwrap(), "not_asked");
    assert_eq!(decide(&asks).nationality, Outcome::Eligible);
    // What was signed before says `eligible` there. Neither answers a rule that comes later.
    for nationality in [Outcome::NotAsked, Outcome::Eligible] {
        let before = Eligibility {
            nationality,
            ..kept.clone()
        };
        let policy = asks.all().next().unwrap();
        assert_eq!(
            policy.judge(&record(&[], vec![before]), NOW),
            Truth::Undetermined
        );
    }
}

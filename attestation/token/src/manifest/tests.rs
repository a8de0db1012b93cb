use std::collections::HashMap;

use bauta_audit::{
    proof::Plan,
    tree::{Frontier, NodeId},
};

use super::*;
use crate::scope::{ModelName, Period, Privacy, Rate};

#[test]
fn a_manifest_in_the_log_is_accepted_and_reads_back() {
    for (index, size) in [(0, 1), (0, 2), (3, 5), (6, 7), (7, 8), (12, 13)] {
        let log = Log::with(index, size, &manifest().leaf().unwrap());

        assert_eq!(
            Manifest::accept(&log.proved(), &log.verifier()),
            Ok(manifest())
        );
    }
}

#[test]
fn the_same_manifest_has_the_same_text() {
    let leaf = manifest().leaf().unwrap();

    assert_eq!(Manifest::read(&leaf).unwrap().leaf().unwrap(), leaf);
    assert!(leaf.starts_with(r#"{"at":"2026-11-20T10:00:00.000Z","audience":"#));
    assert!(leaf.contains(r#""type":"manifest","v":1}"#), "{leaf}");
}

#[test]
fn no_byte_of_a_proved_manifest_can_change() {
    let log = Log::with(3, 5, &manifest().leaf().unwrap());
    let (good, verifier) = (log.proved(), log.verifier());

    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        assert!(Manifest::accept(&text, &verifier).is_err(), "byte {at}");
    }
    for cut in 0..good.len() {
        let Some(text) = good.get(..cut) else {
            continue;
        };
        assert!(Manifest::accept(text, &verifier).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_manifest_that_is_not_in_the_log_is_refused() {
    let log = Log::with(3, 5, &manifest().leaf().unwrap());
    let mut forged = manifest();
    forged.issuer = "https://evil.example".to_owned();
    let text = prove(&forged.leaf().unwrap(), 3, &log.proof(), &log.checkpoint());

    assert_eq!(
        Manifest::accept(&text, &log.verifier()),
        Err(ManifestError::Inclusion(ProofError))
    );
}

#[test]
fn a_place_in_the_log_is_part_of_the_proof() {
    let log = Log::with(3, 5, &manifest().leaf().unwrap());

    for index in [0, 1, 2, 4, 5, u64::MAX] {
        let text = prove(&log.leaf, index, &log.proof(), &log.checkpoint());
        assert!(
            Manifest::accept(&text, &log.verifier()).is_err(),
            "place {index}"
        );
    }
}

#[test]
fn a_checkpoint_of_another_log_or_key_is_refused() {
    let log = Log::with(3, 5, &manifest().leaf().unwrap());
    let other_key = note::Signer::new(ORIGIN, &[8; 32]).unwrap();
    let other_log = note::Signer::new("other.example/identity", &[7; 32]).unwrap();

    for signer in [other_key, other_log] {
        let checkpoint = signer.checkpoint(log.tree.size(), &log.tree.root());
        let text = prove(&log.leaf, 3, &log.proof(), &checkpoint);
        assert!(matches!(
            Manifest::accept(&text, &log.verifier()),
            Err(ManifestError::Checkpoint(_))
        ));
    }
}

#[test]
fn another_leaf_of_the_log_is_no_manifest() {
    let leaf = r#"{"at":"2026-11-20T10:00:00.000Z","type":"token.issued"}"#;
    let log = Log::with(0, 2, leaf);

    assert_eq!(
        Manifest::accept(&log.proved(), &log.verifier()),
        Err(ManifestError::Type)
    );
}

#[test]
fn cry_02_an_older_manifest_never_replaces_a_younger() {
    let (old, mut young) = (manifest(), manifest());
    young.issued_at = old.issued_at.plus_seconds(1);
    let mut same_time = manifest();
    same_time.keys.clear();

    assert!(young.supersedes(&old));
    assert!(old.supersedes(&old));
    assert!(!old.supersedes(&young));
    assert!(!same_time.supersedes(&old));
}

#[test]
fn what_no_gateway_would_take_is_not_published() {
    let with = |change: &dyn Fn(&mut Manifest)| {
        let mut changed = manifest();
        change(&mut changed);
        changed.leaf().unwrap_err()
    };

    assert_eq!(with(&|m| m.v = 2), ManifestError::Version);
    assert_eq!(with(&|m| m.issuer.clear()), ManifestError::Party);
    assert_eq!(with(&|m| m.audience = "a b".into()), ManifestError::Party);
    assert_eq!(
        with(&|m| m.audience = "a".repeat(513)),
        ManifestError::Party
    );
    assert_eq!(
        with(&|m| m.keys[0].x = m.keys[1].x.clone()),
        ManifestError::Key
    );
    assert_eq!(
        with(&|m| m.keys[0].not_after = m.keys[0].not_before),
        ManifestError::Key
    );
    assert_eq!(
        with(&|m| m.keys[1] = m.keys[0].clone()),
        ManifestError::Twice
    );
    assert_eq!(
        with(&|m| m.scopes.push(m.scopes[0].clone())),
        ManifestError::Twice
    );
    assert_eq!(
        with(&|m| m.gates.push(m.gates[0].clone())),
        ManifestError::Twice
    );
    assert_eq!(
        with(&|m| m.gates[1].effective_from = m.gates[0].effective_from),
        ManifestError::Twice
    );
    assert_eq!(
        with(&|m| {
            let model = m.scopes[0].models[0].clone();
            m.scopes[0].models.push(model);
        }),
        ManifestError::Twice
    );
    assert_eq!(
        with(&|m| m.keys = vec![m.keys[0].clone(); 257]),
        ManifestError::Many
    );
}

#[test]
fn only_the_one_spelling_is_read() {
    let leaf = manifest().leaf().unwrap();
    let spellings = [
        (r#""v":1"#, r#""v":2"#, ManifestError::Version),
        (r#""v":1"#, r#""v":"1""#, ManifestError::Version),
        (r#""5.000000""#, r#""5.00""#, ManifestError::Shape),
        (r#""v":1"#, r#""v":1,"w":1"#, ManifestError::Shape),
        ("2026-11-20T10", "2026-11-20T11", ManifestError::Shape),
        (r#""manifest""#, r#""policy""#, ManifestError::Type),
        (
            r#""v":1"#,
            r#""v": 1"#,
            ManifestError::Canonical(CanonicalError::Spelling),
        ),
        (
            r#""v":1"#,
            r#""v":1,"v":1"#,
            ManifestError::Canonical(CanonicalError::Spelling),
        ),
    ];

    for (from, to, fault) in spellings {
        let changed = leaf.replacen(from, to, 1);
        assert_ne!(changed, leaf, "{from} is there");
        assert_eq!(Manifest::read(&changed), Err(fault), "{to}");
    }
    assert!(Manifest::read("[]").is_err());
}

#[test]
fn a_policy_asks_for_the_version_that_took_effect_last() {
    let manifest = manifest();
    let adult = Name::parse("adult").unwrap();
    let at = |seconds| {
        let now = UnixMillis::from_seconds(seconds);
        manifest.gate(&adult, now).map(ToString::to_string)
    };

    assert_eq!(at(99), None);
    assert_eq!(at(100).as_deref(), Some("adult@1"));
    assert_eq!(at(199).as_deref(), Some("adult@1"));
    assert_eq!(at(200).as_deref(), Some("adult@2"));
    let other = Name::parse("other").unwrap();
    assert_eq!(manifest.gate(&other, UnixMillis::from_seconds(300)), None);
}

#[test]
fn a_scope_is_found_by_its_name() {
    let manifest = manifest();

    assert!(manifest.terms(&Name::parse("chat").unwrap()).is_some());
    assert!(manifest.terms(&Name::parse("cha").unwrap()).is_none());
}

/// A log of `size` leaves with `leaf` at `index`.
struct Log {
    leaf: String,
    index: u64,
    tree: Frontier,
    nodes: HashMap<NodeId, Hash>,
    signer: note::Signer,
}

impl Log {
    fn with(index: u64, size: u64, leaf: &str) -> Self {
        let mut tree = Frontier::empty();
        let mut nodes = HashMap::new();
        for place in 0..size {
            let hash = if place == index {
                leaf_hash(None, leaf.as_bytes())
            } else {
                leaf_hash(Some(&[7; 32]), &place.to_be_bytes())
            };
            nodes.extend(tree.append(hash));
        }
        Self {
            leaf: leaf.to_owned(),
            index,
            tree,
            nodes,
            signer: note::Signer::new(ORIGIN, &[7; 32]).unwrap(),
        }
    }

    fn proof(&self) -> Vec<Hash> {
        let plan = Plan::inclusion(self.index, self.tree.size()).unwrap();
        plan.prove(|id| self.nodes.get(&id).copied()).unwrap()
    }

    fn checkpoint(&self) -> String {
        self.signer.checkpoint(self.tree.size(), &self.tree.root())
    }

    fn proved(&self) -> String {
        prove(&self.leaf, self.index, &self.proof(), &self.checkpoint())
    }

    fn verifier(&self) -> note::Verifier {
        note::Verifier::parse(&self.signer.vkey()).unwrap()
    }
}

fn manifest() -> Manifest {
    let key = |byte| {
        let signing = crate::keys::SigningKey::from_seed(&[byte; 32]).unwrap();
        IssuerKey::new(
            signing.public(),
            UnixMillis::from_seconds(0),
            UnixMillis::from_seconds(86_400),
        )
    };
    let gate = |version, seconds| GateTerm {
        gate: Gate::parse(version).unwrap(),
        effective_from: UnixMillis::from_seconds(seconds),
    };
    Manifest {
        v: VERSION,
        issuer: "https://id.bauta.example".to_owned(),
        audience: "https://bauta.example".to_owned(),
        keys: vec![key(1), key(2)],
        scopes: vec![Terms {
            name: Name::parse("chat").unwrap(),
            privacy: Privacy::Sealed,
            models: vec![ModelName::parse("claude-opus-5").unwrap()],
            budget: Some(crate::scope::Budget {
                amount: crate::units::MicroUsd::from_dollars("5").unwrap(),
                per: Period::Day,
            }),
            rate: Some(Rate {
                requests: 60,
                per: Period::Minute,
                concurrent: 4,
            }),
        }],
        gates: vec![gate("adult@1", 100), gate("adult@2", 200)],
        issued_at: UnixMillis(1_795_168_800_000),
    }
}

const ORIGIN: &str = "bauta.example/identity";

use bauta_token::{ambient::Randomness, units::UnixMillis};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_219_230_000);
const DAY: i64 = 86_400;

struct Seeded(u8);

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let block = digest(&SHA256, &[self.0]);
        for (byte, random) in bytes.iter_mut().zip(block.as_ref().iter().cycle()) {
            *byte = *random;
        }
    }
}

fn key(n: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(digest(&SHA256, &[n, n]).as_ref().try_into().unwrap())
}

fn material(peppers: &[u8], kek: u8) -> KeyMaterial {
    KeyMaterial {
        peppers: peppers.iter().map(|n| key(*n)).collect(),
        kek: key(kek),
    }
}

#[test]
fn cry_01_a_weak_or_repeated_key_is_refused() {
    let weak = |bytes: [u8; 32]| {
        let mut bad = material(&[1], 2);
        bad.kek = Zeroizing::new(bytes);
        Keys::new(bad).err()
    };
    assert!(matches!(weak([0; 32]), Some(KeyError::Kek(_))));
    assert!(matches!(
        weak(*b"correct horse battery staple 123"),
        Some(KeyError::Kek(_))
    ));
    let mut bad = material(&[1], 2);
    bad.peppers.push(Zeroizing::new([7; 32]));
    assert!(matches!(Keys::new(bad), Err(KeyError::Pepper(_))));

    assert!(matches!(
        Keys::new(material(&[], 2)),
        Err(KeyError::NoPepper)
    ));
    assert!(matches!(
        Keys::new(material(&[1, 1], 2)),
        Err(KeyError::Twice)
    ));
    assert!(matches!(Keys::new(material(&[1], 1)), Err(KeyError::Twice)));
}

#[test]
fn no_two_purposes_share_a_key() {
    let keys = Keys::new(material(&[1], 2)).unwrap_or_else(|error| panic!("{error}"));
    let tags = [
        keys.secrets().tag("d", &[b"x"]),
        keys.login().tag("d", &[b"x"]),
        keys.lookup("d", &[b"x"]).0,
        keys.mac("other/v1").tag("d", &[b"x"]),
    ];
    for (place, tag) in tags.iter().enumerate() {
        assert!(!tags.iter().skip(place + 1).any(|other| other == tag));
    }
}

#[test]
fn a_signing_key_opens_in_its_own_row_and_under_its_own_kek() {
    let keys = Keys::new(material(&[1], 2)).unwrap_or_else(|error| panic!("{error}"));
    let other = Keys::new(material(&[1], 3)).unwrap_or_else(|error| panic!("{error}"));
    let row = fresh(NOW, 3_600, keys.kek(), &Seeded(1)).unwrap();
    let mut moved = fresh(NOW, 3_600, keys.kek(), &Seeded(2)).unwrap();
    moved.sealed.clone_from(&row.sealed);

    let ring = KeyRing::open(std::slice::from_ref(&row), keys.kek()).unwrap();

    assert_eq!(
        ring.current(NOW).map(|key| *key.id().as_bytes()),
        Some(row.kid)
    );
    let wrong = KeyRing::open(std::slice::from_ref(&row), other.kek());
    assert!(matches!(wrong, Err(KeyError::Foreign(_))));
    assert!(KeyRing::open(&[moved], keys.kek()).is_err());
    assert!(KeyRing::open(&[], keys.kek()).is_ok_and(|ring| ring.current(NOW).is_none()));
}

#[test]
fn cry_02_keys_take_turns_and_are_known_before_and_after() {
    let keys = Keys::new(material(&[1], 2)).unwrap_or_else(|error| panic!("{error}"));
    let at = |days: i64| NOW.plus_seconds(days * DAY);
    let first = fresh(NOW, 90 * DAY, keys.kek(), &Seeded(1)).unwrap();
    let alone = KeyRing::open(std::slice::from_ref(&first), keys.kek()).unwrap();
    assert_eq!(KeyRing::default().next_begins(NOW), Some(NOW));
    assert_eq!(alone.next_begins(at(27)), None);
    let begins = alone.next_begins(at(28)).unwrap();
    assert_eq!(begins, at(29), "a day for every verifier to hear of it");
    let second = fresh(begins, 90 * DAY, keys.kek(), &Seeded(2)).unwrap();

    let ring = KeyRing::open(&[first.clone(), second.clone()], keys.kek()).unwrap();

    let signs = |day: i64| ring.current(at(day)).map(|key| *key.id().as_bytes());
    assert_eq!(
        (signs(28), signs(29), signs(58)),
        (Some(first.kid), Some(second.kid), Some(second.kid))
    );
    assert_eq!(signs(59), None, "and then nothing is issued");
    assert_eq!(ring.published(at(28)).len(), 2, "next is shown early");
    assert_eq!(
        ring.published(at(119)).len(),
        2,
        "until its last labelled token has expired"
    );
    assert_eq!(ring.published(at(121)).len(), 1);
    assert_eq!(
        ring.next_begins(at(60)),
        Some(at(60)),
        "late is better than never"
    );
}

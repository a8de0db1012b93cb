#![expect(clippy::arithmetic_side_effects, reason = "a test may add up places")]

use proptest::prelude::*;

use super::*;
use crate::secret::tests::Fixed;

#[test]
fn a_cell_opens_where_it_was_sealed_and_nowhere_else() {
    let kek = kek(1);
    let cell = kek.seal(&HERE, b"a secret", &Fixed).unwrap();
    let elsewhere = [
        Place {
            table: "grants",
            ..HERE
        },
        Place { row: b"8", ..HERE },
        Place { row: b"", ..HERE },
        Place {
            column: "label",
            ..HERE
        },
        // The same bytes with the borders moved.
        Place {
            table: "grant7",
            row: b"",
            ..HERE
        },
        Place {
            row: b"7h",
            column: "andle",
            ..HERE
        },
    ];

    assert_eq!(kek.open(&HERE, &cell).unwrap().as_slice(), b"a secret");
    for place in elsewhere {
        assert_eq!(kek.open(&place, &cell).err(), Some(CellError::Refused));
    }
}

#[test]
fn a_cell_opens_under_its_own_key_and_version_only() {
    let cell = kek(1).seal(&HERE, b"a secret", &Fixed).unwrap();
    let other = Kek::new(1, &[0x32; 32]).unwrap();
    let mut relabelled = cell.clone();
    relabelled[0] = 2;

    assert_eq!(Kek::version_of(&cell), Some(1));
    assert_eq!(other.open(&HERE, &cell).err(), Some(CellError::Refused));
    assert_eq!(kek(2).open(&HERE, &cell).err(), Some(CellError::Version(1)));
    assert_eq!(
        kek(2).open(&HERE, &relabelled).err(),
        Some(CellError::Refused)
    );
}

#[test]
fn what_is_cut_short_is_refused() {
    let cell = kek(1).seal(&HERE, b"", &Fixed).unwrap();

    assert_eq!(cell.len(), OVERHEAD);
    assert!(kek(1).open(&HERE, &cell).unwrap().is_empty());
    for length in 0..cell.len() {
        let cut = &cell[..length];
        assert_eq!(kek(1).open(&HERE, cut).err(), Some(CellError::Refused));
        assert_eq!(Kek::version_of(cut), None);
    }
}

proptest! {
    #[test]
    fn every_value_comes_back(plain: Vec<u8>) {
        let cell = kek(1).seal(&HERE, &plain, &Fixed).unwrap();

        prop_assert_eq!(cell.len(), plain.len() + OVERHEAD);
        prop_assert_eq!(kek(1).open(&HERE, &cell).unwrap().to_vec(), plain);
    }

    #[test]
    fn one_changed_bit_is_always_seen(plain: [u8; 24], at in 0..53_usize, bit in 0..8_u32) {
        let mut cell = kek(1).seal(&HERE, &plain, &Fixed).unwrap();
        cell[at] ^= 1 << bit;

        prop_assert!(kek(1).open(&HERE, &cell).is_err());
    }
}

fn kek(version: u8) -> Kek {
    Kek::new(version, &[0x31; 32]).unwrap()
}

const HERE: Place<'static> = Place {
    table: "grant",
    row: b"7",
    column: "handle",
};

#![expect(clippy::arithmetic_side_effects, reason = "a test may add up places")]

use proptest::prelude::*;

use super::*;

#[test]
fn a_secret_is_its_prefix_and_49_letters() {
    let made = Plain::<RefreshToken>::generate(&Fixed);
    let letters = made.reveal().strip_prefix("bauta_rt_").unwrap();

    assert_eq!(letters.len(), 49);
    assert!(letters.bytes().all(|b| b.is_ascii_alphanumeric()));
}

/// The form is part of what scanners and clients know: it never changes by accident.
#[test]
fn the_form_of_a_secret_is_fixed() {
    let shown = |bits: [u8; 32]| Plain::<Scim>::from_bits(&bits).reveal().to_owned();

    assert_eq!(shown([0; 32]), FIXED_ZERO);
    assert_eq!(shown([0xff; 32]), FIXED_FULL);
}

#[test]
fn no_kind_is_taken_for_another() {
    let refresh = Plain::<RefreshToken>::generate(&Fixed);
    let renamed = refresh.reveal().replacen("bauta_rt_", "bauta_dc_", 1);

    assert!(Plain::<DeviceCode>::parse(refresh.reveal()).is_none());
    // Even with the prefix exchanged: the checksum covers it.
    assert!(Plain::<DeviceCode>::parse(&renamed).is_none());
}

#[test]
fn the_kinds_have_prefixes_and_domains_of_their_own() {
    fn of<K: Kind>() -> (&'static str, &'static str) {
        (K::PREFIX, K::DOMAIN)
    }
    let all = [
        of::<RefreshToken>(),
        of::<DeviceCode>(),
        of::<Scim>(),
        of::<GatewaySession>(),
        of::<SessionCookie>(),
        of::<LoginState>(),
        of::<FlowBinding>(),
        of::<AuthCode>(),
    ];

    for (n, (prefix, domain)) in all.iter().enumerate() {
        for (other_prefix, other_domain) in &all[..n] {
            assert!(!prefix.starts_with(other_prefix) && !other_prefix.starts_with(prefix));
            assert_ne!(domain, other_domain);
        }
    }
}

#[test]
fn the_same_bits_hash_apart_by_kind_and_by_key() {
    let root = Root::generate(&Fixed);
    let (key, other) = (root.mac("one"), root.mac("two"));
    let refresh = Plain::<RefreshToken>::from_bits(&[9; 32]);
    let device = Plain::<DeviceCode>::from_bits(&[9; 32]);

    let hashed = refresh.hash(&key);

    assert!(hashed == refresh.hash(&key));
    assert!(hashed != refresh.hash(&other));
    assert_ne!(hashed.as_bytes(), device.hash(&key).as_bytes());
    assert!(hashed == Hashed::from_bytes(*hashed.as_bytes()));
}

proptest! {
    #[test]
    fn every_secret_reads_back(bits: [u8; 32]) {
        let made = Plain::<GatewaySession>::from_bits(&bits);

        let read = Plain::<GatewaySession>::parse(made.reveal());

        prop_assert!(read.is_some_and(|read| read.reveal() == made.reveal()));
    }

    #[test]
    fn one_wrong_character_is_always_seen(bits: [u8; 32], at in 0..57_usize, to in 0x20..0x7f_u8) {
        let made = Plain::<GatewaySession>::from_bits(&bits);
        let mut bytes = made.reveal().as_bytes().to_vec();
        prop_assume!(bytes[at] != to);
        bytes[at] = to;

        let changed = String::from_utf8(bytes).unwrap();

        prop_assert!(Plain::<GatewaySession>::parse(&changed).is_none());
    }

    #[test]
    fn neighbours_exchanged_are_always_seen(bits: [u8; 32], at in 8..56_usize) {
        let made = Plain::<GatewaySession>::from_bits(&bits);
        let mut bytes = made.reveal().as_bytes().to_vec();
        prop_assume!(bytes[at] != bytes[at + 1]);
        bytes.swap(at, at + 1);

        let changed = String::from_utf8(bytes).unwrap();

        prop_assert!(Plain::<GatewaySession>::parse(&changed).is_none());
    }

    #[test]
    fn text_is_refused_without_a_panic(text: String) {
        let prefixed = format!("bauta_s_{text}");
        prop_assert!(Plain::<GatewaySession>::parse(&text).is_none());
        prop_assert!(Plain::<GatewaySession>::parse(&prefixed).is_none());
    }
}

#[test]
fn what_is_shorter_longer_or_padded_is_refused() {
    let made = Plain::<AuthCode>::generate(&Fixed);
    let good = made.reveal();

    assert!(Plain::<AuthCode>::parse(good).is_some());
    let bad = [
        String::new(),
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        format!("{good} "),
        format!("{good}\n"),
        format!(" {good}"),
        format!("bauta_{good}"),
        good.to_uppercase(),
        "bauta_ac_".to_owned(),
        // The right length in bytes, cut in the middle of a letter.
        format!("bauta_ac_{}é{}", "0".repeat(42), "0".repeat(5)),
    ];
    for text in &bad {
        assert!(Plain::<AuthCode>::parse(text).is_none(), "{text}");
    }
}

/// The same bytes each time, without a pattern that a key may not have.
pub(super) struct Fixed;

impl Randomness for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(n * n * 89 % 251).unwrap();
        }
    }
}

// Made by another implementation: zlib's CRC-32 and big integers.
const FIXED_ZERO: &str = "bauta_scim_00000000000000000000000000000000000000000002b37Lr";
const FIXED_FULL: &str = "bauta_scim_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp10hXS2R";

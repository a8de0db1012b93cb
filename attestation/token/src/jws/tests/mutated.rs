//! A good token, changed at random: it never verifies.

use proptest::prelude::*;

use super::{
    access::{PAYLOAD, by_hand, claims, header, verify},
    *,
};

#[test]
fn every_single_character_counts() {
    let good = by_hand(&header(), PAYLOAD);

    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verify(&changed).is_err(), "character {at}");
        assert!(verify(&good[..at]).is_err(), "cut at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_changes_never_verify(changes in prop::collection::vec(change(), 1..6)) {
        let good = by_hand(&header(), PAYLOAD);
        let mut bytes = good.clone().into_bytes();
        for change in &changes {
            change.apply(&mut bytes);
        }
        let changed = String::from_utf8_lossy(&bytes);
        prop_assume!(changed != good);

        prop_assert!(verify(&changed).is_err());
    }

    /// A signature cannot be carried over to other content, whatever the content is.
    #[test]
    fn a_signature_holds_for_its_own_content_only(payload: Vec<u8>, head: Vec<u8>) {
        let good = by_hand(&header(), PAYLOAD);
        let signature = good.rsplit('.').next().unwrap();
        let body = encoded(&payload);
        let own = encoded(header());

        let one = format!("{own}.{body}.{signature}");
        let other = format!("{}.{}.{signature}", encoded(&head), encoded(PAYLOAD));
        prop_assert!(verify(&one).is_err());
        prop_assert!(verify(&other).is_err());
    }

    /// Signed by us or not: what is no payload of ours is refused without a panic.
    #[test]
    fn signed_nonsense_is_refused(payload: Vec<u8>, text in r#"\{["a-z:,0-9\[\]{}]{0,40}\}"#) {
        let message = format!("{}.{}", encoded(header()), encoded(&payload));
        let token = format!("{message}.{}", encoded(ours().sign(message.as_bytes())));

        prop_assert!(verify(&token).is_err());
        prop_assert!(verify(&by_hand(&header(), &text)).is_err());
    }

    #[test]
    fn any_text_is_refused(text: String) {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn whatever_is_signed_reads_back(
        minutes in 0..60_i64,
        life in 60..3600_i64,
        jti: [u8; 16],
        client in "[a-z-]{1,20}",
    ) {
        let iat = MADE - minutes * 60;
        let made = Claims { iat, exp: iat + life, jti: encoded(jti), client_id: client, ..claims() };
        let token = sign_access(&made, &ours()).unwrap();

        let outcome = verify(&token);

        if made.exp > MADE + 20 {
            prop_assert_eq!(outcome, Ok(made));
        } else {
            prop_assert_eq!(outcome, Err(JwsError::Claim("exp")));
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Repeat(usize, usize),
    Swap(usize, usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let size = bytes.len();
        if size == 0 {
            return;
        }
        match *self {
            Self::Flip(at, bit) => bytes[at % size] ^= 1 << bit,
            Self::Set(at, to) => bytes[at % size] = to,
            Self::Insert(at, byte) => bytes.insert(at % size, byte),
            Self::Remove(at) => drop(bytes.remove(at % size)),
            Self::Repeat(at, many) => {
                let copy = bytes[at % size..size.min(at % size + many)].to_vec();
                bytes.splice(at % size..at % size, copy);
            }
            Self::Swap(one, other) => bytes.swap(one % size, other % size),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0..2048_usize;
    let letter = prop::sample::select(&b"ABab01-_.=+/ \n{}\"\xff\0"[..]);
    prop_oneof![
        (place.clone(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (place.clone(), letter.clone()).prop_map(|(at, to)| Change::Set(at, to)),
        (place.clone(), letter).prop_map(|(at, byte)| Change::Insert(at, byte)),
        place.clone().prop_map(Change::Remove),
        (place.clone(), 1..80_usize).prop_map(|(at, many)| Change::Repeat(at, many)),
        (place.clone(), place).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

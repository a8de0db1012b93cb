#![expect(clippy::arithmetic_side_effects, reason = "a test may add up places")]

use std::time::Duration;

use super::*;
use crate::secret::tests::Fixed;

#[test]
fn cry_01_a_key_that_was_not_drawn_is_refused() {
    let repeated =
        |pattern: &[u8]| -> Vec<u8> { pattern.iter().copied().cycle().take(32).collect() };
    let patterns = [
        vec![0; 32],
        vec![0xff; 32],
        repeated(&[0xde, 0xad]),
        repeated(&[0xde, 0xad, 0xbe, 0xef]),
        repeated(&[1, 2, 3, 4, 5]),
        repeated(&(200..216).collect::<Vec<_>>()),
        (0..32).collect(),
        (0..32).rev().collect(),
        (0..32_u8).map(|n| n.wrapping_mul(17)).collect(),
    ];
    for pattern in patterns {
        assert_eq!(
            MacKey::new(&pattern).err(),
            Some(WeakKey::Pattern),
            "{pattern:?}"
        );
        assert_eq!(
            Root::new(&pattern).err(),
            Some(WeakKey::Pattern),
            "{pattern:?}"
        );
    }
}

#[test]
fn cry_01_a_key_of_another_length_is_refused() {
    let long: Vec<u8> = GOOD.iter().chain(&GOOD).copied().collect();

    for length in (0..32).chain(33..64) {
        let key = &long[..length];
        assert_eq!(MacKey::new(key).err(), Some(WeakKey::Length));
        assert_eq!(Root::new(key).err(), Some(WeakKey::Length));
    }
}

#[test]
fn cry_01_text_where_bytes_belong_is_refused() {
    let pem = b"-----BEGIN PRIVATE KEY-----\nMC4C";
    let password = b"correct horse battery staple 123";

    assert_eq!(MacKey::new(pem).err(), Some(WeakKey::Text));
    assert_eq!(MacKey::new(password).err(), Some(WeakKey::Text));
}

#[test]
fn cry_01_a_root_is_written_in_one_of_two_ways() {
    let root = Root::new(&GOOD).unwrap();
    let hex = bauta_audit::tree::Hash(GOOD).to_string();
    let derived = root.derive("x");

    for text in [
        hex.clone(),
        hex.to_uppercase(),
        root.reveal().to_string(),
        format!(" {hex}\n"),
    ] {
        assert!(
            Root::parse(&text).is_ok_and(|read| read.derive("x") == derived),
            "{text}"
        );
    }
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGDq\n-----END PRIVATE KEY-----\n";
    let bad = [
        "",
        "hunter2",
        pem,
        &hex[1..],
        &format!("{hex}00"),
        &"g".repeat(64),
        &"+".repeat(43),
    ];
    for text in bad {
        assert_eq!(Root::parse(text).err(), Some(WeakKey::Form), "{text}");
    }
    assert_eq!(Root::parse(&"0".repeat(64)).err(), Some(WeakKey::Pattern));
    assert_eq!(Root::parse(&"A".repeat(43)).err(), Some(WeakKey::Pattern));
}

#[test]
fn labels_give_keys_of_their_own() {
    let root = Root::new(&GOOD).unwrap();

    assert_eq!(root.derive("a"), root.derive("a"));
    assert_ne!(root.derive("a"), root.derive("b"));
    assert_ne!(root.derive(""), root.derive("a"));
    assert_ne!(*root.derive("a"), GOOD);
}

/// RFC 5869, appendix A.1: the first block.
#[test]
fn the_derivation_is_the_standard_one() {
    let salt: Vec<u8> = (0..=0x0c).collect();
    let info: Vec<u8> = (0xf0..=0xf9).collect();

    let okm = hkdf(&salt, &[0x0b; 22], &info);

    assert_eq!(
        Some(okm.to_vec()),
        unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
    );
}

#[test]
fn no_two_lists_of_parts_hash_alike() {
    let key = MacKey::new(&GOOD).unwrap();
    let lists: [(&str, &[&[u8]]); 7] = [
        ("d", &[b"ab", b"c"]),
        ("d", &[b"a", b"bc"]),
        ("d", &[b"abc"]),
        ("d", &[b"abc", b""]),
        ("d", &[]),
        ("da", &[b"bc"]),
        ("", &[b"d", b"abc"]),
    ];

    for (n, (domain, parts)) in lists.iter().enumerate() {
        let tag = key.tag(domain, parts);
        assert!(key.verify(domain, parts, &tag));
        for (other_domain, other_parts) in &lists[..n] {
            assert!(!key.verify(other_domain, other_parts, &tag));
        }
    }
}

#[test]
fn equality_is_equality() {
    assert!(ct_eq(b"", b""));
    assert!(ct_eq(b"abc", b"abc"));
    assert!(!ct_eq(b"abc", b"abd"));
    assert!(!ct_eq(b"abc", b"ab"));
    assert!(!ct_eq(b"", b"a"));
    for bit in 0..256_usize {
        let mut other = GOOD;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!ct_eq(&GOOD, &other));
    }
}

/// Measures as dudect does: two classes of input in random order, the slow tail cut off, Welch's
/// t. The same measurement of a comparison that stops early shows that it can fail.
#[test]
#[expect(clippy::print_stdout, reason = "a promise shows its figure")]
fn cry_07_a_comparison_does_not_tell_where_it_differs() {
    fn stops_early(left: &[u8], right: &[u8]) -> bool {
        left.iter().zip(right).all(|(a, b)| black_box(a == b))
    }
    // Other work on the machine only ever adds a difference: the least of some rounds counts.
    let least = |compare: fn(&[u8], &[u8]) -> bool| {
        (0..8)
            .map(|round| t_value(compare, round))
            .fold(f64::MAX, f64::min)
    };

    let (ours, naive) = (least(ct_eq), least(stops_early));

    println!("|t| of ct_eq {ours:.2}, of an early exit {naive:.2}");
    assert!(ours < 4.5, "|t| = {ours}");
    assert!(naive > 4.5, "the measurement sees nothing: |t| = {naive}");
}

#[expect(clippy::float_arithmetic, reason = "statistics of a measurement")]
fn t_value(compare: fn(&[u8], &[u8]) -> bool, round: u64) -> f64 {
    let secret = [0x5a_u8; 512];
    // One buffer for both classes: two would differ in where they lie.
    let mut presented = secret;
    let mut classes = [Vec::new(), Vec::new()];
    let mut order = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..20_000 {
        order ^= order << 13;
        order ^= order >> 7;
        order ^= order << 17;
        let class = usize::from(order & 1 == 1);
        let differs = class * 511;
        presented[differs] ^= 1;
        classes[class].push(timed(compare, &secret, &presented));
        presented[differs] ^= 1;
    }
    let [a, b] = classes.map(|mut times| {
        times.sort_unstable();
        times.truncate(times.len() / 2);
        let times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        let n = f64::from(u32::try_from(times.len()).unwrap());
        let mean = times.iter().sum::<f64>() / n;
        let spread = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, spread / n)
    });
    // A clock that ticks coarsely can make all times equal.
    let error = (a.1 + b.1).sqrt().max(f64::MIN_POSITIVE);
    ((a.0 - b.0) / error).abs()
}

#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn timed(compare: fn(&[u8], &[u8]) -> bool, left: &[u8], right: &[u8]) -> Duration {
    let begun = std::time::Instant::now();
    let equal = black_box(compare(black_box(left), black_box(right)));
    let took = begun.elapsed();
    assert!(!equal);
    took
}

#[test]
fn a_root_reads_what_it_reveals() {
    let root = Root::generate(&Fixed);

    let read = Root::parse(&root.reveal()).unwrap();

    assert_eq!(read.derive("x"), root.derive("x"));
}

const GOOD: [u8; 32] = [
    0x8f, 0x1c, 0x02, 0xd9, 0x44, 0xab, 0x70, 0x16, 0xe3, 0x5e, 0x91, 0x2b, 0xc8, 0x07, 0x3d, 0xf4,
    0x6a, 0xb5, 0x12, 0x9e, 0x53, 0xcd, 0x28, 0x81, 0xfa, 0x37, 0x60, 0xa4, 0x0d, 0xe9, 0x4b, 0x76,
];

//! Base62 and CRC-32, both of fixed width.

/// Digits, upper case, lower case: the order of GitHub's tokens, so that scanners know it.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Appends `bits` as a big-endian number in base 62, in 43 letters.
pub(super) fn push_bits(out: &mut String, bits: &[u8; 32]) {
    let mut number = zeroize::Zeroizing::new(*bits);
    let mut digits = zeroize::Zeroizing::new([0_u8; super::BITS_LETTERS]);
    for digit in digits.iter_mut().rev() {
        *digit = divide(&mut number);
    }
    out.extend(digits.iter().map(|digit| letter(*digit)));
}

/// Appends a checksum in 6 letters.
pub(super) fn push_sum(out: &mut String, sum: u32) {
    let mut digits = [0_u8; super::SUM_LETTERS];
    let mut rest = sum;
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(rest % 62).unwrap_or(0);
        rest /= 62;
    }
    out.extend(digits.iter().map(|digit| letter(*digit)));
}

/// Whether every byte is in the alphabet.
pub(super) fn are_letters(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether 43 letters are a number below 2^256, as every secret we make is.
pub(super) fn fit_256_bits(text: &str) -> bool {
    let mut number = zeroize::Zeroizing::new([0_u8; 32]);
    text.bytes().all(|byte| {
        value(byte).is_some_and(|digit| {
            let mut carry = u32::from(digit);
            for place in number.iter_mut().rev() {
                carry = u32::from(*place).saturating_mul(62).saturating_add(carry);
                *place = low_byte(carry);
                carry >>= 8;
            }
            carry == 0
        })
    })
}

/// Reads what [`push_sum`] wrote. `None` when it is no letter or more than 32 bits.
pub(super) fn read_sum(text: &str) -> Option<u32> {
    text.bytes().try_fold(0_u32, |sum, byte| {
        sum.checked_mul(62)?.checked_add(u32::from(value(byte)?))
    })
}

/// CRC-32 as in Ethernet, gzip and PNG (ISO 3309): reflected, polynomial 0xEDB88320.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        let index = usize::from(low_byte(sum) ^ byte);
        (sum >> 8) ^ TABLE.get(index).copied().unwrap_or_default()
    })
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler only, for 256 values"
)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut sum = n as u32;
        let mut bit = 0;
        while bit < 8 {
            let reduce = if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
            sum = (sum >> 1) ^ reduce;
            bit += 1;
        }
        table[n] = sum;
        n += 1;
    }
    table
}

/// Divides `number` by 62 in place and gives the remainder.
fn divide(number: &mut [u8; 32]) -> u8 {
    let mut remainder = 0_u32;
    for place in number.iter_mut() {
        let dividend = (remainder << 8) | u32::from(*place);
        *place = low_byte(dividend / 62);
        remainder = dividend % 62;
    }
    low_byte(remainder)
}

fn low_byte(n: u32) -> u8 {
    let [low, ..] = n.to_le_bytes();
    low
}

fn letter(digit: u8) -> char {
    ALPHABET
        .get(usize::from(digit))
        .map_or('0', |byte| char::from(*byte))
}

fn value(byte: u8) -> Option<u8> {
    let place = match byte {
        b'0'..=b'9' => byte.checked_sub(b'0')?,
        b'A'..=b'Z' => byte.checked_sub(b'A')?.checked_add(10)?,
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(36)?,
        _ => return None,
    };
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_everybody_means() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(
            crc32(b"The quick brown fox jumps over the lazy dog"),
            0x414f_a339
        );
    }

    #[test]
    fn letters_keep_the_order_of_numbers() {
        let shown = |bits: [u8; 32]| {
            let mut out = String::new();
            push_bits(&mut out, &bits);
            out
        };
        let mut one = [0; 32];
        one[31] = 61;

        assert_eq!(shown([0; 32]), "0".repeat(43));
        assert!(shown(one).ends_with("0z"));
        one[31] = 62;
        assert!(shown(one).ends_with("10"));
        assert!(fit_256_bits(&shown([0xff; 32])));
    }

    #[test]
    fn a_number_past_256_bits_is_refused() {
        let mut largest = String::new();
        push_bits(&mut largest, &[0xff; 32]);
        let mut above = largest.clone().into_bytes();
        let last = above.last_mut().unwrap();
        assert!(*last != b'z', "the next letter must exist");
        *last = ALPHABET[usize::from(value(*last).unwrap()) + 1];

        assert!(!fit_256_bits(std::str::from_utf8(&above).unwrap()));
        assert!(!fit_256_bits(&"z".repeat(43)));
    }

    #[test]
    fn a_sum_reads_back_and_never_past_32_bits() {
        for sum in [0, 1, 61, 62, 0xcbf4_3926, u32::MAX] {
            let mut out = String::new();
            push_sum(&mut out, sum);
            assert_eq!((out.len(), read_sum(&out)), (6, Some(sum)));
        }
        assert_eq!(read_sum("zzzzzz"), None);
        assert_eq!(read_sum("00000_"), None);
    }
}

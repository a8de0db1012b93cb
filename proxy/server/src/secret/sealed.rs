//! A key of an upstream that rests encrypted: worth nothing without the gateway's root key, and
//! good for the upstream it was sealed for and no other.

use base64::{Engine, engine::general_purpose::STANDARD};
use bauta_token::{
    ambient::Randomness,
    scope::Name,
    secret::{CellError, Kek, Place, Root},
};
use zeroize::Zeroizing;

use super::Problem;

/// The line that hides `key`.
///
/// # Errors
///
/// When the key cannot be encrypted.
pub(crate) fn seal(
    key: &str,
    upstream: &Name,
    root: &Root,
    randomness: &dyn Randomness,
) -> Result<String, CellError> {
    // Its length tells which kind of key it is: padded, it does not.
    let mut padded = Zeroizing::new(key.as_bytes().to_vec());
    padded.push(b'\n');
    let whole = padded.len().next_multiple_of(PAD);
    padded.resize(whole, b'\n');
    let cell = kek(root)?.seal(&place(upstream), &padded, randomness)?;
    Ok(format!("{HEAD}{}\n", STANDARD.encode(cell)))
}

/// What [`seal`] hid.
pub(super) fn open(
    line: &[u8],
    upstream: &Name,
    root: &Root,
) -> Result<Zeroizing<String>, Problem> {
    let text = std::str::from_utf8(line).map_err(|_| Problem::NotText)?;
    let cell = text.trim_end().strip_prefix(HEAD).ok_or(Problem::Closed)?;
    let cell = STANDARD.decode(cell).map_err(|_| Problem::Closed)?;
    let opened = kek(root).and_then(|kek| kek.open(&place(upstream), &cell));
    let opened = opened.map_err(|_| Problem::Closed)?;
    let key = std::str::from_utf8(&opened).map_err(|_| Problem::NotText)?;
    match key.trim_end_matches('\n') {
        "" => Err(Problem::Empty),
        key => Ok(Zeroizing::new(key.to_owned())),
    }
}

fn kek(root: &Root) -> Result<Kek, CellError> {
    Kek::new(VERSION, &root.derive("upstream-keys/v1")).ok_or(CellError::Refused)
}

fn place(upstream: &Name) -> Place<'_> {
    Place {
        table: "upstream",
        row: upstream.as_str().as_bytes(),
        column: "credential",
    }
}

const HEAD: &str = "bauta-sealed:";
const VERSION: u8 = 1;
/// Longer than most keys.
const PAD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::SystemRandomness;

    #[test]
    fn a_sealed_key_opens_for_its_upstream_and_under_its_root_only() {
        let (root, other) = (root(1), root(2));
        let [anthropic, openai] = ["anthropic", "openai"].map(|it| Name::parse(it).unwrap());
        let line = sealed("sk-canary", &anthropic, &root);

        let opened = open(line.as_bytes(), &anthropic, &root).unwrap();

        assert_eq!(*opened, "sk-canary");
        assert!(open(line.as_bytes(), &openai, &root).is_err());
        assert!(open(line.as_bytes(), &anthropic, &other).is_err());
        for cut in [0, 5, 20, line.len() - 4] {
            assert!(open(&line.as_bytes()[..cut], &anthropic, &root).is_err());
        }
        let mut changed = line.into_bytes();
        let last = changed.len() - 10;
        changed[last] ^= 1;
        assert!(open(&changed, &anthropic, &root).is_err());
    }

    #[test]
    fn a_sealed_key_tells_neither_itself_nor_its_length() {
        let (root, name) = (root(1), Name::parse("a").unwrap());

        let short = sealed("sk-canary", &name, &root);
        let long = sealed(&"sk-canary-".repeat(12), &name, &root);

        assert_eq!(short.len(), long.len());
        assert!(!short.contains("canary"));
        assert_ne!(short, sealed("sk-canary", &name, &root));
    }

    fn sealed(key: &str, upstream: &Name, root: &Root) -> String {
        seal(key, upstream, root, &SystemRandomness::default()).unwrap()
    }

    fn root(seed: u8) -> Root {
        let bytes: Vec<u8> = (0..32_u8)
            .map(|n| n.wrapping_mul(n).wrapping_mul(31) ^ seed)
            .collect();
        Root::new(&bytes).unwrap()
    }
}

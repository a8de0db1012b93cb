//! Looks for planted values in every byte that was written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem::Finder;
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};

use crate::secret::hex;

/// Bytes that must not be found, and what they are.
pub struct Needle {
    name: String,
    finder: Finder<'static>,
}

impl Needle {
    /// A planted value in every form a careless program might have kept it in: as it is, and its
    /// plain hashes, raw, in hex and in base64. What is shorter than six bytes is left out: it
    /// would be found by chance.
    #[must_use]
    pub fn of(field: &str, value: &str) -> Vec<Self> {
        if value.len() < SHORTEST {
            return Vec::new();
        }
        let mut found = vec![Self::new(field.to_owned(), value.as_bytes())];
        for (name, algorithm) in HASHES {
            let hash = digest(algorithm, value.as_bytes());
            let hex = hex(hash.as_ref());
            let forms = [
                hash.as_ref().to_vec(),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
                STANDARD_NO_PAD.encode(hash).into_bytes(),
                URL_SAFE_NO_PAD.encode(hash).into_bytes(),
            ];
            for form in forms {
                found.push(Self::new(format!("the {name} of {field}"), &form));
            }
        }
        found
    }

    fn new(name: String, bytes: &[u8]) -> Self {
        Self {
            name,
            finder: Finder::new(bytes).into_owned(),
        }
    }

    /// Whether `bytes` hold it.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.finder.find(bytes).is_some()
    }

    /// What it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a search found.
pub struct Found {
    /// Files read.
    pub files: usize,
    /// Bytes read.
    pub bytes: usize,
    /// Where something was found, and what.
    pub hits: Vec<(PathBuf, String)>,
}

/// Searches every file under `folder`.
///
/// # Errors
///
/// When a file cannot be read.
pub fn search(folder: &Path, needles: &[Needle]) -> std::io::Result<Found> {
    let mut found = Found {
        files: 0,
        bytes: 0,
        hits: Vec::new(),
    };
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
            continue;
        }
        let bytes = fs::read(&path)?;
        found.files = found.files.saturating_add(1);
        found.bytes = found.bytes.saturating_add(bytes.len());
        for needle in needles.iter().filter(|needle| needle.is_in(&bytes)) {
            found.hits.push((path.clone(), needle.name.clone()));
        }
    }
    Ok(found)
}

const SHORTEST: usize = 6;

const HASHES: [(&str, &Algorithm); 4] = [
    ("SHA-1", &SHA1_FOR_LEGACY_USE_ONLY),
    ("SHA-256", &SHA256),
    ("SHA-384", &SHA384),
    ("SHA-512", &SHA512),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_value_and_its_hash_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/a"), b"..ada@corp.example..").unwrap();
        let hash = digest(&SHA256, b"ada@corp.example");
        fs::write(folder.path().join("b"), hash.as_ref()).unwrap();

        let found = search(folder.path(), &Needle::of("mail", "ada@corp.example")).unwrap();

        assert_eq!((found.files, found.hits.len()), (2, 2));
    }

    #[test]
    fn what_was_not_written_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"nothing of the kind").unwrap();

        let found = search(folder.path(), &Needle::of("mail", "ada@corp.example")).unwrap();

        assert!(found.hits.is_empty());
    }
}

//! Where a secret is: in the environment or in a file, never in the configuration.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bauta_proxy::config::SecretSource;
use bauta_token::{scope::Name, secret::Root};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) mod sealed;

/// `{ env = "NAME" }` or `{ file = "path" }`; of an upstream also `{ sealed = "path" }`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(from = "SecretSource")]
#[non_exhaustive]
pub enum SecretRef {
    /// An environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// A file that nobody but its owner may read.
    File {
        /// Relative to the configuration's folder.
        file: PathBuf,
    },
    /// A file that `bauta keys seal` wrote.
    Sealed {
        /// Relative to the configuration's folder.
        sealed: PathBuf,
    },
}

impl From<&SecretSource> for SecretRef {
    fn from(source: &SecretSource) -> Self {
        source.clone().into()
    }
}

impl From<SecretSource> for SecretRef {
    fn from(source: SecretSource) -> Self {
        match source {
            SecretSource::File(file) => Self::File { file },
            SecretSource::Env(env) => Self::Env { env },
            SecretSource::Sealed(sealed) => Self::Sealed { sealed },
            // The kinds are these two; another one names nothing, and that is said when it is read.
            _ => Self::Env { env: String::new() },
        }
    }
}

impl SecretRef {
    /// The secret as text, without the line end that editors add.
    ///
    /// # Errors
    ///
    /// When it is not there, is empty, or the file may be read by others.
    pub fn text(&self, base: &Path) -> Result<Zeroizing<String>, SecretError> {
        let bytes = self.bytes(base)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.refused(base, Problem::NotText))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(self.refused(base, Problem::Empty));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The secret as a key: 32 raw bytes, or 64 hex digits.
    ///
    /// # Errors
    ///
    /// When it is not there, may be read by others, or is no such key.
    pub fn key(&self, base: &Path) -> Result<Zeroizing<[u8; 32]>, SecretError> {
        let bytes = self.bytes(base)?;
        if let Ok(raw) = <[u8; 32]>::try_from(bytes.as_slice()) {
            return Ok(Zeroizing::new(raw));
        }
        let digits = bytes.trim_ascii_end();
        let mut key = Zeroizing::new([0; 32]);
        if digits.len() != 64 {
            return Err(self.refused(base, Problem::NotAKey));
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let text =
                std::str::from_utf8(pair).map_err(|_| self.refused(base, Problem::NotAKey))?;
            *byte =
                u8::from_str_radix(text, 16).map_err(|_| self.refused(base, Problem::NotAKey))?;
        }
        Ok(key)
    }

    /// The secret as it is, for a key in a format of its own.
    ///
    /// # Errors
    ///
    /// When it is not there, or may be read by others.
    pub fn whole(&self, base: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.bytes(base)
    }

    /// A key of `upstream`: as [`SecretRef::text`], and opened with the gateway's root where it is
    /// sealed.
    ///
    /// # Errors
    ///
    /// As [`SecretRef::text`], and when it was sealed for another upstream or under another root.
    pub fn upstream_key(
        &self,
        base: &Path,
        upstream: &Name,
        root: &Root,
    ) -> Result<Zeroizing<String>, SecretError> {
        let Self::Sealed { sealed } = self else {
            return self.text(base);
        };
        let opened = read(&base.join(sealed)).and_then(|line| sealed::open(&line, upstream, root));
        opened.map_err(|problem| self.refused(base, problem))
    }

    fn bytes(&self, base: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match self {
            Self::Env { env } => std::env::var(env)
                .map(|value| Zeroizing::new(value.into_bytes()))
                .map_err(|_| self.refused(base, Problem::Unset)),
            Self::File { file } => {
                private(&base.join(file)).map_err(|problem| self.refused(base, problem))
            }
            Self::Sealed { .. } => Err(self.refused(base, Problem::NotHere)),
        }
    }

    fn refused(&self, base: &Path, problem: Problem) -> SecretError {
        let place = match self {
            Self::Env { env } => format!("environment variable {env}"),
            Self::File { file } | Self::Sealed { sealed: file } => {
                // Whole, since what it is relative to is the configuration's folder and not the
                // one that the command was typed in.
                let file = base.join(file);
                let file = std::path::absolute(&file).unwrap_or(file);
                format!("file {}", file.display())
            }
        };
        SecretError { place, problem }
    }
}

/// A file whose contents say nothing: whoever may, reads it.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let file = File::open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Problem::Absent,
        _ => Problem::Io(cause),
    })?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let file = File::open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Problem::Absent,
        _ => Problem::Io(cause),
    })?;
    // Asked of the open file, not of the path: what is checked is what is read.
    let mode = file.metadata()?.mode();
    if mode & 0o077 != 0 {
        return Err(Problem::Loose(mode & 0o777));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// Why a secret cannot be used. Never holds any of it.
#[derive(Debug, Error)]
#[error("the secret in {place} cannot be used: {problem}")]
pub struct SecretError {
    place: String,
    problem: Problem,
}

#[derive(Debug, Error)]
enum Problem {
    #[error("it is not set; set it, or name another with {{ env = \"NAME\" }}")]
    Unset,
    #[error(
        "it is not there; `bauta init` makes the keys, and any other secret you put there with \
         mode 600"
    )]
    Absent,
    #[error("it is empty")]
    Empty,
    #[error("it is not text")]
    NotText,
    #[error("a key is 32 raw bytes or 64 hex digits; make one with `openssl rand -hex 32`")]
    NotAKey,
    #[error("others may read it (mode {0:o}); run `chmod 600` on it")]
    Loose(u32),
    #[error("it is sealed, and only a key of an upstream can be; write env or file")]
    NotHere,
    #[error(
        "it does not open: it was sealed for another upstream, or under another keys.gateway, or \
         it is damaged; seal the key again with `bauta keys seal`"
    )]
    Closed,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// No secret is longer.
const LIMIT: u64 = 65_536;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_key_file_that_others_may_read_is_refused_by_name_and_mend() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pepper");
        fs::write(&path, [7; 32]).unwrap();
        let secret = SecretRef::File {
            file: "pepper".into(),
        };

        for mode in [0o640, 0o604, 0o620, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = secret.key(folder.path()).err().unwrap().to_string();
            assert!(
                error.contains("pepper") && error.contains("chmod 600"),
                "{error}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(*secret.key(folder.path()).unwrap(), [7; 32]);
    }

    #[test]
    fn cry_01_a_key_is_32_bytes_or_64_digits_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        let secret = SecretRef::File { file: "kek".into() };
        let hex = "0f".repeat(32);
        let with_line_end = format!("{hex}\n");

        for good in [hex.as_bytes(), with_line_end.as_bytes()] {
            write(&path, good);
            assert_eq!(*secret.key(folder.path()).unwrap(), [0x0f; 32]);
        }
        let pem =
            b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
        let short = [1_u8; 31];
        for bad in [
            b"".as_slice(),
            b"password",
            &short,
            pem,
            "zz".repeat(32).as_bytes(),
        ] {
            write(&path, bad);
            assert!(secret.key(folder.path()).is_err());
        }
    }

    #[test]
    fn a_missing_file_is_named_whole_and_says_who_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = SecretRef::File {
            file: "keys/kek".into(),
        };

        let error = secret.key(folder.path()).err().unwrap().to_string();

        let whole = folder.path().join("keys/kek");
        assert!(error.contains(whole.to_str().unwrap()), "{error}");
        assert!(error.contains("bauta init"), "{error}");
    }

    fn write(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

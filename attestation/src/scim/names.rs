//! What a directory calls somebody, for the one that insists on getting it back: sealed under a key
//! of its own, opened to answer that directory and to show the member what is kept.

use bauta_token::{
    ambient::Randomness,
    secret::{CellError, Kek, Place},
};
use zeroize::Zeroizing;

use super::body::Personal;

/// A name and an `externalId`.
pub(super) struct Names {
    /// `userName` of a person, `displayName` of a group.
    pub(super) name: Personal,
    pub(super) external: Option<Personal>,
}

/// The table that names are kept in.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Users,
    Groups,
}

impl Table {
    const fn place(self, row: &[u8; 16]) -> Place<'_> {
        Place {
            table: match self {
                Self::Users => "directory_user",
                Self::Groups => "directory_group",
            },
            row,
            column: "names",
        }
    }
}

impl Names {
    /// Sealed to its row.
    pub(super) fn seal(
        &self,
        table: Table,
        row: &[u8; 16],
        key: &Kek,
        randomness: &dyn Randomness,
    ) -> Result<Vec<u8>, CellError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(1_100));
        let length = u16::try_from(self.name.reveal().len()).map_err(|_| CellError::Refused)?;
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(self.name.reveal().as_bytes());
        if let Some(external) = &self.external {
            plain.push(1);
            plain.extend_from_slice(external.reveal().as_bytes());
        }
        key.seal(&table.place(row), &plain, randomness)
    }

    /// What [`Names::seal`] sealed.
    pub(super) fn open(
        cell: &[u8],
        table: Table,
        row: &[u8; 16],
        key: &Kek,
    ) -> Result<Self, CellError> {
        let plain = key.open(&table.place(row), cell)?;
        Self::read(&plain).ok_or(CellError::Refused)
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let (length, rest) = plain.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let text = |bytes| std::str::from_utf8(bytes).ok().map(Personal::new);
        let external = match rest.split_first() {
            None => None,
            Some((1, external)) => Some(text(external)?),
            Some(_) => return None,
        };
        Some(Self {
            name: text(name)?,
            external,
        })
    }
}

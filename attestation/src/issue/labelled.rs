//! Labels: how a member tells its tokens apart.

use bauta_token::secret::{CellError, Place};

use super::holder::TABLE;
use crate::{
    Plane,
    ports::{Lookup, grants::KeptGrant},
};

/// What a member calls a token: 1 to 40 letters, digits, spaces and `. _ - ( ) /`. Kept encrypted,
/// since people write what they should not. No `@`: an address does not belong here.
pub struct Label(String);

impl Label {
    /// `None` when it is no label.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = |c: char| c.is_alphanumeric() || " ._-()/".contains(c);
        let good = (1..=LONGEST).contains(&text.chars().count())
            && text.len() <= PADDED
            && text.chars().all(fits);
        good.then(|| Self(text.to_owned()))
    }

    /// As typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Plane {
    /// Padded, so that not even its length shows.
    pub(super) fn seal_label(&self, id: Lookup, label: &Label) -> Result<Vec<u8>, CellError> {
        let mut plain = label.0.clone().into_bytes();
        plain.resize(PADDED, 0);
        self.keys.kek().seal(&place(&id), &plain, &*self.randomness)
    }

    /// The label of a grant; `None` when it has none or it does not open.
    #[must_use]
    pub fn open_label(&self, grant: &KeptGrant) -> Option<Label> {
        let cell = grant.label.as_ref()?;
        let plain = self.keys.kek().open(&place(&grant.id), cell).ok()?;
        let text = std::str::from_utf8(&plain).ok()?;
        Label::parse(text.trim_end_matches('\0'))
    }
}

const fn place(id: &Lookup) -> Place<'_> {
    Place {
        table: TABLE,
        row: &id.0,
        column: "label",
    }
}

const LONGEST: usize = 40;
/// Room for forty letters of any script.
const PADDED: usize = 160;

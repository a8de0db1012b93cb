//! Whose a grant is: found by a keyed hash, told by a cell that only the key opens.

use bauta_token::{
    pseudonym::Pseudonym,
    secret::{CellError, Place},
};

use crate::{
    Plane,
    ports::{
        Lookup, MemberId,
        grants::{Handle, KeptGrant},
    },
};

/// Whose a grant is, and the name that its tokens have as `sub`.
pub(crate) struct OpenGrant {
    pub(crate) member: MemberId,
    pub(crate) sub: Pseudonym,
}

impl Plane {
    /// What a member's grants are found by.
    pub(crate) fn holder(&self, member: MemberId) -> Lookup {
        self.keys.lookup("bauta/holder/v1", &[member.as_bytes()])
    }

    /// What the grant with this `sub` is kept under. The gateway knows the `sub`, this plane's
    /// database only the hash: the two databases share no name.
    pub(crate) fn grant_id(&self, sub: &Pseudonym) -> Lookup {
        self.keys
            .lookup("bauta/grant/v1", &[sub.as_str().as_bytes()])
    }

    /// What the feed calls the grant with this `sub`, and its tokens carry as `end`.
    pub(crate) fn end_of(&self, sub: &Pseudonym) -> Pseudonym {
        let key = self.keys.mac("grant-end/v1");
        Pseudonym::from_bytes(&key.tag("bauta/grant-end/v1", &[sub.as_str().as_bytes()]))
    }

    pub(crate) fn seal_grant(
        &self,
        id: Lookup,
        member: MemberId,
        sub: &Pseudonym,
    ) -> Result<Handle, CellError> {
        let mut plain = member.as_bytes().to_vec();
        plain.extend_from_slice(sub.as_str().as_bytes());
        let place = place(TABLE, &id.0);
        self.keys
            .kek()
            .seal(&place, &plain, &*self.randomness)
            .map(Handle)
    }

    pub(crate) fn open_grant(&self, grant: &KeptGrant) -> Result<OpenGrant, CellError> {
        let place = place(TABLE, &grant.id.0);
        let plain = self.keys.kek().open(&place, &grant.handle.0)?;
        let (member, sub) = plain.split_first_chunk::<16>().ok_or(CellError::Refused)?;
        let sub = std::str::from_utf8(sub).ok().and_then(Pseudonym::parse);
        Ok(OpenGrant {
            member: MemberId(*member),
            sub: sub.ok_or(CellError::Refused)?,
        })
    }

    /// A member id in a row of `table` that is found by `row`.
    pub(crate) fn seal_member(
        &self,
        table: &'static str,
        row: &[u8; 32],
        member: MemberId,
    ) -> Result<Handle, CellError> {
        self.keys
            .kek()
            .seal(&place(table, row), member.as_bytes(), &*self.randomness)
            .map(Handle)
    }

    pub(crate) fn open_member(
        &self,
        table: &'static str,
        row: &[u8; 32],
        handle: &Handle,
    ) -> Result<MemberId, CellError> {
        let plain = self.keys.kek().open(&place(table, row), &handle.0)?;
        let member = plain
            .as_slice()
            .try_into()
            .map_err(|_| CellError::Refused)?;
        Ok(MemberId(member))
    }
}

const fn place<'r>(table: &'static str, row: &'r [u8; 32]) -> Place<'r> {
    Place {
        table,
        row,
        column: "handle",
    }
}

pub(super) const TABLE: &str = "member_grant";
/// Where device logins are kept.
pub(crate) const DEVICE: &str = "device_code";
/// Where authorization codes are kept.
pub(crate) const CODE: &str = "auth_code";

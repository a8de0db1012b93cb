//! The tag: how a member is recognised without keeping who it is.
//!
//! `tag = HMAC-SHA-256(pepper, Argon2id(issuer, subject, organisation's salt))`. Hashing alone is a
//! speed bump, since a directory can be tried name by name; the pepper, which is not in the
//! database, is the protection. The look-ups for logout tokens and for leavers come from the same
//! memory-hard value, so that with every key stolen a guess still costs one Argon2id.
//!
//! Peppers rotate by wrapping: a new pepper is put around every tag, and the next sign-in replaces
//! the wrapped tag by a fresh one.

use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{
    keys::Keys,
    ports::{Lookup, MemberId, people::TagRow},
};

/// Who the identity provider says it is. Lives between the ID token and the tag, in memory only:
/// it cannot be printed, copied, stored or sent.
pub(crate) struct Subject {
    issuer: Zeroizing<String>,
    value: Zeroizing<String>,
}

impl Subject {
    /// The person whom `issuer` calls `value`; `None` when that is empty or too long to be one.
    pub(crate) fn new(issuer: &str, value: &str) -> Option<Self> {
        let value = normal(value);
        (!value.is_empty() && value.len() <= LONGEST && issuer.len() <= LONGEST).then(|| Self {
            issuer: Zeroizing::new(issuer.to_owned()),
            value,
        })
    }

    /// Whether both name the same person.
    pub(crate) fn is(&self, other: &Self) -> bool {
        *self.issuer == *other.issuer && *self.value == *other.value
    }

    /// The memory-hard value that everything else comes from.
    ///
    /// Runs on a thread of its own, a few at a time: each takes [`MEMORY_KIB`] of memory and a tenth
    /// of a second, which is what a guess costs an attacker, and must not stop the plane.
    pub(crate) async fn harden(
        self,
        salt: &[u8; 32],
        places: &Semaphore,
    ) -> Result<Hardened, TagError> {
        let _place = places.acquire().await.map_err(|_| TagError)?;
        let salt = *salt;
        tokio::task::spawn_blocking(move || self.hash(&salt))
            .await
            .map_err(|_| TagError)?
    }

    fn hash(&self, salt: &[u8; 32]) -> Result<Hardened, TagError> {
        let mut text = Zeroizing::new(Vec::with_capacity(
            self.issuer
                .len()
                .saturating_add(self.value.len())
                .saturating_add(24),
        ));
        text.extend_from_slice(b"bauta/tag/v1");
        for part in [&self.issuer, &self.value] {
            // Its length first: no two pairs are ever the same bytes.
            text.extend_from_slice(
                &u32::try_from(part.len())
                    .map_err(|_| TagError)?
                    .to_be_bytes(),
            );
            text.extend_from_slice(part.as_bytes());
        }
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|_| TagError)?;
        let mut out = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&text, salt, &mut *out)
            .map_err(|_| TagError)?;
        Ok(Hardened(out))
    }
}

/// Argon2id of a subject. Gives tags and look-ups, and is then forgotten.
pub(crate) struct Hardened(Zeroizing<[u8; 32]>);

impl Hardened {
    /// The tag for a new member or a fresh one for an old: under the newest pepper only.
    pub(crate) fn fresh(&self, member: MemberId, keys: &Keys) -> Option<TagRow> {
        let (number, pepper) = keys.peppers().next_back()?;
        Some(TagRow {
            member,
            tag: Lookup(pepper.tag(TAG, &[&*self.0])),
            pepper_from: number,
            pepper_to: number,
        })
    }

    /// Every tag this person may have, whichever peppers it went through.
    pub(crate) fn candidates(&self, keys: &Keys) -> Vec<Lookup> {
        let mut out = Vec::new();
        for (from, first) in keys.peppers() {
            let mut tag = first.tag(TAG, &[&*self.0]);
            out.push(Lookup(tag));
            for (_, pepper) in keys.peppers().filter(|(number, _)| *number > from) {
                tag = pepper.tag(WRAP, &[&tag]);
                out.push(Lookup(tag));
            }
        }
        out
    }

    /// What a logout token's `sub` is looked up by.
    pub(crate) fn logout(&self, keys: &Keys) -> Lookup {
        keys.lookup("idp-subject/v1", &[&*self.0])
    }

    /// What a directory's leaver is looked up by.
    pub(crate) fn join(&self, keys: &Keys) -> Lookup {
        keys.lookup("scim/v1", &[&*self.0])
    }

    /// What the directory finds somebody by: its `userName`.
    pub(crate) fn user_name(&self, keys: &Keys) -> Lookup {
        keys.lookup("scim-user-name/v1", &[&*self.0])
    }

    /// What the directory finds somebody by: its `externalId`.
    pub(crate) fn external(&self, keys: &Keys) -> Lookup {
        keys.lookup("scim-external/v1", &[&*self.0])
    }
}

/// `old` with every newer pepper around it.
pub(crate) fn wrapped(old: &TagRow, keys: &Keys) -> TagRow {
    keys.peppers()
        .filter(|(number, _)| *number > old.pepper_to)
        .fold(*old, |row, (number, pepper)| TagRow {
            tag: Lookup(pepper.tag(WRAP, &[&row.tag.0])),
            pepper_to: number,
            ..row
        })
}

/// Blanks around it are nobody's, and the letters of a UUID have no case. All else is as it is:
/// two subjects that differ in case are two people.
fn normal(value: &str) -> Zeroizing<String> {
    let value = value.trim();
    Zeroizing::new(if is_uuid(value) {
        value.to_ascii_lowercase()
    } else {
        value.to_owned()
    })
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The hash could not be made: out of memory, or the plane is stopping.
#[derive(Clone, Copy, Debug, Error)]
#[error("a tag could not be made")]
pub struct TagError;

const TAG: &str = "tag/v1";
const WRAP: &str = "tag-wrap/v1";

/// No subject or issuer is longer.
const LONGEST: usize = 512;

// Part of the format: another value makes other tags. Above the floor of 19 MiB and 2 passes.
/// 46 MiB.
const MEMORY_KIB: u32 = 47_104;
const PASSES: u32 = 2;
const LANES: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyMaterial;

    fn key(seed: u8) -> Zeroizing<[u8; 32]> {
        let digest = ring::digest::digest(&ring::digest::SHA256, &[seed]);
        Zeroizing::new(digest.as_ref().try_into().unwrap())
    }

    fn keys(peppers: &[u8]) -> Keys {
        Keys::new(KeyMaterial {
            peppers: peppers.iter().map(|seed| key(*seed)).collect(),
            kek: key(200),
        })
        .unwrap()
    }

    fn hardened(issuer: &str, value: &str) -> Hardened {
        Subject::new(issuer, value).unwrap().hash(&[9; 32]).unwrap()
    }

    #[test]
    fn a_tag_is_what_another_implementation_makes() {
        // Python: argon2.low_level.hash_secret_raw(b"bauta/tag/v1" + len32 + issuer + len32 + subject,
        // b"\x09" * 32, time_cost=2, memory_cost=47104, parallelism=1, hash_len=32, type=Type.ID)
        let made = hardened("https://idp.example", "00u1alice");

        assert_eq!(crate::qualify::policy::hex(&*made.0), VECTOR);
    }

    #[test]
    fn one_person_is_found_under_every_chain_of_peppers() {
        let person = hardened("https://idp.example", "alice");
        let (old, new) = (keys(&[1]), keys(&[1, 2, 3]));
        let kept = person.fresh(MemberId([0; 16]), &old).unwrap();

        let turned = wrapped(&kept, &new);

        assert_eq!((turned.pepper_from, turned.pepper_to), (1, 3));
        assert!(person.candidates(&new).contains(&turned.tag));
        assert!(person.candidates(&new).contains(&kept.tag));
        assert!(!person.candidates(&keys(&[1, 3])).contains(&turned.tag));
    }

    #[test]
    fn another_person_another_issuer_and_another_pepper_give_another_tag() {
        let tags: Vec<_> = [
            (hardened("https://idp.example", "alice"), keys(&[1])),
            (hardened("https://idp.example", "Alice"), keys(&[1])),
            (hardened("https://idp.example/", "alice"), keys(&[1])),
            (hardened("https://idp.examplea", "lice"), keys(&[1])),
            (hardened("https://idp.example", "alice"), keys(&[2])),
        ]
        .iter()
        .map(|(person, keys)| person.fresh(MemberId([0; 16]), keys).unwrap().tag)
        .collect();

        for (place, tag) in tags.iter().enumerate() {
            assert!(
                !tags.iter().skip(place + 1).any(|other| other == tag),
                "{place}"
            );
        }
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "a promise prints its figure")]
    fn cry_06_a_stolen_tag_matches_no_guess_without_the_pepper() {
        let victim = hardened("https://idp.example", "alice");
        let stolen = victim.fresh(MemberId([0; 16]), &keys(&[1])).unwrap().tag;

        // The thief knows issuer, salt and the whole directory, and draws peppers of its own.
        let found = ["alice", "bob", "carol"]
            .iter()
            .map(|name| hardened("https://idp.example", name))
            .flat_map(|guess| guess.candidates(&keys(&[7, 8])))
            .filter(|tag| *tag == stolen)
            .count();

        println!("tags recovered without the pepper: {found} of 1");
        assert_eq!(found, 0);
    }

    #[test]
    fn a_uuid_has_no_case_and_a_name_does() {
        let one = Subject::new("i", "6F9619FF-8B86-D011-B42D-00CF4FC964FF").unwrap();
        let two = Subject::new("i", " 6f9619ff-8b86-d011-b42d-00cf4fc964ff ").unwrap();

        assert!(one.is(&two));
        assert!(
            !Subject::new("i", "Ada")
                .unwrap()
                .is(&Subject::new("i", "ada").unwrap())
        );
        assert!(Subject::new("i", "  ").is_none());
        assert!(Subject::new("i", &"x".repeat(513)).is_none());
    }

    const VECTOR: &str = "18eade3318277630b967899715e42927f6afb7c1cd2c7b2157b9107e11e9aec4";
}

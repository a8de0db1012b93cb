//! What a member's machine holds: whom it signed in to, and the tokens of each scope.

use std::collections::BTreeMap;

use bauta_token::{
    scope::Name,
    secret::{Plain, RefreshToken},
    units::UnixMillis,
};
use zeroize::Zeroizing;

use crate::origin::Origin;

/// An access token as its holder has it. Wiped when dropped.
pub struct Access(Zeroizing<String>);

impl Access {
    /// Takes a token for what it is: opaque. `None` for what no header could carry or a terminal
    /// would obey.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        let fits = (1..=LONGEST).contains(&text.len());
        (visible && fits).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The token, for the gateway and for the member's own tools.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The tokens of one scope.
pub struct Grant {
    /// For the gateway.
    pub access: Access,
    /// For the next pair; good once.
    pub refresh: Plain<RefreshToken>,
    /// When this pair was asked for, by this machine's clock.
    pub obtained_at: UnixMillis,
    /// When `access` ends, by this machine's clock.
    pub expires_at: UnixMillis,
    /// When `access` was last handed to a tool that comes back for another when it is refused.
    pub handed_at: Option<UnixMillis>,
}

/// All that is kept.
pub struct SignIn {
    /// The server.
    pub issuer: Origin,
    /// Where the tokens are used.
    pub gateway: Origin,
    /// The scope that is meant when none is named.
    pub first: Name,
    /// The tokens of each scope that was signed in for.
    pub grants: BTreeMap<Name, Grant>,
}

impl SignIn {
    /// The scope that `wanted` means here.
    #[must_use]
    pub fn scope<'s>(&'s self, wanted: Option<&'s Name>) -> &'s Name {
        wanted.unwrap_or(&self.first)
    }

    /// Forgets the tokens of `scope`; another scope takes its place as the first.
    pub fn forget(&mut self, scope: &Name) -> Option<Grant> {
        let gone = self.grants.remove(scope);
        if self.first == *scope
            && let Some(next) = self.grants.keys().next()
        {
            self.first = next.clone();
        }
        gone
    }
}

const LONGEST: usize = 16 * 1024;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bauta_token::ambient::Randomness;

    /// Counts up: different at each call, the same in each run.
    #[derive(Default)]
    pub(crate) struct Counted(std::sync::atomic::AtomicU8);

    impl Randomness for Counted {
        fn fill(&self, bytes: &mut [u8]) {
            let next = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            bytes.fill(next);
        }
    }

    pub(crate) fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    pub(crate) fn sign_in(scopes: &[&str]) -> SignIn {
        let randomness = Counted::default();
        let grant = |scope: &str| Grant {
            access: Access::parse(&format!("bauta_access-{scope}")).unwrap(),
            refresh: Plain::generate(&randomness),
            obtained_at: UnixMillis(1_000),
            expires_at: UnixMillis(3_601_000),
            handed_at: None,
        };
        SignIn {
            issuer: Origin::parse("https://ai.example.com").unwrap(),
            gateway: Origin::parse("https://gw.example.com").unwrap(),
            first: name(scopes[0]),
            grants: scopes.iter().map(|s| (name(s), grant(s))).collect(),
        }
    }

    /// Ambiguous, and so no call compiles, for a type that has one of the three.
    trait Silent<A> {
        fn is_silent() {}
    }
    impl<T: ?Sized> Silent<()> for T {}
    impl<T: ?Sized + std::fmt::Debug> Silent<u8> for T {}
    impl<T: ?Sized + serde::Serialize> Silent<u16> for T {}
    impl<T: Clone> Silent<u32> for T {}

    #[test]
    fn prv_05_no_token_can_be_printed_written_or_copied() {
        <Access as Silent<_>>::is_silent();
        <Grant as Silent<_>>::is_silent();
        <SignIn as Silent<_>>::is_silent();
        <crate::login::Waiting as Silent<_>>::is_silent();
        <crate::login::Issued as Silent<_>>::is_silent();
        <crate::login::device::Device as Silent<_>>::is_silent();
        <crate::renew::Current as Silent<_>>::is_silent();
    }

    #[test]
    fn a_token_that_a_terminal_would_obey_is_none() {
        assert!(Access::parse("bauta_eyJ.x-_").is_some());
        for bad in ["", "a b", "a\n", "\u{1b}[2J", "é", &"a".repeat(LONGEST + 1)] {
            assert!(Access::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_forgotten_first_scope_leaves_its_place_to_another() {
        let mut sign_in = sign_in(&["frontier", "local"]);

        assert!(sign_in.forget(&name("frontier")).is_some());

        assert_eq!(sign_in.scope(None), &name("local"));
        assert!(sign_in.forget(&name("frontier")).is_none());
    }
}

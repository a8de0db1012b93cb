//! Corporate sign-in: OpenID Connect, code flow with PKCE.

pub mod session;

pub use session::SignedInMember;

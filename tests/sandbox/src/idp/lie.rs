//! The lies a provider can be told to tell, each once.

/// Something that an honest provider does not do at sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Lie {
    /// The ID token carries somebody else's nonce.
    WrongNonce,
    /// The ID token carries no nonce.
    NoNonce,
    /// The ID token names another issuer.
    WrongIssuer,
    /// The ID token names the issuer with a slash at the end.
    IssuerSlash,
    /// The ID token is for another application.
    WrongAudience,
    /// The ID token is for us and for another application, without `azp`.
    TwoAudiences,
    /// The ID token expired a minute ago.
    Expired,
    /// The ID token has no end.
    NoExpiry,
    /// The ID token was issued an hour from now.
    FromTheFuture,
    /// The ID token is not valid before an hour from now.
    NotYetValid,
    /// `alg` is `none` and the signature is empty.
    AlgNone,
    /// Signed with the client secret as an HMAC key.
    AlgHs256,
    /// Signed with a key that nobody published, under the id of one that was.
    OtherKeySameKid,
    /// Signed well, under a key id that does not exist.
    UnknownKid,
    /// A good token with one byte of its signature changed.
    BrokenSignature,
    /// The type of a logout token.
    WrongType,
    /// A header that must be understood and cannot be.
    Critical,
    /// No subject.
    NoSubject,
    /// Two subjects.
    TwoSubjects,
    /// `groups` is a string instead of a list.
    GroupsAsText,
    /// 250 groups: the claim is replaced by a pointer to where they are.
    GroupsElsewhere,
    /// No groups at all.
    NoGroups,
    /// `at_hash` belongs to another access token.
    WrongAccessHash,
    /// The person signed in a day ago, whatever `max_age` says.
    StaleSignIn,
    /// The answer to the browser has no `iss`.
    NoIssParameter,
    /// The answer to the browser names another issuer.
    OtherIssParameter,
    /// The answer to the browser carries another `state`.
    OtherState,
    /// The answer to the browser has no `state`.
    NoState,
    /// Discovery names another issuer.
    DiscoveryOtherIssuer,
    /// Discovery names the issuer with a slash at the end.
    DiscoverySlash,
    /// Discovery points to keys on a link-local address.
    DiscoveryKeysElsewhere,
    /// Userinfo speaks of somebody else.
    UserinfoOtherSubject,
}

impl Lie {
    pub(super) fn in_discovery(self) -> bool {
        matches!(
            self,
            Self::DiscoveryOtherIssuer | Self::DiscoverySlash | Self::DiscoveryKeysElsewhere
        )
    }

    pub(super) fn in_redirect(self) -> bool {
        matches!(
            self,
            Self::NoIssParameter | Self::OtherIssParameter | Self::OtherState | Self::NoState
        )
    }

    pub(super) fn in_userinfo(self) -> bool {
        matches!(self, Self::UserinfoOtherSubject)
    }

    pub(super) fn in_token(self) -> bool {
        !self.in_discovery() && !self.in_redirect() && !self.in_userinfo()
    }
}

/// Something wrong with a logout token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LogoutLie {
    /// Nothing.
    Honest,
    /// It carries a nonce, which only ID tokens do.
    WithNonce,
    /// It does not say that it is about logging out.
    NoEvents,
    /// The type of an ID token.
    WrongType,
    /// For another application.
    WrongAudience,
    /// From another issuer.
    WrongIssuer,
    /// Expired a minute ago.
    Expired,
    /// Neither subject nor session.
    Nobody,
    /// No token id.
    NoId,
    /// `alg` is `none` and the signature is empty.
    AlgNone,
    /// Signed with a key that nobody published.
    OtherKeySameKid,
}

//! The reasons for which a token is refused, as operators and callers are told them.
//!
//! A reason names a kind of defect and nothing of the token.

/// The reason for which a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The text is no signed token, or a claim has a wrong type.
    #[error("it is malformed")]
    Malformed,
    /// The head names another algorithm than the mode takes, or what is not understood.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// The issuer is not in the allow-list.
    #[error("its issuer is not allowed")]
    Issuer,
    /// The issuer has no key of that id that signs with the algorithm.
    #[error("its key is not one of its issuer's")]
    Key,
    /// The signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// The end has passed.
    #[error("it has expired")]
    Expired,
    /// There is no end.
    #[error("it never expires")]
    NoExpiry,
    /// The token is not valid yet.
    #[error("it is not valid yet")]
    NotYet,
    /// The token is for others.
    #[error("it is not for this audience")]
    Audience,
    /// The token is of a kind that is no caller's, such as a refresh token.
    #[error("it is no access token")]
    Kind,
    /// The token's tenant can be none.
    #[error("its tenant is illegal")]
    Tenant,
}

impl Refused {
    /// Returns the reason's id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NoExpiry => "no-expiry",
            Self::NotYet => "not-yet-valid",
            Self::Audience => "audience",
            Self::Kind => "kind",
            Self::Tenant => "tenant",
        }
    }
}

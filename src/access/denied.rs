//! The refusals of callers: who they are is not known, or what they ask for is not allowed.
//!
//! `Tokens`, `Caller` and the surfaces make them; the surfaces answer with them. A refusal names
//! the kind of defect, and never shows a token.

use super::permission::Permission;
use super::refused::Refused;

/// The reason for which a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no token.
    #[error("the request has no token: X-Okapi-Token or Authorization: Bearer")]
    NoToken,
    /// The token is refused.
    #[error("the token is refused: {0}")]
    Token(#[from] Refused),
    /// The keys of the issuer that the token names can't be had now.
    #[error(
        "the keys of the token's issuer are not known, since it can't be reached, or too many \
         issuers that nobody knows are asked first"
    )]
    KeysUnavailable,
    /// The tenant that is asked for is not the token's.
    #[error("the token is of another tenant than the header `X-Okapi-Tenant`")]
    Tenant,
    /// The user that is named is not the token's.
    #[error("the token is of another user than the header `X-Okapi-User-Id`, or of none")]
    User,
    /// A permission is missing.
    #[error("the permission `{}` is missing", .0.name)]
    Permission(Permission),
}

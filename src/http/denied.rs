//! The refusals of callers: who they are is not known, or what they ask for is not allowed.
//!
//! `token`, `context` and `allowed` make them; `problem` answers with them. A refusal names the
//! kind of defect, and never shows a token.

use super::permission::Permission;
use super::problem::kind::Kind;
use super::token::Refused;

/// The reason for which a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("the request has no token: X-Okapi-Token or Authorization: Bearer")]
    NoToken,
    #[error("the token is refused: {0}")]
    Token(#[from] Refused),
    #[error(
        "the keys of the token's issuer are not known, since it can't be reached, or too many \
         issuers that nobody knows are asked first"
    )]
    KeysUnavailable,
    #[error("the token is of another tenant than the header `X-Okapi-Tenant`")]
    Tenant,
    #[error("the token is of another user than the header `X-Okapi-User-Id`, or of none")]
    User,
    #[error("the permission `{}` is missing", .0.name)]
    Permission(Permission),
}

impl Denied {
    /// Returns the problem's kind.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::NoToken => Kind::NoToken,
            Self::Token(_) => Kind::TokenRefused,
            Self::KeysUnavailable => Kind::KeysUnavailable,
            Self::Tenant => Kind::TenantMismatch,
            Self::User => Kind::UserMismatch,
            Self::Permission(_) => Kind::PermissionMissing,
        }
    }

    /// Returns how the caller should authenticate (RFC 6750, section 3), if that would help.
    pub(super) fn challenge(self) -> Option<String> {
        match self {
            Self::NoToken => Some("Bearer".to_owned()),
            Self::Token(why) => {
                Some(format!(r#"Bearer error="invalid_token", error_description="{why}""#))
            }
            Self::Permission(permission) => {
                Some(format!(r#"Bearer error="insufficient_scope", scope="{}""#, permission.name))
            }
            Self::KeysUnavailable | Self::Tenant | Self::User => None,
        }
    }

    /// Returns the value of the message that a program can read without parsing it.
    pub(super) fn parameter(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Token(why) => Some(("reason", why.id())),
            Self::Permission(permission) => Some(("permission", permission.name)),
            Self::NoToken | Self::KeysUnavailable | Self::Tenant | Self::User => None,
        }
    }
}

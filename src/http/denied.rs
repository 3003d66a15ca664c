//! How a caller that is refused is answered: the kind of the problem, and how to authenticate.
//!
//! `problem` answers with them.

use super::problem::kind::Kind;
use crate::access::Denied;

/// Returns the kind of problem that a refusal is.
pub(super) fn kind(denied: Denied) -> Kind {
    match denied {
        Denied::NoToken => Kind::NoToken,
        Denied::Token(_) => Kind::TokenRefused,
        Denied::KeysUnavailable => Kind::KeysUnavailable,
        Denied::Tenant => Kind::TenantMismatch,
        Denied::User => Kind::UserMismatch,
        Denied::Permission(_) => Kind::PermissionMissing,
    }
}

/// Returns how the caller should authenticate (RFC 6750, section 3), if that would help.
pub(super) fn challenge(denied: Denied) -> Option<String> {
    match denied {
        Denied::NoToken => Some("Bearer".to_owned()),
        Denied::Token(why) => {
            Some(format!(r#"Bearer error="invalid_token", error_description="{why}""#))
        }
        Denied::Permission(permission) => {
            Some(format!(r#"Bearer error="insufficient_scope", scope="{}""#, permission.name))
        }
        Denied::KeysUnavailable | Denied::Tenant | Denied::User => None,
    }
}

/// Returns the value of the message that a program can read without parsing it.
pub(super) fn parameter(denied: Denied) -> Option<(&'static str, &'static str)> {
    match denied {
        Denied::Token(why) => Some(("reason", why.id())),
        Denied::Permission(permission) => Some(("permission", permission.name)),
        Denied::NoToken | Denied::KeysUnavailable | Denied::Tenant | Denied::User => None,
    }
}

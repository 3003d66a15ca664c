//! Checks Okapi's tokens: signed with HS256 and a key that mod-authtoken shares.
//!
//! Only access tokens are callers'. The permissions are the token's own claims, `permissions` and
//! `extra_permissions`: a header next to it is signed by nobody.

use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::caller::Caller;
use super::claims::{Head, Times, verified};
use super::refused::Refused;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::http::permission::Permissions;

/// The kinds of tokens that callers have.
const KINDS: [&str; 2] = ["access", "legacy-access"];

/// Checks tokens with the shared key.
pub(super) struct Okapi(DecodingKey);

#[derive(Deserialize)]
struct Claims {
    r#type: Option<String>,
    tenant: String,
    user_id: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    extra_permissions: Vec<String>,
}

impl Okapi {
    pub(super) fn new(key: &SecretString) -> Self {
        Self(DecodingKey::from_secret(key.expose_secret().as_bytes()))
    }

    /// Returns the caller whose token it is.
    pub(super) fn caller(&self, token: &str, now: Time) -> Result<Caller, Refused> {
        let algorithm = Head::of(token)?.algorithm(&[("HS256", Algorithm::HS256)])?;
        let claims: Claims = verified(token, &self.0, algorithm)?;
        let Claims { r#type, tenant, user_id, exp, nbf, permissions, extra_permissions } = claims;
        let expires = Times { exp, nbf }.check(now)?;
        if !r#type.is_some_and(|kind| KINDS.contains(&kind.as_str())) {
            return Err(Refused::Kind);
        }
        let tenant = TenantId::parse(&tenant).map_err(|_| Refused::Tenant)?;
        Ok(Caller {
            tenant: Some(tenant),
            user: user_id,
            issuer: None,
            permissions: Permissions::listed(permissions.into_iter().chain(extra_permissions)),
            is_operator: None,
            expires: Some(expires),
        })
    }
}

//! Checks Okapi's tokens: signed with HS256 and a key that mod-authtoken shares.
//!
//! Only access tokens are callers'. The permissions are the token's own claims, `permissions` and
//! `extra_permissions`: a header next to it is signed by nobody.

use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::caller::Caller;
use super::claims::{Head, Times, user, verified};
use super::permission::Permissions;
use super::refused::Refused;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// The kind of tokens that callers have. A `legacy-access` never expires, so it is none of them.
const KIND: &str = "access";

/// Checks tokens with the shared key.
pub(super) struct Okapi(DecodingKey);

#[derive(Deserialize)]
struct Claims {
    r#type: Option<String>,
    tenant: String,
    sub: Option<String>,
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
        let Claims { r#type, tenant, sub, user_id, exp, nbf, permissions, extra_permissions } =
            claims;
        let expires = Times { exp, nbf }.check(now)?;
        if r#type.as_deref() != Some(KIND) {
            return Err(Refused::Kind);
        }
        let tenant = TenantId::parse(&tenant).map_err(|_| Refused::Tenant)?;
        Ok(Caller {
            tenant: Some(tenant),
            user: user(user_id)?,
            subject: sub,
            issuer: None,
            permissions: Permissions::listed(permissions.into_iter().chain(extra_permissions)),
            // No issuer is an operator's: one key signs the tokens of all tenants.
            is_operator: Some(false),
            expires: Some(expires),
            credential: None,
        })
    }
}

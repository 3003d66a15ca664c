//! Checks Keycloak's tokens: signed with RS256 or ES256 and a key that the realm publishes.
//!
//! The issuer must be in an allow-list before anything is fetched from it (`issuers`), and only its
//! own keys count (`jwks`). The tenant is the issuer's realm, and the permissions are the realm's
//! roles.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::caller::Caller;
use super::claims::{Audience, Head, Times, check_audience, stated_issuer, user, verified};
use super::denied::Denied;
use super::issuers::Issuers;
use super::jwks::{Bounds, Jwks, NoKey, Wanted};
use super::permission::Permissions;
use super::refused::Refused;
use super::tenants::KnownTenants;
use crate::clock::Clock;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::metrics::Metrics;

const ALGORITHMS: [(&str, Algorithm); 2] =
    [("RS256", Algorithm::RS256), ("ES256", Algorithm::ES256)];
/// The kind of Keycloak's access tokens. ID tokens are signed with the same keys.
const KIND: &str = "Bearer";
/// The most characters of a key's id.
const KID_MAX: usize = 256;

/// The settings of the mode `keycloak`.
#[derive(Debug, Clone)]
pub struct KeycloakConfig {
    /// The issuers whose tokens are taken.
    pub issuers: Issuers,
    /// The issuers whose tokens are taken, and may have permissions for all tenants.
    pub operator_issuers: Issuers,
    /// The audience that a token must have.
    pub audience: Option<String>,
    /// The time for which an issuer's keys are used without asking it.
    pub keys_ttl: Duration,
    /// The age up to which keys are used while their issuer is unreachable.
    pub keys_stale_max: Duration,
    /// The longest time that a request waits for fresh keys, if it has one that may be used.
    pub keys_wait: Duration,
    /// The longest time in which an issuer must answer.
    pub fetch_timeout: Duration,
    /// The most issuers whose keys are kept.
    pub realms_max: usize,
}

/// Checks tokens with the realms' keys.
pub(super) struct Keycloak {
    config: KeycloakConfig,
    jwks: Arc<Jwks>,
}

/// An issuer that is allowed.
struct Allowed {
    tenant: TenantId,
    /// Whether the list names it, and not any realm.
    is_named: bool,
    is_operator: bool,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    typ: Option<String>,
    aud: Option<Audience>,
    user_id: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default)]
    realm_access: Access,
}

#[derive(Default, Deserialize)]
struct Access {
    #[serde(default)]
    roles: Vec<String>,
}

impl Keycloak {
    pub(super) fn new(
        config: &KeycloakConfig,
        tenants: KnownTenants,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let bounds = Bounds {
            ttl: config.keys_ttl,
            stale_max: config.keys_stale_max,
            wait: config.keys_wait,
            fetch_timeout: config.fetch_timeout,
            realms_max: config.realms_max,
        };
        let jwks = Arc::new(Jwks::new(bounds, tenants, clock, metrics)?);
        Ok(Self { config: config.clone(), jwks })
    }

    /// Returns the caller whose token it is.
    pub(super) async fn caller(&self, token: &str, now: Time) -> Result<Caller, Denied> {
        let head = Head::of(token)?;
        let algorithm = head.algorithm(&ALGORITHMS)?;
        let issuer = stated_issuer(token)?;
        let Allowed { tenant, is_named, is_operator } =
            self.allowed(&issuer).ok_or(Refused::Issuer)?;
        let kid = head.kid.filter(|kid| !kid.is_empty() && kid.len() <= KID_MAX);
        let kid = kid.ok_or(Refused::Key)?;
        let wanted = Wanted { issuer: &issuer, tenant: &tenant, is_named, kid: &kid, algorithm };
        let key = self.jwks.key(wanted).await.map_err(|no_key| match no_key {
            NoKey::Unknown => Refused::Key.into(),
            NoKey::Unavailable => Denied::KeysUnavailable,
        })?;
        let claims = verified(token, &key, algorithm)?;
        let claims = self.check(claims, &issuer, now)?;
        let (claims, expires) = claims;
        Ok(Caller {
            tenant: Some(tenant),
            user: user(claims.user_id)?,
            subject: claims.sub,
            issuer: Some(claims.iss),
            permissions: Permissions::listed(claims.realm_access.roles),
            is_operator: Some(is_operator),
            expires: Some(expires),
            credential: None,
        })
    }

    /// Looks an issuer up in the allow-lists.
    fn allowed(&self, issuer: &str) -> Option<Allowed> {
        let in_list = |list: &Issuers, is_operator| {
            let tenant = list.tenant(issuer)?;
            Some(Allowed { tenant, is_named: list.names(issuer), is_operator })
        };
        let KeycloakConfig { issuers, operator_issuers, .. } = &self.config;
        in_list(operator_issuers, true).or_else(|| in_list(issuers, false))
    }

    /// Checks the claims of a token whose signature fits, and returns them and its end.
    fn check(&self, claims: Claims, issuer: &str, now: Time) -> Result<(Claims, Time), Refused> {
        if claims.iss != issuer {
            return Err(Refused::Issuer);
        }
        let expires = Times { exp: claims.exp, nbf: claims.nbf }.check(now)?;
        if claims.typ.as_deref() != Some(KIND) {
            return Err(Refused::Kind);
        }
        check_audience(claims.aud.as_ref(), self.config.audience.as_deref())?;
        Ok((claims, expires))
    }
}

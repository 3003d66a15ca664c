//! Authenticates the caller of a request, in the way that `AUTH_MODE` sets.
//!
//! `closed` calls it before anything else of a request is read, and gets the caller. Each mode is
//! one file: `perimeter`, `okapi`, `keycloak`. A token is never kept, logged or passed on.

mod base64url;
mod bearer;
mod caller;
mod claims;
mod fetch;
mod issuers;
mod jwks;
mod keycloak;
mod keys;
mod okapi;
mod perimeter;
mod realms;
mod refused;
mod signature;
mod tenants;

use std::sync::Arc;

use actix_web::HttpRequest;
use secrecy::SecretString;

use super::denied::Denied;
use super::permission::Permission;
use super::problem::Problem;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;

pub(super) use caller::Caller;
pub(super) use claims::LEEWAY_MS;
pub use issuers::Issuers;
use keycloak::Keycloak;
pub use keycloak::KeycloakConfig;
use okapi::Okapi;
pub(super) use refused::Refused;
use tenants::KnownTenants;

/// The ways to authenticate callers, set by `AUTH_MODE`.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Okapi or a sidecar in front of the gateway has checked the token, and that its tenant is the
    /// header's.
    Perimeter,
    /// The gateway checks Okapi's tokens with this key.
    Okapi(SecretString),
    /// The gateway checks Keycloak's tokens.
    Keycloak(KeycloakConfig),
}

impl Auth {
    /// Logs who checks tokens, and what that means.
    pub fn log(&self) {
        match self {
            Self::Perimeter => tracing::info!(
                mode = "perimeter",
                "tokens are checked in front of the gateway, and so are permissions, unless a \
                 request has X-Okapi-Permissions"
            ),
            Self::Okapi(_) => tracing::info!(mode = "okapi", "the gateway checks tokens"),
            Self::Keycloak(_) => tracing::info!(mode = "keycloak", "the gateway checks tokens"),
        }
    }
}

/// Authenticates callers.
pub(super) struct Authenticator {
    mode: Mode,
    clock: Arc<dyn Clock>,
}

enum Mode {
    Perimeter,
    Okapi(Okapi),
    Keycloak(Keycloak),
}

impl Authenticator {
    pub(super) fn new(
        auth: &Auth,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        signature::install();
        let mode = match auth {
            Auth::Perimeter => Mode::Perimeter,
            Auth::Okapi(key) => Mode::Okapi(Okapi::new(key)),
            Auth::Keycloak(config) => {
                let tenants = KnownTenants::new(store.clone(), clock.clone());
                Mode::Keycloak(Keycloak::new(config, tenants, clock.clone(), metrics.clone())?)
            }
        };
        Ok(Self { mode, clock: clock.clone() })
    }

    /// Returns whether the caller of a request to an open route, who was not checked before, may do
    /// what concerns all tenants.
    pub(super) async fn lets(&self, request: &HttpRequest, permission: &Permission) -> bool {
        let caller = self.caller(request).await;
        caller.is_ok_and(|caller| caller.check_for_all(permission).is_ok())
    }

    /// Returns the caller of a request.
    pub(super) async fn caller(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        let token = || bearer::bearer(request)?.ok_or(Problem::Denied(Denied::NoToken));
        let now = self.clock.now();
        match &self.mode {
            Mode::Perimeter => perimeter::caller(request),
            Mode::Okapi(okapi) => Ok(okapi.caller(token()?, now).map_err(Denied::Token)?),
            Mode::Keycloak(keycloak) => Ok(keycloak.caller(token()?, now).await?),
        }
    }
}

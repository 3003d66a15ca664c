//! The callers: who they are by their tokens, and what they may do.
//!
//! `app` builds `Tokens` in the way that `AUTH_MODE` sets, and `http` asks it for the caller whose
//! token it is. Each mode is one file: `okapi`, `keycloak`; with a perimeter, nobody asks. A token
//! is never kept, logged or passed on. `listen` asks `Credentials`, too, for clients without one.

mod base64url;
mod caller;
mod claims;
mod credential;
mod credentials;
mod denied;
mod fetch;
mod issuers;
mod jwks;
mod keycloak;
mod keys;
mod okapi;
mod passwords;
pub mod permission;
mod realms;
mod refused;
mod signature;
mod tenants;

use std::sync::Arc;

use secrecy::SecretString;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::Store;

pub use caller::Caller;
pub use claims::{LEEWAY_MS, unchecked_end};
pub use credential::{Credential, CredentialName, Grant};
pub use credentials::{Credentials, Grants, WrongPassword};
pub use denied::Denied;
pub use issuers::Issuers;
use keycloak::Keycloak;
pub use keycloak::KeycloakConfig;
use okapi::Okapi;
pub use passwords::{NoHash, PASSWORD_BYTES_MIN, PasswordHash, new_password};
pub use permission::{ACTS, ALL, ALL_OF_ALL_TENANTS, PERMISSIONS, Permission, Permissions};
pub use refused::Refused;
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

/// Checks callers' tokens.
pub struct Tokens {
    mode: Mode,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

enum Mode {
    Okapi(Okapi),
    Keycloak(Keycloak),
}

impl Tokens {
    /// Returns who checks tokens; `None` if the perimeter has checked them.
    pub fn new(
        auth: &Auth,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Option<Self>> {
        signature::install();
        let mode = match auth {
            Auth::Perimeter => return Ok(None),
            Auth::Okapi(key) => Mode::Okapi(Okapi::new(key)),
            Auth::Keycloak(config) => {
                let tenants = KnownTenants::new(store.clone(), clock.clone());
                Mode::Keycloak(Keycloak::new(config, tenants, clock.clone(), metrics.clone())?)
            }
        };
        Ok(Some(Self { mode, clock: clock.clone(), metrics: metrics.clone() }))
    }

    /// Returns the caller whose token it is.
    pub async fn caller(&self, token: &str) -> Result<Caller, Denied> {
        let now = self.clock.now();
        let caller = match &self.mode {
            Mode::Okapi(okapi) => okapi.caller(token, now).map_err(Denied::Token),
            Mode::Keycloak(keycloak) => keycloak.caller(token, now).await,
        };
        if let Err(Denied::Token(why)) = &caller {
            self.metrics.token_refused(why.id());
        }
        caller
    }
}

//! The authentication of callers: the mode, and what it needs.
//!
//! No mode means no access from other hosts: beyond a loopback address it must be set. An option of
//! another mode than the one that is set is an error, since it would look like a lock that is none.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};

use super::options::{AuthMode, AuthOptions, Given, MetricsAccess};
use crate::access::{Auth, Issuers, KeycloakConfig};

/// The least bytes of the key: a shorter one than a hash can be guessed (RFC 7518, section 3.2).
const KEY_BYTES_MIN: usize = 32;
/// The longest time that a request with a key that may be used waits for fresh ones.
const KEYS_WAIT: Duration = Duration::from_millis(500);
/// The longest time in which an issuer must answer with its keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
const OF_OKAPI: [&str; 2] = ["AUTH_OKAPI_KEY", "AUTH_OKAPI_KEY_FILE"];
const OF_KEYCLOAK: [&str; 6] = [
    "AUTH_ISSUERS",
    "AUTH_OPERATOR_ISSUERS",
    "AUTH_AUDIENCE",
    "AUTH_JWKS_TTL_S",
    "AUTH_JWKS_STALE_S",
    "AUTH_REALMS_MAX",
];

/// Returns how callers are authenticated. `perimeter` trusts the proxy in front of the gateway, so
/// beyond loopback it must be set explicitly.
pub(super) fn auth(options: &AuthOptions, host: IpAddr, given: &Given) -> anyhow::Result<Auth> {
    let is_loopback = host.to_canonical().is_loopback();
    let mode = match options.auth_mode {
        Some(mode) => mode,
        None if is_loopback => AuthMode::Perimeter,
        None => bail!(
            "HTTP_HOST is {host}, which is not a loopback address: set AUTH_MODE=perimeter if \
             Okapi or a sidecar checks every token before requests reach the gateway, or \
             AUTH_MODE=okapi or keycloak to have the gateway check them"
        ),
    };
    ensure!(
        mode != AuthMode::Perimeter || options.auth_metrics != Some(MetricsAccess::Closed),
        "AUTH_METRICS is closed, but AUTH_MODE is perimeter, in which nobody checks who asks for \
         /metrics past Okapi: close it in the network"
    );
    let of_others = match mode {
        AuthMode::Perimeter => [&OF_OKAPI[..], &OF_KEYCLOAK].concat(),
        AuthMode::Okapi => OF_KEYCLOAK.to_vec(),
        AuthMode::Keycloak => OF_OKAPI.to_vec(),
    };
    if let Some(name) = given.of(&of_others).first() {
        let said = if options.auth_mode.is_some() { "AUTH_MODE is" } else { "AUTH_MODE is unset:" };
        bail!("{name} is set, but {said} {}, which has no such setting", name_of(mode));
    }
    match mode {
        AuthMode::Perimeter => Ok(Auth::Perimeter),
        AuthMode::Okapi => Ok(Auth::Okapi(key(options)?)),
        AuthMode::Keycloak => keycloak(options).map(Auth::Keycloak),
    }
}

/// Warns of secrets that cross a network in plain text, to a listener's address.
pub(super) fn warn_of_plain_text(secrets: &str, host: IpAddr, has_tls: bool) {
    if !has_tls && !host.to_canonical().is_loopback() {
        tracing::warn!(
            "{secrets} come to {host} in plain text, and whoever is on the way can use them: set \
             HTTP_TLS_CERT and HTTP_TLS_KEY, or let a proxy on this host speak TLS"
        );
    }
}

/// Returns whether anyone may read the metrics.
pub(super) fn metrics_open(options: &AuthOptions, auth: &Auth) -> bool {
    match options.auth_metrics {
        Some(access) => access == MetricsAccess::Open,
        None => matches!(auth, Auth::Perimeter),
    }
}

fn name_of(mode: AuthMode) -> &'static str {
    match mode {
        AuthMode::Perimeter => "perimeter",
        AuthMode::Okapi => "okapi",
        AuthMode::Keycloak => "keycloak",
    }
}

fn key(options: &AuthOptions) -> anyhow::Result<SecretString> {
    let key = match (&options.auth_okapi_key, &options.auth_okapi_key_file) {
        (Some(_), Some(_)) => bail!("AUTH_OKAPI_KEY and AUTH_OKAPI_KEY_FILE are set: set only one"),
        (Some(key), None) => key.clone(),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("AUTH_OKAPI_KEY_FILE is {file}"))?;
            text.trim_end_matches(['\r', '\n']).to_owned().into()
        }
        (None, None) => bail!(
            "AUTH_MODE is okapi: set AUTH_OKAPI_KEY or AUTH_OKAPI_KEY_FILE to the key that \
             mod-authtoken signs with"
        ),
    };
    ensure!(
        key.expose_secret().len() >= KEY_BYTES_MIN,
        "AUTH_OKAPI_KEY has less than {KEY_BYTES_MIN} bytes: such a key can be guessed"
    );
    Ok(key)
}

fn keycloak(options: &AuthOptions) -> anyhow::Result<KeycloakConfig> {
    let Some(issuers) = &options.auth_issuers else {
        bail!(
            "AUTH_MODE is keycloak: set AUTH_ISSUERS to the realms whose tokens are taken, such as \
             https://keycloak/realms/*"
        );
    };
    ensure!(
        options.auth_jwks_stale_s >= options.auth_jwks_ttl_s,
        "AUTH_JWKS_STALE_S is less than AUTH_JWKS_TTL_S: keys would be dropped while they are fresh"
    );
    let operator_issuers = options.auth_operator_issuers.clone().unwrap_or_default();
    warn_of_issuers(issuers, &operator_issuers);
    Ok(KeycloakConfig {
        issuers: issuers.clone(),
        operator_issuers,
        audience: options.auth_audience.clone(),
        keys_ttl: Duration::from_secs(options.auth_jwks_ttl_s),
        keys_stale_max: Duration::from_secs(options.auth_jwks_stale_s),
        keys_wait: KEYS_WAIT,
        fetch_timeout: FETCH_TIMEOUT,
        realms_max: options.auth_realms_max,
    })
}

/// Warns of issuers that are hardly meant.
fn warn_of_issuers(issuers: &Issuers, operator_issuers: &Issuers) {
    for issuer in issuers.without_tls().into_iter().chain(operator_issuers.without_tls()) {
        tracing::warn!(
            "the keys of the issuer {issuer} are fetched without TLS: whoever is on the way can \
             replace them, and make tokens"
        );
    }
    for issuer in operator_issuers.of_any_realm() {
        tracing::warn!(
            "AUTH_OPERATOR_ISSUERS has {issuer}: whoever may grant roles in any realm may give \
             access to all tenants"
        );
    }
}

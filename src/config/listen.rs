//! How Kafka's clients read the logs, as the options say it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::bail;

use super::kafka;
use super::options::{AuthMode, AuthOptions, BrokerChoice, ListenOptions, PartsOptions};
use crate::domain::settings::Settings;
use crate::listen;
use crate::tls::Tls;

/// The port of the embedded broker, which is also the one that FOLIO's modules connect to if they
/// are told nothing.
const PORT: u16 = 9_092;
/// The most bytes of a request: what a client says about thousands of partitions has room.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// The most bytes of all requests under way.
const REQUESTS_BYTES_MAX: usize = 128 << 20;
/// The most bytes of records in all answers under way.
const ANSWERS_BYTES_MAX: usize = 128 << 20;
/// The bytes of records that are kept in memory.
const CACHE_BYTES_MAX: usize = 32 << 20;

/// Returns how Kafka's clients read the logs; `None` if nobody has asked for it.
pub(super) fn listen(
    options: &ListenOptions,
    auth: &AuthOptions,
    tls: Option<Arc<Tls>>,
    parts: &PartsOptions,
    settings: &Settings,
) -> anyhow::Result<Option<listen::Config>> {
    let is_embedded = kafka::choice(&parts.topics.kafka) == BrokerChoice::Embedded;
    let Some(port) = options.kafka_listen_port.or_else(|| is_embedded.then_some(PORT)) else {
        return Ok(None);
    };
    let host = options.kafka_listen_host;
    let is_guarded = auth.auth_mode.is_some() || auth.credentials_dir.is_some();
    if !is_guarded && !host.to_canonical().is_loopback() {
        bail!(
            "KAFKA_LISTEN_HOST is {host}, which is not a loopback address: set AUTH_MODE=okapi or \
             keycloak to have the listener check clients' tokens, CREDENTIALS_DIR to have it check \
             their passwords, or AUTH_MODE=perimeter if nobody but trusted clients can reach it"
        );
    }
    if options.kafka_listen_advertised.is_none() && host.is_unspecified() {
        bail!(
            "KAFKA_LISTEN_HOST is {host}, which no client can connect to: set \
             KAFKA_LISTEN_ADVERTISED to the address that clients reach"
        );
    }
    warn_of_open(host, auth);
    if settings.naming().is_shared() {
        let why = "each of the listener's topics is in one tenant's log, and with \
                   KAFKA_PRODUCER_TENANT_COLLECTION all tenants share theirs";
        match options.kafka_listen_port {
            Some(_) => bail!("KAFKA_LISTEN_PORT is set, but {why}"),
            None => tracing::warn!("Kafka's clients can't read the logs: {why}"),
        }
        return Ok(None);
    }
    Ok(Some(listen::Config {
        address: SocketAddr::new(host, port),
        or_free: options.kafka_listen_port.is_none(),
        advertised: options.kafka_listen_advertised.clone(),
        tls,
        connections_max: options.kafka_listen_connections_max,
        request_bytes_max: REQUEST_BYTES_MAX,
        requests_bytes_max: REQUESTS_BYTES_MAX,
        answers_bytes_max: ANSWERS_BYTES_MAX,
        cache_bytes_max: CACHE_BYTES_MAX,
    }))
}

/// Warns of a listener that others reach and that asks nobody who it is: an Okapi or a sidecar,
/// which checks HTTP's callers, does not stand before Kafka's clients.
fn warn_of_open(host: IpAddr, auth: &AuthOptions) {
    let asks_nobody = matches!(auth.auth_mode, Some(AuthMode::Perimeter));
    if asks_nobody && auth.credentials_dir.is_none() && !host.to_canonical().is_loopback() {
        tracing::warn!(
            "whoever reaches KAFKA_LISTEN_HOST ({host}) reads the events of all tenants, since \
             AUTH_MODE=perimeter asks nobody there: set CREDENTIALS_DIR to have the listener check \
             passwords"
        );
    }
}

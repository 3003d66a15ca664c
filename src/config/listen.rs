//! How Kafka's clients read the logs, as the options say it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;

use super::kafka;
use super::options::{
    AuthMode, AuthOptions, BrokerChoice, ListenOptions, PartsOptions, StoreOptions,
};
use super::store_config;
use crate::domain::settings::Settings;
use crate::listen::{self, CacheFile};
use crate::store;
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
        cache_file: cache_file(options, &parts.topics.store)?,
    }))
}

/// Returns the file for records that memory has no room for: in its own folder, or beside SQLite's.
fn cache_file(options: &ListenOptions, store: &StoreOptions) -> anyhow::Result<Option<CacheFile>> {
    let bytes_max = options.kafka_listen_cache_mb << 20;
    if bytes_max == 0 {
        return Ok(None);
    }
    if let Some(folder) = &options.kafka_listen_cache_dir {
        if !folder.is_dir() {
            bail!("KAFKA_LISTEN_CACHE_DIR is {}, which is not a folder", folder.display());
        }
        return Ok(Some(CacheFile { folder: folder.clone(), bytes_max }));
    }
    // An illegal store is told of by itself.
    let Ok(store::Config::Sqlite { path }) = store_config(store) else { return Ok(None) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    Ok(Some(CacheFile { folder, bytes_max }))
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

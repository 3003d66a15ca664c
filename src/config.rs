//! The configuration: the sum of each part's own, read from flags, the environment and the tenants'
//! files.
//!
//! `cli` and `app` use it. Only this room reads the environment. Illegal settings are refused
//! before anything starts.

mod auth;
mod check;
mod credentials;
mod environment;
mod folder;
mod hexkit;
mod hosts;
mod kafka;
mod listen;
mod options;
mod store;
mod store_url;
mod subscriptions;
mod tenants;
mod toml_text;
mod traces;
mod unread;
mod watched;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::access::Auth;
use crate::domain::networks::Networks;
use crate::domain::quota::Quota;
use crate::domain::retention::{Lifetimes, Retention};
use crate::domain::settings::Settings;
use crate::domain::topic::Naming;
use crate::http;
use crate::intake;
use crate::sink;
use crate::tls::Tls;

pub use check::{Wrong, check};
pub use credentials::CredentialFiles;
pub use options::{
    Given, HexkitOptions, KafkaOptions, LANES_MAX, LogsOptions, PartsOptions, Read, ServeOptions,
    StoreOptions, TenantsOptions, TopicsOptions, matches, own_variables, variables, whole,
};
use options::{LimitsOptions, ListenerOptions};
pub use subscriptions::SubscriptionFiles;
pub use tenants::AddedFiles;

/// The error of an illegal setting, of the environment or of a file. No restart mends it, so that
/// it has an exit status of its own.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Illegal(#[from] anyhow::Error);

impl Illegal {
    /// Takes an error about a setting.
    pub fn new(error: impl Into<anyhow::Error>) -> Self {
        Self(error.into())
    }
}

/// Everything that the gateway is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The number of lanes, which is the store's.
    pub lanes: u16,
    /// This replica's name; `None` takes a new one at each start.
    pub replica: Option<String>,
    /// The interval of the audits that `serve` does; `None` for none.
    pub audit_every: Option<Duration>,
    /// The longest time for which a replay to the tenant's own topics may be paused.
    pub replay_pause_max: Duration,
    /// How long the store keeps what has ended.
    pub lifetimes: Lifetimes,
    /// How long the logs keep events.
    pub removal: Retention,
    /// The most tenants that the metrics name.
    pub metrics_tenants_max: usize,
    /// The tenants' settings.
    pub settings: Arc<Settings>,
    /// The look-out for tenants' files that are added.
    pub added_files: Arc<AddedFiles>,
    /// The subscriptions' files.
    pub subscription_files: Arc<SubscriptionFiles>,
    /// The networks that are not public and that webhooks may lead to.
    pub webhook_networks: Arc<Networks>,
    /// How callers are authenticated.
    pub auth: Auth,
    /// The files of credentials for Kafka's clients; `None` if there are none.
    pub credential_files: Option<Arc<CredentialFiles>>,
    /// Limits of the way in.
    pub http: http::Config,
    /// How much a tenant may post whose files don't say it.
    pub quota: Quota,
    /// Limits of the queue.
    pub intake: intake::Config,
    /// The store.
    pub store: crate::store::Config,
    /// The sinks.
    pub sinks: Vec<sink::Config>,
    /// How Kafka's clients read the logs; `None` if they don't.
    pub kafka_listen: Option<crate::listen::Config>,
    /// Where traces are sent; `None` if they are not.
    pub traces: Option<crate::traces::Config>,
}

impl Config {
    /// Checks the options, reads the files of tenants, subscriptions and credentials, and adds what
    /// the environment has under `KAFKA_CONFIG_…` and `KAFKA_…_TOPIC_NUM_PARTITIONS`.
    pub fn new(options: &ServeOptions, given: &Given) -> Result<Self, Illegal> {
        let ServeOptions { listener, auth, parts, listen, subscriptions, replica, limits } =
            options;
        let TopicsOptions { store, tenants, kafka } = &parts.topics;
        let settings = Arc::new(settings(tenants, store)?);
        let (folder, environment) = (tenants.tenants_dir.clone(), environment::variables()?);
        let added_files = AddedFiles::new(settings.clone(), folder, environment);
        let (callers, tls) = (auth::auth(auth, listener.http_host, given)?, tls(listener)?);
        let config = Self {
            listen: SocketAddr::new(listener.http_host, listener.http_port),
            lanes: replica.lanes,
            replica: replica.replica.clone(),
            audit_every: Some(Duration::from_secs(limits.audit_minutes * 60))
                .filter(|every| !every.is_zero()),
            replay_pause_max: Duration::from_secs(limits.replay_pause_hours * 3_600),
            lifetimes: lifetimes(limits),
            removal: removal(limits),
            metrics_tenants_max: limits.metrics_tenants_max,
            settings: settings.clone(),
            added_files: Arc::new(added_files),
            subscription_files: Arc::new(SubscriptionFiles::open(subscriptions)?),
            webhook_networks: Arc::new(subscriptions.webhook_networks.clone().unwrap_or_default()),
            http: http_config(tls.clone(), auth::metrics_open(auth, &callers), limits),
            auth: callers,
            credential_files: CredentialFiles::open(auth)?.map(Arc::new),
            quota: Quota {
                events_per_second: limits.quota_events_per_second,
                bytes_per_second: limits.quota_bytes_per_second,
                burst_seconds: limits.quota_burst_seconds,
            },
            intake: intake::Config {
                queue_bytes_max: limits.queue_bytes_max,
                record_bytes_max: kafka.max_request_size,
                ..intake::Config::default()
            },
            store: store_config(store)?,
            sinks: all_sinks(parts, &settings, replica.lanes)?,
            kafka_listen: listen::listen(listen, auth, tls, parts, &settings)?,
            traces: traces::traces(&environment::variables()?, replica.replica.as_deref())?,
        };
        config.warn_of_plain_text();
        unread::warn(options, given, &config.store);
        hexkit::warn_of_half(&parts.hexkit, &config.settings);
        warn_of_not_stored(&config.sinks, &config.settings);
        Ok(config)
    }

    /// Warns of tokens and passwords that cross a network in plain text.
    fn warn_of_plain_text(&self) {
        let kafka = self.kafka_listen.as_ref().map(|listen| listen.address.ip());
        let has_tls = self.http.tls.is_some();
        if !matches!(self.auth, Auth::Perimeter) {
            for host in BTreeSet::from_iter(kafka.into_iter().chain([self.listen.ip()])) {
                auth::warn_of_plain_text("tokens", host, has_tls);
            }
        }
        if let (Some(host), Some(_)) = (kafka, &self.credential_files) {
            auth::warn_of_plain_text("passwords", host, has_tls);
        }
    }
}

/// Warns of each entity and process event whose events nobody can read, since the log keeps them
/// only until every sink has them, and there is no sink.
fn warn_of_not_stored(sinks: &[sink::Config], settings: &Settings) {
    if !sinks.is_empty() {
        return;
    }
    for name in settings.not_stored() {
        tracing::warn!(
            "`{name}` has stored = false, and there is no sink: its events are removed within \
             seconds, though nobody has read them. Set KAFKA_HOST, or let them be stored"
        );
    }
}

/// Returns TLS of the listener, if the options name a certificate and its key.
fn tls(options: &ListenerOptions) -> anyhow::Result<Option<Arc<Tls>>> {
    match (&options.http_tls_cert, &options.http_tls_key) {
        (None, None) => Ok(None),
        (Some(_), None) => bail!("HTTP_TLS_CERT is set, but not HTTP_TLS_KEY, its key"),
        (None, Some(_)) => bail!("HTTP_TLS_KEY is set, but not HTTP_TLS_CERT, its certificate"),
        (Some(certificate), Some(key)) => {
            let tls = Tls::load(certificate.clone(), key.clone());
            Ok(Some(Arc::new(tls.context("HTTP_TLS_CERT, HTTP_TLS_KEY")?)))
        }
    }
}

fn removal(limits: &LimitsOptions) -> Retention {
    Retention {
        log_retention: unless_for_ever(limits.log_retention_days),
        idempotency: days(limits.idempotency_days),
    }
}

fn lifetimes(limits: &LimitsOptions) -> Lifetimes {
    Lifetimes {
        trail: unless_for_ever(limits.trail_retention_days),
        erasures: unless_for_ever(limits.erasure_keep_days),
        replays: Some(days(limits.replay_keep_days)),
        parked: unless_for_ever(limits.parked_keep_days),
    }
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn unless_for_ever(kept_days: u64) -> Option<Duration> {
    Some(days(kept_days)).filter(|it| !it.is_zero())
}

/// Returns every sink that the options and the tenants' files name, for `lanes` lanes.
pub fn all_sinks(
    parts: &PartsOptions,
    settings: &Arc<Settings>,
    lanes: u16,
) -> Result<Vec<sink::Config>, Illegal> {
    let PartsOptions { topics: TopicsOptions { store, kafka, .. }, hexkit } = parts;
    let mut all = sinks(kafka, store, lanes)?;
    all.extend(hexkit::sink(hexkit, kafka::choice(kafka), settings)?);
    Ok(all)
}

/// Returns the broker that the options name, as a list, for `lanes` lanes; names in Kafka begin
/// with `ENV`.
pub fn sinks(
    options: &KafkaOptions,
    store: &StoreOptions,
    lanes: u16,
) -> Result<Vec<sink::Config>, Illegal> {
    let naming = naming(store.env.as_deref(), None)?;
    let all = [kafka::broker(options, naming, lanes, &environment::variables()?)?];
    Ok(all.into_iter().flatten().collect())
}

/// Returns the tenants' settings; topic names begin with `ENV`.
pub fn settings(options: &TenantsOptions, store: &StoreOptions) -> Result<Settings, Illegal> {
    let naming = naming(store.env.as_deref(), Some(options))?;
    Ok(tenants::read(&options.tenants_dir, naming, &environment::variables()?)?)
}

/// Returns the tenants' settings that the ModuleDescriptor tells of; topic names begin with `env`.
pub fn described(env: &str, tenants: &TenantsOptions) -> Result<Settings, Illegal> {
    let naming = naming(Some(env), Some(tenants))?;
    Ok(tenants::read(&tenants.tenants_dir, naming, &environment::variables()?)?)
}

/// Returns the store that the options name.
pub fn store_config(options: &StoreOptions) -> Result<crate::store::Config, Illegal> {
    Ok(store::store(options, &naming(options.env.as_deref(), None)?)?)
}

/// Returns the parts that topic names share: `env`, and the collection of the tenants' options.
fn naming(env: Option<&str>, tenants: Option<&TenantsOptions>) -> Result<Naming, Illegal> {
    let collection = tenants.and_then(|it| it.kafka_producer_tenant_collection.as_deref());
    Naming::new(env, collection).map_err(Illegal::new)
}

fn http_config(tls: Option<Arc<Tls>>, metrics_open: bool, limits: &LimitsOptions) -> http::Config {
    let subscribers_max =
        limits.http_subscribers_max.unwrap_or(limits.http_connections_max.div_ceil(2));
    let waiters_max = limits.http_waiters_max.unwrap_or(limits.http_connections_max.div_ceil(4));
    http::Config {
        tls,
        metrics_open,
        body_bytes_max: options::BODY_BYTES,
        bodies_bytes_max: limits.http_bodies_bytes_max,
        // Half of it, like of the queue, but never less than one body.
        tenant_bodies_bytes_max: (limits.http_bodies_bytes_max / 2).max(options::BODY_BYTES),
        head_timeout: Duration::from_secs(10),
        answer_timeout: Duration::from_secs(30),
        body_timeout: Duration::from_secs(limits.http_body_timeout_s),
        batch_changes_max: http::BATCH_CHANGES_MAX,
        reads_max: 2,
        turns_max: 256,
        tenant_turns_max: 32,
        connections_max: limits.http_connections_max,
        waiters_max,
        tenant_waiters_max: waiters_max.div_ceil(2),
        subscribers_max,
        slow_reader_timeout: Duration::from_secs(10),
        tenant_subscribers_max: subscribers_max.div_ceil(2),
        shutdown_timeout: Duration::from_secs(4),
    }
}

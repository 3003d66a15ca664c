//! The configuration: the sum of each part's own, read from flags, the environment and the
//! tenants' files. The only reader of the environment.
//!
//! Feeds `main` and `app`. What is illegal is refused before anything starts.

mod kafka;
mod options;
mod store;
mod tenants;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::broker;
use crate::domain::settings::Settings;
use crate::domain::topic::Naming;
use crate::http;
use crate::intake;

pub use options::{LanesVerb, Line, ListVerb, Options, Verb, parse};

/// Everything that the gateway is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The number of lanes, which is the store's.
    pub lanes: u16,
    /// This replica's name; `None`: a new one at each start.
    pub replica: Option<String>,
    /// The tenants' settings.
    pub settings: Arc<Settings>,
    /// Limits of the way in.
    pub http: http::Config,
    /// Limits of the queue.
    pub intake: intake::Config,
    /// Which store.
    pub store: crate::store::Config,
    /// Which broker.
    pub broker: broker::Config,
}

impl Config {
    /// Checks the options, reads the tenants' files, and adds what the environment has under
    /// `KAFKA_CONFIG_…` and `KAFKA_…_TOPIC_NUM_PARTITIONS`.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        let environment = environment()?;
        let settings = settings_of(options, &environment)?;
        let naming = settings.naming().clone();
        Ok(Self {
            listen: SocketAddr::new(options.http_host, options.http_port),
            lanes: options.lanes,
            replica: options.replica.clone(),
            settings: Arc::new(settings),
            http: http_config(options)?,
            intake: intake::Config { queue_bytes_max: options.queue_bytes_max, ..intake::Config::default() },
            store: store::store(options, &naming)?,
            broker: kafka::broker(options, naming, &environment)?,
        })
    }
}

/// Which broker the options name, for so many lanes, for verbs that need nothing else.
pub fn broker_config(options: &Options, lanes: u16) -> anyhow::Result<broker::Config> {
    let naming = Naming::new(options.env.as_deref(), options.collection.as_deref())?;
    kafka::broker(&Options { lanes, ..options.clone() }, naming, &environment()?)
}

/// The tenants' settings, for verbs that need nothing else.
pub fn settings(options: &Options) -> anyhow::Result<Settings> {
    settings_of(options, &environment()?)
}

fn settings_of(options: &Options, environment: &[(String, String)]) -> anyhow::Result<Settings> {
    let naming = Naming::new(options.env.as_deref(), options.collection.as_deref())?;
    let folder = &options.tenants_dir;
    tenants::read(folder, naming, environment)
        .with_context(|| format!("failed to read the tenants folder `{}`", folder.display()))
}

/// Which store the options name, for verbs that need nothing else.
pub fn store_config(options: &Options) -> anyhow::Result<crate::store::Config> {
    let naming = Naming::new(options.env.as_deref(), options.collection.as_deref())?;
    store::store(options, &naming)
}

/// The environment's names and values; one that is no UTF-8 is refused by name.
fn environment() -> anyhow::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => all.push((name, value)),
            Err(_) if name.starts_with("KAFKA_") => bail!("the variable {name} is not UTF-8"),
            Err(_) => {}
        }
    }
    all.sort();
    Ok(all)
}

fn http_config(options: &Options) -> anyhow::Result<http::Config> {
    Ok(http::Config {
        auth: auth(options)?,
        body_bytes_max: 16 << 20,
        bodies_bytes_max: options.bodies_bytes_max,
        body_timeout: Duration::from_secs(options.body_timeout_s),
        batch_changes_max: 1000,
        record_bytes_max: options.max_request_size,
        reads_max: 2,
        connections_max: options.connections_max,
        shutdown_timeout: Duration::from_secs(4),
    })
}

/// `perimeter` trusts who stands before the gateway, so beyond loopback it must be said.
fn auth(options: &Options) -> anyhow::Result<http::Auth> {
    let said = options.auth_mode.is_some();
    if !said && !is_loopback(options.http_host) {
        let host = options.http_host;
        bail!(
            "HTTP_HOST is {host}, which is not a loopback address: say AUTH_MODE=perimeter if Okapi or a \
             sidecar checks every token before it comes here"
        );
    }
    Ok(http::Auth::Perimeter)
}

fn is_loopback(host: IpAddr) -> bool {
    host.to_canonical().is_loopback()
}

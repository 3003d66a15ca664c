//! Options of `serve`: the listener, the subscriptions' files and webhooks, the limits, and the
//! replica.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::{AuthOptions, ListenOptions, PartsOptions, address, whole};
use crate::domain::networks::Networks;
use crate::domain::quota::{BURST_SECONDS_MAX, PER_SECOND_MAX};

/// Options of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// The way in.
    #[command(flatten)]
    pub listener: ListenerOptions,
    /// The authentication of callers.
    #[command(flatten)]
    pub auth: AuthOptions,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
    /// The listener for Kafka's clients.
    #[command(flatten)]
    pub listen: ListenOptions,
    /// The subscriptions' files, and webhooks.
    #[command(flatten)]
    pub subscriptions: SubscriptionsOptions,
    /// Lanes and replicas.
    #[command(flatten)]
    pub replica: ReplicaOptions,
    /// Limits of what may happen at once.
    #[command(flatten)]
    pub limits: LimitsOptions,
}

/// Options of the listener.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listener")]
pub struct ListenerOptions {
    /// The address to listen on; it is an IP address, or localhost.
    #[arg(long, env, default_value = "127.0.0.1", value_parser = address)]
    pub http_host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env, default_value_t = 8081, value_parser = whole::<u16, 0, 65_535>)]
    pub http_port: u16,
    /// A PEM file with the certificate of the listener, and those above it: TLS is spoken then.
    /// HTTP_TLS_KEY has its key. Files that change are read again.
    #[arg(long, env)]
    pub http_tls_cert: Option<PathBuf>,
    /// A PEM file with the key of HTTP_TLS_CERT.
    #[arg(long, env)]
    pub http_tls_key: Option<PathBuf>,
}

/// Options of the subscriptions.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Subscriptions")]
pub struct SubscriptionsOptions {
    /// The folder with the subscriptions' files. The default is the folder `subscriptions`, if
    /// there is one.
    #[arg(long, env)]
    pub subscriptions_dir: Option<PathBuf>,
    /// The networks and addresses that are not public and that webhooks may lead to, separated by
    /// commas, and with ! before them others that they may not lead to: 10.0.0.0/8,!203.0.113.0/24.
    /// By default webhooks lead to public addresses alone; with none they lead nowhere.
    #[arg(long, env, value_parser = Networks::parse)]
    pub webhook_networks: Option<Networks>,
}

/// Limits of what may happen at once.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitsOptions {
    /// The most connections that may be open. Beyond them only probes are answered: `/livez`,
    /// `/readyz`, `/metrics`, `/admin/health`.
    #[arg(long, env, default_value_t = 4096, value_parser = whole::<usize, 1, 1_000_000>)]
    pub http_connections_max: usize,
    /// The most requests that may wait at once for their events to be published (`Prefer: wait`),
    /// of a single busy tenant half of them. Any further one is answered at once. The default is a
    /// quarter of HTTP_CONNECTIONS_MAX.
    #[arg(long, env, value_parser = whole::<usize, 1, 1_000_000>)]
    pub http_waiters_max: Option<usize>,
    /// The most polls and streams of subscriptions that may be open at once, of a single busy
    /// tenant half of them. The default is half of HTTP_CONNECTIONS_MAX.
    #[arg(long, env, value_parser = whole::<usize, 1, 1_000_000>)]
    pub http_subscribers_max: Option<usize>,
    /// The most seconds that a request's body may take to arrive.
    #[arg(long, env, default_value_t = 30, value_parser = whole::<u64, 1, 3600>)]
    pub http_body_timeout_s: u64,
    /// The most bytes that the bodies of all requests in flight may have, of a single busy tenant
    /// half of them. A single body may have 16777216.
    #[arg(
        long, env, default_value_t = 256 << 20,
        value_parser = whole::<usize, BODY_BYTES_MIN, BYTES_MAX>
    )]
    pub http_bodies_bytes_max: usize,
    /// The most tenants that the metrics name, those that have posted most; 0 for none.
    #[arg(long, env, default_value_t = 0, value_parser = whole::<usize, 0, 1_000>)]
    pub metrics_tenants_max: usize,
    /// The most bytes of changes that may wait for the store.
    #[arg(
        long, env, default_value_t = 128 << 20,
        value_parser = whole::<usize, BODY_BYTES_MIN, BYTES_MAX>
    )]
    pub queue_bytes_max: usize,
    /// The events that a tenant may post per second, at all replicas together; 0 for no limit. A
    /// tenant's file may set it, too.
    #[arg(long, env, default_value_t = 0, value_parser = whole::<u64, 0, PER_SECOND_MAX>)]
    pub quota_events_per_second: u64,
    /// The bytes of bodies that a tenant may post per second, at all replicas together; 0 for no
    /// limit. A tenant's file may set it, too.
    #[arg(long, env, default_value_t = 0, value_parser = whole::<u64, 0, PER_SECOND_MAX>)]
    pub quota_bytes_per_second: u64,
    /// The seconds for which what a tenant has not used of its quota is kept, to be used at once. A
    /// tenant's file may set it, too.
    #[arg(long, env, default_value_t = 10, value_parser = whole::<u64, 1, BURST_SECONDS_MAX>)]
    pub quota_burst_seconds: u64,
    /// The minutes between two audits of what was published lately; 0 for none. An audit compares
    /// the logs of this replica's lanes with their topics.
    #[arg(long, env, default_value_t = 60, value_parser = whole::<u64, 0, 10_080>)]
    pub audit_minutes: u64,
    /// The hours for which a replay to the tenant's own topics may be paused; then it is cancelled.
    #[arg(long, env, default_value_t = 24, value_parser = whole::<u64, 1, 8_760>)]
    pub replay_pause_hours: u64,
    /// The days for which replays that have ended are listed.
    #[arg(long, env, default_value_t = 30, value_parser = whole::<u64, 1, 3_650>)]
    pub replay_keep_days: u64,
    /// The days for which the logs keep events; 0 for ever. An entity may set log_retention_ms.
    #[arg(long, env, default_value_t = 0, value_parser = whole::<u64, 0, 36_500>)]
    pub log_retention_days: u64,
    /// The days for which the id of an event stays known at least; it does as long as the event is
    /// in the log, too.
    #[arg(long, env, default_value_t = 7, value_parser = whole::<u64, 1, 36_500>)]
    pub idempotency_days: u64,
    /// The days for which the trail is kept; 0 for ever.
    #[arg(long, env, default_value_t = 400, value_parser = whole::<u64, 0, 36_500>)]
    pub trail_retention_days: u64,
    /// The days for which erasures that are complete are listed; 0 for ever.
    #[arg(long, env, default_value_t = 400, value_parser = whole::<u64, 0, 36_500>)]
    pub erasure_keep_days: u64,
    /// The days for which parked keys and topics that are resolved are listed, since they were
    /// parked; 0 for ever.
    #[arg(long, env, default_value_t = 400, value_parser = whole::<u64, 0, 36_500>)]
    pub parked_keep_days: u64,
}

/// Options of the lanes and of this replica.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Replicas")]
pub struct ReplicaOptions {
    /// The number of lanes that lead to Kafka. It must be the number that the store has; a new
    /// store is made with it. `lanes resize` changes it.
    #[arg(long, env, default_value_t = 8, value_parser = whole::<u16, 1, LANES_MAX>)]
    pub lanes: u16,
    /// This replica's name among others on the same store. A replica that keeps its name when it
    /// restarts, such as a pod of a StatefulSet, takes its lanes back at once. By default the name
    /// is new at each start.
    #[arg(long, env, value_parser = replica)]
    pub replica: Option<String>,
}

/// The most lanes that there may be.
pub const LANES_MAX: u64 = 64;
/// The most bytes of one body.
pub const BODY_BYTES: usize = 16 << 20;
/// More bytes than any machine has.
const BYTES_MAX: u64 = 1 << 44;
/// The lowest limit of all bodies together, which has room for one.
const BODY_BYTES_MIN: u64 = BODY_BYTES as u64;

fn replica(text: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if text.is_empty() || text.len() > 100 || !text.bytes().all(legal) {
        return Err("it must have 1 to 100 of a-z A-Z 0-9 . _ -".to_owned());
    }
    Ok(text.to_owned())
}

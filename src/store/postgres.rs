//! The PostgreSQL store: one schema of one database, shared by all replicas.
//!
//! It is reached through the port alone. Every call has a connection of the pool to itself, and
//! gives it back with nothing open on it: no lock, no snapshot. The SQL stands in `sql/postgres`,
//! one statement a file. The store's clock is the server's.

mod append;
mod claims;
mod connection;
mod cursors;
mod erasures;
mod error;
mod expansions;
mod leases;
mod listening;
mod log;
mod migrate;
mod options;
mod parking;
mod purges;
mod read;
mod removal;
mod replays;
mod rows;
mod subscriptions;
mod tenant_jobs;
mod tenants;
mod trail;
mod transaction;
mod transition;
mod verify;
mod watch;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;

use super::append::head_cache::HeadCache;
use super::columns::Columns;
use super::{Access, Error, PostgresConfig, Store};
use connection::Sessions;
pub(super) use options::place;
use watch::Channel;

/// The most appends at once: PostgreSQL gains little from more, and locks wait for locks.
const WRITERS_MAX: usize = 4;
/// The connections that appends leave to the lanes and to readers.
const OTHERS: usize = 2;

/// Checks the address, the parameters of its URL and DB_SERVER_PEM, without connecting.
pub(super) fn check_settings(config: &PostgresConfig) -> Result<(), Error> {
    options::of(config).map(drop)
}

/// An open store.
pub(super) struct Postgres {
    sessions: Sessions,
    head_cache: HeadCache<append::HeadVersion>,
    writers: usize,
    /// How to make the connection that listens.
    options: PgConnectOptions,
    channel: Channel,
}

impl Postgres {
    /// Opens the schema; `serve` creates what is missing there.
    pub(super) async fn open(config: &PostgresConfig, access: Access) -> Result<Self, Error> {
        let options = options::of(config)?;
        let durable = migrate::migrate(&options, config, access).await?;
        let sessions = Sessions::new(config, options.clone(), &durable);
        let connections = usize::try_from(config.connections_max).unwrap_or(usize::MAX);
        let writers = connections.saturating_sub(OTHERS).clamp(1, WRITERS_MAX);
        let channel = Channel::new(&config.schema);
        Ok(Self { sessions, head_cache: HeadCache::new(), writers, options, channel })
    }
}

#[async_trait]
impl Store for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn writers(&self) -> usize {
        self.writers
    }

    async fn disk_bytes(&self) -> Result<u64, Error> {
        let sum = sqlx::query(sql!("postgres/disk_bytes.sql"));
        let found = self.sessions.acquire().await?.find_one(sum).await?;
        found.as_ref().map_or(Ok(0), |row| row.count("bytes"))
    }

    async fn check(&self) -> Result<(), Error> {
        let check = sqlx::query(sql!("postgres/check_write.sql"));
        self.sessions.acquire().await?.write(check).await.map(drop)
    }
}

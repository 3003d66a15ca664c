//! The store: one log per tenant, and the state of the log's followers.
//!
//! ```text
//!                 a tenant's log, named by its log_id
//!
//!   position   1 ─ 2 ─ 3 ─ 4 ─ 5 ─ 6 ─ 7 ─ 8 ─ 9 ─ 10 ─ 11
//!              ▲           ▲               ▲              ▲
//!              │           │               │              head: the last position given
//!              │           │               cursor of `relay`, as its checkpoint has it
//!              │           cursor of another sink, with parked scopes of its own
//!              floor of a topic: from there on, retention has removed nothing of it
//!
//!              ├──── published, or parked ─┤├── pending ──┤
//! ```
//!
//! - **What only rises**: a head's position and time, the last DELETE_ALL of a topic, the terms of
//!   a lane's lease, the number of a follower's parking ledger, the
//!   floor of a topic. Cursors rise too, until `restore`
//!   gives the log another id.
//! - **What is derived**: an event is published when the relay's cursor has passed it and it is not
//!   parked, superseded or discarded. No row says so.
//! - **What is atomic**: one method is one transaction, and nothing of it is visible before it is
//!   durable. (`checkpoint` alone writes each cursor for itself.) A reader that sees a head finds
//!   every position up to it.
//! - **The trail**: a method with `by` is an act; its entry is written with what it changes, or
//!   neither is. `None` is for what is part of another act.
//! - **The clock**: times, leases and heartbeats go by the store's own clock.
//!
//! The port is `Store`, the sum of these roles: [`Log`], [`Cursors`], [`Tenants`], [`Leases`],
//! [`Parking`], [`Replays`], [`Removal`], [`Expansions`], [`Erasures`], [`Subscriptions`],
//! [`Claims`], [`TenantJobs`], [`Purges`], [`Trail`], [`Watch`]. `intake`, `follow`, `subscribe`,
//! `http` and the subcommands use it; its adapters are its children.
//!
//! # How to write the next adapter
//! 1. Make the tables or collections of `sql/sqlite/migrations/0001_store.sql`, record their
//!    version, and go by the rule of `schema_version` if another one is there. Refuse a server
//!    whose commits may be lost.
//! 2. Implement `Columns` for a row: it makes the nouns. Count with `event_counts`.
//! 3. Append by `append`: implement `AppendStore`, which reads what a plan goes by and writes the
//!    plan only if every head still is as it was. A store with one writer may call `plan` alone.
//! 4. Read by the steps of `read`: heads first, then rows up to them, of the same state of the
//!    store or a later one, in order of position. Rows of one key, and those of a few topics merged
//!    by position, are found along an index that ends with the position; nothing is sorted.
//! 5. Write under a lease by comparing its term in the same transaction, so that the write and an
//!    acquisition of the lane exclude each other. A transition is written upon the one before it
//!    (`transitions`), or not at all.
//! 6. Tell errors apart as [`Error`] does: [`Error::Unknown`] once a commit was begun and not
//!    answered, [`Error::Unavailable`] if certainly nothing was written.
//! 7. Name it in [`Config`] and [`open`], and let `tests/it/store/contract` run against it; that
//!    holds every promise of this page.

#[macro_use]
mod sql;

mod append;
mod calls;
mod claims;
mod columns;
mod config;
mod cursors;
mod erasures;
mod error;
mod event_counts;
mod expansions;
mod leases;
mod listening;
mod log;
#[cfg(feature = "mongodb")]
mod mongodb;
mod parking;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod purges;
mod read;
mod removal;
mod replays;
mod schema_version;
mod slice_builder;
mod spans;
mod sqlite;
mod subscriptions;
mod tenant_jobs;
mod tenants;
mod trail;
mod transitions;
mod watch;

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Clock;
use spans::Spans;

pub use calls::Calls;
pub use claims::Claims;
pub use config::{Config, MongodbConfig, PostgresConfig, PostgresServer};
pub use cursors::{Cursors, Lag};
pub use erasures::{ErasureStep, Erasures, NotedTopic};
pub use error::Error;
pub use event_counts::EventCounts;
pub use expansions::{ExpansionStep, Expansions};
pub use leases::{LaneLease, Lease, LeaseCheck, Leases, Members};
pub use listening::{KafkaGroup, KafkaListener, ListedKafkaGroup, Listening};
pub use log::{Batch, ChangeToken, Changed, Head, Log, Outcome, Receipt, Scan, Slice, Start};
pub use parking::{LogLedger, Parking};
pub use purges::{Purge, PurgeStart, Purges, Unpublished};
pub use removal::{LogEntry, Removal, RemovalStep, Stand, TopicRange, Weight};
pub use replays::Replays;
pub use sqlite::{backup, restore_backup};
pub use subscriptions::{
    DeadChange, DeadCount, FoundSubscription, SubscriptionChange, Subscriptions,
};
pub use tenant_jobs::TenantJobs;
pub use tenants::{ComesBack, TenantLog, Tenants, enabled_by_file};
pub use trail::{Trail, TrailScan};
pub use watch::{Growth, Watch};

/// The whole port.
#[async_trait]
pub trait Store:
    Log + Cursors + Tenants + Leases + Parking + Replays + Removal + Subscriptions + Watch
where
    Self: Expansions + Erasures + Claims + TenantJobs + Purges + Trail + Listening,
{
    /// Returns the store's name, for messages.
    fn name(&self) -> &'static str;

    /// Has an observer told of every call from now on. An adapter does nothing about it.
    fn observe(&self, _: Arc<dyn Calls>) {}

    /// Returns the number of appends that it prefers at once; a tenant's appends always go to the
    /// same writer.
    fn writers(&self) -> usize;

    /// Returns the number of drafts that it prefers in one append. Fewer take about as long, so it
    /// is worth waiting a moment for more.
    fn group_drafts_min(&self) -> usize {
        1
    }

    /// Returns the most bytes of a sealed event that it takes, headers included.
    fn event_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// Returns the bytes that it has on disk, with indexes and free pages.
    async fn disk_bytes(&self) -> Result<u64, Error>;

    /// Checks that it answers and takes writes, up to the size of the last one that failed.
    async fn check(&self) -> Result<(), Error>;

    /// Closes the store, once it is no longer used. A store in files is complete on disk then, and
    /// another process may open it.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The way in which a process opens the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `serve`: it has the data folder alone, if the store is a folder, and creates what is
    /// missing.
    Serve,
    /// A subcommand beside a running `serve`; it creates nothing.
    Attach,
    /// A subcommand that changes what `serve` works on: it has the data folder alone too, but
    /// creates nothing.
    Alone,
}

/// Checks what can be checked of a store's settings without it: nothing is connected to, made or
/// written.
pub async fn check_settings(config: &Config) -> Result<(), Error> {
    match config {
        Config::Sqlite { path } => sqlite::check_settings(path),
        #[cfg(feature = "postgres")]
        Config::Postgres(config) => postgres::check_settings(config),
        #[cfg(feature = "mongodb")]
        Config::Mongodb(config) => mongodb::check_settings(config).await,
        #[cfg(not(all(feature = "mongodb", feature = "postgres")))]
        other => Err(other.is_left_out()),
    }
}

/// Opens the store, with its tables as this version needs them.
pub async fn open(
    config: &Config,
    access: Access,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, Error> {
    Ok(match config {
        Config::Sqlite { path } => {
            Arc::new(Spans::new(sqlite::Sqlite::open(path, access, clock).await?))
        }
        #[cfg(feature = "postgres")]
        Config::Postgres(config) => {
            Arc::new(Spans::new(postgres::Postgres::open(config, access).await?))
        }
        #[cfg(feature = "mongodb")]
        Config::Mongodb(config) => {
            Arc::new(Spans::new(mongodb::Mongodb::open(config, access).await?))
        }
        #[cfg(not(all(feature = "mongodb", feature = "postgres")))]
        other => return Err(other.is_left_out()),
    })
}

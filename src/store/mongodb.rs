//! The MongoDB store: a replica set, one multi-document transaction per append.
//!
//! It is reached through the port alone. Every write waits for a majority's journals, and every
//! read sees what a majority has, on the primary. The store's clock is the primary's. An append
//! raises the log's head first, so of two at once one loses, writes nothing and tries again. Every
//! transaction is registered as open before it begins, so that no reader overlooks it, and another
//! replica ends it if its own is dead. No write outside transactions (cursors, leases) needs a row
//! that a transaction may have locked, so that none waits for a dead replica.

mod append;
mod bulk;
mod changed;
mod claims;
mod collections;
mod cursors;
mod erasures;
mod error;
mod event_counts;
mod expansions;
mod expiry;
mod leases;
mod listening;
mod log;
mod open_transactions;
mod parking;
mod purges;
mod read;
mod removal;
mod replays;
mod resize;
mod rows;
mod subscriptions;
mod tenant_jobs;
mod tenants;
mod trail;
mod transaction;
mod transition;
mod watch;

use ::mongodb::bson::doc;
use ::mongodb::options::SessionOptions;
use ::mongodb::{Client, ClientSession};
use async_trait::async_trait;

use super::append::head_cache::HeadCache;
use super::{Access, Error, MongodbConfig, Store};
use crate::mongodb_client::connect::{self, Address, ConnectError};
use collections::Collections;
use error::{store_error, writing};

impl MongodbConfig {
    fn address(&self) -> Address<'_> {
        Address { url: &self.url, database: &self.database, variable: "STORE_URL" }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused(why) => Self::Refused(why),
            ConnectError::Call(error) => error.into(),
        }
    }
}

/// Adds the address to an error of opening.
fn told(address: Address<'_>, error: Error) -> Error {
    let Some(described) = address.described() else { return error };
    error.told(|why| format!("STORE_URL: {described}: {}", why.trim_start_matches("STORE_URL: ")))
}

/// Checks the URL, without connecting.
pub(super) async fn check_settings(config: &MongodbConfig) -> Result<(), Error> {
    let address = config.address();
    connect::check(address).await.map_err(|error| told(address, error.into()))
}

/// An open store.
pub(super) struct Mongodb {
    client: Client,
    collections: Collections,
    head_cache: HeadCache<append::HeadVersion>,
}

impl Mongodb {
    /// Connects, and refuses a server that is set up unsafely. `serve` creates what is missing.
    pub(super) async fn open(config: &MongodbConfig, access: Access) -> Result<Self, Error> {
        let address = config.address();
        let database = connect::connect(address).await.map_err(|e| told(address, e.into()))?;
        let collections = Collections::new(&database);
        let opening = async {
            match access {
                Access::Serve => collections.make(&database).await?,
                Access::Attach | Access::Alone => collections.made(&database).await?,
            }
            collections.open_transactions.tidy().await
        };
        opening.await.map_err(|error| told(address, error))?;
        Ok(Self { client: database.client().clone(), collections, head_cache: HeadCache::new() })
    }

    /// Starts a session whose reads all see one state.
    async fn snapshot(&self) -> Result<ClientSession, Error> {
        let snapshot = SessionOptions::builder().snapshot(true).build();
        self.client.start_session().with_options(snapshot).await.map_err(store_error)
    }

    /// Starts a session whose reads see its earlier reads and writes, even on another primary.
    async fn session(&self) -> Result<ClientSession, Error> {
        self.client.start_session().await.map_err(store_error)
    }
}

#[async_trait]
impl Store for Mongodb {
    fn name(&self) -> &'static str {
        "MongoDB"
    }

    /// Tenants of several writers never conflict, and a writer spends most of its time waiting for
    /// the server and its journal.
    fn writers(&self) -> usize {
        4
    }

    /// The round trips of an append take as long as 90 drafts: an append of 32 lasts 6 ms, one of
    /// 400 lasts 23 ms.
    fn group_drafts_min(&self) -> usize {
        100
    }

    /// A row also has the topic, which is no header, and escapes characters of the headers.
    fn event_bytes_max(&self) -> usize {
        append::DOCUMENT_BYTES_MAX - (64 << 10)
    }

    async fn disk_bytes(&self) -> Result<u64, Error> {
        bulk::disk_bytes(&self.collections.events).await
    }

    async fn check(&self) -> Result<(), Error> {
        let now = vec![doc! { "$set": { "time": "$$NOW" } }];
        writing(self.collections.checks.update_one(doc! { "_id": 1 }, now).upsert(true)).await?;
        Ok(())
    }
}

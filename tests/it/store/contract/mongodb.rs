//! MongoDB's fixture, and what MongoDB promises besides the contract.

mod cut;
mod faults;
mod killed;
mod late;
mod plans;
mod recovery;
mod refused;
mod together;

use std::sync::Arc;
use std::time::Duration;

use event_gateway::clock::System;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Access, Batch, Config, Error, MongodbConfig, Outcome, Store, open};

use crate::support::services::mongodb::{database, url};
use crate::support::store_fixture::{Choke, Fast, LANES, StoreFixture, all, log_id};
use crash::mongodb::client;
use mongodb::bson::{Document, doc};

/// A database of its own on the shared server.
pub struct OwnDatabase {
    url: String,
    database: String,
}

impl StoreFixture for OwnDatabase {
    async fn new() -> Self {
        Self { url: url(), database: database() }
    }

    async fn open(&self) -> Arc<dyn Store> {
        open_at(&self.url, &self.database).await.unwrap()
    }

    async fn elapse(&self, by: Duration) {
        tokio::time::sleep(by + Duration::from_millis(1)).await;
    }
}

impl Choke for OwnDatabase {
    async fn choke(&self) {
        let choke = doc! { "collMod": "events", "validator": { "key": { "$ne": "choke" } } };
        client(&self.url).await.database(&self.database).run_command(choke).await.unwrap();
    }
}

impl Fast for OwnDatabase {
    async fn given_by_a_clock_that_is_fast(&self, by: Duration) {
        let database = client(&self.url).await.database(&self.database);
        let later = doc! { "$add": ["$expires", i64::try_from(by.as_millis()).unwrap()] };
        for rows in ["leases", "replicas"] {
            let given = vec![doc! { "$set": { "expires": &later } }];
            let lasting = doc! { "expires": { "$exists": true } };
            database.collection::<Document>(rows).update_many(lasting, given).await.unwrap();
        }
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let (url, database) = (self.url.clone(), self.database.clone());
        let drop = async move { client(&url).await.database(&database).drop().await };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A panic here would hide the test's own.
        std::thread::spawn(move || runtime.block_on(drop).ok()).join().ok();
    }
}

async fn open_at(url: &str, database: &str) -> Result<Arc<dyn Store>, Error> {
    let config = MongodbConfig { url: url.into(), database: database.to_owned() };
    open(&Config::Mongodb(config), Access::Serve, Arc::new(System)).await
}

/// An open store with the lanes set and these tenants enabled.
async fn open_store(url: &str, database: &str, tenants: &[TenantId]) -> Arc<dyn Store> {
    let store = open_at(url, database).await.unwrap();
    store.lanes(LANES).await.unwrap();
    for (number, tenant) in (1..).zip(tenants) {
        store.enable_if_new(tenant, log_id(number)).await.unwrap();
    }
    store
}

/// Appends the drafts of one tenant.
async fn append(
    store: &Arc<dyn Store>,
    tenant: &TenantId,
    drafts: &[Draft],
) -> Result<Outcome, Error> {
    let batch = Batch { tenant: tenant.clone(), drafts: drafts.to_vec() };
    Ok(store.append(&[batch]).await?.remove(0))
}

/// The event ids of a tenant's whole log, which is dense.
async fn log(store: &Arc<dyn Store>, tenant: &TenantId) -> Vec<String> {
    let slices = store.read(&[(tenant.clone(), Position::START.into())], &all()).await.unwrap();
    let events = &slices[0].events;
    assert!(events.iter().map(|event| event.position.number()).eq(1..=events.len() as u64));
    assert!(events.is_sorted_by_key(|event| event.time));
    events.iter().map(|event| event.event_id.to_string()).collect()
}

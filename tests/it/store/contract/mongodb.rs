//! MongoDB's fixture, and MongoDB's promises besides the contract.

mod cut;
mod dump;
mod faults;
mod killed;
mod late;
mod plans;
mod recovery;
mod refused;
mod together;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::mongodb::client;
use event_gateway::clock::System;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{
    Access, Batch, Config, Error, Lease, MongodbConfig, Outcome, Store, open,
};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};

use crate::support::drafts::create_in;
use crate::support::ids::{event_id, log_id, tenant};
use crate::support::services::mongodb::{TRANSACTION_MAX, database, url};
use crate::support::store_fixture::{
    Choke, Fast, LANES, StoreFixture, Tables, Version, Versions, all, receipts,
};

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

impl Versions for OwnDatabase {
    async fn open_with(&self, access: Access) -> Result<Arc<dyn Store>, Error> {
        let config =
            MongodbConfig { url: self.url.clone().into(), database: self.database.clone() };
        open(&Config::Mongodb(config), access, Arc::new(System)).await
    }

    async fn recorded(&self) -> Vec<Version> {
        let database = client(&self.url).await.database(&self.database);
        let rows = database.collection::<Document>("versions");
        let rows = rows.find(doc! {});
        let rows: Vec<_> = rows.sort(doc! { "_id": 1 }).await.unwrap().try_collect().await.unwrap();
        let version = |row: &Document| Version {
            number: row.get_i64("_id").unwrap(),
            compatible_with: row.get_i64("compatible_with").unwrap(),
            release: row.get_str("release").unwrap().to_owned(),
        };
        rows.iter().map(version).collect()
    }

    async fn record(&self, version: &Version) {
        let Version { number, compatible_with, release } = version;
        let it = doc! {
            "_id": number, "version": number, "compatible_with": compatible_with,
            "release": release,
        };
        let database = client(&self.url).await.database(&self.database);
        database.collection("versions").insert_one(it).await.unwrap();
    }

    async fn add_columns(&self) {
        let database = client(&self.url).await.database(&self.database);
        for name in database.list_collection_names().await.unwrap() {
            let add = doc! { "$set": { "later": "later" } };
            let rows = database.collection::<Document>(&name);
            rows.update_many(doc! {}, add).await.unwrap();
        }
        database.create_collection("later").await.unwrap();
    }
}

impl Tables for OwnDatabase {
    /// Collections have no columns: those that belong to lanes and replicas are left out by name.
    async fn tables(&self) -> BTreeSet<String> {
        let database = client(&self.url).await.database(&self.database);
        let names = database.list_collection_names().await.unwrap().into_iter();
        let shared =
            ["lanes", "leases", "replicas", "listeners", "transactions", "checks", "versions"];
        names.filter(|name| !shared.contains(&name.as_str())).collect()
    }

    async fn tables_of(&self, tenant: &TenantId) -> BTreeSet<String> {
        let database = client(&self.url).await.database(&self.database);
        let tenant = tenant.as_str();
        let its = doc! { "$or": [
            { "_id": tenant },
            { "_id.tenant": tenant },
            { "_id.scope": tenant },
            { "tenant": tenant },
        ] };
        let mut found = BTreeSet::new();
        for table in self.tables().await {
            let rows = database.collection::<Document>(&table);
            if rows.find_one(its.clone()).await.unwrap().is_some() {
                found.insert(table);
            }
        }
        found
    }
}

impl Choke for OwnDatabase {
    async fn choke(&self) {
        let choke = doc! { "collMod": "events", "validator": { "key": { "$ne": "choke" } } };
        let trail = doc! { "collMod": "trail", "validator": { "object": { "$ne": "choke" } } };
        let database = client(&self.url).await.database(&self.database);
        for choke in [choke, trail] {
            database.run_command(choke).await.unwrap();
        }
    }

    async fn rename_act(&self, object: &str, act: &str) {
        let database = client(&self.url).await.database(&self.database);
        let (its, act) = (doc! { "object": object }, doc! { "$set": { "act": act } });
        let renamed = database.collection::<Document>("trail").update_one(its, act).await.unwrap();
        assert_eq!(renamed.modified_count, 1);
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

/// Opens a store with the lanes set and these tenants enabled.
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

/// Returns the event ids of a tenant's whole log, which is dense.
async fn log(store: &Arc<dyn Store>, tenant: &TenantId) -> Vec<String> {
    let slices = store.read(&[(tenant.clone(), Position::START.into())], &all()).await.unwrap();
    let events = &slices[0].events;
    assert!(events.iter().map(|event| event.position.number()).eq(1..=events.len() as u64));
    assert!(events.is_sorted_by_key(|event| event.time));
    events.iter().map(|event| event.event_id.to_string()).collect()
}

/// Appends until it is told to stop; an append that fails is retried with the same ids.
pub async fn insist(
    store: Arc<dyn Store>,
    tenant: TenantId,
    stop: Arc<AtomicBool>,
) -> Vec<Appended> {
    let mut appended = Vec::new();
    for id in (1..).step_by(2) {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let drafts: [Draft; 2] = [create_in(&tenant, id), create_in(&tenant, id + 1)];
        let begun = Instant::now();
        let outcome = loop {
            assert!(begun.elapsed() < PATIENCE, "{tenant}: never appended");
            match append(&store, &tenant, &drafts).await {
                Ok(outcome) => break outcome,
                Err(Error::Unavailable(_) | Error::Unknown(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        };
        appended.push(Appended { outcome, begun, ended: Instant::now() });
    }
    appended
}

/// An append: its outcome, and the times of its beginning and end.
pub struct Appended {
    pub outcome: Outcome,
    begun: Instant,
    ended: Instant,
}

/// Lets replicas die until one dies in the midst of an append, and appends to its tenants.
pub async fn dead_replicas_let_go(url: &str, database: &str) {
    let tenants = [0, 1, 2, 3].map(|number| tenant(&format!("t{number}")));
    let store = open_store(url, database, &tenants).await;
    let begun = client(url).await.database(database).collection::<Document>("transactions");
    let mut died = 0;
    while died < 10 && begun.count_documents(doc! { "open": true }).await.unwrap() == 0 {
        let (url, database) = (url.to_owned(), database.to_owned());
        tokio::task::spawn_blocking(move || dying_replica(url, database)).await.unwrap();
        died += 1;
    }
    assert!(died < 10, "none died in an append");
    let since = Instant::now();
    for tenant in &tenants {
        let id = 1 << 100;
        receipts(&append(&store, tenant, &[create_in(tenant, id)]).await.unwrap());
        assert_eq!(log(&store, tenant).await.last(), Some(&event_id(id).to_string()));
    }
    checkpoint(&store).await;
    assert!(since.elapsed() < TRANSACTION_MAX / 2, "{:?}", since.elapsed());
}

/// Runs a replica that appends to four tenants at once, and checkpoints their cursors, until it
/// suddenly dies.
pub fn dying_replica(url: String, database: String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(open_at(&url, &database)).unwrap();
    for number in 0..4_u128 {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            let tenant = tenant(&format!("t{number}"));
            for id in 1.. {
                append(&store, &tenant, &[create_in(&tenant, id)]).await.unwrap();
            }
        });
    }
    runtime.spawn(async move {
        loop {
            checkpoint(&store).await;
        }
    });
    std::thread::sleep(Duration::from_millis(400));
    runtime.shutdown_background();
}

/// Checkpoints the relay's cursors of four tenants.
pub async fn checkpoint(store: &Arc<dyn Store>) {
    let start = Cursor::start(log_id(1));
    let cursors = [0, 1, 2, 3].map(|number| (tenant(&format!("t{number}")), start));
    let lease = Lease { lane: Lane::new(0), term: 1 };
    store.checkpoint(&lease, &Follower::relay(), &cursors).await.unwrap();
}

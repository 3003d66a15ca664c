//! Replicas that are killed in the midst of a transaction: no lease waits for them.

use std::time::Duration;

use crash::mongodb::client;
use event_gateway::domain::lane::Lane;
use event_gateway::store::LeaseCheck;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Database};
use tokio::time::timeout;

use super::{OwnDatabase, open_at, open_store};
use crate::support::ids::{diku, log_id, tenant};
use crate::support::store_fixture::{LANES, StoreFixture, polled};

const TTL: Duration = Duration::from_secs(60);
/// This is far less than the half minute or more for which a dead replica's transaction may stay
/// open.
const AT_ONCE: Duration = Duration::from_secs(8);
/// Sweeps until one death has met the lock; most do.
const SWEEPS_MAX: u32 = 30;

/// Runs a replica that enables a tenant and suddenly dies; returns whether it finished before.
fn introduces_and_dies(url: &str, database: &str, sweep: u32, polls: u32) -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(open_at(url, database)).unwrap();
    let tenant = tenant(&format!("t{sweep}-{polls}"));
    let mut introducing = store.enable_if_new(&tenant, log_id(polls.into()));
    let introduced = runtime.block_on(polled(&mut introducing, polls)).is_some();
    // A killed process runs no destructor, which would abort the transaction.
    std::mem::forget(introducing);
    runtime.shutdown_background();
    introduced
}

/// Returns whether an open transaction has locked one of the lanes' counts.
async fn has_locked(database: &Database) -> bool {
    let probe = doc! { "q": {}, "u": { "$inc": { "probes": 1 } }, "multi": true };
    database
        .run_command(doc! { "update": "lanes", "updates": [probe], "maxTimeMS": 50 })
        .await
        .is_err()
}

/// Ends the transactions that were left open.
async fn end_all(client: &Client, database: &Database) {
    let rows = database.collection::<Document>("transactions");
    let open: Vec<_> = rows.find(doc! { "open": true }).await.unwrap().try_collect().await.unwrap();
    for row in open {
        let session = doc! { "id": row.get("_id").cloned() };
        client.database("admin").run_command(doc! { "killSessions": [session] }).await.unwrap();
        rows.delete_one(doc! { "_id": row.get("_id").cloned() }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_enabling_a_tenant_holds_up_nobody_s_lease() {
    let fixture = OwnDatabase::new().await;
    let store = open_store(&fixture.url, &fixture.database, &[diku()]).await;
    let client = client(&fixture.url).await;
    let database = client.database(&fixture.database);
    let mut met = 0;
    for sweep in 1..=SWEEPS_MAX {
        for polls in 1.. {
            let (url, name) = (fixture.url.clone(), fixture.database.clone());
            let dies =
                tokio::task::spawn_blocking(move || introduces_and_dies(&url, &name, sweep, polls));
            let introduced = dies.await.unwrap();
            for lane in Lane::all(LANES) {
                let lease = timeout(AT_ONCE, store.acquire(lane, "survivor", TTL)).await;
                let lease = lease.unwrap_or_else(|_| panic!("{polls}: {lane:?} can't be taken"));
                let renewed = timeout(AT_ONCE, store.renew(&lease.unwrap().unwrap(), TTL)).await;
                assert_eq!(renewed.unwrap().unwrap(), LeaseCheck::Held);
            }
            met += u32::from(has_locked(&database).await);
            end_all(&client, &database).await;
            if introduced {
                break;
            }
        }
        if met > 0 {
            return;
        }
    }
    panic!("none died with a lane's count locked");
}

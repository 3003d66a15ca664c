//! The way in, over a store that can't take everything: a batch that it can't take fails alone.

use std::sync::Arc;

use event_gateway::domain::draft::Draft;
use event_gateway::intake::{Config, Error, GroupCommit, Wake};
use event_gateway::store::{self, Batch};

use crate::support::drafts::create_in;
use crate::support::ids::{college, diku, key};
use crate::support::store_fixture::{Choke, OpenStore};

/// The number of batches that are posted at once, of two tenants by turns.
const BATCHES: u128 = 60;
/// The index of the batch that the store can't take.
const CHOKES: [u128; 4] = [7, 8, 21, 50];

pub async fn what_the_store_can_t_take_fails_alone<B: Choke>() {
    let opened = OpenStore::<B>::new().await;
    opened.fixture.choke().await;
    let (intake, writers) = GroupCommit::start(
        &Config::default(),
        &opened.store,
        &Arc::default(),
        &(Arc::new(|_: &_, _| {}) as Wake),
    );
    let intake = Arc::new(intake);
    let submitted: Vec<_> = (1..=BATCHES)
        .map(|id| {
            let tenant = if id % 2 == 0 { diku() } else { college() };
            let draft = create_in(&tenant, id);
            let draft =
                if CHOKES.contains(&id) { Draft { key: key("choke"), ..draft } } else { draft };
            let (intake, batch) = (intake.clone(), Batch { tenant, drafts: vec![draft] });
            tokio::spawn(async move { intake.submit(batch).await })
        })
        .collect();
    for (id, submitted) in (1..).zip(submitted) {
        match submitted.await.unwrap() {
            Ok(_) => assert!(!CHOKES.contains(&id), "{id}"),
            Err(Error::Unstorable(_) | Error::Store(store::Error::Unavailable(_))) => {
                assert!(CHOKES.contains(&id), "{id}");
            }
            Err(other) => panic!("{id}: {other:?}"),
        }
    }
    drop(intake);
    writers.finish().await;
    let logs = [opened.log(&diku()).await, opened.log(&college()).await];
    assert_eq!(logs.map(|log| log.len()), [30 - 2, 30 - 2]);
}

//! A store that several replicas share: each sees what the others did, however long it was alone before.

use std::sync::Arc;

use event_gateway::domain::draft::Draft;
use event_gateway::domain::position::Position;
use event_gateway::store::{Batch, Outcome, Store};

use super::bench::{Bench, Stage, diku, log_id, position, positions, receipts};
use super::drafts::{create, create_on, delete_all, event_id};

const ITEM: &str = "folio.diku.inventory.item";
const OTHER: &str = "folio.diku.inventory.other";

async fn append(store: &Arc<dyn Store>, drafts: &[Draft]) -> Outcome {
    store.append(&[Batch { tenant: diku(), drafts: drafts.to_vec() }]).await.unwrap().remove(0)
}

/// Two replicas, of which the first has appended the events from 1 to 4.
async fn replicas<B: Bench>() -> (Stage<B>, [Arc<dyn Store>; 2]) {
    let stage = Stage::<B>::new().await;
    let stores = [Arc::clone(&stage.store), stage.bench.open().await];
    for id in 1..=4 {
        assert_eq!(positions(&append(&stores[0], &[create(id)]).await), [id as u64]);
    }
    (stage, stores)
}

pub async fn what_a_replica_appends_stands_behind_what_others_did<B: Bench>() {
    let (stage, [one, other]) = replicas::<B>().await;
    append(&other, &[create_on(OTHER, 5)]).await;
    for id in 6..=8 {
        append(&one, &[create(id)]).await;
    }
    append(&other, &[create(9), delete_all(ITEM, 10)]).await;
    for id in 11..=14 {
        append([&one, &other][id as usize % 2], &[create(id)]).await;
    }
    let log = stage.log(&diku()).await;
    assert!(log.iter().map(|e| e.event_id).eq((1..=14).map(event_id)));
    assert!(log.iter().map(|e| e.position.number()).eq(1..=14));
    assert!(log.is_sorted_by_key(|event| event.time));
    let epochs: Vec<_> = log.iter().map(|event| event.epoch.map(Position::number)).collect();
    assert_eq!(epochs, [vec![None; 10], vec![Some(10); 4]].concat());
}

pub async fn what_a_replica_appended_is_known_to_the_others<B: Bench>() {
    let (stage, [one, other]) = replicas::<B>().await;
    let theirs = receipts(&append(&other, &[create(5)]).await);
    assert_eq!(receipts(&append(&one, &[create(5)]).await), theirs);
    for id in 6..=8 {
        append(&one, &[create(id)]).await;
    }
    assert_eq!(positions(&append(&other, &[create(7), create(9)]).await), [7, 9]);
    assert_eq!(positions(&append(&one, &[create(10), create(5)]).await), [10, 5]);
    assert_eq!(stage.log(&diku()).await.len(), 10);
}

pub async fn a_log_that_a_replica_renewed_is_renewed_for_the_others<B: Bench>() {
    let (_stage, [one, other]) = replicas::<B>().await;
    assert!(other.renew_log(&diku(), log_id(1), log_id(9), position(4)).await.unwrap());
    let Outcome::Appended { log_id: id, receipts, .. } = append(&one, &[create(5)]).await else {
        panic!("not appended");
    };
    assert_eq!((id, receipts[0].position), (log_id(9), position(5)));
}

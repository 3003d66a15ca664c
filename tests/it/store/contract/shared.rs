//! A store that several replicas share: each sees the others' changes, however long it was alone
//! before.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::position::Position;
use event_gateway::store::{Batch, KafkaListener, Outcome, Store};
use tokio::time::timeout;

use crate::support::drafts::{create, create_in, create_on, delete_all};
use crate::support::ids::{diku, event_id, log_id, position, tenant};
use crate::support::store_fixture::{OpenStore, StoreFixture, positions, receipts};

const ITEM: &str = "folio.diku.inventory.item";
const OTHER: &str = "folio.diku.inventory.other";

async fn append(store: &Arc<dyn Store>, drafts: &[Draft]) -> Outcome {
    store.append(&[Batch { tenant: diku(), drafts: drafts.to_vec() }]).await.unwrap().remove(0)
}

/// Opens two replicas, of which the first has appended the events up to 20 alone.
async fn replicas<B: StoreFixture>() -> (OpenStore<B>, [Arc<dyn Store>; 2]) {
    let opened = OpenStore::<B>::new().await;
    let stores = [Arc::clone(&opened.store), opened.fixture.open().await];
    opened.settle(1).await;
    (opened, stores)
}

pub async fn what_a_replica_appends_stands_after_what_others_did<B: StoreFixture>() {
    let (opened, [one, other]) = replicas::<B>().await;
    append(&other, &[create_on(OTHER, 21)]).await;
    opened.settle(22).await;
    append(&other, &[create(42), delete_all(ITEM, 43)]).await;
    for id in 44..=53 {
        append([&one, &other][id as usize % 2], &[create(id)]).await;
    }
    let log = opened.log(&diku()).await;
    assert!(log.iter().map(|e| e.event_id).eq((1..=53).map(event_id)));
    assert!(log.iter().map(|e| e.position.number()).eq(1..=53));
    assert!(log.is_sorted_by_key(|event| event.time));
    let epochs: Vec<_> =
        log.iter().map(|event| event.last_delete_all.map(Position::number)).collect();
    assert_eq!(epochs, [vec![None; 43], vec![Some(43); 10]].concat());
}

pub async fn what_a_replica_appended_is_known_to_the_others<B: StoreFixture>() {
    let (opened, [one, other]) = replicas::<B>().await;
    let theirs = receipts(&append(&other, &[create(21)]).await);
    assert_eq!(receipts(&append(&one, &[create(21)]).await), theirs);
    opened.settle(22).await;
    assert_eq!(positions(&append(&other, &[create(7), create(42)]).await), [7, 42]);
    assert_eq!(positions(&append(&one, &[create(43), create(21)]).await), [43, 21]);
    assert_eq!(opened.log(&diku()).await.len(), 43);
}

pub async fn a_log_id_that_a_replica_rotated_is_rotated_for_the_others<B: StoreFixture>() {
    let (_stage, [one, other]) = replicas::<B>().await;
    assert!(other.rotate_log_id(&diku(), log_id(1), log_id(9), position(20)).await.unwrap());
    let Outcome::Appended { log_id: id, receipts, .. } = append(&one, &[create(21)]).await else {
        panic!("not appended");
    };
    assert_eq!((id, receipts[0].position), (log_id(9), position(21)));
}

pub async fn time_goes_on_for_a_replica_that_is_alone<B: StoreFixture>() {
    let (opened, [one, _other]) = replicas::<B>().await;
    let before = opened.settle(21).await[19].time;
    let nobody = Batch { tenant: tenant("nobody"), drafts: vec![create_in(&tenant("nobody"), 1)] };
    assert_eq!(one.append(&[nobody]).await.unwrap(), [Outcome::NotEnabled]);
    opened.fixture.elapse(Duration::from_millis(50)).await;
    let after = opened.post(&[create(41)]).await[0].time;
    assert!((40..60_000).contains(&(after.as_ms() - before.as_ms())), "{before} {after}");
}

pub async fn what_a_replica_appends_is_told_to_the_others<B: StoreFixture>() {
    let (_opened, [one, other]) = replicas::<B>().await;
    let mut growth = other.watch().await.unwrap().expect("others append to it");
    append(&one, &[create(21)]).await;
    if one.announces() {
        one.announce(&[diku()]).await.unwrap();
    }
    let told = async { while !growth.grown().await.unwrap().contains(&diku()) {} };
    timeout(PATIENCE, told).await.expect("it is told");
}

fn kafka_listener(node: u16, instance: &str, port: u16) -> KafkaListener {
    let host = format!("{instance}.gateway");
    KafkaListener { node, instance: instance.to_owned(), host, port }
}

pub async fn a_listener_is_announced_for_a_while_under_a_number_of_its_own<B: StoreFixture>() {
    let (long, short) = (Duration::from_secs(60), Duration::from_millis(1));
    let OpenStore { store: one, fixture } = OpenStore::<B>::new().await;
    let two = fixture.open().await;
    assert_eq!(one.list_listeners().await.unwrap(), []);
    let first = kafka_listener(1, "first", 9092);
    assert!(one.announce_listener(&first, long).await.unwrap());
    assert!(one.announce_listener(&first, long).await.unwrap(), "it keeps its number");
    assert_eq!(two.list_listeners().await.unwrap(), from_ref(&first));
    let taken = kafka_listener(1, "second", 9093);
    assert!(!two.announce_listener(&taken, long).await.unwrap(), "the number is another's");
    let second = kafka_listener(2, "second", 65535);
    assert!(two.announce_listener(&second, long).await.unwrap());
    assert_eq!(one.list_listeners().await.unwrap(), [first.clone(), second.clone()]);
    // Its replica dies.
    assert!(two.announce_listener(&second, short).await.unwrap());
    fixture.elapse(short).await;
    assert_eq!(one.list_listeners().await.unwrap(), from_ref(&first));
    let third = kafka_listener(2, "third", 9092);
    assert!(one.announce_listener(&third, long).await.unwrap(), "the number is free");
    assert!(!two.announce_listener(&second, long).await.unwrap(), "it was taken meanwhile");
    two.withdraw_listener(&second).await.unwrap();
    assert_eq!(two.list_listeners().await.unwrap(), [first.clone(), third.clone()]);
    two.withdraw_listener(&first).await.unwrap();
    assert_eq!(one.list_listeners().await.unwrap(), [third]);
}

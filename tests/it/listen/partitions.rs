//! A topic has the partitions that its first client saw, and so each key stays in its own, whatever
//! the files say later.

use std::collections::{BTreeMap, BTreeSet};

use crash::kafka::{Isolation, consume, partitions};

use crate::support::kafka_clients::{post, setup};

const TOPIC: &str = "folio.diku.inventory.item";
/// A topic that the file names only later.
const LATER: &str = "folio.diku.orders.line";

/// Returns the partitions in which the records of each key are, once there are so many records.
fn by_key(address: &str, count: usize) -> BTreeMap<String, BTreeSet<i32>> {
    let records = consume(address, TOPIC, Isolation::ReadCommitted);
    assert_eq!(records.len(), count, "{records:?}");
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for record in records {
        found.entry(record.key().to_owned()).or_default().insert(record.partition);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_keeps_its_partitions_and_each_key_its_own_when_its_file_is_changed() {
    let setup = setup(&["diku"], 3);
    let serve = setup.serve();
    post(&serve, "diku", 0..14).await;
    assert_eq!(partitions(serve.broker(), TOPIC), Some(3));
    let before = by_key(serve.broker(), 14);
    assert!(before.len() == 7 && before.values().all(|its| its.len() == 1), "{before:?}");
    assert!(serve.terminate().success(), "{}", setup.log());

    let entity = |name: &str| format!("[entities.\"{name}\"]\npartitions = 8\n");
    setup.add_tenant("diku", &(entity("inventory.item") + &entity("orders.line")));
    let serve = setup.serve();
    post(&serve, "diku", 14..28).await;
    assert_eq!(partitions(serve.broker(), LATER), Some(8), "the changed file was read");
    assert_eq!(partitions(serve.broker(), TOPIC), Some(3));
    assert_eq!(by_key(serve.broker(), 28), before);
    assert!(serve.terminate().success(), "{}", setup.log());
}

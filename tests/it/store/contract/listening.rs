//! The rows of the listener: numbers of partitions, and who coordinates the groups of Kafka's
//! clients.

use event_gateway::domain::subscription::Group;
use event_gateway::domain::topic::Topic;
use event_gateway::store::KafkaGroup;

use crate::support::ids::{diku, tenant};
use crate::support::store_fixture::{OpenStore, StoreFixture};

pub async fn partitions_stay_as_they_were_fixed_first<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let topic = |name: &str| Topic::parse(&format!("folio.diku.inventory.{name}")).unwrap();
    let first = [(diku(), topic("item"), 3), (diku(), topic("loan"), 50)];
    assert_eq!(opened.store.fix_partitions(&first).await.unwrap(), [3, 50]);
    let opened = opened.reopen().await;
    let later = [(diku(), topic("loan"), 1), (diku(), topic("new"), 7), (diku(), topic("item"), 9)];
    assert_eq!(opened.store.fix_partitions(&later).await.unwrap(), [50, 7, 3]);
    // A tenant without a log leaves no row behind.
    let nobody = [(tenant("nobody"), topic("item"), 5)];
    assert_eq!(opened.store.fix_partitions(&nobody).await.unwrap(), [5]);
    let other = [(tenant("nobody"), topic("item"), 6)];
    assert_eq!(opened.store.fix_partitions(&other).await.unwrap(), [6]);
    assert_eq!(opened.store.fix_partitions(&[]).await.unwrap(), [0; 0]);
}

fn kafka_group(scope: &str, name: &str, version: u64, state: &str) -> KafkaGroup {
    KafkaGroup {
        scope: scope.to_owned(),
        group: Group::of_kafka(name).unwrap(),
        version,
        holder: format!("holder of {state}"),
        state: state.to_owned(),
    }
}

pub async fn a_group_of_kafka_clients_is_changed_only_upon_what_was_found<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, name) = (&opened.store, "folio-mod-search \"é\"");
    let first = kafka_group("*", name, 0, r#"{"a":"é"}"#);
    assert_eq!(store.find_kafka_group("*", &first.group).await.unwrap(), None);
    assert!(store.write_kafka_group(&first).await.unwrap());
    assert!(!store.write_kafka_group(&first).await.unwrap(), "it exists");
    assert!(store.write_kafka_group(&kafka_group("diku", name, 0, "own")).await.unwrap());
    let found = store.find_kafka_group("*", &first.group).await.unwrap().unwrap();
    assert_eq!(found, kafka_group("*", name, 1, r#"{"a":"é"}"#));

    let next = kafka_group("*", name, 1, "next");
    assert!(store.write_kafka_group(&next).await.unwrap());
    assert!(!store.write_kafka_group(&next).await.unwrap(), "it has changed since");
    assert!(!store.remove_kafka_group(&next).await.unwrap(), "it has changed since");
    let opened = opened.reopen().await;
    let all = opened.store.list_kafka_groups().await.unwrap();
    let stored = |group: KafkaGroup| KafkaGroup { version: group.version + 1, ..group };
    assert_eq!(all, [stored(next.clone()), stored(kafka_group("diku", name, 0, "own"))]);
    assert!(opened.store.remove_kafka_group(&stored(next.clone())).await.unwrap());
    assert_eq!(opened.store.find_kafka_group("*", &next.group).await.unwrap(), None);
    assert_eq!(opened.store.list_kafka_groups().await.unwrap().len(), 1);
}

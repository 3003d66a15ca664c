//! The rows of the listener: numbers of partitions, and who coordinates the groups of Kafka's
//! clients.

use event_gateway::domain::subscription::Group;
use event_gateway::domain::topic::Topic;
use event_gateway::store::{KafkaGroup, ListedKafkaGroup};

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
        summary: format!("summary of {state}"),
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
    let changed = store.remove_kafka_group("*", &next.group, 1).await.unwrap();
    assert!(!changed, "it has changed since");
    let opened = opened.reopen().await;
    let store = &opened.store;
    let found = store.find_kafka_group("*", &next.group).await.unwrap();
    assert_eq!(found, Some(kafka_group("*", name, 2, "next")));
    assert!(store.remove_kafka_group("*", &next.group, 2).await.unwrap());
    assert_eq!(store.find_kafka_group("*", &next.group).await.unwrap(), None);
    let other = store.find_kafka_group("diku", &next.group).await.unwrap();
    assert_eq!(other, Some(kafka_group("diku", name, 1, "own")), "another scope's stays");
}

pub async fn who_coordinates_a_group_of_kafka_clients_is_found_by_its_scope_and_name<
    B: StoreFixture,
>() {
    let opened = OpenStore::<B>::new().await;
    let (store, names) = (&opened.store, ["cg.é", "cg.a"].map(|it| Group::of_kafka(it).unwrap()));
    for (scope, name, holder) in [("*", "cg.é", "one"), ("diku", "cg.é", "two"), ("*", "b", "x")]
    {
        let row = KafkaGroup { holder: holder.to_owned(), ..kafka_group(scope, name, 0, "{}") };
        assert!(store.write_kafka_group(&row).await.unwrap());
    }
    let found =
        async |scope: &str, name: &Group| store.find_kafka_group_holder(scope, name).await.unwrap();
    assert_eq!(found("*", &names[0]).await.as_deref(), Some("one"));
    assert_eq!(found("diku", &names[0]).await.as_deref(), Some("two"));
    assert_eq!(found("college", &names[0]).await, None);
    assert_eq!(found("*", &names[1]).await, None);
}

pub async fn groups_of_kafka_clients_are_listed_and_counted_by_their_scope<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let rows = [("diku", "cg.b"), ("*", "cg.a"), ("diku", "cg.a"), ("dik", "cg.c"), ("dikus", "d")];
    for (scope, name) in rows {
        assert!(store.write_kafka_group(&kafka_group(scope, name, 0, name)).await.unwrap());
    }
    assert!(store.write_kafka_group(&kafka_group("diku", "cg.b", 1, "later")).await.unwrap());
    let listed = |name: &str, version: u64, state: &str| {
        let KafkaGroup { group, version, holder, summary, .. } =
            kafka_group("diku", name, version, state);
        ListedKafkaGroup { group, version, holder, summary }
    };
    let its = store.list_kafka_groups("diku").await.unwrap();
    assert_eq!(its, [listed("cg.a", 1, "cg.a"), listed("cg.b", 2, "later")]);
    let others = store.list_kafka_groups("*").await.unwrap();
    assert_eq!(others, [listed("cg.a", 1, "cg.a")]);
    assert_eq!(store.list_kafka_groups("di").await.unwrap(), []);
    for (scope, count) in [("diku", 2), ("*", 1), ("dik", 1), ("di", 0)] {
        assert_eq!(store.count_kafka_groups(scope).await.unwrap(), count, "{scope}");
    }
}

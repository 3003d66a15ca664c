//! Topics: they are created as configured, and never changed afterwards.

use crash::PATIENCE;
use crash::kafka::PrivateBroker;
use event_gateway::sink::{Error, PartitionsGrown};

use super::{REQUEST_BYTES_MAX, World, eventually};
use crate::support::services::kafka::{
    TestTopic, add_partitions, assert_partitions, create_topic, set, settings,
};

#[tokio::test]
async fn ensure_creates_topics_with_their_settings_and_may_be_repeated() {
    let world = World::new();
    let mut compacted = world.spec("loan", 3);
    (compacted.compacted, compacted.retention_ms) = (true, 86_400_000);
    let specs = [world.spec("item", 1), compacted];
    let again = World { env: world.env.clone(), ..World::new() };
    for sink in [&world.sink, &world.sink, &again.sink] {
        sink.ensure(&specs).await.unwrap();
    }
    for (entity, wanted, policy, retention) in
        [("item", 1, "delete", "-1"), ("loan", 3, "compact", "86400000")]
    {
        let name = world.name(entity);
        assert_partitions(&world.address, &[(name.clone(), wanted)]);
        let settings = settings(&world.address, &name).await;
        assert_eq!(
            (settings["cleanup.policy"].as_str(), settings["retention.ms"].as_str()),
            (policy, retention)
        );
    }
}

#[tokio::test]
async fn a_topic_that_got_partitions_from_outside_is_reported() {
    let world = World::new();
    let (item, loan) = (world.spec("item", 2), world.spec("loan", 1));
    let name = world.name("loan");
    create_topic(&world.address, TestTopic { name: &name, partitions: 3, settings: &[] }).await;
    let both = [item.clone(), loan];
    world.sink.ensure(&both).await.unwrap();
    assert_eq!(
        world.sink.partitions_grown(),
        [],
        "other partitions than the settings say are nobody's doing"
    );
    add_partitions(&world.address, &world.name("item"), 5).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while world.sink.partitions_grown().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nobody noticed");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        world.sink.ensure(&both).await.unwrap();
    }
    assert_eq!(
        world.sink.partitions_grown(),
        [PartitionsGrown { topic: item.topic, before: 2, now: 5 }]
    );
}

#[tokio::test]
async fn ensure_leaves_an_existing_topic_as_it_is() {
    let world = World::new();
    let name = world.name("item");
    create_topic(
        &world.address,
        TestTopic { name: &name, partitions: 5, settings: &[("retention.ms", "1000")] },
    )
    .await;
    world.sink.ensure(&[world.spec("item", 2)]).await.unwrap();
    assert_partitions(&world.address, &[(name.clone(), 5)]);
    assert_eq!(settings(&world.address, &name).await["retention.ms"], "1000");
}

#[tokio::test]
async fn hundreds_of_topics_are_ensured_at_once() {
    let world = World::new();
    let specs: Vec<_> = (0..200).map(|n| world.spec(&format!("entity-{n}"), 1)).collect();
    world.sink.ensure(&specs[..150]).await.unwrap();
    world.sink.ensure(&specs).await.unwrap();
    let all: Vec<_> = specs.iter().map(|spec| (spec.topic.to_string(), 1)).collect();
    assert_partitions(&world.address, &all);
}

#[tokio::test]
async fn a_topic_that_the_cluster_refuses_is_named_and_the_others_are_created() {
    let world = World::new();
    let mut refused = world.spec("refused", 1);
    refused.retention_ms = -7;
    let error = world.sink.ensure(&[refused.clone(), world.spec("item", 1)]).await.unwrap_err();
    assert!(matches!(&error, Error::Topic(t, _) if *t == refused.topic), "{error:?}");
    assert_partitions(&world.address, &[(world.name("item"), 1)]);
}

#[tokio::test]
async fn a_name_that_collides_is_refused_in_kafka_s_words() {
    let world = World::new();
    let other = world.name("item").replace("inventory.item", "inventory_item");
    create_topic(&world.address, TestTopic { name: &other, partitions: 1, settings: &[] }).await;
    let refused = world.sink.ensure(&[world.spec("item", 1)]).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("collides with existing topics: {other}")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_brokers_each_has_a_replica_and_two_must_have_a_record() {
    let brokers = PrivateBroker::cluster(3);
    let address = brokers[0].address();
    let world = World::with(address.clone(), REQUEST_BYTES_MAX, None, &[]);
    eventually(|| world.sink.check()).await;
    let ready = async || world.sink.replication().await == Ok(3);
    crash::until("all brokers are known", ready).await;
    let world = world.with_topics(&["item"]).await;
    drop(world.take_over().await);
    let name = world.name("item");
    let spec = world.spec("item", 1);
    let topics = [spec.topic.clone(), world.sink.cursors_topic().unwrap()];
    for topic in &topics {
        assert_eq!(settings(&address, topic.as_str()).await["min.insync.replicas"], "2");
    }
    let described = async || eventually(|| world.sink.describe(&topics)).await;
    assert!(described().await.values().all(|it| it.durability(Some(3)).is_empty()));
    set(&address, &name, "min.insync.replicas", "1").await;
    let differ = async || {
        let all = described().await[&spec.topic].durability(Some(2));
        let all: Vec<_> = all.into_iter().map(|it| (it.setting.name(), it.wanted)).collect();
        all == [("replication.factor", "2".to_owned()), ("min.insync.replicas", "2".to_owned())]
    };
    crash::until("the difference is seen", differ).await;
}

//! The earlier holder of a lane is fenced, whatever transactional id it uses.

use event_gateway::sink::Error;

use super::{LANE, REQUEST_BYTES_MAX, TERM, World, again, eventually, page, refusal};
use crate::support::services::kafka::envelopes::Log;
use crate::support::services::kafka::{
    PrivateBroker, abort_open, consume_at_least, create_topic_on, leave_open, write_and_abort,
};

const PARTITION: i32 = 1;

impl World {
    /// Returns the lane's spare transactional id.
    fn spare(&self) -> String {
        format!("{}.event-gateway.lane-1.1", self.env)
    }
}

/// Takes the lane under its next id, like a replica that finds the first id blocked; this fences no
/// producer.
#[tokio::test]
async fn who_had_a_lane_commits_nothing_once_it_was_taken_under_another_id() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let zombie = world.take_over().await;
    let zombie = zombie.publish(page(vec![world.slice(&mut log, "item", 3, 10)])).await.unwrap();
    let committed = log.cursor();
    write_and_abort(&world.address, &world.spare(), &world.cursors_topic(), PARTITION);
    let late = page(vec![world.slice(&mut log, "item", 3, 10)]);
    let error = refusal(zombie, late).await;
    assert!(matches!(&error, Error::Fenced(why) if why.contains("another producer")), "{error:?}");
    let known = world.sink.take_over(LANE, TERM).await.unwrap().cursors;
    assert_eq!(known.values().map(|known| known.cursor).collect::<Vec<_>>(), [committed]);
    world.assert_committed(&mut log, &["item"], 3).await;
}

/// Otherwise, a transaction that a dead replica left open there would hide later records until
/// Kafka gives it up, and could be committed after the cursors were read.
#[tokio::test]
async fn what_is_open_under_another_id_has_ended_before_the_cursors_are_read() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    world.take_over().await;
    leave_open(&world.address, &world.spare(), &world.cursors_topic(), PARTITION);
    let publisher = world.take_over().await;
    publisher.publish(page(vec![world.slice(&mut log, "item", 3, 10)])).await.unwrap();
    let known = world.sink.take_over(LANE, TERM).await.unwrap().cursors;
    assert_eq!(known.values().map(|known| known.cursor).collect::<Vec<_>>(), [log.cursor()]);
}

/// Kafka can't end a transaction with a partition whose broker is dead, and its id takes no other
/// one until then.
#[tokio::test]
async fn a_lane_whose_id_is_blocked_by_a_dead_broker_goes_on_under_another() {
    let mut brokers = PrivateBroker::cluster(2);
    let world = World::at(brokers[0].address(), REQUEST_BYTES_MAX);
    let compact = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "4194304"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ];
    create_topic_on(&world.address, &world.cursors_topic(), &[&[1, 2], &[1, 2]], &compact).await;
    let kept = [("retention.ms", "-1")];
    create_topic_on(&world.address, &world.name("item"), &[&[1]], &kept).await;
    create_topic_on(&world.address, &world.name("loan"), &[&[2]], &kept).await;
    let mut log = Log::new("diku");
    let both = |log: &mut Log| {
        let events = [world.events(log, "item", 2, 10), world.events(log, "loan", 2, 10)].concat();
        page(vec![log.slice(events)])
    };
    let taken = eventually(|| world.sink.take_over(LANE, TERM)).await;
    let publisher = taken.publisher.publish(both(&mut log)).await.unwrap();
    let committed = log.cursor();

    brokers[1].kill();
    let page_again = both(&mut log);
    let mut error = refusal(publisher, page_again.clone()).await;
    // It may have been the lane's coordinator too, which moves to another broker.
    while matches!(error, Error::Retry(_)) {
        let publisher = eventually(|| world.sink.take_over(LANE, TERM)).await.publisher;
        error = refusal(publisher, page_again.clone()).await;
    }
    let Error::Unavailable(away) = &error else { panic!("{error:?}") };
    assert_eq!(away.iter().map(|a| a.topic.to_string()).collect::<Vec<_>>(), [world.name("loan")]);
    let specs = [world.spec("item", 1), world.spec("loan", 1)];
    eventually(|| async {
        match world.sink.ensure(&specs).await {
            Err(Error::Unavailable(away)) if away.len() == 1 => Ok(()),
            told => Err(Error::retry(format!("{told:?}"))),
        }
    })
    .await;
    let taken = eventually(|| world.sink.take_over(LANE, TERM)).await;
    assert_eq!(taken.cursors.values().map(|known| known.cursor).collect::<Vec<_>>(), [committed]);
    let mut others = Log::new("college");
    let publisher =
        taken.publisher.publish(page(vec![world.slice(&mut others, "item", 3, 10)])).await.unwrap();
    assert_eq!(consume_at_least(&world.address, &world.name("item"), 5).len(), 5);

    brokers[1].restart();
    eventually(|| async { world.sink.ensure(&specs).await.map_err(again) }).await;
    // The id is free once its transaction has ended everywhere.
    abort_open(&world.address, &format!("{}.event-gateway.lane-1", world.env));
    publisher.publish(page_again).await.unwrap();
    assert_eq!(consume_at_least(&world.address, &world.name("loan"), 4).len(), 4);
    assert_eq!(consume_at_least(&world.address, &world.name("item"), 7).len(), 7);
}

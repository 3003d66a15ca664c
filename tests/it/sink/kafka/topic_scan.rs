//! The topic scan finds all committed records of a topic, whoever else writes to it.

use std::time::Duration;

use event_gateway::domain::position::Position;
use event_gateway::sink::PublishedRecord;

use super::{World, page};
use crate::support::services::kafka::envelopes::{Log, topic};
use crate::support::services::kafka::{abort_open, leave_open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_open_transaction_hides_is_waited_for() {
    let world = World::new().with_topics(&["item"]).await;
    let (name, mut log) = (world.name("item"), Log::new("diku"));
    let slices = [(); 2].map(|()| world.slice(&mut log, "item", 3, 10));
    let other = format!("{}.somebody-else", world.env);
    let mut publisher = world.take_over().await;
    for (number, slice) in slices.into_iter().enumerate() {
        if number == 1 {
            leave_open(&world.address, &other, &name, 0);
        }
        publisher = publisher.publish(page(vec![slice])).await.unwrap();
    }
    let topics = [topic(&name)];
    let mut scan = world.sink.topic_scan(&topics, log.id, Position::START);
    let early = tokio::time::timeout(Duration::from_secs(1), &mut scan).await;
    assert!(early.is_err(), "half of it is told for all: {early:?}");
    drop(abort_open(&world.address, &other));
    let found = scan.await.unwrap();
    let positions: Vec<_> =
        found.iter().map(|PublishedRecord { position, .. }| position.number()).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 6]);
}

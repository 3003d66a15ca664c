//! Stories about changes that a store has lost, and that are posted again with their ids: each is
//! another event then, wherever it comes to stand.

use std::time::Duration;

use event_gateway::domain::replay::ReplayId;
use event_gateway::domain::time::Time;
use uuid::Uuid;

use crate::support::harness::Harness;
use crate::support::ids::{diku, event_id, position};
use crate::support::restore::{NEW, accepted, append, compared, go_back, of, published};

/// Later than every event.
const LATER: Time = Time::from_ms(4_000_000_000_000);

/// Publishes ten events, and takes the store back to the first five. Then come four others, and the
/// last one again, which stands where it stood.
async fn reposted() -> Harness {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..10).await;
    harness.publish(&[diku()]).await;
    go_back(&harness, 5, 5);
    // Events have the time of their append, in milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    append(&harness, 100..104).await;
    append(&harness, 9..10).await;
    let last = harness.log(&diku()).await.pop().unwrap();
    assert_eq!((last.position, last.event_id), (position(10), event_id(9)));
    harness
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_posted_before_such_a_change_is_not_passed_over() {
    let harness = reposted().await;
    append(&harness, 104..107).await;
    let trouble = harness.trouble_once_followed("tenant diku").await;
    assert!(trouble.contains("position 10") && trouble.contains("went back"), "{trouble}");
    let difference = compared(&harness).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(5));
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), (6..=13).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_topic_gave_another_time_is_published_all_the_same() {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..10).await;
    harness.publish(&[diku()]).await;
    harness.kafka.state(|state| state.append_time = Some(LATER));
    go_back(&harness, 8, 5);
    let difference = compared(&harness).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(8));
    assert_eq!((difference.pending, difference.only_in_kafka.len()), (0, 2));
}

/// The change may have other content, and the store that lost it can't know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn such_a_change_is_published_also_where_both_histories_part() {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..7).await;
    harness.publish(&[diku()]).await;
    // A replay, which gave the record the time of its own, has published it again.
    harness.kafka.state(|state| {
        let mut replayed = state.records[5].clone();
        replayed.mark_replayed(ReplayId::new(Uuid::from_u128(7)));
        replayed.time = replayed.time.after(1);
        state.records.push(replayed);
    });
    go_back(&harness, 5, 5);
    tokio::time::sleep(Duration::from_millis(5)).await;
    append(&harness, 5..6).await;
    let difference = compared(&harness).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(5));
    assert_eq!((difference.pending, difference.only_in_kafka.len()), (1, 3));
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), [6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn such_a_change_is_published_once_the_log_is_restored() {
    let harness = reposted().await;
    let difference = compared(&harness).await.unwrap();
    assert_eq!((difference.again, difference.pending), (0, 5));
    let only: Vec<_> = difference.only_in_kafka.iter().map(|it| it.position.number()).collect();
    assert_eq!(only, [6, 7, 8, 9, 10]);
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), [6, 7, 8, 9, 10]);
    assert_eq!(compared(&harness).await, None);
}

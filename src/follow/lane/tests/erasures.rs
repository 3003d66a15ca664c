//! Tests of erasures on a lane: what was not sent is discarded and counted so, the ERASED event is
//! sent, and nothing that was read before is sent after it.

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::replay_bed::{Bed, to_target};
use super::{ITEMS, REFUSED, Step, diku, topic};
use crate::domain::erasure::{Erasure, ErasureId, Progress};
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::parked::Request;
use crate::domain::subject::Subject;
use crate::domain::time::Time;
use crate::follow::erasure;

/// Erases a key of a topic.
async fn erase(bed: &Bed, id: u128, of: &str, key: &str) {
    let erasure = Erasure {
        id: ErasureId::new(Uuid::from_u128(id)),
        tenant: diku(),
        subject: Subject::from_column(of),
        key: Key::parse(key).unwrap(),
        reason: "a test".to_owned(),
        topics: vec![topic(of)],
        submitted: Time::ZERO,
        progress: Progress::default(),
    };
    assert!(bed.submit.store.add_erasure(&erasure, None).await.unwrap());
    erasure::empty(&*bed.submit.store, &bed.submit.settings, &erasure).await.unwrap();
    assert!(bed.submit.store.complete_erasure(&diku(), erasure.id, Time::ZERO).await.unwrap());
}

/// Returns how many events are published, pending, parked and discarded.
async fn counts(bed: &Bed) -> [u64; 4] {
    let counts = bed.submit.store.event_counts().await.unwrap();
    assert_eq!(counts.superseded, 0);
    [counts.published, counts.pending, counts.parked, counts.discarded]
}

#[tokio::test]
async fn what_is_erased_before_it_is_sent_is_discarded_and_the_erased_event_is_sent() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "a", "c"]).await;
    erase(&bed, 1, ITEMS, "a").await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    assert_eq!(bed.sink.published(&Follower::relay()), [2, 4, 5, 6]);
    assert_eq!(counts(&bed).await, [4, 0, 0, 2]);
    bed.post(ITEMS, &["a"]).await;
    bed.take_over().await;
    assert_eq!(bed.sink.published(&Follower::relay()), [2, 4, 5, 6, 7], "the key goes on");
}

#[tokio::test]
async fn records_that_are_erased_before_they_are_sent_cost_one_takeover() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c", "d", "a"]).await;
    for (id, key) in [(1, "a"), (2, "c"), (3, "d")] {
        erase(&bed, id, ITEMS, key).await;
    }
    let mut takeovers = 0;
    loop {
        match bed.work.step(&bed.lease).await.unwrap() {
            Step::Idle => break,
            Step::TakeOver if bed.work.session.is_some() => takeovers += 1,
            Step::TakeOver | Step::More => {}
        }
    }
    assert_eq!(takeovers, 2, "the first one, and one for all that were erased");
    assert_eq!(bed.sink.published(&Follower::relay()), [2, 6, 7, 8]);
    assert_eq!(counts(&bed).await, [4, 0, 0, 4]);
}

#[tokio::test]
async fn a_record_that_is_erased_twice_before_it_is_sent_has_two_erased_events() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b"]).await;
    erase(&bed, 1, ITEMS, "a").await;
    bed.post(ITEMS, &["a", "a", "b"]).await;
    erase(&bed, 2, ITEMS, "a").await;
    bed.rest().await;
    assert_eq!(bed.sink.published(&Follower::relay()), [2, 3, 6, 7]);
    assert_eq!(counts(&bed).await, [4, 0, 0, 3]);
}

#[tokio::test]
async fn what_was_sent_before_it_was_erased_counts_as_published() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "a"]).await;
    bed.rest().await;
    erase(&bed, 1, ITEMS, "a").await;
    bed.take_over().await;
    assert_eq!(bed.sink.published(&Follower::relay()), [1, 2, 3, 4]);
    assert_eq!(counts(&bed).await, [4, 0, 0, 0]);
    // A replay passes over what is empty, and sends the ERASED event.
    let replay = bed.replay(&to_target()).await;
    bed.until_ended(&replay).await;
    assert_eq!(bed.sent(&replay), [2, 4]);
}

#[tokio::test]
async fn of_a_parked_topic_that_is_released_what_is_erased_is_discarded() {
    let mut bed = Bed::new().await;
    bed.sink.refuses.store(true, Ordering::SeqCst);
    bed.post(REFUSED, &["x", "y", "x", "y"]).await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    assert_eq!(counts(&bed).await, [1, 0, 4, 0]);
    erase(&bed, 1, REFUSED, "x").await;
    bed.post(REFUSED, &["x", "y"]).await;
    bed.rest().await;
    assert_eq!(counts(&bed).await, [1, 0, 7, 0]);
    bed.sink.refuses.store(false, Ordering::SeqCst);
    let relay = Follower::relay();
    let all = bed.submit.store.parked(&diku(), &relay).await.unwrap();
    let id = all.iter().find(|parked| parked.is_open() && parked.key.is_none()).unwrap().event_id;
    let store = bed.submit.store.clone();
    assert!(store.request(&diku(), &relay, id, (Request::Release, None), None).await.unwrap());
    bed.rest().await;
    assert_eq!(bed.sink.consumed(REFUSED), [2, 4, 6, 7, 8]);
    assert_eq!(counts(&bed).await, [6, 0, 0, 2]);
    bed.take_over().await;
    assert_eq!(counts(&bed).await, [6, 0, 0, 2]);
}

/// A replay reads ahead; what it has read before an ERASED event is published is read again.
#[tokio::test]
async fn what_a_replay_has_read_ahead_is_not_sent_after_the_erased_event() {
    let mut bed = Bed::new().await;
    let keys: Vec<_> = (1..=1_200).map(|number| format!("k{number}")).collect();
    bed.post(ITEMS, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    bed.rest().await;
    let replay = bed.replay(&to_target()).await;
    bed.work.session = None;
    while bed.sent(&replay).is_empty() {
        assert_ne!(bed.work.step(&bed.lease).await.unwrap(), Step::Idle);
    }
    assert_eq!(bed.sent(&replay).len(), 500);
    erase(&bed, 1, ITEMS, "k700").await;
    bed.rest().await;
    let sent = bed.sent(&replay);
    assert!(!sent.contains(&700) && sent.len() >= 1_199, "{} events", sent.len());
}

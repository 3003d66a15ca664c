//! A store that went back to where something was parked that is released, or given up, since.

use event_gateway::domain::parked::{Asked, Parked, State};

use crate::parking::{ITEM, ended};
use crate::relay::Stage;
use crate::restore::{NEW, accepted, append, compared, go_back, of, publish, published, put_back};
use crate::store_contract::bench::{diku, position};

/// Key `k0` was parked at position 1, when the log had 6 events; that is what comes back. At 9 events it was
/// dealt with, and the log went on to 20. The row, as it was.
async fn dealt_with(asked: Asked) -> (Stage, Vec<Parked>) {
    let stage = Stage::new(1, &[diku()]).await;
    stage.refuse(ITEM, "k0");
    append(&stage, 0..6).await;
    publish(&stage).await;
    let before = stage.store.parked(&diku()).await.unwrap();
    assert_eq!((before.len(), before[0].state), (1, State::Parked));
    append(&stage, 6..9).await;
    publish(&stage).await;
    stage.allow_all();
    let followers = stage.follow();
    stage.ask(&before[0], asked).await;
    stage.parked(&diku(), ended).await;
    followers.stop().await;
    append(&stage, 9..20).await;
    publish(&stage).await;
    (stage, before)
}

async fn row(stage: &Stage) -> Parked {
    stage.store.parked(&diku()).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_released_meanwhile_is_over_wherever_the_log_ends() {
    for (head, noted) in [(6, 6), (8, 6), (15, 6), (20, 6)] {
        let (stage, before) = dealt_with(Asked::Release).await;
        go_back(&stage, head, noted);
        put_back(&stage, &before).await;
        let difference = compared(&stage).await.unwrap();
        assert_eq!(difference.common.unwrap().position, position(head));
        assert_eq!((difference.again, difference.pending), (0, 0));
        accepted(&stage, &difference).await.unwrap();
        // Of 100, 101 and 102 the key of 102 is `k0`.
        append(&stage, 100..103).await;
        publish(&stage).await;
        assert_eq!(row(&stage).await.state, State::Joined(position(head)));
        assert_eq!(of(&published(&stage), NEW), (head + 1..=head + 3).collect::<Vec<_>>());
        assert_eq!(of(&published(&stage), 1).len(), 20, "nothing is published again");
        assert_eq!(compared(&stage).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_anew_where_a_release_once_ended_is_published() {
    let (stage, before) = dealt_with(Asked::Release).await;
    go_back(&stage, 6, 6);
    put_back(&stage, &before).await;
    // Position 7 is of `k0`, as it was when the release passed it.
    append(&stage, 102..106).await;
    let difference = compared(&stage).await.unwrap();
    assert_eq!((difference.common.unwrap().position, difference.pending), (position(6), 4));
    accepted(&stage, &difference).await.unwrap();
    publish(&stage).await;
    assert_eq!(of(&published(&stage), NEW), [7, 8, 9, 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_kafka_has_up_to_the_relay_is_over_without_an_operator() {
    let stage = Stage::new(1, &[diku()]).await;
    stage.refuse(ITEM, "k0");
    append(&stage, 0..6).await;
    publish(&stage).await;
    let before = stage.store.parked(&diku()).await.unwrap();
    stage.allow_all();
    let followers = stage.follow();
    stage.ask(&before[0], Asked::Release).await;
    stage.parked(&diku(), ended).await;
    followers.stop().await;
    put_back(&stage, &before).await;
    let followers = stage.follow();
    let over = stage.parked(&diku(), ended).await.remove(0);
    assert_eq!((over.state, over.events), (State::Joined(position(6)), 0));
    append(&stage, 6..9).await;
    stage.published(&[diku()]).await;
    followers.stop().await;
    stage.assert_accounted(&[diku()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_meanwhile_is_not_taken_for_released() {
    let (stage, before) = dealt_with(Asked::Discard).await;
    go_back(&stage, 15, 6);
    put_back(&stage, &before).await;
    let difference = compared(&stage).await.unwrap();
    assert!(difference.released.is_empty(), "{difference:?}");
    accepted(&stage, &difference).await.unwrap();
    publish(&stage).await;
    assert_eq!(row(&stage).await.state, State::Parked, "who gave it up may do so again");
}

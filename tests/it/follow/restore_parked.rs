//! A store that went back to where something was parked that is released, or given up, since.

use event_gateway::domain::ledger::Ledger;
use event_gateway::domain::parked::{Parked, Request, State};

use crate::follow::parking::records::{ITEM, ended};
use crate::follow::relay::Stage;
use crate::follow::restore::{
    NEW, accepted, append, compared, forget_parked, go_back, of, publish, published, put_back,
};
use crate::support::gateway::until;
use crate::support::store_fixture::{diku, position};

/// Key `k0` was parked at position 1, when the log had 6 events; that is what comes back. At 9 events it was
/// dealt with, and the log went on to 20. The row, as it was.
async fn dealt_with(request: Request) -> (Stage, Vec<Parked>) {
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
    stage.ask(&before[0], request).await;
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
        let (stage, before) = dealt_with(Request::Release).await;
        go_back(&stage, head, noted);
        put_back(&stage, &before).await;
        let difference = compared(&stage).await.unwrap();
        assert_eq!(difference.common.unwrap().position, position(head));
        assert_eq!((difference.again, difference.pending), (0, 0));
        accepted(&stage, &difference).await.unwrap();
        // Of 100, 101 and 102 the key of 102 is `k0`.
        append(&stage, 100..103).await;
        publish(&stage).await;
        assert_eq!(row(&stage).await.state, State::Resolved(position(head.min(9))));
        assert_eq!(of(&published(&stage), NEW), (head + 1..=head + 3).collect::<Vec<_>>());
        assert_eq!(of(&published(&stage), 1).len(), 20, "nothing is published again");
        assert_eq!(compared(&stage).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_anew_where_a_release_once_ended_is_published() {
    let (stage, before) = dealt_with(Request::Release).await;
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
    stage.ask(&before[0], Request::Release).await;
    stage.parked(&diku(), ended).await;
    followers.stop().await;
    // As if it had been killed after the release's last page, before the row was written.
    let releasing = Parked { state: State::Releasing, ledger: 2, ..before[0].clone() };
    put_back(&stage, std::slice::from_ref(&releasing)).await;
    stage.kafka.state(|state| {
        for known in state.cursors.values_mut().flat_map(|cursors| cursors.values_mut()) {
            known.proof.ledger = Ledger::of(std::slice::from_ref(&releasing));
        }
    });
    let followers = stage.follow();
    let over = stage.parked(&diku(), ended).await.remove(0);
    assert_eq!((over.state, over.events), (State::Resolved(position(6)), 0));
    append(&stage, 6..9).await;
    stage.published(&[diku()]).await;
    followers.stop().await;
    stage.assert_accounted(&[diku()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_meanwhile_stays_given_up_and_is_not_published() {
    for head in [20, 15, 8] {
        let (stage, before) = dealt_with(Request::Discard).await;
        let given_up = row(&stage).await;
        assert_eq!((given_up.state, given_up.events), (State::Discarded(position(9)), 3));
        let known = first_log(&stage);
        go_back(&stage, head, 6);
        put_back(&stage, &before).await;
        let difference = compared(&stage).await.unwrap();
        assert_eq!(
            (difference.ended.len(), difference.common.unwrap().position),
            (1, position(head))
        );
        accepted(&stage, &difference).await.unwrap();
        // Of 100, 101 and 102 the key of 102 is `k0`.
        append(&stage, 100..103).await;
        publish(&stage).await;
        assert_eq!(row(&stage).await.state, State::Discarded(position(head.min(9))));
        assert_eq!(of(&published(&stage), NEW), (head + 1..=head + 3).collect::<Vec<_>>());
        assert_eq!(first_log(&stage), known, "nothing is published again");
        assert_eq!(compared(&stage).await, None);
    }
}

/// What is in Kafka, by position, of the log that all began with.
fn first_log(stage: &Stage) -> Vec<u64> {
    of(&published(stage), 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_row_that_is_lost_stops_its_tenant_and_is_found_before_and_after_a_start() {
    for started in [false, true] {
        let stage = Stage::new(1, &[diku()]).await;
        append(&stage, 0..9).await;
        publish(&stage).await;
        stage.refuse(ITEM, "k0");
        append(&stage, 9..20).await;
        publish(&stage).await;
        stage.allow_all();
        // The log has every event; only the row is of before it was parked.
        go_back(&stage, 20, 9);
        put_back(&stage, &[]).await;
        let before = first_log(&stage);
        if started {
            let followers = stage.follow();
            let trouble = stage.trouble("tenant diku").await;
            assert!(
                trouble.contains("0 parking transitions of this log, and Kafka of 1"),
                "{trouble}"
            );
            append(&stage, 20..22).await;
            stage.ring().await;
            followers.stop().await;
            assert_eq!(first_log(&stage), before, "nothing is published");
        }
        let difference = compared(&stage).await.unwrap();
        assert!(difference.parking.is_some());
        assert_eq!(difference.common.unwrap().position, position(9));
        accepted(&stage, &difference).await.unwrap();
        publish(&stage).await;
        let head = if started { 22 } else { 20 };
        assert_eq!(of(&published(&stage), NEW), (10..=head).collect::<Vec<_>>());
        assert_eq!(compared(&stage).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_row_is_found_though_the_store_s_checkpoint_lies_beyond_it() {
    let (stage, _) = parked_at_ten().await;
    // As after a start of a gateway that took Kafka's cursor for the truth.
    go_back(&stage, 20, 20);
    put_back(&stage, &[]).await;
    let difference = compared(&stage).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(9));
    accepted(&stage, &difference).await.unwrap();
    publish(&stage).await;
    assert_eq!(of(&published(&stage), NEW), (10..=20).collect::<Vec<_>>());
}

/// Nine events, then one of the key `k0` that is refused, and ten others; the row.
async fn parked_at_ten() -> (Stage, Vec<Parked>) {
    let stage = Stage::new(1, &[diku()]).await;
    append(&stage, 0..9).await;
    publish(&stage).await;
    stage.refuse(ITEM, "k0");
    append(&stage, 9..20).await;
    publish(&stage).await;
    stage.allow_all();
    let parked = stage.store.parked(&diku()).await.unwrap();
    assert_eq!((parked.len(), parked[0].position, parked[0].ledger), (1, position(10), 1));
    (stage, parked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_row_of_a_release_that_is_over_stops_its_tenant_and_repeats_nothing() {
    for asked_before in [false, true] {
        let (stage, mut before) = dealt_with(Request::Release).await;
        if asked_before {
            (before[0].state, before[0].ledger) = (State::Releasing, 2);
        }
        go_back(&stage, 20, 6);
        put_back(&stage, &before).await;
        let known = first_log(&stage);
        let followers = stage.follow();
        let trouble = stage.trouble("tenant diku").await;
        assert!(
            trouble.contains("parking transitions") && trouble.contains("Kafka of 3"),
            "{trouble}"
        );
        if !asked_before {
            stage.ask(&before[0], Request::Release).await;
        }
        stage.ring().await;
        followers.stop().await;
        assert_eq!(first_log(&stage), known, "nothing is published again");
        let difference = compared(&stage).await.unwrap();
        assert_eq!((difference.common.unwrap().position, difference.again), (position(20), 0));
        assert_eq!(difference.ended.len(), 1);
        accepted(&stage, &difference).await.unwrap();
        append(&stage, 20..23).await;
        publish(&stage).await;
        assert_eq!(of(&published(&stage), NEW), [21, 22, 23]);
        assert_eq!(row(&stage).await.state, State::Resolved(position(9)), "where it did");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discard_that_no_page_carries_is_proved_by_one_of_its_own() {
    let (stage, before) = parked_at_ten().await;
    let followers = stage.follow();
    stage.ask(&before[0], Request::Discard).await;
    stage.parked(&diku(), ended).await;
    let proved = || {
        stage.kafka.state(|state| {
            let known = state.cursors.values().flat_map(|cursors| cursors.values());
            known.map(|known| known.proof.ledger.number).max()
        })
    };
    until("proved", async || proved() == Some(2)).await;
    followers.stop().await;
    put_back(&stage, &before).await;
    let followers = stage.follow();
    let trouble = stage.trouble("tenant diku").await;
    assert!(trouble.contains("1 parking transitions of this log, and Kafka of 2"), "{trouble}");
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_parked_something_else_meanwhile_is_noticed_by_the_digest() {
    let (stage, before) = parked_at_ten().await;
    let other = Parked { key: None, ..before[0].clone() };
    put_back(&stage, &[other]).await;
    let followers = stage.follow();
    let trouble = stage.trouble("tenant diku").await;
    assert!(trouble.contains("something else parked than Kafka proves"), "{trouble}");
    followers.stop().await;
}

/// A server that took over lacks the row; the lane that runs is about to write the next transition there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transition_is_not_written_upon_a_store_that_lacks_the_one_before() {
    let (stage, _) = parked_at_ten().await;
    stage.refuse(ITEM, "k1");
    let followers = stage.follow();
    // Published by the lane that took over, which has read the row.
    append(&stage, 101..102).await;
    stage.published(&[diku()]).await;
    forget_parked(&stage);
    // A page of one event: if it is refused, it is the one.
    append(&stage, 100..101).await;
    let trouble = stage.trouble("tenant diku").await;
    assert!(trouble.contains("0 parking transitions of this log, and Kafka of 1"), "{trouble}");
    followers.stop().await;
    assert!(stage.store.parked(&diku()).await.unwrap().is_empty());
    stage.allow_all();
    assert_eq!(compared(&stage).await.unwrap().common.unwrap().position, position(9));
}

/// As after a stop between the row's end and the page that tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_kafka_lacks_is_told_after_a_takeover() {
    let (stage, before) = parked_at_ten().await;
    let has_end = || {
        stage.kafka.state(|state| {
            let mut known = state.cursors.values().flat_map(|cursors| cursors.values());
            known.any(|known| known.proof.ended.is_some())
        })
    };
    let followers = stage.follow();
    stage.ask(&before[0], Request::Discard).await;
    stage.parked(&diku(), ended).await;
    until("told", async || has_end()).await;
    followers.stop().await;
    stage.kafka.state(|state| {
        for cursors in state.cursors.values_mut() {
            cursors.retain(|_, known| known.proof.ended.is_none());
            cursors.values_mut().for_each(|known| known.proof.ledger = Ledger::of(&before));
        }
    });
    let followers = stage.follow();
    until("told again", async || has_end()).await;
    followers.stop().await;
}

//! Stories about a store that went back to a time when a scope was parked that was released or
//! discarded since.

use crash::until;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::ledger::Ledger;
use event_gateway::domain::parked::{Parked, Request, State};

use crate::support::harness::Harness;
use crate::support::ids::{diku, position};
use crate::support::parking::{ITEM, ended};
use crate::support::restore::{
    NEW, accepted, append, compared, forget_parked, go_back, of, published, put_back,
};

/// Key `k0` was parked at position 1, when the log had 6 events: the store goes back to that. At 9
/// events it was released or discarded, and the log went on to 20. Returns the row of that time.
async fn dealt_with(request: Request) -> (Harness, Vec<Parked>) {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "k0");
    append(&harness, 0..6).await;
    harness.publish(&[diku()]).await;
    let before = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
    assert_eq!((before.len(), before[0].state), (1, State::Parked));
    append(&harness, 6..9).await;
    harness.publish(&[diku()]).await;
    harness.allow_all();
    let followers = harness.follow();
    harness.ask(&before[0], request).await;
    harness.parked(&diku(), ended).await;
    followers.stop().await;
    append(&harness, 9..20).await;
    harness.publish(&[diku()]).await;
    (harness, before)
}

async fn row(harness: &Harness) -> Parked {
    harness.store.parked(&diku(), &Follower::relay()).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_released_meanwhile_is_over_wherever_the_log_ends() {
    for (head, noted) in [(6, 6), (8, 6), (15, 6), (20, 6)] {
        let (harness, before) = dealt_with(Request::Release).await;
        go_back(&harness, head, noted);
        put_back(&harness, &before).await;
        let difference = compared(&harness).await.unwrap();
        assert_eq!(difference.common.unwrap().position, position(head));
        assert_eq!((difference.again, difference.pending), (0, 0));
        accepted(&harness, &difference).await.unwrap();
        // Of 100, 101 and 102 the key of 102 is `k0`.
        append(&harness, 100..103).await;
        harness.publish(&[diku()]).await;
        assert_eq!(row(&harness).await.state, State::Resolved(position(head.min(9))));
        assert_eq!(of(&published(&harness), NEW), (head + 1..=head + 3).collect::<Vec<_>>());
        assert_eq!(of(&published(&harness), 1).len(), 20, "nothing is published again");
        assert_eq!(compared(&harness).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_anew_where_a_release_once_ended_is_published() {
    let (harness, before) = dealt_with(Request::Release).await;
    go_back(&harness, 6, 6);
    put_back(&harness, &before).await;
    // Position 7 is an event of `k0`, as it was when the release passed it.
    append(&harness, 102..106).await;
    let difference = compared(&harness).await.unwrap();
    assert_eq!((difference.common.unwrap().position, difference.pending), (position(6), 4));
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), [7, 8, 9, 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_kafka_has_up_to_the_relay_is_over_without_an_operator() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "k0");
    append(&harness, 0..6).await;
    harness.publish(&[diku()]).await;
    let before = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
    harness.allow_all();
    let followers = harness.follow();
    harness.ask(&before[0], Request::Release).await;
    harness.parked(&diku(), ended).await;
    followers.stop().await;
    // It is as if the gateway had been killed after the release's last page, before the row was
    // written.
    let releasing = Parked { state: State::Releasing, ledger: 2, ..before[0].clone() };
    put_back(&harness, std::slice::from_ref(&releasing)).await;
    harness.kafka.state(|state| {
        for known in state.cursors.values_mut().flat_map(|cursors| cursors.values_mut()) {
            known.proof.ledger = Ledger::of(std::slice::from_ref(&releasing));
        }
    });
    let followers = harness.follow();
    let over = harness.parked(&diku(), ended).await.remove(0);
    assert_eq!((over.state, over.events), (State::Resolved(position(6)), 0));
    append(&harness, 6..9).await;
    harness.published(&[diku()]).await;
    followers.stop().await;
    harness.assert_accounted(&[diku()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_discarded_meanwhile_stays_discarded_and_is_not_published() {
    for head in [20, 15, 8] {
        let (harness, before) = dealt_with(Request::Discard).await;
        let given_up = row(&harness).await;
        assert_eq!((given_up.state, given_up.events), (State::Discarded(position(9)), 3));
        let known = first_log(&harness);
        go_back(&harness, head, 6);
        put_back(&harness, &before).await;
        let difference = compared(&harness).await.unwrap();
        assert_eq!(
            (difference.ended.len(), difference.common.unwrap().position),
            (1, position(head))
        );
        accepted(&harness, &difference).await.unwrap();
        // Of 100, 101 and 102 the key of 102 is `k0`.
        append(&harness, 100..103).await;
        harness.publish(&[diku()]).await;
        assert_eq!(row(&harness).await.state, State::Discarded(position(head.min(9))));
        assert_eq!(of(&published(&harness), NEW), (head + 1..=head + 3).collect::<Vec<_>>());
        assert_eq!(first_log(&harness), known, "nothing is published again");
        assert_eq!(compared(&harness).await, None);
    }
}

/// Returns the first log's records in Kafka, by position.
fn first_log(harness: &Harness) -> Vec<u64> {
    of(&published(harness), 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_row_that_is_lost_stops_its_tenant_and_is_found_before_and_after_a_start() {
    for started in [false, true] {
        let (harness, _) = parked_at_ten().await;
        // The log has every event; only the row is from before the parking.
        go_back(&harness, 20, 9);
        put_back(&harness, &[]).await;
        let before = first_log(&harness);
        if started {
            let followers = harness.follow();
            let trouble = harness.trouble("tenant diku").await;
            assert!(
                trouble.contains("0 parking transitions of this log, and the sink of 1"),
                "{trouble}"
            );
            append(&harness, 20..22).await;
            harness.ring().await;
            followers.stop().await;
            assert_eq!(first_log(&harness), before, "nothing is published");
        }
        let difference = compared(&harness).await.unwrap();
        assert!(difference.parking.is_some());
        assert_eq!(difference.common.unwrap().position, position(9));
        accepted(&harness, &difference).await.unwrap();
        harness.publish(&[diku()]).await;
        let head = if started { 22 } else { 20 };
        assert_eq!(of(&published(&harness), NEW), (10..=head).collect::<Vec<_>>());
        assert_eq!(compared(&harness).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_row_is_found_though_the_store_s_checkpoint_lies_beyond_it() {
    let (harness, _) = parked_at_ten().await;
    // This is the state after a start of a gateway that trusted Kafka's cursor.
    go_back(&harness, 20, 20);
    put_back(&harness, &[]).await;
    let difference = compared(&harness).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(9));
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), (10..=20).collect::<Vec<_>>());
}

/// Appends nine events, then one of the key `k0` that is refused, and ten others; returns the row.
async fn parked_at_ten() -> (Harness, Vec<Parked>) {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..9).await;
    harness.publish(&[diku()]).await;
    harness.refuse(ITEM, "k0");
    append(&harness, 9..20).await;
    harness.publish(&[diku()]).await;
    harness.allow_all();
    let parked = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
    assert_eq!((parked.len(), parked[0].position, parked[0].ledger), (1, position(10), 1));
    (harness, parked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_row_of_a_release_that_is_over_stops_its_tenant_and_repeats_nothing() {
    for asked_before in [false, true] {
        let (harness, mut before) = dealt_with(Request::Release).await;
        if asked_before {
            (before[0].state, before[0].ledger) = (State::Releasing, 2);
        }
        go_back(&harness, 20, 6);
        put_back(&harness, &before).await;
        let known = first_log(&harness);
        let followers = harness.follow();
        let trouble = harness.trouble("tenant diku").await;
        assert!(
            trouble.contains("parking transitions") && trouble.contains("the sink of 3"),
            "{trouble}"
        );
        if !asked_before {
            harness.ask(&before[0], Request::Release).await;
        }
        harness.ring().await;
        followers.stop().await;
        assert_eq!(first_log(&harness), known, "nothing is published again");
        let difference = compared(&harness).await.unwrap();
        assert_eq!((difference.common.unwrap().position, difference.again), (position(20), 0));
        assert_eq!(difference.ended.len(), 1);
        accepted(&harness, &difference).await.unwrap();
        append(&harness, 20..23).await;
        harness.publish(&[diku()]).await;
        assert_eq!(of(&published(&harness), NEW), [21, 22, 23]);
        assert_eq!(row(&harness).await.state, State::Resolved(position(9)), "where it did");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discard_that_no_page_carries_is_proved_by_one_of_its_own() {
    let (harness, before) = parked_at_ten().await;
    let followers = harness.follow();
    harness.ask(&before[0], Request::Discard).await;
    harness.parked(&diku(), ended).await;
    let proved = || {
        harness.kafka.state(|state| {
            let known = state.cursors.values().flat_map(|cursors| cursors.values());
            known.map(|known| known.proof.ledger.number).max()
        })
    };
    until("proved", async || proved() == Some(2)).await;
    followers.stop().await;
    put_back(&harness, &before).await;
    let trouble = harness.trouble_once_followed("tenant diku").await;
    assert!(trouble.contains("1 parking transitions of this log, and the sink of 2"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_parked_something_else_meanwhile_is_noticed_by_the_digest() {
    let (harness, before) = parked_at_ten().await;
    let other = Parked { key: None, ..before[0].clone() };
    put_back(&harness, &[other]).await;
    let trouble = harness.trouble_once_followed("tenant diku").await;
    assert!(trouble.contains("other scopes parked than the sink proves"), "{trouble}");
}

/// A server that took over lacks the row, and the running lane is about to write the next
/// transition there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transition_is_not_written_upon_a_store_that_lacks_the_one_before() {
    let (harness, _) = parked_at_ten().await;
    harness.refuse(ITEM, "k1");
    let followers = harness.follow();
    // It is published by the lane that took over, which has read the row.
    append(&harness, 101..102).await;
    harness.published(&[diku()]).await;
    forget_parked(&harness);
    // A page has one event, which must be the refused one.
    append(&harness, 100..101).await;
    let trouble = harness.trouble("tenant diku").await;
    assert!(trouble.contains("0 parking transitions of this log, and the sink of 1"), "{trouble}");
    followers.stop().await;
    assert!(harness.store.parked(&diku(), &Follower::relay()).await.unwrap().is_empty());
    harness.allow_all();
    assert_eq!(compared(&harness).await.unwrap().common.unwrap().position, position(9));
}

/// This is the state after a stop between the write of the row's end and the page that tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_kafka_lacks_is_reported_after_a_takeover() {
    let (harness, before) = parked_at_ten().await;
    let has_end = || {
        harness.kafka.state(|state| {
            let mut known = state.cursors.values().flat_map(|cursors| cursors.values());
            known.any(|known| known.proof.ended.is_some())
        })
    };
    let followers = harness.follow();
    harness.ask(&before[0], Request::Discard).await;
    harness.parked(&diku(), ended).await;
    until("told", async || has_end()).await;
    followers.stop().await;
    harness.kafka.state(|state| {
        for cursors in state.cursors.values_mut() {
            cursors.retain(|_, known| known.proof.ended.is_none());
            cursors.values_mut().for_each(|known| known.proof.ledger = Ledger::of(&before));
        }
    });
    let followers = harness.follow();
    until("told again", async || has_end()).await;
    followers.stop().await;
}

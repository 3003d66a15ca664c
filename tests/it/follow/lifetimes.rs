//! Lifetimes: what has ended is removed once it is older than it is kept, in steps.

use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::Manual;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::store::{Batch, TrailScan};

use crate::support::harness::Harness;
use crate::support::ids::diku;
use crate::support::parking::{ITEM, draft};
use crate::support::trail::by;

const DAY: Duration = Duration::from_secs(86_400);
const NOON: Time = Time::from_ms(1_700_000_000_000);

/// Returns the acts of the rows, oldest first.
async fn acts(harness: &Harness) -> Vec<String> {
    let all = TrailScan { rows_max: 2_000, ..TrailScan::default() };
    let rows = harness.store.trail(&all).await.unwrap();
    rows.into_iter().map(|row| row.act).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_once_they_are_older_than_the_trail_is_kept() {
    let clock = Arc::new(Manual::new(NOON));
    let mut harness = Harness::on_clock(1, &[diku()], clock.clone()).await;
    harness.parts.clock = clock.clone();
    harness.parts.lifetimes.trail = Some(30 * DAY);
    // More than two steps remove, in one transaction of the store each.
    for _ in 0..1_100 {
        harness.store.add_trail(&by(Act::Release)).await.unwrap();
    }
    clock.set(NOON.after(10 * DAY.as_millis() as i64));
    harness.store.add_trail(&by(Act::Erase)).await.unwrap();
    clock.set(NOON.after(31 * DAY.as_millis() as i64));
    harness.store.add_trail(&by(Act::Restore)).await.unwrap();

    let followers = harness.follow();
    until("the old rows are gone", async || acts(&harness).await.len() <= 2).await;
    assert_eq!(acts(&harness).await, ["erase", "restore"]);
    followers.stop().await;

    harness.parts.lifetimes.trail = None;
    clock.set(NOON.after(3_000 * DAY.as_millis() as i64));
    let followers = harness.follow();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(acts(&harness).await.len(), 2, "it is kept for ever");
    followers.stop().await;
}

/// Lets each of these keys be refused, and released later: the one after the other.
async fn parked_and_resolved(harness: &mut Harness, keys: [(&str, u128); 2]) {
    let drafts = keys.iter().map(|(key, id)| draft(&diku(), ITEM, key, *id)).collect();
    keys.iter().for_each(|(key, _)| harness.refuse(ITEM, key));
    harness.store.append(&[Batch { tenant: diku(), drafts }]).await.unwrap();
    let followers = harness.follow();
    let waits = |parked: &[Parked]| parked.iter().filter(|it| it.state == State::Parked).count();
    let refused = harness.parked(&diku(), |parked| waits(parked) == 2).await;
    harness.allow_all();
    for left in [1, 0] {
        let next = refused.iter().filter(|it| it.state == State::Parked).nth(1 - left).unwrap();
        harness.ask(next, Request::Release).await;
        harness.parked(&diku(), |parked| waits(parked) == left).await;
    }
    let is_over = |parked: &[Parked]| parked.iter().all(|it| it.state.ended().is_some());
    harness.parked(&diku(), is_over).await;
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolved_key_is_forgotten_once_it_was_parked_longer_ago_than_it_is_kept() {
    let clock = Arc::new(Manual::new(NOON));
    let mut harness = Harness::on_clock(1, &[diku()], clock.clone()).await;
    harness.parts.clock = clock.clone();
    harness.parts.lifetimes.parked = Some(30 * DAY);
    parked_and_resolved(&mut harness, [("k1", 1), ("k2", 2)]).await;
    clock.set(NOON.after(31 * DAY.as_millis() as i64));
    let left = |keys: &'static [&str]| {
        move |parked: &[Parked]| {
            parked
                .iter()
                .filter_map(|it| it.key.as_ref())
                .map(|key| key.as_str())
                .eq(keys.iter().copied())
        }
    };
    let followers = harness.follow();
    // The last transition stays, by which the next is numbered.
    harness.parked(&diku(), left(&["k2"])).await;
    followers.stop().await;

    parked_and_resolved(&mut harness, [("k3", 3), ("k4", 4)]).await;
    let followers = harness.follow();
    harness.parked(&diku(), left(&["k3", "k4"])).await;
    followers.stop().await;
    harness.assert_accounted(&[diku()]).await;
}

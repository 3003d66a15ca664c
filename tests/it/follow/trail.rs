//! The end of the trail: rows that are older than the trail is kept are removed, in steps.

use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::Manual;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::store::TrailScan;

use crate::support::harness::Harness;
use crate::support::ids::diku;
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
    harness.parts.removal.trail = Some(30 * DAY);
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

    harness.parts.removal.trail = None;
    clock.set(NOON.after(3_000 * DAY.as_millis() as i64));
    let followers = harness.follow();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(acts(&harness).await.len(), 2, "it is kept for ever");
    followers.stop().await;
}

//! Tests of purges on a lane: it is passed after a takeover of its own, and nothing that was read
//! before is sent after it.

use super::replay_bed::Bed;
use super::{ITEMS, Step, diku};
use crate::domain::follower::Follower;
use crate::domain::position::LogId;
use crate::domain::time::Time;
use crate::health::SinkPart;
use crate::store::PurgeStart;

async fn begin(bed: &Bed) {
    let begun = bed.submit.store.begin_purge(&diku(), Time::ZERO, None, None).await.unwrap();
    assert_eq!(begun, PurgeStart::Begun);
    bed.work.lane.deps.wakeups.take_over(bed.lease.lane);
}

#[tokio::test]
async fn a_lane_passes_a_purge_before_it_sends_another_page() {
    let mut bed = Bed::new().await;
    let (store, relay) = (bed.submit.store.clone(), Follower::relay());
    let log_id = store.find_tenant(&diku()).await.unwrap().unwrap().log_id;
    bed.post(ITEMS, &["a", "b"]).await;
    bed.rest().await;
    // The first of two pages is sent, and the second is read ahead.
    let keys: Vec<_> = (0..700).map(|number| format!("k{number}")).collect();
    bed.post(ITEMS, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(bed.work.step(&bed.lease).await.unwrap(), Step::More);
    let sent = bed.sink.published(&relay).len();
    assert!(sent < 702, "a page is left");
    begin(&bed).await;
    bed.rest().await;
    assert_eq!(bed.sink.published(&relay).len(), sent, "nothing is sent any more");
    assert_eq!(*bed.sink.forgotten.lock().unwrap(), [(log_id, relay.clone())]);
    assert_eq!(store.purges().await.unwrap()[0].passed, std::slice::from_ref(&relay));
    assert_eq!(store.stands(&diku()).await.unwrap(), []);
    let strangers = SinkPart::Cursors(bed.lease.lane).of(&relay);
    let trouble = bed.work.lane.deps.health.cause_of(&strangers);
    assert_eq!(trouble, None, "its cursor is no stranger's");
}

#[tokio::test]
async fn the_cursors_of_every_id_that_the_log_had_are_forgotten() {
    let mut bed = Bed::new().await;
    let (store, relay) = (bed.submit.store.clone(), Follower::relay());
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    let old = store.find_tenant(&diku()).await.unwrap().unwrap();
    let new = LogId::new(uuid::Uuid::from_u128(77));
    assert!(store.rotate_log_id(&diku(), old.log_id, new, old.head).await.unwrap());
    bed.post(ITEMS, &["b"]).await;
    bed.take_over().await;
    begin(&bed).await;
    bed.rest().await;
    let mut forgotten = bed.sink.forgotten.lock().unwrap().clone();
    forgotten.sort();
    let mut both = vec![(old.log_id, relay.clone()), (new, relay)];
    both.sort();
    assert_eq!(forgotten, both);
}

#[tokio::test]
async fn a_lane_without_logs_passes_a_purge_too() {
    let mut bed = Bed::new().await;
    begin(&bed).await;
    bed.rest().await;
    assert_eq!(bed.submit.store.purges().await.unwrap()[0].passed, [Follower::relay()]);
    assert!(bed.work.session.is_none(), "it needs no publisher");
}

#[tokio::test]
async fn a_tenant_whose_purge_begins_before_its_cursor_is_verified_is_not_reported() {
    let mut bed = Bed::new().await;
    let (store, relay) = (bed.submit.store.clone(), Follower::relay());
    let log_id = store.find_tenant(&diku()).await.unwrap().unwrap().log_id;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    let cursor = bed.sink.cursors_now()[&(log_id, relay.clone())].cursor;
    begin(&bed).await;
    let deps = bed.work.lane.deps.clone();
    let state = &mut bed.work.session.as_mut().unwrap().state;
    state.verify(&deps, &[(diku(), cursor)]).await.unwrap();
    assert_eq!(deps.health.cause_of(&SinkPart::Log(diku()).of(&relay)), None);
}

//! Leases that a fast clock gave: none holds longer than its ttl.

use std::time::Duration;

use event_gateway::domain::lane::Lane;
use event_gateway::store::LeaseCheck;

use crate::support::store_fixture::{Fast, OpenStore};

const LANE: Lane = Lane::new(1);
const TTL: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);

pub async fn what_a_fast_clock_gave_has_run_out<B: Fast>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let old = store.acquire(LANE, "one", TTL).await.unwrap().unwrap();
    store.heartbeat("one", "run", TTL).await.unwrap();
    assert_eq!(store.acquire(LANE, "two", TTL).await.unwrap(), None);
    fixture.given_by_a_clock_that_is_fast(HOUR).await;
    let members = store.members().await.unwrap();
    assert!(members.replicas.is_empty(), "{members:?}");
    assert!(members.lanes.iter().all(|lease| lease.holder.is_none()), "{members:?}");
    assert_eq!(store.heartbeat("one", "next run", TTL).await.unwrap(), None);
    let new = store.acquire(LANE, "two", TTL).await.unwrap().unwrap();
    assert!(new.term > old.term);
    assert_eq!(store.renew(&old, TTL).await.unwrap(), LeaseCheck::Lost);
    let members = store.members().await.unwrap();
    assert_eq!(
        (members.replicas, members.lanes[1].holder.as_deref()),
        (vec!["one".to_owned()], Some("two"))
    );
}

pub async fn who_renews_what_a_fast_clock_gave_holds_it<B: Fast>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let lease = store.acquire(LANE, "one", TTL).await.unwrap().unwrap();
    store.heartbeat("one", "run", TTL).await.unwrap();
    fixture.given_by_a_clock_that_is_fast(HOUR).await;
    assert_eq!(store.renew(&lease, TTL).await.unwrap(), LeaseCheck::Held);
    store.heartbeat("one", "run", TTL).await.unwrap();
    assert_eq!(store.acquire(LANE, "two", TTL).await.unwrap(), None);
    let members = store.members().await.unwrap();
    assert_eq!(
        (members.replicas, members.lanes[1].holder.as_deref()),
        (vec!["one".to_owned()], Some("one"))
    );
    assert_eq!(store.heartbeat("one", "run", TTL).await.unwrap().as_deref(), Some("run"));
    fixture.given_by_a_clock_that_is_fast(HOUR).await;
    for lane in Lane::all(crate::support::store_fixture::LANES) {
        assert!(store.acquire(lane, "tool", TTL).await.unwrap().is_some(), "{lane}");
    }
    store.resize("tool", 2, &[]).await.unwrap();
}

pub async fn a_clock_that_is_a_little_fast_harms_nobody<B: Fast>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    store.acquire(LANE, "one", TTL).await.unwrap().unwrap();
    fixture.given_by_a_clock_that_is_fast(Duration::from_millis(500)).await;
    assert_eq!(store.acquire(LANE, "two", TTL).await.unwrap(), None);
    assert_eq!(store.members().await.unwrap().lanes[1].holder.as_deref(), Some("one"));
}

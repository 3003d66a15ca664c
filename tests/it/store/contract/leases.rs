//! Leases: which replica works on a lane, by the store's own clock.

use std::sync::Arc;
use std::time::Duration;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::time::Time;
use event_gateway::store::{ChangeToken, Error, Lease, LeaseCheck, Outcome, Store};
use tokio::task::JoinSet;

use crate::support::drafts::{create, parked};
use crate::support::ids::{diku, log_id, tenant};
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture};
use crate::support::store_parking::write_rows;

const LANE: Lane = Lane::new(1);
/// A time that a few calls don't exceed on a slow machine.
const TTL: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_millis(5_001);
const SHORT: Duration = Duration::from_millis(1);

async fn take(store: &Arc<dyn Store>, by: &str) -> Option<Lease> {
    store.acquire(LANE, by, TTL).await.unwrap()
}

async fn renew(store: &Arc<dyn Store>, lease: &Lease) -> LeaseCheck {
    store.renew(lease, TTL).await.unwrap()
}

pub async fn a_held_lane_is_acquired_by_nobody_else<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    assert_eq!(take(&store, "one").await.unwrap().lane, LANE);
    assert_eq!(take(&store, "two").await, None);
    assert!(store.acquire(Lane::new(2), "two", TTL).await.unwrap().is_some());
}

pub async fn a_lease_that_ran_out_is_acquired<B: StoreFixture>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let old = store.acquire(LANE, "one", SHORT).await.unwrap().unwrap();
    fixture.elapse(SHORT).await;
    let new = take(&store, "two").await.unwrap();
    assert!(new.term > old.term);
    assert_eq!(renew(&store, &old).await, LeaseCheck::Lost);
    store.release(&old).await.unwrap();
    assert_eq!(take(&store, "three").await, None);
    assert_eq!(renew(&store, &new).await, LeaseCheck::Held);
}

pub async fn a_renewed_lease_holds_longer<B: StoreFixture>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let lease = store.acquire(LANE, "one", SHORT).await.unwrap().unwrap();
    assert_eq!(renew(&store, &lease).await, LeaseCheck::Held);
    fixture.elapse(SHORT).await;
    assert_eq!(take(&store, "two").await, None);
    fixture.elapse(LONG).await;
    assert!(take(&store, "two").await.is_some());
}

pub async fn a_lease_that_ran_out_is_renewed_unless_it_was_acquired_by_another<B: StoreFixture>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let lease = store.acquire(LANE, "one", SHORT).await.unwrap().unwrap();
    fixture.elapse(SHORT).await;
    assert_eq!(renew(&store, &lease).await, LeaseCheck::Held);
    assert_eq!(take(&store, "two").await, None);
}

pub async fn a_released_lane_is_free_at_once<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let old = take(&store, "one").await.unwrap();
    store.release(&old).await.unwrap();
    assert_eq!(renew(&store, &old).await, LeaseCheck::Lost);
    let new = take(&store, "two").await.unwrap();
    assert!(new.term > old.term);
}

pub async fn whoever_holds_a_lane_may_acquire_it_again<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let old = take(&store, "one").await.unwrap();
    let new = take(&store, "one").await.unwrap();
    assert!(new.term > old.term);
    assert_eq!(renew(&store, &old).await, LeaseCheck::Lost);
    assert_eq!(renew(&store, &new).await, LeaseCheck::Held);
}

pub async fn terms_rise_with_every_acquisition<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let mut last = 0;
    for by in ["one", "one", "two", "one", "two"] {
        let lease = take(&store, by).await.unwrap();
        assert!(lease.term > last);
        last = lease.term;
        assert_eq!(renew(&store, &lease).await, LeaseCheck::Held);
        if by == "one" {
            store.release(&lease).await.unwrap();
        } else {
            store.acquire(LANE, by, Duration::ZERO).await.unwrap().unwrap();
            last += 1;
        }
    }
}

pub async fn of_many_who_acquire_a_lane_one_gets_it<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let mut racers = JoinSet::new();
    for racer in 0..8 {
        let store = Arc::clone(&store);
        racers.spawn(async move { take(&store, &format!("racer {racer}")).await });
    }
    let taken = racers.join_all().await;
    assert_eq!(taken.iter().flatten().count(), 1, "{taken:?}");
}

pub async fn the_members_tell_who_is_there_and_who_holds_what<B: StoreFixture>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let members = store.members().await.unwrap();
    assert!(members.replicas.is_empty(), "{members:?}");
    assert!(members.lanes.iter().map(|lease| lease.lane).eq(Lane::all(LANES)), "{members:?}");
    assert!(members.lanes.iter().all(|lease| lease.holder.is_none()), "{members:?}");
    for replica in ["two", "one", "three"] {
        store.heartbeat(replica, "run", TTL).await.unwrap();
    }
    store.heartbeat("four", "run", SHORT).await.unwrap();
    store.heartbeat("three", "run", SHORT).await.unwrap();
    let (held, ran_out) = (take(&store, "one").await.unwrap(), Lane::new(2));
    store.acquire(ran_out, "two", SHORT).await.unwrap().unwrap();
    fixture.elapse(SHORT).await;
    let members = store.members().await.unwrap();
    assert_eq!(members.replicas, ["one", "two"]);
    let holders: Vec<_> = members.lanes.iter().map(|lease| lease.holder.as_deref()).collect();
    assert_eq!(holders, [None, Some("one"), None]);
    assert_eq!(members.lanes[1].term, held.term);
    store.deregister("one").await.unwrap();
    store.release(&held).await.unwrap();
    let members = store.members().await.unwrap();
    assert_eq!(members.replicas, ["two"]);
    assert!(members.lanes.iter().all(|lease| lease.holder.is_none()), "{members:?}");
}

pub async fn replicas_that_serve_are_counted_and_share_no_lanes<B: StoreFixture>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    store.heartbeat("one", "run 1", TTL).await.unwrap();
    store.serve("run 1", TTL).await.unwrap();
    store.serve("run 2", TTL).await.unwrap();
    store.serve("run 2", TTL).await.unwrap();
    store.serve("run 3", SHORT).await.unwrap();
    fixture.elapse(SHORT).await;
    let members = store.members().await.unwrap();
    assert_eq!((members.replicas, members.serving), (vec!["one".to_owned()], 2));
    store.leave("run 1").await.unwrap();
    let members = store.members().await.unwrap();
    assert_eq!((members.replicas, members.serving), (vec!["one".to_owned()], 1));
}

pub async fn lanes_are_resized_by_who_holds_them_all_or_not_at_all<B: StoreFixture>() {
    let OpenStore { store, fixture } = OpenStore::<B>::new().await;
    let (held, far) = (take(&store, "tool").await.unwrap(), [(diku(), Lane::new(4))]);
    let refused = |resized| assert!(matches!(resized, Err(Error::Refused(_))), "{resized:?}");
    refused(store.resize("tool", 5, &far).await);
    store.acquire(Lane::new(0), "tool", TTL).await.unwrap().unwrap();
    store.acquire(Lane::new(2), "one", SHORT).await.unwrap().unwrap();
    refused(store.resize("tool", 5, &far).await);
    fixture.elapse(SHORT).await;
    store.acquire(Lane::new(2), "tool", TTL).await.unwrap().unwrap();
    store.heartbeat("one", "run", TTL).await.unwrap();
    refused(store.resize("tool", 5, &far).await);
    store.deregister("one").await.unwrap();
    // `college` is in lane 1, and would have no lane.
    refused(store.resize("tool", 1, &[]).await);
    let before = store.list().await.unwrap();
    assert_eq!(before.iter().map(|e| e.lane.number()).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(store.members().await.unwrap().lanes.len(), usize::from(LANES));

    store.resize("tool", 5, &far).await.unwrap();
    let after = store.list().await.unwrap();
    assert_eq!(after.iter().map(|e| e.lane.number()).collect::<Vec<_>>(), [1, 4]);
    let lanes = store.members().await.unwrap().lanes;
    assert!(lanes.iter().map(|lease| lease.lane).eq(Lane::all(5)), "{lanes:?}");
    assert!(lanes.iter().all(|s| s.holder.is_none() && s.term > held.term), "{lanes:?}");
    assert_eq!(store.lanes(LANES).await.unwrap(), 5);
    assert_eq!(renew(&store, &held).await, LeaseCheck::Lost);
    // A newcomer goes to the lane that has the fewest.
    store.enable_if_new(&tenant("zeta"), log_id(3)).await.unwrap();
    assert_eq!(store.list().await.unwrap()[2].lane, Lane::new(0));
}

pub async fn who_is_moved_to_another_lane_is_found_there<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1)]).await;
    let store = &opened.store;
    let lease = store.acquire(Lane::new(0), "tool", TTL).await.unwrap().unwrap();
    write_rows(&**store, &lease, &[parked(&diku(), 1)]).await;
    for lane in Lane::all(LANES) {
        store.acquire(lane, "tool", TTL).await.unwrap().unwrap();
    }
    store.resize("tool", LANES, &[(diku(), Lane::new(2))]).await.unwrap();
    for lane in Lane::all(LANES) {
        let there = usize::from(lane == Lane::new(2));
        let heads = store.changed_since(lane, ChangeToken::START).await.unwrap().heads;
        assert_eq!(heads.iter().filter(|head| head.tenant == diku()).count(), there, "{lane}");
        assert_eq!(
            store.parked_lane(lane, &Follower::relay()).await.unwrap().len(),
            there,
            "{lane}"
        );
    }
    let outcome = &opened.append(&[&[create(2)]]).await[0];
    assert!(
        matches!(outcome, Outcome::Appended { lane, .. } if *lane == Lane::new(2)),
        "{outcome:?}"
    );
}

pub async fn a_seized_lane_is_lost_by_whoever_held_it<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let held = store.acquire(Lane::new(0), "one", TTL).await.unwrap().unwrap();
    let seized = store.seize(Lane::new(0), "two", TTL).await.unwrap();
    assert!(seized.term > held.term);
    assert_eq!(store.renew(&held, TTL).await.unwrap(), LeaseCheck::Lost);
    assert_eq!(store.acquire(Lane::new(0), "one", TTL).await.unwrap(), None);
    assert_eq!(store.renew(&seized, TTL).await.unwrap(), LeaseCheck::Held);
    store.release(&seized).await.unwrap();
    assert!(store.acquire(Lane::new(0), "one", TTL).await.unwrap().is_some());
    let missing = store.seize(Lane::new(LANES), "two", TTL).await.unwrap_err();
    assert!(
        matches!(&missing, Error::Refused(why) if why.contains("there is no lane-3")),
        "{missing}"
    );
}

/// This is the state after a backup of the leases alone was restored.
pub async fn a_lane_is_acquired_under_a_higher_term_than_any_checkpoint_has<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let enabled = store.list().await.unwrap().remove(0);
    let cursor = Cursor::start(enabled.log_id);
    let former = Lease { lane: enabled.lane, term: 900 };
    let checkpoint = async |lease: &Lease| {
        store
            .checkpoint(lease, &Follower::relay(), &[(enabled.tenant.clone(), cursor)])
            .await
            .unwrap()
    };
    assert_eq!(checkpoint(&former).await, LeaseCheck::Held);
    let taken = store.acquire(enabled.lane, "one", TTL).await.unwrap().unwrap();
    assert_eq!((taken.term, checkpoint(&taken).await), (901, LeaseCheck::Held));
    assert_eq!(store.renew(&taken, TTL).await.unwrap(), LeaseCheck::Held);
    let seized = store.seize(enabled.lane, "two", TTL).await.unwrap();
    assert_eq!((seized.term, checkpoint(&seized).await), (902, LeaseCheck::Held));
    assert_eq!(checkpoint(&taken).await, LeaseCheck::Lost);
}

pub async fn lanes_are_not_resized_while_a_tenant_is_purged<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    for lane in Lane::all(LANES) {
        store.acquire(lane, "tool", TTL).await.unwrap().unwrap();
    }
    // Its lane might be dropped, and then nobody would carry the purge out.
    store.begin_purge(&diku(), Time::ZERO, None, None).await.unwrap();
    let refused = store.resize("tool", 5, &[]).await;
    assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("purged")), "{refused:?}");
    assert_eq!(store.members().await.unwrap().lanes.len(), usize::from(LANES));
}

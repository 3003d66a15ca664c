//! Tenants and lanes: which tenants are enabled, and which lane each has.

use std::time::Duration;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::incarnation::{Incarnation, Incarnations};
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::store::{ChangeToken, Error, Head};

use crate::support::drafts::{create, parked};
use crate::support::ids::{college, diku, log_id, position, tenant};
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture};
use crate::support::store_parking::write_rows;

pub async fn a_tenant_is_enabled_once_if_it_is_new<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1)]).await;
    let before = opened.store.list().await.unwrap();
    opened.store.enable_if_new(&diku(), log_id(99)).await.unwrap();
    assert_eq!(opened.store.list().await.unwrap(), before);
    let opened = opened.reopen().await;
    opened.store.enable_if_new(&diku(), log_id(98)).await.unwrap();
    let incarnations = opened.store.incarnations(&diku()).await.unwrap();
    assert_eq!(incarnations.iter().map(|one| one.log_id).collect::<Vec<_>>(), [log_id(1)]);
    assert_eq!(opened.store.list().await.unwrap(), before);
}

pub async fn tenants_are_assigned_over_the_lanes<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let ids = ["diku", "college", "zeta", "alpha", "mid", "beta", "omega"];
    for (number, id) in (10..).zip(ids) {
        store.enable_if_new(&tenant(id), log_id(number)).await.unwrap();
    }
    let enabled = store.list().await.unwrap();
    let lanes =
        ids.map(|id| enabled.iter().find(|e| e.tenant.as_str() == id).unwrap().lane.number());
    assert_eq!(lanes, [0, 1, 2, 0, 1, 2, 0]);
}

pub async fn tenants_are_counted_and_listed_in_order_with_their_heads<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let enabled = opened.store.list().await.unwrap();
    assert_eq!(opened.store.count().await.unwrap(), 2);
    let told: Vec<_> =
        enabled.iter().map(|e| (e.tenant.clone(), e.log_id, e.head.number())).collect();
    assert_eq!(told, [(college(), log_id(2), 0), (diku(), log_id(1), 2)]);
}

pub async fn the_number_of_lanes_is_fixed_at_first<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    assert_eq!(opened.store.lanes(LANES + 5).await.unwrap(), LANES);
    let opened = opened.reopen().await;
    assert_eq!(opened.store.lanes(1).await.unwrap(), LANES);
}

pub async fn no_tenant_comes_before_the_lanes<B: StoreFixture>() {
    let fixture = B::new().await;
    let store = fixture.open().await;
    assert_eq!(store.count().await.unwrap(), 0);
    let early = store.enable_if_new(&diku(), log_id(1)).await;
    assert!(matches!(early, Err(Error::Refused(_))), "{early:?}");
    assert!(matches!(store.lanes(0).await, Err(Error::Refused(_))));
    assert_eq!(store.lanes(2).await.unwrap(), 2);
    store.enable_if_new(&diku(), log_id(1)).await.unwrap();
    let enabled = store.list().await.unwrap();
    assert_eq!((enabled[0].lane, enabled[0].head), (Lane::new(0), Position::START));
}

pub async fn a_log_with_a_rotated_id_has_its_events_and_goes_on<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let store = &opened.store;
    let lane = store.list().await.unwrap().into_iter().find(|e| e.tenant == diku()).unwrap().lane;
    let token = store.changed_since(lane, ChangeToken::START).await.unwrap().token;
    assert!(!store.rotate_log_id(&diku(), log_id(77), log_id(5), position(1)).await.unwrap());
    assert_eq!(opened.log(&diku()).await[0].log_id, log_id(1));
    let first = Incarnation { log_id: log_id(1), from: position(1) };
    assert_eq!(store.incarnations(&diku()).await.unwrap(), Incarnations::new(vec![first]));
    let lease = store.acquire(lane, "one", Duration::from_secs(60)).await.unwrap().unwrap();
    write_rows(&**store, &lease, &[parked(&diku(), 1), parked(&diku(), 2)]).await;
    assert!(store.rotate_log_id(&diku(), log_id(1), log_id(5), position(1)).await.unwrap());
    let second = Incarnation { log_id: log_id(5), from: position(2) };
    assert_eq!(store.incarnations(&diku()).await.unwrap(), Incarnations::new(vec![first, second]));
    let heads = store.changed_since(lane, token).await.unwrap().heads;
    let time = opened.log(&diku()).await[1].time;
    let head = Head { tenant: diku(), log_id: log_id(5), lane, position: position(2), time };
    assert!(heads.contains(&head), "{heads:?}");
    opened.post(&[create(3)]).await;
    let log = opened.log(&diku()).await;
    assert!(log.iter().all(|event| event.log_id == log_id(5)), "{log:?}");
    assert_eq!(log.iter().map(|event| event.position.number()).collect::<Vec<_>>(), [1, 2, 3]);
    let kept = store.parked(&diku(), &Follower::relay()).await.unwrap();
    assert_eq!(
        kept.iter().map(|p| (p.log_id, p.position)).collect::<Vec<_>>(),
        [(log_id(5), position(1))]
    );
    let enabled = store.list().await.unwrap();
    assert_eq!(enabled.iter().map(|e| e.log_id).collect::<Vec<_>>(), [log_id(2), log_id(5)]);
}

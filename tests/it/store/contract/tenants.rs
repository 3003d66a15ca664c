//! Tenants and lanes: which tenants are enabled, which lane each has, and the jobs of the tenant
//! interface.

use std::time::Duration;

use event_gateway::domain::draft::Draft;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::incarnation::{Incarnation, Incarnations};
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::domain::settings::Settings;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::tenant_job::{
    JobProgress, TenantAct, TenantAttributes, TenantJob, TenantJobId,
};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::{Act, Actor};
use event_gateway::domain::wire_form::WireForm;
use event_gateway::store::{ChangeToken, ComesBack, ErasureStep, Error, Head, Outcome, Scan};
use uuid::Uuid;

use crate::support::drafts::{create, create_in, create_on, parked};
use crate::support::erasures::erasure;
use crate::support::ids::{college, diku, log_id, position, tenant, topic};
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture, all, positions};
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
    let (tenant, log_id_now) = (diku(), log_id(5));
    let head =
        Head { tenant, log_id: log_id_now, lane, position: position(2), time, is_enabled: true };
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

pub async fn a_disabled_tenant_takes_nothing_and_keeps_its_log<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    // The third append knows the head without reading it.
    for id in 1..=3 {
        opened.post(&[create(id)]).await;
    }
    let lane = store.find_tenant(&diku()).await.unwrap().unwrap().lane;
    let token = store.changed_since(lane, ChangeToken::START).await.unwrap().token;
    assert!(store.disable(&diku(), Time::from_ms(7), None).await.unwrap());
    assert!(!store.disable(&diku(), Time::from_ms(8), None).await.unwrap(), "it is disabled");
    let [theirs] = [Draft { origin: create_in(&college(), 1).origin, ..create(5) }];
    let outcomes = opened.append(&[&[create(4)], &[theirs]]).await;
    assert_eq!(outcomes[0], Outcome::NotEnabled);
    assert_eq!(positions(&outcomes[1]), [1], "nothing is spoiled for others");
    let tenant = store.find_tenant(&diku()).await.unwrap().unwrap();
    assert!(!tenant.is_enabled && tenant.head == position(3), "{tenant:?}");
    assert!(store.list().await.unwrap().contains(&tenant));
    assert_eq!(store.count().await.unwrap(), 2);
    let changed = store.changed_since(lane, token).await.unwrap().heads;
    let head = changed.iter().find(|head| head.tenant == diku()).unwrap();
    assert!(!head.is_enabled, "followers learn of it");
    let from = [(diku(), Position::START.into()), (college(), Position::START.into())];
    let read = store.read(&from, &all()).await.unwrap();
    assert_eq!(read.iter().map(|slice| slice.events.len()).collect::<Vec<_>>(), [3, 1]);
    let of_enabled = Scan { enabled_only: true, ..all() };
    let read = store.read(&from, &of_enabled).await.unwrap();
    assert_eq!(read.iter().map(|slice| &slice.tenant).collect::<Vec<_>>(), [&college()]);
    let opened = opened.reopen().await;
    let store = &opened.store;
    store.enable_if_new(&diku(), log_id(9)).await.unwrap();
    assert_eq!(opened.append(&[&[create(4)]]).await, [Outcome::NotEnabled], "a file enables once");
    assert!(store.enable(&diku(), log_id(9), None).await.unwrap());
    assert!(store.enable(&diku(), log_id(9), None).await.unwrap(), "it may be repeated");
    assert_eq!(positions(&opened.append(&[&[create(4)]]).await[0]), [4]);
    assert_eq!(store.find_tenant(&diku()).await.unwrap().unwrap().log_id, log_id(1));
}

pub async fn a_new_tenant_is_enabled_and_an_unknown_one_can_t_be_disabled<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, zeta) = (&opened.store, tenant("zeta"));
    assert_eq!(store.find_tenant(&zeta).await.unwrap(), None);
    assert!(!store.disable(&zeta, Time::from_ms(7), None).await.unwrap());
    assert_eq!(store.find_tenant(&zeta).await.unwrap(), None);
    assert!(store.enable(&zeta, log_id(9), None).await.unwrap());
    let found = store.find_tenant(&zeta).await.unwrap().unwrap();
    assert_eq!((found.log_id, found.head, found.is_enabled), (log_id(9), Position::START, true));
    assert_eq!(store.list().await.unwrap().last(), Some(&found));
}

pub async fn a_tenant_gets_a_log_only_beside_those_that_it_was_compared_with<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, zeta, eta) = (&opened.store, tenant("zeta"), tenant("eta"));
    let all = async || {
        let logs = store.list().await.unwrap().into_iter();
        logs.map(|log| log.tenant).collect::<Vec<_>>()
    };
    let beside = all().await;
    let give = async |tenant: &TenantId, beside: &[TenantId]| {
        let id = log_id(u128::from(tenant.as_str().as_bytes()[0]));
        let by = Actor::gateway().does(Act::EnableTenant).of(tenant);
        store.enable_beside(tenant, id, ComesBack::Yes, beside, Some(&by)).await.unwrap()
    };
    assert!(give(&zeta, &beside).await);
    assert!(!give(&eta, &beside).await, "zeta was not compared with it");
    assert_eq!(store.find_tenant(&eta).await.unwrap(), None);
    assert!(give(&zeta, &[]).await, "it has a log");
    assert!(give(&eta, &all().await).await);
    assert!(store.find_tenant(&eta).await.unwrap().unwrap().is_enabled);
    let [theta, iota] = ["theta", "iota"].map(tenant);
    let beside = all().await;
    let both = tokio::join!(give(&theta, &beside), give(&iota, &beside));
    assert_ne!(both.0, both.1, "one of them is first");
}

pub async fn the_gateway_itself_appends_to_disabled_tenants<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, item) = (&opened.store, "folio.diku.inventory.item");
    opened.post(&[create_on(item, 1)]).await;
    let jane = erasure(&diku(), 1, &[item], create_on(item, 1).key.as_str());
    assert!(store.add_erasure(&jane, None).await.unwrap());
    store.disable(&diku(), Time::from_ms(7), None).await.unwrap();
    let spec = Settings::default().spec(&diku(), &topic(item));
    let erased = vec![jane.draft(&spec, WireForm::Convention)];
    let step = ErasureStep { erasure: jane, events_max: 10, erased };
    assert_eq!(store.erase(&step).await.unwrap(), 1);
    assert_eq!(opened.log(&diku()).await.len(), 2, "the ERASED event is appended");
}

pub async fn a_job_is_found_until_it_is_removed<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let job = |tenant: &TenantId, id: u128| TenantJob {
        id: TenantJobId::new(Uuid::from_u128(id)),
        tenant: tenant.clone(),
        attributes: TenantAttributes::of(TenantAct::Enable, None),
        by: Actor::user(Some("1"), Some("https://k/realms/diku"), Some("1/2")),
        submitted: Time::from_ms(1_000 - i64::try_from(id).unwrap()),
        progress: JobProgress::default(),
    };
    let (mut one, two) = (job(&diku(), 1), job(&college(), 2));
    store.add_tenant_job(&one).await.unwrap();
    store.add_tenant_job(&two).await.unwrap();
    assert_eq!(store.open_tenant_jobs().await.unwrap(), [two.clone(), one.clone()], "oldest first");
    one.progress.messages = vec!["waits for \"Kafka\"".to_owned()];
    store.write_tenant_job(&diku(), one.id, &one.progress).await.unwrap();
    let opened = opened.reopen().await;
    let store = &opened.store;
    assert_eq!(store.find_tenant_job(&diku(), one.id).await.unwrap(), Some(one.clone()));
    assert_eq!(store.find_tenant_job(&college(), one.id).await.unwrap(), None, "another's job");
    let error = Some("refused".to_owned());
    one.progress = JobProgress { messages: vec![], error, completed: Some(Time::from_ms(2_000)) };
    store.write_tenant_job(&diku(), one.id, &one.progress).await.unwrap();
    store.write_tenant_job(&diku(), one.id, &JobProgress::default()).await.unwrap();
    let found = store.find_tenant_job(&diku(), one.id).await.unwrap();
    assert_eq!(found, Some(one.clone()), "an ended job stays as it is");
    assert_eq!(store.open_tenant_jobs().await.unwrap(), std::slice::from_ref(&two));
    store.drop_tenant_jobs(Time::from_ms(2_000)).await.unwrap();
    assert!(store.find_tenant_job(&diku(), one.id).await.unwrap().is_some());
    store.drop_tenant_jobs(Time::from_ms(2_001)).await.unwrap();
    assert_eq!(store.find_tenant_job(&diku(), one.id).await.unwrap(), None);
    assert!(!store.remove_tenant_job(&diku(), two.id).await.unwrap(), "another's job");
    assert!(store.remove_tenant_job(&college(), two.id).await.unwrap());
    assert!(!store.remove_tenant_job(&college(), two.id).await.unwrap());
    store.write_tenant_job(&college(), two.id, &JobProgress::default()).await.unwrap();
    assert_eq!(store.open_tenant_jobs().await.unwrap(), []);
}

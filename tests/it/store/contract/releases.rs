//! Stores that earlier releases made: each is opened, has what was in it, and goes on.
//!
//! `scripts/release-stores` has the dumps of a release written into `tests/it/data/releases`. The dump
//! of what this build makes is judged in the same way, so that the way is tried before there are any.

use std::path::{Path, PathBuf};

use event_gateway::domain::follower::Follower;
use event_gateway::domain::position::Position;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::tenant_job::TenantJobId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::store::{KafkaGroup, PurgeStart, Store, TrailScan};
use uuid::Uuid;

use crate::support::drafts::{create, create_in};
use crate::support::erasures::erasure;
use crate::support::filled_tenant::{dead_letter, fill, kafka_group, replay, scope, subscribe};
use crate::support::ids::{college, diku, event_id, log_id, position, tenant, topic};
use crate::support::store_fixture::{Dumped, LANES, OpenStore};
use crate::support::store_parking::{TTL, found};
use crate::support::trail::by;

const ITEM: &str = "folio.diku.inventory.item";
/// Where the dumps of a release are to be written, if they are.
const WRITE_TO: &str = "EVENT_GATEWAY_RELEASE_STORES";
/// The tables that may have no row: theirs are of what runs, or of a transaction that is under way.
const MAY_BE_EMPTY: [&str; 3] = ["listeners", "replicas", "transactions"];

/// The tenant that is being purged.
fn purged() -> TenantId {
    tenant("purged")
}

/// Makes what each release's store has: something in every table. `diku` has seven events, of which
/// the first is removed, and the relay has passed two; `college` has one, and is disabled.
async fn filled<B: Dumped>() -> B {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    fill(&opened).await;
    opened.post(&[create(5), create(6), create(7)]).await;
    opened.post(&[create_in(&college(), 8)]).await;
    let disable = by(Act::DisableTenant).of(&college()).on(college());
    assert!(store.disable(&college(), Time::from_ms(1), Some(&disable)).await.unwrap());
    begin_a_purge(&**store).await;
    store.know_sink(&Follower::relay()).await.unwrap();
    store.check().await.unwrap();
    store.close().await.unwrap();
    let OpenStore { fixture, store } = opened;
    drop(store);
    let empty = fixture.empty_tables().await;
    let unfilled: Vec<_> = empty.iter().filter(|it| !MAY_BE_EMPTY.contains(&&***it)).collect();
    assert!(unfilled.is_empty(), "the story puts nothing into {unfilled:?}");
    fixture
}

/// Begins the purge of a tenant, which the relay has passed.
async fn begin_a_purge(store: &dyn Store) {
    store.enable_if_new(&purged(), log_id(3)).await.unwrap();
    let begun = store.begin_purge(&purged(), Time::from_ms(2), None, None).await.unwrap();
    assert_eq!(begun, PurgeStart::Begun);
    let purge = store.purges().await.unwrap().remove(0);
    let lease = store.seize(purge.lane, "one", TTL).await.unwrap();
    store.pass_purge(&lease, &Follower::relay(), &purge).await.unwrap();
}

/// Finds in a store what `filled` made, and goes on with it.
async fn goes_on<B: Dumped>(dump: &str) {
    let fixture = B::load(dump).await;
    let opened = OpenStore { store: fixture.open().await, fixture };
    assert_eq!(opened.store.lanes(LANES + 1).await.unwrap(), LANES);
    has_its_events(&opened).await;
    has_its_tenants(&*opened.store).await;
    has_what_is_open(&opened).await;
    has_its_groups(&*opened.store).await;
    let again = opened.post(&[create(1), create(6), create(9)]).await;
    let again = again.iter().map(|receipt| receipt.position.number());
    assert!(again.eq([1, 6, 8]), "two are known, of which one is removed");
    assert_eq!(opened.log(&diku()).await.len(), 7);
    opened.store.check().await.unwrap();
}

async fn has_its_events<B: Dumped>(opened: &OpenStore<B>) {
    let (store, log) = (&opened.store, opened.log(&diku()).await);
    assert!(log.iter().map(|it| it.event_id).eq((2..=7).map(event_id)));
    assert!(log.iter().map(|it| it.position.number()).eq(2..=7));
    let epochs = log.iter().map(|it| it.last_delete_all.map(Position::number));
    assert!(epochs.eq([None, None, None, Some(4), Some(4), Some(4)]));
    let payload = String::from_utf8(log[3].payload.to_vec()).unwrap();
    assert!(payload.contains("\"new\":"), "{payload}");
    let floors = store.floors(&diku()).await.unwrap();
    assert_eq!(floors.of(&topic(ITEM)).floor, position(2));
    let passed = store.load(&diku(), &Follower::relay()).await.unwrap().unwrap();
    assert_eq!(passed.position.number(), 2);
}

async fn has_its_tenants(store: &dyn Store) {
    let tenants = store.list().await.unwrap();
    let told: Vec<_> =
        tenants.iter().map(|it| (it.tenant.clone(), it.log_id, it.is_enabled)).collect();
    assert_eq!(told, [(college(), log_id(2), false), (diku(), log_id(1), true)]);
    let ids = store.incarnations(&diku()).await.unwrap();
    assert!(ids.iter().map(|it| (it.log_id, it.from)).eq([(log_id(1), position(1))]));
    let purges = store.purges().await.unwrap();
    let [purge] = &purges[..] else { panic!("{purges:?}") };
    assert_eq!((&purge.tenant, purge.log_id), (&purged(), log_id(3)));
    assert_eq!(purge.passed, [Follower::relay()]);
    let job = TenantJobId::new(Uuid::from_u128(1));
    assert!(store.find_tenant_job(&diku(), job).await.unwrap().is_some());
    let scan = TrailScan { act: Some(Act::DisableTenant), rows_max: 9, ..TrailScan::default() };
    let rows = store.trail(&scan).await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.tenant.clone(), &*row.object), (Some(college()), "college"));
}

async fn has_what_is_open<B: Dumped>(opened: &OpenStore<B>) {
    let store = &opened.store;
    let scopes = found(opened, &diku()).await;
    let [parked] = &scopes[..] else { panic!("{scopes:?}") };
    assert_eq!((parked.position, &parked.key), (position(2), &scope().key));
    assert_eq!(store.replays(&diku()).await.unwrap(), [replay()]);
    assert_eq!(store.erasures(&diku()).await.unwrap(), [erasure(&diku(), 1, &[ITEM], "k")]);
    let expansions = store.expansions(&diku()).await.unwrap();
    let [expansion] = &expansions[..] else { panic!("{expansions:?}") };
    assert_eq!((expansion.request, expansion.walked_to), (position(4), position(3)));
    let subject = Subject::new("inventory", "item");
    assert_eq!(store.topics_of(&diku(), &subject).await.unwrap(), [topic(ITEM)]);
    let stands = store.stands(&college()).await.unwrap();
    assert_eq!(stands, [(Follower::relay(), None)], "the store knows the sink");
}

async fn has_its_groups(store: &dyn Store) {
    let (group, form) = (subscribe().group, subscribe().next.unwrap().form);
    let rows = store.find_subscriptions(&[(diku(), group)]).await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row.subscription.form, form);
    let letters = store.list_dead_letters(&diku(), &row.group, Position::START, 9).await.unwrap();
    assert_eq!(letters, [dead_letter()]);
    let group = KafkaGroup { version: 1, ..kafka_group("diku") };
    assert_eq!(store.find_kafka_group("diku", &group.group).await.unwrap(), Some(group.clone()));
    assert_eq!(store.fix_partitions(&[(diku(), topic(ITEM), 9)]).await.unwrap(), [2]);
}

fn releases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/releases")
}

pub async fn a_store_that_a_release_made_is_opened_and_goes_on<B: Dumped>() {
    let fixture = filled::<B>().await;
    let made = fixture.dump().await;
    if let Ok(folder) = std::env::var(WRITE_TO) {
        std::fs::write(Path::new(&folder).join(B::FILE), &made).unwrap();
    }
    goes_on::<B>(&made).await;
    for release in std::fs::read_dir(releases()).unwrap() {
        let folder = release.unwrap().path();
        if folder.is_dir() {
            goes_on::<B>(&std::fs::read_to_string(folder.join(B::FILE)).unwrap()).await;
        }
    }
}

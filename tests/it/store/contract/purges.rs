//! Purges: when one begins, what it leaves, and that nobody's late step touches a tenant that came
//! back.

use std::collections::BTreeSet;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::Parked;
use event_gateway::domain::position::Position;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant_job::TenantJobId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::{Act, Actor};
use event_gateway::store::{
    ChangeToken, ExpansionStep, Lag, Lease, LeaseCheck, Outcome, Purge, PurgeStart, Store,
    SubscriptionChange, Unpublished,
};
use uuid::Uuid;

use crate::support::drafts::{create, create_in, create_on, delete_all};
use crate::support::erasures::erasure;
use crate::support::filled_tenant::{fill, kafka_group, replay, scope, subscribe};
use crate::support::ids::{college, diku, event_id, log_id, position, topic};
use crate::support::store_fixture::{OpenStore, StoreFixture, Tables, all, cursors, positions};
use crate::support::store_parking::{hold, write_rows};

const ITEM: &str = "folio.diku.inventory.item";
/// The tables that keep something of a tenant that was purged: its number, and who asked for what.
const KEPT: [&str; 4] = ["heads", "purges", "tenant_jobs", "trail"];
/// The tables that have rows only of a purge.
const OF_PURGES: [&str; 2] = ["purges", "purge_passes"];

fn at(ms: i64) -> Time {
    Time::from_ms(ms)
}

async fn begin(store: &dyn Store, published_by: Option<&[Follower]>) -> PurgeStart {
    store.begin_purge(&diku(), at(7), published_by, None).await.unwrap()
}

async fn only_purge(store: &dyn Store) -> Purge {
    <[Purge; 1]>::try_from(store.purges().await.unwrap()).unwrap()[0].clone()
}

/// Removes everything, and ends the purge.
async fn finish(store: &dyn Store) {
    let purge = only_purge(store).await;
    while store.purge_step(&purge, 1_000).await.unwrap() {}
    assert!(store.end_purge(&purge, at(9)).await.unwrap());
}

pub async fn a_purge_that_would_lose_events_does_not_begin<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, relay) = (&opened.store, Follower::relay());
    let sinks = [relay.clone(), Follower::hexkit()];
    let lease = hold(&opened, &diku()).await;
    opened.post(&[create(1), create(2), create(3)]).await;
    let loses = |pending, parked| PurgeStart::Loses(Unpublished { pending, parked });
    assert_eq!(begin(&**store, Some(&sinks)).await, loses(3, 0));
    let log = cursors(&**store, &diku()).await;
    store.checkpoint(&lease, &relay, &[(diku(), log[3])]).await.unwrap();
    assert_eq!(begin(&**store, Some(&sinks)).await, loses(3, 0), "the other sink has nothing");
    store.checkpoint(&lease, &Follower::hexkit(), &[(diku(), log[2])]).await.unwrap();
    assert_eq!(begin(&**store, Some(&sinks)).await, loses(1, 0));
    let row = Parked { events: 2, counted_to: position(3), ..scope() };
    write_rows(&**store, &lease, &[row]).await;
    assert_eq!(begin(&**store, Some(&sinks[..1])).await, loses(1, 2), "the other is known");
    assert_eq!(store.purges().await.unwrap(), []);
    assert_eq!(opened.post(&[create(4)]).await[0].position, position(4), "nothing was changed");
    assert_eq!(begin(&**store, None).await, PurgeStart::Begun);
    assert!(!only_purge(&**store).await.takes_all, "it was forced, and takes one log alone");
    assert_eq!(begin(&**store, Some(&sinks)).await, PurgeStart::NoLog);
    assert!(!only_purge(&**store).await.takes_all);
    assert_eq!(begin(&**store, None).await, PurgeStart::Widened);
    assert!(only_purge(&**store).await.takes_all, "it was forced while it was under way");
    assert_eq!(begin(&**store, None).await, PurgeStart::NoLog);
}

pub async fn a_purge_waits_until_every_delete_all_is_expanded<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, relay) = (&opened.store, Follower::relay());
    let lease = hold(&opened, &diku()).await;
    opened.post(&[create(1), delete_all(ITEM, 2)]).await;
    let log = cursors(&**store, &diku()).await;
    store.checkpoint(&lease, &relay, &[(diku(), log[2])]).await.unwrap();
    let expand = async |walked_to| {
        let (tenant, topic, request) = (diku(), topic(ITEM), position(2));
        let step = ExpansionStep { tenant, topic, request, walked_to, deletes: Vec::new() };
        store.expand(&step).await.unwrap();
    };
    expand(position(1)).await;
    // The sink has passed the request, but its DELETEs are still to come.
    let loses = PurgeStart::Loses(Unpublished { pending: 1, parked: 0 });
    assert_eq!(begin(&**store, Some(&[])).await, loses);
    expand(position(2)).await;
    assert_eq!(begin(&**store, Some(&[])).await, PurgeStart::Begun);
}

pub async fn a_sink_that_the_store_knows_must_have_all_events_before_a_purge<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    opened.post(&[create(1), create(2)]).await;
    store.know_sink(&Follower::relay()).await.unwrap();
    // Whoever asks for the purge may have no sink.
    let loses = PurgeStart::Loses(Unpublished { pending: 2, parked: 0 });
    assert_eq!(begin(&**store, Some(&[])).await, loses);
    store.forget_follower(&Follower::relay(), None, None).await.unwrap();
    assert_eq!(begin(&**store, Some(&[])).await, PurgeStart::Begun);
}

pub async fn a_purge_ends_once_every_sink_that_has_passed_it_has_nothing_left<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, relay, hexkit) = (&opened.store, Follower::relay(), Follower::hexkit());
    opened.post(&[create(1)]).await;
    let lease = hold(&opened, &diku()).await;
    begin(&**store, None).await;
    let purge = only_purge(&**store).await;
    for follower in [&relay, &hexkit] {
        store.pass_purge(&lease, follower, &purge).await.unwrap();
    }
    assert!(!store.end_purge(&purge, at(9)).await.unwrap());
    store.note_removed(&relay, &purge).await.unwrap();
    assert_eq!(only_purge(&**store).await.removed, std::slice::from_ref(&relay));
    assert!(!store.end_purge(&purge, at(9)).await.unwrap(), "hexkit may have something");
    // A sink that is gone for good removes nothing.
    assert_eq!(store.forget_follower(&hexkit, None, None).await.unwrap(), Some(0));
    assert_eq!(only_purge(&**store).await.passed, [relay]);
    assert!(store.end_purge(&purge, at(9)).await.unwrap());
    assert_eq!(store.purges().await.unwrap(), []);
    assert!(store.end_purge(&purge, at(9)).await.unwrap(), "it may be repeated");
}

pub async fn a_tenant_has_no_log_once_its_purge_begins<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, relay) = (&opened.store, Follower::relay());
    // The third append knows the head without reading it.
    for id in 1..=3 {
        opened.post(&[create(id)]).await;
    }
    opened.post(&[create_in(&college(), 1)]).await;
    let lease = hold(&opened, &diku()).await;
    write_rows(&**store, &lease, &[scope()]).await;
    let tenant = store.find_tenant(&diku()).await.unwrap().unwrap();
    assert_eq!(begin(&**store, None).await, PurgeStart::Begun);
    let [theirs] = [create_in(&college(), 2)];
    let outcomes = opened.append(&[&[create(4)], &[theirs]]).await;
    assert_eq!(outcomes[0], Outcome::NotEnabled);
    assert_eq!(positions(&outcomes[1]), [2], "nothing is spoiled for others");
    let purge = only_purge(&**store).await;
    assert_eq!((purge.log_id, purge.lane, purge.started), (log_id(1), tenant.lane, at(7)));
    assert_eq!(store.find_tenant(&diku()).await.unwrap(), None);
    assert_eq!((store.count().await.unwrap(), store.list().await.unwrap().len()), (1, 1));
    assert_eq!(store.read(&[(diku(), Position::START.into())], &all()).await.unwrap(), []);
    assert_eq!(store.find(&diku(), event_id(1)).await.unwrap(), None);
    let heads = store.changed_since(tenant.lane, ChangeToken::START).await.unwrap().heads;
    assert!(heads.iter().all(|head| head.tenant != diku()), "{heads:?}");
    assert_eq!(store.parked_lane(tenant.lane, &relay).await.unwrap(), []);
    assert_eq!(store.parking_ledgers(tenant.lane, &relay).await.unwrap(), []);
    let counts = store.event_counts().await.unwrap();
    assert_eq!((counts.head, counts.pending, counts.parked, counts.scopes), (2, 2, 0, 0));
    assert_eq!(store.lag(&relay).await.unwrap().events, 2);
    store.enable_if_new(&diku(), log_id(9)).await.unwrap();
    assert!(!store.enable(&diku(), log_id(9), None).await.unwrap(), "its purge is under way");
    assert!(!store.disable(&diku(), at(8), None).await.unwrap());
    assert_eq!(store.find_tenant(&diku()).await.unwrap(), None);
    // They would be carried out on the log that the tenant gets when it comes back.
    let erasure = erasure(&diku(), 1, &[ITEM], "k");
    assert!(!store.add_erasure(&erasure, None).await.unwrap());
    assert!(!store.add_replay(&replay(), None).await.unwrap());
    for by in [None, Some(Actor::shell("test").does(Act::PutSubscription))] {
        let change = SubscriptionChange { by, ..subscribe() };
        assert_eq!(store.change_subscriptions(&[change]).await.unwrap(), [false]);
    }
    let opened = opened.reopen().await;
    assert_eq!(only_purge(&*opened.store).await, purge);
}

pub async fn a_sink_passes_a_purge_under_its_lease<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, relay, hexkit) = (&opened.store, Follower::relay(), Follower::hexkit());
    opened.post(&[create(1)]).await;
    let lease = hold(&opened, &diku()).await;
    let log = cursors(&**store, &diku()).await;
    store.checkpoint(&lease, &relay, &[(diku(), log[1])]).await.unwrap();
    begin(&**store, None).await;
    let purge = only_purge(&**store).await;
    let late = Lease { term: lease.term + 1, ..lease };
    let pass = async |lease: &Lease, follower: &Follower| {
        store.pass_purge(lease, follower, &purge).await.unwrap()
    };
    assert_eq!(pass(&late, &relay).await, LeaseCheck::Lost);
    assert_eq!(only_purge(&**store).await.passed, []);
    assert_eq!(store.stands(&diku()).await.unwrap().len(), 1);
    assert_eq!(pass(&lease, &relay).await, LeaseCheck::Held);
    assert_eq!(pass(&lease, &relay).await, LeaseCheck::Held, "it may be repeated");
    assert_eq!(only_purge(&**store).await.passed, std::slice::from_ref(&relay));
    assert_eq!(store.stands(&diku()).await.unwrap(), [], "its checkpoint is gone");
    assert_eq!(pass(&lease, &hexkit).await, LeaseCheck::Held);
    let mut passed = only_purge(&**store).await.passed;
    passed.sort();
    assert_eq!(passed, [hexkit, relay]);
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub async fn a_purge_leaves_its_number_and_its_job<B: Tables>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    opened.post(&[create_in(&college(), 1)]).await;
    for scope in ["college", "*"] {
        assert!(store.write_kafka_group(&kafka_group(scope)).await.unwrap());
    }
    let lease = fill(&opened).await;
    let tables = opened.fixture.tables().await;
    let filled = opened.fixture.tables_of(&diku()).await;
    let unfilled: BTreeSet<_> = tables.difference(&filled).cloned().collect();
    assert!(unfilled.is_subset(&names(&OF_PURGES)), "the story puts nothing into {unfilled:?}");
    let theirs = opened.fixture.tables_of(&college()).await;
    begin(&**store, None).await;
    let purge = only_purge(&**store).await;
    store.pass_purge(&lease, &Follower::relay(), &purge).await.unwrap();
    let mut steps = 0;
    while store.purge_step(&purge, 2).await.unwrap() {
        steps += 1;
    }
    assert!(steps >= 8, "each step is of one table, and of two rows at most");
    store.note_removed(&Follower::relay(), &purge).await.unwrap();
    assert!(store.end_purge(&purge, at(9)).await.unwrap());
    let left = opened.fixture.tables_of(&diku()).await;
    assert!(left.is_subset(&names(&KEPT)), "{left:?}");
    assert_eq!(opened.fixture.tables_of(&college()).await, theirs, "nobody else's rows go");
    for (scope, count) in [("*", 1), ("college", 1), ("diku", 0)] {
        assert_eq!(store.count_kafka_groups(scope).await.unwrap(), count, "{scope}");
    }
    assert_eq!(store.purges().await.unwrap(), []);
    let id = TenantJobId::new(Uuid::from_u128(1));
    assert!(store.find_tenant_job(&diku(), id).await.unwrap().is_some());
}

pub async fn a_tenant_that_comes_back_has_a_new_log_above_the_old_one<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    fill(&opened).await;
    let store = &opened.store;
    let last = store.find_tenant(&diku()).await.unwrap().unwrap().head;
    begin(&**store, None).await;
    let purge = only_purge(&**store).await;
    finish(&**store).await;
    // Whoever had found the tenant before the purge writes late.
    let subject = Subject::new("inventory", "item");
    store.note_topics(&diku(), &[(subject.clone(), topic(ITEM))]).await.unwrap();
    let opened = opened.reopen().await;
    let store = &opened.store;
    store.enable_if_new(&diku(), log_id(9)).await.unwrap();
    assert_eq!(store.find_tenant(&diku()).await.unwrap(), None, "a file alone is no reason");
    assert!(store.enable(&diku(), log_id(9), None).await.unwrap());
    let back = store.find_tenant(&diku()).await.unwrap().unwrap();
    assert_eq!((back.log_id, back.head, back.is_enabled), (log_id(9), last, true));
    assert_eq!(store.topics_of(&diku(), &subject).await.unwrap(), []);
    let counts = store.event_counts().await.unwrap();
    assert_eq!((counts.pending, counts.published), (0, last.number()), "the old ones are given");
    assert_eq!(store.lag(&Follower::relay()).await.unwrap(), Lag::default());
    let token = store.changed_since(back.lane, ChangeToken::START).await.unwrap().token;
    let [receipt] = opened.post(&[create(1)]).await[..] else { panic!("one receipt") };
    assert_eq!(receipt.position, last.next(), "no position is given twice");
    let changed = store.changed_since(back.lane, token).await.unwrap().heads;
    assert!(changed.iter().any(|head| head.tenant == diku()), "{changed:?}");
    assert_eq!(store.event_counts().await.unwrap().pending, 1);
    assert_eq!(store.lag(&Follower::relay()).await.unwrap().events, 1);
    let log = opened.log(&diku()).await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].log_id, log[0].position), (log_id(9), last.next()));
    let first = store.incarnations(&diku()).await.unwrap();
    let first: Vec<_> = first.iter().map(|one| (one.log_id, one.from)).collect();
    assert_eq!(first, [(log_id(9), last.next())]);
    // Another replica's step of the purge that has ended.
    assert!(!store.purge_step(&purge, 1_000).await.unwrap());
    store.end_purge(&purge, at(10)).await.unwrap();
    let lease = hold(&opened, &diku()).await;
    store.pass_purge(&lease, &Follower::relay(), &purge).await.unwrap();
    assert_eq!(opened.log(&diku()).await.len(), 1);
    // It may be purged again.
    begin(&**store, None).await;
    assert_eq!(only_purge(&**store).await.passed, []);
    finish(&**store).await;
    assert!(store.enable(&diku(), log_id(10), None).await.unwrap());
    assert_eq!(opened.post(&[create_on(ITEM, 5)]).await[0].position, last.next().next());
}

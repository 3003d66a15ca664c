//! Dead letters: written with their group's row or not at all, gone with it, and redriven in order.

use event_gateway::domain::floors::Floors;
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{DeadLetter, Group, LastFailure, Refusal, Scope};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::store::{DeadChange, DeadCount, Store, SubscriptionChange, TrailScan};
use event_gateway::subscribe::{Error, Groups, Which};

use crate::support::drafts::create;
use crate::support::gateway::settings;
use crate::support::handled_groups::{
    begin, counts, failed, found, joined, letters, of_all, redriven, search,
};
use crate::support::ids::{college, diku, key, log_id, position};
use crate::support::store_fixture::{OpenStore, StoreFixture};
use crate::support::trail::by;

/// Writes changes of a tenant's dead letters upon a version of its group.
async fn write(store: &dyn Store, tenant: TenantId, version: u64, dead: Vec<DeadChange>) -> bool {
    let next = Some(found(store, tenant.clone()).await.subscription);
    let change = SubscriptionChange { tenant, group: search(), version, next, dead, by: None };
    store.change_subscriptions(&[change]).await.unwrap() == [true]
}

fn put(letters: &[DeadLetter]) -> Vec<DeadChange> {
    letters.iter().cloned().map(DeadChange::Put).collect()
}

pub async fn dead_letters_are_kept_as_they_were_written<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    begin(&*opened.store, diku(), 9).await;
    let redriven = DeadLetter { is_redriven: true, ..joined(5, "é \"k\"") };
    let alone = DeadLetter { scope: Scope::Event, ..failed(8, "k") };
    let all = [failed(2, "k"), redriven.clone(), of_all(7), alone];
    let given: Vec<_> = all.iter().rev().cloned().collect();
    assert!(write(&*opened.store, diku(), 1, put(&given)).await);
    let opened = opened.reopen().await;
    let store = &*opened.store;
    assert_eq!(letters(store).await, all, "in order of their positions");
    let page = store.list_dead_letters(&diku(), &search(), position(2), 1).await.unwrap();
    assert_eq!(page, [redriven]);
    let again = LastFailure { why: "again".to_owned(), attempts: 9 };
    let again =
        DeadLetter { failure: Some(again), since: Time::from_ms(9), ..joined(5, "é \"k\"") };
    let gone = [2, 8, 99].map(|at| DeadChange::Remove(position(at)));
    let changes = [put(std::slice::from_ref(&again)), gone.to_vec()].concat();
    assert!(write(store, diku(), 2, changes).await);
    assert_eq!(letters(store).await, [again, of_all(7)]);
}

pub async fn dead_letters_are_written_upon_what_was_found_and_go_with_their_group<
    B: StoreFixture,
>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    begin(store, diku(), 9).await;
    begin(store, college(), 9).await;
    assert!(write(store, college(), 1, put(&[failed(2, "k")])).await);
    assert!(write(store, diku(), 1, put(&[failed(2, "k")])).await);
    assert!(!write(store, diku(), 1, put(&[failed(3, "j")])).await, "the group has changed");
    assert!(!write(store, diku(), 1, vec![DeadChange::Remove(position(2))]).await);
    assert_eq!(letters(store).await, [failed(2, "k")]);
    let row = found(store, diku()).await;
    let scan = TrailScan { rows_max: 9, ..TrailScan::default() };
    let before = store.trail(&scan).await.unwrap().len();
    let act = SubscriptionChange {
        tenant: diku(),
        group: search(),
        version: row.version,
        next: Some(row.subscription),
        dead: put(&[failed(4, "l")]),
        by: Some(by(Act::SeekSubscription)),
    };
    assert_eq!(store.change_subscriptions(std::slice::from_ref(&act)).await.unwrap(), [true]);
    assert_eq!(store.change_subscriptions(&[act]).await.unwrap(), [false]);
    let entries = store.trail(&scan).await.unwrap().len();
    assert_eq!(entries, before + 1, "what was written has its entry, and nothing else");
    let remove = |version| SubscriptionChange {
        tenant: diku(),
        group: search(),
        version,
        next: None,
        dead: Vec::new(),
        by: None,
    };
    assert_eq!(store.change_subscriptions(&[remove(1)]).await.unwrap(), [false]);
    assert_eq!(letters(store).await.len(), 2);
    assert_eq!(store.change_subscriptions(&[remove(3)]).await.unwrap(), [true]);
    assert_eq!(letters(store).await, []);
    let theirs = store.list_dead_letters(&college(), &search(), Position::START, 9).await;
    assert_eq!(theirs.unwrap(), [failed(2, "k")]);
    begin(store, diku(), 9).await;
    assert_eq!(letters(store).await, [], "a group of the same name has none of them");
}

pub async fn dead_letters_are_counted_by_their_group<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    begin(store, diku(), 9).await;
    begin(store, college(), 9).await;
    assert_eq!(store.count_dead_letters(None).await.unwrap(), []);
    let older = DeadLetter { since: Time::from_ms(3), ..joined(5, "a") };
    let alone = DeadLetter { scope: Scope::Event, ..failed(8, "c") };
    // What waits for a DELETE_ALL has failed at nothing.
    let all = [failed(2, "a"), older, failed(6, "b"), of_all(7), alone, joined(9, "d")];
    assert!(write(store, diku(), 1, put(&all)).await);
    assert!(write(store, college(), 1, put(&[failed(4, "a")])).await);
    let count = |tenant, (count, scopes), oldest, least| DeadCount {
        tenant,
        group: search(),
        count,
        scopes,
        oldest: Time::from_ms(oldest),
        least: position(least),
    };
    let [theirs, ours] = [count(college(), (1, 1), 7, 4), count(diku(), (6, 3), 3, 2)];
    assert_eq!(store.count_dead_letters(None).await.unwrap(), [theirs.clone(), ours.clone()]);
    let one = store.count_dead_letters(Some((&diku(), Some(&search())))).await.unwrap();
    assert_eq!(one, [ours]);
    let other = Group::parse("cg.other").unwrap();
    assert_eq!(store.count_dead_letters(Some((&diku(), Some(&other)))).await.unwrap(), []);
    assert_eq!(store.count_dead_letters(Some((&college(), Some(&other)))).await.unwrap(), []);
    let of_tenant = store.count_dead_letters(Some((&college(), None))).await.unwrap();
    assert_eq!(of_tenant, [theirs]);
    store.begin_purge(&college(), Time::from_ms(9), None, None).await.unwrap();
    let left = store.count_dead_letters(None).await.unwrap();
    assert!(left.iter().all(|it| it.tenant == diku()), "a tenant without a log has none: {left:?}");
}

pub async fn a_restored_log_has_no_dead_letter_beyond_its_events<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2), create(3), create(4)]).await;
    let store = &*opened.store;
    for tenant in [diku(), college()] {
        begin(store, tenant.clone(), 4).await;
        assert!(write(store, tenant, 1, put(&[failed(2, "a"), failed(3, "b")])).await);
    }
    assert!(store.rotate_log_id(&diku(), log_id(1), log_id(5), position(2)).await.unwrap());
    assert_eq!(letters(store).await, [failed(2, "a")]);
    let theirs = store.list_dead_letters(&college(), &search(), Position::START, 9).await;
    assert_eq!(theirs.unwrap().len(), 2);
}

pub async fn only_the_present_generation_writes_dead_letters<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, settings) = (&*opened.store, settings());
    let groups = Groups { store, settings: &settings };
    let (diku, group) = (diku(), search());
    begin(store, diku.clone(), 9).await;
    groups.bury(&diku, &group, 1, &[failed(2, "a"), joined(5, "a")]).await.unwrap();
    let beyond = groups.bury(&diku, &group, 1, &[failed(10, "b")]).await;
    let refused = |refusal: &Refusal| matches!(refusal, Refusal::NotDelivered { .. });
    assert!(matches!(&beyond, Err(Error::Refused(why)) if refused(why)), "{beyond:?}");
    let before = letters(store).await;
    let kept: Vec<_> = before.iter().map(|it| (it.position.number(), it.failure.clone())).collect();
    assert_eq!(kept, [(2, failed(2, "a").failure), (5, None)]);
    let mut row = found(store, diku.clone()).await;
    let next = &mut row.subscription;
    assert_eq!(next.acquire_for_handler("another", &Floors::default(), row.now), Ok(None));
    let change = SubscriptionChange {
        tenant: row.tenant,
        group: row.group,
        version: row.version,
        next: Some(row.subscription),
        dead: Vec::new(),
        by: None,
    };
    assert_eq!(store.change_subscriptions(&[change]).await.unwrap(), [true]);
    let again = LastFailure { why: "again".to_owned(), attempts: 8 };
    for late in [
        groups.bury(&diku, &group, 1, &[failed(6, "b")]).await,
        groups.settle(&diku, &group, 1, position(2), None).await,
        groups.settle(&diku, &group, 1, position(2), Some(again)).await,
    ] {
        assert!(matches!(late, Err(Error::Refused(Refusal::Fenced(Some(_))))), "{late:?}");
    }
    assert_eq!(letters(store).await, before);
}

pub async fn dead_letters_are_redriven_in_order_and_discarded_as_they_are_named<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, settings) = (&*opened.store, settings());
    let groups = Groups { store, settings: &settings };
    let (diku, group, act) = (diku(), search(), by(Act::SeekSubscription));
    begin(store, diku.clone(), 9).await;
    let all = [failed(2, "a"), failed(3, "b"), joined(5, "a"), failed(6, "c")];
    groups.bury(&diku, &group, 1, &all).await.unwrap();
    let at = |positions: &[u64], limit| Which {
        positions: positions.iter().map(|at| position(*at)).collect(),
        limit,
        ..Which::default()
    };
    let of = |name: &str| Which { keys: vec![key(name)], limit: 9, ..Which::default() };
    let redrive =
        async |which: Which| counts(&groups.redrive(&diku, &group, &which, &act).await.unwrap());
    let settle = async |at: u64, failure: Option<LastFailure>| {
        groups.settle(&diku, &group, 1, position(at), failure).await.unwrap();
    };
    assert_eq!(redrive(at(&[5], 1)).await, (1, 1));
    assert_eq!(redriven(store).await, [2], "the earlier one of its key comes first");
    assert_eq!(redrive(at(&[5], 1)).await, (1, 0));
    assert_eq!(redrive(at(&[5, 99], 1)).await, (0, 0));
    assert_eq!(redriven(store).await, [2, 5]);
    settle(2, Some(LastFailure { why: "again\n".to_owned(), attempts: 8 })).await;
    assert_eq!(redriven(store).await, [] as [u64; 0], "the later one waits for it");
    let first = letters(store).await.remove(0);
    assert_eq!(first.failure, Some(LastFailure { why: "again ".to_owned(), attempts: 8 }));
    assert_eq!(redrive(of("a")).await, (2, 0));
    for done in [2, 5, 5] {
        settle(done, None).await;
    }
    assert_eq!(redrive(Which { limit: 9, ..Which::default() }).await, (2, 0));
    assert_eq!(redriven(store).await, [3, 6]);
    let discard =
        async |which: Which| counts(&groups.discard(&diku, &group, &which, &act).await.unwrap());
    assert_eq!(discard(of("b")).await, (1, 0));
    // The position has not passed them, so that their rows stay.
    let left = async || letters(store).await.iter().filter(|it| !it.is_discarded()).count();
    assert_eq!(left().await, 1);
    let counted = store.count_dead_letters(Some((&diku, Some(&group)))).await.unwrap().remove(0);
    assert_eq!((counted.count, counted.scopes, counted.least), (1, 1, position(6)));
    assert_eq!(discard(at(&[3, 6, 99], 9)).await, (1, 0));
    assert_eq!(left().await, 0);
    assert_eq!(store.count_dead_letters(None).await.unwrap(), []);
}

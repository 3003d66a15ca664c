//! Subscriptions: a row is changed only upon the version that it was found with, and moves with its
//! log.

use std::time::Duration;

use event_gateway::domain::floors::{AcceptedGaps, Floors};
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{
    FailedEvent, Form, Group, Halt, Parts, Pause, Progress, ReaderLease, Subscription,
};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::store::{FoundSubscription, Store, SubscriptionChange};

use crate::support::drafts::create;
use crate::support::ids::{college, diku, log_id, position, tenant};
use crate::support::store_fixture::{OpenStore, StoreFixture};

fn group(name: &str) -> Group {
    Group::parse(name).unwrap()
}

fn search() -> (TenantId, Group) {
    (diku(), group("cg.search"))
}

/// A subscription that begins after a position, with accepted gaps.
fn beginning(form: Form, after: Position, gaps_to: &str) -> Subscription {
    Subscription::new(form, after, AcceptedGaps::from_column(gaps_to).unwrap())
}

/// A subscription with something in each of its fields.
fn full(at: u64) -> Subscription {
    let raw = r#"{"topics":["folio.*.inventory.*"],"headers":{"x":"é"},"autoCommit":true}"#;
    let form = Form::from_column(raw).unwrap();
    let item = Topic::parse("folio.diku.inventory.item").unwrap();
    let lease =
        ReaderLease { reader: "pod-1 \"é\"".to_owned(), expires: Time::from_ms(5), ttl_ms: 9 };
    let failed = Some(FailedEvent { position: position(at + 2), attempts: 4 });
    let pause = Some(Pause { since: Time::from_ms(9), why: "an upgrade".to_owned() });
    let halt = Halt { since: Time::from_ms(8), why: "it fell \"over\"".to_owned(), failed, pause };
    Subscription {
        delivered: position(at + 2),
        scanned: position(at + 3),
        generation: 7,
        lease: Some(lease),
        went_back_from: Some(position(at + 4)),
        parts: Some(Parts::at(position(at + 1), &[(item, 2)])),
        halt: Some(halt),
        ..beginning(form, position(at), r#"{"folio.diku.inventory.item":77,"loan":9}"#)
    }
}

async fn change(
    store: &dyn Store,
    (tenant, group): (TenantId, Group),
    version: u64,
    next: Option<Subscription>,
) -> bool {
    let change = SubscriptionChange { tenant, group, version, next, dead: Vec::new(), by: None };
    store.change_subscriptions(&[change]).await.unwrap() == [true]
}

async fn found(store: &dyn Store, name: (TenantId, Group)) -> Option<FoundSubscription> {
    let mut found = store.find_subscriptions(&[name]).await.unwrap();
    assert!(found.len() <= 1);
    found.pop()
}

pub async fn a_subscription_is_kept_as_it_was_written<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    assert_eq!(found(&*opened.store, search()).await, None);
    assert!(change(&*opened.store, search(), 0, Some(full(3))).await);
    let opened = opened.reopen().await;
    let row = found(&*opened.store, search()).await.unwrap();
    assert_eq!(((row.tenant, row.group), row.subscription), (search(), full(3)));
    let plain = beginning(Form::default(), Position::START, "{}");
    assert!(change(&*opened.store, search(), row.version, Some(plain.clone())).await);
    let row = found(&*opened.store, search()).await.unwrap();
    assert_eq!(row.subscription, plain);
    assert!(change(&*opened.store, search(), row.version, None).await);
    assert_eq!(found(&*opened.store, search()).await, None);
}

pub async fn a_subscription_is_changed_only_upon_what_was_found<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    assert!(change(&*store, search(), 0, Some(full(3))).await);
    assert!(!change(&*store, search(), 0, Some(full(9))).await, "it exists");
    let first = found(&*store, search()).await.unwrap();
    assert!(change(&*store, search(), first.version, Some(full(4))).await);
    assert!(!change(&*store, search(), first.version, Some(full(9))).await, "it has changed");
    assert!(!change(&*store, search(), first.version, None).await, "it has changed");
    let second = found(&*store, search()).await.unwrap();
    assert!(second.version > first.version);
    assert_eq!(second.subscription, full(4));
    let nobody = (tenant("nobody"), group("cg.search"));
    assert!(!change(&*store, nobody.clone(), 0, Some(full(1))).await, "nobody enabled it");
    assert_eq!(found(&*store, nobody).await, None);
}

pub async fn many_subscriptions_are_changed_each_by_itself<B: StoreFixture>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let names: Vec<_> = (0..40)
        .map(|n| (if n % 2 == 0 { diku() } else { college() }, group(&format!("cg.g{}", n / 2))))
        .collect();
    let changes = |version, at| -> Vec<_> {
        let change = |(tenant, group): &(TenantId, Group)| SubscriptionChange {
            tenant: tenant.clone(),
            group: group.clone(),
            version,
            next: Some(full(at)),
            dead: Vec::new(),
            by: None,
        };
        names.iter().map(change).collect()
    };
    assert_eq!(store.change_subscriptions(&changes(0, 1)).await.unwrap(), [true; 40]);
    assert!(change(&*store, names[7].clone(), 1, Some(full(2))).await);
    let mut next = changes(1, 3);
    next[9].next = None;
    let written = store.change_subscriptions(&next).await.unwrap();
    assert!(written.iter().enumerate().all(|(n, written)| *written == (n != 7)), "{written:?}");
    let found = store.find_subscriptions(&names).await.unwrap();
    assert_eq!(found.len(), 39);
    for row in &found {
        let at = if (&row.tenant, &row.group) == (&names[7].0, &names[7].1) { 2 } else { 3 };
        assert_eq!(row.subscription, full(at));
    }
    let listed = store.list_subscriptions(Some(&college())).await.unwrap();
    assert!(listed.iter().all(|(row, _)| row.tenant == college()) && listed.len() == 19);
    assert!(listed.is_sorted_by_key(|(row, _)| row.group.clone()));
    assert_eq!(store.list_subscriptions(None).await.unwrap().len(), 39);
    assert!(store.change_subscriptions(&[]).await.unwrap().is_empty());
    assert!(store.find_subscriptions(&[]).await.unwrap().is_empty());
}

pub async fn whoever_had_a_group_that_was_removed_is_fenced_from_one_that_is_made_anew<
    B: StoreFixture,
>() {
    let OpenStore { store, fixture: _kept } = OpenStore::<B>::new().await;
    let new = beginning(Form::default(), Position::START, "{}");
    assert!(change(&*store, search(), 0, Some(new.clone())).await);
    for generation in 1..=3 {
        let next = Subscription { generation, ..new.clone() };
        // The versions rise with the generations.
        assert!(change(&*store, search(), generation, Some(next)).await);
    }
    let former = found(&*store, search()).await.unwrap();
    assert_eq!((former.version, former.subscription.generation), (4, 3));
    assert!(!change(&*store, search(), 3, None).await, "it has changed");
    assert!(change(&*store, search(), 4, None).await);

    for name in ["cg.search", "cg.other"].map(|name| (diku(), group(name))) {
        assert!(change(&*store, name.clone(), 0, Some(new.clone())).await);
        let anew = found(&*store, name.clone()).await.unwrap();
        assert!(anew.version > 4 && anew.subscription.generation > 3, "{anew:?}");
        assert!(anew.subscription.generation <= anew.version, "{anew:?}");
        assert!(!change(&*store, name, 4, Some(former.subscription.clone())).await, "{anew:?}");
    }
    let elsewhere = (college(), group("cg.search"));
    assert!(change(&*store, elsewhere.clone(), 0, Some(new)).await);
    let elsewhere = found(&*store, elsewhere).await.unwrap();
    assert_eq!((elsewhere.version, elsewhere.subscription.generation), (1, 0));
}

pub async fn a_group_s_lag_is_what_it_has_not_committed<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2), create(3)]).await;
    let store = &*opened.store;
    for (name, at) in [("cg.old", 1), ("cg.new", 3), ("cg.beyond", 9)] {
        let new = beginning(Form::default(), position(at), "{}");
        assert!(change(store, (diku(), group(name)), 0, Some(new)).await);
    }
    opened.fixture.elapse(Duration::from_millis(40)).await;
    let listed = store.list_subscriptions(Some(&diku())).await.unwrap();
    let lags: Vec<_> = listed.iter().map(|(row, lag)| (row.group.as_str(), lag.events)).collect();
    assert_eq!(lags, [("cg.beyond", 0), ("cg.new", 0), ("cg.old", 2)]);
    let oldest: Vec<_> = listed.iter().map(|(_, lag)| lag.oldest.is_zero()).collect();
    assert_eq!(oldest, [true, true, false]);
    assert!(listed[2].1.oldest >= Duration::from_millis(30), "{:?}", listed[2].1);
}

pub async fn a_lease_goes_by_the_store_s_clock<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let form = Form { lease_seconds: 1, ..Form::default() };
    assert!(change(store, search(), 0, Some(beginning(form, position(0), "{}"))).await);
    let mut row = found(store, search()).await.unwrap();
    row.subscription.acquire("one", None, &Floors::default(), row.now).unwrap();
    assert!(change(store, search(), row.version, Some(row.subscription)).await);
    let held = found(store, search()).await.unwrap();
    assert!(held.subscription.clone().acquire("two", None, &Floors::default(), held.now).is_err());
    opened.fixture.elapse(Duration::from_millis(1_100)).await;
    let free = found(store, search()).await.unwrap();
    assert!(free.now > held.now);
    free.subscription.clone().acquire("two", None, &Floors::default(), free.now).unwrap();
}

pub async fn a_restored_log_takes_its_groups_along<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2), create(3), create(4)]).await;
    let store = &*opened.store;
    let mut read = beginning(Form::default(), position(1), r#"{"loan":3}"#);
    read.acquire("one", None, &Floors::default(), Time::from_ms(0)).unwrap();
    let progress = Progress { delivered: Some(position(3)), scanned: position(4) };
    read.renew(1, progress, Time::from_ms(0)).unwrap();
    let ahead = beginning(Form::default(), position(4), r#"{"loan":9}"#);
    let kafka = full(1);
    for (tenant, name, row) in [
        (diku(), "cg.ahead", &ahead),
        (diku(), "cg.behind", &read),
        (diku(), "cg.kafka", &kafka),
        (college(), "cg.ahead", &ahead),
    ] {
        assert!(change(store, (tenant, group(name)), 0, Some(row.clone())).await);
    }
    let before = found(store, (diku(), group("cg.behind"))).await.unwrap();
    assert!(store.rotate_log_id(&diku(), log_id(1), log_id(5), position(2)).await.unwrap());
    let moved = [("cg.ahead", ahead.clone()), ("cg.behind", read), ("cg.kafka", kafka)];
    for (name, mut expected) in moved {
        let row = found(store, (diku(), group(name))).await.unwrap();
        expected.go_back(position(2));
        assert_eq!(row.subscription, expected, "{name}");
    }
    let others = found(store, (college(), group("cg.ahead"))).await.unwrap();
    assert_eq!(others.subscription, ahead);
    assert!(!change(store, search(), before.version, None).await);
    let stale = change(store, (diku(), group("cg.behind")), before.version, None).await;
    assert!(!stale, "what was decided before the restore is not written after it");
    let kept = store.rotate_log_id(&diku(), log_id(1), log_id(6), position(0)).await.unwrap();
    assert!(!kept, "the log has another id");
    let row = found(store, (diku(), group("cg.ahead"))).await.unwrap();
    assert_eq!(row.subscription.position, position(2));
}

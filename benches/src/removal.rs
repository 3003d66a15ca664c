//! Appends at a steady rate, before and while a tenth of the log is removed from in between, and
//! whether the space is used again.
//!
//! It uses the store's port, and the gateway's own removal. The log is one tenant's; its topics are
//! random, and the events of the first are removed, as of a topic that is not stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_gateway::clock::System;
use event_gateway::domain::entity::{Entity, EntityName, TopicSettings};
use event_gateway::domain::key::Pointer;
use event_gateway::domain::position::Position;
use event_gateway::domain::producer::Producer;
use event_gateway::domain::retention::Lifetimes;
use event_gateway::domain::settings::{FoundFiles, Settings, TenantSettings};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::topic::{Naming, Topic};
use event_gateway::domain::wire_form::WireForm;
use event_gateway::follow::tenant_jobs::TenantDeps;
use event_gateway::follow::{FollowDeps, Followers, Wakeups};
use event_gateway::sink::Sinks;
use event_gateway::store::{Batch, TopicRange};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::contest::{Contest, quantile};
use crate::port::{OpenStore, draft};
use crate::stores::Store;

/// The first of so many topics is removed.
const TOPICS: usize = 10;
/// Drafts in an append that fills the log.
const FILL: usize = 1_000;
/// The time between two appends that are measured.
const EACH: Duration = Duration::from_millis(10);

/// Fills the log, measures appends, removes, and measures appends meanwhile.
pub async fn run(kind: Store, events: usize, rate: usize, time: Duration) {
    let opened = OpenStore::open(kind, "removal").await;
    let tenant = opened.enable("bench").await;
    fill(&opened, &tenant, events, 0).await;
    let before_bytes = opened.bytes();
    let what = format!("removal, {}, a tenth of {events} events, {rate}/s", kind.name());
    let mut p99 = Contest::new(format!("{what}, append p99"), "ms");
    let mut p50 = Contest::new(format!("{what}, append p50"), "ms");
    let mut add = |side: &str, mut latencies: Vec<f64>| {
        p50.add(side, quantile(&mut latencies, 0.5));
        p99.add(side, quantile(&mut latencies, 0.99));
    };
    let begin = Instant::now();
    add("before", appends(&opened, &tenant, rate, || begin.elapsed() < time).await);

    let (followers, begin) = (remove(&opened), Instant::now());
    let done = watch::Sender::new(false);
    let removed = async {
        while left(&opened, &tenant).await > 0 {
            sleep(Duration::from_millis(500)).await;
        }
        done.send_replace(true);
        begin.elapsed()
    };
    let meanwhile = appends(&opened, &tenant, rate, || !*done.borrow());
    let (latencies, took) = tokio::join!(meanwhile, removed);
    add("while events are removed", latencies);
    followers.stop().await;
    p50.tell();
    p99.tell();
    eprintln!(
        "  removed in {took:?}, {:.0} events/s",
        (events / TOPICS) as f64 / took.as_secs_f64()
    );
    let after_bytes = opened.bytes();
    fill(&opened, &tenant, events / TOPICS, 1).await;
    if let (Some(before), Some(after), Some(again)) = (before_bytes, after_bytes, opened.bytes()) {
        eprintln!("  bytes on disk: {before} full, {after} after removal, {again} filled again");
    }
}

/// The topic of a number.
fn topic(number: usize) -> Topic {
    Topic::parse(&format!("folio.bench.inventory.entity{number}")).unwrap()
}

/// Appends events of random topics, from the one of a number on.
async fn fill(opened: &OpenStore, tenant: &TenantId, events: usize, from: usize) {
    let mut left = events;
    while left > 0 {
        let some = FILL.min(left);
        let drafts = (0..some).map(|_| draft(tenant, topic(fastrand::usize(from..TOPICS))));
        let batch = Batch { tenant: tenant.clone(), drafts: drafts.collect() };
        opened.store.append(&[batch]).await.unwrap();
        left -= some;
    }
}

/// Appends events of the other topics at a rate, as long as asked; returns how long each append
/// took from the time at which it was due, in ms.
async fn appends(
    opened: &OpenStore,
    tenant: &TenantId,
    rate: usize,
    goes_on: impl Fn() -> bool,
) -> Vec<f64> {
    let each = (rate as f64 * EACH.as_secs_f64()).ceil() as usize;
    let (begin, mut latencies) = (Instant::now(), Vec::new());
    for number in 0_u32.. {
        if !goes_on() {
            break;
        }
        let due = begin + EACH * number;
        let late = Instant::now() > due;
        sleep(due.saturating_duration_since(Instant::now())).await;
        let at = if late { due } else { Instant::now() };
        let drafts = (0..each).map(|_| draft(tenant, topic(fastrand::usize(1..TOPICS))));
        let batch = Batch { tenant: tenant.clone(), drafts: drafts.collect() };
        opened.store.append(&[batch]).await.unwrap();
        latencies.push(at.elapsed().as_secs_f64() * 1e3);
    }
    latencies
}

/// Returns how many events of the first topic are left, at most one.
async fn left(opened: &OpenStore, tenant: &TenantId) -> usize {
    let (after, before) = (Position::START, Position::from_column(i64::MAX));
    let range = TopicRange { tenant: tenant.clone(), topic: topic(0), after, before };
    opened.store.entries(&range, 1).await.unwrap().len()
}

/// Starts the gateway's removal.
fn remove(opened: &OpenStore) -> Followers {
    let not_stored = TopicSettings { stored: false, ..TopicSettings::default() };
    let entity = Entity {
        key: Pointer::parse("/id").unwrap(),
        wire_form: WireForm::Convention,
        topic: not_stored,
    };
    let name = (Producer::parse("inventory").unwrap(), EntityName::parse("entity0").unwrap());
    let settings =
        TenantSettings { entities: [(name, entity)].into(), ..TenantSettings::default() };
    let naming = Naming::new(Some("folio"), None).unwrap();
    let settings = Arc::new(Settings::new(naming, settings, [].into()).unwrap());
    let look = Arc::new(FoundFiles::default);
    let (store, clock) = (opened.store.clone(), Arc::new(System));
    let deps = FollowDeps {
        tenants: TenantDeps::new(store.clone(), settings.clone(), look, Vec::new(), clock.clone()),
        store,
        settings,
        wakeups: Wakeups::new(8),
        health: Arc::default(),
        metrics: Arc::default(),
        traces: Arc::default(),
        pages: watch::channel(()).0,
        clock,
        replica: "bench".to_owned(),
        instance: "bench".to_owned(),
        audit_every: None,
        replay_pause_max: Duration::from_secs(86_400),
        lifetimes: Lifetimes::default(),
        removal: Default::default(),
    };
    Followers::start(&deps, &Sinks::default())
}

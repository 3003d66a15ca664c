//! Following: an event that is committed during a query is never missed.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crash::PATIENCE;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Batch, ChangeToken, Changed, Error, Scan, Store};
use tokio::task::JoinSet;

use crate::support::drafts::{create, create_in};
use crate::support::ids::{college, diku, log_id, tenant};
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture, all, receipts};

const WRITERS: u128 = 4;

/// The number of appends of each writer.
#[derive(Clone, Copy)]
struct Load {
    appends: u128,
    /// The number of events in each append.
    events: u128,
}

impl Load {
    /// The number of events that all writers write.
    fn total(self) -> u64 {
        (WRITERS * self.appends * self.events) as u64
    }
}

/// Starts writers that append to tenants by turns, all at once.
fn writers(store: &Arc<dyn Store>, tenants: &[TenantId], load: Load) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, tenants) = (Arc::clone(store), tenants.to_vec());
        writers.spawn(async move {
            for append in 0..load.appends {
                let tenant = tenants[(append % tenants.len() as u128) as usize].clone();
                let id = 1 + (writer * load.appends + append) * load.events;
                let drafts = (id..id + load.events).map(|id| create_in(&tenant, id)).collect();
                let batch = Batch { tenant, drafts };
                // A disk that stands still for seconds ends the wait for the others' locks.
                let until = Instant::now() + PATIENCE;
                let appended = loop {
                    match store.append(slice::from_ref(&batch)).await {
                        Err(Error::Unavailable(_)) if Instant::now() < until => {}
                        done => break done.unwrap(),
                    }
                };
                receipts(&appended[0]);
            }
        });
    }
    writers
}

pub async fn a_reader_never_misses_a_commit<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let load = Load { appends: 125, events: 100 };
    let scan = Scan { rows_max: 1_000, ..all() };
    let mut writers = writers(&opened.store, &[diku()], load);
    let (mut seen, mut after) = (0, Position::START);
    while seen < load.total() {
        let done = writers.is_empty();
        let page = opened.read(&diku(), after, &scan).await;
        assert!(!done || !page.events.is_empty(), "all is written, but not all was read: {seen}");
        let positions: Vec<_> = page.events.iter().map(|event| event.position.number()).collect();
        assert!(
            positions.iter().copied().eq((seen + 1..).take(positions.len())),
            "{seen}: {positions:?}"
        );
        seen += positions.len() as u64;
        after = page.scanned;
        assert_eq!(after.number(), seen);
        finished(&mut writers);
    }
    assert!(!opened.read(&diku(), after, &all()).await.more);
}

/// Fails if one of the writers that have ended has failed.
fn finished(writers: &mut JoinSet<()>) {
    while let Some(writer) = writers.try_join_next() {
        writer.unwrap();
    }
}

pub async fn a_change_is_never_missed<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let mut tenants = vec![diku(), college()];
    for number in 0..5 {
        tenants.push(tenant(&format!("t{number}")));
        opened.store.enable_if_new(&tenants[tenants.len() - 1], log_id(10 + number)).await.unwrap();
    }
    let load = Load { appends: 250, events: 2 };
    let mut writers = writers(&opened.store, &tenants, load);
    let mut tokens = vec![ChangeToken::START; LANES.into()];
    let mut known = BTreeMap::new();
    let sum =
        |known: &BTreeMap<TenantId, Position>| known.values().map(|p| p.number()).sum::<u64>();
    while sum(&known) < load.total() {
        let done = writers.is_empty();
        let before = sum(&known);
        for lane in Lane::all(LANES) {
            let changed =
                opened.store.changed_since(lane, tokens[usize::from(lane.number())]).await.unwrap();
            tokens[usize::from(lane.number())] = changed.token;
            known.extend(changed.heads.into_iter().map(|head| (head.tenant, head.position)));
        }
        assert!(!done || sum(&known) > before, "all is written, but not all was told: {known:?}");
        finished(&mut writers);
    }
    let heads = opened.store.list().await.unwrap().into_iter().map(|e| (e.tenant, e.head));
    assert!(heads.eq(known));
}

/// Returns the first answer that names no tenant. Now and then one is named again (if other
/// transactions are open on the server, or a connection is new): with the same head, and not for
/// long.
async fn settled(store: &Arc<dyn Store>, lane: Lane, mut told: Changed) -> Changed {
    for _ in 0..1_000 {
        let again = store.changed_since(lane, told.token).await.unwrap();
        assert!(
            again.token.incarnation != told.token.incarnation || again.token.at >= told.token.at
        );
        if again.heads.is_empty() {
            return again;
        }
        assert_eq!(again.heads, told.heads);
        told = again;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("named again and again: {told:?}");
}

pub async fn only_what_changed_in_the_lane_is_named<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let enabled = opened.store.list().await.unwrap();
    let lane = |id| enabled.iter().find(|e| e.tenant == id).unwrap().lane;
    let (ours, theirs) = (lane(diku()), lane(college()));
    assert_ne!(ours, theirs);
    let none = opened.store.changed_since(ours, ChangeToken::START).await.unwrap();
    assert!(none.heads.is_empty());
    opened.post(&[create(1), create(2)]).await;
    let changed = opened.store.changed_since(ours, none.token).await.unwrap();
    let told: Vec<_> =
        changed.heads.iter().map(|h| (h.tenant.clone(), h.log_id, h.position.number())).collect();
    assert_eq!(told, [(diku(), log_id(1), 2)]);
    assert!(opened.store.changed_since(theirs, ChangeToken::START).await.unwrap().heads.is_empty());
    opened.post(&[create(1)]).await;
    let opened = opened.reopen().await;
    let again = settled(&opened.store, ours, changed).await;
    opened.post(&[create(3)]).await;
    assert_eq!(opened.store.changed_since(ours, again.token).await.unwrap().heads.len(), 1);
    assert_eq!(opened.store.changed_since(ours, ChangeToken::START).await.unwrap().heads.len(), 1);
}

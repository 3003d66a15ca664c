//! The fixture: a store of a test's own, and the helpers that tests share.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::filter::Filter;
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Access, Batch, Error, Outcome, Receipt, Scan, Slice, Start, Store};

use crate::support::drafts::create;
use crate::support::ids::{college, diku, log_id};

/// The number of lanes of every store of the suite.
pub const LANES: u16 = 3;

/// After so many appends a store surely uses the heads that it wrote last, if it ever does: each of
/// the pool's connections has been used.
pub const SETTLED: u128 = 20;

/// An adapter's part of the suite.
pub trait StoreFixture: Send + Sync + Sized {
    /// Makes a new, empty store.
    async fn new() -> Self;

    /// Opens the store, which is not open yet.
    async fn open(&self) -> Arc<dyn Store>;

    /// Lets time pass on the store's clock.
    async fn elapse(&self, by: Duration);
}

/// A fixture whose tables can be looked into.
pub trait Tables: StoreFixture {
    /// Returns the tables that have rows of tenants.
    async fn tables(&self) -> BTreeSet<String>;

    /// Returns the tables that have a row of this tenant.
    async fn tables_of(&self, tenant: &TenantId) -> BTreeSet<String>;
}

/// A version of the tables, as a store has it recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub number: i64,
    /// The least version whose code can work with the tables.
    pub compatible_with: i64,
    pub release: String,
}

/// A fixture whose tables can be brought to a version that this code does not know.
pub trait Versions: StoreFixture {
    /// Opens the store as `serve` or a subcommand does.
    async fn open_with(&self, access: Access) -> Result<Arc<dyn Store>, Error>;

    /// Returns the versions that the store has recorded.
    async fn recorded(&self) -> Vec<Version>;

    /// Records a version, as its migration does.
    async fn record(&self, version: &Version);

    /// Does what a later version's migration may: adds a column to each table, or a field to each
    /// document, and a table.
    async fn add_columns(&self);
}

/// A fixture whose store can be written down as text, and made of it.
pub trait Dumped: StoreFixture {
    /// The dump's name among those of a release.
    const FILE: &'static str;

    /// Returns the store, which nobody has open, as text.
    async fn dump(&self) -> String;

    /// Makes a new store of such a text.
    async fn load(text: &str) -> Self;

    /// Returns the tables without rows, of all that the store has.
    async fn empty_tables(&self) -> BTreeSet<String>;
}

/// A store that a later version has migrated, with which this one can work.
pub struct Migrated<B>(B);

impl<B: Versions> StoreFixture for Migrated<B> {
    async fn new() -> Self {
        let fixture = B::new().await;
        drop(fixture.open().await);
        let ours = fixture.recorded().await.last().unwrap().number;
        let release = "9.0.0".to_owned();
        fixture.add_columns().await;
        fixture.record(&Version { number: ours + 1, compatible_with: ours, release }).await;
        Self(fixture)
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.0.open().await
    }

    async fn elapse(&self, by: Duration) {
        self.0.elapse(by).await;
    }
}

impl<B: Versions + Tables> Tables for Migrated<B> {
    async fn tables(&self) -> BTreeSet<String> {
        self.0.tables().await
    }

    async fn tables_of(&self, tenant: &TenantId) -> BTreeSet<String> {
        self.0.tables_of(tenant).await
    }
}

/// A fixture whose store's clock can be turned.
pub trait Rewind: StoreFixture {
    /// Turns the clock back.
    fn rewind(&self, by: Duration);
}

/// A fixture whose leases can be made to look like those of a fast clock.
pub trait Fast: StoreFixture {
    /// Moves the end of every lease and heartbeat later, or turns the clock back.
    async fn given_by_a_clock_that_is_fast(&self, by: Duration);
}

/// A fixture whose store can be made to refuse some events.
pub trait Choke: StoreFixture {
    /// Makes the server or the file refuse every event of the key `choke`, and every row of the
    /// trail about the object `choke`, from now on.
    async fn choke(&self);

    /// Gives the row of the trail about an object another act, as another version may write it.
    async fn rename_act(&self, object: &str, act: &str);
}

/// Opens a store with the lanes set, and `diku` and `college` enabled.
pub struct OpenStore<B> {
    /// The place where the store is kept.
    pub fixture: B,
    /// The store.
    pub store: Arc<dyn Store>,
}

/// A scan of everything, without limits that matter.
pub fn all() -> Scan {
    Scan {
        filter: Filter::default(),
        from: None,
        to: None,
        events_each_max: 10_000,
        events_max: 10_000,
        bytes_max: 1 << 30,
        rows_max: 10_000,
        enabled_only: false,
    }
}

impl<B: StoreFixture> OpenStore<B> {
    pub async fn new() -> Self {
        let fixture = B::new().await;
        let store = fixture.open().await;
        assert_eq!(store.lanes(LANES).await.unwrap(), LANES);
        store.enable_if_new(&diku(), log_id(1)).await.unwrap();
        store.enable_if_new(&college(), log_id(2)).await.unwrap();
        Self { fixture, store }
    }

    pub async fn reopen(self) -> Self {
        drop(self.store);
        let store = self.fixture.open().await;
        Self { fixture: self.fixture, store }
    }

    /// Appends batches, each to the tenant of its drafts.
    pub async fn append(&self, batches: &[&[Draft]]) -> Vec<Outcome> {
        let batches: Vec<_> = batches
            .iter()
            .map(|drafts| Batch {
                tenant: drafts[0].origin.tenant.clone(),
                drafts: drafts.to_vec(),
            })
            .collect();
        self.store.append(&batches).await.unwrap()
    }

    /// Appends one batch that is not refused.
    pub async fn post(&self, drafts: &[Draft]) -> Vec<Receipt> {
        receipts(&self.append(&[drafts]).await[0])
    }

    /// Appends events one by one until the store has settled; returns the receipts.
    pub async fn settle(&self, first: u128) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for id in first..first + SETTLED {
            receipts.extend(self.post(&[create(id)]).await);
        }
        receipts
    }

    /// Reads one tenant's log.
    pub async fn read(&self, tenant: &TenantId, after: Position, scan: &Scan) -> Slice {
        let slices = self.store.read(&[(tenant.clone(), after.into())], scan).await.unwrap();
        <[Slice; 1]>::try_from(slices).unwrap()[0].clone()
    }

    /// Reads `diku`'s log page by page to the end, and checks the promises of every page.
    pub async fn pages(&self, start: impl Into<Start>, scan: &Scan) -> Vec<Slice> {
        let (mut pages, mut start) = (Vec::new(), start.into());
        loop {
            let after = start.after;
            let page = self.store.read(&[(diku(), start)], scan).await.unwrap().remove(0);
            assert!(page.has_start, "{start:?}: {scan:?}");
            assert!(page.events.len() <= scan.events_each_max.min(scan.events_max));
            let bytes: usize = page.events.iter().map(|event| event.payload.len()).sum();
            assert!(bytes <= scan.bytes_max || page.events.len() == 1);
            assert!(page.events.iter().all(|e| e.position > after && e.position <= page.scanned));
            assert!(page.scanned > after || !page.more, "no way on from {after}: {scan:?}");
            (start, pages) = (page.scanned.into(), [pages, vec![page]].concat());
            if !pages[pages.len() - 1].more {
                return pages;
            }
        }
    }

    /// Returns all events of a tenant's log.
    pub async fn log(&self, tenant: &TenantId) -> Vec<Envelope> {
        self.read(tenant, Position::START, &all()).await.events
    }
}

/// Returns the cursor at each position of a tenant's log, that at the start first.
pub async fn cursors(store: &dyn Store, tenant: &TenantId) -> Vec<Cursor> {
    let from = [(tenant.clone(), Position::START.into())];
    let slice = store.read(&from, &all()).await.unwrap().remove(0);
    let start = Cursor::start(slice.log_id);
    [start].into_iter().chain(slice.events.iter().map(Cursor::at)).collect()
}

/// Returns the events of pages.
pub fn events(pages: &[Slice]) -> Vec<Envelope> {
    pages.iter().flat_map(|page| page.events.clone()).collect()
}

/// Returns the receipts of a batch that was appended.
pub fn receipts(outcome: &Outcome) -> Vec<Receipt> {
    match outcome {
        Outcome::Appended { receipts, .. } => receipts.clone(),
        other => panic!("not appended: {other:?}"),
    }
}

/// Returns the positions of a batch that was appended.
pub fn positions(outcome: &Outcome) -> Vec<u64> {
    receipts(outcome).iter().map(|receipt| receipt.position.number()).collect()
}

/// Polls a future so many times and drops it, unless it is ready before.
pub async fn polled<F: Future>(future: F, mut times: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        times -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if times == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

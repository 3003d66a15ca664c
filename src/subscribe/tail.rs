//! The tail of a log: its newest events, read once for all readers that have come to the head.
//!
//! `reading` reads here while it follows the head, and by itself while it is further back. The tail
//! is one page; a reader that it does not serve reads the next one for all.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::{Error, floors};
use crate::domain::envelope::Envelope;
use crate::domain::filter::Filter;
use crate::domain::floors::Floors;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{Scan, Store};

/// The most events and bytes of a page, though at least one event: many logs may have one.
const EVENTS_MAX: usize = 500;
const BYTES_MAX: usize = 256 << 10;
/// The longest time for which a page's events are handed on: they may be erased meanwhile.
const FRESH: Duration = Duration::from_secs(1);

/// The newest page of a log.
#[derive(Default)]
pub(super) struct Tail(Mutex<Option<TailPage>>);

/// A stretch of a log, with all of its events.
struct TailPage {
    /// The wake-ups that had come before it was read.
    wakes: u64,
    read: Instant,
    after: Position,
    scanned: Position,
    more: bool,
    events: Vec<Arc<Envelope>>,
    floors: Arc<Floors>,
}

/// The part of a log that one reader gets.
pub struct Part {
    /// The events that match.
    pub events: Vec<Arc<Envelope>>,
    /// The position up to which the log was looked at.
    pub scanned: Position,
    /// Whether there is more to look at.
    pub more: bool,
    /// The floors of the log after the events were read.
    pub floors: Arc<Floors>,
}

impl Tail {
    /// Reads on after a position, from the page that is there or a new one; `wakes` are the
    /// wake-ups that the reader has seen.
    pub(super) async fn read(
        &self,
        store: &dyn Store,
        turns: &Semaphore,
        tenant: &TenantId,
        after: Position,
        wakes: u64,
    ) -> Result<Part, Error> {
        let mut page = self.0.lock().await;
        let serves = |page: &TailPage| {
            let is_newest = page.scanned == after && !page.more && page.wakes >= wakes;
            let is_fresh = page.read.elapsed() < FRESH;
            is_newest || is_fresh && page.after <= after && after < page.scanned
        };
        if !page.as_ref().is_some_and(serves) {
            *page = Some(TailPage::read(store, turns, tenant, after, wakes).await?);
        }
        Ok(page.as_ref().expect("it was read just now").part(after))
    }
}

impl TailPage {
    async fn read(
        store: &dyn Store,
        turns: &Semaphore,
        tenant: &TenantId,
        after: Position,
        wakes: u64,
    ) -> Result<Self, Error> {
        let begun = Instant::now();
        let Part { events, scanned, more, floors } =
            read(store, turns, tenant, after, tail()).await?;
        Ok(Self { wakes, read: begun, after, scanned, more, events, floors })
    }

    fn part(&self, after: Position) -> Part {
        let events = self.events.iter().filter(|event| event.position > after).cloned().collect();
        let scanned = self.scanned.max(after);
        Part { events, scanned, more: self.more, floors: self.floors.clone() }
    }
}

/// Returns the limits of a page.
fn tail() -> Scan {
    Scan { bytes_max: BYTES_MAX, ..Scan::page_of_enabled(Filter::default(), EVENTS_MAX) }
}

/// Reads a part of a log from the store, when it is this read's turn.
pub(super) async fn read(
    store: &dyn Store,
    turns: &Semaphore,
    tenant: &TenantId,
    after: Position,
    scan: Scan,
) -> Result<Part, Error> {
    let _turn = turns.acquire().await.expect("it is never closed");
    let mut slices = store.read(&[(tenant.clone(), after.into())], &scan).await?;
    let slice = slices.pop().ok_or(Error::NotEnabled)?;
    let floors = Arc::new(floors(store, tenant).await?);
    let events = slice.events.into_iter().filter(Envelope::is_sent).map(Arc::new).collect();
    Ok(Part { events, scanned: slice.scanned.max(after), more: slice.more, floors })
}

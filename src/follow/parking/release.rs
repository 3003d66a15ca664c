//! The release: a page source that publishes the events of parked scopes, in order, from a scope's
//! first event up to the relay's cursor.
//!
//! It reads the ledgers and the store's log, and offers pages to the lane. The last record of a
//! scope's own cursor tells how the scope ended, whatever ended it.

use async_trait::async_trait;

use super::ledger::ParkingLedger;
use super::reading::scope;
use super::{Refused, cursors};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::parked::{Ended, Parked, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::transition::{Change, Transition};
use crate::follow::lane_state::LaneState;
use crate::follow::source::{Error, Limits, Next, PageSource};
use crate::follow::{FollowDeps, read_log};
use crate::sink::{Page, PageSlice, ParkingProof};
use crate::store::{Scan, Slice};

/// The release of the parked scopes of one lane's logs, one scope of a log after the other.
pub(in crate::follow) struct Release {
    deps: FollowDeps,
    /// The page that was offered last, until it is committed.
    offered: Option<Offered>,
}

/// The page of a release that was offered last.
struct Offered {
    tenant: TenantId,
    event_id: EventId,
    end: End,
}

/// The end of a page of a release.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// More pages of the scope follow.
    More,
    /// The page ends with an event that ends scopes of keys that are parked by themselves.
    Ending,
    /// The page ends at the relay's cursor.
    Resolved(Position),
    /// The page tells how the scope ended, which the sink lacked.
    Proved,
}

#[async_trait]
impl PageSource for Release {
    /// Offers a page. The last page of a scope says that it is the last, and may have no events.
    async fn offer(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<Page>, Error> {
        if let Some(page) = self.ending(state) {
            return Ok(Some(page));
        }
        let Some(parked) = next(state, limits) else { return Ok(None) };
        let Some(cursor) = state.logs.get(&parked.tenant).and_then(|log| log.cursor) else {
            return Ok(None);
        };
        let follower = cursors::follower(&parked);
        let events_max = limits.isolated(&follower, &parked.tenant);
        let scan = Scan::page(scope(&parked), events_max.unwrap_or(limits.events_max()));
        let (mut after, at) = (parked.released_to, cursor.position);
        loop {
            let slice = read_log(&*self.deps.store, &parked.tenant, after, &scan).await?;
            // This is read after the slice, so that the server that the slice came from had the
            // relay's event too.
            state.verify(&self.deps, &[(parked.tenant.clone(), cursor)]).await?;
            let Some(ledger) = state.parking.ledger(&parked.tenant) else { return Ok(None) };
            let Part { events, end, scanned, erased } = part(ledger, &parked, slice, at);
            if let Some(erased) = erased.filter(|_| events.is_empty()) {
                return meet_erased(state, &parked, &erased);
            }
            let ended = match end {
                End::Resolved(at) => Some(Ended { state: State::Resolved(at), events: 0 }),
                End::More | End::Ending | End::Proved => None,
            };
            let cursor = match events.last() {
                _ if ended.is_some() => cursor,
                Some(last) => Cursor { log_id: cursor.log_id, ..Cursor::at(last) },
                None => {
                    after = scanned;
                    continue;
                }
            };
            let proof = ParkingProof { ended, ..ledger.proof() };
            let slice =
                PageSlice { tenant: parked.tenant.clone(), events, cursor, proof, sent: None };
            let Parked { tenant, event_id, .. } = parked;
            self.offered = Some(Offered { tenant, event_id, end });
            return Ok(Some(Page { follower, slices: vec![slice], target: None }));
        }
    }

    fn committed(&mut self, state: &mut LaneState, page: &Page) -> Next {
        let Some(Offered { tenant, event_id, end }) = self.offered.take() else {
            return Next::GoOn;
        };
        let (slice, parking) = (&page.slices[0], &mut state.parking);
        match (parking.ledger_mut(&tenant), end) {
            (None, _) => {}
            (Some(ledger), End::Proved) => ledger.end_proved(event_id),
            (Some(ledger), End::Resolved(at)) => {
                ledger.end_proved(event_id);
                ledger.resolve(event_id, at);
            }
            (Some(ledger), End::More | End::Ending) => {
                let sent = slice.events.len() as u64;
                ledger.raise_released(event_id, slice.cursor.position, sent);
            }
        }
        if end == End::Ending { Next::TakeOver } else { Next::GoOn }
    }

    /// Parks the scope under release again; if it is a topic, parks only the refused key.
    async fn refused(
        &mut self,
        state: &LaneState,
        refused: &Refused<'_>,
    ) -> Result<Option<Transition>, Error> {
        let park = state.parking.park(refused);
        let ledger = state.parking.ledger(&park.tenant);
        let released = ledger
            .and_then(ParkingLedger::releasing)
            .filter(|released| cursors::follower(released) == refused.page.follower);
        // The event that names the parked topic can't name one of its keys too.
        let again = |released: &&Parked| {
            released.key.is_some()
                || matches!(park.change, Change::Park { key: None, .. })
                || released.event_id == refused.event.event_id
        };
        let Some(released) = released.filter(again) else { return Ok(Some(park)) };
        let released_to = released.released_to.max(refused.event.position.back(1));
        let change = Change::ParkAgain { cause: refused.cause.to_owned(), released_to };
        Ok(Some(Transition { event_id: released.event_id, change, ..park }))
    }
}

impl Release {
    /// Makes the release of a lane.
    pub(in crate::follow) fn new(deps: FollowDeps) -> Self {
        Self { deps, offered: None }
    }

    /// Returns a page without events that tells how a scope ended, if the sink lacks that because
    /// no release told it.
    fn ending(&mut self, state: &LaneState) -> Option<Page> {
        let (ledger, parked) = state.parking.unproved_end()?;
        let Parked { tenant, event_id, .. } = parked.clone();
        let cursor = state.logs.get(&tenant)?.cursor?;
        let proof = ParkingProof { ended: parked.ended(), ..ledger.proof() };
        let follower = cursors::follower(parked);
        let slice =
            PageSlice { tenant: tenant.clone(), events: Vec::new(), cursor, proof, sent: None };
        self.offered = Some(Offered { tenant, event_id, end: End::Proved });
        Some(Page { follower, slices: vec![slice], target: None })
    }
}

/// Returns the next scope to release whose topic and tenant are not held back.
fn next(state: &LaneState, limits: &Limits<'_>) -> Option<Parked> {
    let is_held =
        |parked: &&Parked| limits.holds_topic(&parked.topic) || limits.holds_tenant(&parked.tenant);
    state.parking.releasing().find(|parked| !is_held(parked)).cloned()
}

/// The next event of a release was erased. Of a topic under release, its key is parked by itself;
/// a key is no longer released, since an ERASED event follows that discards it.
fn meet_erased(
    state: &mut LaneState,
    parked: &Parked,
    erased: &Envelope,
) -> Result<Option<Page>, Error> {
    if parked.key.is_none() {
        return Err(Error::Parks(vec![state.parking.park_erased(erased)]));
    }
    if let Some(ledger) = state.parking.ledger_mut(&parked.tenant) {
        ledger.stop_release(parked.event_id);
    }
    Ok(None)
}

struct Part {
    events: Vec<Envelope>,
    end: End,
    scanned: Position,
    /// The erased event before which the slice ends, if it does.
    erased: Option<Envelope>,
}

/// Returns the events of a slice that are released with `parked`, up to `at`.
fn part(ledger: &ParkingLedger, parked: &Parked, slice: Slice, at: Position) -> Part {
    let is_whole = parked.key.is_none();
    let is_over = slice.scanned >= at || !slice.more;
    let mut part = Part {
        events: Vec::new(),
        end: if is_over { End::Resolved(at) } else { End::More },
        scanned: slice.scanned.min(at),
        erased: None,
    };
    for event in slice.events.into_iter().take_while(|event| event.position <= at) {
        let is_ending = is_whole && ledger.ends_scopes(&event);
        if !event.is_sent() || is_whole && !is_ending && ledger.is_apart(&event) {
            continue;
        }
        if event.erased.is_some() {
            (part.end, part.erased) = (End::More, Some(event));
            break;
        }
        part.events.push(event);
        if is_ending {
            part.end = End::Ending;
            break;
        }
    }
    part
}

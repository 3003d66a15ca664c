//! Release: the pages of what was parked, in order, from its first event up to where the relay
//! stands.
//!
//! Fed by the lots and the store's log; feeds the lane with pages. Always true: the last record of
//! a scope's own cursor tells how the scope has ended, however that came.

use std::sync::Arc;

use super::bisect::Bisection;
use super::ledger::{self, ParkingLedger};
use super::proof;
use super::{read, scan, scope};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Cursor;
use crate::domain::parked::{Ended, Parked, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::follow::lane::Next;
use crate::follow::relay::{Error, Relay};
use crate::follow::{FollowDeps, PAGE_EVENTS_MAX};
use crate::sink::{Page, PageSlice, ParkingProof};
use crate::store::Slice;

/// A page of what is released, and what is true once it is committed.
pub(in crate::follow) struct Release {
    pub(in crate::follow) page: Arc<Page>,
    tenant: TenantId,
    event_id: EventId,
    end: End,
}

/// Where a page of what is released ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// There is more.
    More,
    /// With a DELETE_ALL that makes void what is parked besides.
    Superseding,
    /// Where the relay stands.
    Resolved(Position),
    /// With how the scope has ended, which Kafka lacked.
    Proved,
}

impl Relay {
    /// The next page of what is released. The last one says that it is the last, and may have no
    /// events.
    pub(in crate::follow) async fn release(
        &mut self,
        deps: &FollowDeps,
        bisection: &Bisection,
    ) -> Result<Option<Release>, Error> {
        if let Some(release) = self.lots.values().find_map(|lot| self.ending(lot)) {
            return Ok(Some(release));
        }
        let held = &bisection.held;
        let is_held =
            |parked: &&Parked| held.has_topic(&parked.topic) || held.has_tenant(&parked.tenant);
        let mut releasing = self.lots.values().filter_map(ParkingLedger::releasing);
        let releasing = releasing.find(|parked| !is_held(parked)).cloned();
        let Some(parked) = releasing else { return Ok(None) };
        let Some(cursor) = self.progress.get(&parked.tenant).and_then(|progress| progress.cursor)
        else {
            return Ok(None);
        };
        let events_max = bisection
            .isolated(&ledger::follower(&parked), &parked.tenant)
            .unwrap_or(PAGE_EVENTS_MAX);
        let scan = scan(scope(&parked), events_max.min(bisection.events_max()));
        let (mut after, at) = (parked.released_to, cursor.position);
        loop {
            let slice = read(deps, &parked.tenant, after, &scan).await?;
            // Read after the slice: the server that it came from had the relay's event too.
            self.verify(deps, &[(parked.tenant.clone(), cursor)]).await?;
            if self.stopped.contains(&parked.tenant) {
                return Ok(None);
            }
            let lot = self.lots.get(&parked.tenant).expect("it was found there");
            let Part { events, end, scanned } = part(lot, &parked, slice, at);
            let ended = match end {
                End::Resolved(at) => Some(Ended { state: State::Resolved(at), events: 0 }),
                End::More | End::Superseding | End::Proved => None,
            };
            let cursor = match events.last() {
                _ if ended.is_some() => cursor,
                Some(last) => Cursor { position: last.position, event_id: last.event_id, ..cursor },
                None => {
                    after = scanned;
                    continue;
                }
            };
            let proof = ParkingProof { ended, ..proof::of(self.lots.get(&parked.tenant)) };
            let slice = PageSlice { tenant: parked.tenant.clone(), events, cursor, proof };
            let page = Arc::new(Page { follower: ledger::follower(&parked), slices: vec![slice] });
            return Ok(Some(Release {
                page,
                tenant: parked.tenant,
                event_id: parked.event_id,
                end,
            }));
        }
    }

    /// A page without events that tells how a scope has ended, where Kafka lacks it: no release
    /// told it.
    fn ending(&self, lot: &ParkingLedger) -> Option<Release> {
        let parked = lot.unproved_end()?;
        let Parked { tenant, event_id, .. } = parked;
        let cursor = self.progress.get(tenant)?.cursor?;
        let proof = ParkingProof { ended: parked.ended(), ..proof::of(Some(lot)) };
        let slice = PageSlice { tenant: tenant.clone(), events: Vec::new(), cursor, proof };
        let page = Arc::new(Page { follower: ledger::follower(parked), slices: vec![slice] });
        Some(Release { page, tenant: tenant.clone(), event_id: *event_id, end: End::Proved })
    }

    /// A page of what is released was committed.
    pub(in crate::follow) fn released(&mut self, release: &Release) -> Next {
        let Release { page, tenant, event_id, end } = release;
        let slice = &page.slices[0];
        if let Some(lot) = self.lots.get_mut(tenant) {
            if let End::Resolved(_) | End::Proved = end {
                lot.prove_end(*event_id);
            }
            if *end == End::Proved {
                return Next::GoOn;
            }
            lot.change(*event_id, |parked| match end {
                End::Resolved(at) => ledger::resolve(parked, *at),
                End::More | End::Superseding | End::Proved => {
                    parked.released_to = slice.cursor.position;
                    parked.events = parked.events.saturating_sub(slice.events.len() as u64);
                }
            });
        }
        if *end == End::Superseding { Next::TakeOver } else { Next::GoOn }
    }
}

struct Part {
    events: Vec<Envelope>,
    end: End,
    scanned: Position,
}

/// What of a slice is released with `parked`, no further than `at`.
fn part(lot: &ParkingLedger, parked: &Parked, slice: Slice, at: Position) -> Part {
    let whole = parked.key.is_none();
    let over = slice.scanned >= at || !slice.more;
    let mut part = Part {
        events: Vec::new(),
        end: if over { End::Resolved(at) } else { End::More },
        scanned: slice.scanned.min(at),
    };
    for event in slice.events.into_iter().take_while(|event| event.position <= at) {
        if whole && lot.is_apart(&event) {
            continue;
        }
        let superseding = whole && lot.supersedes(&event);
        part.events.push(event);
        if superseding {
            part.end = End::Superseding;
            break;
        }
    }
    part
}

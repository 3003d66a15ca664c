//! Parking: what the relay does about what stays behind. Takes stock of it at each takeover, hears what
//! is asked for it, and offers pages of what is released.
//!
//! Fed by the store's rows, and by the cursors that releases have in Kafka; feeds the lane with pages,
//! and with rows to write. What is released is published by its lane, in order, from its first
//! event up to where the relay stands; there it joins the rest. Always true: a row says that
//! something joined before anything that comes after is sent.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::lane::Next;
use super::lot::{self, Lot};
use super::relay::{Error, Relay};
use super::suspects::Suspects;
use super::{PAGE_EVENTS_MAX, Parts, page_scan};
use crate::broker::{Page, PageSlice};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::follower::Cursor;
use crate::domain::headers::Headers;
use crate::domain::parked::{Asked, Parked, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::{self, Scan, Slice};

/// Rows that one read looks at.
const ROWS_MAX: usize = 2_000;

/// A page of what is released, and what is true once it is committed.
pub(super) struct Release {
    pub(super) page: Arc<Page>,
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
    Joined(Position),
}

impl Relay {
    /// Reads what is parked, and counts what was passed since it was last written.
    pub(super) async fn take_stock(&mut self, parts: &Parts) -> Result<(), Error> {
        let open = parts.store.parked_lane(self.lane).await?;
        let tenants: BTreeSet<_> = open.into_iter().map(|parked| parked.tenant).collect();
        for tenant in tenants {
            let Some(progress) = self.progress.get(&tenant).filter(|_| !self.stopped.contains(&tenant))
            else {
                continue;
            };
            let (log_id, at) = (progress.log_id, progress.position());
            let all = parts.store.parked(&tenant).await?;
            let mut lot = Lot::new(all.into_iter().filter(|parked| parked.log_id == log_id).collect());
            self.count(parts, &tenant, &mut lot, at).await?;
            self.lots.insert(tenant, lot);
        }
        Ok(())
    }

    async fn count(
        &self,
        parts: &Parts,
        tenant: &TenantId,
        lot: &mut Lot,
        at: Position,
    ) -> Result<(), Error> {
        let counted = lot.open().map(|parked| parked.counted).min().unwrap_or(at);
        let filter = Filter { topics: topics(lot.open()), ..Filter::default() };
        let raised = lot.raise(&self.known);
        each(parts, tenant, counted..at, filter, |event| {
            lot.pass(&event);
        })
        .await?;
        lot.passed(at);
        let is_begun = |p: &&Parked| p.state == State::Releasing || raised.contains(&p.event_id);
        let begun: Vec<_> = lot.open().filter(is_begun).cloned().collect();
        for parked in begun {
            let mut events = Vec::new();
            each(parts, tenant, parked.position.back(1)..at, scope(&parked), |event| events.push(event))
                .await?;
            lot.recount(parked.event_id, &events);
            if parked.behind >= at && at >= parked.position {
                lot.change(parked.event_id, |parked| joined(parked, at));
            } else if parked.waits_for_topic(lot.open()) {
                lot.change(parked.event_id, |parked| parked.state = State::Parked);
            }
        }
        Ok(())
    }

    /// Begins what somebody has asked for. What the relay has not passed yet waits until it has.
    pub(super) async fn hear(&mut self, parts: &Parts) -> Result<(), Error> {
        if !self.has_parked() {
            return Ok(());
        }
        for asked in parts.store.parked_lane(self.lane).await? {
            let (Some(lot), Some(progress)) =
                (self.lots.get_mut(&asked.tenant), self.progress.get(&asked.tenant))
            else {
                continue;
            };
            let at = progress.position();
            let ready = lot.get(asked.event_id).is_some_and(|p| p.state == State::Parked && at >= p.position);
            match asked.asked.filter(|_| ready) {
                Some(Asked::Release) if !asked.waits_for_topic(lot.open()) => {
                    lot.change(asked.event_id, |parked| parked.state = State::Releasing);
                }
                Some(Asked::Discard) => {
                    lot.change(asked.event_id, |parked| parked.state = State::Discarded(at));
                }
                Some(Asked::Release) | None => {}
            }
        }
        Ok(())
    }

    /// What is to be written of all that is parked.
    pub(super) fn take_changed(&mut self) -> Vec<Parked> {
        self.lots.values_mut().flat_map(Lot::take_changed).collect()
    }

    /// The next page of what is released; what has nothing left to send joins the rest without one.
    pub(super) async fn release(
        &mut self,
        parts: &Parts,
        suspects: &Suspects,
    ) -> Result<Option<Release>, Error> {
        let releasing = self.lots.values().find_map(|lot| lot.releasing().cloned());
        let Some(parked) = releasing else { return Ok(None) };
        let Some(cursor) = self.progress.get(&parked.tenant).and_then(|progress| progress.cursor) else {
            return Ok(None);
        };
        let events_max = suspects.alone(&lot::follower(&parked), &parked.tenant).unwrap_or(PAGE_EVENTS_MAX);
        let scan = scan(scope(&parked), events_max.min(suspects.events_max()));
        let (mut behind, at) = (parked.behind, cursor.position);
        loop {
            let slice = read(parts, &parked.tenant, behind, &scan).await?;
            let lot = self.lots.get_mut(&parked.tenant).expect("it was found there");
            let Part { events, end, scanned } = part(lot, &parked, slice, at);
            let Some(last) = events.last() else {
                if let End::Joined(at) = end {
                    lot.change(parked.event_id, |parked| joined(parked, at));
                    return Ok(None);
                }
                behind = scanned;
                continue;
            };
            let last = Cursor { position: last.position, event_id: last.event_id, ..cursor };
            let cursor = if let End::Joined(_) = end { cursor } else { last };
            let slice = PageSlice { tenant: parked.tenant.clone(), events, cursor };
            let page = Arc::new(Page { follower: lot::follower(&parked), slices: vec![slice] });
            return Ok(Some(Release { page, tenant: parked.tenant, event_id: parked.event_id, end }));
        }
    }

    /// A page of what is released was committed.
    pub(super) fn released(&mut self, release: &Release) -> Next {
        let Release { page, tenant, event_id, end } = release;
        let slice = &page.slices[0];
        if let Some(lot) = self.lots.get_mut(tenant) {
            lot.change(*event_id, |parked| match end {
                End::Joined(at) => joined(parked, *at),
                End::More | End::Superseding => {
                    parked.behind = slice.cursor.position;
                    parked.events = parked.events.saturating_sub(slice.events.len() as u64);
                }
            });
        }
        if *end == End::Superseding { Next::TakeOver } else { Next::GoOn }
    }

    /// What a refused event makes of what is parked: it is parked itself, or what was being released is
    /// again. Of a DELETE_ALL the whole topic is, or later creates would pass it; so it is when too many
    /// of its keys are.
    pub(super) fn parked_by(&self, page: &Page, refused: &Envelope, whole: Whole, cause: &str) -> Parked {
        let lot = self.lots.get(&refused.tenant);
        let released = lot.and_then(Lot::releasing).filter(|parked| lot::follower(parked) == page.follower);
        let deletes_all = refused.event_type == EventType::DeleteAll;
        let crowded = lot.is_some_and(|lot| lot.is_crowded(&refused.topic));
        let whole = whole == Whole::Topic || deletes_all || crowded;
        let before = refused.position.back(1);
        // The event that names what is parked can't name one of its keys too.
        let again =
            |released: &&Parked| released.key.is_some() || whole || released.event_id == refused.event_id;
        if let Some(released) = released.filter(again) {
            let behind = released.behind.max(before);
            return Parked { state: State::Parked, cause: cause.to_owned(), behind, ..released.clone() };
        }
        Parked {
            event_id: refused.event_id,
            tenant: refused.tenant.clone(),
            log_id: refused.log_id,
            position: refused.position,
            topic: refused.topic.clone(),
            key: (!whole).then(|| refused.key.clone()),
            cause: cause.to_owned(),
            time: Time::ZERO,
            state: State::Parked,
            behind: before,
            counted: before,
            events: 0,
            asked: None,
            reason: None,
        }
    }
}

/// What of an event's topic is parked with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// Its key alone.
    Key,
    /// All of it.
    Topic,
}

struct Part {
    events: Vec<Envelope>,
    end: End,
    scanned: Position,
}

/// What of a slice is released with `parked`, no further than `at`.
fn part(lot: &Lot, parked: &Parked, slice: Slice, at: Position) -> Part {
    let whole = parked.key.is_none();
    let over = slice.scanned >= at || !slice.more;
    let mut part = Part {
        events: Vec::new(),
        end: if over { End::Joined(at) } else { End::More },
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

fn joined(parked: &mut Parked, at: Position) {
    (parked.state, parked.behind, parked.events) = (State::Joined(at), at, 0);
}

fn scope(parked: &Parked) -> Filter {
    let topics = vec![TopicPattern::exact(&parked.topic)];
    Filter { topics, keys: parked.key.clone().into_iter().collect(), ..Filter::default() }
}

fn topics<'p>(parked: impl Iterator<Item = &'p Parked>) -> Vec<TopicPattern> {
    let topics: BTreeSet<_> = parked.map(|parked| &parked.topic).collect();
    topics.into_iter().map(TopicPattern::exact).collect()
}

fn scan(filter: Filter, events_max: usize) -> Scan {
    Scan { filter, events_max, rows_max: ROWS_MAX, ..page_scan(events_max) }
}

async fn read(parts: &Parts, tenant: &TenantId, after: Position, scan: &Scan) -> Result<Slice, Error> {
    let slices = parts.store.read(&[(tenant.clone(), after)], scan).await?;
    let slice = slices.into_iter().next();
    slice.ok_or_else(|| store::Error::Corrupt(format!("tenant `{tenant}` has no log")).into())
}

/// Looks at the events behind the range's start and up to its end, without what can be large.
async fn each(
    parts: &Parts,
    tenant: &TenantId,
    range: Range<Position>,
    filter: Filter,
    mut look: impl FnMut(Envelope),
) -> Result<(), Error> {
    let (scan, mut after) = (scan(filter, ROWS_MAX), range.start);
    while after < range.end {
        let slice = read(parts, tenant, after, &scan).await?;
        for event in slice.events.into_iter().take_while(|event| event.position <= range.end) {
            look(Envelope { payload: Bytes::new(), headers: Headers::default(), ..event });
        }
        if !slice.more {
            break;
        }
        after = slice.scanned;
    }
    Ok(())
}

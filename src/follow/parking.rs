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
use super::relay::{self, Error, Progress, Relay};
use super::suspects::Suspects;
use super::verify::{self, ParkingLost};
use super::{PAGE_EVENTS_MAX, Parts, page_scan};
use crate::broker::{self, Page, PageSlice, ParkingProof};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::follower::Cursor;
use crate::domain::headers::Headers;
use crate::domain::ledger::Ledger;
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
    /// Reads what is parked, verifies that it is all that Kafka proves, and counts what was passed since it
    /// was last written.
    pub(super) async fn take_stock(&mut self, parts: &Parts) -> Result<(), Error> {
        let proved = broker::ledgers(&self.known);
        let ledgers = parts.store.parking_ledgers(self.lane).await?;
        let mut tenants: BTreeSet<_> = ledgers.into_iter().map(|(tenant, ..)| tenant).collect();
        let is_proved = |(_, progress): &(&TenantId, &Progress)| proved.contains_key(&progress.log_id);
        tenants.extend(self.progress.iter().filter(is_proved).map(|(tenant, _)| tenant.clone()));
        for tenant in tenants {
            let Some(progress) = self.progress.get(&tenant).filter(|_| !self.stopped.contains(&tenant))
            else {
                continue;
            };
            let (log_id, at) = (progress.log_id, progress.position());
            let proved = proved.get(&log_id).copied().unwrap_or_default();
            let mut parked = parts.store.parked(&tenant).await?;
            parked.retain(|parked| parked.log_id == log_id);
            let ledger = Ledger::of(&parked);
            if let Err(lost) = ParkingLost::check(&ledger, &proved) {
                self.stop(parts, &tenant, &verify::went_back(&lost));
                continue;
            }
            let lot = if parked.iter().any(Parked::is_open) {
                let mut lot = Lot::new(parked, proved.number);
                self.count(parts, &tenant, &mut lot, at).await?;
                lot
            } else {
                Lot::closed(ledger.number, proved.number)
            };
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
                lot.change(parked.event_id, |parked| lot::resolve(parked, at));
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

    /// The next page of what is released. The last one says so, and may have no events.
    pub(super) async fn release(
        &mut self,
        parts: &Parts,
        suspects: &Suspects,
    ) -> Result<Option<Release>, Error> {
        let held = &suspects.held;
        let is_held = |parked: &&Parked| held.has_topic(&parked.topic) || held.has_tenant(&parked.tenant);
        let mut releasing = self.lots.values().filter_map(Lot::releasing);
        let releasing = releasing.find(|parked| !is_held(parked)).cloned();
        let Some(parked) = releasing else { return Ok(None) };
        let Some(cursor) = self.progress.get(&parked.tenant).and_then(|progress| progress.cursor) else {
            return Ok(None);
        };
        let events_max = suspects.alone(&lot::follower(&parked), &parked.tenant).unwrap_or(PAGE_EVENTS_MAX);
        let scan = scan(scope(&parked), events_max.min(suspects.events_max()));
        let (mut behind, at) = (parked.behind, cursor.position);
        loop {
            let slice = read(parts, &parked.tenant, behind, &scan).await?;
            // Read after the slice: the server that it came from had the relay's event too.
            self.verify(parts, &[(parked.tenant.clone(), cursor)]).await?;
            if self.stopped.contains(&parked.tenant) {
                return Ok(None);
            }
            let lot = self.lots.get(&parked.tenant).expect("it was found there");
            let Part { events, end, scanned } = part(lot, &parked, slice, at);
            let is_resolved = matches!(end, End::Joined(_));
            let cursor = match events.last() {
                _ if is_resolved => cursor,
                Some(last) => Cursor { position: last.position, event_id: last.event_id, ..cursor },
                None => {
                    behind = scanned;
                    continue;
                }
            };
            let proof = ParkingProof { is_resolved, ..relay::proof(self.lots.get(&parked.tenant)) };
            let slice = PageSlice { tenant: parked.tenant.clone(), events, cursor, proof };
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
                End::Joined(at) => lot::resolve(parked, *at),
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
        let ledger = lot.map_or(0, |lot| lot.ledger().number) + 1;
        // The event that names what is parked can't name one of its keys too.
        let again =
            |released: &&Parked| released.key.is_some() || whole || released.event_id == refused.event_id;
        if let Some(released) = released.filter(again) {
            let behind = released.behind.max(before);
            let cause = cause.to_owned();
            return Parked { state: State::Parked, cause, behind, ledger, ..released.clone() };
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
            ledger,
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
    let slices = parts.store.read(&[(tenant.clone(), after.into())], scan).await?;
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

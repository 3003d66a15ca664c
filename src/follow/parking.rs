//! Parking: what the relay does about what is parked. Loads it at each takeover, takes the requests
//! for it, and tells what a refused event parks.
//!
//! Fed by the store's rows, and by the cursors that releases have in Kafka; feeds the lane with
//! rows to write. Always true: before anything behind a release is sent, the row says that the
//! release has ended.

pub(super) mod bisect;
pub(super) mod ledger;
pub(super) mod proof;
pub(super) mod release;

use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use self::ledger::ParkingLedger;
use super::relay::{Error, Relay};
use super::verify::{self, ParkingLost};
use super::{FollowDeps, page_scan};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::headers::Headers;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::sink::{self, Page};
use crate::store::{self, LogLedger, Scan, Slice};

/// Rows that one read looks at.
const ROWS_MAX: usize = 2_000;

impl Relay {
    /// Reads what is parked, verifies that it is all that Kafka proves, and counts what was passed
    /// since it was last written.
    pub(super) async fn load_parked(&mut self, deps: &FollowDeps) -> Result<(), Error> {
        let proved = sink::ledgers(&self.known);
        let ledgers = self.ledgers(deps).await?;
        let running = self.progress.iter().filter(|(tenant, _)| !self.stopped.contains(*tenant));
        let running: Vec<_> =
            running.map(|(tenant, at)| (tenant.clone(), at.log_id, at.position())).collect();
        for (tenant, log_id, at) in running {
            let proved = proved.get(&log_id).copied().unwrap_or_default();
            let (number, open) =
                ledgers.get(&log_id).map_or((0, 0), |ledger| (ledger.number, ledger.open));
            if number == 0 && proved.number == 0 {
                continue;
            }
            let mut lot = if open == 0 && number == proved.number {
                // The rows that are over may be many, and prove nothing that the number does not.
                ParkingLedger::closed(number, proved.number)
            } else {
                ParkingLedger::new(parked_in(deps, &tenant, log_id).await?, &proved, &self.known)
            };
            if let Err(lost) = ParkingLost::check(&lot.ledger(), &proved) {
                self.stop(deps, &tenant, &verify::went_back(&lost));
                continue;
            }
            if open > 0 {
                self.count(deps, &tenant, &mut lot, at).await?;
            }
            self.lots.insert(tenant, lot);
        }
        Ok(())
    }

    /// What the store tells of each log that ever parked something.
    pub(super) async fn ledgers(
        &self,
        deps: &FollowDeps,
    ) -> Result<HashMap<LogId, LogLedger>, Error> {
        let ledgers = deps.store.parking_ledgers(self.lane).await?;
        Ok(ledgers.into_iter().map(|ledger| (ledger.log_id, ledger)).collect())
    }

    async fn count(
        &self,
        deps: &FollowDeps,
        tenant: &TenantId,
        lot: &mut ParkingLedger,
        at: Position,
    ) -> Result<(), Error> {
        let counted = lot.open().map(|parked| parked.counted_to).min().unwrap_or(at);
        let filter = Filter { topics: topics(lot.open()), ..Filter::default() };
        let raised = lot.raise(&self.known);
        each(deps, tenant, counted..at, filter, |event| {
            lot.pass(&event);
        })
        .await?;
        lot.passed(at);
        let is_begun = |p: &&Parked| p.state == State::Releasing || raised.contains(&p.event_id);
        let begun: Vec<_> = lot.open().filter(is_begun).cloned().collect();
        for parked in begun {
            let mut events = Vec::new();
            each(deps, tenant, parked.position.back(1)..at, scope(&parked), |event| {
                events.push(event)
            })
            .await?;
            lot.recount(parked.event_id, &events);
            if parked.released_to >= at && at >= parked.position {
                lot.change(parked.event_id, |parked| ledger::resolve(parked, at));
            } else if parked.waits_for_topic(lot.open()) {
                lot.change(parked.event_id, |parked| parked.state = State::Parked);
            }
        }
        Ok(())
    }

    /// Begins what somebody has asked for. What the relay has not passed yet waits until it has.
    pub(super) async fn take_requests(&mut self, deps: &FollowDeps) -> Result<(), Error> {
        if !self.has_parked() {
            return Ok(());
        }
        for asked in deps.store.parked_lane(self.lane).await? {
            let (Some(lot), Some(progress)) =
                (self.lots.get_mut(&asked.tenant), self.progress.get(&asked.tenant))
            else {
                continue;
            };
            let at = progress.position();
            let ready = lot
                .get(asked.event_id)
                .is_some_and(|p| p.state == State::Parked && at >= p.position);
            match asked.requested.filter(|_| ready) {
                Some(Request::Release) if !asked.waits_for_topic(lot.open()) => {
                    lot.change(asked.event_id, |parked| parked.state = State::Releasing);
                }
                Some(Request::Discard) => {
                    lot.change(asked.event_id, |parked| parked.state = State::Discarded(at));
                }
                Some(Request::Release) | None => {}
            }
        }
        Ok(())
    }

    /// What is to be written of all that is parked.
    pub(super) fn take_changed(&mut self) -> Vec<Parked> {
        self.lots.values_mut().flat_map(ParkingLedger::take_changed).collect()
    }

    /// What a refused event makes of what is parked: it is parked itself, or what was being
    /// released is again. Of a DELETE_ALL the whole topic is, or later creates would pass it; so it
    /// is when too many of its keys are.
    pub(super) fn parked_by(
        &self,
        page: &Page,
        refused: &Envelope,
        whole: Scope,
        cause: &str,
    ) -> Parked {
        let lot = self.lots.get(&refused.tenant);
        let released = lot
            .and_then(ParkingLedger::releasing)
            .filter(|parked| ledger::follower(parked) == page.follower);
        let deletes_all = refused.event_type == EventType::DeleteAll;
        let crowded = lot.is_some_and(|lot| lot.is_crowded(&refused.topic));
        let whole = whole == Scope::Topic || deletes_all || crowded;
        let before = refused.position.back(1);
        let ledger = lot.map_or(0, |lot| lot.ledger().number) + 1;
        // The event that names what is parked can't name one of its keys too.
        let again = |released: &&Parked| {
            released.key.is_some() || whole || released.event_id == refused.event_id
        };
        if let Some(released) = released.filter(again) {
            let released_to = released.released_to.max(before);
            let cause = cause.to_owned();
            return Parked { state: State::Parked, cause, released_to, ledger, ..released.clone() };
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
            released_to: before,
            counted_to: before,
            events: 0,
            requested: None,
            reason: None,
            ledger,
        }
    }
}

/// What of an event's topic is parked with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Its key alone.
    Key,
    /// All of it.
    Topic,
}

pub(super) fn scope(parked: &Parked) -> Filter {
    let topics = vec![TopicPattern::exact(&parked.topic)];
    Filter { topics, keys: parked.key.clone().into_iter().collect(), ..Filter::default() }
}

fn topics<'p>(parked: impl Iterator<Item = &'p Parked>) -> Vec<TopicPattern> {
    let topics: BTreeSet<_> = parked.map(|parked| &parked.topic).collect();
    topics.into_iter().map(TopicPattern::exact).collect()
}

pub(super) fn scan(filter: Filter, events_max: usize) -> Scan {
    Scan { filter, events_max, rows_max: ROWS_MAX, ..page_scan(events_max) }
}

/// What one log has parked, what is over included.
pub(super) async fn parked_in(
    deps: &FollowDeps,
    tenant: &TenantId,
    log_id: LogId,
) -> Result<Vec<Parked>, Error> {
    let mut parked = deps.store.parked(tenant).await?;
    parked.retain(|parked| parked.log_id == log_id);
    Ok(parked)
}

pub(super) async fn read(
    deps: &FollowDeps,
    tenant: &TenantId,
    after: Position,
    scan: &Scan,
) -> Result<Slice, Error> {
    let slices = deps.store.read(&[(tenant.clone(), after.into())], scan).await?;
    let slice = slices.into_iter().next();
    slice.ok_or_else(|| store::Error::Corrupt(format!("tenant `{tenant}` has no log")).into())
}

/// Looks at the events behind the range's start and up to its end, without what can be large.
async fn each(
    deps: &FollowDeps,
    tenant: &TenantId,
    range: Range<Position>,
    filter: Filter,
    mut look: impl FnMut(Envelope),
) -> Result<(), Error> {
    let (scan, mut after) = (scan(filter, ROWS_MAX), range.start);
    while after < range.end {
        let slice = read(deps, tenant, after, &scan).await?;
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

//! One replay that is carried out: from its cursor, page by page, to its end.
//!
//! `Replays` gives it turns. It reads the store's log, makes pages, and writes its progress to the
//! store under the lane's lease: at once if that changes what is sent, else once a second.

mod wishes;

use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use super::early_end;
use super::pace::Pace;
use super::scope;
use super::selection::Selection;
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::incarnation::Incarnations;
use crate::domain::position::Position;
use crate::domain::replay::{Outcome, Rate, Replay, Sent, Timestamp, Wish};
use crate::domain::time::Time;
use crate::follow::lane_state::LaneState;
use crate::follow::parking::{Refused, Scope};
use crate::follow::source::{Error, Limits};
use crate::follow::{FollowDeps, read_log};
use crate::sink::{KnownCursor, Page, PageSlice};
use crate::store::{Lease, LeaseCheck, Slice};

/// The interval at which progress is written that changes nothing.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// The most reads of one turn, so that the relay is asked between.
const READS_MAX: usize = 4;

/// The use that a run makes of its turn.
pub(super) enum Turn {
    /// It offers a page.
    Page(Page),
    /// It has nothing to send just now.
    Wait,
    /// It has ended.
    Ended,
}

/// A part of a log that was read, from which no event was selected yet.
struct Read {
    after: Position,
    /// The erasures that were published before.
    erasures: u64,
    slice: Slice,
}

/// The page that was offered last.
struct Offered {
    position: Position,
    sent: Sent,
    /// The end of the slice that the page was made of, if there is more of the log.
    more_after: Option<Position>,
    is_last: bool,
}

/// One replay.
pub(super) struct Run {
    replay: Replay,
    incarnations: Incarnations,
    selection: Selection,
    pace: Pace,
    ahead: Option<Read>,
    offered: Option<Offered>,
    /// When the progress was written last; `None` if what it is now must be written first.
    written: Option<Instant>,
}

impl Run {
    /// Goes on with a replay from the sink's cursor, or from the store's row if the sink has none.
    pub(super) async fn begin(
        deps: &FollowDeps,
        state: &LaneState,
        mut replay: Replay,
    ) -> Result<Self, Error> {
        let known = state.logs.known.get(&(replay.log_id, replay.id.follower()));
        if let Some(KnownCursor { cursor, sent, .. }) = known {
            let progress = &mut replay.progress;
            progress.position = progress.position.max(cursor.position);
            let skipped = progress.sent.skipped.max(sent.unwrap_or_default().skipped);
            progress.sent = Sent { skipped, ..sent.unwrap_or(progress.sent) };
        }
        let now = Instant::now();
        Ok(Self {
            incarnations: deps.store.incarnations(&replay.tenant).await?,
            selection: Selection::new(&*deps.store, &replay).await?,
            replay,
            pace: Pace::new(now),
            ahead: None,
            offered: None,
            written: Some(now),
        })
    }

    pub(super) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Notes what operators wish.
    pub(super) fn heed(&mut self, wish: (Wish, Time), rate: Rate) {
        (self.replay.wish, self.replay.rate) = (wish, rate);
    }

    /// Takes a turn.
    pub(super) async fn turn(
        &mut self,
        deps: &FollowDeps,
        state: &LaneState,
        limits: &Limits<'_>,
    ) -> Result<Turn, Error> {
        self.offered = None;
        let tenant = self.replay.tenant.clone();
        let log = state.logs.get(&tenant).filter(|log| log.log_id == self.replay.log_id);
        let Some(log) = log.filter(|_| !state.logs.is_stopped(&tenant)) else {
            return Ok(Turn::Wait);
        };
        let waits = self.obey(deps, &state.lease).await?;
        self.persist(deps, &state.lease).await?;
        if !self.replay.is_open() {
            deps.health.healthy(&self.component());
            return Ok(Turn::Ended);
        }
        if waits || limits.holds_tenant(&tenant) || !self.is_paced(log.position()) {
            return Ok(Turn::Wait);
        }
        for _ in 0..READS_MAX {
            let after = self.replay.progress.position;
            if let Some(page) = self.next_page(deps, state, limits, log.position()).await? {
                return Ok(Turn::Page(page));
            }
            if !self.replay.is_open() {
                self.persist(deps, &state.lease).await?;
                deps.health.healthy(&self.component());
                return Ok(Turn::Ended);
            }
            if self.replay.progress.position == after {
                return Ok(Turn::Wait);
            }
        }
        // There is more to look through, once the relay was asked.
        deps.wakeups.wake(state.logs.lane);
        Ok(Turn::Wait)
    }

    /// Returns whether the next page may be sent by now.
    fn is_paced(&self, relayed: Position) -> bool {
        let waits_for_relay = self.replay.progress.position >= relayed;
        self.joins() || waits_for_relay || self.pace.is_ready(Instant::now())
    }

    /// Returns whether the replay joins the relay. Then its rate limits neither when its pages are
    /// sent nor how large they are, since it might never reach the relay.
    fn joins(&self) -> bool {
        let Replay { plan, progress, .. } = &self.replay;
        let joins = self.replay.is_to_own_topics() && progress.position >= plan.joins_from;
        progress.closing.is_some() || joins
    }

    /// Returns the next page, or moves on past events that are not sent, perhaps to the end.
    async fn next_page(
        &mut self,
        deps: &FollowDeps,
        state: &LaneState,
        limits: &Limits<'_>,
        relayed: Position,
    ) -> Result<Option<Page>, Error> {
        let bound = self.bound(relayed);
        let (after, is_final) = (self.replay.progress.position, self.is_final(bound));
        if after >= bound {
            self.complete_if(is_final);
            return Ok(None);
        }
        let events_max = self.events_max(limits);
        // What was read before an erasure was published may have content that is erased by now.
        let is_next = |ahead: &Read| ahead.after == after && ahead.erasures == state.erasures;
        let slice = match self.ahead.take().filter(is_next) {
            Some(ahead) => ahead.slice,
            None => {
                let scan = scope::scan(&self.replay.plan, events_max);
                read_log(&*deps.store, &self.replay.tenant, after, &scan).await?
            }
        };
        let (ends, more) = (slice.scanned.min(bound), slice.more);
        let is_over = is_final && slice.scanned >= bound || !more && self.replay.plan.to.is_some();
        let (events, is_cut) = self.within(slice.events, bound, events_max, limits);
        let cut_at = is_cut.then(|| events.last().map_or(after, |event| event.position));
        let passed = cut_at.unwrap_or(ends);
        let events =
            self.selection.select(&*deps.store, state, &self.replay, events, relayed).await?;
        let is_last = is_over && cut_at.is_none();
        let Some(last) = events.last() else {
            self.replay.progress.position = passed;
            self.complete_if(is_last);
            return Ok(None);
        };
        let mut sent = self.replay.progress.sent;
        sent.events += events.len() as u64;
        sent.bytes += events.iter().map(|event| event.payload.len() as u64).sum::<u64>();
        let cursor = Cursor { log_id: self.replay.log_id, ..Cursor::at(last) };
        let more_after = (cut_at.is_none() && more).then_some(ends);
        self.offered = Some(Offered { position: passed, sent, more_after, is_last });
        Ok(Some(self.page(deps, state, events, cursor, sent)))
    }

    /// Returns the last position that may be sent now.
    fn bound(&self, relayed: Position) -> Position {
        match self.replay.until {
            Some(until) if self.replay.plan.pending_only => until,
            Some(until) => until.min(relayed),
            None => relayed,
        }
    }

    /// Returns whether the replay ends at this bound, and not only waits for the relay there.
    fn is_final(&self, bound: Position) -> bool {
        self.replay.until.is_none_or(|until| bound >= until)
    }

    fn events_max(&self, limits: &Limits<'_>) -> usize {
        let isolated = limits.isolated(&self.replay.id.follower(), &self.replay.tenant);
        self.at_its_rate(isolated.unwrap_or(limits.events_max()))
    }

    /// Returns the most events of a page that may have so many.
    fn at_its_rate(&self, events_max: usize) -> usize {
        if self.joins() { events_max } else { Pace::events_max(&self.replay.rate, events_max) }
    }

    /// Returns the events that the page may have by its limits, and whether others follow that it
    /// may not have.
    fn within(
        &self,
        events: Vec<Envelope>,
        bound: Position,
        events_max: usize,
        limits: &Limits<'_>,
    ) -> (Vec<Envelope>, bool) {
        let before = events.iter().take_while(|event| event.position <= bound).count();
        let target = self.replay.plan.target.as_ref().map(|target| &target.topic);
        let is_held = |event: &Envelope| limits.holds_topic(target.unwrap_or(&event.topic));
        let fit: Vec<_> = events
            .into_iter()
            .take(before.min(events_max))
            .take_while(|event| !is_held(event))
            .collect();
        let is_cut = fit.len() < before;
        (fit, is_cut)
    }

    fn page(
        &self,
        deps: &FollowDeps,
        state: &LaneState,
        mut events: Vec<Envelope>,
        cursor: Cursor,
        sent: Sent,
    ) -> Page {
        let Replay { id, tenant, plan, .. } = &self.replay;
        for event in &mut events {
            event.mark_replayed(*id);
            event.log_id = self.incarnations.at(event.position).unwrap_or(event.log_id);
            if let Some(target) = &plan.target {
                event.topic = target.topic.clone();
            }
            if plan.timestamp == Timestamp::Now {
                event.time = deps.clock.now();
            }
        }
        let (tenant, proof) = (tenant.clone(), state.parking.proof(tenant));
        let slice = PageSlice { tenant, events, cursor, proof, sent: Some(sent) };
        let target = plan.target.as_ref().map(|target| target.spec());
        Page { follower: id.follower(), slices: vec![slice], target }
    }

    /// Reads the part of the log after the page that was offered.
    pub(super) async fn read_ahead(&mut self, deps: &FollowDeps, state: &LaneState) {
        let Some(after) = self.offered.as_ref().and_then(|offered| offered.more_after) else {
            return;
        };
        let events_max = self.at_its_rate(crate::follow::PAGE_EVENTS_MAX);
        let scan = scope::scan(&self.replay.plan, events_max);
        let erasures = state.erasures;
        let read = read_log(&*deps.store, &self.replay.tenant, after, &scan).await;
        // If that fails, it is read again for the next page.
        self.ahead = read.ok().map(|slice| Read { after, erasures, slice });
    }

    /// Notes that the sink committed the page that was offered last. Returns how much it sent.
    pub(super) fn committed(&mut self) -> Sent {
        let Some(offered) = self.offered.take() else { return Sent::default() };
        let before = mem::replace(&mut self.replay.progress.sent, offered.sent);
        let sent = Sent {
            events: offered.sent.events - before.events,
            bytes: offered.sent.bytes - before.bytes,
            skipped: offered.sent.skipped - before.skipped,
        };
        self.replay.progress.position = offered.position;
        self.pace.sent(&self.replay.rate, sent.events, sent.bytes, Instant::now());
        if offered.is_last {
            self.end(self.outcome());
        }
        sent
    }

    fn complete_if(&mut self, is_over: bool) {
        if is_over {
            self.end(self.outcome());
        }
    }

    fn outcome(&self) -> Outcome {
        match self.replay.progress.closing {
            Some(_) => early_end(&self.replay),
            None => Outcome::Completed,
        }
    }

    /// Ends the replay. The time at which it ended is that of the row's write.
    fn end(&mut self, outcome: Outcome) {
        self.replay.progress.ended = Some((outcome, Time::ZERO));
        self.written = None;
    }

    /// Begins to end early. A replay to its own topics that has sent anything joins the relay
    /// first.
    fn end_early(&mut self) {
        let progress = &mut self.replay.progress;
        self.written = None;
        if self.replay.plan.target.is_none() && progress.sent.events > 0 {
            progress.closing = Some(progress.position);
            self.ahead = None;
        } else {
            self.end(early_end(&self.replay));
        }
    }

    /// The sink refuses a record. The replay fails, unless the record is to be skipped; while it
    /// closes, every refused record is. Of a topic that refuses all records, nothing is sent any
    /// more.
    pub(super) async fn refused(
        &mut self,
        deps: &FollowDeps,
        lease: &Lease,
        refused: &Refused<'_>,
    ) -> Result<(), Error> {
        let Envelope { position, topic, .. } = refused.event;
        let is_topic = refused.scope == Scope::Topic;
        let is_closing = self.replay.progress.closing.is_some();
        self.written = None;
        if !is_closing && (is_topic || !self.replay.plan.skip_refused) {
            self.replay.progress.cause = Some(format!("position {position}: {}", refused.cause));
            self.end_early();
        }
        let progress = &mut self.replay.progress;
        if !is_topic {
            // It was alone in its page, so everything before it was passed.
            progress.position = *position;
            progress.sent.skipped += 1;
        } else if progress.refused.replace(topic.clone()).is_some_and(|other| other != *topic) {
            self.end(early_end(&self.replay));
        }
        self.persist(deps, lease).await
    }

    /// Writes the progress, if that is due.
    async fn persist(&mut self, deps: &FollowDeps, lease: &Lease) -> Result<(), Error> {
        if self.written.is_some_and(|written| written.elapsed() < WRITE_EVERY) {
            return Ok(());
        }
        if let Some((outcome, _)) = self.replay.progress.ended {
            self.replay.progress.ended = Some((outcome, deps.clock.now()));
        }
        match deps.store.write_replay(lease, &self.replay).await? {
            LeaseCheck::Held => self.written = Some(Instant::now()),
            LeaseCheck::Lost => return Err(Error::LeaseLost),
        }
        Ok(())
    }
}

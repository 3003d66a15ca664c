//! A reading: one reader's way along the log, from where its group stands.
//!
//! `http` opens one for each poll or stream and asks for deliveries. What is delivered is noted in
//! the row before it is given away, so that it may be committed. The lease is renewed while the
//! reader waits. A fenced reader ends. So does a reader that would miss removed events; it also
//! gives its lease back. The reader notes the wake-ups before it reads, so that nothing that is
//! appended between the stored past and the present is missed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::tail::{self, Part};
use super::waiters::Waiter;
use super::{Error, Subscribe, change, floors};
use crate::domain::envelope::Envelope;
use crate::domain::filter::Filter;
use crate::domain::floors::{AcceptedGaps, Floors, Gap};
use crate::domain::position::Position;
use crate::domain::subscription::{Group, Progress, Refusal, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::metrics::CountedReader;
use crate::store::Scan;

/// The longest distance between two times at which leases are renewed.
const GRID_MAX: Duration = Duration::from_secs(1);

/// The most payload bytes that are read at once for a handler, though at least one event.
const HANDLER_BYTES_MAX: usize = 512 << 10;

/// How a reader begins, or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The reader's name, which a reader that begins gets.
    pub reader: String,
    /// The generation that goes on; `None` begins a new one.
    pub generation: Option<u64>,
    /// The position up to which the reader has received everything.
    pub received: Option<Position>,
}

/// Events for a reader.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The events that match, in order of position; none if the time was over.
    pub events: Vec<Arc<Envelope>>,
    /// The position up to which nothing else matches: what the reader commits after these events.
    pub position: Position,
}

/// One reader's way along the log.
pub struct Reading {
    subscribe: Arc<Subscribe>,
    name: (TenantId, Group),
    waiter: Waiter,
    filter: Filter,
    gaps_to: AcceptedGaps,
    reader: String,
    generation: u64,
    lease: Duration,
    /// The position after which it reads on.
    after: Position,
    /// The position that the row has as looked at.
    noted: Position,
    /// The time before which the lease was given last.
    renewed: Instant,
    renew_at: Instant,
    /// The time before the last read of the log, or of the page that readers share.
    read_at: Instant,
    /// Whether it has come to the head.
    is_live: bool,
    /// The count of a poll or a stream; a handler's reading is none.
    counted: Option<CountedReader>,
}

impl Subscribe {
    /// Lets a reader begin or go on, unless another one reads, or it would miss removed events.
    pub async fn open(
        self: &Arc<Self>,
        tenant: &TenantId,
        group: &Group,
        opening: &Opening,
    ) -> Result<Reading, Error> {
        let Opening { reader, generation, received } = opening;
        let open =
            self.begin(tenant, group, opening, |subscription, floors, now| match generation {
                Some(generation) => subscription.poll(*generation, *received, floors, now),
                None => subscription.acquire(reader, *received, floors, now),
            });
        let (reading, _) = open.await?;
        Ok(Reading { counted: Some(self.deps.metrics.reader_came()), ..reading })
    }

    /// Lets a replica bring the events to the handler of a group, unless another one does, or
    /// events that were not delivered are removed; returns the subscription as it stands then.
    pub(super) async fn open_for_handler(
        self: &Arc<Self>,
        tenant: &TenantId,
        group: &Group,
        replica: &str,
    ) -> Result<(Reading, Subscription), Error> {
        let opening = Opening { reader: replica.to_owned(), generation: None, received: None };
        let open = self.begin(tenant, group, &opening, |subscription, floors, now| {
            subscription.acquire_for_handler(replica, floors, now)
        });
        open.await
    }

    async fn begin(
        self: &Arc<Self>,
        tenant: &TenantId,
        group: &Group,
        opening: &Opening,
        decide: impl Fn(&mut Subscription, &Floors, Time) -> Result<Option<Gap>, Refusal>,
    ) -> Result<(Reading, Subscription), Error> {
        let (store, since) = (&*self.deps.store, Instant::now());
        let floors = floors(store, tenant).await?;
        let open = change::change(store, tenant, group, None, |subscription, now| {
            decide(subscription, &floors, now)
        });
        let (gap, found) = open.await?;
        if let Some(gap) = gap {
            return Err(Error::Removed { gap, after: found.subscription.position });
        }
        let Subscription { form, generation, went_back_from, lease, .. } = &found.subscription;
        if let Some(from) = went_back_from.filter(|_| opening.generation.is_none()) {
            let to = found.subscription.position;
            tracing::warn!(
                %tenant, %group, %from, %to, "a group reads on from where a restore has moved it"
            );
        }
        let reader = lease.as_ref().map_or(&opening.reader, |lease| &lease.reader).clone();
        let lease = Duration::from_millis(form.lease_ms().unsigned_abs());
        let reading = Reading {
            subscribe: self.clone(),
            name: (tenant.clone(), group.clone()),
            waiter: self.waiters.join(tenant),
            filter: form.filter.clone(),
            gaps_to: found.subscription.gaps_to.clone(),
            reader,
            generation: *generation,
            lease,
            after: found.subscription.resumes(opening.received),
            noted: found.subscription.scanned,
            renewed: since,
            renew_at: renewal(self.begun, since, lease),
            read_at: since,
            is_live: false,
            counted: None,
        };
        Ok((reading, found.subscription))
    }
}

impl Reading {
    /// Returns the generation, which commits name.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the reader's name.
    pub fn reader(&self) -> &str {
        &self.reader
    }

    /// Returns whether the gateway stops, so that the reader should end.
    pub fn is_stopping(&self) -> bool {
        self.subscribe.deps.closing.is_cancelled()
    }

    /// Returns the time before which it has read last.
    pub(super) fn read_at(&self) -> Instant {
        self.read_at
    }

    /// Returns whether it has come to the head, whose page all readers of the log share.
    pub(super) fn is_at_head(&self) -> bool {
        self.is_live
    }

    /// Returns the position after which it reads on.
    pub fn position(&self) -> Position {
        self.after
    }

    /// Waits for events that match, at most `events_max` of them, or until a time. If events of the
    /// filter's topics were removed, or the reader was fenced, it ends with that error.
    pub async fn next(&mut self, events_max: usize, until: Instant) -> Result<Delivery, Error> {
        self.go_on(events_max, until, false).await
    }

    /// Reads on like `next`, but does not wait at the head.
    pub(super) async fn catch_up(
        &mut self,
        events_max: usize,
        until: Instant,
    ) -> Result<Delivery, Error> {
        self.go_on(events_max, until, true).await
    }

    async fn go_on(
        &mut self,
        events_max: usize,
        until: Instant,
        ends_at_head: bool,
    ) -> Result<Delivery, Error> {
        loop {
            let wakes = self.waiter.look();
            self.read_at = Instant::now();
            let Part { mut events, mut scanned, mut more, floors } =
                self.read(wakes, events_max).await?;
            if let Some(gap) = floors.new_gap(&self.filter, self.after, &self.gaps_to) {
                return Err(self.missed(gap).await);
            }
            if events.len() > events_max {
                events.truncate(events_max);
                (scanned, more) = (events[events_max - 1].position, true);
            }
            self.after = scanned;
            self.is_live = !more;
            if let Some(last) = events.last() {
                let delivered = Some(last.position);
                self.renew(delivered).await?;
                if self.counted.is_some() {
                    self.subscribe.deps.metrics.delivered(events.len());
                }
                return Ok(Delivery { events, position: scanned });
            }
            let is_there = ends_at_head && self.is_live;
            let is_over = is_there || Instant::now() >= until || self.is_stopping();
            if Instant::now() >= self.renew_at || (is_over && self.after > self.noted) {
                self.renew(None).await?;
            }
            if is_over {
                return Ok(Delivery { events, position: self.after });
            }
            if !more {
                self.wait(until).await;
            }
        }
    }

    /// Keeps the group until a time, without reading on; ends before if the gateway stops.
    pub(super) async fn keep(&mut self, until: Instant) -> Result<(), Error> {
        while Instant::now() < until && !self.is_stopping() {
            if Instant::now() >= self.renew_at {
                self.renew(None).await?;
            }
            let until = until.min(self.renew_at);
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.subscribe.deps.closing.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Returns the time for which the group is kept without a renewal.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns until when nobody else may have the group, by this host's clock.
    pub(super) fn lasts_until(&self) -> Instant {
        self.renewed + self.lease
    }

    /// Ends the reading, so that another reader may begin at once.
    pub async fn close(self) {
        let (tenant, group) = &self.name;
        let leave = self.subscribe.groups().leave(tenant, group, self.generation, None).await;
        if let Err(Error::Store(error)) = leave {
            tracing::debug!(%tenant, %group, %error, "failed to end a reading; its lease expires");
        }
    }

    /// Ends the reading of who would miss events, so that the group may be moved at once; returns
    /// the error with which it ends.
    async fn missed(&self, gap: Gap) -> Error {
        let (tenant, group) = &self.name;
        let store = &*self.subscribe.deps.store;
        let end = change::change(store, tenant, group, None, |subscription, now| {
            subscription.close(self.generation, now)
        });
        match end.await {
            Ok(((), found)) => Error::Removed { gap, after: found.subscription.position },
            Err(error) => error,
        }
    }

    /// Reads on: what the newest page has, if the reader is at the head.
    async fn read(&mut self, wakes: u64, events_max: usize) -> Result<Part, Error> {
        let (store, turns) = (&*self.subscribe.deps.store, &self.subscribe.reads);
        let (tenant, filter) = (&self.name.0, &self.filter);
        if !self.is_live {
            let mut scan = Scan::page_of_enabled(filter.clone(), events_max);
            if self.counted.is_none() {
                scan.bytes_max = HANDLER_BYTES_MAX;
                let _turn = self.subscribe.handler_reads.take(tenant, 1).await;
                return tail::read(store, turns, tenant, self.after, scan).await;
            }
            return tail::read(store, turns, tenant, self.after, scan).await;
        }
        let tail = &self.waiter.log().tail;
        let mut part = tail.read(store, turns, tenant, self.after, wakes).await?;
        part.events.retain(|event| filter.matches(event));
        Ok(part)
    }

    /// Waits for a wake-up, for the time to renew, or until a time.
    async fn wait(&mut self, until: Instant) {
        let until = until.min(self.renew_at);
        tokio::select! {
            () = self.waiter.woken() => {}
            () = sleep_until(until) => {}
            () = self.subscribe.deps.closing.cancelled() => {}
        }
    }

    async fn renew(&mut self, delivered: Option<Position>) -> Result<(), Error> {
        let (since, progress) = (Instant::now(), Progress { delivered, scanned: self.after });
        let renewed = self.subscribe.renewals.renew(&self.name, self.generation, progress).await?;
        (self.noted, self.renewed) = (self.after, since);
        // Another form may have been put since.
        self.lease = Duration::from_millis(renewed.form.lease_ms().unsigned_abs());
        self.renew_at = renewal(self.subscribe.begun, since, self.lease);
        Ok(())
    }
}

/// Returns when a lease is renewed that was given at a time: after half of it, at a time of a
/// grid, so that many readers' renewals are one call to the store.
fn renewal(begun: Instant, since: Instant, lease: Duration) -> Instant {
    let grid_ms = (lease / 12).min(GRID_MAX).as_millis().max(1);
    let past_ms = (since + lease / 2).duration_since(begun).as_millis();
    let on_grid = u64::try_from(past_ms - past_ms % grid_ms).unwrap_or(u64::MAX);
    since.max(begun + Duration::from_millis(on_grid))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::renewal;

    #[test]
    fn readers_that_came_at_different_times_renew_together_and_in_time() {
        let (begun, lease) = (Instant::now(), Duration::from_secs(30));
        let at = |ms| renewal(begun, begun + Duration::from_millis(ms), lease);
        assert_eq!(at(5_300), begun + Duration::from_secs(20));
        assert_eq!(at(5_999), at(5_001));
        let short = renewal(begun, begun + Duration::from_millis(70), Duration::from_secs(1));
        let past = short - begun;
        assert!(
            past >= Duration::from_millis(400) && past <= Duration::from_millis(570),
            "{past:?}"
        );
    }
}

//! The log that is audited: its part that was published when the audit began, and what each topic
//! should have of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use roaring::RoaringTreemap;

use super::digest::{Digest, Sums};
use super::{AuditDeps, Error, Progress, Scope};
use crate::domain::envelope::Envelope;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::key::Key;
use crate::domain::parked::Parked;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::follow::{PAGE_EVENTS_MAX, page_scan};
use crate::store::{Scan, Start, TenantLog};

/// One log, from the first position that is compared to the last.
pub(super) struct AuditedLog<'a> {
    pub(super) deps: AuditDeps<'a>,
    pub(super) tenant: TenantId,
    log_id: LogId,
    filter: Filter,
    pub(super) since: Option<Time>,
    pub(super) from: Position,
    pub(super) to: Position,
    pub(super) incarnations: Incarnations,
    pub(super) parked: Vec<Parked>,
}

/// The events that a topic should have.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) positions: RoaringTreemap,
    /// Events of the topic whose content was erased, so that no record can be compared with them.
    pub(super) erased: RoaringTreemap,
    /// Events of the topic that are not published.
    pub(super) unpublished: RoaringTreemap,
    pub(super) sums: Sums,
}

impl<'a> AuditedLog<'a> {
    /// Opens the log. The relay's cursor is read before the parked scopes, and these before any
    /// topic: so a topic has what the relay has passed and no scope holds.
    pub(super) async fn open(
        deps: AuditDeps<'a>,
        enabled: &TenantLog,
        scope: &Scope,
    ) -> Result<Self, Error> {
        let TenantLog { tenant, log_id, lane, .. } = enabled;
        let cursors = deps.kafka.cursors(*lane).await?;
        let cursor = cursors.get(&(*log_id, Follower::relay())).map(|known| known.cursor);
        let parked = deps.store.parked(tenant, &Follower::relay()).await?;
        let incarnations = deps.store.incarnations(tenant).await?;
        let filter = Filter { topics: scope.topics.clone(), ..Filter::default() };
        let to = cursor.map_or(Position::START, |cursor| cursor.position);
        let from = Position::START.next();
        let (tenant, log_id) = (tenant.clone(), *log_id);
        let since = scope.since;
        let mut log = Self { deps, tenant, log_id, filter, since, from, to, incarnations, parked };
        if let Some(cursor) = cursor {
            let slices =
                deps.store.read(&[(log.tenant.clone(), cursor.into())], &page_scan(1)).await?;
            if !slices.first().is_some_and(|slice| slice.has_start) {
                return Err(Error::WentBack(log.tenant));
            }
        }
        if let Some(since) = scope.since {
            let scan = Scan { from: Some(since), ..page_scan(1) };
            let mut first = None;
            log.each(Position::START, scan, |event| {
                first = Some(event.position);
                ControlFlow::Break(())
            })
            .await?;
            log.from = first.unwrap_or(log.to.next());
        }
        Ok(log)
    }

    /// Walks along the log, and returns what each topic should have.
    pub(super) async fn walk(
        &self,
        report: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Result<BTreeMap<Topic, Expected>, Error> {
        let mut topics: BTreeMap<Topic, Expected> = BTreeMap::new();
        let scan = Scan { filter: self.filter.clone(), ..page_scan(PAGE_EVENTS_MAX) };
        let (before, mut walked) = (self.from.back(1), 0);
        let all = self.to.number().saturating_sub(before.number());
        self.each(before, scan, |event| {
            if !event.is_sent() {
                return ControlFlow::Continue(());
            }
            let Envelope { topic, key, position, .. } = &event;
            let expected = topics.entry(topic.clone()).or_default();
            let holds = |parked: &Parked| parked.holds(self.log_id, topic, key, *position);
            walked += 1;
            if walked % PAGE_EVENTS_MAX as u64 == 0 {
                report(Progress::Log(position.number() - before.number(), all));
            }
            if event.erased.is_some() {
                expected.erased.insert(position.number());
            } else if self.parked.iter().any(holds) {
                expected.unpublished.insert(position.number());
            } else {
                expected.positions.insert(position.number());
                expected.sums.add(*position, Digest::of_event(&event));
            }
            ControlFlow::Continue(())
        })
        .await?;
        report(Progress::Log(all, all));
        Ok(topics)
    }

    /// Returns whether the event of a topic was published late, with the release of a parked scope.
    pub(super) fn is_released(&self, topic: &Topic, key: &Key, position: Position) -> bool {
        let of = |parked: &Parked| {
            parked.concerns(topic, key, position) && position <= parked.released_to
        };
        self.parked.iter().any(of)
    }

    /// Calls `look` with the events of a topic at these positions, in order.
    pub(super) async fn at(
        &self,
        topic: &Topic,
        positions: &RoaringTreemap,
        mut look: impl FnMut(Envelope),
    ) -> Result<(), Error> {
        let filter = Filter { topics: vec![TopicPattern::exact(topic)], ..Filter::default() };
        let events_max = usize::try_from(positions.len()).unwrap_or(usize::MAX);
        let scan = Scan { filter, ..page_scan(events_max.min(PAGE_EVENTS_MAX)) };
        let mut next = positions.min();
        while let Some(position) = next {
            let after = Position::from_column(position.cast_signed()).back(1);
            let start = [(self.tenant.clone(), Start::from(after))];
            let slices = self.deps.store.read(&start, &scan).await?;
            let Some(slice) = slices.into_iter().next() else { return Ok(()) };
            let (scanned, more) = (slice.scanned.number(), slice.more);
            let is_asked = |event: &Envelope| positions.contains(event.position.number());
            slice.events.into_iter().filter(is_asked).for_each(&mut look);
            let mut rest = positions.iter();
            rest.advance_to(scanned + 1);
            next = rest.next().filter(|_| more);
        }
        Ok(())
    }

    /// Calls `look` with the later events of a key in a topic up to a position, until it breaks.
    pub(super) async fn later(
        &self,
        topic: &Topic,
        key: &Key,
        (after, to): (Position, Position),
        mut look: impl FnMut(Position) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let topics = vec![TopicPattern::exact(topic)];
        let filter = Filter { topics, keys: vec![key.clone()], ..Filter::default() };
        let scan = Scan { filter, ..page_scan(PAGE_EVENTS_MAX) };
        self.each(after, scan, |event| {
            if event.position > to { ControlFlow::Break(()) } else { look(event.position) }
        })
        .await
    }

    /// Calls `look` with each event after a position, up to the last that is compared, until it
    /// breaks.
    async fn each(
        &self,
        mut after: Position,
        scan: Scan,
        mut look: impl FnMut(Envelope) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        loop {
            let start = [(self.tenant.clone(), Start::from(after))];
            let slices = self.deps.store.read(&start, &scan).await?;
            let Some(slice) = slices.into_iter().next() else { return Ok(()) };
            for event in slice.events {
                if event.position > self.to || look(event).is_break() {
                    return Ok(());
                }
            }
            if !slice.more || slice.scanned >= self.to {
                return Ok(());
            }
            after = slice.scanned;
        }
    }
}

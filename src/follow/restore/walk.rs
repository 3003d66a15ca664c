//! The walk along a log, which compares it with Kafka's records: it finds how far both are the
//! same.
//!
//! It is given Kafka's records and the parked scopes, and then event after event, in order. It does
//! no I/O.

use std::collections::{BTreeSet, HashSet};

use super::super::parking::verify::ParkingLost;
use super::{Difference, PublishedRecord};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Cursor;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::store::EnabledTenant;

/// The log that was walked along, and the facts about it that were known before.
pub(super) struct Walked {
    pub(super) enabled: EnabledTenant,
    /// The relay's cursor in Kafka.
    pub(super) kafka: Option<Cursor>,
    pub(super) parking: Option<ParkingLost>,
    /// The scopes that are parked in the store, and have ended by Kafka's cursors.
    pub(super) ended: BTreeSet<EventId>,
}

/// The state of a walk.
pub(super) struct Walk {
    published: HashSet<(Position, EventId)>,
    records: Vec<PublishedRecord>,
    parked: Vec<Parked>,
    common: Option<Cursor>,
    parted: bool,
    again: u64,
    pending: u64,
    met: HashSet<(Position, EventId)>,
}

impl Walk {
    /// Begins after `start`; the scopes of `parked` are published up to the cursors of their
    /// releases.
    pub(super) fn new(
        start: Option<Cursor>,
        records: Vec<PublishedRecord>,
        parked: Vec<Parked>,
    ) -> Self {
        let published = records.iter().map(|record| (record.position, record.event_id)).collect();
        Self {
            published,
            records,
            parked,
            common: start,
            parted: false,
            again: 0,
            pending: 0,
            met: HashSet::new(),
        }
    }

    /// Walks over the next event of the log.
    pub(super) fn pass(&mut self, event: &Envelope) {
        let Envelope { log_id, topic, key, position, event_id, .. } = event;
        let is_published = self.published.contains(&(*position, *event_id));
        if is_published {
            self.met.insert((*position, *event_id));
        }
        let is_held =
            !event.is_sent() || self.parked.iter().any(|p| p.holds(*log_id, topic, key, *position));
        self.parted = self.parted || !(is_published || is_held);
        if is_published {
            self.parked.retain(|parked| !parked.is_open() || !parked.is_voided_by(event));
        }
        if !self.parted {
            self.common =
                Some(Cursor { log_id: *log_id, position: *position, event_id: *event_id });
        } else if is_published {
            self.again += 1;
        } else {
            self.pending += 1;
        }
    }

    /// Returns the difference that was found.
    pub(super) fn end(self, walked: Walked) -> Difference {
        let Walked { enabled, kafka, parking, ended } = walked;
        let Self { records, common, again, pending, met, .. } = self;
        let only = |record: &PublishedRecord| !met.contains(&(record.position, record.event_id));
        let mut only_in_kafka: Vec<_> = records.into_iter().filter(only).collect();
        only_in_kafka.sort_by(|one, other| {
            (&one.topic, one.partition, one.offset).cmp(&(
                &other.topic,
                other.partition,
                other.offset,
            ))
        });
        Difference { enabled, kafka, parking, common, again, pending, ended, only_in_kafka }
    }
}

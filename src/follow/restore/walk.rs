//! The walk along a log, beside what Kafka has of it: how far both are the same.
//!
//! Fed with what Kafka has, with what is parked, and then with event after event, in order. No I/O.

use std::collections::{BTreeSet, HashSet};

use super::super::parking::verify::ParkingLost;
use super::Difference;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::follower::Cursor;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::sink::PublishedRecord;
use crate::store::EnabledTenant;

/// The log that was walked along, and what was known of it before.
pub(super) struct Walked {
    pub(super) enabled: EnabledTenant,
    /// Where the relay stands, by Kafka.
    pub(super) kafka: Option<Cursor>,
    pub(super) parking: Option<ParkingLost>,
    /// Parked by the store, and ended by Kafka.
    pub(super) ended: BTreeSet<EventId>,
}

/// How far it has come.
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
    /// Begins behind `start`; what is `parked` is published up to where its release stands.
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

    /// Passes the next event of the log.
    pub(super) fn pass(&mut self, event: &Envelope) {
        let Envelope { log_id, topic, key, position, event_id, .. } = event;
        let is_published = self.published.contains(&(*position, *event_id));
        if is_published {
            self.met.insert((*position, *event_id));
        }
        let is_held = self.parked.iter().any(|p| p.holds(*log_id, topic, key, *position));
        self.parted = self.parted || !(is_published || is_held);
        if is_published && event.event_type == EventType::DeleteAll {
            // It has made void what a key had before it.
            self.parked.retain(|parked| !parked.is_open() || parked.topic != *topic);
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

    /// The difference that was found.
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

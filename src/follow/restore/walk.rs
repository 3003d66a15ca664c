//! The walk along a log, which compares it with Kafka's records: it finds how far both are the
//! same.
//!
//! It is given Kafka's records and the parked scopes, and then event after event, in order. It does
//! no I/O.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::parking::verify::ParkingLost;
use super::{Difference, PublishedRecord};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::store::TenantLog;

/// The log that was walked along, and the facts about it that were known before.
pub(super) struct Walked {
    pub(super) enabled: TenantLog,
    /// The relay's cursor in Kafka.
    pub(super) kafka: Option<Cursor>,
    pub(super) parking: Option<ParkingLost>,
    /// The scopes that are parked in the store, and have ended by Kafka's cursors.
    pub(super) ended: BTreeSet<EventId>,
}

/// The state of a walk.
pub(super) struct Walk {
    records: Vec<PublishedRecord>,
    /// The indexes of the records of each position that were not met yet.
    unmet: HashMap<Position, Vec<usize>>,
    parked: Vec<Parked>,
    common: Option<Cursor>,
    parted: bool,
    again: u64,
    pending: u64,
}

impl Walk {
    /// Begins after `start`; the scopes of `parked` are published up to the cursors of their
    /// releases.
    pub(super) fn new(
        start: Option<Cursor>,
        records: Vec<PublishedRecord>,
        parked: Vec<Parked>,
    ) -> Self {
        let mut unmet: HashMap<Position, Vec<usize>> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            unmet.entry(record.position).or_default().push(at);
        }
        let (parted, again, pending) = (false, 0, 0);
        Self { records, unmet, parked, common: start, parted, again, pending }
    }

    /// Walks over the next event of the log.
    pub(super) fn pass(&mut self, event: &Envelope) {
        let Envelope { log_id, topic, key, position, .. } = event;
        let is_published = self.meet(event);
        let is_held =
            !event.is_sent() || self.parked.iter().any(|p| p.holds(*log_id, topic, key, *position));
        self.parted = self.parted || !(is_published || is_held);
        if is_published {
            self.parked.retain(|parked| !parked.is_open() || !parked.is_voided_by(event));
        }
        if !self.parted {
            self.common = Some(Cursor::at(event));
        } else if is_published {
            self.again += 1;
        } else {
            self.pending += 1;
        }
    }

    /// Notes which records were made of an event; returns whether any was.
    fn meet(&mut self, event: &Envelope) -> bool {
        let Some(unmet) = self.unmet.get_mut(&event.position) else { return false };
        let before = unmet.len();
        unmet.retain(|at| !self.records[*at].is_of(event));
        unmet.len() < before
    }

    /// Returns the difference that was found.
    pub(super) fn end(self, walked: Walked) -> Difference {
        let Walked { enabled, kafka, parking, ended } = walked;
        let Self { records, unmet, common, again, pending, .. } = self;
        let unmet: HashSet<usize> = unmet.into_values().flatten().collect();
        let records = records.into_iter().enumerate();
        let mut only_in_kafka: Vec<_> =
            records.filter_map(|(at, record)| unmet.contains(&at).then_some(record)).collect();
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

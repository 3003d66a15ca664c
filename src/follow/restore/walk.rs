//! The walk along a log, beside what Kafka has of it: how far both are the same.
//!
//! Fed with what Kafka has, with what is parked, and then with event after event, in order. No I/O.

use std::collections::{BTreeSet, HashSet};

use super::Difference;
use crate::broker::Published;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::follower::Cursor;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::store::Enabled;

/// How far it has come.
pub(super) struct Walk {
    published: HashSet<(Position, EventId)>,
    records: Vec<Published>,
    parked: Vec<Parked>,
    /// What was released further than the walk begins, until the first of its events that comes next.
    doubted: BTreeSet<EventId>,
    released: BTreeSet<EventId>,
    common: Option<Cursor>,
    parted: bool,
    again: u64,
    pending: u64,
    met: HashSet<(Position, EventId)>,
}

impl Walk {
    /// Begins behind `start`; what is `parked` is published up to where its release stands.
    pub(super) fn new(start: Option<Cursor>, records: Vec<Published>, parked: Vec<Parked>) -> Self {
        let published = records.iter().map(|record| (record.position, record.event_id)).collect();
        let begins = start.map_or(Position::START, |cursor| cursor.position);
        let is_doubted = |p: &&Parked| p.is_open() && p.behind >= begins && p.behind >= p.position;
        let doubted = parked.iter().filter(is_doubted).map(|parked| parked.event_id).collect();
        Self {
            published,
            records,
            parked,
            doubted,
            released: BTreeSet::new(),
            common: start,
            parted: false,
            again: 0,
            pending: 0,
            met: HashSet::new(),
        }
    }

    /// Passes the next event of the log.
    pub(super) fn pass(&mut self, event: &Envelope) {
        let Envelope { log_id, topic, position, event_id, .. } = event;
        let is_published = self.published.contains(&(*position, *event_id));
        if is_published {
            self.met.insert((*position, *event_id));
        }
        let holder = self.holder(event);
        if let Some(id) = holder.filter(|id| self.doubted.remove(id) && is_published) {
            // It goes on with the rest, so its release was over.
            self.released.insert(id);
            self.parked.retain(|parked| parked.event_id != id);
        }
        self.parted = self.parted || !(is_published || holder.is_some());
        if is_published && event.event_type == EventType::DeleteAll {
            // It has made void what a key had before it.
            self.parked.retain(|parked| !parked.is_open() || parked.topic != *topic);
        }
        if !self.parted {
            self.common = Some(Cursor { log_id: *log_id, position: *position, event_id: *event_id });
        } else if is_published {
            self.again += 1;
        } else {
            self.pending += 1;
        }
    }

    /// With what an event stays behind: its key before its topic.
    fn holder(&self, event: &Envelope) -> Option<EventId> {
        let Envelope { log_id, topic, key, position, .. } = event;
        let holders = self.parked.iter().filter(|parked| parked.holds(*log_id, topic, key, *position));
        holders.max_by_key(|parked| parked.key.is_some()).map(|parked| parked.event_id)
    }

    /// What was found; `kafka` is where the relay stands.
    pub(super) fn end(self, enabled: Enabled, kafka: Option<Cursor>) -> Difference {
        let Self { records, released, common, again, pending, met, .. } = self;
        let only = |record: &Published| !met.contains(&(record.position, record.event_id));
        let mut only_in_kafka: Vec<_> = records.into_iter().filter(only).collect();
        only_in_kafka.sort_by(|one, other| {
            (&one.topic, one.partition, one.offset).cmp(&(&other.topic, other.partition, other.offset))
        });
        Difference { enabled, kafka, common, again, pending, released, only_in_kafka }
    }
}

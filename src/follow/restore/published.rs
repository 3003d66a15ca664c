//! The records that a topic has of a log, each with the event that it was made of.
//!
//! `restore` reads them, and compares the log with them.

use std::collections::BTreeSet;

use super::Error;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::position::{LogId, Position};
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::sink::{Origin, Repair};

/// A record in a topic, and the event that it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition of the topic.
    pub partition: i32,
    /// The record's offset there.
    pub offset: i64,
    /// The record's key, as text.
    pub key: String,
    /// The event's position in its log.
    pub position: Position,
    /// The event's id.
    pub event_id: EventId,
    /// The event's time; `None` if the record doesn't tell it: a replay or the topic may have
    /// replaced it.
    pub time: Option<Time>,
    /// The record's time, if it is an ERASED event.
    pub erased: Option<Time>,
}

impl PublishedRecord {
    /// Returns whether it was made of this event.
    pub(super) fn is_of(&self, event: &Envelope) -> bool {
        let Envelope { position, event_id, time, .. } = event;
        (self.position, self.event_id) == (*position, *event_id)
            && self.time.is_none_or(|its| its == *time)
    }
}

/// Returns the committed records of a log after a position, in order within each partition. A
/// missing topic has none.
pub(super) async fn published(
    kafka: &dyn Repair,
    topics: &BTreeSet<Topic>,
    log_id: LogId,
    after: Position,
) -> Result<Vec<PublishedRecord>, Error> {
    let mut published = Vec::new();
    for topic in topics {
        let Some(mut reading) = kafka.read_topic(topic, None).await? else { continue };
        while let Some(records) = reading.records.recv().await {
            for record in records? {
                let origin = record.origin();
                let its = |its: &Origin| its.log_id == log_id && its.position > after;
                let Some(origin) = origin.filter(its) else { continue };
                let Origin { position, event_id, replay_id, .. } = origin;
                let own_time = record.own_time_ms().filter(|_| replay_id.is_none());
                let is_erased = record.headers.iter().any(|(name, value)| {
                    name == "type" && value == EventType::Erased.as_str().as_bytes()
                });
                published.push(PublishedRecord {
                    time: own_time.map(Time::from_ms),
                    erased: is_erased.then(|| Time::from_ms(record.time_ms.unwrap_or_default())),
                    topic: topic.clone(),
                    partition: record.partition,
                    offset: record.offset,
                    key: String::from_utf8_lossy(&record.key).into_owned(),
                    position,
                    event_id,
                });
            }
        }
    }
    Ok(published)
}

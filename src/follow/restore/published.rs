//! The records that a topic has of a log, each with the event that it was made of.
//!
//! `restore` reads them, and compares the log with them.

use std::collections::BTreeSet;

use super::{Error, Progress, Report};
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
    /// The record's time: that of the event, or a later one that a replay, the topic or somebody
    /// else who published it again has given it; `None` if it has none.
    pub time: Option<Time>,
    /// Whether the event is an ERASED event.
    pub is_erased: bool,
}

impl PublishedRecord {
    /// Returns whether it was made of this event. A record with an earlier time was made of one
    /// that the log has lost, and that had the same id and position.
    pub(super) fn is_of(&self, event: &Envelope) -> bool {
        let Envelope { position, event_id, time, .. } = event;
        (self.position, self.event_id) == (*position, *event_id)
            && self.time.is_none_or(|its| its >= *time)
    }
}

/// Returns the committed records of a log after a position, in order within each partition. A
/// missing topic has none.
pub(super) async fn published(
    kafka: &dyn Repair,
    topics: &BTreeSet<Topic>,
    (log_id, after): (LogId, Position),
    report: &Report<'_>,
) -> Result<Vec<PublishedRecord>, Error> {
    let mut published = Vec::new();
    for topic in topics {
        let Some(mut reading) = kafka.read_topic(topic, None).await? else { continue };
        let (mut read, all) = (0, reading.offsets());
        while let Some(records) = reading.records.recv().await {
            let records = records?;
            read += records.len() as u64;
            report(Progress::Topic(topic, read, all));
            for record in records {
                let origin = record.origin();
                let its = |its: &Origin| its.log_id == log_id && its.position > after;
                let Some(Origin { position, event_id, .. }) = origin.filter(its) else { continue };
                let is_erased = record.headers.iter().any(|(name, value)| {
                    name == "type" && value == EventType::Erased.as_str().as_bytes()
                });
                published.push(PublishedRecord {
                    time: record.time_ms.map(Time::from_ms),
                    is_erased,
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

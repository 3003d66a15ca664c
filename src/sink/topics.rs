//! Topics as a sink has them, beside what the tenants' files say.
//!
//! Made by the adapters; read by whoever warns of a difference, or wants to know when a record is
//! taken and how long it is kept.

use super::Names;
use crate::domain::topic::TopicSpec;

/// How far ahead of the brokers' clock Kafka takes a record by default.
const AHEAD_MS_DEFAULT: i64 = 3_600_000;

/// A topic as the sink has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicDescription {
    /// How many partitions it has.
    pub partitions: usize,
    /// How long it keeps a record; `None`: for ever, or as long as its key has no newer one.
    pub retention_ms: Option<i64>,
    /// How old a record may be when it comes; `None`: as old as it likes.
    pub age_ms_max: Option<i64>,
    /// How far ahead of the brokers' clock a record may be.
    pub ahead_ms: Option<i64>,
}

impl TopicDescription {
    /// Tells how the topic in the sink of these names differs from what the tenants' files say;
    /// `None` if it does not.
    pub fn differs(&self, spec: &TopicSpec, names: Names) -> Option<String> {
        let ms = |retention: Option<i64>| {
            retention.map_or("for ever".to_owned(), |ms| format!("{ms} ms"))
        };
        let by_file = Some(spec.retention_ms).filter(|ms| *ms >= 0 && !spec.compacted);
        let mut all = Vec::new();
        if self.partitions != usize::from(spec.partitions) {
            all.push(format!(
                "it has {} partitions, the file says {}",
                self.partitions, spec.partitions
            ));
        }
        if self.retention_ms != by_file {
            all.push(format!(
                "it keeps records {}, the file says {}",
                ms(self.retention_ms),
                ms(by_file)
            ));
        }
        (!all.is_empty()).then(|| {
            format!(
                "{} has the topic otherwise, and the gateway changes no topic that is there: {}",
                names.sink,
                all.join("; ")
            )
        })
    }

    /// Returns how far ahead of the brokers' clock a record may be; Kafka's default if nobody says.
    pub fn ahead_ms_max(&self) -> i64 {
        self.ahead_ms.unwrap_or(AHEAD_MS_DEFAULT)
    }
}

//! Topics as a sink has them, to be compared with the tenants' files.
//!
//! The adapters describe topics; `follow` and `topics list` warn of differences, and learn when a
//! record is taken and how long it is kept.

use super::Names;
use crate::domain::topic::TopicSpec;

/// The time that a record may be ahead of the brokers' clock by Kafka's default.
const AHEAD_MS_DEFAULT: i64 = 3_600_000;

/// A topic as the sink has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicDescription {
    /// The number of its partitions.
    pub partitions: usize,
    /// The time for which it keeps a record; `None` stands for ever, or until its key has a newer
    /// one.
    pub retention_ms: Option<i64>,
    /// The greatest age of a record that it takes; `None` stands for any age.
    pub age_ms_max: Option<i64>,
    /// The time that a record may be ahead of the brokers' clock.
    pub ahead_ms: Option<i64>,
}

impl TopicDescription {
    /// Describes how the topic in the sink of these names differs from the tenants' files; `None`
    /// if it does not.
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
                "{} has the topic with other settings, and the gateway does not change existing \
                 topics: {}",
                names.sink,
                all.join("; ")
            )
        })
    }

    /// Returns the time that a record may be ahead of the brokers' clock; Kafka's default if it is
    /// not set.
    pub fn ahead_ms_max(&self) -> i64 {
        self.ahead_ms.unwrap_or(AHEAD_MS_DEFAULT)
    }
}

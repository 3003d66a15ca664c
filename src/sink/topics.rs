//! Topics as a sink has them, to be compared with the tenants' files.
//!
//! The adapters describe topics; `follow` and the subcommands of `topics` tell differences, and
//! learn when a record is taken and how long it is kept.

use std::fmt;

use super::Names;
use crate::domain::topic::TopicSpec;

/// The time that a record may be ahead of the brokers' clock by Kafka's default.
const AHEAD_MS_DEFAULT: i64 = 3_600_000;
/// The replicas that must have a record, of three or more, so that no broker's death loses it.
const IN_SYNC_MIN: usize = 2;

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
    /// Kafka's `cleanup.policy`; `None` if the sink has no such setting.
    pub cleanup_policy: Option<String>,
    /// Kafka's `compression.type`; `None` if the sink has no such setting.
    pub compression: Option<String>,
    /// The replicas of its partitions; `None` if the sink doesn't tell them.
    pub replicas: Option<Replicas>,
    /// The least number of replicas that must have a record before it counts as written; `None` if
    /// the sink has no such setting.
    pub min_in_sync: Option<usize>,
}

/// The replicas of a topic's partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// The number of replicas of the partition that has the fewest.
    pub factor: usize,
    /// The number of replicas in sync of the partition that has the fewest.
    pub in_sync: usize,
}

/// A setting of topics, by which they may differ from the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicSetting {
    /// The number of partitions.
    Partitions,
    /// Kafka's `retention.ms`.
    Retention,
    /// Kafka's `cleanup.policy`.
    CleanupPolicy,
    /// Kafka's `compression.type`.
    Compression,
    /// The number of replicas of each partition.
    ReplicationFactor,
    /// Kafka's `min.insync.replicas`.
    MinInSync,
}

impl TopicSetting {
    /// Returns the setting's name in Kafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partitions => "partitions",
            Self::Retention => "retention.ms",
            Self::CleanupPolicy => "cleanup.policy",
            Self::Compression => "compression.type",
            Self::ReplicationFactor => "replication.factor",
            Self::MinInSync => "min.insync.replicas",
        }
    }
}

/// A setting that a topic has otherwise than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting.
    pub setting: TopicSetting,
    /// The value that it should have, as Kafka writes it.
    pub wanted: String,
    /// The value that it has, as Kafka writes it.
    pub found: String,
}

impl Difference {
    fn new(setting: TopicSetting, wanted: impl ToString, found: impl ToString) -> Self {
        Self { setting, wanted: wanted.to_string(), found: found.to_string() }
    }

    /// Returns whether the topic should keep records for a shorter time than it does.
    pub fn is_shorter(&self) -> bool {
        let ms = |text: &str| text.parse().ok().filter(|ms: &i64| *ms >= 0).unwrap_or(i64::MAX);
        ms(&self.wanted) < ms(&self.found)
    }

    /// Returns the difference of a `min.insync.replicas` that does not fit the replicas: with three
    /// or more a record must be on two, and it can never be on more than there are.
    pub fn of_min_in_sync(replicas: Replicas, min_in_sync: usize) -> Option<Self> {
        let most = replicas.factor.saturating_sub(1).max(1);
        let wanted = match replicas.factor {
            factor if min_in_sync > factor => most.min(IN_SYNC_MIN),
            3.. if min_in_sync < IN_SYNC_MIN => IN_SYNC_MIN,
            _ => return None,
        };
        Some(Self::new(TopicSetting::MinInSync, wanted, min_in_sync))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, wanted, found } = self;
        let kept = |ms: &str| if ms == "-1" { "for ever".to_owned() } else { format!("{ms} ms") };
        match setting {
            TopicSetting::Partitions => {
                write!(f, "it has {found} partitions, the file says {wanted}")
            }
            TopicSetting::Retention => {
                write!(f, "it keeps records {}, the file says {}", kept(found), kept(wanted))
            }
            TopicSetting::CleanupPolicy | TopicSetting::Compression => {
                write!(f, "it has {}={found}, the file says {wanted}", setting.name())
            }
            TopicSetting::ReplicationFactor => {
                write!(f, "it has {found} replicas, and should have {wanted}")
            }
            TopicSetting::MinInSync => {
                write!(f, "it has min.insync.replicas={found}, and should have {wanted}: ")?;
                let is_more = found.parse::<usize>().ok() > wanted.parse().ok();
                f.write_str(match is_more {
                    true => "so many replicas don't exist, and no record can be written",
                    false => "a record counts as written that the death of one broker loses",
                })
            }
        }
    }
}

impl TopicDescription {
    /// Returns how the topic differs from the tenants' files, and from a replication factor if one
    /// is given.
    pub fn differences(&self, spec: &TopicSpec, replication: Option<usize>) -> Vec<Difference> {
        let mut all = Vec::new();
        let mut differ = |setting, wanted: String, found: String| {
            if wanted != found {
                all.push(Difference::new(setting, wanted, found));
            }
        };
        let partitions = (spec.partitions.to_string(), self.partitions.to_string());
        differ(TopicSetting::Partitions, partitions.0, partitions.1);
        let by_file = Some(spec.retention_ms).filter(|ms| *ms >= 0 && !spec.compacted);
        let ms = |retention: Option<i64>| retention.unwrap_or(-1).to_string();
        differ(TopicSetting::Retention, ms(by_file), ms(self.retention_ms));
        if let Some(found) = &self.cleanup_policy {
            let wanted = if spec.compacted { "compact" } else { "delete" };
            differ(TopicSetting::CleanupPolicy, wanted.to_owned(), found.clone());
        }
        if let (Some(wanted), Some(found)) = (spec.compression, &self.compression) {
            differ(TopicSetting::Compression, wanted.as_kafka().to_owned(), found.clone());
        }
        all.extend(self.durability(replication));
        all
    }

    /// Returns how the topic's replicas differ from a replication factor, if one is given, and from
    /// what no death of a broker harms.
    pub fn durability(&self, replication: Option<usize>) -> Vec<Difference> {
        let Some(replicas) = self.replicas else { return Vec::new() };
        let factor = replication.filter(|wanted| *wanted != replicas.factor).map(|wanted| {
            Difference::new(TopicSetting::ReplicationFactor, wanted, replicas.factor)
        });
        let min = self.min_in_sync.and_then(|min| Difference::of_min_in_sync(replicas, min));
        factor.into_iter().chain(min).collect()
    }

    /// Describes how the topic in the sink of these names differs from the tenants' files; `None`
    /// if it does not.
    pub fn differs(&self, spec: &TopicSpec, names: Names) -> Option<String> {
        let all: Vec<_> = self.differences(spec, None).iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| {
            format!(
                "{} has the topic with other settings, and the gateway does not change existing \
                 topics by itself (`topics diff` lists them): {}",
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

#[cfg(test)]
mod tests {
    use super::{Difference, Replicas};

    #[test]
    fn a_record_must_be_on_two_of_three_replicas_and_can_be_on_no_more_than_there_are() {
        for (factor, min_in_sync, wanted) in [
            (1, 1, None),
            (2, 1, None),
            (2, 2, None),
            (3, 1, Some("2")),
            (3, 2, None),
            (3, 3, None),
            (5, 1, Some("2")),
            (1, 2, Some("1")),
            (2, 3, Some("1")),
            (3, 4, Some("2")),
        ] {
            let found = Difference::of_min_in_sync(Replicas { factor, in_sync: 1 }, min_in_sync);
            assert_eq!(
                found.map(|it| it.wanted),
                wanted.map(str::to_owned),
                "{factor} {min_in_sync}"
            );
        }
    }
}

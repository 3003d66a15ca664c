//! Records of another log in the topics of a tenant that is purged: a store that was put back to
//! within a purge knows nothing of the log that came after it, so Kafka has what is left of that.

use super::Inner;
use super::topic_reader::TopicReader;
use crate::domain::position::LogId;
use crate::domain::topic::Topic;
use crate::sink::{Error, PurgedLogs, TopicRecord, another_log};

/// The most by which the clocks of replicas differ, so that a record of another log may seem to be
/// from before the purge.
const CLOCKS_DIFFER_MS: i64 = 600_000;

/// Returns an error if one of the topics has a record of another log than those.
pub(super) fn refuse(kafka: &Inner, topics: &[Topic], logs: &PurgedLogs) -> Result<(), Error> {
    for topic in topics {
        let since = logs.began.before(CLOCKS_DIFFER_MS);
        let Some(reader) = TopicReader::open(kafka, topic, Some(since))? else { continue };
        let other = |record: &TopicRecord| log_id(record).filter(|id| !logs.ids.contains(id));
        if let Some(log_id) = reader.find(other)? {
            return Err(another_log(&format!("the topic {topic}"), &log_id.to_string()));
        }
    }
    Ok(())
}

/// Returns the log that a record names; others than the gateway's name none.
fn log_id(record: &TopicRecord) -> Option<LogId> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == "log_id")?;
    LogId::parse(std::str::from_utf8(value).ok()?).ok()
}

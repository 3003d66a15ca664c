//! The port's `Erasures`: the requests to forget a record, and the emptying of its events.
//!
//! Operators add erasures; `follow::erasure` carries them out step by step. One step empties a few
//! events, and the last one appends the ERASED events too, in one transaction. Always true: once an
//! ERASED event is in the log, no earlier event of its record has content; an event keeps its
//! position, id, type, key and time.

use async_trait::async_trait;

use super::columns::{Columns, unreadable};
use super::expansions::appended;
use super::{Error, Outcome};
use crate::domain::draft::Draft;
use crate::domain::erasure::{Erasure, ErasureId, Progress};
use crate::domain::key::Key;
use crate::domain::known_topic::{KnownTopic, TopicUse};
use crate::domain::position::Position;
use crate::domain::replay::ReplayId;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;

/// A step of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureStep {
    /// The erasure, as it was read.
    pub erasure: Erasure,
    /// The most events that it empties.
    pub events_max: usize,
    /// The ERASED events, which are appended if fewer events were left to empty.
    pub erased: Vec<Draft>,
}

/// A topic that was noted of an entity or process event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedTopic {
    /// The tenant that has it, or has had it.
    pub tenant: TenantId,
    /// The entity or process event.
    pub subject: Subject,
    /// The topic.
    pub topic: Topic,
}

impl NotedTopic {
    /// Returns the columns of its row.
    pub(super) fn texts(&self) -> [&str; 3] {
        [self.tenant.as_str(), self.subject.as_str(), self.topic.as_str()]
    }
}

/// The erasures, and the topics in which a record's events may be.
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Notes topics that a tenant's entities and process events have. What was noted before stays.
    async fn note_topics(
        &self,
        tenant: &TenantId,
        topics: &[(Subject, Topic)],
    ) -> Result<(), Error>;

    /// Returns every topic that was noted of an entity or process event, in order.
    async fn topics_of(&self, tenant: &TenantId, subject: &Subject) -> Result<Vec<Topic>, Error>;

    /// Returns every topic that was noted of any entity or process event of a tenant, in order.
    async fn all_topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error>;

    /// Returns topics that were noted of any tenant, by tenant, subject and topic: at most so many,
    /// after one of them or from the first on.
    async fn noted_topics(
        &self,
        after: Option<&NotedTopic>,
        max: usize,
    ) -> Result<Vec<NotedTopic>, Error>;

    /// Returns the topics whose names are to Kafka the same as one of `topics`, of all tenants that
    /// have a log or are being purged, in one read. One that was noted is returned once, with
    /// another tenant than `tenant` if another has it; the target of a replay once for each tenant,
    /// with its last replay. So there are never many, whatever the number of tenants.
    async fn known_topics(
        &self,
        tenant: &TenantId,
        topics: &[Topic],
    ) -> Result<Vec<KnownTopic>, Error>;

    /// Adds an erasure. Returns `false` and does nothing if its record has one whose ERASED events
    /// are not appended yet, which takes the same events, or if the tenant has no log.
    async fn add_erasure(&self, erasure: &Erasure, by: Option<&TrailEntry>) -> Result<bool, Error>;

    /// Returns a tenant's erasures, newest first.
    async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, Error>;

    /// Returns the erasure with this id.
    async fn find_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
    ) -> Result<Option<Erasure>, Error>;

    /// Returns the erasures of all tenants that are in progress, oldest first of each tenant.
    async fn open_erasures(&self) -> Result<Vec<Erasure>, Error>;

    /// Does a step. Does nothing once the ERASED events were appended. Returns how many events were
    /// emptied.
    async fn erase(&self, step: &ErasureStep) -> Result<u64, Error>;

    /// Completes an erasure whose ERASED events were appended. Returns whether it was in progress.
    async fn complete_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
        at: Time,
    ) -> Result<bool, Error>;

    /// Drops at most `max` erasures that were completed before a time. Returns how many.
    async fn drop_erasures(&self, before: Time, max: usize) -> Result<u64, Error>;

    /// Takes what was emptied out of the files that the store uses, as far as it can. Returns
    /// `false` if something holds it up for now.
    async fn scrub(&self) -> Result<bool, Error> {
        Ok(true)
    }
}

/// Returns the names of topics as Kafka compares them.
pub(super) fn folded(topics: &[Topic]) -> Vec<String> {
    topics.iter().map(Topic::folded).collect()
}

/// Reads a topic that was noted from its row.
pub(super) fn noted(row: &(impl Columns + ?Sized)) -> Result<NotedTopic, Error> {
    let subject = Subject::from_column(row.text("subject")?);
    Ok(NotedTopic { tenant: row.tenant()?, subject, topic: row.topic()? })
}

/// Reads a topic that the store knows from its row: `replay` is null if it was noted.
pub(super) fn known(row: &(impl Columns + ?Sized)) -> Result<KnownTopic, Error> {
    let usage = match row.text_if_any("replay")? {
        None => TopicUse::Events,
        Some(_) => TopicUse::Target(row.noun("replay", ReplayId::parse)?),
    };
    Ok(KnownTopic { topic: row.topic()?, tenant: row.tenant()?, usage })
}

/// Returns the value of a column of topics.
pub(super) fn topics_as_column(topics: &[Topic]) -> String {
    let topics: Vec<_> = topics.iter().map(Topic::as_str).collect();
    serde_json::to_string(&topics).expect("strings are JSON")
}

/// Reads an erasure from its row.
pub(super) fn erasure(row: &(impl Columns + ?Sized)) -> Result<Erasure, Error> {
    let topics: Vec<String> = row.noun("topics", |text| serde_json::from_str(text))?;
    let topics = topics.iter().map(|topic| Topic::parse(topic)).collect::<Result<_, _>>();
    Ok(Erasure {
        id: row.noun("id", ErasureId::parse)?,
        tenant: row.tenant()?,
        subject: Subject::from_column(row.text("subject")?),
        key: row.noun("key", Key::parse)?,
        reason: row.text("reason")?.to_owned(),
        topics: topics.map_err(|error| unreadable("topics", error))?,
        submitted: Time::from_ms(row.integer("submitted_ms")?),
        progress: Progress {
            events: row.count("events")?,
            erased_to: Position::from_column(row.integer("erased_to")?),
            last: row.position_if_any("last")?,
            completed: row.integer_if_any("completed_ms")?.map(Time::from_ms),
        },
    })
}

/// Returns the position of the last ERASED event that a step has appended.
pub(super) fn last_appended(step: &ErasureStep, outcomes: &[Outcome]) -> Result<Position, Error> {
    let Erasure { tenant, id, .. } = &step.erasure;
    let last = appended(outcomes).map(|appended| appended.last);
    last.ok_or_else(|| {
        Error::Refused(format!(
            "erasure {id} of tenant `{tenant}` can't be carried out: the id of its ERASED event is \
             in use for another event"
        ))
    })
}

//! The broker: where records go. The port, and the two that are spoken.
//!
//! Fed by `follow` with sealed events; `kafka` publishes pages exactly once, `embedded` shows
//! records to whoever tries the gateway without a Kafka.

mod embedded;
mod kafka;
mod record;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::ledger::Ledger;
use crate::domain::parked::Ended;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Topic, TopicSpec};

pub use kafka::Config as KafkaConfig;

/// Why a page or a topic was refused: a closed list by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The broker is away or busy: take over again after a while.
    #[error("{0}")]
    Retry(String),
    /// The cluster has too few brokers for any new topic: take over again after a while.
    #[error("{0}: no topic can be created")]
    TooFewBrokers(String),
    /// Topics of the page take nothing just now: leave them out for a while.
    #[error("{} just now", unwritable(.0))]
    Unavailable(Vec<UnavailableTopic>),
    /// A record's time is too far from Kafka's own; which one is unknown: send less at a time, then
    /// wait.
    #[error("a record's time is too far from Kafka's: {0}")]
    Early(String),
    /// A record of the page was refused; which one is unknown: send less at a time.
    #[error("a record was refused: {0}")]
    Isolate(String),
    /// A topic is refused: the others may pass.
    #[error("the topic {0} is refused: {1}")]
    Topic(Topic, String),
    /// Another producer has this lane: it is lost.
    #[error("the lane was taken by another producer: {0}")]
    Fenced(String),
    /// The cluster refuses the gateway: credentials or rights are wrong.
    #[error("the broker denies access: {0}")]
    Denied(String),
    /// Kafka's client refuses a setting, or the cluster has nothing that it asks for.
    #[error("{0}")]
    Setting(String),
    /// The cursors topic isn't as it must be: stop and say how to repair.
    #[error("the cursors topic is unusable: {0}")]
    Cursors(String),
}

impl Error {
    /// Whether only an operator can set it right, so that trying again soon is of no use.
    pub fn is_for_an_operator(&self) -> bool {
        matches!(self, Self::Cursors(_) | Self::Denied(_) | Self::Setting(_))
    }
}

/// A topic that can take nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableTopic {
    /// Which.
    pub topic: Topic,
    /// Why, as the cluster tells it.
    pub why: String,
}

fn unwritable(topics: &[UnavailableTopic]) -> String {
    let each = topics.iter().map(|u| format!("the topic {} takes nothing: {}", u.topic, u.why));
    each.collect::<Vec<_>>().join("; ")
}

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicDescription {
    /// How many partitions.
    pub partitions: usize,
    /// How long it keeps a record; `None`: for ever, or as long as its key has no newer one.
    pub retention_ms: Option<i64>,
    /// How old a record may be when it comes; `None`: as old as it likes.
    pub age_ms_max: Option<i64>,
    /// How far ahead of the brokers' clock a record may be.
    pub ahead_ms: Option<i64>,
}

impl TopicDescription {
    /// Tells how the topic differs from what the tenants' files say; `None` if it does not.
    pub fn differs(&self, spec: &TopicSpec) -> Option<String> {
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
                "Kafka has the topic otherwise, and the gateway changes no topic that is there: {}",
                all.join("; ")
            )
        })
    }

    /// How far ahead of the brokers' clock a record may be; Kafka's default if nobody says.
    pub fn ahead_ms_max(&self) -> i64 {
        self.ahead_ms.unwrap_or(3_600_000)
    }
}

/// One tenant's part of a page.
#[derive(Debug, Clone)]
pub struct PageSlice {
    /// Whose log.
    pub tenant: TenantId,
    /// Records to send, in order of position; may be none: the cursor moves all the same.
    pub events: Vec<Envelope>,
    /// Where the follower stands once the page is committed.
    pub cursor: Cursor,
    /// The parking that is proved with the cursor.
    pub proof: ParkingProof,
}

/// The parking of a log, as a cursor's record tells it: by it a store that has lost some is found
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParkingProof {
    /// The store's ledger when the page was made: a whole store has this one or a later one.
    pub ledger: Ledger,
    /// How the parked scope that the follower is named after has ended, in its last record.
    pub ended: Option<Ended>,
}

/// A cursor, and the parking that was proved with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCursor {
    /// Where the follower stands.
    pub cursor: Cursor,
    /// The parking at that time.
    pub proof: ParkingProof,
}

/// Records and cursors that are committed together, or not at all.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whose cursors.
    pub follower: Follower,
    /// One per tenant.
    pub slices: Vec<PageSlice>,
}

/// The cursors of a lane, as its partition of the cursors topic tells them.
pub type KnownCursors = HashMap<(LogId, Follower), KnownCursor>;

/// The newest ledger of each log that its cursors prove.
pub fn ledgers(known: &KnownCursors) -> HashMap<LogId, Ledger> {
    let mut newest: HashMap<LogId, Ledger> = HashMap::new();
    for ((log_id, _), KnownCursor { proof, .. }) in known {
        let ledger = newest.entry(*log_id).or_default();
        if proof.ledger.number > ledger.number {
            *ledger = proof.ledger;
        }
    }
    newest
}

/// A topic that somebody gave more partitions: its keys may stand in others than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionsGrown {
    /// Which.
    pub topic: Topic,
    /// How many partitions it had when it was first seen.
    pub before: usize,
    /// How many it has.
    pub now: usize,
}

/// A record that stands in a topic, and the event that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRecord {
    /// Which topic.
    pub topic: Topic,
    /// Which partition of it.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// The record's key, as text.
    pub key: String,
    /// The event's place in its log.
    pub position: Position,
    /// The event's id.
    pub event_id: EventId,
}

/// A lane that nobody else can publish on any more.
pub struct TakenOver {
    /// The only producer of this lane.
    pub publisher: Box<dyn Publisher>,
    /// Read after the fence, to the end.
    pub cursors: KnownCursors,
}

/// A broker with transactions.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Takes a lane over: a new producer under the lane's transactional id, which fences whoever
    /// had it, then the lane's cursors. Creates and verifies the cursors topic the first time.
    async fn take_over(&self, lane: Lane) -> Result<TakenOver, Error>;

    /// Creates the topics that are missing; existing ones stay as they are. What was seen within
    /// the last 5 s isn't asked again.
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error>;

    /// These topics as the cluster has them; one that is missing is left out.
    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, TopicDescription>, Error>;

    /// Topics that have more partitions than when they were first seen. They are looked at when
    /// they are ensured.
    fn partitions_grown(&self) -> Vec<PartitionsGrown>;

    /// A lane's cursors, as they are just now: without a fence, a page that is under way may change
    /// them.
    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error>;

    /// What these topics have of a log behind a position, committed, by partition in order. A topic
    /// that is missing has nothing.
    async fn topic_scan(
        &self,
        topics: &[Topic],
        log_id: LogId,
        behind: Position,
    ) -> Result<Vec<PublishedRecord>, Error>;

    /// Gives the cursors topic a partition for each of so many lanes, if it is there and has fewer.
    /// Tells how many it has then, or is to have.
    async fn add_partitions(&self, lanes: u16) -> Result<u16, Error>;

    /// Whether it answers.
    async fn check(&self) -> Result<(), Error>;
}

/// The one producer of a lane.
#[async_trait]
pub trait Publisher: Send {
    /// Publishes a page in one transaction: all records and cursors, or none. An error takes the
    /// producer with it: after one, its state can't be trusted.
    async fn publish(self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error>;

    /// Removes cursors from the lane's partition, all or none.
    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error>;

    /// Whether a new one would cost less: this one carries too much of what it has sent long ago.
    /// It works none the less.
    fn should_recycle(&mut self) -> bool;
}

/// The embedded broker: memory only, for trying and for tests.
#[async_trait]
pub trait Preview: Send + Sync {
    /// `host:port` for Kafka clients.
    fn address(&self) -> &str;

    /// Creates the topics that are missing.
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error>;

    /// Sends records in order, and returns once the broker has them.
    async fn send(&self, events: Vec<Envelope>) -> Result<(), Error>;

    /// Returns when the broker has ended, which it does not unasked.
    async fn ended(&self);
}

/// Which broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// The in-process one.
    Embedded,
    /// None: events are followed over HTTP alone.
    None,
    /// A real Kafka.
    Kafka(KafkaConfig),
}

/// The broker that was asked for.
#[derive(Clone)]
pub enum Opened {
    /// The in-process one, running.
    Embedded(Arc<dyn Preview>),
    /// None.
    None,
    /// A real Kafka, which may well be away.
    Kafka(Arc<dyn Sink>),
}

/// Opens the broker. A Kafka that is away is no error; settings that librdkafka refuses are.
pub fn open(config: &Config) -> Result<Opened, Error> {
    Ok(match config {
        Config::Embedded => Opened::Embedded(Arc::new(embedded::Embedded::start()?)),
        Config::None => Opened::None,
        Config::Kafka(kafka) => Opened::Kafka(Arc::new(kafka::Kafka::new(kafka.clone())?)),
    })
}

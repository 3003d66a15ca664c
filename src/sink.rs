//! Sinks: the places that a log's pages are published to. This file is the port and its contract;
//! the adapters are its children, and no other file names them.
//!
//! The lanes of `follow` publish pages of sealed events; consumers read them from the sink.
//!
//! # A page and its cursors
//!
//! ```text
//!              committed pages                     the next page
//! log   ──1──2──3──4──5──6──7──┊──8──9──10──11──┊──12──13── …     one log, by position
//!                              ▲                ▲
//!                     cursor of the sink        cursor of the page: the last position scanned,
//!                     after the last page       whether its event is sent, parked or filtered
//!
//! page  = { follower, slices: [ { tenant, events 8 9 11, cursor 11, proof } , … ] }
//! ```
//!
//! - **A sink owns its cursors.** They stand in the sink, keyed by (log, follower), and are written
//!   in the same atomic step as the records of the page: one transaction, or one batch that the
//!   sink takes whole. So a cursor is never ahead of its records, and never lags behind them.
//! - **All or nothing.** After an error, and after a crash, the sink has the whole page with all of
//!   its cursors, or nothing that a reader of committed records can see. Which of the two, only
//!   [`Sink::take_over`] tells: an error of [`Publisher::publish`] does not.
//! - **One publisher a lane.** `take_over` fences the lane's earlier holder before it reads the
//!   cursors: from then on, nothing that an earlier publisher of that lane sends is committed. A
//!   lease only decides which replica works; the fence makes a zombie harmless.
//! - **In order.** The events of a slice are sent in order of position, and a record of the same
//!   (topic, key) is read after those of earlier positions.
//!
//! Three numbers only rise: the cursor of a (log, follower), until [`Publisher::forget`] removes
//! it; the number of the parking ledger that a cursor carries; the term that a lane is taken over
//! with. The gateway itself never lowers a cursor. A lane that finds one gone or lowered stops, and
//! `restore` compares the log with the sink.
//!
//! # Errors
//!
//! `publish` consumes its publisher, and an error does not give it back, so the type itself
//! enforces that a failed publisher is dropped. The page may be committed all the same. An
//! [`Error`] asks for this:
//!
//! | error         | the lane                              | the operator                 |
//! |---------------|---------------------------------------|------------------------------|
//! | `Retry`       | takes over again, after up to 2 s     | sees to the sink if it lasts |
//! | `Unavailable` | holds back the tenants of the topics, | brings the leaders and       |
//! |               | and asks again after 1 s to 30 s      | replicas back that it names  |
//! | `Isolate`     | halves the page until a record is     | reads `GET /parked`, or sets |
//! |               | alone; parks its key, or waits until  | the clock right that the     |
//! |               | it is no longer too early             | message names                |
//! | `Topic`       | parks the topic; the others go on     | grants or names the topic,   |
//! |               |                                       | then releases it             |
//! | `Fenced`      | gives the lane back                   | nothing; if it recurs, gives |
//! |               |                                       | each store its own `ENV`     |
//! | `Stop`        | pauses, and tries again each 30 s     | does what the message says   |
//!
//! An adapter that doesn't know an error says `Retry`: nothing is ever parked for an error that
//! might pass.
//!
//! # Writing the next sink
//!
//! A sink is a folder `sink/<name>/`, a variant of [`Config`], a line in [`open`], and one in
//! `config`, which adds it to the list of sinks.
//!
//! 1. **Choose the atomic step** in which records and cursors are written together. Without
//!    transactions: store the position with each record, have the sink refuse what it has (an
//!    upsert that only a newer position replaces, or deduplication by event id), and read the
//!    cursor back at takeover from what is there.
//! 2. **Fence in `take_over`**, before the cursors are read. A sink with fencing of its own uses
//!    that (Kafka: the transactional id and a mark); any other writes the lease's `term`, refuses
//!    one that is lower than the one it has, and carries it with each page, so that a page of a
//!    lower term is refused by the sink itself, not by a look before it.
//! 3. **Name the follower** (`Follower::parse("hexkit")`). Cursors, checkpoints, parked rows,
//!    health and lag go by that name; `relay` is the broker's. Give it [`Names`] that an operator
//!    knows: only the adapter may speak of Kafka.
//! 4. **Classify errors** by the table above in one file, with a test of each code.
//! 5. **Topics**: `ensure` may be repeated at any time and changes nothing that is there. A sink
//!    that has no topics says so ([`Sink::has_topics`]), answers `ensure` with `Ok`, and describes
//!    each one as the default.
//! 6. **Never block** the async threads, and bound every call.
//! 7. **Run the contract** in `tests/it` on it: it is the same for all sinks.

mod config;
mod consumer_groups;
mod error;
#[cfg(feature = "mongodb")]
mod hexkit;
mod kafka;
mod page;
mod record;
mod repair;
mod topic_admin;
mod topic_record;
mod topics;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::{Topic, TopicSpec};

pub use config::{Config, HexkitConfig, Mark};
pub use consumer_groups::{ConsumerGroup, ConsumerGroups, GroupOffsets};
pub use error::{Error, RecordCause, RetryCause, StopCause, UnavailableTopic};
pub use kafka::Config as KafkaConfig;
pub use page::{KnownCursor, KnownCursors, Page, PageSlice, ParkingProof, ledgers};
pub use repair::{PartitionsGrown, Repair};
pub use topic_admin::TopicAdmin;
pub use topic_record::{Origin, PartitionRange, TopicReading, TopicRecord};
pub use topics::{Difference, Replicas, TopicDescription, TopicSetting};

/// A place that pages are published to, with cursors of its own.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Returns the follower of this sink's live pages, whose cursor tells how far the sink is. No
    /// two sinks have the same.
    fn follower(&self) -> &Follower;

    /// Returns the words for this sink in messages.
    fn names(&self) -> Names;

    /// Returns the place of the sink, for messages; without credentials.
    fn place(&self) -> String;

    /// Returns whether the sink has topics, with settings that may differ from the tenants' files.
    /// If not, a topic is only a name that its records carry.
    fn has_topics(&self) -> bool;

    /// Takes a lane over: fences the earlier holder, then reads the lane's cursors to their end.
    /// `term` is the term of the caller's lease, and only rises. The first call creates and
    /// verifies what the sink needs for its cursors.
    async fn take_over(&self, lane: Lane, term: u64) -> Result<TakenOver, Error>;

    /// Reads a lane's cursors as they are now. The lane is not fenced, so a page that is under way
    /// may change them.
    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error>;

    /// Creates the topics that are missing; existing ones stay as they are. If one is refused, the
    /// others are created all the same. A topic that was seen within the last 5 s is not asked for
    /// again.
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error>;

    /// Describes the topics as the sink has them; one that is missing is left out.
    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, TopicDescription>, Error>;

    /// Removes what the sink has of a tenant that is purged, once its lane has passed the purge:
    /// the topics that are the tenant's own, or its documents. What is missing is no error. The
    /// records in a topic that several tenants share stay, as long as the topic keeps them.
    async fn remove_tenant(&self, tenant: &TenantId, topics: &TenantTopics) -> Result<(), Error>;

    /// Asks whether the sink answers.
    async fn check(&self) -> Result<(), Error>;
}

/// The topics that a tenant's entities and process events have, or have had, and the targets of its
/// replays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantTopics {
    /// Those that have nobody else's records.
    pub own: Vec<Topic>,
    /// Those that several tenants share.
    pub shared: Vec<Topic>,
    /// The logs that are purged: nothing is removed as long as there is anything of another one,
    /// which the store has lost; `None` stands for any.
    pub logs: Option<PurgedLogs>,
}

/// The logs that a purge ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedLogs {
    /// Their ids.
    pub ids: BTreeSet<LogId>,
    /// The time at which the purge began. Records of another log are later, but for the difference
    /// of clocks.
    pub began: Time,
}

/// Makes the error of a sink that keeps what it has of a purged tenant, since some of it is of a
/// log that the store does not know.
pub fn another_log(place: &str, log_id: &str) -> Error {
    Error::denied(format!(
        "{place} has events of log {log_id}, which the store does not know: it was put back to a \
         time before that log. To remove them too, ask for the purge again, with force"
    ))
}

/// The words for a sink in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// The sink, such as `Kafka`.
    pub sink: &'static str,
    /// The place of its cursors, such as `the cursors topic`.
    pub cursors: &'static str,
}

/// A lane on which no earlier holder can publish any more.
pub struct TakenOver {
    /// The only publisher of this lane.
    pub publisher: Box<dyn Publisher>,
    /// The lane's cursors, read to the end after the earlier holder was fenced.
    pub cursors: KnownCursors,
}

/// The one publisher of a lane. After an error it is gone, since its state can't be trusted.
#[async_trait]
pub trait Publisher: Send {
    /// Publishes a page in one atomic step: all of its records and cursors, or nothing.
    async fn publish(self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error>;

    /// Removes cursors of the lane: all of them, or none.
    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error>;

    /// Returns whether a new publisher would cost less than this one, which keeps too much state of
    /// topics that it no longer sends to. It still works.
    fn should_recycle(&mut self) -> bool;
}

/// All sinks that the configuration asks for, opened.
#[derive(Clone, Default)]
pub struct Sinks {
    /// The sinks; each lane publishes to all of them.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// The repair of Kafka, if that is a sink.
    pub repair: Option<Arc<dyn Repair>>,
}

impl Sinks {
    /// Adds Kafka, with its repair.
    #[must_use]
    pub fn with_kafka(mut self, kafka: Arc<dyn Repair>) -> Self {
        self.repair = Some(kafka.clone());
        self.with(kafka)
    }

    /// Adds a sink.
    #[must_use]
    pub fn with(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Returns the followers of all sinks.
    pub fn followers(&self) -> Vec<Follower> {
        self.sinks.iter().map(|sink| sink.follower().clone()).collect()
    }

    /// Returns the broker's sink, whose cursor tells what is *published*.
    pub fn broker(&self) -> Option<&Arc<dyn Sink>> {
        let relay = Follower::relay();
        self.sinks.iter().find(|sink| *sink.follower() == relay)
    }
}

/// Checks the settings of a sink without it: nothing is connected to or started.
pub fn check_settings(config: &Config) -> Result<(), Error> {
    match config {
        #[cfg(feature = "mongodb")]
        Config::Hexkit(hexkit) => hexkit::Hexkit::new(hexkit.clone()).map(drop),
        #[cfg(not(feature = "mongodb"))]
        Config::Hexkit(_) => Err(left_out()),
        Config::Kafka(kafka) => kafka::check_settings(kafka),
    }
}

/// Opens everything that the settings ask for. A sink that is away is no error; settings that a
/// sink's client refuses are.
pub fn open(configs: &[Config]) -> Result<Sinks, Error> {
    configs.iter().try_fold(Sinks::default(), |sinks, config| {
        Ok(match config {
            #[cfg(feature = "mongodb")]
            Config::Hexkit(hexkit) => sinks.with(Arc::new(hexkit::Hexkit::new(hexkit.clone())?)),
            #[cfg(not(feature = "mongodb"))]
            Config::Hexkit(_) => return Err(left_out()),
            Config::Kafka(kafka) => sinks.with_kafka(Arc::new(kafka::Kafka::new(kafka.clone())?)),
        })
    })
}

/// Makes the error of a sink that this build was made without.
#[cfg(not(feature = "mongodb"))]
fn left_out() -> Error {
    Error::setting(
        "HEXKIT_MONGODB_URL: hexkit's collection is not in this build: build it with `cargo build \
         --release --features mongodb`",
    )
}

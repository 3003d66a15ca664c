//! The errors of sinks: a closed list, by what the caller does about each. The table in `sink`
//! tells what that is.
//!
//! Made by the adapters from their clients' errors; matched by the lanes, the sink's keeper and
//! the verbs. Whoever doesn't know an error makes it a `Retry`.

use crate::domain::topic::Topic;

/// Why a call to a sink failed, by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The trouble may pass: take over again after a while. A page may be committed all the same.
    #[error("{0}")]
    Retry(RetryCause),
    /// Topics take nothing just now: leave them out for a while.
    #[error("{} just now", unavailable(.0))]
    Unavailable(Vec<UnavailableTopic>),
    /// A record of the page can't be taken, and which one is unknown: send less at a time.
    #[error("{0}")]
    Isolate(RecordCause),
    /// A topic is refused: park it; the others may pass.
    #[error("the topic {0} is refused: {1}")]
    Topic(Topic, String),
    /// Another publisher has this lane: give it up.
    #[error("the lane was taken by another producer: {0}")]
    Fenced(String),
    /// Only an operator can set it right: stop, and say what to do.
    #[error("{0}")]
    Stop(StopCause),
}

/// Why it is worth trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryCause {
    /// The sink is away or busy, or its answer was lost.
    #[error("{0}")]
    Away(String),
    /// The cluster has too few brokers for any new topic, so that every lane meets it.
    #[error("{0}: no topic can be created")]
    TooFewBrokers(String),
}

/// Why a record can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordCause {
    /// It never will be: park it once it is alone.
    #[error("a record was refused: {0}")]
    Refused(String),
    /// The record's time is too far from Kafka's own: once it is alone, wait.
    #[error("a record's time is too far from Kafka's: {0}")]
    TooEarly(String),
}

/// The reasons to stop until an operator has set something right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopCause {
    /// The sink refuses the gateway: credentials or rights are wrong.
    #[error("the broker denies access: {0}")]
    Denied(String),
    /// The sink's client refuses a setting, or the sink has nothing that a setting asks for.
    #[error("{0}")]
    Setting(String),
    /// The cursors are not as they must be.
    #[error("the cursors topic is unusable: {0}")]
    Cursors(String),
}

impl Error {
    /// The sink is away or busy, for that reason.
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry(RetryCause::Away(why.into()))
    }

    /// A record of the page is refused, for that reason.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Isolate(RecordCause::Refused(why.into()))
    }

    /// The sink refuses the gateway, for that reason.
    pub fn denied(why: impl Into<String>) -> Self {
        Self::Stop(StopCause::Denied(why.into()))
    }

    /// A setting can't be, for that reason.
    pub fn setting(why: impl Into<String>) -> Self {
        Self::Stop(StopCause::Setting(why.into()))
    }

    /// The cursors are not as they must be, for that reason.
    pub fn cursors(why: impl Into<String>) -> Self {
        Self::Stop(StopCause::Cursors(why.into()))
    }

    /// Returns whether only an operator can set it right, so that trying again soon is of no use.
    pub fn needs_operator(&self) -> bool {
        matches!(self, Self::Stop(_))
    }

    /// Returns whether the whole sink is concerned, so that one line in the log does for all lanes.
    pub fn concerns_all_lanes(&self) -> bool {
        matches!(self, Self::Retry(RetryCause::TooFewBrokers(_)))
    }

    /// Returns a word for the metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Retry(_) => "retry",
            Self::Unavailable(_) => "away",
            Self::Isolate(RecordCause::TooEarly(_)) => "early",
            Self::Isolate(RecordCause::Refused(_)) => "isolate",
            Self::Topic(..) => "topic",
            Self::Fenced(_) => "fenced",
            Self::Stop(StopCause::Cursors(_)) => "cursors",
            Self::Stop(StopCause::Denied(_) | StopCause::Setting(_)) => "denied",
        }
    }
}

/// A topic that takes nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableTopic {
    /// The topic.
    pub topic: Topic,
    /// Why, as the cluster tells it.
    pub why: String,
}

fn unavailable(topics: &[UnavailableTopic]) -> String {
    let each = topics.iter().map(|u| format!("the topic {} takes nothing: {}", u.topic, u.why));
    each.collect::<Vec<_>>().join("; ")
}

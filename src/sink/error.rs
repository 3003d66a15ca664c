//! The errors of sinks: a closed list, sorted by how the caller reacts to each. The table in `sink`
//! lists the reactions.
//!
//! The adapters make them from their clients' errors; the lanes, the sink's keeper and the
//! subcommands match them. An adapter makes an error that it doesn't know a `Retry`.

use crate::domain::topic::Topic;

/// The reason why a call to a sink failed, which decides how the caller reacts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The cause may pass: take over again after a while. The page may be committed all the same.
    #[error("{0}")]
    Retry(RetryCause),
    /// Some topics take no records just now: leave them out for a while.
    #[error("{} just now", unavailable(.0))]
    Unavailable(Vec<UnavailableTopic>),
    /// The sink can't take a record of the page, and doesn't say which: send fewer at a time.
    #[error("{0}")]
    Isolate(RecordCause),
    /// A topic is refused: park it; the other topics may pass.
    #[error("the topic {0} is refused: {1}")]
    Topic(Topic, String),
    /// Another publisher has this lane: give the lane up.
    #[error("the lane was taken by another producer: {0}")]
    Fenced(String),
    /// Only an operator can end the cause: stop, and say what to do.
    #[error("{0}")]
    Stop(StopCause),
}

/// The cause of an error that is worth trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryCause {
    /// The sink is away or busy, or its answer was lost.
    #[error("{0}")]
    Away(String),
    /// The cluster has too few brokers for any new topic, so every lane meets this error.
    #[error("{0}: no topic can be created")]
    TooFewBrokers(String),
}

/// The reason why a record can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordCause {
    /// The sink will never take it: park it once it is alone.
    #[error("a record was refused: {0}")]
    Refused(String),
    /// The record's time is too far from the sink's clock: wait, once it is alone.
    #[error("a record's time is too far from the sink's: {0}")]
    TooEarly(String),
}

/// The reasons to stop until an operator has acted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopCause {
    /// The sink refuses the gateway, whose credentials or rights are wrong.
    #[error("the sink denies access: {0}")]
    Denied(String),
    /// The sink's client refuses a setting, or the sink lacks what a setting asks for.
    #[error("{0}")]
    Setting(String),
    /// The cursors are unusable.
    #[error("the cursors are unusable: {0}")]
    Cursors(String),
}

impl Error {
    /// Makes the error of a sink that is away or busy.
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry(RetryCause::Away(why.into()))
    }

    /// Makes the error of a page with a record that is refused.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Isolate(RecordCause::Refused(why.into()))
    }

    /// Makes the error of a sink that refuses the gateway.
    pub fn denied(why: impl Into<String>) -> Self {
        Self::Stop(StopCause::Denied(why.into()))
    }

    /// Makes the error of a setting that can't be used.
    pub fn setting(why: impl Into<String>) -> Self {
        Self::Stop(StopCause::Setting(why.into()))
    }

    /// Makes the error of unusable cursors.
    pub fn cursors(why: impl Into<String>) -> Self {
        Self::Stop(StopCause::Cursors(why.into()))
    }

    /// Returns whether only an operator can end the cause, so that trying again soon is of no use.
    pub fn needs_operator(&self) -> bool {
        matches!(self, Self::Stop(_))
    }

    /// Returns whether the error concerns the whole sink, so that one log line is enough for all
    /// lanes.
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

/// A topic that takes no records for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableTopic {
    /// The topic.
    pub topic: Topic,
    /// The reason, in the cluster's words.
    pub why: String,
}

fn unavailable(topics: &[UnavailableTopic]) -> String {
    let each = topics.iter().map(|u| format!("the topic {} takes no records: {}", u.topic, u.why));
    each.collect::<Vec<_>>().join("; ")
}

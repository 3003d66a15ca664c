//! A replay: events of a tenant's log that are published once more.
//!
//! `http` and the subcommands submit it, the store keeps it, and the tenant's lane carries it out.
//! A run is the live relay or one replay: within a run, each event occurs once, and the positions
//! of a key rise.

mod plan;
mod request;

use super::position::{LogId, Position};
use super::tenant::TenantId;
use super::time::Time;
use super::topic::Topic;

pub use super::replay_id::ReplayId;
pub use plan::{Plan, Target, Timestamp};
pub use request::{Positions, ReplayRequest, no_members};

/// How fast a replay may be; without limits, as fast as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// The most events a second.
    pub events_per_second: Option<u32>,
    /// The most payload bytes a second.
    pub bytes_per_second: Option<u64>,
}

/// An operator's wish for a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It goes on.
    Run,
    /// It waits until it is resumed.
    Pause,
    /// It ends; this wish is the last.
    Cancel,
}

impl Wish {
    /// Returns the word that the store has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }

    /// Reads a wish from a store's column.
    pub fn from_column(word: &str) -> Option<Self> {
        [Self::Run, Self::Pause, Self::Cancel].into_iter().find(|wish| wish.as_str() == word)
    }
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was sent.
    Completed,
    /// A record was refused.
    Failed,
    /// An operator cancelled it.
    Cancelled,
}

impl Outcome {
    /// Returns the word that the store has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads an outcome from a store's column.
    pub fn from_column(word: &str) -> Option<Self> {
        let all = [Self::Completed, Self::Failed, Self::Cancelled];
        all.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// How much a replay has published. A sink keeps it with the replay's cursor, so that it is exact
/// after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// The number of events.
    pub events: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// The number of events that were skipped, since the sink refuses them.
    pub skipped: u64,
}

/// The progress of a replay, which the tenant's lane writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last position that was passed. The sink's cursor may be ahead of it.
    pub position: Position,
    /// How much was published.
    pub sent: Sent,
    /// A topic of which nothing is sent any more, since it refuses all records.
    pub refused: Option<Topic>,
    /// The position from which on only those keys are sent that were sent before, until the replay
    /// joins the relay; `None` unless it ends early.
    pub closing: Option<Position>,
    /// The reason why it ends early.
    pub cause: Option<String>,
    /// The outcome and its time; `None` until it has ended.
    pub ended: Option<(Outcome, Time)>,
}

/// One replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The replay's id.
    pub id: ReplayId,
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The number among the tenant's replays: 1, 2, 3, ….
    pub number: u64,
    /// The time of its submission.
    pub submitted: Time,
    /// Which events it sends, where to, and how.
    pub plan: Plan,
    /// The last position that it may send; without one, it goes on until it joins the relay.
    pub until: Option<Position>,
    /// About how many events it will send; `None` if they were not counted.
    pub total: Option<u64>,
    /// How fast it may be.
    pub rate: Rate,
    /// The operator's last wish, and its time.
    pub wish: (Wish, Time),
    /// The progress.
    pub progress: Progress,
}

impl Replay {
    /// Returns the status, in the words of FOLIO's jobs.
    pub fn status(&self) -> &'static str {
        match (self.progress.ended, self.wish.0) {
            (Some((Outcome::Completed, _)), _) => "Completed",
            (Some((Outcome::Failed, _)), _) => "Failed",
            (Some((Outcome::Cancelled, _)), _) => "Cancelled",
            (None, Wish::Cancel) => "Cancellation pending",
            (None, Wish::Pause) if self.progress.closing.is_none() => "Paused",
            (None, _) => "In progress",
        }
    }

    /// Returns whether the replay has not ended.
    pub fn is_open(&self) -> bool {
        self.progress.ended.is_none()
    }

    /// Returns whether the replay goes to the topics that its events were published to.
    pub fn is_to_own_topics(&self) -> bool {
        self.plan.target.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Wish};

    #[test]
    fn words_read_back() {
        for wish in [Wish::Run, Wish::Pause, Wish::Cancel] {
            assert_eq!(Wish::from_column(wish.as_str()), Some(wish));
        }
        for outcome in [Outcome::Completed, Outcome::Failed, Outcome::Cancelled] {
            assert_eq!(Outcome::from_column(outcome.as_str()), Some(outcome));
        }
        assert_eq!((Wish::from_column("x"), Outcome::from_column("x")), (None, None));
    }
}

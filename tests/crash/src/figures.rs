//! The figures of a run, as a small table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::checker::{self, Finding};
use crate::readers::HeldBack;
use crate::schedule;

/// The counts of a run, while it goes on.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Faults, by kind.
    pub faults: BTreeMap<schedule::Kind, usize>,
    /// Every `kill -9` of a replica, including those while a server was down.
    pub kills: usize,
    /// The time until a new holder, for each lane that a dead replica held.
    pub takeovers: Vec<Duration>,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The counts.
    pub figures: Figures,
    /// The duration of the run.
    pub elapsed: Duration,
    /// Changes that were acknowledged.
    pub acknowledged: usize,
    /// Events that were shown as published.
    pub told: usize,
    /// Replays that have ended.
    pub replays: usize,
    /// Events that they have published.
    pub replayed: u64,
    /// Aborted records that a read_uncommitted consumer also saw.
    pub aborted: usize,
    /// The delays that the readers saw.
    pub held_back: HeldBack,
    /// The defects that were found.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<58}{value:>10}");
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        row("time", format!("{} s", self.elapsed.as_secs()))?;
        for kind in schedule::Kind::ALL {
            let count = self.figures.faults.get(&kind).copied().unwrap_or_default();
            row(&format!("faults: {kind}"), count.to_string())?;
        }
        row("kill -9 of a replica, in all", self.figures.kills.to_string())?;
        row("changes acknowledged", self.acknowledged.to_string())?;
        row("events told to be published, and looked for", self.told.to_string())?;
        row("replays, and not refused", self.replays.to_string())?;
        row("events that they have published", self.replayed.to_string())?;
        row("records of aborted pages, seen by read_uncommitted", self.aborted.to_string())?;
        let mut takeovers = self.figures.takeovers.clone();
        takeovers.sort();
        row("lanes whose takeover was measured", takeovers.len().to_string())?;
        if let (Some(median), Some(worst)) = (takeovers.get(takeovers.len() / 2), takeovers.last())
        {
            row("  kill -9 to a new holder of the lane, median", seconds(*median))?;
            row("  kill -9 to a new holder of the lane, worst", seconds(*worst))?;
        }
        row(
            "read_committed behind read_uncommitted, worst, Kafka up",
            seconds(self.held_back.kafka_up),
        )?;
        row("  the same across a death of Kafka", seconds(self.held_back.kafka_down))?;
        for kind in checker::Kind::ALL {
            let count = self.findings.iter().filter(|finding| finding.kind == kind).count();
            row(&kind.to_string(), count.to_string())?;
        }
        Ok(())
    }
}

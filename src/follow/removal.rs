//! Removal: takes out of the logs what their retention, `stored = false` and compaction no longer
//! keep.
//!
//! It goes over the logs of this replica's lanes, topic by topic, in steps of a few events, and
//! rests after each, so that appends are not held up. What a step may remove is decided by the
//! followers' checkpoints, which only rise, and by the parked scopes; the store removes nothing of
//! a log whose id was rotated since. So a replica that works on old knowledge removes too little,
//! never too much. Always true: no event is removed which a follower may still need, or on which a
//! cursor stands.

mod compaction;
mod held_back;
pub(super) mod holds;
pub(super) mod pace;
mod retention;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::interruptible::Interruptible;
use super::worker::{Backoff, Progress};
use super::{FollowDeps, own, store};
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::settings::LogRule;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::TenantLog;
use held_back::HeldBack;
use pace::Pace;
use view::LogView;

/// The interval in which logs are looked at that are not known to have nothing to remove.
const PERIOD: Duration = Duration::from_secs(1);
/// The time after which a replica without lanes looks whether it has some.
const LANES_AGAIN: Duration = Duration::from_millis(500);
/// The longest time for which a log is left alone, and after which a topic is gone over again from
/// its first event: some of its old events may have had to stay, and a store that was put back to a
/// backup has removed events again.
const AGAIN_MS: i64 = 3_600_000;
/// The most steps in one topic before the next topic is served.
const STEPS_MAX: usize = 20;

/// The task that removes events from the logs of this replica's lanes.
pub(super) struct RemovalTask {
    deps: FollowDeps,
    /// The followers of the configured sinks.
    sinks: Vec<Follower>,
    pace: Pace,
    logs: HashMap<TenantId, LogWalks>,
    held_back: HeldBack,
}

/// How far the walks over one log are.
#[derive(Default)]
struct LogWalks {
    topics: HashMap<Topic, Walk>,
    /// The head up to which, and the time until which, nothing is to be removed.
    quiet: Option<(Position, Time)>,
}

/// A walk over a topic, which removes its old events.
#[derive(Debug, Clone, Copy)]
struct Walk {
    /// The last event that was looked at.
    after: Position,
    /// When it began.
    began: Time,
}

impl Walk {
    /// Begins at the oldest event.
    fn new(now: Time) -> Self {
        Self { after: Position::START, began: now }
    }
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There may be more to remove now.
    More,
    /// There is nothing to remove before this time, if there is any.
    Rest(Option<Time>),
}

/// Why an event was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was older than the log keeps events of its topic.
    Retention,
    /// Every sink has it, and its topic is not stored.
    NotStored,
    /// A later event of its key, or a DELETE_ALL, replaces it.
    Compaction,
}

impl Reason {
    /// Returns the word for it in metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::NotStored => "not_stored",
            Self::Compaction => "compaction",
        }
    }
}

impl RemovalTask {
    /// Makes the task for these sinks.
    pub(super) fn new(deps: FollowDeps, sinks: Vec<Follower>) -> Self {
        let (pace, held_back) = (Pace::default(), HeldBack::default());
        Self { deps, sinks, pace, logs: HashMap::new(), held_back }
    }

    /// Goes over all logs once. A log that fails keeps no other from being served; the first error
    /// is returned.
    async fn remove_all(&mut self) -> Result<Progress, store::Error> {
        let now = self.deps.clock.now();
        let own = own::logs(&self.deps).await?;
        if own.is_empty() {
            self.logs.clear();
            return Ok(Progress::Until(Instant::now() + LANES_AGAIN));
        }
        let tenants: BTreeSet<_> = own.iter().map(|enabled| &enabled.tenant).collect();
        self.logs.retain(|tenant, _| tenants.contains(tenant));
        let (mut has_more, mut failed) = (false, None);
        for enabled in &own {
            match self.remove_of(enabled, now).await {
                Ok(more) => has_more |= more,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.held_back.look(&self.deps, &self.sinks, &own, now).await?;
        match failed {
            Some(error) => Err(error),
            None if has_more => Ok(Progress::More),
            None => Ok(Progress::Idle),
        }
    }

    /// Removes from one log; returns whether there may be more to remove now.
    async fn remove_of(&mut self, enabled: &TenantLog, now: Time) -> Result<bool, store::Error> {
        let Self { deps, sinks, pace, logs, .. } = self;
        let walks = logs.entry(enabled.tenant.clone()).or_default();
        if walks.quiet.is_some_and(|(head, until)| head == enabled.head && now < until) {
            return Ok(false);
        }
        let first = LogView::open(deps, sinks, enabled).await?;
        let (mut has_more, mut until) = (false, now.after(AGAIN_MS));
        for rule in first.rules().await? {
            let walk = walks.topics.entry(rule.topic.clone()).or_insert(Walk::new(now));
            if walk.began.after(AGAIN_MS) <= now {
                *walk = Walk::new(now);
            }
            for number in 1.. {
                // What others hold is read anew for each step.
                let log = LogView::open(deps, sinks, enabled).await?;
                match pace.step(async |rows| log.step(&rule, walk, rows, now).await).await? {
                    Step::Rest(time) => {
                        until = time.map_or(until, |time| until.min(time));
                        break;
                    }
                    Step::More if number >= STEPS_MAX => {
                        has_more = true;
                        break;
                    }
                    Step::More => {}
                }
            }
        }
        has_more |= first.forget_ids(pace, now).await?;
        let is_whole = first.is_passed() && !has_more;
        walks.quiet = is_whole.then_some((enabled.head, until));
        Ok(has_more)
    }
}

impl LogView<'_> {
    /// Does a step in a topic.
    async fn step(
        &self,
        rule: &LogRule,
        walk: &mut Walk,
        rows: usize,
        now: Time,
    ) -> Result<Step, store::Error> {
        let compacted = if rule.compacted { self.compact(rule, rows).await? } else { None };
        match compacted {
            Some(step) => Ok(step),
            None => self.retain(rule, walk, rows, now).await,
        }
    }
}

#[async_trait]
impl Interruptible for RemovalTask {
    const NAME: &'static str = "removal";
    type Error = store::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (PERIOD, Backoff::new(LANES_AGAIN, PERIOD * 60))
    }

    async fn round(&mut self) -> Result<Progress, store::Error> {
        // Tenants whose files are added may have other rules.
        let FollowDeps { removal, settings, .. } = &self.deps;
        if removal.log_retention.is_none() && !settings.removes() {
            return Ok(Progress::Idle);
        }
        self.remove_all().await
    }
}

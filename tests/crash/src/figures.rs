//! The figures of a run, as a small table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::checker::{self, Finding};
use crate::evidence::{
    Act, Answer, AskedReplay, Handled, HandlerAct, Observed, PurgedLog, Replayed,
};
use crate::readers::HeldBack;
use crate::schedule;
use crate::story::{Story, Sums};

/// The counts of a run, while it goes on.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Faults, by kind.
    pub faults: BTreeMap<schedule::Kind, usize>,
    /// Every `kill -9` of a replica, including those while a server was down.
    pub kills: usize,
    /// The time until a new holder, for each lane that a dead replica held.
    pub takeovers: Vec<Duration>,
    /// Faults between the gateway and Kafka while a replay was open.
    pub replays_without_kafka: usize,
}

/// The counts of what the actors have observed, each with its name.
#[derive(Debug, Clone)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// Counts.
    pub fn of(Story { observed, sums, .. }: &Story) -> Self {
        let replays = |is: &dyn Fn(&Replayed) -> bool| {
            observed.replayed.iter().filter(|replay| is(replay)).count() as u64
        };
        let asked = |is: &dyn Fn(&AskedReplay) -> bool| {
            observed.asked.iter().filter(|asked| is(asked)).count() as u64
        };
        let acts = |is: &dyn Fn(&Act) -> bool| {
            let acts = observed.subscribed.iter().flat_map(|subscribed| &subscribed.acts);
            acts.filter(|act| is(act)).count() as u64
        };
        let delivered = observed.subscribed.iter().flat_map(|subscribed| &subscribed.acts);
        let delivered = delivered.map(|act| match act {
            Act::Polled { events, .. } => events.len() as u64,
            _ => 0,
        });
        let documents = observed.documents.as_ref().map_or(0, |documents| documents.len() as u64);
        let restored = || observed.put_backs.iter().flat_map(|put_back| &put_back.restored);
        let only_in_kafka: usize = restored().map(|it| it.only_in_kafka.len()).sum();
        let published = observed.replayed.iter().map(|replay| replay.messages_published);
        let mut all = Self(vec![
            ("changes acknowledged", observed.acknowledged.len() as u64),
            ("DELETE_ALLs acknowledged", observed.delete_alls.len() as u64),
            ("events told to be published, and looked for", observed.told.len() as u64),
            ("replays, and not refused", observed.replayed.len() as u64),
            ("  events that they have published", published.sum()),
            (
                "  cancelled half-way",
                replays(&|it| it.status == "Cancelled" && it.messages_published > 0),
            ),
            ("  ran at once to one topic, with other keys", asked(&|it| runs_beside(observed, it))),
            ("  refused, since they overlap", asked(&|it| it.id.is_none())),
            ("events delivered to subscribers", delivered.sum()),
            ("  readers that began", acts(&|it| matches!(it, Act::Polled { after: None, .. }))),
            (
                "  commits of earlier readers, refused",
                acts(&|it| matches!(it, Act::Committed { answer: Answer::Refused, .. })),
            ),
            ("  seeks", acts(&|it| matches!(it, Act::Sought { answer: Answer::Done, .. }))),
            ("logs restored, after the store was put back", restored().count() as u64),
            ("  events only in Kafka", only_in_kafka as u64),
            ("  events published again", restored().map(|it| it.again).sum()),
            ("documents of hexkit's collection", documents),
        ]);
        all.0.extend(of_handlers(&observed.handled));
        all.0.extend(of_erasures(observed, sums));
        all.0.extend(of_purges(&observed.purged));
        all
    }
}

/// Counts what was brought to handlers, and what their operators have done.
fn of_handlers(groups: &[Handled]) -> [(&'static str, u64); 7] {
    let acts = |is: fn(&HandlerAct) -> bool| {
        groups.iter().flat_map(|group| &group.acts).filter(|act| is(act)).count() as u64
    };
    let redriven = groups.iter().flat_map(|group| &group.acts).map(|act| match act {
        HandlerAct::Redriven(count) => *count,
        _ => 0,
    });
    let most = groups.iter().flat_map(|group| &group.acts).map(|act| match act {
        HandlerAct::Stands { letters, .. } => letters.len() as u64,
        _ => 0,
    });
    let gives_up = |wanted: bool| {
        let of_kind = move |act: &&HandlerAct| matches!(act, HandlerAct::GivesUp { is_dead, .. } if *is_dead == wanted);
        groups.iter().flat_map(|group| &group.acts).filter(of_kind).count() as u64
    };
    [
        ("events brought to handlers", acts(|it| matches!(it, HandlerAct::Came(_)))),
        ("  not done, or not answered", acts(|it| matches!(it, HandlerAct::Failed { .. }))),
        ("  stopped groups that were resumed", acts(|it| matches!(it, HandlerAct::Resumed))),
        ("  events that such a group was to skip", gives_up(false)),
        ("  most dead letters at once", most.max().unwrap_or_default()),
        ("  dead letters redriven", redriven.sum()),
        ("  dead letters that were to be discarded", gives_up(true)),
    ]
}

/// Counts the erasures.
fn of_erasures(observed: &Observed, sums: &Sums) -> [(&'static str, u64); 6] {
    let Observed { asked_erasures: asked, erasures, .. } = observed;
    let seen = asked.iter().filter(|it| it.completed.is_some()).count();
    let complete = erasures.iter().filter(|it| it.is_complete()).count();
    [
        ("erasures asked for", asked.len() as u64),
        ("  posted again, since no answer came", asked.iter().map(|it| it.posts as u64 - 1).sum()),
        ("  watched until they were complete", seen as u64),
        ("erasures that are complete", complete as u64),
        ("  events that they have emptied", erasures.iter().map(|it| it.events).sum()),
        ("  events discarded", sums.of("discarded")),
    ]
}

/// Counts the purges.
fn of_purges(logs: &[PurgedLog]) -> [(&'static str, u64); 4] {
    let posted: usize = logs.iter().map(|it| it.posted.len()).sum();
    let forced = logs.iter().filter(|it| it.is_forced).count();
    let read = logs.iter().filter(|it| !it.is_forced && it.sent.is_some()).count();
    [
        ("logs purged", logs.len() as u64),
        ("  changes that they had", posted as u64),
        ("  forced", forced as u64),
        ("  not forced, and read from Kafka once the purge had begun", read as u64),
    ]
}

/// Returns whether a replay ran beside another one to the same topic.
fn runs_beside(observed: &Observed, asked: &AskedReplay) -> bool {
    let without_keys = AskedReplay { keys: Vec::new(), ..asked.clone() };
    let is_beside = |other: &&Replayed| {
        asked.open_before.contains(&other.id)
            && asked.open_after.contains(&other.id)
            && other.tenant == asked.tenant
    };
    let mut others = observed.replayed.iter().filter(is_beside);
    asked.id.is_some() && others.any(|other| checker::overlaps(&without_keys, other))
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The counts.
    pub figures: Figures,
    /// The duration of the run.
    pub elapsed: Duration,
    /// The counts of what the actors have observed.
    pub observed: Counts,
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
        for (name, count) in &self.observed.0 {
            row(name, count.to_string())?;
        }
        let without = self.figures.replays_without_kafka;
        row("faults before Kafka while a replay was open", without.to_string())?;
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

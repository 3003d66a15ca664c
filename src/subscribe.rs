//! Out: the groups that read the logs over HTTP, and commit for themselves.
//!
//! `http` and the subcommands call it. A group has one row in the store, which is changed only upon
//! its version (`change`); a reader holds it by a lease (`reading`). Readers that wait are woken
//! from one place (`waiters`), which hears of this process's appends and of other processes'
//! (`watcher`). The events of a group with a handler are brought to it (`push`). A group gets each
//! event that matches at least once and in order.

mod change;
mod dead_letters;
mod event;
mod files;
mod halts;
mod log_reader;
mod marks;
mod push;
mod put;
mod reading;
mod renewals;
mod start;
mod tail;
mod waiters;
mod watcher;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::filter::Filter;
use crate::domain::floors::{Floors, Gap};
use crate::domain::position::Position;
use crate::domain::settings::{LogRule, Settings};
use crate::domain::subscription::{FailedEvent, Group, Halt, Refusal, Start};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::metrics::Metrics;
use crate::shares::Queue;
use crate::store::{self, FoundSubscription, Lag, Store};
use crate::tasks::{Ended, Tasks};

pub use files::Look;
pub use log_reader::LogReader;
pub use marks::{Marked, WAITING, Which};
pub use push::{PushDeps, PushLimits};
pub use reading::{Delivery, Opening, Reading};
use renewals::Renewals;
pub use tail::Part;
use waiters::Waiters;
pub use watcher::Grown;

/// The most subscriptions of a tenant.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// The most reads of the logs for readers at once.
const READS_MAX: usize = 2;
/// The most of these that may be for handlers, of which each tenant has one at a time.
const HANDLER_READS_MAX: usize = 1;

/// The parts that subscriptions need.
#[derive(Clone)]
pub struct SubscribeDeps {
    /// The logs and the groups.
    pub store: Arc<dyn Store>,
    /// The tenants' settings, which say what is not stored.
    pub settings: Arc<Settings>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The number of lanes.
    pub lanes: u16,
    /// Cancelled once the gateway stops, so that no reader waits any more.
    pub closing: CancellationToken,
}

/// The subscriptions of this process's readers.
pub struct Subscribe {
    deps: SubscribeDeps,
    waiters: Arc<Waiters>,
    renewals: Renewals,
    reads: Semaphore,
    handler_reads: Arc<Queue>,
    /// The beginning of the grid of times at which leases are renewed.
    begun: Instant,
}

/// The tasks that run as long as there are readers.
pub struct SubscribeTasks {
    tasks: Tasks,
    stop: CancellationToken,
}

/// The reason why a subscription can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant is not enabled.
    #[error("the tenant is not enabled")]
    NotEnabled,
    /// The tenant has no such subscription.
    #[error("the tenant has no subscription `{0}`")]
    Unknown(Group),
    /// The tenant has as many subscriptions as it may have.
    #[error("a tenant has at most {SUBSCRIPTIONS_MAX} subscriptions")]
    TooMany,
    /// The filter matches topics whose events are not stored.
    #[error("the filter matches topics whose events are not stored: {}", spell(.0))]
    NotStored(Vec<Topic>),
    /// Events of the filter's topics were removed before the group got them.
    #[error(
        "some events of the topic `{}` from position {} to {} were removed: start or seek with \
         {{\"position\":{after},\"gaps\":\"skip\"}}, which leaves out nothing that the log has, or with \
         {{\"position\":{}}}, from where on nothing is missing",
        .gap.topic, .gap.from, .gap.to, .gap.to
    )]
    Removed {
        /// The events that are missing.
        gap: Gap,
        /// The position after which the group goes on.
        after: Position,
    },
    /// The row says no.
    #[error("{}", refused(.0))]
    Refused(Refusal),
    /// The group's handler is a program, and so its form an operator's file's alone.
    #[error("the group has a program for a handler, and its file alone changes its form")]
    HasProgram,
    /// A group that has a handler is moved only while it is paused.
    #[error("the group's handler is brought events: pause the group, move it, then resume it")]
    NotPaused,
    /// The group has dead letters, which nobody would deliver any more.
    #[error("the group has {0} dead letters: redrive them, or discard them with a reason")]
    HasDeadLetters(u64),
    /// The group has no handler to which its dead letters could be delivered again.
    #[error("the group has no handler, and so nobody delivers its dead letters again")]
    NoHandler,
    /// The group has as many dead letters as it may have.
    #[error(
        "a group has at most 10000 dead letters, of which those that failed are of at most 100 keys \
         and topics: redrive or discard some, then resume the group"
    )]
    TooManyDead,
    /// The group has no dead letter at the position.
    #[error("the group has no dead letter at position {0}")]
    NoDeadLetter(Position),
}

fn spell(topics: &[Topic]) -> String {
    topics.iter().map(Topic::as_str).collect::<Vec<_>>().join(", ")
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Held(lease) => {
            format!("`{}` reads for the group until {} at least", lease.reader, lease.expires)
        }
        Refusal::Fenced(Some(lease)) => {
            format!("the generation has ended; `{}` reads for the group now", lease.reader)
        }
        Refusal::Fenced(None) => "the generation has ended; nobody reads for the group".to_owned(),
        Refusal::NotDelivered { scanned } => {
            format!("only positions up to {scanned} were delivered")
        }
        Refusal::HasHandler => "the group has a handler, which alone gets its events".to_owned(),
        Refusal::Halted(halt) => halted(halt),
        Refusal::NotStopped { at: Some(at) } => {
            format!("the group has halted at the event {at}, and only that one can be skipped")
        }
        Refusal::NotStopped { at: None } => "the group has not halted at an event".to_owned(),
    }
}

/// Returns what has halted a group, and how it goes on.
fn halted(Halt { since, why, failed, pause }: &Halt) -> String {
    let paused = pause.as_ref().map(|it| format!("; paused since {}: {}", it.since, it.why));
    let paused = paused.unwrap_or_default();
    let resume = "`POST …/resume` or `event-gateway subscriptions resume` lets it go on";
    match failed {
        Some(FailedEvent { position, attempts }) => format!(
            "the group has halted at the event {position} since {since}, after {attempts} attempts: \
             {why}{paused}; {resume} with that event, `skip` after it"
        ),
        None => format!("the group has halted since {since}: {why}; {resume}"),
    }
}

/// Whether a put has made a new subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was none.
    Created,
    /// There was one, which may have another form now.
    Kept,
}

impl Subscribe {
    /// Starts the tasks that wake and renew readers.
    pub fn start(deps: SubscribeDeps) -> (Arc<Self>, SubscribeTasks) {
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let waiters = Arc::new(Waiters::new());
        let (renewals, jobs) = Renewals::new();
        let store = deps.store.clone();
        let renewing = stop.clone().run_until_cancelled_owned(jobs.run(store));
        tasks.spawn("renewals", async move { _ = renewing.await });
        watcher::spawn(&mut tasks, &deps, &waiters, &stop);
        let reads = Semaphore::new(READS_MAX);
        let handler_reads = Queue::new(HANDLER_READS_MAX, HANDLER_READS_MAX);
        let begun = Instant::now();
        let subscribe = Self { deps, waiters, renewals, reads, handler_reads, begun };
        (Arc::new(subscribe), SubscribeTasks { tasks, stop })
    }

    /// Returns the way to tell readers, here and in other processes, that a log has grown.
    pub fn grown(&self) -> Grown {
        Grown::new(self.waiters.clone())
    }
}

impl SubscribeTasks {
    /// Puts the subscriptions that operators' files ask for, now and whenever they change.
    pub fn follow_files(&mut self, subscribe: &Arc<Subscribe>, look: Look) {
        let following = files::follow(subscribe.clone(), look);
        let following = self.stop.clone().run_until_cancelled_owned(following);
        self.tasks.spawn("subscriptions' files", async move { _ = following.await });
    }

    /// Brings the events of groups with a handler to it; an error if no webhook could be called.
    pub fn push_handlers(
        &mut self,
        subscribe: &Arc<Subscribe>,
        deps: PushDeps,
    ) -> Result<(), String> {
        let webhooks = push::webhooks(&deps)?;
        let pushing = push::follow(subscribe.clone(), deps, webhooks, self.stop.clone());
        self.tasks.spawn("handlers", pushing);
        Ok(())
    }

    /// Waits for a task to end, which none does without being asked to.
    pub async fn ended(&mut self) -> Ended {
        self.tasks.ended().await
    }

    /// Stops the tasks. Returns one that panicked, if one did.
    pub async fn stop(self) -> Option<Ended> {
        self.stop.cancel();
        self.tasks.finish().await
    }
}

/// The changes that need no reader; the subcommands make them beside a running gateway.
pub struct Groups<'a> {
    /// The logs and the groups.
    pub store: &'a dyn Store,
    /// The tenants' settings.
    pub settings: &'a Settings,
}

impl Subscribe {
    /// Returns the changes that need no reader.
    pub fn groups(&self) -> Groups<'_> {
        Groups { store: &*self.deps.store, settings: &self.deps.settings }
    }
}

impl Groups<'_> {
    /// Refuses a filter that matches a topic whose events are removed once they are published.
    fn refuse_not_stored(&self, tenant: &TenantId, filter: &Filter) -> Result<(), Error> {
        let rules = self.settings.log_rules(tenant).into_iter();
        let is_lost = |topic: &Topic, rule: &LogRule| filter.has_topic(topic) && !rule.stored;
        let lost = rules.filter(|(topic, rule)| is_lost(topic, rule)).map(|(topic, _)| topic);
        let lost: Vec<_> = lost.collect();
        if lost.is_empty() { Ok(()) } else { Err(Error::NotStored(lost)) }
    }

    /// Returns a warning of the patterns of a filter that match no topic, neither one of the log
    /// nor one that the files name; `None` if each matches one.
    pub async fn warning(
        &self,
        tenant: &TenantId,
        filter: &Filter,
    ) -> Result<Option<String>, Error> {
        let unmatched = |of_log: &[Topic]| self.settings.unmatched(tenant, of_log, &filter.topics);
        if unmatched(&[]).is_empty() {
            return Ok(None);
        }
        let of_log = self.store.topics(tenant).await?;
        let told = unmatched(&of_log).into_iter().map(|index| {
            let pattern = &filter.topics[index];
            let near = self.settings.nearest(tenant, &of_log, pattern);
            let near: Vec<_> = near.iter().map(Topic::as_str).collect();
            match &near[..] {
                [] => format!("`{}`", pattern.as_str()),
                near => format!("`{}` (the nearest: `{}`)", pattern.as_str(), near.join("`, `")),
            }
        });
        let told: Vec<_> = told.collect();
        let warning = || {
            let all = told.join(", ");
            format!("neither the log nor the tenant's files have a topic {all}")
        };
        Ok((!told.is_empty()).then(warning))
    }

    /// Returns a subscription.
    pub async fn find(&self, tenant: &TenantId, group: &Group) -> Result<FoundSubscription, Error> {
        change::find(self.store, tenant, group).await
    }

    /// Returns the subscriptions of a tenant with their lags.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        Ok(self.store.list_subscriptions(Some(tenant)).await?)
    }

    /// Commits a position for a reader's generation; returns the subscription as it stands then.
    pub async fn commit(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        position: Position,
    ) -> Result<FoundSubscription, Error> {
        let commit = change::change(self.store, tenant, group, None, |subscription, now| {
            subscription.commit_for_reader(generation, position, now)
        });
        Ok(commit.await?.1)
    }

    /// Commits what the handler of a group has done, for the generation of who brings it the
    /// events.
    pub async fn commit_for_handler(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        position: Position,
    ) -> Result<(), Error> {
        let commit = change::change(self.store, tenant, group, None, |subscription, now| {
            subscription.commit(generation, position, now)
        });
        commit.await.map(|((), _)| ())
    }

    /// Ends the reading of a generation, so that the next reader may begin at once. It is an act if
    /// somebody asks for it, and none when a reader goes.
    pub async fn leave(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        by: Option<&TrailEntry>,
    ) -> Result<(), Error> {
        let leave = change::change(self.store, tenant, group, by, |subscription, now| match by {
            Some(_) => subscription.end(generation, now),
            None => subscription.close(generation, now),
        });
        leave.await.map(|((), _)| ())
    }

    /// Moves a group, while nobody reads.
    pub async fn seek(
        &self,
        tenant: &TenantId,
        group: &Group,
        to: Start,
        by: &TrailEntry,
    ) -> Result<FoundSubscription, Error> {
        let form = self.find(tenant, group).await?.subscription.form;
        let filter = form.filter;
        let (after, gaps_to) = start::resolve(self.store, tenant, &filter, to).await?;
        let seek = change::change(self.store, tenant, group, Some(by), |subscription, now| {
            subscription.seek(after, gaps_to.clone(), now)
        });
        match seek.await {
            Err(Error::Refused(Refusal::Held(_))) if form.handler.is_some() => {
                Err(Error::NotPaused)
            }
            sought => Ok(sought?.1),
        }
    }
}

/// Returns the floors of a tenant's log. Events are read before, so that what was removed since is
/// told.
async fn floors(store: &dyn Store, tenant: &TenantId) -> Result<Floors, Error> {
    Ok(store.floors(tenant).await?)
}

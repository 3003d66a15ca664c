//! Push: the events of a group with a handler are brought to it, by one worker for each group.
//!
//! ```text
//!   log ──► feed ──► window ──► handler: webhook, or a program (exec)
//!                      ▲           │ outcome
//!                      └───────────┘
//!           commit ◄── done        dead letters ──► store, before the commit passes them
//! ```
//!
//! Every replica looks which groups have a handler, and has those that no other one has: the
//! worker is the group's reader, and holds it by the reader's lease.

mod body;
mod bounds;
mod call;
mod exec;
mod feed;
#[cfg(test)]
mod fixture;
mod held;
mod letters;
mod names;
mod outcome;
mod programs;
mod reach;
mod slot;
mod unreached;
mod webhook;
mod window;
mod worker;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Error, Look, Subscribe};
use crate::clock::Clock;
use crate::domain::networks::Networks;
use crate::domain::subscription::{Group, Handler, Refusal, Subscription, Target};
use crate::domain::tenant::TenantId;
use crate::store::{self, FoundSubscription};
use body::BodyForm;
use bounds::Bounds;
pub use bounds::PushLimits;
use exec::{ExecTarget, Program};
use held::Held;
use outcome::Outcome;
use programs::{NOT_NAMED, Programs};
use reach::Reach;
use slot::Attempt;
use webhook::WebhookTarget;
use window::Window;
use worker::{Ended, Worker};

/// The time between two looks for groups that have a handler.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The most workers that are started in one look, so that replicas which start together share the
/// groups.
const STARTS_MAX: usize = 100;
/// The longest time until a group is tried again whose worker has ended for a reason of its own.
const AGAIN_MAX: Duration = Duration::from_mins(1);

/// The parts that handlers need.
#[derive(Clone)]
pub struct PushDeps {
    /// The name of this process, under which it has the groups.
    pub instance: String,
    /// The networks that are not public and that webhooks may lead to.
    pub networks: Arc<Networks>,
    /// The clock for what webhooks are signed with.
    pub clock: Arc<dyn Clock>,
    /// The look at this replica's files: no program is run but one that they name.
    pub files: Look,
    /// The variables that no program gets: the gateway's own settings, some of which are secrets.
    pub withheld: Arc<[String]>,
    /// The limits of all handlers.
    pub limits: PushLimits,
}

/// A handler that gets events.
#[async_trait::async_trait]
trait Deliver: Send + Sync {
    /// Makes one attempt at an event. Whoever waits no longer drops the call.
    async fn deliver(&self, attempt: &Attempt) -> Outcome;
}

type Name = (TenantId, Group);

/// The workers of a process.
struct Workers {
    subscribe: Arc<Subscribe>,
    deps: PushDeps,
    webhooks: Webhooks,
    programs: Programs,
    bounds: Bounds,
    running: HashMap<Name, Running>,
    tasks: JoinSet<(Name, Ended)>,
    /// The reasons why groups have no worker, as far as they were told.
    told: HashMap<Name, String>,
    /// When groups are tried again whose workers have failed, and after how long the next time.
    again: HashMap<Name, (Instant, Duration)>,
    stop: CancellationToken,
}

/// A worker that runs.
struct Running {
    generation: u64,
    stop: CancellationToken,
}

/// The client of all webhooks, and where they may lead.
pub(super) struct Webhooks {
    client: Client,
    reach: Reach,
}

/// Makes the client of all webhooks.
pub(super) fn webhooks(deps: &PushDeps) -> Result<Webhooks, String> {
    let reach = Reach::new(deps.networks.clone());
    let client = webhook::client(&reach).map_err(|error| error.to_string())?;
    Ok(Webhooks { client, reach })
}

/// Has workers for the groups that have a handler until the gateway stops, or this is asked to;
/// then lets them finish.
pub(super) async fn follow(
    subscribe: Arc<Subscribe>,
    deps: PushDeps,
    webhooks: Webhooks,
    asked: CancellationToken,
) {
    let closing = subscribe.deps.closing.clone();
    let (running, told, again) = (HashMap::new(), HashMap::new(), HashMap::new());
    let stop = CancellationToken::new();
    let (tasks, bounds) = (JoinSet::new(), Bounds::new(deps.limits));
    let programs = Programs::new(deps.files.clone());
    let mut workers =
        Workers { subscribe, deps, webhooks, programs, bounds, running, tasks, told, again, stop };
    let (mut look_at, mut has_failed) = (Instant::now(), false);
    loop {
        tokio::select! {
            () = closing.cancelled() => break,
            () = asked.cancelled() => break,
            () = sleep_until(look_at) => {
                let looked = workers.look().await;
                if let Err(error) = &looked && !has_failed {
                    tracing::warn!(
                        %error, "failed to look which groups have a handler; it is tried again"
                    );
                }
                has_failed = looked.is_err();
                look_at = Instant::now() + LOOK_EVERY;
            }
            Some(ended) = workers.tasks.join_next() => workers.ended(ended),
        }
    }
    workers.stop.cancel();
    while let Some(ended) = workers.tasks.join_next().await {
        workers.ended(ended);
    }
}

impl Workers {
    /// Starts and stops workers, as the groups of all tenants want it now.
    async fn look(&mut self) -> Result<(), store::Error> {
        let all = self.subscribe.deps.store.list_subscriptions(None).await?.into_iter();
        let all = all.map(|(found, _)| found).filter(|it| it.subscription.form.handler.is_some());
        let all: HashMap<Name, _> =
            all.map(|found| ((found.tenant.clone(), found.group.clone()), found)).collect();
        let all = self.may_have(self.enabled(all).await?).await;
        for (name, running) in &self.running {
            let group = all.get(name).map(|found| &found.subscription);
            // Whoever has halted, changed or moved the group has raised its generation; whoever has
            // ended its reading has left no lease.
            let is_own = |group: &Subscription| {
                group.generation == running.generation && group.lease.is_some()
            };
            if !group.is_some_and(is_own) {
                running.stop.cancel();
            }
        }
        let now = Instant::now();
        self.again.retain(|name, _| all.contains_key(name));
        let is_free = |(name, found): &(&Name, &FoundSubscription)| {
            let holder = found.subscription.holder(found.now);
            found.subscription.halt.is_none()
                && holder.is_none_or(|lease| lease.reader == self.deps.instance)
                && !self.running.contains_key(name)
                && self.again.get(name).is_none_or(|(at, _)| *at <= now)
        };
        let free: Vec<_> = all.iter().filter(is_free).take(STARTS_MAX).collect();
        for (name, found) in free {
            match self.start(name, found).await {
                Ok(()) => drop(self.told.remove(name)),
                Err(error) => self.tell(name, error.to_string()),
            }
        }
        Ok(())
    }

    /// Returns the groups of tenants that are enabled.
    async fn enabled(
        &self,
        mut all: HashMap<Name, FoundSubscription>,
    ) -> Result<HashMap<Name, FoundSubscription>, store::Error> {
        if !all.is_empty() {
            let logs = self.subscribe.deps.store.list().await?.into_iter();
            let enabled = logs.filter(|log| log.is_enabled).map(|log| log.tenant);
            let enabled: HashSet<_> = enabled.collect();
            all.retain(|(tenant, _), _| enabled.contains(tenant));
        }
        Ok(all)
    }

    /// Returns those of the groups whose handler this replica may bring events to; the others are
    /// told.
    async fn may_have(
        &mut self,
        mut all: HashMap<Name, FoundSubscription>,
    ) -> HashMap<Name, FoundSubscription> {
        self.told.retain(|name, _| all.contains_key(name));
        let handler = |found: &FoundSubscription| found.subscription.form.handler.clone();
        let is_program = |handler: Handler| matches!(handler.target, Target::Exec(_));
        if all.values().filter_map(handler).any(is_program) {
            self.programs.look_again().await;
        }
        let may = |name: &Name, found: &FoundSubscription| {
            handler(found).is_some_and(|handler| self.programs.may_run(name, &handler))
        };
        let (may, others): (HashMap<_, _>, HashMap<_, _>) =
            all.drain().partition(|(name, found)| may(name, found));
        for name in others.keys() {
            self.tell(name, NOT_NAMED.to_owned());
        }
        may
    }

    /// Starts the worker of a group, unless another replica has it by now.
    async fn start(&mut self, name: &Name, found: &FoundSubscription) -> Result<(), Error> {
        let (tenant, group) = name;
        let open = self.subscribe.open_for_handler(tenant, group, &self.deps.instance).await;
        let (reading, Subscription { form, generation, .. }) = match open {
            Ok(opened) => opened,
            Err(Error::Refused(_)) => return Ok(()),
            Err(error @ Error::Removed { .. }) => {
                let (generation, why) = (found.subscription.generation, error.to_string());
                let groups = self.subscribe.groups();
                let stopped = groups.stop(tenant, group, generation, (why.as_str(), None)).await;
                return if matches!(stopped, Err(Error::Refused(Refusal::Fenced(_)))) {
                    Ok(())
                } else {
                    stopped.and(Err(error))
                };
            }
            Err(error) => return Err(error),
        };
        // Another form may have been put since; then there may be no handler.
        let handler = form.handler.filter(|handler| self.programs.may_run(name, handler));
        let Some(handler) = handler else {
            reading.close().await;
            return Ok(());
        };
        let (subscribe, tenant, group) = (self.subscribe.clone(), tenant.clone(), group.clone());
        let (deduplicate, bounds) = (form.deduplicate, self.bounds.clone());
        let held = Held { subscribe, tenant, group, generation, deduplicate, bounds };
        let concurrency = usize::try_from(handler.concurrency).unwrap_or(1);
        let letters = held.letters().await?;
        let mut window = Window::new(form.failure, concurrency, letters, reading.position());
        if held.deduplicate.is_some() {
            window = window.claiming();
        }
        let (limit, committed) = (Duration::from_secs(handler.timeout_seconds), reading.position());
        let (feed, source) = feed::feed(reading, &held);
        let target = self.target(&held, handler);
        let worker = Worker::new(held, target, limit, window, feed, committed);
        let (stop, name) = (self.stop.child_token(), name.clone());
        self.running.insert(name.clone(), Running { generation, stop: stop.clone() });
        self.tasks.spawn(async move {
            // The group is kept until the worker has committed what it has done.
            let done = CancellationToken::new();
            let work = async {
                let ended = worker.run(stop).await;
                done.cancel();
                ended
            };
            let (ended, ()) = tokio::join!(work, source.run(done.clone()));
            (name, ended)
        });
        Ok(())
    }

    fn target(&self, held: &Held, handler: Handler) -> Arc<dyn Deliver> {
        let limit = Duration::from_secs(handler.timeout_seconds);
        let (group, deduplicate) = (held.group.clone(), held.deduplicate.clone());
        let form = BodyForm { group, format: handler.format, deduplicate };
        match handler.target {
            Target::Webhook(webhook) => Arc::new(WebhookTarget {
                client: self.webhooks.client.clone(),
                clock: self.deps.clock.clone(),
                reach: self.webhooks.reach.clone(),
                webhook,
                form,
                limit,
            }),
            Target::Exec(words) => {
                let (group, withheld) = (form.group.clone(), self.deps.withheld.clone());
                Arc::new(ExecTarget::start(Program { words, group, withheld }, form))
            }
        }
    }

    /// Takes note of a worker that has ended.
    fn ended(&mut self, ended: Result<(Name, Ended), JoinError>) {
        match ended {
            Ok((name, ended)) => {
                self.running.remove(&name);
                match ended {
                    Ended::Stopped | Ended::Halted => drop(self.again.remove(&name)),
                    // The next look finds the group as it is now.
                    Ended::Lost(
                        Error::Refused(Refusal::Fenced(_)) | Error::NotEnabled | Error::Unknown(_),
                    ) => {}
                    Ended::Lost(error) => {
                        self.tell(&name, error.to_string());
                        let waited = self.again.get(&name).map_or(LOOK_EVERY, |(_, wait)| *wait);
                        let next = (waited * 2).min(AGAIN_MAX);
                        self.again.insert(name, (Instant::now() + waited, next));
                    }
                }
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts a worker.
            Err(_) => {}
        }
    }

    /// Tells once why a group's events are not brought to its handler.
    fn tell(&mut self, (tenant, group): &Name, why: String) {
        let name = (tenant.clone(), group.clone());
        if self.told.get(&name) != Some(&why) {
            tracing::warn!(
                %tenant, %group,
                "a group's events are not brought to its handler, which is tried again: {why}"
            );
            self.told.insert(name, why);
        }
    }
}

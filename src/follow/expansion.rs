//! Expansion: carries out the DELETE_ALLs of topics that have one DELETE for each record instead.
//!
//! It finds the requests in the logs of this replica's lanes, by their key, and walks along the
//! request's topic up to the request. Each record whose last event stands there gets a DELETE. A
//! step is one transaction of the store, which notes how far it came: so a replica that is killed,
//! or two that do the same, change nothing. Always true: a record that was touched after the
//! request is left alone.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::interruptible::Interruptible;
use super::newest::newest;
use super::removal::pace::Pace;
use super::worker::{Backoff, Progress};
use super::{FollowDeps, own, page_scan, store};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::expansion;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{ExpansionStep, Scan, TenantLog};

/// The longest time until a request is found.
const PERIOD: Duration = Duration::from_millis(500);
/// The most records of one step.
const RECORDS_MAX: usize = 200;

/// The task that expands the DELETE_ALLs of this replica's lanes.
pub(super) struct ExpansionTask {
    deps: FollowDeps,
    pace: Pace,
    logs: HashMap<TenantId, Requests>,
}

/// The requests of one log.
#[derive(Default)]
struct Requests {
    /// The head up to which they were looked for.
    looked_to: Position,
    /// Those that are not complete, in order.
    open: Vec<Envelope>,
}

impl ExpansionTask {
    /// Makes the task.
    pub(super) fn new(deps: FollowDeps) -> Self {
        Self { deps, pace: Pace::default(), logs: HashMap::new() }
    }

    /// Goes over all logs once. A log that fails keeps no other from being served; the first error
    /// is returned.
    async fn expand_all(&mut self) -> Result<Progress, store::Error> {
        let own = own::logs(&self.deps).await?;
        // Another replica may carry on what this one knows of other lanes.
        self.logs.retain(|tenant, _| own.iter().any(|enabled| enabled.tenant == *tenant));
        let mut failed = None;
        for enabled in &own {
            if let Err(error) = self.expand_in(enabled).await {
                failed = failed.or(Some(error));
            }
        }
        let is_open = self.logs.values().any(|requests| !requests.open.is_empty());
        match failed {
            Some(error) => Err(error),
            None if is_open => Ok(Progress::More),
            None => Ok(Progress::Idle),
        }
    }

    /// Looks for requests in a log that has grown, and does a step of the first that is open.
    async fn expand_in(&mut self, enabled: &TenantLog) -> Result<(), store::Error> {
        let Self { deps, pace, logs, .. } = self;
        let requests = logs.entry(enabled.tenant.clone()).or_default();
        if requests.looked_to < enabled.head {
            requests.look(deps, enabled).await?;
        }
        let Some(request) = requests.open.first() else { return Ok(()) };
        let expansions = deps.store.expansions(&enabled.tenant).await?;
        let its = expansions.iter().find(|it| it.request == request.position);
        let walked_to = match its {
            Some(its) if its.is_complete() => {
                requests.open.remove(0);
                return Ok(());
            }
            its => its.map_or(Position::START, |its| its.walked_to),
        };
        pace.step(async |_| step(deps, enabled, request, walked_to).await).await
    }
}

impl Requests {
    /// Looks for requests among the events since the last look.
    async fn look(&mut self, deps: &FollowDeps, enabled: &TenantLog) -> Result<(), store::Error> {
        let filter = Filter {
            keys: vec![Key::delete_all()],
            types: vec![EventType::DeleteAllExpanded.as_str().to_owned()],
            ..Filter::default()
        };
        let scan = Scan { filter, ..page_scan(RECORDS_MAX) };
        loop {
            let from = [(enabled.tenant.clone(), self.looked_to.into())];
            let slices = deps.store.read(&from, &scan).await?;
            let Some(slice) = slices.into_iter().next() else { return Ok(()) };
            self.open.extend(slice.events);
            self.looked_to = slice.scanned;
            if !slice.more {
                return Ok(());
            }
        }
    }
}

/// Appends the DELETEs of the next records of a request's topic.
async fn step(
    deps: &FollowDeps,
    enabled: &TenantLog,
    request: &Envelope,
    walked_to: Position,
) -> Result<(), store::Error> {
    let (tenant, topic) = (&enabled.tenant, &request.topic);
    let filter = Filter { topics: vec![TopicPattern::exact(topic)], ..Filter::default() };
    let scan = Scan { filter, ..page_scan(RECORDS_MAX) };
    let slices = deps.store.read(&[(tenant.clone(), walked_to.into())], &scan).await?;
    let Some(slice) = slices.into_iter().next() else { return Ok(()) };
    let is_last = !slice.more || slice.scanned >= request.position;
    let walked_to = if is_last { request.position } else { slice.scanned };
    let is_state = |event: &Envelope| {
        event.position < request.position
            && matches!(event.event_type, EventType::Create | EventType::Update)
    };
    let states: Vec<_> = slice.events.into_iter().filter(is_state).collect();
    let keys = states.iter().map(|event| &event.key);
    let newest = newest(&*deps.store, (tenant, topic), keys).await?;
    let is_newest = |event: &&Envelope| newest.get(&event.key) == Some(&event.position);
    let wire_form = deps.settings.wire_form(tenant, topic);
    let deletes = states.iter().filter(is_newest);
    let deletes = deletes.map(|last| expansion::delete(request, last, wire_form)).collect();
    let (tenant, topic, request) = (tenant.clone(), topic.clone(), request.position);
    let appended =
        deps.store.expand(&ExpansionStep { tenant, topic, request, walked_to, deletes }).await?;
    if appended > 0 {
        deps.wakeups.wake(enabled.lane);
    }
    deps.metrics.expanded(appended);
    Ok(())
}

#[async_trait]
impl Interruptible for ExpansionTask {
    const NAME: &'static str = "expansion";
    type Error = store::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (PERIOD, Backoff::new(PERIOD, PERIOD * 60))
    }

    async fn round(&mut self) -> Result<Progress, store::Error> {
        // Tenants whose files are added may have such topics.
        if !self.deps.settings.expands() {
            return Ok(Progress::Idle);
        }
        self.expand_all().await
    }
}

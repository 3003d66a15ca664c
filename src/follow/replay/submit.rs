//! Submission of replays: turns an operator's request into a plan, or says why not.
//!
//! `http` and the subcommands call it. It reads the tenant's log and the sink's topics, and adds a
//! row to the store. The tenant's lane begins with the replay within a second, whichever replica
//! runs it.

mod admission;

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use super::count::{self, Count, Counted};
use super::scope;
use crate::clock::Clock;
use crate::domain::floors::Gap;
use crate::domain::follower::Follower;
use crate::domain::known_topic::KnownTopic;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::domain::replay::{Outcome, Plan, Progress, Rate, Replay, ReplayId, ReplayRequest, Wish};
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::domain::violation::Violation;
use crate::follow::read_log;
use crate::sink::{self, Sink};
use crate::store::{self, Store, TenantLog};

/// The most topics times keys whose events are counted at a submission.
const COUNTS_MAX: usize = 1_000;
/// The most times that a number is chosen again, since others have submitted replays meanwhile.
const ATTEMPTS_MAX: usize = 20;

/// The reason why a replay was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum NotSubmitted {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The sink failed.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// There is no Kafka to replay to.
    #[error("there is no Kafka to replay to: set KAFKA_HOST")]
    NoBroker,
    /// The tenant is not enabled.
    #[error("tenant `{0}` is not enabled")]
    NotEnabled(TenantId),
    /// The request asks for what no replay can do; never empty.
    #[error("{}", .0.iter().map(|v| v.message.as_str()).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Violation>),
    /// The target is taken.
    #[error("{message}")]
    Taken {
        /// The tenant that has it, as far as that is known.
        by: Option<TenantId>,
        /// The topics and whose they are.
        message: String,
    },
    /// The log no longer has all events from the first position that was asked for.
    #[error(
        "the log no longer has all events of the topic `{}` from position {} to {}: let the first \
         position be {}, or leave it out to replay what the log has",
        .0.topic, .0.from, .0.to, .0.to.next()
    )]
    Removed(Gap),
    /// Another replay sends events of the same keys to the same topic.
    #[error(
        "replay {id} sends events to {topic} that may have the same keys: wait until it has ended, \
         cancel it, or name other keys"
    )]
    Overlaps {
        /// The other replay.
        id: ReplayId,
        /// The topic.
        topic: Topic,
    },
}

/// The reason why an operator's wish was not noted.
#[derive(Debug, thiserror::Error)]
pub enum NotHeeded {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant has no replay with this id.
    #[error("the tenant has no replay `{0}`")]
    Unknown(ReplayId),
    /// The replay has this status.
    #[error("the replay `{id}` is {status}: only one that is in progress or paused can be changed")]
    Ended {
        /// The replay.
        id: ReplayId,
        /// The status, in the API's words.
        status: &'static str,
    },
}

impl NotSubmitted {
    /// Returns it as the caller of one tenant alone is told: the log names the others instead.
    pub fn unnamed(self, tenant: &TenantId) -> Self {
        match self {
            Self::Taken { by: Some(other), message } if other != *tenant => {
                tracing::info!(%tenant, "the target of a replay was refused: {message}");
                let message = "the target is another tenant's topic, now or before, or is the same \
                               to Kafka as one";
                Self::Taken { by: None, message: message.to_owned() }
            }
            told => told,
        }
    }
}

/// The result of a request.
#[derive(Debug)]
pub enum Submitted {
    /// A replay.
    Replay(Box<Replay>),
    /// A dry run's count.
    Count(Count),
}

/// The parts that submissions need.
#[derive(Clone)]
pub struct SubmitDeps {
    /// The logs.
    pub store: Arc<dyn Store>,
    /// The settings, which name each tenant's topics.
    pub settings: Arc<Settings>,
    /// The broker, if there is one.
    pub broker: Option<Arc<dyn Sink>>,
    /// The source of times and ids.
    pub clock: Arc<dyn Clock>,
}

/// A tenant's log at a submission.
struct LogNow {
    enabled: TenantLog,
    /// The relay's position, by its checkpoint.
    relayed: Position,
    topics: Vec<Topic>,
    parked: Vec<Parked>,
    /// The topics that the store knows and that have the target's name, as far as Kafka tells; none
    /// if the replay has no target.
    known: Vec<KnownTopic>,
}

impl SubmitDeps {
    /// Submits a replay, or counts for a dry run.
    pub async fn submit(
        &self,
        tenant: &TenantId,
        request: &ReplayRequest,
        by: &TrailEntry,
    ) -> Result<Submitted, NotSubmitted> {
        let mut log = self.log_now(tenant).await?;
        if let Some(target) = &request.target {
            log.known = self.store.known_topics(tenant, slice::from_ref(target)).await?;
        }
        let broker = self.broker.as_ref().ok_or(NotSubmitted::NoBroker)?;
        let mut plan =
            admission::plan(&self.settings, &log, request).map_err(NotSubmitted::Refused)?;
        admission::refuse_taken(&**broker, &self.settings, &log, &plan).await?;
        self.begin_after_delete_alls(&log, &mut plan).await?;
        if request.positions.from.is_some() {
            let gap = self.store.floors(tenant).await?.gap(&plan.filter(), plan.after);
            gap.map_or(Ok(()), |gap| Err(NotSubmitted::Removed(gap)))?;
        }
        let until = until(&log, request);
        let kept_from = admission::kept_from(&**broker, &plan, self.clock.now()).await?;
        if request.dry_run {
            let until = until.unwrap_or(log.relayed);
            let (tenant, plan, parked) = (&log.enabled.tenant, &plan, &log.parked);
            let counted = Counted { tenant, plan, until, parked, kept_from };
            return Ok(Submitted::Count(count::count(&*self.store, &counted).await?));
        }
        admission::refuse_too_old(&*self.store, tenant, &plan, &kept_from).await?;
        self.add(&log, plan, (until, request.rate), by).await
    }

    /// Stores an operator's request to pause, resume or cancel a replay, and a new rate if there is
    /// one. Returns the replay as it is then.
    pub async fn wish(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        wish: Wish,
        rate: Option<Rate>,
        by: &TrailEntry,
    ) -> Result<Replay, NotHeeded> {
        let (by, now) = (by.on(id), self.clock.now());
        let noted = self.store.wish_replay(tenant, id, (wish, now), rate, Some(&by)).await?;
        let replay = self.store.find_replay(tenant, id).await?.ok_or(NotHeeded::Unknown(id))?;
        // A second cancellation asks for what is done already.
        let is_cancelled = wish == Wish::Cancel && replay.wish.0 == Wish::Cancel;
        if noted || is_cancelled && replay.is_open() {
            return Ok(replay);
        }
        Err(NotHeeded::Ended { id, status: replay.status() })
    }

    async fn log_now(&self, tenant: &TenantId) -> Result<LogNow, NotSubmitted> {
        let relay = Follower::relay();
        let checkpoint = self.store.load(tenant, &relay).await?;
        let enabled = self.store.find_tenant(tenant).await?.filter(|log| log.is_enabled);
        let enabled = enabled.ok_or_else(|| NotSubmitted::NotEnabled(tenant.clone()))?;
        let mut parked = self.store.parked(tenant, &relay).await?;
        parked.retain(|parked| parked.log_id == enabled.log_id);
        Ok(LogNow {
            relayed: enabled.passed_by(checkpoint),
            topics: self.store.topics(tenant).await?,
            enabled,
            parked,
            known: Vec::new(),
        })
    }

    /// Lets a replay to its own topics begin after the last DELETE_ALL that each of them has.
    async fn begin_after_delete_alls(
        &self,
        log: &LogNow,
        plan: &mut Plan,
    ) -> Result<(), store::Error> {
        if plan.target.is_some() {
            return Ok(());
        }
        let mut first = None;
        for topic in &plan.topics {
            let of = (topic, log.relayed);
            let tenant = &log.enabled.tenant;
            let last = count::last_delete_all(&*self.store, tenant, of, &log.parked).await?;
            first = Some(first.map_or(last, |first: Position| first.min(last)));
        }
        plan.after = plan.after.max(first.unwrap_or_default());
        Ok(())
    }

    /// Adds the replay under the tenant's next number, unless another one overlaps with it. Whoever
    /// adds one meanwhile has taken the number, and is looked at too.
    async fn add(
        &self,
        log: &LogNow,
        plan: Plan,
        (until, rate): (Option<Position>, Rate),
        by: &TrailEntry,
    ) -> Result<Submitted, NotSubmitted> {
        let TenantLog { tenant, log_id, .. } = &log.enabled;
        let total = self.total(log, &plan, until).await?;
        let now = self.clock.now();
        // A lane that never had an event is not worked on.
        let is_empty = log.enabled.head == Position::START;
        let ended = is_empty.then_some((Outcome::Completed, now));
        let mut replay = Replay {
            id: ReplayId::new(self.clock.new_id()),
            tenant: tenant.clone(),
            log_id: *log_id,
            number: 0,
            submitted: now,
            until,
            total,
            rate,
            wish: (Wish::Run, now),
            progress: Progress { position: plan.after, ended, ..Progress::default() },
            plan,
        };
        for _ in 0..ATTEMPTS_MAX {
            let others = self.store.replays(tenant).await?;
            for other in others.iter().filter(|other| other.is_open()) {
                if let Some(topic) = replay.plan.overlap(&other.plan) {
                    return Err(NotSubmitted::Overlaps { id: other.id, topic: topic.clone() });
                }
            }
            replay.number = others.first().map_or(0, |newest| newest.number) + 1;
            if self.store.add_replay(&replay, Some(&by.on(replay.id))).await? {
                return Ok(Submitted::Replay(Box::new(replay)));
            }
            // The tenant's purge may have begun meanwhile.
            self.log_now(tenant).await?;
        }
        Err(store::Error::Unavailable("too many replays are submitted at once".to_owned()).into())
    }

    /// Returns about how many events a replay will send: those of its topics and keys, whatever
    /// their types and times; `None` if that takes too many counts.
    async fn total(
        &self,
        log: &LogNow,
        plan: &Plan,
        until: Option<Position>,
    ) -> Result<Option<u64>, store::Error> {
        let keys: Vec<_> = match plan.keys.as_slice() {
            [] => vec![None],
            keys => keys.iter().map(Some).collect(),
        };
        if plan.topics.len() * keys.len() > COUNTS_MAX {
            return Ok(None);
        }
        let after = self.first_of(log, plan).await?;
        let range = after..until.unwrap_or(log.relayed);
        let mut total = 0;
        for topic in &plan.topics {
            for key in &keys {
                let tenant = &log.enabled.tenant;
                total += self.store.count_events(tenant, topic, *key, range.clone()).await?;
            }
        }
        Ok(Some(total))
    }

    /// Returns the position before the first event that the plan matches.
    async fn first_of(&self, log: &LogNow, plan: &Plan) -> Result<Position, store::Error> {
        if plan.from.is_none() {
            return Ok(plan.after);
        }
        let (tenant, scan) = (&log.enabled.tenant, scope::scan(plan, 1));
        let slice = read_log(&*self.store, tenant, plan.after, &scan).await?;
        Ok(slice.events.first().map_or(slice.scanned, |event| event.position.back(1)))
    }
}

/// Returns the last position that a replay may send; `None` if it ends where it joins the relay.
fn until(log: &LogNow, request: &ReplayRequest) -> Option<Position> {
    request.target.as_ref()?;
    let end = if request.pending_only { log.enabled.head } else { log.relayed };
    Some(request.positions.to.map_or(end, |to| to.min(end)))
}

/// The times from which on topics keep records, of those topics that do not keep all.
type KeptFrom = BTreeMap<Topic, Time>;

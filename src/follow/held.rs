//! Held-back topics and tenants: topics that take no records for a while, and tenants whose next
//! event is too early for the sink, so that no other tenant waits for them.
//!
//! The lane reports pages that failed for a reason that passes with time, and the sources ask here:
//! the relay ends a tenant's slice before the first event that is held back. A tenant has one
//! cursor, so it waits with its topic, in order; all others go on. Takeovers keep this state.
//! Nothing is parked for a reason that passes with time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::FollowDeps;
use super::parking::bisect;
use crate::domain::envelope::Envelope;
use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::health::{Component, Health, Occurrence, SinkPart};
use crate::sink::{self, Names, Page, RecordCause, TopicDescription, UnavailableTopic};

/// The first pause; each later one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest pause of a tenant whose event Kafka takes at a known time, since an operator may
/// change the topic's setting before.
const PAUSE_EARLY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
struct Wait {
    since: Time,
    again: Instant,
    pause: Duration,
}

impl Wait {
    /// Returns the next wait: for `pause`, or for twice the last pause.
    fn again(before: Option<Self>, now: Time, pause: Option<Duration>) -> Self {
        let doubled = before.map_or(PAUSE_FIRST, |wait| PAUSE_MAX.min(wait.pause * 2));
        let pause = pause.unwrap_or(doubled);
        Self { since: before.map_or(now, |wait| wait.since), again: Instant::now() + pause, pause }
    }

    fn lasts(&self) -> bool {
        Instant::now() < self.again
    }
}

/// The topics and tenants that a lane holds back from one sink.
#[derive(Debug)]
pub(super) struct Held {
    /// The follower of the sink.
    follower: Follower,
    /// The topics, each with a tenant whose events go there.
    topics: BTreeMap<Topic, (TenantId, Wait)>,
    tenants: BTreeMap<TenantId, Wait>,
}

impl Held {
    /// Makes an empty list for the sink of a follower.
    pub(super) fn new(follower: Follower) -> Self {
        Self { follower, topics: BTreeMap::new(), tenants: BTreeMap::new() }
    }

    /// Returns whether the topic is held back.
    pub(super) fn has_topic(&self, topic: &Topic) -> bool {
        self.topics.get(topic).is_some_and(|(_, wait)| wait.lasts())
    }

    /// Returns whether the tenant is held back.
    pub(super) fn has_tenant(&self, tenant: &TenantId) -> bool {
        self.tenants.get(tenant).is_some_and(Wait::lasts)
    }

    /// Releases the topics and tenants of a page that was published; they are healthy again.
    pub(super) fn published(&mut self, page: &Page, health: &Health) {
        if self.topics.is_empty() && self.tenants.is_empty() {
            return;
        }
        for event in page.slices.iter().flat_map(|slice| &slice.events) {
            if self.topics.remove(&event.topic).is_some() {
                well(health, &self.writes(&event.topic));
            }
            if self.tenants.remove(&event.tenant).is_some() {
                well(health, &self.clock(&event.tenant));
            }
        }
    }

    /// Forgets a topic that is parked, so that nothing waits for it any more.
    pub(super) fn parked(&mut self, topic: &Topic, health: &Health) {
        if self.topics.remove(topic).is_some() {
            health.healthy(&self.writes(topic));
        }
    }

    /// Forgets everything, since another replica has the lane.
    pub(super) fn clear(&mut self, health: &Health) {
        let (topics, tenants) =
            (std::mem::take(&mut self.topics), std::mem::take(&mut self.tenants));
        topics.keys().for_each(|topic| health.healthy(&self.writes(topic)));
        tenants.keys().for_each(|tenant| health.healthy(&self.clock(tenant)));
    }

    fn writes(&self, topic: &Topic) -> Component {
        SinkPart::Writes(topic.clone()).of(&self.follower)
    }

    fn clock(&self, tenant: &TenantId) -> Component {
        SinkPart::Clock(tenant.clone()).of(&self.follower)
    }
}

/// Asks the sink about topics whose pause is over, before a page is sent to them. A topic that
/// still takes no records is held back again.
pub(super) async fn ask_again(deps: &FollowDeps, sink: &dyn sink::Sink, held: &mut Held) {
    // A topic that no file names is not created again.
    let names = |topic: &Topic, tenant: &TenantId| deps.settings.names(tenant, topic);
    let over =
        held.topics.iter().filter(|(topic, (tenant, wait))| !wait.lasts() && names(topic, tenant));
    let over: Vec<_> = over.collect();
    let over: Vec<_> =
        over.iter().map(|(topic, (tenant, _))| deps.settings.spec(tenant, topic)).collect();
    if over.is_empty() {
        return;
    }
    if let Err(sink::Error::Unavailable(topics)) = sink.ensure(&over).await {
        for unwritable in &topics {
            let tenant = held.topics.get(&unwritable.topic).map(|(tenant, _)| tenant.clone());
            tenant.into_iter().for_each(|tenant| hold_topic(deps, held, tenant, unwritable));
        }
    }
}

/// Holds back the topics or the tenant for which a page failed, if the reason passes with time.
/// Returns `false` if it doesn't, or if the record is not found yet.
#[tracing::instrument(level = "debug", skip_all, fields(follower = %page.follower, %error))]
pub(super) async fn hold(
    deps: &FollowDeps,
    sink: &dyn sink::Sink,
    held: &mut Held,
    page: &Page,
    error: &sink::Error,
) -> bool {
    match error {
        sink::Error::Unavailable(topics) => {
            for unwritable in topics {
                let event = bisect::first_of(&unwritable.topic, page).into_iter().next();
                let tenant = event.map(|event| event.tenant.clone());
                tenant.into_iter().for_each(|tenant| hold_topic(deps, held, tenant, unwritable));
            }
            true
        }
        sink::Error::Isolate(RecordCause::TooEarly(_)) => {
            let Some(event) = bisect::single(page) else { return false };
            let described = sink.describe(std::slice::from_ref(&event.topic)).await;
            let described = described.ok().and_then(|mut found| found.remove(&event.topic));
            hold_early(deps, held, event, &described.unwrap_or_default(), sink.names())
        }
        _ => false,
    }
}

fn hold_topic(deps: &FollowDeps, held: &mut Held, tenant: TenantId, unwritable: &UnavailableTopic) {
    let UnavailableTopic { topic, why } = unwritable;
    let before = held.topics.get(topic).map(|(_, wait)| *wait);
    let wait = Wait::again(before, deps.clock.now(), None);
    let since = wait.since;
    held.topics.insert(topic.clone(), (tenant, wait));
    let why = format!(
        "it takes no records just now: {why}; since {since} the tenants whose next event is for it \
         wait, in order, and all others go on; the gateway tries again by itself"
    );
    tell(deps, &held.writes(topic), &why);
}

/// Holds back the tenant of a record that is too early. Returns `false` if the record is too old
/// for its topic, which will never take it.
fn hold_early(
    deps: &FollowDeps,
    held: &mut Held,
    event: &Envelope,
    topic: &TopicDescription,
    names: Names,
) -> bool {
    let now = deps.clock.now();
    let too_old = |max: i64| event.time.as_ms() < now.as_ms().saturating_sub(max);
    if topic.age_ms_max.is_some_and(too_old) {
        return false;
    }
    let taken = Time::from_ms(event.time.as_ms().saturating_sub(topic.ahead_ms_max()));
    let in_ms = u64::try_from(taken.as_ms().saturating_sub(now.as_ms())).ok().filter(|ms| *ms > 0);
    let pause = in_ms.map(|ms| Duration::from_millis(ms).min(PAUSE_EARLY_MAX));
    let wait = Wait::again(held.tenants.get(&event.tenant).copied(), now, pause);
    let since = wait.since;
    held.tenants.insert(event.tenant.clone(), wait);
    let about = match in_ms {
        Some(_) => format!("about {taken}"),
        None => "once its clock, which is slow, has reached that time".to_owned(),
    };
    let why = format!(
        "its event at position {} has the time {}, which is too far ahead for {} (its \
         message.timestamp.after.max.ms): the store's clock was fast when it was appended, or the \
         sink's is slow; since {since} the tenant waits, in order, and all others go on; {} \
         takes it {about}, and it goes on by itself",
        event.position, event.time, event.topic, names.sink
    );
    tell(deps, &held.clock(&event.tenant), &why);
    true
}

fn tell(deps: &FollowDeps, component: &Component, why: &str) {
    if deps.health.degraded(component.clone(), why) == Occurrence::First {
        tracing::warn!("{component}: {why}");
    }
}

fn well(health: &Health, component: &Component) {
    health.healthy(component);
    tracing::info!("{component}: goes on");
}

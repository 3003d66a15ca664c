//! Admission: which requests a replay can carry out without leaving a consumer with older records
//! than it had, and without sending records that the sink deletes at once.
//!
//! Each refusal names the member of the request that it is about, and a request that would do.

use std::collections::BTreeMap;
use std::slice;

use super::{KeptFrom, LogNow, NotSubmitted};
use crate::domain::filter::Filter;
use crate::domain::known_topic::{KnownTopic, Taking, TopicUse};
use crate::domain::position::Position;
use crate::domain::replay::{Plan, ReplayRequest, Target, Timestamp};
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::violation::Violation;
use crate::follow::read_log;
use crate::follow::replay::scope;
use crate::sink::{self, Sink};
use crate::store::{self, Store};

/// Makes the plan of a request, or returns every reason why there is none.
pub(super) fn plan(
    settings: &Settings,
    log: &LogNow,
    request: &ReplayRequest,
) -> Result<Plan, Vec<Violation>> {
    let asked = Filter { topics: request.topics.clone(), ..Filter::default() };
    let topics: Vec<_> = log.topics.iter().filter(|topic| asked.has_topic(topic)).collect();
    let tenant = &log.enabled.tenant;
    let mut all = request.contradictions(&settings.target_prefix(tenant));
    all.extend(unknown_topics(settings, log, request));
    if topics.is_empty() && !request.topics.is_empty() && all.is_empty() {
        let message = format!("the log has no events of these topics; it has {}", known(log));
        all.push(Violation::new("/topics".to_owned(), "unknown-topic", message));
    }
    let target = request.target.as_ref().filter(|_| all.iter().all(|it| it.pointer != "/target"));
    all.extend(target.and_then(|target| own(settings, log, target)));
    if !all.is_empty() {
        return Err(all);
    }
    let partitions = |topic: &&&Topic| settings.spec(tenant, topic).partitions;
    let partitions = topics.iter().map(|topic| partitions(&topic)).max().unwrap_or(1);
    let target = request.target.clone().map(|topic| Target { topic, partitions });
    let first = request.positions.from.map_or(Position::START, |from| from.back(1));
    let begins = if request.pending_only { log.relayed } else { Position::START };
    Ok(Plan {
        topics: topics.into_iter().cloned().collect(),
        keys: request.keys.clone(),
        types: request.types.clone(),
        from: request.from,
        to: request.to,
        after: first.max(begins),
        pending_only: request.pending_only,
        target,
        timestamp: request.timestamp,
        skip_refused: request.skip_refused,
        joins_from: log.relayed,
    })
}

/// Refuses each pattern that matches no topic, neither one of the log nor one that the files name.
fn unknown_topics(settings: &Settings, log: &LogNow, request: &ReplayRequest) -> Vec<Violation> {
    let unmatched = settings.unmatched(&log.enabled.tenant, &log.topics, &request.topics);
    let violation = |index: usize| {
        let pattern = request.topics[index].as_str();
        let message = format!("no topic of the log matches `{pattern}`; it has {}", known(log));
        Violation::new(format!("/topics/{index}"), "unknown-topic", message)
    };
    unmatched.into_iter().map(violation).collect()
}

/// Returns the words that name the log's topics.
fn known(log: &LogNow) -> String {
    match &log.topics[..] {
        [] => "none".to_owned(),
        topics => topics.iter().map(Topic::as_str).collect::<Vec<_>>().join(", "),
    }
}

/// Refuses a target that is one of the tenant's own topics.
fn own(settings: &Settings, log: &LogNow, target: &Topic) -> Option<Violation> {
    let is_own = settings.names(&log.enabled.tenant, target) || log.topics.contains(target);
    let message = format!(
        "`{target}` is one of the tenant's own topics: leave the target out to send events to the \
         topics that they were published to"
    );
    is_own.then(|| Violation::new("/target".to_owned(), "illegal-target", message))
}

/// Refuses a target that another tenant has, or that is the same to Kafka as a topic that is known;
/// and one that the broker has although no replay of the tenant was sent to it: it is somebody
/// else's, and a purge of the tenant would delete it.
pub(super) async fn refuse_taken(
    broker: &dyn Sink,
    settings: &Settings,
    log: &LogNow,
    plan: &Plan,
) -> Result<(), NotSubmitted> {
    let Some(Target { topic, .. }) = &plan.target else { return Ok(()) };
    let tenant = &log.enabled.tenant;
    let named = settings.specs(tenant).into_iter().map(|spec| spec.topic);
    let usage = TopicUse::Events;
    let own = named.map(|topic| KnownTopic { topic, tenant: tenant.clone(), usage });
    for known in own.chain(log.known.iter().cloned()) {
        if let Some(message) = known.clash(Taking::Target(tenant, topic), false) {
            return Err(NotSubmitted::Taken { by: Some(known.tenant), message });
        }
    }
    if log.known.iter().any(|known| known.topic == *topic)
        || broker.describe(slice::from_ref(topic)).await?.is_empty()
    {
        return Ok(());
    }
    let message = format!(
        "the broker has `{topic}` already, and no replay of the tenant was sent to it: choose a \
         name that is free, since a purge of the tenant deletes its replays' targets"
    );
    Err(NotSubmitted::Taken { by: None, message })
}

/// Returns the time from which on each topic that a plan sends to keeps records; topics that are
/// missing, or keep all records, are left out. Records with the present time are kept.
pub(super) async fn kept_from(
    broker: &dyn Sink,
    plan: &Plan,
    now: Time,
) -> Result<KeptFrom, sink::Error> {
    if plan.timestamp == Timestamp::Now {
        return Ok(BTreeMap::new());
    }
    let topics: Vec<_> = plan.destinations().into_iter().cloned().collect();
    let described = broker.describe(&topics).await?;
    let from = |ms: i64| Time::from_ms(now.as_ms().saturating_sub(ms));
    let kept = described.into_iter().filter_map(|(topic, it)| Some((topic, it.retention_ms?)));
    Ok(kept.map(|(topic, retention_ms)| (topic, from(retention_ms))).collect())
}

/// Refuses a plan with an event that is older than its topic keeps records.
pub(super) async fn refuse_too_old(
    store: &dyn Store,
    tenant: &TenantId,
    plan: &Plan,
    kept_from: &KeptFrom,
) -> Result<(), NotSubmitted> {
    let mut all = Vec::new();
    for (destination, from) in kept_from {
        let sources = match &plan.target {
            Some(_) => plan.topics.clone(),
            None => vec![destination.clone()],
        };
        let Some(oldest) = oldest(store, tenant, &Plan { topics: sources, ..plan.clone() }).await?
        else {
            continue;
        };
        if oldest < *from {
            let pointer = if plan.target.is_some() { "/target" } else { "/from" };
            let message = format!(
                "the oldest event is of {oldest}, but {destination} keeps records only from {from} \
                 on, and Kafka soon deletes older ones: set `timestamp` to `now`, or `from` to a \
                 later time than that, or raise the topic's retention.ms"
            );
            all.push(Violation::new(pointer.to_owned(), "too-old", message));
        }
    }
    if all.is_empty() { Ok(()) } else { Err(NotSubmitted::Refused(all)) }
}

/// Returns the time of the first event that a plan matches.
async fn oldest(
    store: &dyn Store,
    tenant: &TenantId,
    plan: &Plan,
) -> Result<Option<Time>, store::Error> {
    let (scan, mut after) = (scope::scan(plan, 1), plan.after);
    loop {
        let slice = read_log(store, tenant, after, &scan).await?;
        match slice.events.first() {
            Some(event) => return Ok(Some(event.time)),
            None if !slice.more => return Ok(None),
            None => after = slice.scanned,
        }
    }
}

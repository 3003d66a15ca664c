//! Admission: which requests a replay can carry out without leaving a consumer with older records
//! than it had, and without sending records that the sink deletes at once.
//!
//! Each refusal names the member of the request that it is about, and a request that would do.

use std::collections::BTreeMap;

use super::{KeptFrom, LogNow, NotSubmitted};
use crate::domain::filter::Filter;
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
    let mut all = Vec::new();
    if topics.is_empty() && !request.topics.is_empty() {
        let known: Vec<_> = log.topics.iter().map(Topic::as_str).collect();
        let message = format!("the log has no such topic; it has {}", known.join(", "));
        all.push(Violation::new("/topics".to_owned(), "unknown-topic", message));
    }
    let tenant = &log.enabled.tenant;
    match &request.target {
        Some(target) => all.extend(target_rules(settings, log, target)),
        None => all.extend(needs_target(settings, tenant, request)),
    }
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

/// Refuses what breaks the order of the tenant's own topics: there, a replay goes on for every key
/// until it has sent the newest event.
fn needs_target(settings: &Settings, tenant: &TenantId, request: &ReplayRequest) -> Vec<Violation> {
    let asked = [
        ("/types", !request.types.is_empty(), "events of some types"),
        ("/to", request.to.is_some(), "events up to a time"),
        ("/positions/to", request.positions.to.is_some(), "events up to a position"),
        ("/pendingOnly", request.pending_only, "events that are not published yet"),
    ];
    let violation = |(pointer, _, events): (&str, bool, &str)| {
        let message = format!(
            "a replay of {events} would leave other records as the last ones of their keys: give \
             a target, such as `{}replay`",
            prefix(settings, tenant)
        );
        Violation::new(pointer.to_owned(), "needs-target", message)
    };
    asked.into_iter().filter(|(_, is_asked, _)| *is_asked).map(violation).collect()
}

fn target_rules(settings: &Settings, log: &LogNow, target: &Topic) -> Option<Violation> {
    let tenant = &log.enabled.tenant;
    let refused =
        |message: String| Some(Violation::new("/target".to_owned(), "illegal-target", message));
    let prefix = prefix(settings, tenant);
    if !target.as_str().starts_with(&prefix) || target.as_str().len() == prefix.len() {
        return refused(format!("a target begins with `{prefix}`"));
    }
    if settings.names(tenant, target) || log.topics.contains(target) {
        return refused(format!(
            "`{target}` is one of the tenant's own topics: leave the target out to send events to \
             the topics that they were published to"
        ));
    }
    if target.is_reserved() {
        return refused(format!("`{target}` is reserved for the gateway"));
    }
    None
}

fn prefix(settings: &Settings, tenant: &TenantId) -> String {
    let env = settings.naming().env();
    env.map_or_else(|| format!("{tenant}."), |env| format!("{env}.{tenant}."))
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

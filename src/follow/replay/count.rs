//! Counts the events that a replay would send, without sending any.
//!
//! `submit` counts for a dry run: it reads all of the plan's events, as the replay would.

use std::collections::BTreeMap;

use super::scope;
use super::selection::each_delete_all;
use crate::domain::event::EventType;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::domain::replay::Plan;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::follow::{PAGE_EVENTS_MAX, read_log};
use crate::store::{Error, Store};

/// The events of one topic that a replay would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicCount {
    /// The number of events.
    pub events: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// The number of events that are older than the topic keeps records.
    pub vanishing: u64,
}

/// The events that a replay would send, by the topic that they were published to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// The events of each topic.
    pub topics: BTreeMap<Topic, TopicCount>,
}

impl Count {
    /// Returns the count of all topics.
    pub fn total(&self) -> TopicCount {
        self.topics.values().fold(TopicCount::default(), |sum, one| TopicCount {
            events: sum.events + one.events,
            bytes: sum.bytes + one.bytes,
            vanishing: sum.vanishing + one.vanishing,
        })
    }
}

/// The log and the plan to count by.
pub(super) struct Counted<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) plan: &'a Plan,
    /// The last position that the replay may send.
    pub(super) until: Position,
    /// The scopes of the log, whose events may not be published.
    pub(super) parked: &'a [Parked],
    /// The time from which on each topic keeps records, where it does not keep all.
    pub(super) kept_from: BTreeMap<Topic, Time>,
}

/// Counts the events.
pub(super) async fn count(store: &dyn Store, counted: &Counted<'_>) -> Result<Count, Error> {
    let Counted { tenant, plan, until, parked, kept_from } = counted;
    let is_own = plan.target.is_none();
    let (mut count, mut delete_alls) = (Count::default(), BTreeMap::new());
    for topic in &plan.topics {
        count.topics.insert(topic.clone(), TopicCount::default());
        if is_own {
            let last = last_delete_all(store, tenant, (topic, *until), parked).await?;
            delete_alls.insert(topic, last);
        }
    }
    let (scan, mut after) = (scope::scan(plan, PAGE_EVENTS_MAX), plan.after);
    while after < *until {
        let slice = read_log(store, tenant, after, &scan).await?;
        for event in slice.events.iter().take_while(|event| event.position <= *until) {
            let is_void = delete_alls.get(&event.topic).is_some_and(|last| event.position < *last);
            let is_left_out = is_own && (is_void || event.event_type == EventType::DeleteAll);
            if is_left_out || !event.has_content() || scope::hold(parked, event) {
                continue;
            }
            let Some(topic) = count.topics.get_mut(&event.topic) else { continue };
            topic.events += 1;
            topic.bytes += event.payload.len() as u64;
            let destination = plan.target.as_ref().map_or(&event.topic, |target| &target.topic);
            topic.vanishing +=
                u64::from(kept_from.get(destination).is_some_and(|from| event.time < *from));
        }
        if !slice.more {
            break;
        }
        after = slice.scanned;
    }
    Ok(count)
}

/// Returns the position of a topic's last DELETE_ALL that is published, up to a position.
pub(super) async fn last_delete_all(
    store: &dyn Store,
    tenant: &TenantId,
    (topic, until): (&Topic, Position),
    parked: &[Parked],
) -> Result<Position, Error> {
    let mut last = Position::START;
    each_delete_all(store, tenant, topic, Position::START, |event| {
        if event.position <= until && !scope::hold(parked, event) {
            last = event.position;
        }
    })
    .await?;
    Ok(last)
}

//! Reads of a replay's events, and what is known of the tenant beside them.
//!
//! `run` and `count` read with it, from the store's log.

use crate::domain::envelope::Envelope;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::parked::{Parked, State};
use crate::domain::position::{LogId, Position};
use crate::domain::replay::Plan;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::read_log;
use crate::store::{Error, Scan, Slice, Store};

/// Returns the limits of one read of a plan's events.
pub(super) fn scan(plan: &Plan, events_max: usize) -> Scan {
    let Plan { from, to, .. } = plan;
    let filter = plan.filter();
    Scan { from: *from, to: *to, ..Scan::page(filter, events_max) }
}

/// Returns the events of one key of a topic after a position, at most so many.
pub(super) async fn of_key(
    store: &dyn Store,
    tenant: &TenantId,
    (topic, key): (&Topic, &Key),
    after: Position,
    events_max: usize,
) -> Result<Slice, Error> {
    let topics = vec![TopicPattern::exact(topic)];
    let filter = Filter { topics, keys: vec![key.clone()], ..Filter::default() };
    read_log(store, tenant, after, &Scan::page(filter, events_max)).await
}

/// Returns the scopes of a log that were superseded or discarded: their events are not published.
pub(super) async fn given_up(
    store: &dyn Store,
    tenant: &TenantId,
    log_id: LogId,
) -> Result<Vec<Parked>, Error> {
    let mut parked = store.parked(tenant, &Follower::relay()).await?;
    let is_given_up = |state| matches!(state, State::Superseded(_) | State::Discarded(_));
    parked.retain(|parked| parked.log_id == log_id && is_given_up(parked.state));
    Ok(parked)
}

/// Returns whether one of these scopes holds an event.
pub(super) fn hold(scopes: &[Parked], event: &Envelope) -> bool {
    let Envelope { log_id, topic, key, position, .. } = event;
    scopes.iter().any(|scope| scope.holds(*log_id, topic, key, *position))
}

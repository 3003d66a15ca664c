//! Operators' requests to release a parked scope, or to discard it.
//!
//! `http` passes in the requests, which are written to the store. The tenant's lane takes them from
//! there within a second, whichever replica runs it. A key is not released while its topic is
//! parked as a whole, since a DELETE_ALL parked with the topic may stand before it.

use super::Parking;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::follow::lane_state::Logs;
use crate::health::{Health, SinkPart};
use crate::store::{Error, Store};

/// The reason why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// No scope with this id was ever parked.
    #[error("no scope is parked under that id")]
    Unknown,
    /// The scope is a key of this topic, which is parked as a whole.
    #[error("the topic {0} is parked")]
    TopicParked(Topic),
    /// The scope is in this state, or has a request already.
    #[error("its state is {0}")]
    NotParked(State),
}

/// Returns why a sink gets nothing of a tenant, if this replica's lane has stopped it.
pub fn stopped(health: &Health, sink: &Follower, tenant: &TenantId) -> Option<String> {
    health.cause_of(&SinkPart::Log(tenant.clone()).of(sink))
}

/// Writes a request to release or discard a scope that is parked for a sink. Returns the scope as
/// the store has it then.
pub async fn request(
    store: &dyn Store,
    (sink, tenant, id): (&Follower, &TenantId, EventId),
    request: Request,
    reason: Option<&str>,
    by: &TrailEntry,
) -> Result<Option<Parked>, NotTaken> {
    let all = store.parked(tenant, sink).await?;
    let wanted = all.iter().find(|parked| parked.event_id == id).ok_or(NotTaken::Unknown)?;
    if request == Request::Release && wanted.waits_for_topic(all.iter()) {
        return Err(NotTaken::TopicParked(wanted.topic.clone()));
    }
    let by = by.on(format!("{id} of {sink}")).because(reason);
    let is_taken = store.request(tenant, sink, id, (request, reason), Some(&by)).await?;
    let now = store.parked(tenant, sink).await?.into_iter().find(|parked| parked.event_id == id);
    if !is_taken {
        return Err(NotTaken::NotParked(now.map_or(wanted.state, |parked| parked.state)));
    }
    Ok(now)
}

impl Parking {
    /// Begins to do what was requested. A scope that the relay has not passed yet waits until it
    /// has.
    pub(in crate::follow) async fn take_requests(
        &mut self,
        store: &dyn Store,
        logs: &Logs,
    ) -> Result<(), Error> {
        if !self.has_open() {
            return Ok(());
        }
        for row in store.parked_lane(logs.lane, &logs.follower).await? {
            let (Some(ledger), Some(log)) =
                (self.ledgers.get_mut(&row.tenant), logs.get(&row.tenant))
            else {
                continue;
            };
            let at = log.position();
            let is_ready = ledger
                .get(row.event_id)
                .is_some_and(|parked| parked.state == State::Parked && at >= parked.position);
            match row.requested.filter(|_| is_ready) {
                Some(Request::Release) if !row.waits_for_topic(ledger.open()) => {
                    ledger.start_release(row.event_id);
                }
                Some(Request::Discard) => ledger.discard(row.event_id, at),
                Some(Request::Release) | None => {}
            }
        }
        Ok(())
    }
}

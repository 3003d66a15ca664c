//! The receipts of a post: one for each draft, built once the drafts are durable.
//!
//! `Intake::post` passes in the outcome of a batch; `http` shows the receipts. The receipt of an
//! event that was in the log before has the topic and key of the log, since the settings may have
//! changed since then.

use crate::domain::draft::Draft;
use crate::domain::event::{EventId, EventType};
use crate::domain::key::Key;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{self, Store};

use super::group_commit::Appended;

/// A post that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The tenant's log.
    pub log_id: LogId,
    /// The receipts, one per draft, in order.
    pub receipts: Vec<Receipt>,
    /// Whether any of the drafts was in the log before.
    pub repeats: Repeats,
}

/// Whether any draft of a post was in the log before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// None of them was.
    None,
    /// Some were, and their topics and keys are those of the log.
    Found,
    /// Some were, but the store could not be read; their topics and keys are those of the drafts.
    Unreadable,
}

/// The place of an event in the log. An event that was posted before has its first place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The event's id.
    pub event_id: EventId,
    /// The event's topic.
    pub topic: Topic,
    /// The record's id.
    pub key: Key,
    /// The event's type.
    pub event_type: EventType,
    /// The event's position in the tenant's log.
    pub position: Position,
    /// The time of the append, by the store's clock.
    pub time: Time,
}

impl Posted {
    /// Builds the receipts. Reads the events from the store if any draft was in the log before.
    pub(super) async fn new(store: &dyn Store, tenant: &TenantId, appended: Appended) -> Self {
        let Appended { log_id, drafts, receipts: places, repeated } = appended;
        let mut repeats = if repeated { Repeats::Found } else { Repeats::None };
        let mut receipts = Vec::with_capacity(drafts.len());
        for (draft, place) in drafts.into_iter().zip(places) {
            let mut receipt = Receipt::new(draft, place);
            if repeats == Repeats::Found
                && let Err(error) = receipt.correct(store, tenant).await
            {
                tracing::warn!(%tenant, %error, "failed to read the events that were posted \
                                                 before");
                repeats = Repeats::Unreadable;
            }
            receipts.push(receipt);
        }
        Self { log_id, receipts, repeats }
    }

    /// Returns the positions of DELETE_ALLs that are expanded.
    pub fn expanded(&self) -> Vec<Position> {
        let is_expanded = |it: &&Receipt| it.event_type == EventType::DeleteAllExpanded;
        self.receipts.iter().filter(is_expanded).map(|receipt| receipt.position).collect()
    }

    /// Returns the lowest and the highest position of the post's events.
    pub fn positions(&self) -> (Position, Position) {
        let positions = || self.receipts.iter().map(|receipt| receipt.position);
        (positions().min().unwrap_or_default(), positions().max().unwrap_or_default())
    }
}

impl Receipt {
    fn new(draft: Draft, place: store::Receipt) -> Self {
        let event_type = draft.event_type();
        let Draft { event_id, topic, key, .. } = draft;
        Self { event_id, topic, key, event_type, position: place.position, time: place.time }
    }

    /// Replaces topics, keys and types by those of the log.
    async fn correct(&mut self, store: &dyn Store, tenant: &TenantId) -> Result<(), store::Error> {
        if let Some(event) = store.find(tenant, self.event_id).await? {
            (self.topic, self.key) = (event.topic, event.key);
            self.event_type = event.event_type;
        }
        Ok(())
    }
}

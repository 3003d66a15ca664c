//! The state of the store that an append is planned on: heads, last DELETE_ALLs, known event ids.
//!
//! Adapters read it, or `head_cache` predicts it, for `plan`. A plan is written only if its
//! snapshot still holds.

use std::collections::HashMap;

use super::batch::Fingerprint;
use crate::domain::event::EventId;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{Head, Receipt};

/// The state of the store on which an append is planned.
pub(in crate::store) struct Snapshot<V> {
    /// The logs of the batches' tenants.
    pub(in crate::store) logs: HashMap<TenantId, LogState>,
    /// The versions of their heads.
    pub(in crate::store) versions: HashMap<TenantId, V>,
    /// The time by the store's clock; any time if no tenant is enabled.
    pub(in crate::store) now: Time,
}

/// The record of an event id that is in use.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct IdempotencyRecord {
    /// The receipt of its event.
    pub(in crate::store) receipt: Receipt,
    /// The content's fingerprint.
    pub(in crate::store) fingerprint: Fingerprint,
}

/// The part of a tenant's log that an append to it must know.
#[derive(Debug, Clone)]
pub(in crate::store) struct LogState {
    /// The end of the log.
    pub(in crate::store) head: Head,
    /// The last DELETE_ALL of each topic, at least of the batches' topics.
    pub(in crate::store) delete_alls: HashMap<Topic, Position>,
    /// Those of the batches' event ids that are in use.
    pub(in crate::store) known: HashMap<EventId, IdempotencyRecord>,
}

impl From<Head> for LogState {
    fn from(head: Head) -> Self {
        Self { head, delete_alls: HashMap::new(), known: HashMap::new() }
    }
}

//! The state of the store that an append is planned on: heads, last DELETE_ALLs, known event ids.
//!
//! Read by the adapters, or predicted by `head_cache`; feeds `plan`. Always true: it holds when the
//! plan is written, or the plan isn't.

use std::collections::HashMap;

use super::batch::Fingerprint;
use crate::domain::event::EventId;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{Head, Receipt};

/// The state of the store that an append is planned on.
pub(in crate::store) struct Snapshot<V> {
    /// The logs of the batches' tenants.
    pub(in crate::store) logs: HashMap<TenantId, LogState>,
    /// The versions of their heads: a head that has changed has another one.
    pub(in crate::store) versions: HashMap<TenantId, V>,
    /// The store's clock; if no tenant is enabled, any time.
    pub(in crate::store) now: Time,
}

/// An event id that was given, and what for.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct IdempotencyRecord {
    /// Where and when its event was appended.
    pub(in crate::store) receipt: Receipt,
    /// The content's fingerprint.
    pub(in crate::store) fingerprint: Fingerprint,
}

/// A tenant's log, as far as an append to it must know it.
#[derive(Debug, Clone)]
pub(in crate::store) struct LogState {
    /// The end of the log.
    pub(in crate::store) head: Head,
    /// The last DELETE_ALL of each topic, at least of the batches' topics.
    pub(in crate::store) delete_alls: HashMap<Topic, Position>,
    /// The batches' event ids that were given before.
    pub(in crate::store) known: HashMap<EventId, IdempotencyRecord>,
}

impl From<Head> for LogState {
    fn from(head: Head) -> Self {
        Self { head, delete_alls: HashMap::new(), known: HashMap::new() }
    }
}

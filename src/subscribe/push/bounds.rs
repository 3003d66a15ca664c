//! The bounds of all handlers of a process, of which each tenant has its part: calls under way, and
//! memory for what was read for them.

use std::sync::Arc;

use crate::shares::Queue;

/// The memory that an event takes beside its payload, in bytes.
pub(super) const EVENT_BYTES: usize = 1 << 10;
/// The memory that a dead letter takes, in bytes.
pub(super) const LETTER_BYTES: usize = 512;
/// The memory that is taken before a part of the log is read for one group alone, in bytes.
pub(super) const PART_BYTES: usize = 1 << 20;

/// The limits of all handlers of a process.
#[derive(Debug, Clone, Copy)]
pub struct PushLimits {
    /// The most calls of handlers under way, of a single busy tenant half of them.
    pub calls_max: usize,
    /// The most bytes of events and dead letters in memory, of a single busy tenant half of them.
    pub bytes_max: usize,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self { calls_max: 1_024, bytes_max: 128 << 20 }
    }
}

/// The shares of handlers. Whoever gets no part waits for its turn among its tenant's.
#[derive(Clone)]
pub(super) struct Bounds {
    /// The calls under way.
    pub(super) calls: Arc<Queue>,
    /// The bytes of what was read.
    pub(super) bytes: Arc<Queue>,
}

impl Bounds {
    pub(super) fn new(limits: PushLimits) -> Self {
        let queue = |max: usize| Queue::new(max, max.div_ceil(2));
        Self { calls: queue(limits.calls_max), bytes: queue(limits.bytes_max) }
    }
}

//! The limits of a post, and of the batches that wait for the store.
//!
//! `config` builds it; `GroupCommit` and `queue` read it.

/// Limits of the size of a record, of all that waits, and of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The most batches that wait at each writer.
    pub queue_batches_max: usize,
    /// The most of one tenant.
    pub tenant_batches_max: usize,
    /// The most bytes that wait in all.
    pub queue_bytes_max: usize,
    /// The most bytes of one tenant that wait. A tenant's only batch may be larger.
    pub tenant_bytes_max: usize,
    /// The most drafts that share a commit. A larger batch is not split.
    pub group_drafts_max: usize,
    /// The most bytes that share a commit. A larger batch is not split.
    pub group_bytes_max: usize,
    /// The most bytes of a sealed record: Kafka's `MAX_REQUEST_SIZE`.
    pub record_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_batches_max: 4096,
            tenant_batches_max: 2048,
            queue_bytes_max: 128 << 20,
            tenant_bytes_max: 64 << 20,
            group_drafts_max: 2048,
            group_bytes_max: 16 << 20,
            record_bytes_max: 1 << 20,
        }
    }
}

//! Limits of what is posted, and of what waits for the store.
//!
//! Built by the room `config`; read by `GroupCommit` and `queue`.

/// How large a record may be, how much may wait, and how much goes into one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Batches that may wait at each writer.
    pub queue_batches_max: usize,
    /// Bytes that may wait in all.
    pub queue_bytes_max: usize,
    /// Bytes of one tenant that may wait; a single batch may be larger.
    pub tenant_bytes_max: usize,
    /// Drafts that share a commit, at most; but a batch is never split.
    pub group_drafts_max: usize,
    /// Bytes that share a commit, at most; but a batch is never split.
    pub group_bytes_max: usize,
    /// A sealed record, in bytes: Kafka's `MAX_REQUEST_SIZE`.
    pub record_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_batches_max: 4096,
            queue_bytes_max: 128 << 20,
            tenant_bytes_max: 64 << 20,
            group_drafts_max: 2048,
            group_bytes_max: 16 << 20,
            record_bytes_max: 1 << 20,
        }
    }
}

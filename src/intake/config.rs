//! The limits of a post, and of the batches that wait for the store.
//!
//! Built by the room `config`; read by `GroupCommit` and `queue`.

/// How large a record may be, how much may wait, and how much goes into one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The most batches that wait at each writer.
    pub queue_batches_max: usize,
    /// The most bytes that wait in all.
    pub queue_bytes_max: usize,
    /// The most bytes of one tenant that wait; a single batch may be larger.
    pub tenant_bytes_max: usize,
    /// The most drafts that share a commit; a larger batch is not split.
    pub group_drafts_max: usize,
    /// The most bytes that share a commit; a larger batch is not split.
    pub group_bytes_max: usize,
    /// The most bytes of a sealed record: Kafka's `MAX_REQUEST_SIZE`.
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

//! A group as it is described to clients that ask for it.

use bytes::Bytes;

/// A group as it is described.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub(super) state: &'static str,
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    pub(super) members: Vec<DescribedMember>,
}

/// A member as it is described.
#[derive(Debug, Clone)]
pub(super) struct DescribedMember {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) host: String,
    pub(super) said: Bytes,
    pub(super) assignment: Bytes,
}

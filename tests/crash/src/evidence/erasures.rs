//! Evidence of erasures: the requests of the eraser, and the erasures that the gateway has in the end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Eras;

/// A request for the erasure of a record, which was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedErasure {
    /// The tenant.
    pub tenant: String,
    /// The record's kind.
    pub entity: String,
    /// The record's id.
    pub key: String,
    /// The position of the last event of the record that was seen before it was posted.
    #[serde(default)]
    pub seen: u64,
    /// How often it was posted, until an answer came. Each time may have made an erasure.
    pub posts: usize,
    /// The erasure that the answer names, which may be an earlier one.
    pub id: String,
    /// The eras in which it was posted.
    pub eras: Eras,
    /// The completion, if it was observed.
    pub completed: Option<Completed>,
}

/// The observation that an erasure is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// A number that rises with each completion: whoever has read it begins after this one.
    pub number: u64,
    /// The era in which it was observed.
    pub era: u32,
    /// The position of the last ERASED event.
    pub position: u64,
    /// The end of each partition of the tenant's topics for a read_uncommitted consumer, asked for
    /// afterwards. A topic that is left out did not exist.
    pub ends: BTreeMap<String, Vec<i64>>,
}

/// An erasure, as `GET /erasures` shows it in the end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Erasure {
    /// The tenant, which the answer does not name.
    #[serde(default)]
    pub tenant: String,
    /// The erasure's id.
    pub id: String,
    /// The status, in the API's words.
    pub status: String,
    /// The record's kind.
    pub name: String,
    /// The record's id.
    pub key: String,
    /// How many events it has emptied.
    pub events: u64,
    /// The position of the last ERASED event.
    pub position: Option<u64>,
}

impl Erasure {
    /// Returns whether it is complete.
    pub fn is_complete(&self) -> bool {
        self.status == "Completed"
    }
}

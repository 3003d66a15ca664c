//! The JSON of a gap: positions among which events were removed.
//!
//! Pages of the log and ends of streams have it, and each problem about removed events.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::floors::Gap;

/// Positions among which events of a topic were removed. Others among them may be in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct Missing {
    topic: String,
    from: u64,
    to: u64,
}

impl From<&Gap> for Missing {
    fn from(gap: &Gap) -> Self {
        Self { topic: gap.topic.to_string(), from: gap.from.number(), to: gap.to.number() }
    }
}

//! Entries of the trail, as tests write them.

use event_gateway::domain::trail::{Act, Actor, TrailEntry, TrailRow};

/// Returns the entry of an act of the test itself.
pub fn by(act: Act) -> TrailEntry {
    Actor::shell("test").does(act)
}

/// Returns the entry of which a row was written.
pub fn entry(row: &TrailRow) -> TrailEntry {
    let TrailRow { actor, act, tenant, object, reason, .. } = row.clone();
    TrailEntry { actor, act: Act::parse(&act).unwrap(), tenant, object, reason }
}

//! Entries of the trail, as tests write them.

use event_gateway::domain::trail::{Act, Actor, TrailEntry};

/// Returns the entry of an act of the test itself.
pub fn by(act: Act) -> TrailEntry {
    Actor::shell("test").does(act)
}

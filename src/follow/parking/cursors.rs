//! The cursors that parked scopes have in the sink: each release is a follower of its own.
//!
//! A takeover reads them, and so does `restore`. The last record of a scope's cursor tells how the
//! scope ended, whatever ended it.

use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::parked::Parked;
use crate::sink::{KnownCursor, KnownCursors};

/// Returns the name of the follower that releases a scope.
pub(in crate::follow) fn follower(parked: &Parked) -> Follower {
    Follower::parse(&format!("parked-{}", parked.event_id)).expect("a UUID has no other characters")
}

/// Raises each open scope to the cursor that its release has in the sink, and returns the scopes
/// that changed. The row is older than the cursor after a crash, and in a backup.
pub(in crate::follow) fn raise(parked: &mut [Parked], known: &KnownCursors) -> Vec<EventId> {
    let mut raised = Vec::new();
    for parked in parked.iter_mut().filter(|parked| parked.is_open()) {
        let Some(KnownCursor { cursor, proof, .. }) = known.get(&(parked.log_id, follower(parked)))
        else {
            continue;
        };
        if let Some(ended) = &proof.ended {
            parked.end(ended);
        } else if cursor.position > parked.released_to {
            parked.released_to = cursor.position;
        } else {
            continue;
        }
        raised.push(parked.event_id);
    }
    raised
}

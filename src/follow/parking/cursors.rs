//! The cursors that parked scopes have in the sink: each release is a follower of its own.
//!
//! Read at a takeover, and by `restore`. Always true: the last record of a scope's cursor tells how
//! the scope ended, however that came.

use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::parked::Parked;
use crate::sink::{KnownCursor, KnownCursors};

/// The follower that releases a scope.
pub(in crate::follow) fn follower(parked: &Parked) -> Follower {
    Follower::parse(&format!("parked-{}", parked.event_id)).expect("a UUID has no other characters")
}

/// Raises what is open to where its release stands in the sink, and returns the scopes that this
/// has changed. A row is older than that after a crash, and in a backup.
pub(in crate::follow) fn raise(parked: &mut [Parked], known: &KnownCursors) -> Vec<EventId> {
    let mut raised = Vec::new();
    for parked in parked.iter_mut().filter(|parked| parked.is_open()) {
        let Some(KnownCursor { cursor, proof }) = known.get(&(parked.log_id, follower(parked)))
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

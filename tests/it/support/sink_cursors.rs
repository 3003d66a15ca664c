//! The cursors that a fake sink keeps.

use event_gateway::sink::{KnownCursor, KnownCursors, Page};

/// Keeps the cursors of a page that is committed.
pub fn commit_cursors(cursors: &mut KnownCursors, page: &Page) {
    for slice in &page.slices {
        let known = KnownCursor { cursor: slice.cursor, proof: slice.proof, sent: slice.sent };
        cursors.insert((slice.cursor.log_id, page.follower.clone()), known);
    }
}

//! The mark that a takeover leaves in its lane's partition of the cursors topic, and who is kept
//! out by it.
//!
//! Fed by each fence, before the cursors are read; feeds the producer with the offset where its own
//! first cursor must come to stand. Only the holder of a lane writes to its partition, and each
//! page's cursors must stand right behind what was there when the page was begun, or it is not
//! committed. So whoever had the lane before, under whatever transactional id, sees the mark in
//! between and commits nothing; and what it had open before the mark has ended, and is read, before
//! this one goes on.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::admin::Admin;
use crate::sink::Error;

/// How soon an aborted transaction is expected to have ended.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Where the next page's cursors must come to stand.
#[derive(Debug, Default)]
pub(super) struct ChangeToken(Mutex<Option<i64>>);

impl ChangeToken {
    /// All that is there ends at this offset, and nothing is open before it.
    pub(super) fn set(&self, end: i64) {
        *self.0.lock().expect("no holder panics") = Some(end);
    }

    /// Whether a page's cursors stand right behind what was there: `offsets` are theirs, as the
    /// broker gave them. If so, the next page's are expected behind them and their transaction's
    /// end.
    pub(super) fn pass(&self, offsets: &[i64]) -> Result<(), String> {
        let mut next = self.0.lock().expect("no holder panics");
        let Some(start) = *next else { return Ok(()) };
        let wanted = start..start + i64::try_from(offsets.len()).unwrap_or(i64::MAX - start);
        let mut sorted = offsets.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(wanted.clone()) {
            return Err(format!(
                "another producer has written there: this page's cursors stand at {sorted:?}, not \
                 at {wanted:?}"
            ));
        }
        *next = Some(wanted.end + 1);
        Ok(())
    }
}

/// Waits until nothing is open in the partition, and returns its end: readers of committed records
/// see nothing after the first open transaction, and cursors would be taken for the newest that are
/// not. `committed` tells up to where such a reader would come.
pub(super) fn settled(
    admin: &Admin,
    (topic, partition): (&str, i32),
    committed: impl Fn() -> Result<i64, Error>,
    abort_others: impl FnOnce() -> Result<(), Error>,
    until: Instant,
) -> Result<i64, Error> {
    let soon = Instant::now() + ENDS_WITHIN;
    let mut abort_others = Some(abort_others);
    loop {
        let end = admin.end(topic, partition)?;
        let told = committed()?;
        if told == end {
            return Ok(end);
        }
        // A transaction that ends in between makes the end another.
        if told < end && Instant::now() > until {
            return Err(Error::Retry(format!(
                "a transaction of another producer is open in {topic}, partition {partition}, at \
                 offset {told} of {end}: cursors after it can't be read; nobody but the gateway \
                 may write there (`kafka-transactions.sh find-hanging` names the producer), or a \
                 broker is away that its end needs"
            )));
        }
        if told < end
            && Instant::now() > soon
            && let Some(abort) = abort_others.take()
        {
            abort()?;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::ChangeToken;

    #[test]
    fn a_page_passes_only_right_behind_the_mark_and_the_page_before() {
        let mark = ChangeToken::default();
        mark.pass(&[70, 71]).unwrap();
        mark.set(10);
        mark.pass(&[11, 10]).unwrap();
        mark.pass(&[13]).unwrap();
        for wrong in [&[14][..], &[16], &[15, 17], &[-1001]] {
            mark.pass(wrong).unwrap_err();
        }
        mark.pass(&[15]).unwrap();
    }
}

//! The mark that a takeover leaves in its lane's partition of the cursors topic, which fences the
//! earlier holder of the lane.
//!
//! Each takeover sets it before the cursors are read; it tells the publisher the offset that its
//! next cursor must get. Only the holder of a lane writes to its partition, and a page is committed
//! only if its cursors got the offsets that follow the page before. A publisher that had the lane
//! before, under whatever transactional id, finds the mark in between and commits nothing. The
//! transactions that it had open before the mark have ended, and their cursors are read, before the
//! new publisher goes on.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::admin::Admin;
use crate::sink::Error;

/// The time within which an aborted transaction is expected to end.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The offset that the first cursor of the next page must get; `None` until the mark is set.
#[derive(Debug, Default)]
pub(super) struct FenceMark(Mutex<Option<i64>>);

impl FenceMark {
    /// Sets the mark: the partition ends at this offset, and no transaction is open before it.
    pub(super) fn set(&self, end: i64) {
        *self.0.lock().expect("no holder panics") = Some(end);
    }

    /// Checks that a page's cursors directly follow the partition's last record; `offsets` are
    /// those that the broker gave them. If so, the next page's cursors are expected after them and
    /// the record that ends their transaction.
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

/// Waits until no transaction is open in the partition, and returns the partition's end. A reader
/// of committed records sees nothing after the first open transaction, and would take older cursors
/// for the newest. `committed` returns how far such a reader would come; `abort_others` is called
/// once if the wait is long.
pub(super) fn settled(
    admin: &Admin,
    (topic, partition): (&str, i32),
    committed: impl Fn() -> Result<i64, Error>,
    abort_others: impl FnOnce() -> Result<(), Error>,
    until: Instant,
) -> Result<i64, Error> {
    let soon = Instant::now() + ENDS_WITHIN;
    let mut abort_others = Some(abort_others);
    let mut open = None;
    loop {
        let asked = admin.end(topic, partition).and_then(|end| Ok((end, committed()?)));
        let (end, readable) = match (asked, open) {
            // The time left for an answer has run out: the last one says why.
            (Err(Error::Retry(_)), Some(open)) => return Err(left_open((topic, partition), open)),
            (asked, _) => asked?,
        };
        if readable == end {
            return Ok(end);
        }
        // A transaction that ends between the two queries moves the end.
        open = (readable < end).then_some((readable, end));
        if let Some(open) = open.filter(|_| Instant::now() > until) {
            return Err(left_open((topic, partition), open));
        }
        if open.is_some()
            && Instant::now() > soon
            && let Some(abort) = abort_others.take()
        {
            abort()?;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Returns the error of a transaction that stays open at an offset, before the partition's end.
fn left_open((topic, partition): (&str, i32), (offset, end): (i64, i64)) -> Error {
    Error::retry(format!(
        "a transaction of another producer is open in {topic}, partition {partition}, at offset \
         {offset} of {end}: cursors after it can't be read; either a client other than the \
         gateway writes there (`kafka-transactions.sh find-hanging` names the producer), or a \
         broker is down that the end of the transaction needs"
    ))
}

#[cfg(test)]
mod tests {
    use super::FenceMark;

    #[test]
    fn a_page_passes_only_directly_after_the_mark_and_the_page_before() {
        let mark = FenceMark::default();
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

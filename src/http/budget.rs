//! The bytes that all bodies of requests in flight may hold together.
//!
//! Fed by `body` as bytes arrive, so that a slow client holds 64 KiB, or twice what it has sent; a
//! share is given back when it is dropped, whatever became of its request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) struct Budget {
    bytes_max: usize,
    taken: AtomicUsize,
}

/// The part of the budget that one body takes.
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

/// There is not enough left.
pub(super) struct Full;

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, taken: AtomicUsize::new(0) }
    }

    pub(super) fn share(budget: &Arc<Self>) -> Share {
        Share { budget: budget.clone(), bytes: 0 }
    }
}

impl Share {
    /// Takes more, or nothing.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let before = self.budget.taken.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes <= self.budget.bytes_max {
            return Ok(());
        }
        self.give_back(bytes);
        Err(Full)
    }

    fn give_back(&mut self, bytes: usize) {
        self.budget.taken.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Budget;

    #[test]
    fn what_is_dropped_is_there_again() {
        let budget = Arc::new(Budget::new(10));
        let (mut a, mut b) = (Budget::share(&budget), Budget::share(&budget));
        assert!(a.grow(6).is_ok() && a.grow(1).is_ok());
        assert!(b.grow(4).is_err());
        assert!(b.grow(3).is_ok());
        drop(a);
        assert!(b.grow(7).is_ok());
    }
}

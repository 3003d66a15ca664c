//! The rest of an actor: it stands still while the store is put back and repaired.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A rest, which the harness asks for and the actor takes.
#[derive(Debug, Clone, Default)]
pub struct Rest {
    is_asked: Arc<AtomicBool>,
    is_taken: Arc<AtomicBool>,
}

impl Rest {
    /// Asks for it, or lets the actor go on.
    pub fn ask(&self, asked: bool) {
        self.is_asked.store(asked, Ordering::SeqCst);
    }

    /// Returns whether it is asked for.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }

    /// Notes that the actor rests, or goes on.
    pub fn take(&self, taken: bool) {
        self.is_taken.store(taken, Ordering::SeqCst);
    }

    /// Returns whether the actor rests.
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::SeqCst)
    }
}

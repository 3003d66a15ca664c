//! Copies of the WAL in the database: at once, or in parts while the writer goes on.
//!
//! `wal` asks for a part once the WAL has grown, and begins a new cycle with the little that is
//! left to copy. SQLite itself begins a WAL anew when a write finds all of it copied, and nothing
//! would tell that WAL's cycle. So a part ends at a mark, and is copied once the writer has written
//! more.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::error::store_error;
use super::place::Locks;
use super::rows;
use crate::store::Error;
use crate::store::columns::Columns;

/// The thread that copies.
pub(super) struct Copier {
    progress: Arc<Progress>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The state that the writer and the thread share.
#[derive(Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the WAL's frames after the last commit.
    frames: u64,
    is_asked: bool,
    is_over: bool,
}

impl Copier {
    /// Starts the thread. It sets marks on one connection of its own, and copies on another one,
    /// which leaves the WAL when it closes.
    pub(super) fn start(
        mut marks: Connection,
        copies: Connection,
        locks: Locks,
    ) -> Result<Self, Error> {
        // A connection finds the WAL with its first read, and copies nothing before.
        read(&copies)?;
        let progress = Arc::new(Progress::default());
        let told = progress.clone();
        let run = move || {
            while told.is_asked() {
                if let Err(error) = part(&told, &mut marks, &copies) {
                    tracing::warn!(%error, "failed to copy a part of the WAL into the database; \
                                            the gateway tries again when it is longer");
                }
                told.state().is_asked = false;
                told.changed.notify_all();
            }
            drop((marks, copies));
            drop(locks);
        };
        let thread = thread::Builder::new().name("wal-copier".to_owned()).spawn(run);
        let thread = thread
            .map_err(|error| Error::Unavailable(format!("failed to start a thread: {error}")))?;
        Ok(Self { progress, thread: Mutex::new(Some(thread)) })
    }

    /// Tells the number of the WAL's frames after a commit.
    pub(super) fn grew(&self, frames: u64) {
        let mut state = self.progress.state();
        state.frames = frames;
        if state.is_asked {
            self.progress.changed.notify_all();
        }
    }

    /// Asks for what the WAL has now to be copied. The caller is the writer, which will write more.
    pub(super) fn copy(&self) {
        self.progress.state().is_asked = true;
        self.progress.changed.notify_all();
    }

    /// Returns whether no part is asked for.
    pub(super) fn is_idle(&self) -> bool {
        !self.progress.state().is_asked
    }

    /// Waits until the part that was asked for is copied, if there is one. The caller is the
    /// writer, which begins a new cycle.
    pub(super) fn finish(&self) {
        self.grew(u64::MAX);
        let state = self.progress.state();
        let waits = |it: &mut State| it.is_asked && !it.is_over;
        drop(self.progress.changed.wait_while(state, waits).expect("no holder panics"));
    }

    /// Ends the thread, after the part that is being copied.
    pub(super) fn stop(&self) {
        self.progress.state().is_over = true;
        self.progress.changed.notify_all();
        let thread = self.thread.lock().expect("no holder panics").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that copied the WAL panicked");
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Waits for the next part; `false` if there is none.
    fn is_asked(&self) -> bool {
        let waits = |it: &mut State| !it.is_asked && !it.is_over;
        !self.changed.wait_while(self.state(), waits).expect("no holder panics").is_over
    }

    /// Waits until the WAL has more than so many frames; `false` if it will not.
    fn has_more_than(&self, frames: u64) -> bool {
        let waits = |it: &mut State| it.frames <= frames && !it.is_over;
        !self.changed.wait_while(self.state(), waits).expect("no holder panics").is_over
    }
}

/// Copies one part. `marks` reads the state at its end meanwhile: SQLite copies nothing that a
/// reader does not see.
fn part(progress: &Progress, marks: &mut Connection, copies: &Connection) -> Result<(), Error> {
    let mark = Transaction::new(marks, TransactionBehavior::Deferred).map_err(store_error)?;
    read(&mark)?;
    if progress.has_more_than(frames(copies)?) {
        checkpoint(copies, "PASSIVE")?;
    }
    Ok(())
}

fn read(connection: &Connection) -> Result<(), Error> {
    rows::find_one(connection, sql!("sqlite/wal_cycle_find.sql"), [], |_| Ok(())).map(drop)
}

/// The result of a checkpoint.
#[derive(Default)]
pub(super) struct Copied {
    /// Whether the database has everything that the WAL has.
    pub(super) all: bool,
    /// Whether no reader and no other checkpoint held it up.
    is_free: bool,
}

impl Copied {
    /// Returns whether the WAL may be begun anew.
    pub(super) const fn is_over(&self) -> bool {
        self.all && self.is_free
    }
}

/// Copies the WAL in one of SQLite's ways.
pub(super) fn checkpoint(connection: &Connection, how: &str) -> Result<Copied, Error> {
    let mut copied = Copied::default();
    let note = |row: &Row| {
        copied.is_free = row.get::<_, i64>(0)? == 0;
        copied.all = row.get::<_, i64>(1)? == row.get::<_, i64>(2)?;
        Ok(())
    };
    connection.pragma(None, "wal_checkpoint", how, note).map_err(store_error)?;
    Ok(copied)
}

/// Returns the number of frames of the WAL.
pub(super) fn frames(writer: &Connection) -> Result<u64, Error> {
    rows::get(writer, sql!("sqlite/wal_count_frames.sql"), [], |row| {
        Ok(row.integer("log")?.max(0).unsigned_abs())
    })
}

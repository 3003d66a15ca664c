//! Copies the WAL into the database in parts, while the writer goes on.
//!
//! `wal` asks for a part once the WAL has grown, and begins a new cycle with the little that is left
//! to copy. SQLite itself begins a WAL anew when a write finds all of it copied, and nothing would
//! tell that WAL's cycle. So a part ends at a mark, and is copied once the writer has written more.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::connections::Locks;
use super::files::connect;
use super::wal::{self, OnClose};
use super::{error::store_error, rows};
use crate::store::Error;

/// The thread that copies.
pub(super) struct Copier {
    progress: Arc<Progress>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writer and the thread tell each other.
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
    /// Starts the thread. It has connections of its own to the database at `path`.
    pub(super) fn start(path: &Path, locks: &Locks) -> Result<Self, Error> {
        let mut marks = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let copies = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        wal::on_close(&copies, OnClose::Keep)?;
        // A connection finds the WAL with its first read, and copies nothing before.
        read(&copies)?;
        let progress = Arc::new(Progress::default());
        let (told, locks) = (progress.clone(), locks.clone());
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

    /// Waits until the part that was asked for is copied, if there is one. The caller is the writer,
    /// which begins a new cycle.
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
    if progress.has_more_than(wal::frames(copies)?) {
        wal::checkpoint(copies, "PASSIVE")?;
    }
    Ok(())
}

fn read(connection: &Connection) -> Result<(), Error> {
    rows::find_one(connection, sql!("sqlite/wal_cycle_find.sql"), [], |_| Ok(())).map(drop)
}

//! Connections, and the turns that transactions take on them.
//!
//! Every method of this adapter passes in its work, which blocks, and gets the result. The work
//! runs to its end in one transaction, even if its caller is gone; an error or a panic rolls it
//! back. An answer is given only if the files are still in their place.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::timeout;

use super::error::{commit_error, store_error};
use super::place::{Locks, Place};
use super::wal::{self, Cycle, OnClose, Rest};
use super::{WAIT_MAX, copier};
use crate::store::Error;

/// The one connection that writes. Transactions wait for it in the order in which they came.
pub(super) struct Writer(Pool, Option<Arc<Kept>>);

/// A few connections that only read.
pub(super) struct Readers(Pool, Option<Arc<Kept>>);

/// The checks that `serve` makes around its calls. Subcommands are short, and make none.
pub(super) struct Kept {
    pub(super) place: Place,
    pub(super) cycle: Cycle,
    /// The number of the WAL's frames after the last commit.
    pub(super) frames: AtomicU64,
}

impl Kept {
    /// Checks the files before a transaction begins.
    fn begins(&self, connection: &Connection) -> Result<(), Error> {
        // Another process may have copied the WAL since, which shortens it.
        let known = self.place.check_all(self.frames.load(Ordering::Relaxed));
        known.or_else(|_| self.place.check_all(copier::frames(connection)?))
    }

    /// Checks the files after a commit, before it is answered.
    fn committed(&self, connection: &Connection) -> Result<(), Error> {
        let frames = copier::frames(connection)?;
        // It was written, but perhaps to files that are lost.
        self.place.check_all(frames).map_err(|error| Error::Unknown(error.to_string()))?;
        self.frames.store(frames, Ordering::Relaxed);
        self.cycle.keep_short(connection, frames);
        Ok(())
    }
}

impl Writer {
    /// Makes the writer of a connection.
    pub(super) fn new(connection: Connection, kept: Option<Arc<Kept>>, locks: &Locks) -> Self {
        Self(Pool::new(vec![connection], locks.clone()), kept)
    }

    /// Makes everything that `work` writes durable, unless it fails. There is no other writer
    /// meanwhile.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (turn, kept) = (self.0.turn().await?, self.1.clone());
        blocking(move || {
            turn.run(|connection| {
                kept.as_ref().map_or(Ok(()), |kept| kept.begins(connection))?;
                let done = committed(connection, work);
                let done = done.map_err(|error| match &kept {
                    Some(kept) => kept.place.named(error),
                    None => error,
                })?;
                kept.as_ref().map_or(Ok(()), |kept| kept.committed(connection))?;
                Ok(done)
            })
        })
        .await
    }

    /// Copies the WAL into the database, and cuts it, so that it has nothing of former cycles.
    /// Returns `false` if a reader holds it up.
    pub(super) async fn cut_wal(&self) -> Result<bool, Error> {
        let (turn, kept) = (self.0.turn().await?, self.1.clone());
        blocking(move || {
            turn.run(|connection| {
                let Some(kept) = kept else { return wal::empty(connection) };
                kept.begins(connection)?;
                let is_cut = kept.cycle.turn_over(connection, Rest::Cut)?;
                kept.committed(connection)?;
                Ok(is_cut)
            })
        })
        .await
    }

    /// Copies the WAL into the database and closes it, after the last write; the readers are closed
    /// before. A database that was cut, moved or replaced is left alone, and its WAL stays.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let Held { mut connections, locks } = self.0.close().await;
        let writer = connections.pop().ok_or_else(closed)?;
        let kept = self.1.clone();
        off_thread(move || {
            let in_place = kept.map_or(Ok(()), |kept| {
                kept.cycle.stop();
                kept.begins(&writer)
            });
            if in_place.is_ok() {
                if !wal::empty(&writer)? {
                    tracing::warn!(
                        "another process reads the database, so its newest events stay in the WAL"
                    );
                }
                wal::on_close(&writer, OnClose::Empty)?;
            }
            writer.close().map_err(|(_, error)| store_error(error))?;
            drop(locks);
            in_place.map_err(|error| {
                error.told(|why| {
                    format!("{why}; nothing was copied into it, and its WAL was left as it was")
                })
            })
        })
        .await
    }
}

/// Commits everything that `work` writes, unless it fails.
fn committed<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let writing =
        Transaction::new(connection, TransactionBehavior::Immediate).map_err(store_error)?;
    let done = work(&writing)?;
    writing.commit().map_err(commit_error)?;
    Ok(done)
}

impl Readers {
    /// Makes the readers of these connections.
    pub(super) fn new(
        connections: Vec<Connection>,
        kept: Option<Arc<Kept>>,
        locks: &Locks,
    ) -> Self {
        Self(Pool::new(connections, locks.clone()), kept)
    }

    /// Closes the readers, after the last read.
    pub(super) async fn close(&self) {
        drop(self.0.close().await);
    }

    /// Shows `work` one state of the file.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(WAIT_MAX, self.0.turn()).await;
        let turn = turn
            .map_err(|_| Error::Unavailable(format!("no reader was free within {WAIT_MAX:?}")))??;
        let kept = self.1.clone();
        blocking(move || {
            turn.run(|connection| {
                kept.map_or(Ok(()), |kept| kept.place.check())?;
                work(
                    &*Transaction::new(connection, TransactionBehavior::Deferred)
                        .map_err(store_error)?,
                )
            })
        })
        .await
    }
}

struct Pool {
    idle: Arc<Mutex<Held>>,
    turns: Arc<Semaphore>,
    count: u32,
}

/// The idle connections; the locks are dropped last.
#[derive(Default)]
struct Held {
    connections: Vec<Connection>,
    locks: Locks,
}

impl Pool {
    fn new(connections: Vec<Connection>, locks: Locks) -> Self {
        let count = u32::try_from(connections.len()).expect("a few");
        let turns = Arc::new(Semaphore::new(connections.len()));
        Self { idle: Arc::new(Mutex::new(Held { connections, locks })), turns, count }
    }

    async fn turn(&self) -> Result<Turn, Error> {
        let permit = self.turns.clone().acquire_owned().await.map_err(|_| closed())?;
        let connection = self.idle.lock().expect("no holder panics").connections.pop();
        Ok(Turn { connection, idle: self.idle.clone(), _permit: permit })
    }

    /// Takes all connections, once every turn is over; there is no turn after this.
    async fn close(&self) -> Held {
        let all = self.turns.acquire_many(self.count).await;
        self.turns.close();
        drop(all);
        std::mem::take(&mut *self.idle.lock().expect("no holder panics"))
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}

/// A turn with a connection, which goes back before the next turn begins.
struct Turn {
    connection: Option<Connection>,
    idle: Arc<Mutex<Held>>,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    fn run<T>(mut self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(self.connection.as_mut().expect("there are as many turns as connections"))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.idle.lock().expect("no holder panics").connections.extend(self.connection.take());
    }
}

/// Runs a blocking call: on this thread, if other threads take over its tasks meanwhile; else on a
/// thread for such calls, which costs two changes of thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return block_in_place(work);
    }
    off_thread(work).await
}

/// Runs a blocking call on a thread for such calls, so that its caller may give up waiting.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(Error::Unavailable(error.to_string())),
    }
}

//! Connections, and the turns that transactions take on them.
//!
//! Fed by every method of this adapter with what it does in a transaction, which blocks; feeds it
//! what that gave. It runs to its end, whether its caller is still there or not: it is whole or
//! nothing. An error, or a panic, rolls back.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::timeout;

use super::fault::{commit_fault, fault};
use crate::store::Error;

/// How long a statement waits for another process, and a read for a reader.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// The one connection that writes. Transactions queue up for it, first come, first served.
pub(super) struct Writer(Pool);

/// A few connections that only read.
pub(super) struct Readers(Pool);

impl Writer {
    /// With its connection.
    pub(super) fn new(connection: Connection) -> Self {
        Self(Pool::new(vec![connection]))
    }

    /// Makes durable all that `work` writes, unless it fails; nobody else writes meanwhile.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.0.turn().await;
        blocking(move || {
            turn.run(|connection| {
                let writing = Transaction::new(connection, TransactionBehavior::Immediate).map_err(fault)?;
                let done = work(&writing)?;
                writing.commit().map_err(commit_fault)?;
                Ok(done)
            })
        })
        .await
    }
}

impl Readers {
    /// With these connections.
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self(Pool::new(connections))
    }

    /// Shows `work` one state of the file.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(WAIT_MAX, self.0.turn()).await;
        let turn = turn.map_err(|_| Error::Unavailable(format!("no reader was free within {WAIT_MAX:?}")))?;
        blocking(move || {
            turn.run(|connection| {
                work(&*Transaction::new(connection, TransactionBehavior::Deferred).map_err(fault)?)
            })
        })
        .await
    }
}

struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Pool {
    fn new(idle: Vec<Connection>) -> Self {
        let turns = Arc::new(Semaphore::new(idle.len()));
        Self { idle: Arc::new(Mutex::new(idle)), turns }
    }

    async fn turn(&self) -> Turn {
        let permit = self.turns.clone().acquire_owned().await.expect("nobody closes it");
        let connection = self.idle.lock().expect("no holder panics").pop();
        Turn { connection, idle: self.idle.clone(), _permit: permit }
    }
}

/// A connection that goes back before the next turn begins.
struct Turn {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    fn run<T>(mut self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(self.connection.as_mut().expect("there are as many turns as connections"))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.idle.lock().expect("no holder panics").extend(self.connection.take());
    }
}

/// Runs what blocks where it may: on this thread, if others take its tasks over meanwhile; else on one
/// that is there for it, which costs two changes of thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return block_in_place(work);
    }
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(Error::Unavailable(error.to_string())),
    }
}

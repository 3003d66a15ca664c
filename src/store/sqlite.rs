//! The SQLite store: one file in a folder of its own, one writer, a few readers.
//!
//! It is reached through the port alone: each call is one transaction, and one job for a thread
//! that may block. Writes take turns on one connection and sync before they answer (WAL,
//! `synchronous=FULL`); readers are a few, and each of their calls sees one state of the file. Once
//! it is closed, the file alone has everything, and no WAL is left beside it. The SQL stands in
//! `sql/sqlite`, one statement a file. The store's clock is the clock that it is opened with.

mod append;
mod backup;
mod claims;
mod connections;
mod copier;
mod cursors;
mod erasures;
mod error;
mod expansions;
mod files;
mod leases;
mod listening;
mod log;
mod parking;
mod place;
mod purges;
mod read;
mod removal;
mod replays;
mod rows;
mod subscriptions;
mod tenant_jobs;
mod tenants;
mod trail;
mod transition;
mod versions;
mod wal;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::columns::Columns;
use super::{Access, Error, Store};
use crate::clock::Clock;
use connections::{Readers, Writer};

pub use backup::{backup, restore_backup};

/// The longest time that a statement waits for another process, and a read for a free reader.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Refuses a path at which something else than a database is.
pub(super) fn check_settings(path: &Path) -> Result<(), Error> {
    files::refuse_other(path)
}

/// An open store.
pub(super) struct Sqlite {
    writer: Writer,
    readers: Readers,
    clock: Arc<dyn Clock>,
    /// The bytes of the largest append that failed, until as many are written, since a smaller
    /// write may find room.
    failed_bytes: AtomicU64,
}

impl Sqlite {
    /// Opens the file at `path`.
    pub(super) async fn open(
        path: &Path,
        access: Access,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let path = path.to_owned();
        let files = connections::blocking(move || files::open(&path, access)).await?;
        Ok(Self {
            writer: files.writer,
            readers: files.readers,
            clock,
            failed_bytes: AtomicU64::new(0),
        })
    }
}

#[async_trait]
impl Store for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn writers(&self) -> usize {
        1
    }

    async fn disk_bytes(&self) -> Result<u64, Error> {
        self.readers
            .read(|reading| {
                rows::get(reading, sql!("sqlite/disk_bytes.sql"), [], |row| row.count("bytes"))
            })
            .await
    }

    async fn check(&self) -> Result<(), Error> {
        let now = self.clock.now().as_ms();
        let write = async |bytes: u64| {
            let written = [now, bytes.cast_signed()];
            self.writer
                .write(move |writing| rows::write(writing, sql!("sqlite/check_write.sql"), written))
                .await
        };
        // A write that failed may have left room in the WAL for a smaller one, but not for itself.
        let bytes = self.failed_bytes.load(Ordering::Relaxed);
        write(bytes).await?;
        if bytes > 0 {
            self.failed_bytes.store(0, Ordering::Relaxed);
            write(0).await?;
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Error> {
        self.readers.close().await;
        self.writer.close().await
    }
}

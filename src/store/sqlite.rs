//! The SQLite store: one file in a folder of its own, one writer, a few readers.
//!
//! Fed and asked through the port alone. Writes take turns on one connection and sync before they
//! answer (WAL, `synchronous=FULL`); readers have a small pool, and each of their calls sees one
//! state of the file. The SQL stands in `sql/sqlite`, one statement a file. The store's clock is
//! the clock that it is opened with.

mod append;
mod cursors;
mod fault;
mod files;
mod leases;
mod log;
mod parking;
mod read;
mod rows;
mod tenants;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::{Access, Error, Store};
use crate::clock::Clock;
use fault::fault;
use writer::Writer;

/// An open store.
pub(super) struct Sqlite {
    writer: Writer,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    /// Held as long as the store is open; `None` beside a running `serve`.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens the file at `path`.
    pub(super) async fn open(path: &Path, access: Access, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let files = files::open(path, access).await?;
        Ok(Self { writer: files.writer, readers: files.readers, clock, _lock: files.lock })
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

    async fn check(&self) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        let check = sqlx::query(sql!("sqlite/check_write.sql")).bind(self.clock.now().as_ms());
        check.execute(writing.connection()).await.map_err(fault)?;
        writing.commit().await
    }
}

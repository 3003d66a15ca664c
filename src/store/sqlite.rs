//! The SQLite store: one file in a folder of its own, one writer, a few readers.
//!
//! Fed and asked through the port alone: each call is one transaction, and one job for a thread
//! that may block. Writes take turns on one connection and sync before they answer (WAL,
//! `synchronous=FULL`); readers are a few, and each of their calls sees one state of the file. The
//! SQL stands in `sql/sqlite`, one statement a file. The store's clock is the clock that it is
//! opened with.

mod append;
mod connections;
mod cursors;
mod fault;
mod files;
mod leases;
mod log;
mod parking;
mod read;
mod rows;
mod tenants;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Access, Error, Store};
use crate::clock::Clock;
use connections::{Readers, Writer};

/// An open store.
pub(super) struct Sqlite {
    writer: Writer,
    readers: Readers,
    clock: Arc<dyn Clock>,
    /// Held as long as the store is open; `None` beside a running `serve`.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens the file at `path`.
    pub(super) async fn open(path: &Path, access: Access, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let path = path.to_owned();
        let files = connections::blocking(move || files::open(&path, access)).await?;
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
        let now = self.clock.now().as_ms();
        self.writer.write(move |writing| rows::write(writing, sql!("sqlite/check_write.sql"), [now])).await
    }
}

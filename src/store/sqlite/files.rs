//! The files: the folder, its lock, and the database with its tables as this version needs them.
//!
//! It opens the database of a path for the adapter's writer and readers. At most one `serve` has a
//! folder, and at most one has a database, whatever folders lead to it. No connection writes if its
//! commits aren't durable, and none reads a WAL that belongs to another database.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::WAIT_MAX;
use super::connections::{Kept, Readers, Writer};
use super::copier::Copier;
use super::error::store_error;
use super::place::{Locks, Place};
use super::rows;
use super::versions;
use super::wal::{self, Cycle, OnClose};
use crate::store::{Access, Error};

const LOCK: &str = "event-gateway.lock";
/// The first bytes of each database. Source: sqlite.org/fileformat2.html
const MAGIC: &[u8] = b"SQLite format 3\0";
const READERS: usize = 6;
/// The time for which a lock may still be held by a process that ends, or by a child that it just
/// started.
pub(super) const LOCKED_FOR: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The number of statements that each connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;
/// The bytes of a page of a new database. A small page costs less, since every change, such as a
/// random key in an index, writes a whole page.
const PAGE_BYTES: u32 = 2_048;
/// SQLite's number for `synchronous=FULL`.
const FULL: i64 = 2;

/// The connections of an open store.
pub(super) struct Files {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
}

/// Opens the database at `path`, which an error names.
pub(super) fn open(path: &Path, access: Access) -> Result<Files, Error> {
    refuse_other(path)?;
    open_ours(path, access).map_err(|error| of_file(path, error))
}

fn open_ours(path: &Path, access: Access) -> Result<Files, Error> {
    let (locks, kept, writer) = match access {
        Access::Serve | Access::Alone => {
            if access == Access::Alone {
                is_there(path)?;
            }
            let (locks, writer) = serve(path)?;
            if access == Access::Serve {
                // `close` copies the WAL, once it is known that the files are in place.
                wal::on_close(&writer, OnClose::Keep)?;
            }
            let kept = keep(path, &writer, &locks)?;
            (locks, Some(Arc::new(kept)), writer)
        }
        Access::Attach => (Locks::default(), None, beside(path)?),
    };
    let readers = (0..READERS).map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY));
    let readers = Readers::new(readers.collect::<Result<_, _>>()?, kept.clone(), &locks);
    Ok(Files { writer: Writer::new(writer, kept, &locks), readers })
}

/// Refuses a file that is not a database, before anything is created beside it.
pub(super) fn refuse_other(path: &Path) -> Result<(), Error> {
    let file = match fs::metadata(path) {
        Ok(file) => file,
        Err(_) => return Ok(()),
    };
    if !file.is_file() {
        return Err(Error::Refused(format!("`{}` is not a file", path.display())));
    }
    let mut head = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    read.map_err(|e| refused("read", path, &e))?;
    if head.is_empty() || head == MAGIC {
        return Ok(());
    }
    Err(Error::Corrupt(versions::not_ours(path)))
}

/// Adds the file to an error, and the remedy if there is one.
pub(super) fn of_file(path: &Path, error: Error) -> Error {
    let named = |why: &str| format!("`{}`: {why}", path.display());
    match error {
        Error::Corrupt(why) => Error::Corrupt(format!(
            "{}; it was cut or damaged: put a backup in its place with `event-gateway \
             restore-backup`, which keeps the damaged file",
            named(&why)
        )),
        Error::Unavailable(why) => Error::Unavailable(named(&why)),
        error => error,
    }
}

/// Begins with a short WAL, and remembers the place of the files.
fn keep(path: &Path, writer: &Connection, locks: &Locks) -> Result<Kept, Error> {
    let page_bytes: u32 =
        writer.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(store_error)?;
    let cycle = Cycle::begin(writer, page_bytes, copier(path, locks)?)?;
    let place = Place::new(path, page_bytes).map_err(|e| refused("find the files of", path, &e))?;
    Ok(Kept { place, cycle, frames: AtomicU64::new(0) })
}

/// Starts the copier of the database's WAL.
pub(super) fn copier(path: &Path, locks: &Locks) -> Result<Copier, Error> {
    let marks = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let copies = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    wal::on_close(&copies, OnClose::Keep)?;
    Copier::start(marks, copies, locks.clone())
}

/// Locks the folder and the database, creates what is missing, and brings the tables up to date.
pub(super) fn serve(path: &Path) -> Result<(Locks, Connection), Error> {
    let folder = lock_folder(path, LOCKED_FOR)?;
    wal::refuse_foreign(path)?;
    let locks = Arc::new(vec![folder, lock_database(path)?]);
    let mut writer =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    versions::refuse_unknown(path, &writer)?;
    writer.pragma_update(None, "page_size", PAGE_BYTES).map_err(store_error)?;
    writer.pragma_update(None, "journal_mode", "wal").map_err(store_error)?;
    durable(&writer)?;
    versions::make(path, &mut writer)?;
    rows::change(&writer, sql!("sqlite/lease_clear.sql"), [])?;
    rows::change(&writer, sql!("sqlite/replica_clear.sql"), [])?;
    Ok((locks, writer))
}

/// Opens a database that a `serve` of this version made.
fn beside(path: &Path) -> Result<Connection, Error> {
    is_there(path)?;
    // If a `serve` runs, the WAL belongs to it.
    if let Ok(_folder) = lock_folder(path, Duration::ZERO) {
        wal::refuse_foreign(path)?;
    }
    let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    durable(&writer)?;
    versions::refuse_other(path, &writer)?;
    Ok(writer)
}

/// Refuses a path without a database.
pub(super) fn is_there(path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    wal::refuse_foreign(path)?;
    let hint = "run `event-gateway serve` first, in the same folder or with the same STORE_URL";
    Err(Error::Refused(format!("there is no database `{}`: {hint}", path.display())))
}

/// Opens a connection, which may be used by one thread after another. It never copies the WAL by
/// itself: `wal` does.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = connection.map_err(store_error)?;
    connection.busy_timeout(WAIT_MAX).map_err(store_error)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true).map_err(store_error)?;
    connection.pragma_update(None, "synchronous", FULL).map_err(store_error)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(store_error)?;
    // What an erasure, or a removal, takes out of the database is overwritten there.
    connection.pragma_update(None, "secure_delete", true).map_err(store_error)?;
    Ok(connection)
}

/// Refuses a connection whose commits would not be durable.
fn durable(writer: &Connection) -> Result<(), Error> {
    let mode: String =
        writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(store_error)?;
    if mode != "wal" {
        return Err(Error::Refused(format!("journal_mode is `{mode}`, but must be `wal`")));
    }
    let level: i64 =
        writer.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(store_error)?;
    if level < FULL {
        return Err(Error::Refused(format!(
            "synchronous is {level}, but must be 2 (FULL) or 3 (EXTRA)"
        )));
    }
    Ok(())
}

/// Creates a folder that survives a power cut; SQLite syncs the files in it.
fn make(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    File::open(folder.join(".."))?.sync_all()
}

/// Returns the folder of a database, which one `serve` locks.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// Creates the folder of a database, if it is missing, and locks it.
pub(super) fn lock_folder(path: &Path, patience: Duration) -> Result<File, Error> {
    let folder = folder_of(path);
    make(folder).map_err(|e| refused("create the folder", folder, &e))?;
    lock(&folder.join(LOCK), patience, || {
        format!("another `event-gateway serve` uses the folder `{}`", folder.display())
    })
}

/// Locks the database itself, to which a link in another folder may lead. SQLite's own locks are of
/// another kind, but they end when this process closes any file on the database, so this one is
/// kept open.
fn lock_database(path: &Path) -> Result<File, Error> {
    let file = lock(path, LOCKED_FOR, || {
        format!("another `event-gateway serve` uses `{}`, by way of another folder", path.display())
    })?;
    let links = file.metadata().map_err(|e| refused("look at", path, &e))?.nlink();
    if links > 1 {
        let why =
            "opened by that name, its newest events would be missing. Remove one of the names";
        return Err(Error::Refused(format!(
            "`{}` has a second name (a hard link): {why}",
            path.display()
        )));
    }
    Ok(file)
}

fn lock(path: &Path, patience: Duration, taken: impl FnOnce() -> String) -> Result<File, Error> {
    let until = Instant::now() + patience;
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|e| refused("open", path, &e))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOOK_AGAIN),
            Err(TryLockError::WouldBlock) => return Err(Error::Refused(taken())),
            Err(TryLockError::Error(e)) => return Err(refused("lock", path, &e)),
        }
    }
}

pub(super) fn refused(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Refused(format!("failed to {what} `{}`: {error}", path.display()))
}

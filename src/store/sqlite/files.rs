//! The files: the folder, its lock, the database with its tables as this version needs them.
//!
//! Fed with the database's path; feeds the adapter's writer and readers. Always true:
//! at most one `serve` has a folder, and no connection writes whose commits aren't durable.

use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations, SchemaVersion};

use super::connections::{Readers, WAIT_MAX, Writer};
use super::fault::fault;
use super::rows;
use crate::store::{Access, Error};

const VERSIONS: &[M] = &[
    M::up(sql!("sqlite/migrations/0001_store.sql")),
    M::up(sql!("sqlite/migrations/0002_replicas.sql")),
    M::up(sql!("sqlite/migrations/0003_parked.sql")),
    M::up(sql!("sqlite/migrations/0004_ledgers.sql")),
];
static MIGRATIONS: Migrations = Migrations::from_slice(VERSIONS);
const LOCK: &str = "event-gateway.lock";
const READERS: usize = 4;
/// Statements that each connection keeps prepared: more than there are.
const STATEMENTS: usize = 64;
/// Bytes of a page of a new database: what an event changes anywhere, its random key in an index, is written
/// as a page, and so is the end of a row that is longer.
const PAGE_BYTES: u32 = 2_048;
/// Bytes of the WAL that a commit copies into the database when there are so many. A page that many commits
/// change is copied once.
const CHECKPOINT_BYTES: u32 = 64 << 20;
/// SQLite's number for `synchronous=FULL`.
const FULL: i64 = 2;

/// What an open store stands on.
pub(super) struct Files {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) lock: Option<File>,
}

/// Opens the database at `path`.
pub(super) fn open(path: &Path, access: Access) -> Result<Files, Error> {
    let (lock, writer) = match access {
        Access::Serve => serve(path)?,
        Access::Beside => (None, beside(path)?),
    };
    let page_bytes: u32 = writer.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(fault)?;
    writer.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_BYTES / page_bytes).map_err(fault)?;
    let readers = (0..READERS).map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY));
    let readers = Readers::new(readers.collect::<Result<_, _>>()?);
    Ok(Files { writer: Writer::new(writer), readers, lock })
}

/// Takes the folder, makes what is missing, brings the tables up to date.
fn serve(path: &Path) -> Result<(Option<File>, Connection), Error> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    make(folder).map_err(|e| refused("create the folder", folder, &e))?;
    let lock = lock(folder)?;
    let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    writer.pragma_update(None, "page_size", PAGE_BYTES).map_err(fault)?;
    writer.pragma_update(None, "journal_mode", "wal").map_err(fault)?;
    durable(&writer)?;
    let version = MIGRATIONS.current_version(&writer).map_err(|e| migration(path, e))?;
    if version == SchemaVersion::NoneSet && writer.table_exists(None, "tenants").map_err(fault)? {
        return Err(another_version(path, "its tables are not counted by `user_version`"));
    }
    MIGRATIONS.to_latest(&mut writer).map_err(|e| migration(path, e))?;
    rows::change(&writer, sql!("sqlite/lease_clear.sql"), [])?;
    rows::change(&writer, sql!("sqlite/replica_clear.sql"), [])?;
    Ok((Some(lock), writer))
}

/// Opens what a `serve` of this version has made.
fn beside(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        let hint = "run `event-gateway serve` first, in the same folder or with the same STORE_URL";
        return Err(Error::Refused(format!("there is no `{}`: {hint}", path.display())));
    }
    let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    durable(&writer)?;
    if MIGRATIONS.pending_migrations(&writer).map_err(|e| migration(path, e))? != 0 {
        return Err(another_version(path, "use the version of event-gateway that serves it"));
    }
    Ok(writer)
}

/// Opens a connection, for its turns on one thread after another.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = connection.map_err(fault)?;
    connection.busy_timeout(WAIT_MAX).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true).map_err(fault)?;
    connection.pragma_update(None, "synchronous", FULL).map_err(fault)?;
    Ok(connection)
}

/// Refuses a connection whose commits would not be durable.
fn durable(writer: &Connection) -> Result<(), Error> {
    let mode: String = writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(fault)?;
    if mode != "wal" {
        return Err(Error::Refused(format!("journal_mode is `{mode}`, but must be `wal`")));
    }
    let level: i64 = writer.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(fault)?;
    if level < FULL {
        return Err(Error::Refused(format!("synchronous is {level}, but must be 2 (FULL) or 3 (EXTRA)")));
    }
    Ok(())
}

/// Makes a folder that survives a power cut; what it will hold is SQLite's to sync.
fn make(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    File::open(folder.join(".."))?.sync_all()
}

fn lock(folder: &Path) -> Result<File, Error> {
    let file = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK));
    let file = file.map_err(|e| refused("open the lock file in", folder, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Refused(format!(
            "another `event-gateway serve` uses the folder `{}`",
            folder.display()
        ))),
        Err(TryLockError::Error(e)) => Err(refused("lock", folder, &e)),
    }
}

fn refused(what: &str, folder: &Path, error: &std::io::Error) -> Error {
    Error::Refused(format!("failed to {what} `{}`: {error}", folder.display()))
}

fn migration(path: &Path, error: rusqlite_migration::Error) -> Error {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => fault(err),
        error => another_version(path, error),
    }
}

fn another_version(path: &Path, why: impl Display) -> Error {
    Error::Refused(format!("`{}` was made by another version: {why}", path.display()))
}

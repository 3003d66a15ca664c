//! The files: the folder, its lock, the database with its tables as this version needs them.
//!
//! Fed with the database's path; feeds the adapter's writer and readers. Always true:
//! at most one `serve` has a folder, and no connection writes whose commits aren't durable.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use super::fault::fault;
use super::writer::{self, Writer};
use crate::store::{Access, Error};

static MIGRATOR: Migrator = sqlx::migrate!("sql/sqlite/migrations");
/// Where sqlx notes which migrations were applied.
const APPLIED: &str = "_sqlx_migrations";
const LOCK: &str = "event-gateway.lock";
const READERS_MAX: u32 = 4;
/// How long a statement waits for another process, and a read for a reader.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What an open store stands on.
pub(super) struct Files {
    pub(super) writer: Writer,
    pub(super) readers: SqlitePool,
    pub(super) lock: Option<File>,
}

/// Opens the database at `path`.
pub(super) async fn open(path: &Path, access: Access) -> Result<Files, Error> {
    let (lock, writer) = match access {
        Access::Serve => serve(path).await?,
        Access::Beside => (None, beside(path).await?),
    };
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(WAIT_MAX)
        .test_before_acquire(false)
        .connect_with(options(path).read_only(true))
        .await
        .map_err(fault)?;
    Ok(Files { writer, readers, lock })
}

/// Takes the folder, makes what is missing, brings the tables up to date.
async fn serve(path: &Path) -> Result<(Option<File>, Writer), Error> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    make(folder).map_err(|e| refused("create the folder", folder, &e))?;
    let lock = lock(folder)?;
    let options = options(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection = writer::connect(&options).await?;
    MIGRATOR.run(&mut connection).await.map_err(|e| migration(path, e))?;
    sqlx::query(sql!("sqlite/lease_clear.sql")).execute(&mut connection).await.map_err(fault)?;
    sqlx::query(sql!("sqlite/replica_clear.sql")).execute(&mut connection).await.map_err(fault)?;
    Ok((Some(lock), Writer::new(options, connection)))
}

/// Opens what a `serve` of this version has made.
async fn beside(path: &Path) -> Result<Writer, Error> {
    if !path.exists() {
        let hint = "run `event-gateway serve` first, in the same folder or with the same STORE_URL";
        return Err(Error::Refused(format!("there is no `{}`: {hint}", path.display())));
    }
    let options = options(path);
    let mut connection = writer::connect(&options).await?;
    up_to_date(path, &mut connection).await?;
    Ok(Writer::new(options, connection))
}

async fn up_to_date(path: &Path, connection: &mut SqliteConnection) -> Result<(), Error> {
    let applied = connection.list_applied_migrations(APPLIED).await.map_err(|e| migration(path, e))?;
    if applied.iter().map(|m| m.version).ne(MIGRATOR.iter().map(|m| m.version)) {
        let hint = "use the version of event-gateway that serves it";
        return Err(Error::Refused(format!("`{}` was made by another version: {hint}", path.display())));
    }
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT_MAX)
        .disable_statement_logging()
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

fn migration(path: &Path, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => fault(error),
        error => Error::Refused(format!("`{}` was made by another version: {error}", path.display())),
    }
}

//! The WAL and its cycles: a cycle lasts from one copying into the database to the next.
//!
//! `connections` starts a new cycle when the WAL is long; `files` asks at the start whether a WAL
//! that it finds belongs to the database. SQLite itself would apply the WAL to any file in that
//! place, such as a copy that was put there. Each WAL holds its cycle's number, and the number that
//! the file had when the cycle began; a copy made in an earlier cycle has a lower one.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};

use super::WAIT_MAX;
use super::error::store_error;
use super::{place, rows};
use crate::store::Error;
use crate::store::columns::Columns;

/// The size of the WAL at which it is copied into the database. A page that many commits changed is
/// copied once.
const CYCLE_BYTES: u64 = 64 << 20;
/// The bytes by which a WAL may grow before copying is tried again.
const AGAIN_BYTES: u64 = 8 << 20;
/// The longest time for which readers of the WAL may hold up a new cycle.
const READERS_END: Duration = Duration::from_millis(100);

/// The time of the next cycle.
pub(super) struct Cycle {
    page_bytes: u64,
    /// The number of frames at which the next cycle begins.
    due: AtomicU64,
}

impl Cycle {
    /// Copies the WAL that a former run left, and begins a cycle.
    pub(super) fn begin(writer: &Connection, page_bytes: u32) -> Result<Self, Error> {
        let cycle = Self { page_bytes: page_bytes.into(), due: AtomicU64::new(0) };
        cycle.turn_over(writer, Rest::Kept)?;
        Ok(cycle)
    }

    /// Begins a new cycle if the WAL is long. Commits are safe either way.
    pub(super) fn keep_short(&self, writer: &Connection, frames: u64) {
        if frames < self.due.load(Ordering::Relaxed) {
            return;
        }
        self.due.store(frames + AGAIN_BYTES / self.page_bytes, Ordering::Relaxed);
        if let Err(error) = self.turn_over(writer, Rest::Kept) {
            tracing::warn!(%error, "failed to copy the WAL into the database; the gateway tries \
                                    again when it is longer");
        }
    }

    /// Begins a new cycle. Returns `false` if a reader holds it up.
    pub(super) fn turn_over(&self, writer: &Connection, rest: Rest) -> Result<bool, Error> {
        rows::write(writer, sql!("sqlite/wal_cycle_end.sql"), [])?;
        checkpoint(writer, "PASSIVE")?;
        writer.busy_timeout(READERS_END).map_err(store_error)?;
        let whole = checkpoint(writer, rest.how());
        writer.busy_timeout(WAIT_MAX).map_err(store_error)?;
        let whole = whole?;
        if whole {
            rows::write(writer, sql!("sqlite/wal_cycle_begin.sql"), [])?;
            self.due.store(CYCLE_BYTES / self.page_bytes, Ordering::Relaxed);
        }
        Ok(whole)
    }
}

/// The bytes of a WAL that was copied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// They stay in the file until the next cycle writes over them.
    Kept,
    /// They are cut off.
    Cut,
}

impl Rest {
    /// Returns SQLite's word for a checkpoint that leaves the WAL so.
    const fn how(self) -> &'static str {
        match self {
            Self::Kept => "RESTART",
            Self::Cut => "TRUNCATE",
        }
    }
}

/// Copies the WAL into the database, and empties it. `false` if a reader holds it up.
pub(super) fn empty(writer: &Connection) -> Result<bool, Error> {
    checkpoint(writer, "TRUNCATE")
}

/// The way in which the last connection leaves the WAL when it closes.
#[derive(PartialEq, Eq)]
pub(super) enum OnClose {
    /// Keeps the WAL.
    Keep,
    /// Copies the WAL into the database, and removes it.
    Empty,
}

/// Sets how this connection leaves the WAL if it is the last to close.
pub(super) fn on_close(connection: &Connection, what: OnClose) -> Result<(), Error> {
    let keeps = what == OnClose::Keep;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps)
        .map_err(store_error)?;
    Ok(())
}

/// Returns the number of frames of the WAL.
pub(super) fn frames(writer: &Connection) -> Result<u64, Error> {
    rows::get(writer, sql!("sqlite/wal_count_frames.sql"), [], |row| {
        Ok(row.integer("log")?.max(0).unsigned_abs())
    })
}

/// Copies the WAL; returns whether everything was copied and no reader held it up.
fn checkpoint(writer: &Connection, how: &str) -> Result<bool, Error> {
    let mut whole = false;
    let note = |row: &Row| {
        whole = row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?;
        Ok(())
    };
    writer.pragma(None, "wal_checkpoint", how, note).map_err(store_error)?;
    Ok(whole)
}

/// Refuses a WAL that was written for another state of the database, and one whose database is
/// missing.
pub(super) fn refuse_foreign(path: &Path) -> Result<(), Error> {
    let named = |ending: &str| format!("{}{ending}", path.display());
    if !path.exists() {
        return match fs::metadata(named("-wal")) {
            Ok(wal) if wal.len() > 0 => Err(Error::Refused(format!(
                "`{}` has events of a database that is missing: put `{}` back where it was, or put \
                 a backup there with `event-gateway restore-backup`",
                named("-wal"),
                path.display()
            ))),
            _ => Ok(()),
        };
    }
    let wal = place::beside(path, "-wal").ok().and_then(|wal| fs::metadata(wal).ok());
    if wal.is_none_or(|wal| wal.len() == 0) {
        return Ok(());
    }
    let foreign = || {
        Error::Refused(format!(
            "`{}` does not belong to `{}`: it was written for another state of it. Put the \
             original file back, or put a backup in its place with `event-gateway restore-backup`, \
             which moves both aside",
            named("-wal"),
            path.display()
        ))
    };
    let alone = match numbers(path, "immutable=1") {
        // The process ended while the WAL was being copied; the WAL still has what the file lacks.
        Err(Error::Corrupt(_)) if whole_with_wal(path) => return Ok(()),
        alone => alone?.map_or(0, |alone| alone.number),
    };
    match numbers(path, "mode=ro") {
        Ok(Some(whole)) if !(whole.base..=whole.number).contains(&alone) => Err(foreign()),
        // The file is of a version without these numbers, so it can't be checked.
        Ok(_) => Ok(()),
        Err(Error::Corrupt(_)) => Err(foreign()),
        Err(error) => Err(error),
    }
}

struct Numbers {
    number: i64,
    base: i64,
}

/// Reads the numbers of the file when it is opened in this way; the file and its WAL are not
/// changed.
fn numbers(path: &Path, opened: &str) -> Result<Option<Numbers>, Error> {
    let connection = looked_at(path, opened)?;
    if !connection.table_exists(None, "wal_cycles").map_err(store_error)? {
        return Ok(None);
    }
    let found =
        |row: &Row| Ok(Numbers { number: row.integer("number")?, base: row.integer("base")? });
    rows::find_one(&connection, sql!("sqlite/wal_cycle_find.sql"), [], found)
}

/// Returns whether the database together with its WAL is undamaged.
fn whole_with_wal(path: &Path) -> bool {
    let flaws = looked_at(path, "mode=ro").and_then(|connection| flaws(&connection));
    flaws.is_ok_and(|flaws| flaws.is_empty())
}

/// Returns the defects of a database.
pub(super) fn flaws(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut flaws = Vec::new();
    let note = |row: &Row| {
        flaws.push(row.get::<_, String>(0)?);
        Ok(())
    };
    connection.pragma_query(None, "integrity_check", note).map_err(store_error)?;
    flaws.retain(|flaw| flaw != "ok");
    Ok(flaws)
}

/// Opens the file without changing it or its WAL.
fn looked_at(path: &Path, opened: &str) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path, opened), flags).map_err(store_error)?;
    on_close(&connection, OnClose::Keep)?;
    connection.busy_timeout(WAIT_MAX).map_err(store_error)?;
    Ok(connection)
}

/// Returns the path in the form in which SQLite reads it in a URI.
pub(super) fn uri(path: &Path, parameters: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte))
            }
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri + "?" + parameters
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use rusqlite::{Connection, Transaction};

    use super::{Cycle, frames, numbers};
    use crate::store::sqlite::{files, rows};

    fn write(writer: &Connection, bytes: i64) {
        rows::write(writer, sql!("sqlite/check_write.sql"), [0, bytes]).unwrap();
    }

    #[test]
    fn a_long_wal_is_copied_and_begun_anew_once_no_reader_holds_it_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let (_locks, writer) = files::serve(&path).unwrap();
        let cycle = Cycle::begin(&writer, 2048).unwrap();
        let began = numbers(&path, "immutable=1").unwrap().unwrap().number;
        assert_eq!(frames(&writer).unwrap(), 1, "its number is the first write to a WAL");
        write(&writer, 100_000);
        let long = frames(&writer).unwrap();
        assert!(long > 40);
        cycle.keep_short(&writer, long);
        assert_eq!(frames(&writer).unwrap(), long, "it is not due");

        let mut reader = Connection::open(&path).unwrap();
        let reading =
            Transaction::new(&mut reader, rusqlite::TransactionBehavior::Deferred).unwrap();
        rows::find_one(&reading, sql!("sqlite/wal_cycle_find.sql"), [], |_| Ok(())).unwrap();
        write(&writer, 100_000);
        cycle.due.store(40, Ordering::Relaxed);
        cycle.keep_short(&writer, frames(&writer).unwrap());
        assert!(frames(&writer).unwrap() > long, "a reader sees what was there");
        assert!(cycle.due.load(Ordering::Relaxed) > 2 * long, "nor is it tried again at once");
        drop(reading);
        cycle.due.store(40, Ordering::Relaxed);
        cycle.keep_short(&writer, frames(&writer).unwrap());
        assert_eq!(frames(&writer).unwrap(), 1);
        let file = numbers(&path, "immutable=1").unwrap().unwrap().number;
        let whole = numbers(&path, "mode=ro").unwrap().unwrap();
        assert!(file > began && whole.base == file && whole.number == file + 1);
    }
}

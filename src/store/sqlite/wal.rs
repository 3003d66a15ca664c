//! The WAL and its cycles: a cycle lasts from one copying into the database to the next.
//!
//! `connections` starts a new cycle when the WAL is long; `copier` has copied most of it by then.
//! `files` asks at the start whether a WAL that it finds belongs to the database. SQLite itself
//! would apply the WAL to any file in that place, such as a copy that was put there. Each WAL holds
//! its cycle's number, and the number that the file had when the cycle began; a copy made in an
//! earlier cycle has a lower one.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};

use super::WAIT_MAX;
use super::copier::{Copier, checkpoint};
use super::error::store_error;
use super::{place, rows};
use crate::store::Error;
use crate::store::columns::Columns;

/// The size of the WAL at which a new cycle begins.
const CYCLE_BYTES: u64 = 64 << 20;
/// The size of the parts that are copied before that. A page that many commits of a part changed is
/// copied once.
const PART_BYTES: u64 = 16 << 20;
/// The bytes by which a WAL may grow before copying is tried again.
const AGAIN_BYTES: u64 = 8 << 20;
/// The longest time for which readers of the WAL may hold up a new cycle.
const READERS_END: Duration = Duration::from_millis(100);

/// The times of the next cycle and of the next part.
pub(super) struct Cycle {
    page_bytes: u64,
    /// The number of frames at which the next cycle begins.
    due: AtomicU64,
    /// The number of frames at which the next part is copied.
    part_due: AtomicU64,
    copier: Copier,
}

impl Cycle {
    /// Copies the WAL that a former run left, and begins a cycle.
    pub(super) fn begin(
        writer: &Connection,
        page_bytes: u32,
        copier: Copier,
    ) -> Result<Self, Error> {
        let (due, part_due) = (AtomicU64::new(0), AtomicU64::new(0));
        let cycle = Self { page_bytes: page_bytes.into(), due, part_due, copier };
        cycle.turn_over(writer, Rest::Kept)?;
        Ok(cycle)
    }

    /// Has a part of the WAL copied if it has grown by one, and begins a new cycle if it is long.
    /// Commits are safe either way.
    pub(super) fn keep_short(&self, writer: &Connection, frames: u64) {
        self.copier.grew(frames);
        let is_due = |due: &AtomicU64| frames >= due.load(Ordering::Relaxed);
        if !(is_due(&self.due) || is_due(&self.part_due)) || !self.copier.is_idle() {
            return;
        }
        let copied = if is_due(&self.due) {
            self.due.store(frames + AGAIN_BYTES / self.page_bytes, Ordering::Relaxed);
            self.turn_over(writer, Rest::Kept).map(drop)
        } else {
            self.part_due.store(frames + PART_BYTES / self.page_bytes, Ordering::Relaxed);
            raise_number(writer).map(|()| self.copier.copy())
        };
        if let Err(error) = copied {
            tracing::warn!(%error, "failed to copy the WAL into the database; the gateway tries \
                                    again when it is longer");
        }
    }

    /// Begins a new cycle. Returns `false` if a reader holds it up.
    pub(super) fn turn_over(&self, writer: &Connection, rest: Rest) -> Result<bool, Error> {
        raise_number(writer)?;
        self.copier.finish();
        checkpoint(writer, "PASSIVE")?;
        writer.busy_timeout(READERS_END).map_err(store_error)?;
        let copied = checkpoint(writer, rest.how());
        writer.busy_timeout(WAIT_MAX).map_err(store_error)?;
        let copied = copied?;
        if copied.all {
            // If a reader still holds it up, SQLite may begin the WAL anew with this write.
            rows::write(writer, sql!("sqlite/wal_cycle_begin.sql"), [])?;
        }
        if copied.is_over() {
            self.due.store(CYCLE_BYTES / self.page_bytes, Ordering::Relaxed);
            self.part_due.store(PART_BYTES / self.page_bytes, Ordering::Relaxed);
        }
        Ok(copied.is_over())
    }

    /// Copies nothing any more.
    pub(super) fn stop(&self) {
        self.copier.stop();
    }
}

/// Raises the file's number, before something is copied into it.
fn raise_number(writer: &Connection) -> Result<(), Error> {
    rows::write(writer, sql!("sqlite/wal_cycle_raise.sql"), [])
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
    checkpoint(writer, "TRUNCATE").map(|copied| copied.is_over())
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
    let found = |row: &rows::Row| {
        Ok(Numbers { number: row.integer("number")?, base: row.integer("base")? })
    };
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
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::Ordering;
    use std::thread;
    use std::time::Duration;

    use rusqlite::{Connection, Transaction};
    use tempfile::TempDir;

    use super::{Cycle, Rest, numbers, refuse_foreign};
    use crate::store::sqlite::copier::frames;
    use crate::store::sqlite::{files, place, rows};

    /// Creates a database and begins a cycle.
    fn begun(folder: &TempDir) -> (PathBuf, Connection, Cycle) {
        let path = folder.path().join("store.db");
        let (locks, writer) = files::serve(&path).unwrap();
        let cycle = Cycle::begin(&writer, 2048, files::copier(&path, &locks).unwrap()).unwrap();
        (path, writer, cycle)
    }

    fn write(writer: &Connection, bytes: i64) {
        rows::write(writer, sql!("sqlite/check_write.sql"), [0, bytes]).unwrap();
    }

    #[test]
    fn a_long_wal_is_copied_and_begun_anew_once_no_reader_holds_it_up() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer, cycle) = begun(&folder);
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

    /// Writes until the copier has copied a part, of which the writer does not wait.
    fn copy_part(cycle: &Cycle, writer: &Connection) {
        cycle.part_due.store(40, Ordering::Relaxed);
        write(writer, 100_000);
        cycle.keep_short(writer, frames(writer).unwrap());
        assert!(!cycle.copier.is_idle(), "it waits for more");
        for version in 1_000.. {
            // Another page: SQLite copies no page that was written since.
            writer.pragma_update(None, "user_version", version).unwrap();
            cycle.copier.grew(frames(writer).unwrap());
            // If the mark was set after that, one more write is needed.
            for _ in 0..1_000 {
                if cycle.copier.is_idle() {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn a_part_is_copied_beside_the_writer_which_goes_on_with_the_same_wal() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer, cycle) = begun(&folder);
        let before = fs::metadata(&path).unwrap().len();
        copy_part(&cycle, &writer);
        assert!(fs::metadata(&path).unwrap().len() > before + 90_000, "it was not copied");
        let long = frames(&writer).unwrap();
        writer.pragma_update(None, "user_version", 1).unwrap();
        assert!(frames(&writer).unwrap() > long, "SQLite has begun the WAL anew");

        cycle.part_due.store(0, Ordering::Relaxed);
        cycle.keep_short(&writer, frames(&writer).unwrap());
        assert!(cycle.turn_over(&writer, Rest::Kept).unwrap(), "the mark holds it up");
        assert_eq!(frames(&writer).unwrap(), 1);
    }

    #[test]
    fn a_wal_from_before_a_part_was_copied_is_foreign() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer, cycle) = begun(&folder);
        let read = |path: &Path| {
            [fs::read(path).unwrap(), fs::read(place::beside(path, "-wal").unwrap()).unwrap()]
        };
        write(&writer, 100);
        let [file_before, wal_before] = read(&path);
        copy_part(&cycle, &writer);
        let [file, wal] = read(&path);
        assert_ne!(file, file_before);
        let put = |file: &[u8], wal: &[u8]| {
            let path = folder.path().join("put.db");
            fs::write(&path, file).unwrap();
            fs::write(place::beside(&path, "-wal").unwrap(), wal).unwrap();
            refuse_foreign(&path)
        };
        put(&file, &wal).unwrap();
        put(&file_before, &wal).unwrap();
        assert!(put(&file, &wal_before).is_err());
    }
}

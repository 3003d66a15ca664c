//! Backups: makes complete copies of the database, and puts one in its place.
//!
//! The subcommands call it. A copy may be made beside a running `serve`, of one state of the file
//! and its WAL; it is one file, checked and synced before it gets its name. No file is overwritten,
//! and the database that a copy replaces is kept, with the rows of the trail that the copy lacks.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, Progress, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::store_error;
use super::files::{
    LOCKED_FOR, connect, folder_of, is_there, lock_folder, of_file, refuse_other, refused,
};
use super::{connections, place, trail, versions, wal};
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::Error;

/// The pages that are copied before the progress is told again.
const STEP_PAGES: i32 = 1_024;
/// The bytes that are copied before the progress is told again.
const STEP_BYTES: u64 = 8 << 20;

/// Writes a copy of SQLite's database at `path` to `to`, which must not exist, beside a running
/// `serve` or without one. Returns its size in bytes. Other stores have their own tools. `report`
/// is given the bytes that are copied, and the bytes of all.
pub async fn backup(
    path: &Path,
    to: &Path,
    report: impl Fn(u64, u64) + Send + 'static,
) -> Result<u64, Error> {
    let (path, to) = (path.to_owned(), to.to_owned());
    connections::blocking(move || {
        is_there(&path)?;
        refuse_other(&path)?;
        if let Ok(_folder) = lock_folder(&path, Duration::ZERO) {
            wal::refuse_foreign(&path).map_err(|error| of_file(&path, error))?;
        }
        // The name is reserved before anything is written.
        File::create_new(&to).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::Refused(format!(
                "`{}` exists already, and backup overwrites no file",
                to.display()
            )),
            _ => refused("create", &to, &e),
        })?;
        let part = named(&to, ".part");
        let made = copy(&path, &part, &report).map_err(|error| {
            error.told(|why| {
                format!("failed to copy `{}` to `{}`: {why}", path.display(), to.display())
            })
        });
        let made = made.and_then(|()| settle(&part, &to));
        if made.is_err() {
            let _ = (fs::remove_file(&part), fs::remove_file(&to));
        }
        made
    })
    .await
}

/// Puts a copy in the place of SQLite's database at `path`, while no `serve` runs on it. The former
/// database is moved aside, under the name that is returned; `None` if there was none. The copy has
/// the row of this act, which names that file, before it is in place. `report` is given the
/// bytes that are copied, and the bytes of all.
pub async fn restore_backup(
    path: &Path,
    from: &Path,
    by: &TrailEntry,
    now: Time,
    report: impl Fn(u64, u64) + Send + 'static,
) -> Result<Option<PathBuf>, Error> {
    let (path, from, by) = (path.to_owned(), from.to_owned(), by.clone());
    connections::blocking(move || {
        let _folder = lock_folder(&path, LOCKED_FOR)?;
        // If the path is a link, it is kept.
        let path = fs::canonicalize(&path).unwrap_or(path);
        refuse_unfit(&path, &from)?;
        let part = named(&path, ".part");
        let copied = copy_file(&from, &part, &report);
        let put = copied.map_err(|e| refused("copy", &from, &e)).and_then(|()| {
            whole(&part, &from)?;
            let aside = aside(&path);
            tell(&part, now, &by, aside.as_deref())?;
            replace(&path, &part, aside)
        });
        if put.is_err() {
            let _ = fs::remove_file(&part);
        }
        put
    })
    .await
}

/// Copies one state of the database and its WAL.
fn copy(path: &Path, to: &Path, report: &dyn Fn(u64, u64)) -> Result<(), Error> {
    let source = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut target = Connection::open(to).map_err(store_error)?;
    // The copy is synced as a file, and has no known name before.
    target.pragma_update(None, "journal_mode", "off").map_err(store_error)?;
    target.pragma_update(None, "synchronous", 0).map_err(store_error)?;
    // The steps are of one read transaction: an append between two of them changes nothing.
    let reading = source.unchecked_transaction().map_err(store_error)?;
    let pragma = |name| {
        reading.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).map_err(store_error)
    };
    // The transaction begins with the first read, which is that of this number.
    pragma("schema_version")?;
    let page_bytes = u64::from(pragma("page_size")?);
    let copying = Backup::new(&reading, &mut target).map_err(store_error)?;
    loop {
        let step = copying.step(STEP_PAGES).map_err(store_error)?;
        let Progress { remaining, pagecount } = copying.progress();
        let bytes = |pages| u64::try_from(pages).unwrap_or_default() * page_bytes;
        report(bytes(pagecount - remaining), bytes(pagecount));
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => return Err(Error::Unavailable(format!("`{}` is locked", path.display()))),
        }
    }
    drop(copying);
    target.close().map_err(|(_, error)| store_error(error))
}

/// Copies a file, with its permissions.
fn copy_file(from: &Path, to: &Path, report: &dyn Fn(u64, u64)) -> io::Result<()> {
    let source = File::open(from)?;
    let file = source.metadata()?;
    let (mut target, mut done) = (File::create(to)?, 0);
    target.set_permissions(file.permissions())?;
    loop {
        match io::copy(&mut (&source).take(STEP_BYTES), &mut target)? {
            0 => return Ok(()),
            copied => done += copied,
        }
        report(done, file.len().max(done));
    }
}

/// Gives a complete copy its name; returns its size in bytes.
fn settle(part: &Path, to: &Path) -> Result<u64, Error> {
    whole(part, to)?;
    let sync = || {
        let file = File::options().write(true).open(part)?;
        file.sync_all()?;
        fs::rename(part, to)?;
        File::open(folder_of(to))?.sync_all()?;
        Ok(file.metadata()?.len())
    };
    sync().map_err(|e: io::Error| refused("write", to, &e))
}

/// Returns whether two paths lead to the same file.
fn same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    file(one).is_some_and(|one| file(other) == Some(one))
}

/// Checks that a file is a complete database of this version of event-gateway. An error calls it
/// `told`.
fn whole(path: &Path, told: &Path) -> Result<(), Error> {
    flawless(path, told).map_err(|error| match error {
        Error::Corrupt(why) => Error::Refused(format!(
            "`{}` is not a complete copy; it was cut or damaged: {why}",
            told.display()
        )),
        error => error,
    })
}

fn flawless(path: &Path, told: &Path) -> Result<(), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection =
        Connection::open_with_flags(wal::uri(path, "immutable=1"), flags).map_err(store_error)?;
    versions::check(told, &connection)?;
    match wal::flaws(&connection)?.as_slice() {
        [] => Ok(()),
        flaws => Err(Error::Corrupt(flaws.join("; "))),
    }
}

/// Refuses a file that can't be a copy of a database, before it is read.
fn refuse_unfit(path: &Path, from: &Path) -> Result<(), Error> {
    refuse_other(from)?;
    if fs::metadata(from).is_ok_and(|file| file.len() == 0) {
        return Err(Error::Refused(versions::not_ours(from)));
    }
    if same(path, from) {
        return Err(Error::Refused(format!("`{}` is the database itself", from.display())));
    }
    refuse_part(from)
}

/// Refuses a file with a WAL beside it: the WAL has its newest events, so the file is only a part.
fn refuse_part(from: &Path) -> Result<(), Error> {
    let is_part = place::beside(from, "-wal").and_then(fs::metadata).is_ok_and(|wal| wal.len() > 0);
    if is_part {
        let from = from.display();
        return Err(Error::Refused(format!(
            "`{from}` is only a part of a database: its newest events are in the WAL beside it. \
             `STORE_URL=sqlite://{from} event-gateway backup FILE` makes a whole copy of both"
        )));
    }
    Ok(())
}

/// Returns the name under which the database is kept; `None` if there is none.
fn aside(path: &Path) -> Option<PathBuf> {
    let aside = (0..).map(|n| named(path, &format!(".replaced-{n}"))).find(|file| !file.exists());
    aside.filter(|_| path.exists())
}

/// Writes the row of the act into the copy that is put in place. It says where the rows are that
/// the copy lacks.
fn tell(part: &Path, now: Time, by: &TrailEntry, aside: Option<&Path>) -> Result<(), Error> {
    let kept = aside.map(|aside| format!("the former database is {}", aside.display()));
    let connection = connect(part, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The file has no known name yet, and is synced before it gets one.
    connection.pragma_update(None, "journal_mode", "off").map_err(store_error)?;
    trail::note(&connection, now, Some(&by.because(kept.as_deref())))?;
    // Subcommands may open it before a `serve` does.
    connection.pragma_update(None, "journal_mode", "wal").map_err(store_error)?;
    connection.close().map_err(|(_, error)| store_error(error))
}

/// Puts `part` in the place of the database, which is kept with its WAL. If this is interrupted,
/// the next start finds one of the two, or refuses the WAL of the other.
fn replace(path: &Path, part: &Path, aside: Option<PathBuf>) -> Result<Option<PathBuf>, Error> {
    let sync = |file: &Path| File::open(file)?.sync_all();
    let moved = || -> io::Result<Option<PathBuf>> {
        sync(part)?;
        if let Some(aside) = &aside {
            fs::hard_link(path, aside).or_else(|_| fs::rename(path, aside))?;
        }
        let besides = ["-wal", "-shm"].map(|ending| (named(path, ending), ending));
        fs::rename(part, path)?;
        for (file, ending) in besides.iter().filter(|(file, _)| file.exists()) {
            let kept = aside.clone().unwrap_or_else(|| named(path, ".replaced"));
            fs::rename(file, named(&kept, ending))?;
        }
        sync(folder_of(path))?;
        Ok(aside)
    };
    moved().map_err(|e| refused("replace", path, &e))
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

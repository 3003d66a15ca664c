//! Backups: a copy of the database that is whole, and the way back.
//!
//! Called for the verbs of the command line. A copy is made beside a running `serve`, of one state of
//! the file and its WAL; it is one file, checked and synced before it has its name. Always true: no
//! file is overwritten, and what a copy takes the place of is kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, Row};

use super::fault::fault;
use super::files::{LOCKED_FOR, connect, folder_of, lock_folder, migrated, refused};
use super::{connections, place, wal};
use crate::store::Error;

/// Writes a copy of SQLite's database at `path` to `to`, which must not exist, beside a running `serve` or
/// without one. Returns its size in bytes. Other stores have tools of their own.
pub async fn backup(path: &Path, to: &Path) -> Result<u64, Error> {
    let (path, to) = (path.to_owned(), to.to_owned());
    connections::blocking(move || {
        if !path.exists() {
            return Err(Error::Refused(format!("there is no `{}`", path.display())));
        }
        if let Ok(_folder) = lock_folder(&path, Duration::ZERO) {
            wal::refuse_foreign(&path)?;
        }
        // Its name is taken before anything is written.
        File::create_new(&to).map_err(|e| refused("create", &to, &e))?;
        let part = named(&to, ".part");
        let made = copy(&path, &part).and_then(|()| settle(&part, &to));
        if made.is_err() {
            let _ = (fs::remove_file(&part), fs::remove_file(&to));
        }
        made
    })
    .await
}

/// Puts a copy in the place of SQLite's database at `path`, while no `serve` runs on it. What was there is
/// moved aside, under the name that is returned; `None` if there was nothing.
pub async fn restore_backup(path: &Path, from: &Path) -> Result<Option<PathBuf>, Error> {
    let (path, from) = (path.to_owned(), from.to_owned());
    connections::blocking(move || {
        let _folder = lock_folder(&path, LOCKED_FOR)?;
        // A link goes on leading there.
        let path = fs::canonicalize(&path).unwrap_or(path);
        refuse_part(&from)?;
        let part = named(&path, ".part");
        let put = fs::copy(&from, &part).map_err(|e| refused("copy", &from, &e)).and_then(|_| {
            whole(&part).map_err(|error| of_file(&from, &error))?;
            replace(&path, &part)
        });
        if put.is_err() {
            let _ = fs::remove_file(&part);
        }
        put
    })
    .await
}

/// Copies one state of the database, with what its WAL has.
fn copy(path: &Path, to: &Path) -> Result<(), Error> {
    let source = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut target = Connection::open(to).map_err(fault)?;
    // It is synced as a file, and nobody knows its name before.
    target.pragma_update(None, "journal_mode", "off").map_err(fault)?;
    target.pragma_update(None, "synchronous", 0).map_err(fault)?;
    let copied = Backup::new(&source, &mut target).and_then(|copying| copying.step(-1)).map_err(fault)?;
    match copied {
        StepResult::Done => target.close().map_err(|(_, error)| fault(error)),
        _ => Err(Error::Unavailable(format!("`{}` is locked", path.display()))),
    }
}

/// Gives a copy that is whole its name; its size in bytes.
fn settle(part: &Path, to: &Path) -> Result<u64, Error> {
    whole(part)?;
    let sync = || {
        let file = File::options().write(true).open(part)?;
        file.sync_all()?;
        fs::rename(part, to)?;
        File::open(folder_of(to))?.sync_all()?;
        Ok(file.metadata()?.len())
    };
    sync().map_err(|e: io::Error| refused("write", to, &e))
}

/// Whether a file is a database of ours, of this version or an older one, and has no flaw.
fn whole(path: &Path) -> Result<(), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(wal::uri(path, "immutable=1"), flags).map_err(fault)?;
    migrated(path, &connection)?;
    let mut flaws = Vec::new();
    let note = |row: &Row| {
        flaws.push(row.get::<_, String>(0)?);
        Ok(())
    };
    connection.pragma_query(None, "integrity_check", note).map_err(fault)?;
    match flaws.as_slice() {
        [flaw] if flaw == "ok" => Ok(()),
        flaws => Err(Error::Corrupt(flaws.join("; "))),
    }
}

/// A file whose newest events stand in a WAL beside it is only a part.
fn refuse_part(from: &Path) -> Result<(), Error> {
    let is_part = place::beside(from, "-wal").and_then(fs::metadata).is_ok_and(|wal| wal.len() > 0);
    if is_part {
        let why =
            "a WAL stands beside it, which has its newest events: `event-gateway backup` makes a whole copy";
        return Err(Error::Refused(format!("`{}` is only a part: {why}", from.display())));
    }
    Ok(())
}

/// Puts `part` in the place of the database, which is kept with its WAL. Wherever this is cut off, the
/// next start has one of the two, or refuses the WAL of the other.
fn replace(path: &Path, part: &Path) -> Result<Option<PathBuf>, Error> {
    let sync = |file: &Path| File::open(file)?.sync_all();
    let moved = || -> io::Result<Option<PathBuf>> {
        sync(part)?;
        let aside = (0..).map(|n| named(path, &format!(".replaced-{n}"))).find(|aside| !aside.exists());
        let aside = aside.filter(|_| path.exists());
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

fn of_file(file: &Path, error: &Error) -> Error {
    Error::Refused(format!("`{}` is no backup that can be put back: {error}", file.display()))
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

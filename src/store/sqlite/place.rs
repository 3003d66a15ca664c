//! The place of the files: checks that their paths still lead to the files that are open.
//!
//! Every write checks it before it begins and before it is answered, and so does every read: a file
//! that was removed, moved, replaced or cut still takes writes, but they are lost. A check costs a
//! few calls to the file system.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::Error;

/// The bytes of a WAL's header, and of a frame's. Source: sqlite.org/fileformat2.html#walformat
const WAL_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// Locks that are held as long as any connection is open: closing a file ends all of SQLite's own
/// locks on it.
pub(super) type Locks = Arc<Vec<File>>;

/// The database, its WAL and its shared memory, as they were opened.
pub(super) struct Place {
    database: Opened,
    wal: Opened,
    shared_memory: Opened,
    page_bytes: u64,
}

impl Place {
    /// Remembers the files of a database that is open and has a WAL.
    pub(super) fn new(path: &Path, page_bytes: u32) -> io::Result<Self> {
        Ok(Self {
            database: Opened::new(path.to_owned())?,
            wal: Opened::new(beside(path, "-wal")?)?,
            shared_memory: Opened::new(beside(path, "-shm")?)?,
            page_bytes: page_bytes.into(),
        })
    }

    /// Adds the database's path to an error.
    pub(super) fn named(&self, error: Error) -> Error {
        match error {
            Error::Unavailable(_) | Error::Unknown(_) => {
                error.told(|why| format!("`{}`: {why}", self.database.path.display()))
            }
            error => error,
        }
    }

    /// Checks that the database is where it was opened, and has everything that was written to it.
    pub(super) fn check(&self) -> Result<(), Error> {
        // It is read before the file is looked at, which may grow meanwhile.
        let seen = self.database.bytes.load(Ordering::Acquire);
        let bytes = self.database.check()?;
        // The database never shrinks, since no page is ever given back.
        if bytes < seen {
            return Err(self.database.gone("it was cut short"));
        }
        self.database.bytes.fetch_max(bytes, Ordering::Release);
        Ok(())
    }

    /// Checks all files; the WAL has at least so many frames.
    pub(super) fn check_all(&self, frames: u64) -> Result<(), Error> {
        self.check()?;
        self.shared_memory.check()?;
        let written =
            if frames == 0 { 0 } else { WAL_HEADER + frames * (FRAME_HEADER + self.page_bytes) };
        if self.wal.check()? < written {
            return Err(self.wal.gone("it was cut short"));
        }
        Ok(())
    }
}

/// Returns the path of a file beside the database itself, even if `path` is a link to it.
pub(super) fn beside(path: &Path, ending: &str) -> io::Result<PathBuf> {
    let mut name = fs::canonicalize(path)?.into_os_string();
    name.push(ending);
    Ok(name.into())
}

/// A file that was opened.
struct Opened {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// The greatest size that was seen.
    bytes: AtomicU64,
}

impl Opened {
    fn new(path: PathBuf) -> io::Result<Self> {
        let file = fs::metadata(&path)?;
        Ok(Self { path, device: file.dev(), inode: file.ino(), bytes: file.len().into() })
    }

    /// Returns the size of the file, if it is still in its place.
    fn check(&self) -> Result<u64, Error> {
        match fs::metadata(&self.path) {
            Ok(file) if (file.dev(), file.ino()) == (self.device, self.inode) => Ok(file.len()),
            Ok(_) => Err(self.gone("another file stands in its place")),
            Err(error) => Err(self.gone(error)),
        }
    }

    fn gone(&self, why: impl std::fmt::Display) -> Error {
        Error::Gone(format!("`{}`: {why}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::{Place, beside};

    /// One may look at the size, and another one see a greater size, before the first compares.
    #[test]
    fn a_database_that_grows_while_several_look_at_it_was_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let file = File::create(&path).unwrap();
        for ending in ["-wal", "-shm"] {
            fs::write(beside(&path, ending).unwrap(), "").unwrap();
        }
        let place = Place::new(&path, 4_096).unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        place.check().unwrap();
                    }
                });
            }
            (1..=50_000).for_each(|bytes| file.set_len(bytes).unwrap());
            is_over.store(true, Ordering::Relaxed);
        });
        file.set_len(4_096).unwrap();
        assert!(place.check().is_err());
    }
}

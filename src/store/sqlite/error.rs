//! Classification of SQLite's errors as errors of the port, by their codes; never by their text.
//!
//! Fed by every statement of this adapter; feeds the port's errors.

use crate::store::Error;

// Primary result codes. Source: sqlite.org/rescode.html
const ERROR: i32 = 1;
const BUSY: i32 = 5;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOTADB: i32 = 26;

/// Returns the port's error of a statement that is no commit: nothing was written. An error that
/// the gateway's statements can't cause on its own file (a missing table, a duplicate key, a column
/// of another type) shows that the file was changed.
pub(super) fn store_error(error: rusqlite::Error) -> Error {
    match code(&error) {
        None | Some(ERROR | CORRUPT | CONSTRAINT | MISMATCH | NOTADB) => {
            Error::Corrupt(error.to_string())
        }
        Some(FULL) => no_room(),
        Some(_) => Error::Unavailable(error.to_string()),
    }
}

/// Returns the port's error of a commit. "Busy" and "full" come before the commit's last page is in
/// the WAL; after any other error a crash may find it there.
pub(super) fn commit_error(error: rusqlite::Error) -> Error {
    match code(&error) {
        Some(FULL) => no_room(),
        Some(BUSY) => Error::Unavailable(error.to_string()),
        _ => Error::Unknown(error.to_string()),
    }
}

fn no_room() -> Error {
    Error::Unavailable("there is no room on its disk".to_owned())
}

/// Returns the primary code of an error of SQLite itself.
fn code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code & 0xff)
}

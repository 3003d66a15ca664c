//! The version of the tables: creates those of a new file, and refuses a file of a version that
//! this one can't work with.
//!
//! `files` and `backup` ask here before they use a database. `user_version` counts the migrations
//! that made it, and `schema_versions` has one row for each. A file that another program or another
//! version made is refused by name, and nothing in it is changed; nor is anything in one of a later
//! version that this one can work with.

use std::fmt::Display;
use std::path::Path;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::error::store_error;
use super::rows;
use crate::store::Error;
use crate::store::columns::Columns;
use crate::store::error::made_before;
use crate::store::schema_version::{Age, SchemaVersion, compare, refuse_older, schema_version};

const VERSIONS: &[M] = &[M::up(sql!("sqlite/migrations/0001_store.sql"))];
static MIGRATIONS: Migrations = Migrations::from_slice(VERSIONS);

const OURS: i64 = VERSIONS.len() as i64;

/// Creates the tables of this version, unless they or later ones exist.
pub(super) fn make(path: &Path, writer: &mut Connection) -> Result<(), Error> {
    if compare(&told(path), &recorded(path, writer)?, OURS)? == Age::Newer {
        return Ok(());
    }
    MIGRATIONS.to_latest(writer).map_err(|e| migration(path, e))
}

/// Refuses a database with tables that this version can't bring up to date or work with.
pub(super) fn refuse_unknown(path: &Path, writer: &Connection) -> Result<(), Error> {
    if writer.table_exists(None, "tenants").map_err(store_error)? {
        return compare(&told(path), &recorded(path, writer)?, OURS).map(drop);
    }
    if counted(writer)? != 0 {
        return Ok(());
    }
    match rows::get(writer, sql!("sqlite/table_count.sql"), [], |row| row.integer("tables"))? {
        0 => Ok(()),
        _ => Err(Error::Refused(not_ours(path))),
    }
}

/// Refuses a database that this version can't work with as it is; creates nothing.
pub(super) fn refuse_other(path: &Path, connection: &Connection) -> Result<(), Error> {
    refuse_older(&told(path), &recorded(path, connection)?, OURS)
}

/// Refuses a file that is no database of event-gateway, or of a version that this one can't work
/// with.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<(), Error> {
    if !connection.table_exists(None, "tenants").map_err(store_error)? {
        return Err(Error::Refused(not_ours(path)));
    }
    compare(&told(path), &recorded(path, connection)?, OURS).map(drop)
}

/// Returns the versions of the tables, oldest first; none if there are no tables. Refuses tables
/// that were made before the versions were counted from 1 again.
fn recorded(path: &Path, connection: &Connection) -> Result<Vec<SchemaVersion>, Error> {
    if !connection.table_exists(None, "tenants").map_err(store_error)? {
        return Ok(Vec::new());
    }
    let counted = counted(connection)?;
    if counted == 0 {
        return Err(another_version(path, "its tables are not counted by `user_version`"));
    }
    if !connection.table_exists(None, "schema_versions").map_err(store_error)? {
        return Err(made_before(&told(path), counted));
    }
    let list = sql!("sqlite/schema_version_list.sql");
    let recorded = rows::find(connection, list, [], |row| schema_version(row))?;
    if recorded.last().is_none_or(|newest| newest.version != counted) {
        return Err(another_version(path, "`user_version` is not the version that it records"));
    }
    Ok(recorded)
}

/// Returns the number of migrations that were made; 0 if none was.
fn counted(connection: &Connection) -> Result<i64, Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(store_error)
}

fn told(path: &Path) -> String {
    format!("the database `{}`", path.display())
}

fn migration(path: &Path, error: rusqlite_migration::Error) -> Error {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => store_error(err),
        error => another_version(path, error),
    }
}

/// Returns the message that a file is no database of event-gateway.
pub(super) fn not_ours(path: &Path) -> String {
    format!("`{}` is no database of event-gateway", path.display())
}

fn another_version(path: &Path, why: impl Display) -> Error {
    Error::Refused(format!("`{}` was made by another version: {why}", path.display()))
}

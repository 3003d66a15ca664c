//! The version of the tables: creates those of a new file, and refuses a file of another version.
//!
//! `files` and `backup` ask here before they use a database. `user_version` counts the migrations
//! that made it. A file that another program or another version made is refused by name, and
//! nothing in it is changed.

use std::fmt::Display;
use std::path::Path;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations, SchemaVersion};

use super::error::store_error;
use super::rows;
use crate::store::Error;
use crate::store::columns::Columns;
use crate::store::error::made_before;

const VERSIONS: &[M] = &[M::up(sql!("sqlite/migrations/0001_store.sql"))];
static MIGRATIONS: Migrations = Migrations::from_slice(VERSIONS);

/// Creates the tables of this version, unless they exist.
pub(super) fn make(path: &Path, writer: &mut Connection) -> Result<(), Error> {
    MIGRATIONS.to_latest(writer).map_err(|e| migration(path, e))
}

/// Refuses a database with tables that this version can't bring up to date: another program's, or
/// an earlier version's.
pub(super) fn refuse_unknown(path: &Path, writer: &Connection) -> Result<(), Error> {
    if writer.table_exists(None, "tenants").map_err(store_error)? {
        return refuse_earlier(path, writer);
    }
    if version(path, writer)? != SchemaVersion::NoneSet {
        return Ok(());
    }
    match rows::get(writer, sql!("sqlite/table_count.sql"), [], |row| row.integer("tables"))? {
        0 => Ok(()),
        _ => Err(Error::Refused(not_ours(path))),
    }
}

/// Refuses a database that is not of this version; creates nothing.
pub(super) fn refuse_other(path: &Path, connection: &Connection) -> Result<(), Error> {
    if connection.table_exists(None, "tenants").map_err(store_error)? {
        refuse_earlier(path, connection)?;
    }
    if MIGRATIONS.pending_migrations(connection).map_err(|e| migration(path, e))? != 0 {
        return Err(another_version(path, "use the version of event-gateway that made it"));
    }
    Ok(())
}

/// Refuses a file that is no database of event-gateway, or of another version.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<(), Error> {
    if !connection.table_exists(None, "tenants").map_err(store_error)? {
        return Err(Error::Refused(not_ours(path)));
    }
    refuse_earlier(path, connection)?;
    match version(path, connection)? {
        SchemaVersion::Outside(_) => Err(another_version(path, "it is newer than this one")),
        _ => Ok(()),
    }
}

/// Refuses tables that were made before the layout's versions were counted from 1 again.
fn refuse_earlier(path: &Path, connection: &Connection) -> Result<(), Error> {
    let version = version(path, connection)?;
    if version == SchemaVersion::NoneSet {
        return Err(another_version(path, "its tables are not counted by `user_version`"));
    }
    if connection.table_exists(None, "delete_alls").map_err(store_error)? {
        return Ok(());
    }
    let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    Err(made_before(&format!("the database `{}`", path.display()), found.map_err(store_error)?))
}

fn version(path: &Path, connection: &Connection) -> Result<SchemaVersion, Error> {
    MIGRATIONS.current_version(connection).map_err(|e| migration(path, e))
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

//! What PostgreSQL's errors mean to a caller, by their SQLSTATEs; never by their text.
//!
//! Fed by every statement of this adapter; feeds the port's errors. The server's messages name
//! users and databases, never passwords or values.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::Error;

// SQLSTATEs and their classes, the first two digits. Source: postgresql.org, "PostgreSQL Error Codes"
const DATA_EXCEPTION: &str = "22";
const CONSTRAINT_VIOLATION: &str = "23";
const AUTHORIZATION: &str = "28";
const CATALOG: &str = "3D";
const SCHEMA: &str = "3F";
const SYNTAX_OR_ACCESS: &str = "42";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";

/// Of anything but a commit: nothing was written. What our statements can't fail by in tables of
/// ours (no such table, a place taken twice) tells that they aren't as they must be.
pub(super) fn fault(error: sqlx::Error) -> Error {
    let told = told(&error);
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) => {
            Error::Corrupt(told)
        }
        _ => match code(&error) {
            Some(DATA_CORRUPTED | INDEX_CORRUPTED) => Error::Corrupt(told),
            Some(code) if [DATA_EXCEPTION, CONSTRAINT_VIOLATION, SYNTAX_OR_ACCESS].contains(&class(code)) => {
                Error::Corrupt(told)
            }
            _ => Error::Unavailable(told),
        },
    }
}

/// Of opening: what a later try won't mend either is refused.
pub(super) fn refusal(error: sqlx::Error) -> Error {
    let classes = [AUTHORIZATION, CATALOG, SCHEMA, SYNTAX_OR_ACCESS];
    let refused = code(&error).is_some_and(|code| classes.contains(&class(code)));
    match error {
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Error::Refused(told(&error)),
        _ if refused => Error::Refused(told(&error)),
        _ => fault(error),
    }
}

/// Of a commit: it may have happened.
pub(super) fn commit_fault(error: sqlx::Error) -> Error {
    Error::Unknown(told(&error))
}

/// Of a statement that commits itself: a plain error of the server undid it; when the server or the
/// connection was lost, it may have happened.
pub(super) fn lone_fault(error: sqlx::Error) -> Error {
    match of_server(&error).map(PgDatabaseError::severity) {
        Some(PgSeverity::Error) => fault(error),
        _ => commit_fault(error),
    }
}

/// Whether the transaction was undone for another's sake: run again, it may succeed.
pub(super) fn is_victim(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(SERIALIZATION_FAILURE | DEADLOCK_DETECTED))
}

fn of_server(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

fn code(error: &sqlx::Error) -> Option<&str> {
    of_server(error).map(PgDatabaseError::code)
}

fn class(code: &str) -> &str {
    code.get(..2).unwrap_or(code)
}

fn told(error: &sqlx::Error) -> String {
    match of_server(error) {
        Some(error) => format!("PostgreSQL says: {} ({})", error.message(), error.code()),
        None => format!("PostgreSQL: {error}"),
    }
}

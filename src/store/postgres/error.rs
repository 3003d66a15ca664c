//! Classification of PostgreSQL's errors as errors of the port, by their SQLSTATEs; never by their
//! text.
//!
//! Every statement of this adapter passes its errors through here. The server's messages name users
//! and databases, never passwords or values.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::Error;
use crate::store::error::TransactionError;

// SQLSTATEs and their classes, the first two digits. Source: postgresql.org, "PostgreSQL Error
// Codes"
const FEATURE_NOT_SUPPORTED: &str = "0A";
const DATA_EXCEPTION: &str = "22";
const CONSTRAINT_VIOLATION: &str = "23";
const AUTHORIZATION: &str = "28";
const CATALOG: &str = "3D";
const SCHEMA: &str = "3F";
const SYNTAX_OR_ACCESS: &str = "42";
const WITH_CHECK_OPTION: &str = "44";
const LIMIT_EXCEEDED: &str = "54";
/// A trigger or a function that the gateway did not make raised the error.
const RAISED: &str = "P0";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";
const PROTOCOL_VIOLATION: &str = "08P01";
const INVALID_PASSWORD: &str = "28P01";
const INVALID_AUTHORIZATION: &str = "28000";
const INVALID_CATALOG: &str = "3D000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const READ_ONLY_TRANSACTION: &str = "25006";
const TOO_MANY_CONNECTIONS: &str = "53300";
/// A prepared statement belongs to another client, or does not exist.
const DUPLICATE_STATEMENT: &str = "42P05";
const INVALID_STATEMENT: &str = "26000";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";

/// The classes of errors that trying again won't mend.
const LASTING: [&str; 7] = [
    FEATURE_NOT_SUPPORTED,
    DATA_EXCEPTION,
    CONSTRAINT_VIOLATION,
    SYNTAX_OR_ACCESS,
    WITH_CHECK_OPTION,
    LIMIT_EXCEEDED,
    RAISED,
];

/// Returns the port's error of a statement that is no commit: nothing was written. An error that
/// the gateway's statements can't cause on its own tables (a missing table, a duplicate key) shows
/// that the tables were changed.
pub(super) fn store_error(error: sqlx::Error) -> Error {
    let told = told(&error);
    match error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_) => Error::Corrupt(told),
        _ => match code(&error) {
            Some(DATA_CORRUPTED | INDEX_CORRUPTED) => Error::Corrupt(told),
            Some(DUPLICATE_STATEMENT | INVALID_STATEMENT) => Error::Refused(swapped(&told)),
            Some(code) if LASTING.contains(&class(code)) => Error::Corrupt(told),
            _ => Error::Unavailable(told),
        },
    }
}

/// Returns the port's error of opening. An error that trying again won't mend refuses the store,
/// with advice.
pub(super) fn refusal(error: sqlx::Error) -> Error {
    let classes = [AUTHORIZATION, CATALOG, SCHEMA, SYNTAX_OR_ACCESS];
    let refused = code(&error).is_some_and(|code| classes.contains(&class(code)));
    let advised = code(&error).and_then(advice).map(|advice| format!("{}: {advice}", told(&error)));
    match error {
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Error::Refused(told(&error)),
        _ if refused => Error::Refused(advised.unwrap_or_else(|| told(&error))),
        _ => match (store_error(error), advised) {
            (Error::Unavailable(_), Some(advised)) => Error::Unavailable(advised),
            (error, _) => error,
        },
    }
}

/// Returns the error of beginning a transaction, which statement pooling refuses.
pub(super) fn no_transaction(error: sqlx::Error) -> Error {
    match code(&error) {
        Some(PROTOCOL_VIOLATION) => Error::Refused(swapped(&told(&error))),
        _ => refusal(error),
    }
}

/// Returns the advice for an operator.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        INVALID_PASSWORD => {
            "check DB_USERNAME and DB_PASSWORD, or the user and password of STORE_URL"
        }
        INVALID_AUTHORIZATION => {
            "check the user and sslmode, and the rules of the server's pg_hba.conf"
        }
        INVALID_CATALOG => {
            "create it with CREATE DATABASE, or name another in DB_DATABASE or STORE_URL"
        }
        INSUFFICIENT_PRIVILEGE => {
            "GRANT CREATE ON DATABASE to the user, or create the schema for it: CREATE SCHEMA … \
             AUTHORIZATION …"
        }
        READ_ONLY_TRANSACTION => "it takes no writes: name the primary",
        TOO_MANY_CONNECTIONS => "raise its max_connections, or lower DB_MAXPOOLSIZE",
        _ => return None,
    })
}

/// Returns the error of a commit, which may have happened.
pub(super) fn commit_error(error: sqlx::Error) -> Error {
    Error::Unknown(told(&error))
}

/// Returns the error of an unexpected answer after a commit: something was written, but it is
/// unknown what.
pub(super) fn committed(error: Error) -> Error {
    Error::Unknown(error.why().to_owned())
}

/// Returns the error of a statement that commits itself. A plain error of the server undid it; if
/// the server or the connection was lost, it may have happened.
pub(super) fn autocommit_error(error: sqlx::Error) -> Error {
    match of_server(&error).map(PgDatabaseError::severity) {
        Some(PgSeverity::Error) => store_error(error),
        _ => commit_error(error),
    }
}

/// Returns what an error means for the transaction of its statement: one that was undone in favour
/// of another may succeed if it is run again. `port_error` converts the error itself.
pub(super) fn transaction_error(
    error: sqlx::Error,
    port_error: impl FnOnce(sqlx::Error) -> Error,
) -> TransactionError {
    match code(&error) {
        Some(SERIALIZATION_FAILURE | DEADLOCK_DETECTED) => {
            TransactionError::Retry(port_error(error))
        }
        _ => TransactionError::Fatal(port_error(error)),
    }
}

/// Returns the cause and the remedy if a pooler swaps servers.
pub(super) fn swapped(how: &str) -> String {
    format!(
        "{how}: a pooler between the gateway and PostgreSQL gives a connection different server \
         processes in turn (transaction or statement pooling), or one that was used before; set it \
         to session pooling (PgBouncer: pool_mode=session, server_reset_query=DISCARD ALL)"
    )
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

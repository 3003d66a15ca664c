//! Rows: tuples repeated in statements, and what comes back as columns.
//!
//! Between this adapter's statements and the nouns of `store::sql`.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::fault::fault;
use crate::domain::tenant::TenantId;
use crate::store::Error;
use crate::store::sql::Columns;

/// Tuples in one statement, at most. Each number of them is a statement of its own, which is kept prepared.
pub(super) const TUPLES_MAX: usize = 64;

/// A statement with what was bound to it.
pub(super) type Statement = Query<'static, sqlx::Sqlite, SqliteArguments>;

/// The rows that a statement of one tuple finds for many, in as few statements as may be.
pub(super) async fn find<T>(
    connection: &mut SqliteConnection,
    sql: &str,
    tuples: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<Vec<SqliteRow>, Error> {
    let mut rows = Vec::new();
    for chunk in tuples.chunks(TUPLES_MAX) {
        let statement = chunk.iter().fold(repeated(sql, chunk.len()), &bind);
        rows.extend(statement.fetch_all(&mut *connection).await.map_err(fault)?);
    }
    Ok(rows)
}

/// The rows that a statement finds of some tenants.
pub(super) async fn of_tenants(
    connection: &mut SqliteConnection,
    sql: &str,
    tenants: &[&TenantId],
) -> Result<Vec<SqliteRow>, Error> {
    find(connection, sql, tenants, |statement, tenant| statement.bind(tenant.as_str())).await
}

/// Writes a row for each tuple by a statement of one.
pub(super) async fn write<T>(
    connection: &mut SqliteConnection,
    sql: &str,
    tuples: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<(), Error> {
    for chunk in tuples.chunks(TUPLES_MAX) {
        let statement = chunk.iter().fold(repeated(sql, chunk.len()), &bind);
        let written = statement.execute(&mut *connection).await.map_err(fault)?.rows_affected();
        if written != chunk.len() as u64 {
            let rows = chunk.len();
            return Err(Error::Corrupt(format!("{written} of {rows} rows could be written by: {sql}")));
        }
    }
    Ok(())
}

/// The statement with its tuple `(?, …)` as many times.
fn repeated(sql: &str, times: usize) -> Statement {
    let start = sql.find("(?").expect("a statement of tuples has one");
    let end = start + sql[start..].find(')').expect("a tuple ends") + 1;
    let more = format!(", {}", &sql[start..end]).repeat(times - 1);
    sqlx::query(AssertSqlSafe(format!("{}{more}{}", &sql[..end], &sql[end..])))
}

columns!(SqliteRow);

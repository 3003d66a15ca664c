//! Verifying a connection: it is set as the promises need it, whatever stands between has dropped,
//! and refused where it can't be.
//!
//! Asked for every connection that is made, since each may be to another server; feeds `migrate`
//! and `session`. Always true: a session's tables are found in its own schema or nowhere, and its
//! commits are durable.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions, Connection, Row};

use super::error::{no_transaction, refusal, store_error, swapped};
use super::options::{Durable, Setting};
use crate::store::Error;

/// The oldest that tells transactions by 64 bits: PostgreSQL 13.
const VERSION_MIN: u32 = 130_000;

/// Sets a new connection, and refuses one that can't keep the promises. Tells how its commits are
/// durable.
pub(super) async fn verify(
    connection: &mut PgConnection,
    settings: &[Setting],
) -> Result<Durable, Error> {
    let (names, values): (Vec<_>, Vec<_>) = settings.iter().cloned().unzip();
    let set = sqlx::query(sql!("postgres/session_set.sql")).bind(names).bind(values);
    set.execute(&mut *connection).await.map_err(refusal)?;
    let found = sqlx::query(sql!("postgres/session_check.sql"))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let mut durable = Durable(String::new());
    for row in &found {
        let (name, value) = (text(row, "name")?, text(row, "setting")?);
        check(&name, &value, settings)?;
        if name == "synchronous_commit" {
            durable = Durable(value);
        }
    }
    Ok(durable)
}

fn text(row: &PgRow, column: &str) -> Result<String, Error> {
    row.try_get(column).map_err(store_error)
}

/// Refuses what loses commits, texts or tables.
fn check(name: &str, value: &str, settings: &[Setting]) -> Result<(), Error> {
    Err(Error::Refused(match (name, value) {
        ("fsync" | "full_page_writes" | "synchronous_commit", "off") => {
            format!("{name} is `off`: commits could be lost")
        }
        ("server_encoding", encoding) if encoding != "UTF8" => format!(
            "its encoding is `{encoding}`, which can't store every text: must be `UTF8`; make \
             another by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        ),
        ("client_encoding", encoding) if encoding != "UTF8" => {
            format!("client_encoding is `{encoding}`: must be `UTF8`")
        }
        ("server_version_num", version) if version.parse().is_ok_and(|v: u32| v < VERSION_MIN) => {
            format!("the server's version is {version}: must be 13 or newer")
        }
        ("search_path", path)
            if settings.iter().any(|(name, set)| *name == "search_path" && set != path) =>
        {
            swapped("the search_path that was set is gone")
        }
        _ => return Ok(()),
    }))
}

/// Refuses what stands between and gives a connection now this server process, now that one:
/// settings, locks and prepared statements would be another's.
pub(super) async fn refuse_swapping(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> Result<(), Error> {
    let before = backend(connection).await?;
    let mut other = options.connect().await.map_err(refusal)?;
    sqlx::raw_sql(sql!("postgres/transaction_begin.sql"))
        .execute(&mut other)
        .await
        .map_err(no_transaction)?;
    // Whoever is given the server of one that is idle has it as long as the transaction lasts.
    let (others, after) = (backend(&mut other).await?, backend(connection).await?);
    other.close().await.map_err(store_error)?;
    if before == others || before != after {
        return Err(Error::Refused(swapped("two connections share one server process")));
    }
    Ok(())
}

async fn backend(connection: &mut PgConnection) -> Result<i64, Error> {
    let row = sqlx::raw_sql(sql!("postgres/backend_find.sql"))
        .fetch_one(connection)
        .await
        .map_err(refusal)?;
    row.try_get("pid").map_err(store_error)
}

//! Verification of connections: applies the settings that the promises need, even if a pooler has
//! dropped them, and refuses a server that can't keep them.
//!
//! Every connection that is made passes through here, since each may be to another server. A
//! session finds its tables in its own schema or nowhere, and its commits are durable.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions, Connection, Row};

use super::error::{no_transaction, refusal, store_error, swapped};
use super::options::{Durable, Setting};
use crate::store::Error;

/// PostgreSQL 13, the oldest version with transaction ids of 64 bits.
const VERSION_MIN: u32 = 130_000;

/// Applies the settings to a new connection, and refuses one that can't keep the promises. Returns
/// how its commits are durable.
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

/// Refuses settings by which commits, texts or tables could be lost.
fn check(name: &str, value: &str, settings: &[Setting]) -> Result<(), Error> {
    Err(Error::Refused(match (name, value) {
        ("fsync" | "full_page_writes" | "synchronous_commit", "off") => {
            format!("{name} is `off`: commits could be lost")
        }
        ("server_encoding", encoding) if encoding != "UTF8" => format!(
            "its encoding is `{encoding}`, which can't store every text: must be `UTF8`; create \
             another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
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

/// Refuses a pooler that gives a connection different server processes in turn: settings, locks and
/// prepared statements would belong to other connections.
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
    // A connection that is given the server process of an idle one keeps it as long as its
    // transaction lasts.
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

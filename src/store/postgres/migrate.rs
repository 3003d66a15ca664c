//! The schema: made, checked and brought up to date when the store is opened.
//!
//! Fed with the connect options, on a connection of its own; tells the pool's sessions how commits
//! are durable. Always true: replicas that start together take turns, under an advisory lock, and
//! no store is opened whose commits may be lost.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::time::timeout;

use super::fault::{fault, refusal};
use super::options::Durable;
use crate::store::Error;

static MIGRATOR: Migrator = sqlx::migrate!("sql/postgres/migrations");
/// The oldest that tells transactions by 64 bits: PostgreSQL 13.
const VERSION_MIN: u32 = 130_000;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a replica waits for another's migration, and how long that and its own may take.
const TURN_WITHIN_MS: &str = "300000";
const READY_WITHIN: Duration = Duration::from_secs(600);

/// Makes the schema as this version needs it.
pub(super) async fn migrate(options: &PgConnectOptions, schema: &str) -> Result<Durable, Error> {
    let at = |error| named(options, error);
    let connecting = options.clone().options([("lock_timeout", TURN_WITHIN_MS)]);
    let connecting = timeout(CONNECT_WITHIN, connecting.connect()).await;
    let connection = match connecting {
        Ok(connected) => connected.map_err(refusal).map_err(at)?,
        Err(_) => return Err(at(Error::Unavailable("no answer".to_owned()))),
    };
    match timeout(READY_WITHIN, prepare(connection, schema)).await {
        Ok(prepared) => prepared.map_err(at),
        Err(_) => Err(at(Error::Unavailable("no answer".to_owned()))),
    }
}

async fn prepare(mut connection: PgConnection, schema: &str) -> Result<Durable, Error> {
    let durable = durable(&mut connection).await?;
    let migrator = migrator(&mut connection, schema).await?;
    migrator.run_direct(None, &mut connection, false).await.map_err(|e| failed(schema, e))?;
    connection.close().await.map_err(fault)?;
    Ok(durable)
}

/// Refuses what loses commits.
async fn durable(connection: &mut PgConnection) -> Result<Durable, Error> {
    let mut level = Durable(String::new());
    for row in sqlx::query(sql!("postgres/durability.sql")).fetch_all(connection).await.map_err(fault)? {
        let setting: String = row.try_get("setting").map_err(fault)?;
        let name: String = row.try_get("name").map_err(fault)?;
        match (name.as_str(), setting.as_str()) {
            ("fsync" | "full_page_writes" | "synchronous_commit", "off") => {
                return Err(Error::Refused(format!("{name} is `off`: commits could be lost")));
            }
            ("server_version_num", version) if version.parse().is_ok_and(|v: u32| v < VERSION_MIN) => {
                return Err(Error::Refused(format!(
                    "the server's version is {version}: must be 13 or newer"
                )));
            }
            ("synchronous_commit", _) => level = Durable(setting),
            _ => {}
        }
    }
    Ok(level)
}

/// Who may not make schemas may still fill one that was made for it.
async fn migrator(connection: &mut PgConnection, schema: &str) -> Result<Migrator, Error> {
    let find = sqlx::query(sql!("postgres/schema_find.sql")).bind(schema);
    let found = find.fetch_optional(connection).await.map_err(fault)?.is_some();
    let create_schemas = if found { vec![] } else { vec![Cow::Owned(format!("\"{schema}\""))] };
    Ok(Migrator {
        migrations: MIGRATOR.migrations.clone(),
        create_schemas: create_schemas.into(),
        ..Migrator::DEFAULT
    })
}

fn failed(schema: &str, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => refusal(error),
        error => Error::Refused(format!("the schema `{schema}` was made by another version: {error}")),
    }
}

/// With where it happened.
fn named(options: &PgConnectOptions, error: Error) -> Error {
    let (host, port) = (options.get_host(), options.get_port());
    let at = |why| format!("{host}:{port}, database `{}`: {why}", options.get_database().unwrap_or_default());
    match error {
        Error::Unavailable(why) => Error::Unavailable(at(why)),
        Error::Unknown(why) => Error::Unknown(at(why)),
        Error::Refused(why) => Error::Refused(at(why)),
        Error::Corrupt(why) => Error::Corrupt(at(why)),
        Error::Gone(why) => Error::Gone(at(why)),
    }
}

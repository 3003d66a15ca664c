//! The migration: the schema is created, checked and brought up to date when the store is opened.
//!
//! It has a connection of its own, and tells the pool's sessions how commits are durable. Replicas
//! that start together take turns, under an advisory lock, so each migration is made once; no store
//! is opened whose commits may be lost; tables that a later version made are left as they are; and
//! a subcommand beside a running `serve` creates nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions, Connection, Row, SqlStr};
use tokio::time::timeout;

use super::error::{refusal, store_error};
use super::options::{self, Durable};
use super::verify::{refuse_swapping, verify};
use crate::store::error::{made_before, nothing_there};
use crate::store::schema_version::{Age, SchemaVersion, compare, refuse_older, schema_version};
use crate::store::{Access, Error, PostgresConfig, PostgresServer};

/// The migrations that this code makes, oldest first: version, name and text.
static MIGRATIONS: LazyLock<Vec<Migration>> = LazyLock::new(|| {
    let all = [(1, "store", sql!("postgres/migrations/0001_store.sql"))];
    all.map(|(version, name, text)| {
        let (name, kind) = (Cow::Borrowed(name), MigrationType::Simple);
        Migration::new(version, name, kind, SqlStr::from_static(text), false)
    })
    .into()
});
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_secs(600);

/// Creates the schema as this version needs it; for a subcommand beside a running `serve` it must
/// exist.
pub(super) async fn migrate(
    options: &PgConnectOptions,
    config: &PostgresConfig,
    access: Access,
) -> Result<Durable, Error> {
    let at = |error| named(options, config, error);
    let preparing = async {
        let mut connection =
            within(CONNECT_WITHIN, async { options.connect().await.map_err(refusal) }).await?;
        within(CONNECT_WITHIN, refuse_swapping(&mut connection, options)).await?;
        within(READY_WITHIN, prepare(connection, config, access)).await
    };
    preparing.await.map_err(at)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Error::Unavailable("no answer".to_owned())))
}

async fn prepare(
    mut connection: PgConnection,
    config: &PostgresConfig,
    access: Access,
) -> Result<Durable, Error> {
    let durable = verify(&mut connection, &options::of_migration(config)).await?;
    match access {
        Access::Serve => bring_up_to_date(&mut connection, &config.schema).await?,
        Access::Attach | Access::Alone => refuse_unmade(&mut connection, &config.schema).await?,
    }
    connection.close().await.map_err(store_error)?;
    Ok(durable)
}

async fn bring_up_to_date(connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
    let recorded = recorded(connection, schema).await?;
    if compare(&told(schema), &recorded, ours())? == Age::Newer {
        return Ok(());
    }
    let migrator = migrator(connection, schema).await?;
    migrator.run_direct(None, connection, false).await.map_err(|e| failed(schema, e))?;
    // A replica of a later version may have had its turn before this one.
    let recorded = self::recorded(connection, schema).await?;
    compare(&told(schema), &recorded, ours()).map(drop)
}

/// Refuses a schema that this version can't work with as it is; creates nothing.
async fn refuse_unmade(connection: &mut PgConnection, schema: &str) -> Result<(), Error> {
    let recorded = recorded(connection, schema).await?;
    if recorded.is_empty() {
        return Err(nothing_there("schema", schema));
    }
    refuse_older(&told(schema), &recorded, ours())
}

/// Returns the version that this code makes.
fn ours() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

fn told(schema: &str) -> String {
    format!("the schema `{schema}`")
}

/// Returns the versions of a schema, oldest first; none if there are no tables. Refuses tables that
/// were made before the versions were counted from 1 again.
async fn recorded(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<SchemaVersion>, Error> {
    // sqlx makes its own table before the first migration, which then commits with its row there.
    let applied = applied(connection, schema).await?;
    if applied.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(version) = earlier(&applied) {
        return Err(made_before(&told(schema), version));
    }
    let list = sqlx::query(sql!("postgres/schema_version_list.sql")).fetch_all(connection).await;
    list.map_err(store_error)?.iter().map(schema_version).collect()
}

/// The versions that made a schema, each with the checksum of its text.
type Applied = BTreeMap<i64, Vec<u8>>;

/// Returns the versions that made a schema.
async fn applied(connection: &mut PgConnection, schema: &str) -> Result<Applied, Error> {
    let find = sqlx::query(sql!("postgres/migration_find.sql")).bind(schema);
    if find.fetch_optional(&mut *connection).await.map_err(store_error)?.is_none() {
        return Ok(Applied::new());
    }
    let list = sqlx::query(sql!("postgres/migration_list.sql")).fetch_all(connection).await;
    let version = |row: &PgRow| Ok((row.try_get("version")?, row.try_get("checksum")?));
    list.and_then(|rows| rows.iter().map(version).collect()).map_err(store_error)
}

/// Returns the version of a schema that was made before the layout's versions were counted from 1
/// again.
fn earlier(applied: &Applied) -> Option<i64> {
    let first = MIGRATIONS.first()?;
    let checksum = applied.get(&first.version)?;
    if checksum[..] == first.checksum[..] { None } else { applied.keys().max().copied() }
}

/// Returns the migrator, which creates the schema if it is missing. A user without the right to
/// create schemas may still use one that was made for it.
async fn migrator(connection: &mut PgConnection, schema: &str) -> Result<Migrator, Error> {
    let find = sqlx::query(sql!("postgres/schema_find.sql")).bind(schema);
    let found = find.fetch_optional(connection).await.map_err(store_error)?.is_some();
    let create_schemas = if found { vec![] } else { vec![Cow::Owned(format!("\"{schema}\""))] };
    Ok(Migrator {
        migrations: MIGRATIONS.clone().into(),
        create_schemas: create_schemas.into(),
        // Those of a later version, which `compare` judges.
        ignore_missing: true,
        ..Migrator::DEFAULT
    })
}

fn failed(schema: &str, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => refusal(error),
        error => {
            Error::Refused(format!("the schema `{schema}` was made by another version: {error}"))
        }
    }
}

/// Adds the address to an error, and the settings that it comes from.
fn named(options: &PgConnectOptions, config: &PostgresConfig, error: Error) -> Error {
    let setting = match config.server {
        PostgresServer::Url(_) => "STORE_URL",
        PostgresServer::Parts { .. } => "DB_HOST and so on",
    };
    let (host, port, user) = (options.get_host(), options.get_port(), options.get_username());
    let database = options.get_database().unwrap_or(user);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    error.told(|why| {
        format!("{setting}: {host}:{port}, database `{database}`, user `{user}`: {why}")
    })
}

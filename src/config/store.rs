//! Which store, from STORE_URL or FOLIO's `DB_*`.
//!
//! Read from the options; feeds `store`. Credentials are secrets from here on: no message shows them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{bail, ensure};
use secrecy::{ExposeSecret, SecretString};

use super::StoreOptions;
use super::options::PostgresOptions;
use crate::domain::topic::Naming;
use crate::store::{Config, MongodbConfig, PostgresConfig, PostgresServer};

/// What PostgreSQL takes as the name of a schema, and MongoDB as that of a database.
const NAME_BYTES_MAX: usize = 63;
const DEFAULT: &str = "sqlite://data/event-gateway.db";

/// The store that the options name.
pub(super) fn store(options: &StoreOptions, naming: &Naming) -> anyhow::Result<Config> {
    let Some(url) = &options.store_url else {
        let options = &options.postgres;
        return match &options.db_host {
            Some(host) => postgres(options, naming, parts(options, host)),
            None => of_url(options, naming, &DEFAULT.into()),
        };
    };
    of_url(&options.postgres, naming, url)
}

fn of_url(options: &PostgresOptions, naming: &Naming, url: &SecretString) -> anyhow::Result<Config> {
    match url.expose_secret().split_once("://") {
        Some(("sqlite", path)) => Ok(Config::Sqlite { path: file(path)? }),
        Some(("postgres" | "postgresql", _)) => postgres(options, naming, PostgresServer::Url(url.clone())),
        Some(("mongodb", _)) => {
            Ok(Config::Mongodb(MongodbConfig { url: url.clone(), database: own_name(naming)? }))
        }
        Some(("mongodb+srv", _)) => {
            bail!("STORE_URL begins with mongodb+srv://: name the hosts, with mongodb://")
        }
        _ => bail!("STORE_URL must begin with sqlite://, postgres:// or mongodb://"),
    }
}

fn file(path: &str) -> anyhow::Result<PathBuf> {
    let no_file = path.is_empty() || path.starts_with(':') || path.contains('?') || path.starts_with("file:");
    ensure!(!no_file, "STORE_URL must name a file, such as {DEFAULT}");
    Ok(path.into())
}

fn parts(options: &PostgresOptions, host: &str) -> PostgresServer {
    PostgresServer::Parts {
        host: host.to_owned(),
        port: options.db_port,
        username: options.db_username.clone(),
        password: options.db_password.clone(),
        database: options.db_database.clone(),
    }
}

fn postgres(options: &PostgresOptions, naming: &Naming, server: PostgresServer) -> anyhow::Result<Config> {
    Ok(Config::Postgres(PostgresConfig {
        server,
        connections_max: options.db_maxpoolsize,
        statement_timeout: Duration::from_millis(options.db_querytimeout),
        server_pem: options.db_server_pem.clone(),
        schema: own_name(naming)?,
    }))
}

/// The schema's or database's name: one for each `ENV`, letter by letter, so that several may share a
/// server.
fn own_name(naming: &Naming) -> anyhow::Result<String> {
    let env = naming.env().map(|env| format!("{env}_")).unwrap_or_default();
    let name = format!("{env}event_gateway");
    ensure!(name.len() <= NAME_BYTES_MAX, "ENV is too long: the store's `{name}` has more than 63 bytes");
    Ok(name)
}

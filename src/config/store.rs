//! The store's configuration, from STORE_URL or FOLIO's `DB_*`.
//!
//! Credentials are secrets from here on: no message shows them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};

use super::hosts::Endpoint;
use super::options::PostgresOptions;
use super::{StoreOptions, store_url};
use crate::domain::topic::Naming;
use crate::store::{Config, MongodbConfig, PostgresConfig, PostgresServer};

/// The greatest length of a schema's name in PostgreSQL and of a database's name in MongoDB.
const NAME_BYTES_MAX: usize = 63;
const DEFAULT: &str = "sqlite://data/event-gateway.db";

/// Returns the store that the options name.
pub(super) fn store(options: &StoreOptions, naming: &Naming) -> anyhow::Result<Config> {
    let Some(url) = &options.store_url else {
        let options = &options.postgres;
        return match &options.db_host {
            Some(host) => postgres(options, naming, parts(options, host)?),
            None => of_url(options, naming, &DEFAULT.into()),
        };
    };
    of_url(&options.postgres, naming, url)
}

fn of_url(
    options: &PostgresOptions,
    naming: &Naming,
    url: &SecretString,
) -> anyhow::Result<Config> {
    match url.expose_secret().split_once("://") {
        Some(("sqlite", path)) => Ok(Config::Sqlite { path: file(path)? }),
        Some(("postgres" | "postgresql", rest)) => {
            let one = "STORE_URL names several hosts, but PostgreSQL must have one, which may be a \
                       proxy or a virtual address";
            ensure!(hosts(rest)?.len() <= 1, one);
            postgres(options, naming, PostgresServer::Url(url.clone()))
        }
        Some(("mongodb", rest)) => {
            hosts(rest)?;
            Ok(Config::Mongodb(MongodbConfig { url: url.clone(), database: own_name(naming)? }))
        }
        Some(("mongodb+srv", _)) => {
            bail!("STORE_URL begins with mongodb+srv://: name the hosts, with mongodb://")
        }
        _ => bail!("STORE_URL must begin with sqlite://, postgres:// or mongodb://"),
    }
}

fn hosts(after_scheme: &str) -> anyhow::Result<Vec<Endpoint>> {
    store_url::hosts(after_scheme).map_err(anyhow::Error::msg).context("STORE_URL is refused")
}

fn file(path: &str) -> anyhow::Result<PathBuf> {
    let no_file =
        path.is_empty() || path.starts_with(':') || path.contains('?') || path.starts_with("file:");
    ensure!(!no_file, "STORE_URL must name a file, such as {DEFAULT}");
    Ok(path.into())
}

fn parts(options: &PostgresOptions, host: &str) -> anyhow::Result<PostgresServer> {
    Ok(PostgresServer::Parts {
        host: server(host)?,
        port: options.db_port,
        username: options.db_username.clone(),
        password: options.db_password.clone(),
        database: options.db_database.clone(),
    })
}

/// Returns the server of `DB_HOST`: a host, or the folder of a socket.
fn server(host: &str) -> anyhow::Result<String> {
    if host.starts_with('/') {
        return Ok(host.to_owned());
    }
    let endpoint = Endpoint::parse(host.trim()).map_err(anyhow::Error::msg);
    let Endpoint { host, port } = endpoint.context("DB_HOST is not a host")?;
    ensure!(port.is_none(), "DB_HOST has a port: set DB_PORT instead");
    Ok(host)
}

fn postgres(
    options: &PostgresOptions,
    naming: &Naming,
    server: PostgresServer,
) -> anyhow::Result<Config> {
    Ok(Config::Postgres(PostgresConfig {
        server,
        connections_max: options.db_maxpoolsize,
        statement_timeout: Duration::from_millis(options.db_querytimeout),
        server_pem: options.db_server_pem.clone(),
        schema: own_name(naming)?,
    }))
}

/// Returns the schema's or database's name. It differs for each `ENV`, letter by letter, so that
/// several gateways may share a server.
fn own_name(naming: &Naming) -> anyhow::Result<String> {
    let env = naming.env().map(|env| format!("{env}_")).unwrap_or_default();
    let name = format!("{env}event_gateway");
    ensure!(
        name.len() <= NAME_BYTES_MAX,
        "ENV is too long: the store's `{name}` has more than 63 bytes"
    );
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::server;

    #[test]
    fn db_host_is_one_host_without_a_port() {
        for (text, host) in
            [("pg", "pg"), ("::1", "::1"), ("[::1]", "::1"), ("/run/postgresql", "/run/postgresql")]
        {
            assert_eq!(server(text).unwrap(), host);
        }
        for text in ["pg:5432", "[::1]:5432", "a,b", "postgres://pg", "pg/db"] {
            let error = format!("{:#}", server(text).unwrap_err());
            assert!(error.contains("DB_HOST"), "{error}");
        }
    }
}

//! The place of a store, as operators see it: without credentials, whatever its URL contains.

use secrecy::ExposeSecret;

#[cfg(feature = "postgres")]
use super::postgres;
use super::{Config, MongodbConfig};

impl Config {
    /// Returns the kind of store, and its place.
    pub fn kind_and_place(&self) -> String {
        let kind = match self {
            Config::Sqlite { .. } => "SQLite",
            Config::Postgres(_) => "PostgreSQL",
            Config::Mongodb(_) => "MongoDB",
        };
        format!("{kind} at {}", self.place())
    }

    /// Returns the file, or the server and the database, or says that the URL is not understood.
    pub fn place(&self) -> String {
        match self {
            Config::Sqlite { path } => {
                std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
            }
            #[cfg(feature = "postgres")]
            Config::Postgres(config) => postgres::place(config),
            #[cfg(not(feature = "postgres"))]
            Config::Postgres(_) => "PostgreSQL".to_owned(),
            Config::Mongodb(config) => mongodb(config),
        }
    }
}

fn mongodb(config: &MongodbConfig) -> String {
    let url = config.url.expose_secret();
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let database = if database.is_empty() { &config.database } else { database };
    format!("{hosts}, database {database}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Config, MongodbConfig, PostgresConfig, PostgresServer};

    fn postgres(url: &str) -> String {
        let server = PostgresServer::Url(url.into());
        let (statement_timeout, schema) =
            (Duration::from_secs(1), "folio_event_gateway".to_owned());
        Config::Postgres(PostgresConfig {
            server,
            connections_max: 2,
            statement_timeout,
            server_pem: None,
            schema,
        })
        .place()
    }

    fn mongodb(url: &str) -> String {
        Config::Mongodb(MongodbConfig { url: url.into(), database: "event_gateway".to_owned() })
            .place()
    }

    #[test]
    fn a_place_is_reported_without_credentials() {
        let schema = "schema folio_event_gateway";
        assert_eq!(
            postgres("postgres://u:s3cret@[::1]:1/db"),
            format!("[::1]:1, database db, {schema}")
        );
        assert_eq!(
            postgres("postgres://u@h/db?host=other&password=s3cret"),
            format!("other:5432, database db, {schema}")
        );
        assert_eq!(
            mongodb("mongodb://u:s3cret@a:1,b:2/?replicaSet=rs0"),
            "a:1,b:2, database event_gateway"
        );
        assert_eq!(mongodb("mongodb://a/db"), "a, database db");
        let sqlite = Config::Sqlite { path: "/data/x.db".into() };
        assert_eq!(sqlite.kind_and_place(), "SQLite at /data/x.db");
        assert!(Config::Sqlite { path: "data/x.db".into() }.place().ends_with("/data/x.db"));
    }
}

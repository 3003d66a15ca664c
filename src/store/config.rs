//! The stores' addresses and settings, as `config` reads them.
//!
//! `open` and `check_settings` hand each to its adapter. Credentials are secrets: no message shows
//! them.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// The store that the options name.
#[derive(Debug, Clone)]
pub enum Config {
    /// SQLite: a file in a folder of its own.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
    /// A MongoDB replica set.
    Mongodb(MongodbConfig),
}

impl Config {
    /// Makes the error of a store that this build was made without.
    #[cfg(not(all(feature = "mongodb", feature = "postgres")))]
    pub(super) fn is_left_out(&self) -> super::Error {
        let (scheme, feature) = match self {
            Self::Sqlite { .. } => unreachable!("every build has SQLite"),
            Self::Postgres(_) => ("postgres://", "postgres"),
            Self::Mongodb(_) => ("mongodb://", "mongodb"),
        };
        super::Error::Refused(format!(
            "{scheme} is not in this build: build it with `cargo build --release --features \
             {feature}`"
        ))
    }
}

/// The address and the settings of PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// The server and the user.
    pub server: PostgresServer,
    /// The most connections at once (`DB_MAXPOOLSIZE`).
    pub connections_max: u32,
    /// The longest time that a statement may take (`DB_QUERYTIMEOUT`); zero sets no limit.
    pub statement_timeout: Duration,
    /// The server's certificate or its authority's, as PEM (`DB_SERVER_PEM`: the text itself, or a
    /// path). If it is set, TLS is required.
    pub server_pem: Option<String>,
    /// The schema that holds the tables: `event_gateway`, or `{env}_event_gateway`.
    pub schema: String,
}

/// A PostgreSQL server, and the user on it.
#[derive(Debug, Clone)]
pub enum PostgresServer {
    /// `postgres://…`, with `sslmode` and so on.
    Url(SecretString),
    /// FOLIO's `DB_*`.
    Parts {
        /// `DB_HOST`
        host: String,
        /// `DB_PORT`
        port: u16,
        /// `DB_USERNAME`
        username: String,
        /// `DB_PASSWORD`
        password: SecretString,
        /// `DB_DATABASE`
        database: String,
    },
}

/// The address of MongoDB, and the database.
#[derive(Debug, Clone)]
pub struct MongodbConfig {
    /// `mongodb://…/database?replicaSet=…`
    pub url: SecretString,
    /// The database, unless the URL names one: `event_gateway`, or `{env}_event_gateway`.
    pub database: String,
}

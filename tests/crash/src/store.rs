//! The store's server, if its kind has one, and the store on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event_gateway::clock::System;
use event_gateway::store::{self, Access, MongodbConfig, PostgresConfig, PostgresServer, Store};

use crate::folder::Folder;
use crate::mongodb::PrivateMongodb;
use crate::postgres::PrivatePostgres;

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// SQLite, for one replica.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MongoDB, a replica set of one.
    Mongodb,
}

impl Kind {
    /// Returns the name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
        }
    }
}

/// A private server, which may be killed.
pub enum Server {
    /// The folder of an SQLite database, which has no server.
    Sqlite(Folder),
    /// A PostgreSQL.
    Postgres(PrivatePostgres),
    /// A MongoDB.
    Mongodb(PrivateMongodb),
}

impl Server {
    /// Starts one in a folder.
    pub async fn start(kind: Kind, folder: Folder) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(folder),
            Kind::Postgres => Self::Postgres(PrivatePostgres::start_in(folder, &[]).await),
            Kind::Mongodb => Self::Mongodb(PrivateMongodb::start_in(folder).await),
        }
    }

    /// Returns the store's URL, for STORE_URL.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", database(folder).display()),
            Self::Postgres(server) => server.url(),
            Self::Mongodb(server) => server.url(),
        }
    }

    /// SIGKILL, and waits for the death.
    pub fn kill(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(server) => server.kill(),
            Self::Mongodb(server) => server.kill(),
        }
    }

    /// Starts it again with the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(server) => server.restart().await,
            Self::Mongodb(server) => server.restart().await,
        }
    }

    /// Returns the folder with all data, to be copied while the server is dead.
    pub fn data(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().to_owned(),
            Self::Postgres(server) => server.data(),
            Self::Mongodb(server) => server.data(),
        }
    }

    /// Opens the store of that `ENV` beside its gateways.
    pub async fn open(&self, env: &str) -> Arc<dyn Store> {
        let own_name = format!("{env}_event_gateway");
        let config = match self {
            Self::Sqlite(folder) => store::Config::Sqlite { path: database(folder) },
            Self::Postgres(server) => store::Config::Postgres(PostgresConfig {
                server: PostgresServer::Url(server.url().into()),
                connections_max: 2,
                statement_timeout: Duration::from_secs(5),
                server_pem: None,
                schema: own_name,
            }),
            Self::Mongodb(server) => store::Config::Mongodb(MongodbConfig {
                url: server.url().into(),
                database: own_name,
            }),
        };
        store::open(&config, Access::Attach, Arc::new(System)).await.unwrap()
    }
}

/// Returns the file of an SQLite database.
fn database(folder: &Folder) -> PathBuf {
    folder.path().join("event-gateway.db")
}

//! The store's server, of either kind, and the store on it.

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
    /// PostgreSQL.
    Postgres,
    /// MongoDB, a replica set of one.
    Mongodb,
}

impl Kind {
    /// Returns the name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
        }
    }
}

/// A private server, which may be killed.
pub enum Server {
    /// A PostgreSQL.
    Postgres(PrivatePostgres),
    /// A MongoDB.
    Mongodb(PrivateMongodb),
}

impl Server {
    /// Starts one in a folder.
    pub async fn start(kind: Kind, folder: Folder) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(PrivatePostgres::start_in(folder, &[]).await),
            Kind::Mongodb => Self::Mongodb(PrivateMongodb::start_in(folder).await),
        }
    }

    /// Returns the store's URL, for STORE_URL.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Mongodb(server) => server.url(),
        }
    }

    /// SIGKILL, and waits for the death.
    pub fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Mongodb(server) => server.kill(),
        }
    }

    /// Starts it again with the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart().await,
            Self::Mongodb(server) => server.restart().await,
        }
    }

    /// Opens the store of that `ENV` beside its gateways.
    pub async fn open(&self, env: &str) -> Arc<dyn Store> {
        let own_name = format!("{env}_event_gateway");
        let config = match self {
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

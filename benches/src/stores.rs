//! The stores of the benchmarks, and their servers.

use crash::folder::Folder;
use crash::store::{Kind, Server};

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// A file of its own in each round.
    Sqlite,
    /// A server for the run.
    Postgres,
    /// A server for the run, a replica set of one.
    Mongodb,
}

/// A store's place, for as long as a run takes.
pub enum Place {
    /// In the folder of each gateway.
    Sqlite,
    /// A server.
    Server(Server),
}

impl Store {
    /// Starts its server, if it has one.
    pub async fn start(self) -> Place {
        match self {
            Self::Sqlite => Place::Sqlite,
            Self::Postgres => Place::Server(Server::start(Kind::Postgres, Folder::own()).await),
            Self::Mongodb => Place::Server(Server::start(Kind::Mongodb, Folder::own()).await),
        }
    }

    /// As the report has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mongodb => "MongoDB",
        }
    }
}

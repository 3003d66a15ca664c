//! The collections: hexkit's own, one for each service, and three of the gateway's beside them.
//!
//! They are created when the server is first reached, perhaps by several replicas at once. hexkit
//! never reads the gateway's; the gateway never changes hexkit's but by the documents of its
//! events.
//!
//! | collection                | `_id`                     | fields                              |
//! |---------------------------|---------------------------|-------------------------------------|
//! | `{service}PersistedEvents`| event id, or `topic:key`  | hexkit's                            |
//! | `{env}_gateway.lanes`     | lane                      | term, session, pages                |
//! | `{env}_gateway.cursors`   | {lane, cursor}            | value (as in Kafka's cursors topic) |
//! | `{env}_gateway.positions` | {collection, document}    | tenant, topic, log_id, position,    |
//! |                           |                           | event_id                            |
//!
//! `positions` has an entry for each document of a compacted topic, and one more for the topic's
//! last DELETE_ALL (see `entries`).

use ::mongodb::action::RunCommand;
use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use ::mongodb::options::IndexOptions;
use ::mongodb::{Client, Collection, Database, IndexModel};

use super::classify::sink_error;
use crate::domain::service_name::ServiceName;
use crate::domain::settings::Settings;
use crate::mongodb_client::error::{CallError, answered, code};
use crate::sink::Error;

const NAMESPACE_EXISTS: i32 = 48;

/// A collection of documents that are read field by field.
pub(super) type Rows = Collection<RawDocumentBuf>;

/// All collections.
pub(super) struct Collections {
    database: Database,
    pub(super) lanes: Rows,
    pub(super) cursors: Rows,
    pub(super) positions: Rows,
}

impl Collections {
    /// Names the collections, and creates those that are missing.
    pub(super) async fn make(database: Database, settings: &Settings) -> Result<Self, Error> {
        let env = settings.naming().env().map(|env| format!("{env}_")).unwrap_or_default();
        let rows = |name: &str| database.collection(&format!("{env}gateway.{name}"));
        let (lanes, cursors, positions) = (rows("lanes"), rows("cursors"), rows("positions"));
        let of_services: Vec<Rows> = settings
            .hexkit_services()
            .into_iter()
            .map(|service| database.collection(&service.collection()))
            .collect();
        let all = [&lanes, &cursors, &positions].into_iter().chain(&of_services);
        for rows in all {
            // A transaction that creates a collection fails if another one does so, too.
            match answered(database.create_collection(rows.name())).await {
                Err(CallError::Failed(cause)) if code(&cause) == Some(NAMESPACE_EXISTS) => {}
                made => made.map_err(sink_error)?,
            }
        }
        let older =
            doc! { "_id.collection": 1, "tenant": 1, "topic": 1, "log_id": 1, "position": 1 };
        let named = IndexOptions::builder().name("older".to_owned()).build();
        let index = IndexModel::builder().keys(older).options(named).build();
        answered(positions.create_index(index)).await.map_err(sink_error)?;
        Ok(Self { database, lanes, cursors, positions })
    }

    /// Returns the client of the sessions.
    pub(super) fn client(&self) -> &Client {
        self.database.client()
    }

    /// Returns the collection with this name.
    pub(super) fn named(&self, name: &str) -> Rows {
        self.database.collection(name)
    }

    /// Returns the names of the collections of all services, also of those that no file names any
    /// more.
    pub(super) async fn of_services(&self) -> Result<Vec<String>, Error> {
        let mut names =
            answered(self.database.list_collection_names()).await.map_err(sink_error)?;
        names.retain(|name| ServiceName::owns(name));
        Ok(names)
    }

    /// Asks whether the server answers.
    pub(super) fn ping(&self) -> RunCommand<'_> {
        self.database.run_command(doc! { "ping": 1 })
    }

    /// Ends a session, and with it a transaction that it has left open.
    pub(super) fn kill<'a>(&self, admin: &'a Database, session: Document) -> RunCommand<'a> {
        admin.run_command(doc! { "killSessions": [session] })
    }

    /// Returns the database of the server's own commands.
    pub(super) fn admin(&self) -> Database {
        self.client().database("admin")
    }
}

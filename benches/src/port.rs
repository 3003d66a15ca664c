//! The store's port, opened for a benchmark that needs no gateway, and small records for it.
//!
//! The benchmarks of logs use it: with small records, 10^7 of them have room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crash::folder::Folder;
use crash::store::Server;
use event_gateway::clock::{Clock, System};
use event_gateway::domain::draft::{Content, Draft, Origin};
use event_gateway::domain::headers::Headers;
use event_gateway::domain::json::Raw;
use event_gateway::domain::key::Key;
use event_gateway::domain::position::LogId;
use event_gateway::domain::states::States;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::store::{self, Access, MongodbConfig, PostgresConfig, PostgresServer};

use crate::stores::{Place, Store};

/// A store, and its place for as long as it is open.
pub struct OpenStore {
    pub store: Arc<dyn store::Store>,
    _place: Place,
    folder: Folder,
}

impl OpenStore {
    /// Opens an empty store, in a schema or database of this name.
    pub async fn open(kind: Store, name: &str) -> Self {
        let (place, folder) = (kind.start().await, Folder::own());
        let config = config(&place, &folder, name);
        let store = store::open(&config, Access::Serve, Arc::new(System)).await.unwrap();
        store.lanes(8).await.unwrap();
        Self { store, _place: place, folder }
    }

    /// Returns the bytes of its files; `None` if a server has them.
    pub fn bytes(&self) -> Option<u64> {
        let file = self.folder.path().join("log.db");
        std::fs::metadata(file).ok().map(|metadata| metadata.len())
    }

    /// Enables a tenant.
    pub async fn enable(&self, tenant: &str) -> TenantId {
        let tenant = TenantId::parse(tenant).unwrap();
        self.store.enable_if_new(&tenant, LogId::new(System.new_id())).await.unwrap();
        tenant
    }
}

fn config(place: &Place, folder: &Folder, name: &str) -> store::Config {
    let own_name = name.to_owned();
    match place {
        Place::Sqlite | Place::Server(Server::Sqlite(_)) => {
            store::Config::Sqlite { path: folder.path().join("log.db") }
        }
        Place::Server(Server::Mongodb(server)) => {
            store::Config::Mongodb(MongodbConfig { url: server.url().into(), database: own_name })
        }
        Place::Server(Server::Postgres(server)) => store::Config::Postgres(PostgresConfig {
            server: PostgresServer::Url(server.url().into()),
            connections_max: 5,
            statement_timeout: Duration::from_secs(60),
            server_pem: None,
            schema: own_name,
        }),
    }
}

/// The topic of a tenant's records.
pub fn topic(tenant: &str) -> Topic {
    Topic::parse(&crate::records::topic("bench", tenant)).unwrap()
}

/// Makes a small record's CREATE.
pub fn draft(tenant: &TenantId, topic: Topic) -> Draft {
    let id = System.new_id().to_string();
    let new =
        Raw::parse(&Bytes::from(format!(r#"{{"id":"{id}","barcode":"645398607547"}}"#))).unwrap();
    Draft {
        event_id: System.new_event_id(),
        subject: Subject::new("inventory", "item"),
        topic,
        key: Key::parse(&id).unwrap(),
        content: Content::Change {
            states: States::Create { new },
            wire_form: WireForm::Convention,
        },
        own_headers: Headers::default(),
        origin: Origin { tenant: tenant.clone(), headers: Arc::default() },
        act: None,
    }
}

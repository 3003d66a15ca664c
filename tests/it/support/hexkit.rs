//! hexkit's collection on a real MongoDB: the sink, and the documents as a plain client sees them.
//!
//! Each test has a database of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::mongodb::client;
use event_gateway::domain::entity::{Entity, EntityName, TopicSettings};
use event_gateway::domain::key::Pointer;
use event_gateway::domain::producer::Producer;
use event_gateway::domain::service_name::ServiceName;
use event_gateway::domain::settings::{Settings, TenantSettings};
use event_gateway::domain::topic::Naming;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::sink::{Config, HexkitConfig, Mark, Sink, open};
use mongodb::bson::{Document, doc};
use mongodb::{Collection, Database};

use crate::support::ids::tenant;
use crate::support::services::mongodb::database;

/// The service whose collection it is.
pub const SERVICE: &str = "ifrs";
/// A compacted topic of the tenant `diku`, one that keeps each event, and one that is not stored.
pub const ITEMS: &str = "folio.diku.inventory.item";
pub const LOANS: &str = "folio.diku.circulation.loan";
pub const NOTES: &str = "folio.diku.inventory.note";

/// A service's collection, in a database of its own.
pub struct HexkitBed {
    pub url: String,
    pub database: String,
}

impl HexkitBed {
    /// Makes it on a server.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), database: database() }
    }

    /// Returns the URL that names the database.
    pub fn own_url(&self) -> String {
        self.url.replace("/?", &format!("/{}?", self.database))
    }

    /// Opens the sink, whose new documents are pending.
    pub fn sink(&self) -> Arc<dyn Sink> {
        self.sink_with(settings(), Mark::Pending)
    }

    /// Opens the sink with other settings.
    pub fn sink_with(&self, settings: Settings, mark: Mark) -> Arc<dyn Sink> {
        let url = self.own_url().as_str().into();
        let config = Config::Hexkit(HexkitConfig { url, settings: Arc::new(settings), mark });
        open(&[config]).unwrap().sinks.remove(0)
    }

    pub async fn own_database(&self) -> Database {
        client(&self.url).await.database(&self.database)
    }

    /// Returns the service's collection.
    pub async fn documents(&self) -> Collection<Document> {
        self.own_database().await.collection(&format!("{SERVICE}PersistedEvents"))
    }

    /// Returns all documents, in the order in which hexkit reads them.
    pub async fn all(&self) -> Vec<Document> {
        let mut found = self.documents().await.find(doc! {}).await.unwrap();
        let mut all = Vec::new();
        while found.advance().await.unwrap() {
            all.push(found.deserialize_current().unwrap());
        }
        all
    }

    /// Returns each document's id and the position of its event.
    pub async fn positions(&self) -> BTreeMap<String, u64> {
        self.all()
            .await
            .iter()
            .map(|it| (it.get_str("_id").unwrap().to_owned(), position(it)))
            .collect()
    }
}

/// Returns the position of a document's event; 0 if it is hexkit's own.
pub fn position(document: &Document) -> u64 {
    let headers = document.get_document("headers").unwrap();
    headers.get_str("position").map_or(0, |text| text.parse().unwrap())
}

/// Returns settings with the three topics; `diku` and `college` have the service.
pub fn settings() -> Settings {
    let entity = |topic| Entity {
        key: Pointer::parse("/id").unwrap(),
        wire_form: WireForm::Convention,
        topic,
    };
    let compacted = TopicSettings { compacted: true, ..TopicSettings::default() };
    let not_stored = TopicSettings { stored: false, ..TopicSettings::default() };
    let entities = [
        (("inventory", "item"), compacted),
        (("circulation", "loan"), TopicSettings::default()),
        (("inventory", "note"), not_stored),
    ];
    let named = |((p, e), topic)| {
        ((Producer::parse(p).unwrap(), EntityName::parse(e).unwrap()), entity(topic))
    };
    let without =
        TenantSettings { entities: entities.map(named).into(), ..TenantSettings::default() };
    let hexkit = Some(ServiceName::parse(SERVICE).unwrap());
    let with = TenantSettings { hexkit, ..without.clone() };
    let own = ["diku", "college", "t0", "t1"].map(|name| (tenant(name), with.clone()));
    Settings::new(Naming::new(Some("folio"), None).unwrap(), without, own.into()).unwrap()
}

impl Drop for HexkitBed {
    fn drop(&mut self) {
        let (url, database) = (self.url.clone(), self.database.clone());
        let drop = async move { client(&url).await.database(&database).drop().await };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A panic here would hide the test's own.
        std::thread::spawn(move || {
            let within = std::time::Duration::from_secs(2);
            runtime.block_on(async { tokio::time::timeout(within, drop).await }).ok()
        })
        .join()
        .ok();
    }
}

//! hexkit's collection: the tenants' events as documents of a hexkit service, in a MongoDB replica
//! set of its own.
//!
//! The lanes of `follow` publish pages; a hexkit service reads the documents, and publishes them
//! with its own `republish` and `publish_pending`. A page's documents and its cursors are one
//! transaction, in which the lease's term is checked, so a zombie writes nothing. A document of a
//! compacted topic is replaced by a newer event alone; positions stand in a collection of the
//! gateway's own, since hexkit writes its documents whole.

mod classify;
mod collections;
mod cursors;
mod document;
mod entries;
mod lane;
mod page_write;
mod payload;
mod plan;
mod publisher;
mod remove_older;
mod remove_tenant;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tracing::instrument;

use self::classify::{connect_error, sink_error};
use self::collections::Collections;
use self::publisher::DocumentPublisher;
use super::{
    Error, HexkitConfig, KnownCursors, Names, Sink, TakenOver, TenantTopics, TopicDescription,
};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Topic, TopicSpec};
use crate::mongodb_client::connect::{self, Address};
use crate::mongodb_client::error::answered;

/// The variable that sets the URL.
const VARIABLE: &str = "HEXKIT_MONGODB_URL";

/// The collections, which may be away.
pub(super) struct Hexkit {
    follower: Follower,
    place: String,
    inner: Arc<Inner>,
}

/// The state that the calls share.
struct Inner {
    config: HexkitConfig,
    /// The collections, once the server was reached.
    collections: OnceCell<Collections>,
}

impl Hexkit {
    /// Makes the sink, without connecting yet. A URL that can't be read is an error.
    pub(super) fn new(config: HexkitConfig) -> Result<Self, Error> {
        let place = address(&config).place().ok_or_else(|| {
            Error::setting(format!("{VARIABLE} is not the address of a MongoDB replica set"))
        })?;
        let inner = Arc::new(Inner { config, collections: OnceCell::new() });
        Ok(Self { follower: Follower::hexkit(), place, inner })
    }
}

/// Returns the address, whose URL names the database.
fn address(config: &HexkitConfig) -> Address<'_> {
    Address { url: &config.url, database: "", variable: VARIABLE }
}

impl Inner {
    /// Returns the collections. The first call that reaches the server creates those that are
    /// missing.
    async fn collections(&self) -> Result<&Collections, Error> {
        let open = async {
            let address = address(&self.config);
            let database =
                connect::connect(address).await.map_err(|e| connect_error(address, &e))?;
            Collections::make(database, &self.config.settings).await
        };
        self.collections.get_or_try_init(|| open).await
    }
}

#[async_trait]
impl Sink for Hexkit {
    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn names(&self) -> Names {
        Names { sink: "hexkit's MongoDB", cursors: "the cursors collection of hexkit's MongoDB" }
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn has_topics(&self) -> bool {
        false
    }

    #[instrument(level = "debug", skip_all, fields(%lane, term))]
    async fn take_over(&self, lane: Lane, term: u64) -> Result<TakenOver, Error> {
        DocumentPublisher::take_over(&self.inner, lane, term).await
    }

    #[instrument(level = "debug", skip_all, fields(%lane))]
    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error> {
        cursors::all(self.inner.collections().await?, lane).await
    }

    async fn ensure(&self, _topics: &[TopicSpec]) -> Result<(), Error> {
        Ok(())
    }

    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, TopicDescription>, Error> {
        Ok(topics.iter().map(|topic| (topic.clone(), TopicDescription::default())).collect())
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn remove_tenant(&self, tenant: &TenantId, topics: &TenantTopics) -> Result<(), Error> {
        remove_tenant::all(&self.inner, tenant, topics.logs.as_ref()).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn check(&self) -> Result<(), Error> {
        let collections = self.inner.collections().await?;
        answered(collections.ping()).await.map_err(sink_error)?;
        Ok(())
    }
}

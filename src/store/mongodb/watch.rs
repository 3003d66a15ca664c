//! The port's `Watch` on MongoDB: a change stream on the heads, which every append raises.
//!
//! The server tells it once a majority has the append, so nothing has to be announced.

use ::mongodb::bson::{RawDocumentBuf, doc};
use ::mongodb::change_stream::ChangeStream;
use ::mongodb::change_stream::event::ChangeStreamEvent;
use async_trait::async_trait;
use futures_util::StreamExt;

use super::Mongodb;
use super::error::store_error;
use crate::domain::tenant::TenantId;
use crate::store::columns::unreadable;
use crate::store::{Error, Growth, Watch};

#[async_trait]
impl Watch for Mongodb {
    async fn watch(&self) -> Result<Option<Box<dyn Growth>>, Error> {
        // The tenant alone is sent, which is the document's key.
        let pipeline = vec![doc! { "$project": { "operationType": 1, "documentKey": 1 } }];
        let changes = self.collections.heads.watch().pipeline(pipeline).await;
        Ok(Some(Box::new(Changes(changes.map_err(store_error)?))))
    }
}

struct Changes(ChangeStream<ChangeStreamEvent<RawDocumentBuf>>);

#[async_trait]
impl Growth for Changes {
    async fn grown(&mut self) -> Result<Vec<TenantId>, Error> {
        let over = || Error::Unavailable("the change stream has ended".to_owned());
        let change = self.0.next().await.ok_or_else(over)?.map_err(store_error)?;
        let key = change.document_key.as_ref().and_then(|key| key.get_str("_id").ok());
        let tenant = key.map(|key| TenantId::parse(key).map_err(|why| unreadable("_id", why)));
        Ok(tenant.transpose()?.into_iter().collect())
    }
}

//! The port's `Claims` on MongoDB.

use std::collections::BTreeSet;
use std::time::Duration;

use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Mongodb;
use super::error::{is_known, reading, writing};
use super::rows;
use crate::domain::claim::{ActionRun, RootId};
use crate::domain::tenant::TenantId;
use crate::store::{Claims, Error, claims};

/// The claims that are written at once.
const AT_ONCE: usize = 32;

#[async_trait]
impl Claims for Mongodb {
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
        ttl: Duration,
    ) -> Result<BTreeSet<RootId>, Error> {
        if !self.is_known_tenant(tenant).await? {
            return Ok(BTreeSet::new());
        }
        let mut under_way = Vec::with_capacity(roots.len());
        for root in roots {
            under_way.push(self.claim_one(id(tenant, run, root), root, ttl));
        }
        let claimed = stream::iter(under_way).buffered(AT_ONCE);
        let claimed: Vec<Option<RootId>> = claimed.try_collect().await?;
        Ok(claimed.into_iter().flatten().collect())
    }

    async fn find_claims(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
    ) -> Result<BTreeSet<RootId>, Error> {
        let ids: Vec<_> = roots.iter().map(|root| id(tenant, run, root)).collect();
        let its = doc! { "_id": { "$in": ids }, "$expr": lasts() };
        let found = reading(async {
            self.collections.claims.find(its).await?.try_collect::<Vec<_>>().await
        });
        found.await?.iter().map(|row| claims::root(&**row)).collect()
    }

    async fn release_claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        root: &RootId,
    ) -> Result<bool, Error> {
        let its = doc! { "_id": id(tenant, run, root), "$expr": lasts() };
        Ok(writing(self.collections.claims.delete_one(its)).await?.deleted_count == 1)
    }

    async fn drop_claims(&self, max: usize) -> Result<u64, Error> {
        let claims = &self.collections.claims;
        let found = reading(async {
            let found = claims.find(doc! { "$expr": is_over() }).projection(doc! { "_id": 1 });
            found.limit(i64::try_from(max).unwrap_or(i64::MAX)).await?.try_collect::<Vec<_>>().await
        });
        let id = |row: &RawDocumentBuf| {
            let id = row.get_document("_id").map_err(|why| Error::Corrupt(why.to_string()))?;
            Document::try_from(id).map_err(|why| Error::Corrupt(why.to_string()))
        };
        let ids = found.await?.iter().map(id).collect::<Result<Vec<_>, _>>()?;
        // One that was claimed again meanwhile stays.
        let over = doc! { "_id": { "$in": ids }, "$expr": is_over() };
        Ok(writing(claims.delete_many(over)).await?.deleted_count)
    }
}

impl Mongodb {
    /// Claims an event unless it is claimed; returns it if it is claimed now.
    async fn claim_one(
        &self,
        id: Document,
        root: &RootId,
        ttl: Duration,
    ) -> Result<Option<RootId>, Error> {
        let claims = &self.collections.claims;
        let until = doc! { "$add": [now_ms(), rows::ms(ttl)] };
        let unless_there = doc! { "until_ms": { "$ifNull": ["$until_ms", until.clone()] } };
        let its = doc! { "_id": id.clone() };
        let is_new = writing(async {
            let insert = claims.update_one(its, vec![doc! { "$set": unless_there }]);
            match insert.upsert(true).await {
                Err(error) if is_known(&error) => Ok(false),
                inserted => inserted.map(|done| done.upserted_id.is_some()),
            }
        });
        if is_new.await? {
            return Ok(Some(root.clone()));
        }
        let over = doc! { "_id": id, "$expr": is_over() };
        let again = claims.update_one(over, vec![doc! { "$set": { "until_ms": until } }]);
        let is_again = writing(again).await?.matched_count == 1;
        Ok(is_again.then(|| root.clone()))
    }
}

fn id(tenant: &TenantId, run: &ActionRun, root: &RootId) -> Document {
    doc! {
        "tenant": tenant.as_str(),
        "action": run.action.as_str(),
        "replay_id": run.replay_column(),
        "root_id": root.as_str(),
    }
}

fn now_ms() -> Document {
    doc! { "$toLong": "$$NOW" }
}

/// Returns the condition that a claim is not over.
fn lasts() -> Document {
    doc! { "$gt": ["$until_ms", now_ms()] }
}

fn is_over() -> Document {
    doc! { "$lte": ["$until_ms", now_ms()] }
}

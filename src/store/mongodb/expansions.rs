//! The port's `Expansions` on MongoDB: a step looks for events after its request in the snapshot
//! that its append is written upon, so that one of it and another append loses.

use std::collections::HashSet;

use ::mongodb::bson::doc;
use async_trait::async_trait;

use super::append::{Append, HeadVersion};
use super::collections::{BY_KEY, Collections, along};
use super::error::reading;
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk};
use crate::domain::draft::Draft;
use crate::domain::expansion::Expansion;
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::store::append::head_cache::HeadCache;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::expansions::{Appended, appended, refused};
use crate::store::{Batch, Error, ExpansionStep, Expansions};

#[async_trait]
impl Expansions for Mongodb {
    async fn expansions(&self, tenant: &TenantId) -> Result<Vec<Expansion>, Error> {
        let mut session = self.session().await?;
        let its = doc! { "_id.tenant": tenant.as_str() };
        let found = reading(bulk::find(&self.collections.expansions, its, &mut session)).await?;
        found.iter().map(|row| row.expansion()).collect()
    }

    async fn expand(&self, step: &ExpansionStep) -> Result<u64, Error> {
        let nothing = HeadCache::new();
        let expand = Expand { collections: &self.collections, nothing: &nothing, step };
        transaction::commit(&self.collections.open_transactions, &expand).await
    }
}

struct Expand<'a> {
    collections: &'a Collections,
    /// A cache without heads: they are read in the transaction.
    nothing: &'a HeadCache<HeadVersion>,
    step: &'a ExpansionStep,
}

#[async_trait]
impl TransactionBody for Expand<'_> {
    type Done = u64;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<u64, TransactionError> {
        let Self { collections, nothing, step } = self;
        let touched = self.touched(transaction).await?;
        let mut drafts = step.deletes.clone();
        drafts.retain(|draft: &Draft| !touched.contains(&draft.key));
        let batch = Batch { tenant: step.tenant.clone(), drafts };
        let outcomes = if batch.drafts.is_empty() {
            Vec::new()
        } else {
            let append = Append::own(collections, nothing, &batch);
            append.run(transaction).await?.commit(nothing)
        };
        let Appended { events, last } = appended(&outcomes).ok_or_else(|| refused(step))?;
        let row = doc! { "_id": {
            "tenant": step.tenant.as_str(),
            "request": step.request.as_column(),
        } };
        let raise = doc! {
            "$set": { "topic": step.topic.as_str() },
            "$max": {
                "walked_to": step.walked_to.as_column(),
                "last": last.max(step.request).as_column(),
            },
        };
        let raise = collections.expansions.update_one(row, raise).upsert(true);
        raise.session(&mut *transaction).await?;
        Ok(events)
    }
}

impl Expand<'_> {
    /// Returns the keys of the step that have an event after its request.
    async fn touched(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<HashSet<Key>, TransactionError> {
        let step = self.step;
        let keys: Vec<_> = step.deletes.iter().map(|draft| draft.key.as_str()).collect();
        let later = vec![
            doc! { "$match": {
                "_id.tenant": step.tenant.as_str(),
                "key": { "$in": keys },
                "_id.position": { "$gt": step.request.as_column() },
                "topic": step.topic.as_str(),
            } },
            doc! { "$group": { "_id": "$key", "key": { "$first": "$key" } } },
        ];
        let later = self.collections.events.aggregate(later).hint(along(BY_KEY));
        let found = bulk::join(later, transaction).await?;
        let key = |row: &::mongodb::bson::RawDocumentBuf| row.noun("key", Key::parse);
        Ok(found.iter().map(key).collect::<Result<_, Error>>()?)
    }
}

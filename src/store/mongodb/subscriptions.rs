//! The port's `Subscriptions` on MongoDB.
//!
//! Each row is changed by itself, upon its version; a few changes are under way at once.

use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::error::{is_known, reading, writing};
use super::trail::{ActOnRow, Change};
use super::{Mongodb, rows};
use crate::domain::position::Position;
use crate::domain::subscription::{Group, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::columns::Columns;
use crate::store::subscriptions::{self, Row};
use crate::store::{Error, FoundSubscription, Lag, SubscriptionChange, Subscriptions};

/// The changes that are under way at once.
const AT_ONCE: usize = 32;

#[async_trait]
impl Subscriptions for Mongodb {
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        let whose = tenant.map_or(doc! {}, |tenant| doc! { "_id.tenant": tenant.as_str() });
        let found = self.subscriptions_of(whose).await?;
        let mut listed: Vec<_> = stream::iter(found)
            .map(async |found| self.lag_of(found).await)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        listed.sort_unstable_by(|(one, _), (other, _)| {
            (&one.tenant, &one.group).cmp(&(&other.tenant, &other.group))
        });
        Ok(listed)
    }

    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error> {
        let ids: Vec<_> = names.iter().map(|(tenant, group)| id(tenant, group)).collect();
        self.subscriptions_of(doc! { "_id": { "$in": ids } }).await
    }

    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error> {
        let mut under_way = Vec::with_capacity(changes.len());
        for change in changes {
            under_way.push(self.change_subscription(change));
        }
        stream::iter(under_way).buffered(AT_ONCE).try_collect().await
    }
}

impl Mongodb {
    /// Returns the subscriptions that a filter finds, with the server's time.
    async fn subscriptions_of(&self, whose: Document) -> Result<Vec<FoundSubscription>, Error> {
        let pipeline =
            vec![doc! { "$match": whose }, doc! { "$set": { "now_ms": { "$toLong": "$$NOW" } } }];
        let found = reading(async {
            let found = self.collections.subscriptions.aggregate(pipeline);
            found.with_type::<RawDocumentBuf>().await?.try_collect::<Vec<_>>().await
        });
        let found = found.await?;
        let noun = |row: &RawDocumentBuf| {
            subscriptions::found(&**row, Time::from_ms(row.integer("now_ms")?))
        };
        found.iter().map(noun).collect()
    }

    async fn lag_of(&self, found: FoundSubscription) -> Result<(FoundSubscription, Lag), Error> {
        let (tenant, position) = (&found.tenant, found.subscription.position);
        let last = Position::from_column(i64::MAX);
        let heads = self.collections.heads.find_one(doc! { "_id": tenant.as_str() });
        let head = reading(heads).await?.map(|row| row.position()).transpose()?;
        let places =
            doc! { "$gt": rows::place(tenant, position), "$lte": rows::place(tenant, last) };
        let oldest = self.collections.events.find_one(doc! { "_id": places });
        let oldest = oldest.sort(doc! { "_id": 1 }).projection(doc! { "time_ms": 1 });
        let oldest = reading(oldest).await?.map(|row| row.time()).transpose()?;
        let waits_ms = oldest.map_or(0, |time| found.now.as_ms() - time.as_ms());
        let events = head.unwrap_or_default().number().saturating_sub(position.number());
        let lag = Lag::new(events, waits_ms);
        Ok((found, lag))
    }

    /// Writes a change upon its version; returns whether the row still had it.
    async fn change_subscription(&self, change: &SubscriptionChange) -> Result<bool, Error> {
        let SubscriptionChange { tenant, group, version, next, by } = change;
        let (rows, version) = (&self.collections.subscriptions, version.cast_signed());
        let found = doc! { "_id": id(tenant, group), "version": version };
        if by.is_some() {
            return self.act_on_subscription(change).await;
        }
        let Some(next) = next else {
            return Ok(writing(rows.delete_one(found)).await?.deleted_count == 1);
        };
        let next = doc! { "$set": fields(next, version + 1) };
        if version > 0 {
            return Ok(writing(rows.update_one(found, next)).await?.matched_count == 1);
        }
        if !self.is_known_tenant(tenant).await? {
            return Ok(false);
        }
        writing(async {
            // The version is 0 in no row, so that one that exists is not found, and can't be
            // inserted.
            match rows.update_one(found, next).upsert(true).await {
                Err(error) if is_known(&error) => Ok(false),
                inserted => inserted.map(|done| done.upserted_id.is_some()),
            }
        })
        .await
    }
}

impl Mongodb {
    async fn is_known_tenant(&self, tenant: &TenantId) -> Result<bool, Error> {
        let known = self.collections.tenants.find_one(doc! { "_id": tenant.as_str() });
        Ok(reading(known).await?.is_some())
    }

    /// Writes a change that is an act upon its version, with its entry.
    async fn act_on_subscription(&self, change: &SubscriptionChange) -> Result<bool, Error> {
        let SubscriptionChange { tenant, group, version, next, by } = change;
        let (by, version) = (by.as_ref(), version.cast_signed());
        let (mut its, mut unless) = (doc! { "_id": id(tenant, group), "version": version }, None);
        let change = match next {
            None => Change::Delete,
            Some(next) if version > 0 => Change::Update(doc! { "$set": fields(next, version + 1) }),
            Some(next) => {
                its = doc! { "_id": id(tenant, group) };
                unless = Some(its.clone());
                Change::Insert(tenant, fields(next, version + 1))
            }
        };
        let collections = &self.collections;
        let rows = &collections.subscriptions;
        ActOnRow { collections, rows, its, change, unless, by }.commit().await
    }
}

/// Returns the statement that moves a tenant's groups into a log's new id, whose events up to a
/// position are those that they have read.
pub(super) fn rotation(at: Position) -> Vec<Document> {
    let at = at.as_column();
    let least = |name: &str| doc! { "$min": [name, at] };
    let back = doc! { "$max": ["$position", { "$ifNull": ["$went_back_from", 0_i64] }] };
    vec![doc! { "$set": {
        "version": { "$add": ["$version", 1_i64] },
        "went_back_from": { "$cond": [{ "$gt": ["$position", at] }, back, "$went_back_from"] },
        "position": least("$position"),
        "delivered": least("$delivered"),
        "scanned": least("$scanned"),
        "generation": { "$add": ["$generation", 1_i64] },
        "reader": null,
    } }]
}

fn id(tenant: &TenantId, group: &Group) -> Document {
    doc! { "tenant": tenant.as_str(), "name": group.as_str() }
}

fn fields(subscription: &Subscription, version: i64) -> Document {
    let row = Row::from(subscription);
    doc! {
        "version": version,
        "form": row.form,
        "position": row.position,
        "delivered": row.delivered,
        "scanned": row.scanned,
        "gaps_to": row.gaps_to,
        "generation": row.generation,
        "reader": row.reader,
        "expires_ms": row.expires_ms,
        "ttl_ms": row.ttl_ms,
        "went_back_from": row.went_back_from,
        "parts": row.parts,
    }
}

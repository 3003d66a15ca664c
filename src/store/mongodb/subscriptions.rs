//! The port's `Subscriptions` on MongoDB.
//!
//! Each row is changed by itself, upon its version; a few changes are under way at once. One that
//! is an act, or concerns dead letters, is a transaction.

use ::mongodb::bson::{Document, RawDocumentBuf, cstr, doc, rawdoc};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::collections::Collections;
use super::error::{reading, writing};
use super::trail::{ActOnRow, Change, column_of};
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, rows};
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group, Scope, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::subscriptions::{self, LetterRow, Row};
use crate::store::{DeadCount, Error, FoundSubscription, Lag, SubscriptionChange, Subscriptions};

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

    async fn list_dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut its = letters_of(tenant, group);
        its.insert("_id.position", doc! { "$gt": after.as_column() });
        let found = reading(async {
            let found = self.collections.dead_letters.find(its).sort(doc! { "_id.position": 1 });
            found.limit(column_of(limit)).await?.try_collect::<Vec<_>>().await
        });
        found.await?.iter().map(|row| subscriptions::dead_letter(&**row)).collect()
    }

    async fn count_dead_letters(
        &self,
        of: Option<(&TenantId, Option<&Group>)>,
    ) -> Result<Vec<DeadCount>, Error> {
        let mut its = match of {
            None => doc! {},
            Some((tenant, None)) => doc! { "_id.tenant": tenant.as_str() },
            Some((tenant, Some(group))) => letters_of(tenant, group),
        };
        its.insert("joined_by", doc! { "$ne": Scope::Discarded.as_str() });
        let counted = reading(async {
            let counted = self.collections.dead_letters.aggregate(count(its, &self.collections));
            counted.with_type::<RawDocumentBuf>().await?.try_collect::<Vec<_>>().await
        });
        counted.await?.iter().map(|row| subscriptions::dead_count(&**row)).collect()
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
        let SubscriptionChange { tenant, group, version, next, by, .. } = change;
        let (rows, version) = (&self.collections.subscriptions, version.cast_signed());
        let found = doc! { "_id": id(tenant, group), "version": version };
        let is_alone = version > 0 && by.is_none() && !change.has_letters();
        let Some(next) = next.as_ref().filter(|_| is_alone) else {
            let whole = Whole { collections: &self.collections, change };
            return transaction::commit(&self.collections.open_transactions, &whole).await;
        };
        let next = doc! { "$set": fields(next, version + 1) };
        Ok(writing(rows.update_one(found, next)).await?.matched_count == 1)
    }
}

impl Mongodb {
    pub(super) async fn is_known_tenant(&self, tenant: &TenantId) -> Result<bool, Error> {
        let known = self.collections.tenants.find_one(doc! { "_id": tenant.as_str() });
        Ok(reading(known).await?.is_some())
    }
}

/// A change with its entry and its dead letters.
struct Whole<'a> {
    collections: &'a Collections,
    change: &'a SubscriptionChange,
}

#[async_trait]
impl TransactionBody for Whole<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let begins_at = match &self.change.next {
            Some(_) if self.change.version == 0 => self.next_generation(transaction).await?,
            _ => 0,
        };
        let is_written = self.act(begins_at).run(transaction).await?;
        if is_written && self.change.next.is_none() {
            self.outlive(transaction).await?;
        }
        if is_written && self.change.has_letters() {
            self.write_letters(transaction).await?;
        }
        Ok(is_written)
    }
}

impl Whole<'_> {
    /// Returns the number above the generations and versions of the tenant's groups that were
    /// removed.
    async fn next_generation(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<i64, TransactionError> {
        let log = doc! { "_id": self.change.tenant.as_str() };
        let log = self.collections.tenants.find_one(log).session(transaction).await?;
        let next = log.map(|row| row.integer_if_any("next_generation")).transpose()?;
        Ok(next.flatten().unwrap_or_default())
    }

    /// Has a group that is made anew begin above the version that is removed.
    async fn outlive(&self, transaction: &mut Transaction<'_>) -> Result<(), TransactionError> {
        let SubscriptionChange { tenant, version, .. } = self.change;
        let log = doc! { "_id": tenant.as_str() };
        let next = doc! { "$max": { "next_generation": version.cast_signed() + 1 } };
        self.collections.tenants.update_one(log, next).session(transaction).await?;
        Ok(())
    }

    /// Returns the change of the row upon its version; a new one begins with a generation.
    fn act(&self, begins_at: i64) -> ActOnRow<'_> {
        let SubscriptionChange { tenant, group, version, next, by, .. } = self.change;
        let (by, version) = (by.as_ref(), version.cast_signed());
        let (mut its, mut unless) = (doc! { "_id": id(tenant, group), "version": version }, None);
        let change = match next {
            None => Change::Delete,
            Some(next) if version > 0 => Change::Update(doc! { "$set": fields(next, version + 1) }),
            Some(next) => {
                its = doc! { "_id": id(tenant, group) };
                unless = Some(its.clone());
                let mut row = fields(next, begins_at + 1);
                row.insert("generation", begins_at + next.generation.cast_signed());
                Change::Insert(tenant, row)
            }
        };
        let collections = self.collections;
        let rows = &collections.subscriptions;
        ActOnRow { collections, rows, its, change, unless, by }
    }

    /// Writes the changes of the group's dead letters, or removes all of a group that is removed.
    async fn write_letters(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), TransactionError> {
        let SubscriptionChange { tenant, group, next, .. } = self.change;
        let rows = &self.collections.dead_letters;
        if next.is_none() {
            rows.delete_many(letters_of(tenant, group)).session(transaction).await?;
            return Ok(());
        }
        let (put, mut removed) = self.change.letters();
        // Those that are there already are written anew.
        removed.extend(put.iter().map(|letter| letter.position));
        let ids: Vec<_> = removed.iter().map(|it| letter_id(tenant, group, *it)).collect();
        let those = rows.delete_many(doc! { "_id": { "$in": ids } });
        those.session(&mut *transaction).await?;
        if !put.is_empty() {
            let put = put.into_iter().map(|letter| letter_row(tenant, group, letter));
            rows.insert_many(put).session(transaction).await?;
        }
        Ok(())
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
        "halt": row.halt,
    }
}

/// Returns the filter for the dead letters of a group.
fn letters_of(tenant: &TenantId, group: &Group) -> Document {
    doc! { "_id.tenant": tenant.as_str(), "_id.name": group.as_str() }
}

fn letter_id(tenant: &TenantId, group: &Group, position: Position) -> Document {
    doc! { "tenant": tenant.as_str(), "name": group.as_str(), "position": position.as_column() }
}

fn letter_row(tenant: &TenantId, group: &Group, letter: &DeadLetter) -> RawDocumentBuf {
    let LetterRow { topic, key, scope, why, attempts, since_ms, is_redriven } = letter.into();
    let mut row = rawdoc! {
        "_id": {
            "tenant": tenant.as_str(),
            "name": group.as_str(),
            "position": letter.position.as_column(),
        },
        "topic": topic,
        "key": key,
        "joined_by": scope,
        "attempts": attempts,
        "since_ms": since_ms,
        "is_redriven": is_redriven,
    };
    if let Some(why) = why {
        row.append(cstr!("why"), why);
    }
    row
}

/// Returns the pipeline that counts the dead letters that a filter finds, of each group of a tenant
/// that has a log.
fn count(its: Document, collections: &Collections) -> Vec<Document> {
    let joined = doc! { "$switch": {
        "branches": [
            { "case": { "$ne": [{ "$type": "$why" }, "string"] }, "then": null },
            {
                "case": { "$eq": ["$joined_by", Scope::Key.as_str()] },
                "then": { "topic": "$topic", "key": "$key" },
            },
            { "case": { "$eq": ["$joined_by", Scope::Topic.as_str()] }, "then": { "topic": "$topic" } },
        ],
        "default": null,
    } };
    let name = || doc! { "tenant": "$_id.tenant", "name": "$_id.name" };
    let mut with_joined = name();
    with_joined.insert("joined", joined);
    let is_joined = doc! { "$cond": [{ "$eq": ["$_id.joined", null] }, 0_i64, 1_i64] };
    vec![
        doc! { "$match": its },
        doc! { "$group": {
            "_id": with_joined,
            "letters": { "$sum": 1_i64 },
            "oldest_ms": { "$min": "$since_ms" },
            "least": { "$min": "$_id.position" },
        } },
        doc! { "$group": {
            "_id": name(),
            "letters": { "$sum": "$letters" },
            "scopes": { "$sum": is_joined },
            "oldest_ms": { "$min": "$oldest_ms" },
            "least": { "$min": "$least" },
        } },
        doc! { "$lookup": {
            "from": collections.tenants.name(),
            "localField": "_id.tenant",
            "foreignField": "_id",
            "as": "logs",
        } },
        doc! { "$match": { "logs": { "$ne": [] } } },
        doc! { "$sort": { "_id.tenant": 1, "_id.name": 1 } },
    ]
}

//! The port's `Leases` on MongoDB: which replica works on which lane, by the server's clock.
//!
//! The lanes of every replica call it. A lane's rows, its lease and its count of tenants, are made
//! together when the store is new or the lanes are resized; terms only rise. The server compares
//! and sets a lease in one step, and no other transaction touches it.

use std::time::Duration;

use ::mongodb::bson::{Document, RawDocumentBuf, doc, rawdoc};
use ::mongodb::options::ReturnDocument;
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::collections::Collections;
use super::error::{reading, writing, written};
use super::expiry::{expires, lasts, ttl_ms};
use super::resize::Resize;
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, rows};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::{Error, Lease, LeaseCheck, Leases, Members, leases};

/// The time after which the row of a replica that died is removed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
#[async_trait]
impl Leases for Mongodb {
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        leases::ensure_any(wanted)?;
        transaction::commit(
            &self.collections.open_transactions,
            &Lanes { collections: &self.collections, wanted },
        )
        .await
    }

    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        let free = doc! {
            "_id": i32::from(lane.number()),
            "$or": [
                { "holder": null },
                { "holder": by },
                { "$expr": { "$not": [lasts()] } },
            ],
        };
        self.acquire_if(lane, free, by, ttl).await
    }

    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error> {
        let seized =
            self.acquire_if(lane, doc! { "_id": i32::from(lane.number()) }, by, ttl).await?;
        seized.ok_or_else(|| leases::no_such(lane))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error> {
        let mut held = of(lease);
        held.insert("holder", doc! { "$ne": null });
        let longer = vec![doc! { "$set": { "expires": expires(ttl), "ttl_ms": rows::ms(ttl) } }];
        let renewed = writing(self.collections.leases.update_one(held, longer)).await?;
        Ok(if renewed.matched_count == 1 { LeaseCheck::Held } else { LeaseCheck::Lost })
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let free = doc! { "$set": { "holder": null } };
        writing(self.collections.leases.update_one(of(lease), free)).await?;
        Ok(())
    }

    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error> {
        let replicas = &self.collections.replicas;
        let before = reading(async {
            let there = vec![doc! { "$match": { "_id": replica, "$expr": lasts() } }];
            replicas
                .aggregate(there)
                .with_type::<RawDocumentBuf>()
                .await?
                .try_collect::<Vec<_>>()
                .await
        });
        let before = before.await?;
        let row = doc! {
            "instance": { "$literal": instance },
            "expires": expires(ttl),
            "ttl_ms": rows::ms(ttl),
        };
        let attend = vec![doc! { "$set": row }];
        writing(replicas.update_one(doc! { "_id": replica }, attend).upsert(true)).await?;
        let [ago, ahead] = [-rows::ms(FORGOTTEN_AFTER), rows::ms(FORGOTTEN_AFTER)]
            .map(|ms| doc! { "$add": ["$$NOW", ms] });
        let ahead = doc! { "$add": [ahead, ttl_ms()] };
        let far = doc! { "$or": [{ "$lt": ["$expires", ago] }, { "$gt": ["$expires", ahead] }] };
        writing(replicas.delete_many(doc! { "_id": { "$ne": replica }, "$expr": far })).await?;
        let before = before.first().map(|row| row.text_if_any("instance")).transpose()?.flatten();
        Ok(before.map(str::to_owned))
    }

    async fn deregister(&self, replica: &str) -> Result<(), Error> {
        writing(self.collections.replicas.delete_one(doc! { "_id": replica })).await?;
        Ok(())
    }

    async fn members(&self) -> Result<Members, Error> {
        let mut session = self.snapshot().await?;
        let there = vec![doc! { "$match": { "$expr": lasts() } }, doc! { "$sort": { "_id": 1 } }];
        let there =
            bulk::aggregate(self.collections.replicas.aggregate(there), &mut session).await?;
        let holder = doc! { "$cond": [lasts(), { "$ifNull": ["$holder", null] }, null] };
        let lanes = vec![doc! { "$set": { "holder": holder } }, doc! { "$sort": { "_id": 1 } }];
        let lanes = bulk::aggregate(self.collections.leases.aggregate(lanes), &mut session).await?;
        Ok(Members::new(
            there.iter().map(|row| row.replica()).collect::<Result<_, _>>()?,
            lanes.iter().map(|row| row.lease()).collect::<Result<_, _>>()?,
        ))
    }

    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        let resize = Resize { collections: &self.collections, by, lanes, moves };
        transaction::commit(&self.collections.open_transactions, &resize).await
    }
}

impl Mongodb {
    /// Takes a lane whose lease matches the filter.
    async fn acquire_if(
        &self,
        lane: Lane,
        lease: Document,
        by: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, Error> {
        let row = doc! {
            "holder": { "$literal": by }, "term": { "$add": ["$term", 1] }, "expires": expires(ttl),
            "ttl_ms": rows::ms(ttl)
        };
        let take = self.collections.leases.find_one_and_update(lease, vec![doc! { "$set": row }]);
        let taken = writing(take.return_document(ReturnDocument::After)).await;
        if let Err(Error::Unknown(_)) = taken {
            // A replica that died while it parked an event has locked the row.
            self.collections.open_transactions.end_others(transaction::TOO_LONG).await?;
        }
        let row = taken?;
        let term = row.map(|row| row.integer("term")).transpose().map_err(written)?;
        let Some(term) = term.map(i64::unsigned_abs) else { return Ok(None) };
        // The leases alone may have gone back in time.
        let newest = self.newest_term(lane).await?;
        if newest < term {
            return Ok(Some(Lease { lane, term }));
        }
        let raised = doc! { "$set": { "term": (newest + 1).cast_signed() } };
        let taken = Lease { lane, term };
        let raised = writing(self.collections.leases.update_one(of(&taken), raised)).await?;
        Ok((raised.matched_count == 1).then_some(Lease { term: newest + 1, ..taken }))
    }
}

struct Lanes<'a> {
    collections: &'a Collections,
    wanted: u16,
}

#[async_trait]
impl TransactionBody for Lanes<'_> {
    type Done = u16;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<u16, TransactionError> {
        let Collections { lanes, leases, .. } = self.collections;
        let there = lanes.count_documents(doc! {}).session(&mut *transaction).await?;
        if there > 0 {
            let there = u16::try_from(there)
                .map_err(|_| Error::Corrupt(format!("there are {there} lanes")));
            return Ok(there?);
        }
        let id = |lane: Lane| i32::from(lane.number());
        let empty =
            Lane::all(self.wanted).map(|lane| rawdoc! { "_id": id(lane), "tenants": 0_i64 });
        lanes.insert_many(empty).session(&mut *transaction).await?;
        let free = |lane| rawdoc! { "_id": id(lane), "holder": null, "term": 0_i64 };
        leases.insert_many(Lane::all(self.wanted).map(free)).session(transaction).await?;
        Ok(self.wanted)
    }
}

/// Returns the filter for a lane's lease with this term.
fn of(lease: &Lease) -> Document {
    doc! { "_id": i32::from(lease.lane.number()), "term": lease.term.cast_signed() }
}

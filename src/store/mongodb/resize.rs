//! Resizing: changes the number of lanes, and the lanes of tenants, in one transaction, while no
//! replica works on a lane.
//!
//! The port's `Leases` calls it. It is the only transaction that writes leases after they were
//! made; its caller holds all of them, so that it holds up no other.

use std::collections::BTreeMap;

use ::mongodb::bson::{Bson, doc, rawdoc};
use async_trait::async_trait;

use super::bulk;
use super::collections::Collections;
use super::expiry::lasts;
use super::transaction::{Transaction, TransactionBody};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::leases;

/// A change of the number of lanes, and of the lanes of tenants.
pub(super) struct Resize<'a> {
    pub(super) collections: &'a Collections,
    pub(super) by: &'a str,
    pub(super) lanes: u16,
    pub(super) moves: &'a [(TenantId, Lane)],
}

#[async_trait]
impl TransactionBody for Resize<'_> {
    type Done = ();

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), TransactionError> {
        self.refuse_others(transaction).await?;
        self.change_tenants(transaction).await?;
        self.change_lanes(transaction).await
    }
}

impl Resize<'_> {
    async fn refuse_others(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), TransactionError> {
        let Collections { leases, replicas, purges, .. } = self.collections;
        let there = doc! { "$expr": lasts() };
        let not_held =
            doc! { "$or": [{ "holder": { "$ne": self.by } }, { "$expr": { "$not": [lasts()] } }] };
        let others = replicas.count_documents(there).session(&mut *transaction).await?
            + leases.count_documents(not_held).session(&mut *transaction).await?;
        leases::ensure_none(others.cast_signed(), leases::in_use)?;
        let under_way = doc! { "ended_ms": Bson::Null };
        let purges = purges.count_documents(under_way).session(transaction).await?;
        Ok(leases::ensure_none(purges.cast_signed(), leases::purging)?)
    }

    async fn change_tenants(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), TransactionError> {
        let Collections { tenants, heads, parked, .. } = self.collections;
        let mut by_lane: BTreeMap<Lane, Vec<&str>> = BTreeMap::new();
        for (tenant, lane) in self.moves {
            by_lane.entry(*lane).or_default().push(tenant.as_str());
        }
        for (lane, moved) in by_lane {
            let to = || doc! { "$set": { "lane": id(lane) } };
            let ids = doc! { "$in": moved };
            tenants.update_many(doc! { "_id": &ids }, to()).session(&mut *transaction).await?;
            heads.update_many(doc! { "_id": &ids }, to()).session(&mut *transaction).await?;
            parked.update_many(doc! { "_id.tenant": ids }, to()).session(&mut *transaction).await?;
        }
        let beyond = doc! { "lane": { "$gte": i32::from(self.lanes) } };
        let beyond = tenants.count_documents(beyond).session(transaction).await?;
        Ok(leases::ensure_none(beyond.cast_signed(), leases::left_out)?)
    }

    async fn change_lanes(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), TransactionError> {
        let Collections { tenants, lanes, leases, .. } = self.collections;
        let mut term = 0;
        for row in bulk::find(leases, doc! {}, (&mut *transaction).into()).await? {
            term = term.max(row.integer("term")?);
        }
        let mut counts: BTreeMap<Lane, i64> = Lane::all(self.lanes).map(|lane| (lane, 0)).collect();
        for row in bulk::find(tenants, doc! {}, (&mut *transaction).into()).await? {
            *counts.entry(row.lane()?).or_default() += 1;
        }
        lanes.delete_many(doc! {}).session(&mut *transaction).await?;
        leases.delete_many(doc! {}).session(&mut *transaction).await?;
        let of_lanes =
            counts.iter().map(|(lane, tenants)| rawdoc! { "_id": id(*lane), "tenants": *tenants });
        lanes.insert_many(of_lanes).session(&mut *transaction).await?;
        // The new terms are above all earlier ones, so that a lane that is removed and made again
        // is not mistaken.
        let free = |lane| rawdoc! { "_id": id(lane), "holder": null, "term": term + 1 };
        leases.insert_many(Lane::all(self.lanes).map(free)).session(transaction).await?;
        Ok(())
    }
}

fn id(lane: Lane) -> i32 {
    i32::from(lane.number())
}

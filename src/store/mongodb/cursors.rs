//! The port's `Cursors` on MongoDB.
//!
//! Fed by lanes, which checkpoint what their sinks have committed; feeds lanes that take over, and
//! everyone who asks what is published.

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use async_trait::async_trait;

use super::error::reading;
use super::{Mongodb, bulk, event_counts, rows};
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::{Cursors, Error, Lag, Lease, LeaseCheck};

#[async_trait]
impl Cursors for Mongodb {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let row = reading(self.collections.cursors.find_one(doc! { "_id": id(tenant, follower) }))
            .await?;
        row.map(|row| row.cursor()).transpose()
    }

    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        let found = self.cursors_of(lane, follower).await?;
        found.iter().map(|row| Ok((row.tenant()?, row.cursor()?))).collect()
    }

    async fn lag(&self, follower: &Follower) -> Result<Lag, Error> {
        event_counts::lag(&self.collections, follower, &mut self.snapshot().await?).await
    }

    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        let term = lease.term.cast_signed();
        let stands = |(tenant, cursor): &(TenantId, Cursor)| {
            let mut row = rows::stands(cursor);
            row.insert("_id", id(tenant, follower));
            row.insert("at", rows::place(tenant, cursor.position));
            row.insert("term", term);
            row
        };
        let ids: Vec<_> = cursors.iter().map(|(tenant, _)| id(tenant, follower)).collect();
        let events = self.collections.events.name();
        // Documents are equal if their fields have the same order: an event's row has its id first.
        let is_there = doc! { "$or": [
            { "$eq": ["$position", Position::START.as_column()] },
            { "$in": [
                { "event_id": "$event_id", "time_ms": "$time_ms" },
                "$events",
            ] },
        ] };
        // The server reads the events and writes the checkpoints in one command, which can't
        // outlive it: a server that went back in time gets it whole or not at all.
        let stages = [
            doc! { "$lookup": {
                "from": events, "localField": "at", "foreignField": "_id", "as": "events",
                "pipeline": [{ "$project": { "_id": 0, "event_id": 1, "time_ms": 1 } }],
            } },
            doc! { "$match": { "$expr": is_there } },
            doc! { "$unset": ["at", "events"] },
            doc! { "$merge": {
                "into": self.collections.cursors.name(),
                "whenMatched": [{ "$replaceWith": {
                    "$cond": [{ "$gt": ["$term", "$$new.term"] }, "$$ROOT", "$$new"],
                } }],
            } },
        ];
        let stands: Vec<_> = cursors.iter().map(stands).collect();
        bulk::merge(&self.collections.versions, &stands, &stages).await?;
        let mut session = self.session().await?;
        let later = doc! { "_id": { "$in": ids }, "term": { "$gt": term } };
        let later = reading(bulk::find(&self.collections.cursors, later, &mut session)).await?;
        Ok(if later.is_empty() { LeaseCheck::Held } else { LeaseCheck::Lost })
    }
}

impl Mongodb {
    /// Returns the newest term of a checkpoint of a lane's tenants; 0 if there is none.
    pub(super) async fn newest_term(&self, lane: Lane) -> Result<u64, Error> {
        let mut session = self.session().await?;
        let tenants = self.tenants_of(lane, &mut session).await?;
        let tenants: Vec<_> = tenants.iter().map(TenantId::as_str).collect();
        let newest = vec![
            doc! { "$match": { "_id.tenant": { "$in": tenants } } },
            doc! { "$group": { "_id": null, "term": { "$max": "$term" } } },
        ];
        let newest =
            bulk::aggregate(self.collections.cursors.aggregate(newest), &mut session).await?;
        let newest = newest.first().map(|row| row.integer_if_any("term")).transpose()?;
        Ok(newest.flatten().unwrap_or_default().unsigned_abs())
    }

    /// Returns a follower's cursors in all logs of a lane, as rows.
    async fn cursors_of(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<RawDocumentBuf>, Error> {
        let mut session = self.session().await?;
        let tenants = self.tenants_of(lane, &mut session).await?;
        let ids: Vec<_> = tenants.iter().map(|tenant| id(tenant, follower)).collect();
        let ours = doc! { "_id": { "$in": ids } };
        reading(bulk::find(&self.collections.cursors, ours, &mut session)).await
    }

    /// Returns the tenants of a lane.
    pub(super) async fn tenants_of(
        &self,
        lane: Lane,
        session: &mut ClientSession,
    ) -> Result<Vec<TenantId>, Error> {
        let ours = doc! { "lane": i32::from(lane.number()) };
        let tenants = reading(bulk::find(&self.collections.tenants, ours, session)).await?;
        tenants.iter().map(|row| row.tenant()).collect()
    }
}

pub(super) fn id(tenant: &TenantId, follower: &Follower) -> Document {
    doc! { "tenant": tenant.as_str(), "follower": follower.as_str() }
}

//! The port's `Parking` on MongoDB.
//!
//! Lanes write here under their leases, and operators' requests to release or discard a scope come
//! here. Lanes read it, and so do requests for what is published.

use ::mongodb::bson::{Document, doc};
use async_trait::async_trait;

use super::collections::Collections;
use super::error::{reading, writing};
use super::rows::Rows;
use super::trail::{ActOnRow, Change};
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, cursors, event_counts, transition};
use crate::domain::cursor::Cursor;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::domain::transition::Transition;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::transitions::{self, LastNumbers};
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking};

#[async_trait]
impl Parking for Mongodb {
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        self.find_parked(of_log(tenant, follower)).await
    }

    /// One command is used, which one server answers: a primary that was just elected may not show
    /// yet what the one before it has shown.
    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let relay = Follower::relay();
        let its = doc! { "$match": of_log(tenant, &relay) };
        let with = doc! { "coll": self.collections.parked.name(), "pipeline": [its] };
        let of_relay = doc! { "_id": cursors::id(tenant, &relay) };
        let pipeline = vec![doc! { "$match": of_relay }, doc! { "$unionWith": with }];
        let found = bulk::aggregate(
            self.collections.cursors.aggregate(pipeline),
            &mut self.snapshot().await?,
        )
        .await?;
        let (mut cursor, mut all) = (None, Vec::new());
        for row in &found {
            match row.text_if_any("state")? {
                None => cursor = Some(row.cursor()?),
                Some(_) => all.push(row.parked()?),
            }
        }
        all.sort_unstable_by_key(|parked| parked.position);
        Ok((cursor, if cursor.is_some_and(|c| c.position >= from) { all } else { Vec::new() }))
    }

    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error> {
        let mut ours = in_lane(lane, follower);
        ours.insert("state", doc! { "$in": ["parked", "releasing"] });
        self.find_parked(ours).await
    }

    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error> {
        let mut session = self.snapshot().await?;
        let open = doc! { "$in": ["$state", ["parked", "releasing"]] };
        let last = vec![
            doc! { "$match": in_lane(lane, follower) },
            doc! { "$group": {
                "_id": { "tenant": "$_id.tenant", "log_id": "$log_id" },
                "ledger": { "$max": "$ledger" },
                "open": { "$sum": { "$cond": [open, 1_i64, 0_i64] } },
            } },
        ];
        let last = bulk::aggregate(self.collections.parked.aggregate(last), &mut session).await?;
        last.iter().map(|row| row.ledger()).collect()
    }

    async fn write_transitions(
        &self,
        lease: &Lease,
        follower: &Follower,
        transitions: &[Transition],
    ) -> Result<LeaseCheck, Error> {
        let write = Write { collections: &self.collections, lease, follower, transitions };
        transaction::commit(&self.collections.open_transactions, &write).await
    }

    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        (request, reason): (Request, Option<&str>),
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let id = transition::id(tenant, follower, event_id);
        let its = doc! { "_id": id, "state": "parked", "requested": null };
        let requested = doc! { "$set": { "requested": request.as_str(), "reason": reason } };
        let (collections, change) = (&self.collections, Change::Update(requested));
        let rows = &collections.parked;
        ActOnRow { collections, rows, its, change, unless: None, by }.commit().await
    }

    async fn drop_resolved(&self, before: Time, max: usize) -> Result<u64, Error> {
        let parked = &self.collections.parked;
        let last = vec![doc! { "$group": {
            "_id": { "tenant": "$_id.tenant", "follower": "$_id.follower", "log_id": "$log_id" },
            "ledger": { "$max": "$ledger" },
        } }];
        let mut session = self.snapshot().await?;
        let mut ids: Vec<Document> = Vec::new();
        for log in bulk::aggregate(parked.aggregate(last), &mut session).await? {
            let old = doc! {
                "_id.tenant": log.text("tenant")?,
                "_id.follower": log.text("follower")?,
                "log_id": log.text("log_id")?,
                "state": "resolved",
                "time_ms": { "$lt": before.as_ms() },
                "ledger": { "$lt": log.integer("ledger")? },
            };
            let old = vec![doc! { "$match": old }, doc! { "$project": { "_id": 1 } }];
            let found = bulk::aggregate(parked.aggregate(old), &mut session).await?;
            for row in found.iter().take(max - ids.len()) {
                ids.push(transition::id(&row.tenant()?, &row.follower()?, row.event_id()?));
            }
        }
        let dropped = writing(parked.delete_many(doc! { "_id": { "$in": ids } })).await?;
        Ok(dropped.deleted_count)
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        event_counts::event_counts(&self.collections, &mut self.snapshot().await?).await
    }
}

impl Mongodb {
    async fn find_parked(&self, filter: Document) -> Result<Vec<Parked>, Error> {
        let mut session = self.session().await?;
        let found = reading(bulk::find(&self.collections.parked, filter, &mut session)).await?;
        let mut parked = found.iter().map(|row| row.parked()).collect::<Result<Vec<_>, _>>()?;
        parked.sort_by(|one, other| {
            (&one.tenant, one.position).cmp(&(&other.tenant, other.position))
        });
        Ok(parked)
    }
}

/// The transitions that a lane writes.
struct Write<'a> {
    collections: &'a Collections,
    lease: &'a Lease,
    follower: &'a Follower,
    transitions: &'a [Transition],
}

#[async_trait]
impl TransactionBody for Write<'_> {
    type Done = LeaseCheck;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<LeaseCheck, TransactionError> {
        let Self { collections, lease, follower, transitions } = self;
        if is_lost(collections, lease, transaction).await? {
            return Ok(LeaseCheck::Lost);
        }
        let numbers = transitions::last(transitions);
        check_numbers(&collections.parked, follower, numbers, transaction).await?;
        for each in *transitions {
            let changed =
                transition::write(collections, lease, follower, each, transaction).await?;
            transitions::ensure_one(each, changed)?;
        }
        Ok(LeaseCheck::Held)
    }
}

/// Returns whether the lane was taken since, or released. The lease is written too, so that of this
/// transaction and an acquisition of the lane one loses.
pub(super) async fn is_lost(
    collections: &Collections,
    lease: &Lease,
    transaction: &mut Transaction<'_>,
) -> Result<bool, TransactionError> {
    let (lane, term) = (i32::from(lease.lane.number()), lease.term.cast_signed());
    let held = doc! { "_id": lane, "term": term, "holder": { "$ne": null } };
    let held = collections.leases.update_one(held, doc! { "$inc": { "parkings": 1_i64 } });
    Ok(held.session(&mut *transaction).await?.matched_count == 0)
}

/// Refuses transitions if the store lacks the one before them.
async fn check_numbers(
    parked: &Rows,
    follower: &Follower,
    numbers: LastNumbers,
    transaction: &mut Transaction<'_>,
) -> Result<(), TransactionError> {
    for ((tenant, log_id), number) in numbers {
        let mut its = of_log(&tenant, follower);
        its.insert("log_id", log_id.to_string());
        let newest =
            parked.find_one(its).sort(doc! { "ledger": -1 }).session(&mut *transaction).await?;
        let stored = newest.map_or(Ok(0), |row| row.transition())?;
        transitions::follows(&tenant, stored, number)?;
    }
    Ok(())
}

/// Returns the filter for a follower's rows in a tenant's logs.
fn of_log(tenant: &TenantId, follower: &Follower) -> Document {
    doc! { "_id.tenant": tenant.as_str(), "_id.follower": follower.as_str() }
}

/// Returns the filter for a follower's rows in the logs of a lane.
fn in_lane(lane: Lane, follower: &Follower) -> Document {
    doc! { "lane": i32::from(lane.number()), "_id.follower": follower.as_str() }
}

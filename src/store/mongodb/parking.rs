//! The port's `Parking`, as MongoDB does it.
//!
//! Fed by lanes, under their leases, and by whoever wants something parked to be released or
//! discarded; feeds lanes, and everyone who asks what is published.

use ::mongodb::bson::{Document, RawDocument, doc};
use async_trait::async_trait;

use super::collections::Collections;
use super::error::{reading, writing};
use super::rows::Rows;
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, cursors, event_counts, rows, transition};
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::transition::Transition;
use crate::store::error::TransactionError;
use crate::store::transitions::{self, LastNumbers};
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking};

#[async_trait]
impl Parking for Mongodb {
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        self.find_parked(of_log(tenant, follower)).await
    }

    /// By one command, which one server answers: a primary that was just elected may not show yet
    /// what the one before it has shown.
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
        let found =
            bulk::aggregate(&self.collections.cursors, pipeline, &mut self.snapshot().await?)
                .await?;
        let (mut cursor, mut all) = (None, Vec::new());
        for row in &found {
            match rows::text_if_any(row, "state")? {
                None => cursor = Some(rows::cursor(row)?),
                Some(_) => all.push(parked(row)?),
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
        let last = bulk::aggregate(&self.collections.parked, last, &mut session).await?;
        let last = last.iter().map(|row| {
            let log = rows::document(row, "_id")?;
            let (tenant, log_id) =
                (rows::noun(log, "tenant", TenantId::parse)?, rows::log_id(log)?);
            let open = rows::number(row, "open")?.unsigned_abs();
            Ok(LogLedger { tenant, log_id, number: ledger(row)?, open })
        });
        last.collect()
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

    async fn park(
        &self,
        lease: &Lease,
        follower: &Follower,
        parked: &[Parked],
    ) -> Result<LeaseCheck, Error> {
        let park = Park { collections: &self.collections, lease, follower, parked };
        transaction::commit(&self.collections.open_transactions, &park).await
    }

    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        request: Request,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let id = transition::id(tenant, follower, event_id);
        let parked = doc! { "_id": id, "state": "parked", "requested": null };
        let requested = doc! { "$set": { "requested": request.as_str(), "reason": reason } };
        let request = self.collections.parked.update_one(parked, requested);
        Ok(writing(request).await?.matched_count == 1)
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        event_counts::event_counts(&self.collections, &mut self.snapshot().await?).await
    }
}

impl Mongodb {
    async fn find_parked(&self, filter: Document) -> Result<Vec<Parked>, Error> {
        let mut session = self.session().await?;
        let found = reading(bulk::find(&self.collections.parked, filter, &mut session)).await?;
        let mut parked = found.iter().map(|row| parked(row)).collect::<Result<Vec<_>, _>>()?;
        parked.sort_by(|one, other| {
            (&one.tenant, one.position).cmp(&(&other.tenant, other.position))
        });
        Ok(parked)
    }
}

/// Transitions that a lane makes.
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

/// Rows as a lane has them.
struct Park<'a> {
    collections: &'a Collections,
    lease: &'a Lease,
    follower: &'a Follower,
    parked: &'a [Parked],
}

#[async_trait]
impl TransactionBody for Park<'_> {
    type Done = LeaseCheck;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<LeaseCheck, TransactionError> {
        let Self { collections, lease, follower, parked } = self;
        if is_lost(collections, lease, transaction).await? {
            return Ok(LeaseCheck::Lost);
        }
        let numbers = transitions::last_of_rows(parked);
        check_numbers(&collections.parked, follower, numbers, transaction).await?;
        let lane = i32::from(lease.lane.number());
        for parked in *parked {
            let id = transition::id(&parked.tenant, follower, parked.event_id);
            let write = collections.parked.update_one(doc! { "_id": id }, write(parked, lane));
            write.upsert(true).session(&mut *transaction).await?;
        }
        Ok(LeaseCheck::Held)
    }
}

/// Whether the lane was taken since, or released. The lease is written, so that of this and a
/// taking of the lane one loses.
async fn is_lost(
    collections: &Collections,
    lease: &Lease,
    transaction: &mut Transaction<'_>,
) -> Result<bool, TransactionError> {
    let (lane, term) = (i32::from(lease.lane.number()), lease.term.cast_signed());
    let held = doc! { "_id": lane, "term": term, "holder": { "$ne": null } };
    let held = collections.leases.update_one(held, doc! { "$inc": { "parkings": 1_i64 } });
    Ok(held.session(&mut *transaction).await?.matched_count == 0)
}

/// Refuses what is not written upon the transition before it.
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
        let stored = newest.map_or(Ok(0), |row| ledger(&row))?;
        transitions::follows(&tenant, stored, number)?;
    }
    Ok(())
}

/// The rows of a follower in a tenant's logs.
fn of_log(tenant: &TenantId, follower: &Follower) -> Document {
    doc! { "_id.tenant": tenant.as_str(), "_id.follower": follower.as_str() }
}

/// The rows of a follower in the logs of a lane.
fn in_lane(lane: Lane, follower: &Follower) -> Document {
    doc! { "lane": i32::from(lane.number()), "_id.follower": follower.as_str() }
}

/// Returns the update that writes a row. What was requested is done once the state is another.
fn write(parked: &Parked, lane: i32) -> Vec<Document> {
    let state = parked.state.as_str();
    let same = doc! { "$eq": ["$state", state] };
    vec![doc! { "$set": {
        "lane": lane,
        "log_id": parked.log_id.to_string(),
        "position": parked.position.as_column(),
        "topic": { "$literal": parked.topic.as_str() },
        "key": { "$literal": parked.key.as_ref().map(Key::as_str) },
        "cause": { "$literal": parked.cause.as_str() },
        "time_ms": { "$ifNull": ["$time_ms", { "$toLong": "$$NOW" }] },
        "requested": { "$cond": [same, { "$ifNull": ["$requested", null] }, null] },
        "state": state,
        "ended": parked.state.ended().map(Position::as_column),
        "released_to": parked.released_to.as_column(),
        "counted_to": parked.counted_to.as_column(),
        "events": parked.events.cast_signed(),
        "ledger": parked.ledger.cast_signed(),
    } }]
}

/// The field `ledger`: the number of a transition.
fn ledger(row: &RawDocument) -> Result<u64, Error> {
    Ok(rows::number(row, "ledger")?.unsigned_abs())
}

fn parked(row: &RawDocument) -> Result<Parked, Error> {
    let corrupt = |what: &str| Error::Corrupt(format!("collection parked: unknown {what}"));
    let text = |name| Ok::<_, Error>(rows::text_if_any(row, name)?.map(str::to_owned));
    let whose = rows::document(row, "_id")?;
    let ended = rows::number_if_any(row, "ended")?.map(Position::from_column);
    let requested = text("requested")?;
    let requested = requested
        .map(|word| Request::from_column(&word).ok_or_else(|| corrupt(&word)))
        .transpose()?;
    let key = text("key")?.map(|key| Key::parse(&key)).transpose();
    Ok(Parked {
        event_id: rows::event_id(whose)?,
        tenant: rows::noun(whose, "tenant", TenantId::parse)?,
        log_id: rows::log_id(row)?,
        position: rows::position(row)?,
        topic: rows::noun(row, "topic", Topic::parse)?,
        key: key.map_err(|e| Error::Corrupt(format!("field key: {e}")))?,
        cause: rows::text(row, "cause")?.to_owned(),
        time: rows::time(row)?,
        state: State::from_columns(rows::text(row, "state")?, ended)
            .ok_or_else(|| corrupt("state"))?,
        released_to: Position::from_column(rows::number(row, "released_to")?),
        counted_to: Position::from_column(rows::number(row, "counted_to")?),
        events: rows::number(row, "events")?.unsigned_abs(),
        requested,
        reason: text("reason")?,
        ledger: ledger(row)?,
    })
}

//! The port's `Replays` on MongoDB.
//!
//! Operators and lanes write single rows; a claim and the write after it go by the row's term.

use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::error::{reading, writing, written};
use super::trail::{ActOnRow, Change};
use super::{Mongodb, bulk};
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::replay::{Progress, Rate, Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::{Error, Lease, LeaseCheck, Replays};

#[async_trait]
impl Replays for Mongodb {
    async fn add_replay(&self, replay: &Replay, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let mut fields = doc! {
            "id": replay.id.to_string(),
            "log_id": replay.log_id.to_string(),
            "submitted_ms": replay.submitted.as_ms(),
            "plan": replay.plan.as_column(),
            "target": replay.plan.target.as_ref().map(|target| target.topic.to_string()),
            "until": replay.until.map(Position::as_column),
            "total": replay.total.map(u64::cast_signed),
            "wish": replay.wish.0.as_str(),
            "wish_ms": replay.wish.1.as_ms(),
            "term": 0_i64,
        };
        fields.extend(rate(replay.rate));
        fields.extend(progress(&replay.progress));
        let its = doc! { "_id": id(&replay.tenant, replay.number) };
        let (collections, change) = (&self.collections, Change::Insert(&replay.tenant, fields));
        let rows = &collections.replays;
        ActOnRow { collections, rows, its, change, unless: None, by }.commit().await
    }

    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error> {
        let ours = doc! { "_id.tenant": tenant.as_str() };
        self.replays_found(ours, doc! { "_id.tenant": 1, "_id.number": -1 }).await
    }

    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error> {
        let found = reading(self.collections.replays.find_one(of_id(tenant, id))).await?;
        found.map(|row| row.replay()).transpose()
    }

    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error> {
        let tenants = self.tenants_of(lane, &mut self.session().await?).await?;
        let tenants: Vec<_> = tenants.iter().map(TenantId::as_str).collect();
        let open = doc! { "_id.tenant": { "$in": tenants }, "ended_ms": null };
        self.replays_found(open, doc! { "_id.tenant": 1, "_id.number": 1 }).await
    }

    async fn wish_replay(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        (wish, at): (Wish, Time),
        new_rate: Option<Rate>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let mut its = of_id(tenant, id);
        its.extend(doc! { "ended_ms": null, "wish": { "$ne": Wish::Cancel.as_str() } });
        let mut fields = doc! { "wish": wish.as_str(), "wish_ms": at.as_ms() };
        fields.extend(new_rate.map(rate).unwrap_or_default());
        let (collections, change) = (&self.collections, Change::Update(doc! { "$set": fields }));
        let rows = &collections.replays;
        ActOnRow { collections, rows, its, change, unless: None, by }.commit().await
    }

    async fn claim_replay(
        &self,
        lease: &Lease,
        tenant: &TenantId,
        number: u64,
    ) -> Result<Option<Replay>, Error> {
        let term = lease.term.cast_signed();
        let open = doc! {
            "_id": id(tenant, number),
            "term": { "$lte": term },
            "ended_ms": null,
        };
        let claim = doc! { "$set": { "term": term } };
        let claimed = self.collections.replays.update_one(open, claim);
        if writing(claimed).await?.matched_count == 0 {
            return Ok(None);
        }
        let row = doc! { "_id": id(tenant, number), "term": term };
        let found = reading(self.collections.replays.find_one(row)).await?;
        found.map(|row| row.replay()).transpose().map_err(written)
    }

    async fn write_replay(&self, lease: &Lease, replay: &Replay) -> Result<LeaseCheck, Error> {
        let its = doc! {
            "_id": id(&replay.tenant, replay.number),
            "id": replay.id.to_string(),
            "term": { "$lte": lease.term.cast_signed() },
        };
        let fields = doc! { "$set": progress(&replay.progress) };
        let write = writing(self.collections.replays.update_one(its, fields)).await?;
        Ok(if write.matched_count == 1 { LeaseCheck::Held } else { LeaseCheck::Lost })
    }

    async fn drop_replays(&self, before: Time) -> Result<u64, Error> {
        let replays = &self.collections.replays;
        let last_of = |id: Document| {
            doc! { "$group": { "_id": id, "number": { "$max": "$_id.number" } } }
        };
        let of_targets = vec![
            doc! { "$match": { "target": { "$ne": null } } },
            last_of(doc! { "tenant": "$_id.tenant", "target": "$target" }),
        ];
        let of_tenants = vec![last_of(doc! { "tenant": "$_id.tenant" })];
        let session = &mut self.snapshot().await?;
        let mut last = bulk::aggregate(replays.aggregate(of_targets), session).await?;
        last.extend(bulk::aggregate(replays.aggregate(of_tenants), session).await?);
        let its =
            |row: &RawDocumentBuf| Ok(id(&row.tenant()?, row.integer("number")?.cast_unsigned()));
        let last = last.iter().map(its).collect::<Result<Vec<_>, Error>>()?;
        let ended = doc! { "ended_ms": { "$lt": before.as_ms() }, "_id": { "$nin": last } };
        Ok(writing(replays.delete_many(ended)).await?.deleted_count)
    }
}

impl Mongodb {
    async fn replays_found(&self, filter: Document, order: Document) -> Result<Vec<Replay>, Error> {
        let found = async {
            let rows = self.collections.replays.find(filter).sort(order).await?;
            rows.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| row.replay()).collect()
    }
}

fn id(tenant: &TenantId, number: u64) -> Document {
    doc! { "tenant": tenant.as_str(), "number": number.cast_signed() }
}

fn of_id(tenant: &TenantId, id: ReplayId) -> Document {
    doc! { "_id.tenant": tenant.as_str(), "id": id.to_string() }
}

fn rate(Rate { events_per_second, bytes_per_second }: Rate) -> Document {
    doc! {
        "events_per_second": events_per_second.map(i64::from),
        "bytes_per_second": bytes_per_second.map(u64::cast_signed),
    }
}

/// Returns the fields that the holder of the lane writes.
fn progress(progress: &Progress) -> Document {
    let Progress { position, sent, refused, closing, cause, ended } = progress;
    doc! {
        "position": position.as_column(),
        "sent_events": sent.events.cast_signed(),
        "sent_bytes": sent.bytes.cast_signed(),
        "skipped": sent.skipped.cast_signed(),
        "refused": refused.as_ref().map(Topic::as_str),
        "closing": closing.map(Position::as_column),
        "cause": cause.as_deref(),
        "outcome": ended.map(|(outcome, _)| outcome.as_str()),
        "ended_ms": ended.map(|(_, at)| at.as_ms()),
    }
}

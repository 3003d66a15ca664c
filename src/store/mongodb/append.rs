//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `append::plan` with what the store holds of
//! them, as `append::head_cache` remembers it or as it is found, and the store with its plan. The
//! heads are raised before anything else is written, if they still end where they did: whoever else has raised one
//! of them since the transaction's snapshot was taken, or tries to meanwhile, lets one of both
//! lose. So what the plan goes by still holds when it is written. Event ids are not remembered:
//! if one was given before, its row's key tells, and the append is run again by what is found.
//!
//! What is only known already is committed too, though it writes nothing but that it is no longer
//! under way: it may have been read before a majority had it, and must not be answered before it
//! does.

use std::collections::{BTreeSet, HashMap};

use ::mongodb::ClientSession;
use ::mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc, rawdoc};
use async_trait::async_trait;

use super::collections::{Collections, Rows};
use super::transaction::{TransactionBody, TransactionError};
use super::{bulk, rows};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::append::head_cache::{Checkout, HeadCache, Snapshot};
use crate::store::append::plan::{
    AppendPlan, FingerprintedBatch, IdempotencyRecord, LogState, NewEvent, plan,
};
use crate::store::{Batch, Error, Outcome, Receipt};

/// What MongoDB takes as one document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is seen of a head, which is raised or renewed: where its log ends, and which log that is.
pub(super) type HeadVersion = (LogId, Position);

/// One call, to be run in a transaction.
pub(super) struct Append<'a> {
    collections: &'a Collections,
    head_cache: &'a HeadCache<HeadVersion>,
    batches: Vec<FingerprintedBatch<'a>>,
}

/// What is true once it is committed, and what is to be remembered then.
pub(super) struct Planned {
    plan: AppendPlan,
    checkout: Checkout<HeadVersion>,
}

impl<'a> Append<'a> {
    /// Of these batches.
    pub(super) fn new(
        collections: &'a Collections,
        head_cache: &'a HeadCache<HeadVersion>,
        batches: &'a [Batch],
    ) -> Self {
        Self {
            collections,
            head_cache,
            batches: batches.iter().map(FingerprintedBatch::new).collect(),
        }
    }

    /// What to answer, now that it is committed.
    pub(super) fn committed(&self, Planned { plan, checkout }: Planned) -> Vec<Outcome> {
        self.head_cache.commit(checkout, &plan, |(log_id, _), last| (*log_id, last.position));
        plan.outcomes
    }

    /// What the store holds of the batches' tenants and event ids, and what time it is there.
    async fn snapshot(
        &self,
        session: &mut ClientSession,
    ) -> Result<Snapshot<HeadVersion>, TransactionError> {
        let Collections { heads, epochs, idempotency, .. } = self.collections;
        // All in one row: a transaction takes no union of collections.
        let found = vec![
            of(&self.tenants()),
            doc! { "$group": { "_id": null, "heads": { "$push": "$$ROOT" } } },
            doc! { "$set": { "now": "$$NOW" } },
            with(epochs, "epochs", &self.topics()),
            with(idempotency, "known", &self.event_ids()),
        ];
        let Some(found) = bulk::join(heads, found, session).await?.pop() else {
            return Ok(Snapshot {
                logs: HashMap::new(),
                versions: HashMap::new(),
                now: Time::ZERO,
            });
        };
        let (mut logs, mut versions) = (HashMap::new(), HashMap::new());
        for row in rows::documents(&found, "heads")? {
            let (tenant, log) = (rows::tenant(row)?, log_state(row)?);
            versions.insert(tenant.clone(), (log.log_id, log.position));
            logs.insert(tenant, log);
        }
        for row in rows::documents(&found, "epochs")? {
            let id = rows::document(row, "_id")?;
            if let Some(log) = logs.get_mut(&rows::noun(id, "tenant", TenantId::parse)?) {
                log.epochs.insert(rows::noun(id, "topic", Topic::parse)?, rows::position(row)?);
            }
        }
        for row in rows::documents(&found, "known")? {
            let id = rows::document(row, "_id")?;
            if let Some(log) = logs.get_mut(&rows::noun(id, "tenant", TenantId::parse)?) {
                log.known.insert(rows::event_id(id)?, idempotency_record(row)?);
            }
        }
        Ok(Snapshot { logs, versions, now: rows::date(&found, "now")? })
    }

    fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().map(FingerprintedBatch::batch)
    }

    fn tenants(&self) -> Vec<&str> {
        Vec::from_iter(self.batches().map(|batch| batch.tenant.as_str()).collect::<BTreeSet<_>>())
    }

    fn topics(&self) -> Vec<Document> {
        let topics: BTreeSet<_> = self
            .batches()
            .flat_map(|batch| batch.drafts.iter().map(|draft| (&batch.tenant, &draft.topic)))
            .collect();
        topics.into_iter().map(|(tenant, topic)| on(tenant, topic)).collect()
    }

    fn event_ids(&self) -> Vec<Document> {
        let ids = self.batches().flat_map(|batch| {
            let tenant = batch.tenant.as_str();
            batch
                .drafts
                .iter()
                .map(move |d| doc! { "tenant": tenant, "event_id": rows::uuid(d.event_id) })
        });
        ids.collect()
    }

    async fn insert(
        &self,
        plan: &AppendPlan,
        versions: &HashMap<TenantId, HeadVersion>,
        session: &mut ClientSession,
    ) -> Result<(), TransactionError> {
        let AppendPlan { new_events, heads, epochs, .. } = plan;
        if new_events.is_empty() {
            return Ok(());
        }
        let events = new_events.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let heads =
            heads.iter().map(|(tenant, end)| raise(tenant, versions[tenant], *end)).collect();
        bulk::update(&self.collections.heads, heads, session).await?;
        self.collections.events.insert_many(events).session(&mut *session).await?;
        let idempotency = new_events.iter().map(idempotency);
        self.collections.idempotency.insert_many(idempotency).session(&mut *session).await?;
        for ((tenant, topic), position) in epochs {
            let (ours, raise) = (
                doc! { "_id": on(tenant, topic) },
                doc! { "$set": { "position": position.as_column() } },
            );
            self.collections
                .epochs
                .update_one(ours, raise)
                .upsert(true)
                .session(&mut *session)
                .await?;
        }
        Ok(())
    }
}

#[async_trait]
impl TransactionBody for Append<'_> {
    type Done = Planned;

    async fn run(&self, session: &mut ClientSession) -> Result<Planned, TransactionError> {
        let mut checkout = self.head_cache.checkout(&self.batches);
        if let Some(Snapshot { logs, versions, now }) = checkout.predict(&self.batches) {
            let plan = plan(&self.batches, logs, now);
            if plan.is_all_new() {
                return match self.insert(&plan, &versions, session).await {
                    Ok(()) => Ok(Planned { plan, checkout }),
                    // A head ends elsewhere, or an event id was given before.
                    Err(TransactionError::Fatal(Error::Corrupt(why))) => {
                        Err(TransactionError::Retry(why))
                    }
                    Err(failed) => Err(failed),
                };
            }
        }
        let snapshot = self.snapshot(session).await?;
        checkout.refresh(&self.batches, &snapshot);
        let Snapshot { logs, versions, now } = snapshot;
        let plan = plan(&self.batches, logs, now);
        self.insert(&plan, &versions, session).await?;
        Ok(Planned { plan, checkout })
    }
}

/// The rows of these ids.
fn of<T: Clone + Into<Bson>>(ids: &[T]) -> Document {
    doc! { "$match": { "_id": { "$in": ids } } }
}

/// And those of another collection, as a field.
fn with(rows: &Rows, field: &str, ids: &[Document]) -> Document {
    doc! { "$lookup": { "from": rows.name(), "pipeline": [of(ids)], "as": field } }
}

fn log_state(row: &RawDocument) -> Result<LogState, Error> {
    Ok(LogState {
        log_id: rows::log_id(row)?,
        lane: rows::lane(row, "lane")?,
        position: rows::position(row)?,
        time: rows::time(row)?,
        epochs: HashMap::new(),
        known: HashMap::new(),
    })
}

fn idempotency_record(row: &RawDocument) -> Result<IdempotencyRecord, Error> {
    let receipt = Receipt { position: rows::position(row)?, time: rows::time(row)? };
    let fingerprint = rows::bytes(row, "fingerprint")?.try_into().map_err(|_| {
        let position = receipt.position;
        Error::Corrupt(format!("collection idempotency, position {position}: no fingerprint"))
    })?;
    Ok(IdempotencyRecord { receipt, fingerprint })
}

/// The id of a topic's epoch.
fn on(tenant: &TenantId, topic: &Topic) -> Document {
    doc! { "tenant": tenant.as_str(), "topic": topic.as_str() }
}

fn event(new_event: &NewEvent) -> Result<RawDocumentBuf, Error> {
    let row = rows::event(&new_event.envelope);
    let bytes = row.as_bytes().len();
    if bytes > DOCUMENT_BYTES_MAX {
        let id = new_event.envelope.event_id;
        return Err(Error::Refused(format!(
            "event {id} makes {bytes} bytes, MongoDB takes 16 MiB"
        )));
    }
    Ok(row)
}

fn idempotency(new_event: &NewEvent) -> RawDocumentBuf {
    let event = &new_event.envelope;
    rawdoc! {
        "_id": { "tenant": event.tenant.as_str(), "event_id": rows::uuid(event.event_id) },
        "position": event.position.as_column(),
        "time_ms": event.time.as_ms(),
        "fingerprint": rows::binary(&new_event.fingerprint),
    }
}

/// A head's new end, if it still is as it was seen; its mark lies above the time at which the
/// append was said to begin.
fn raise(tenant: &TenantId, (log_id, before): HeadVersion, end: Receipt) -> Document {
    let head = doc! { "_id": tenant.as_str(), "log_id": log_id.to_string(), "position": before.as_column() };
    let Receipt { position, time } = end;
    let end = doc! { "position": position.as_column(), "time_ms": time.as_ms(), "mark": "$$CLUSTER_TIME" };
    doc! { "q": head, "u": [{ "$set": end }] }
}

//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `judge` with what the store holds of them, as
//! `ends` remembers it or as it is found, and the store with its verdict. The heads are raised
//! before anything else is written, if they still end where they did: whoever else has raised one
//! of them since the transaction's snapshot was taken, or tries to meanwhile, lets one of both
//! lose. So what the verdict goes by still holds when it is written. Event ids are not remembered:
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
use super::transaction::{Body, Failed};
use super::{many, rows};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::ends::{Ends, Memory, State};
use crate::store::judge::{Entry, Known, Offer, Tail, Verdict, judge};
use crate::store::{Batch, Error, Outcome, Receipt};

/// What MongoDB takes as one document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is seen of a head, which is raised or renewed: where its log ends, and which log that is.
pub(super) type Seen = (LogId, Position);

/// One call, to be run in a transaction.
pub(super) struct Append<'a> {
    collections: &'a Collections,
    ends: &'a Ends<Seen>,
    offers: Vec<Offer<'a>>,
}

/// What is true once it is committed, and what is to be remembered then.
pub(super) struct Judged {
    verdict: Verdict,
    memory: Memory<Seen>,
}

impl<'a> Append<'a> {
    /// Of these batches.
    pub(super) fn new(
        collections: &'a Collections,
        ends: &'a Ends<Seen>,
        batches: &'a [Batch],
    ) -> Self {
        Self { collections, ends, offers: batches.iter().map(Offer::new).collect() }
    }

    /// What to answer, now that it is committed.
    pub(super) fn committed(&self, Judged { verdict, memory }: Judged) -> Vec<Outcome> {
        self.ends.put(memory, &verdict, |(log_id, _), last| (*log_id, last.position));
        verdict.outcomes
    }

    /// What the store holds of the batches' tenants and event ids, and what time it is there.
    async fn state(&self, session: &mut ClientSession) -> Result<State<Seen>, Failed> {
        let Collections { heads, epochs, idempotency, .. } = self.collections;
        // All in one row: a transaction takes no union of collections.
        let found = vec![
            of(&self.tenants()),
            doc! { "$group": { "_id": null, "heads": { "$push": "$$ROOT" } } },
            doc! { "$set": { "now": "$$NOW" } },
            with(epochs, "epochs", &self.topics()),
            with(idempotency, "known", &self.event_ids()),
        ];
        let Some(found) = many::join(heads, found, session).await?.pop() else {
            return Ok(State { tails: HashMap::new(), seen: HashMap::new(), now: Time::ZERO });
        };
        let (mut tails, mut seen) = (HashMap::new(), HashMap::new());
        for row in rows::documents(&found, "heads")? {
            let (tenant, tail) = (rows::tenant(row)?, tail(row)?);
            seen.insert(tenant.clone(), (tail.log_id, tail.position));
            tails.insert(tenant, tail);
        }
        for row in rows::documents(&found, "epochs")? {
            let id = rows::document(row, "_id")?;
            if let Some(tail) = tails.get_mut(&rows::noun(id, "tenant", TenantId::parse)?) {
                tail.epochs.insert(rows::noun(id, "topic", Topic::parse)?, rows::position(row)?);
            }
        }
        for row in rows::documents(&found, "known")? {
            let id = rows::document(row, "_id")?;
            if let Some(tail) = tails.get_mut(&rows::noun(id, "tenant", TenantId::parse)?) {
                tail.known.insert(rows::event_id(id)?, known(row)?);
            }
        }
        Ok(State { tails, seen, now: rows::date(&found, "now")? })
    }

    fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.offers.iter().map(Offer::batch)
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
        verdict: &Verdict,
        seen: &HashMap<TenantId, Seen>,
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        let Verdict { entries, heads, epochs, .. } = verdict;
        if entries.is_empty() {
            return Ok(());
        }
        let events = entries.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let heads = heads.iter().map(|(tenant, end)| raise(tenant, seen[tenant], *end)).collect();
        many::update(&self.collections.heads, heads, session).await?;
        self.collections.events.insert_many(events).session(&mut *session).await?;
        let idempotency = entries.iter().map(idempotency);
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
impl Body for Append<'_> {
    type Done = Judged;

    async fn run(&self, session: &mut ClientSession) -> Result<Judged, Failed> {
        let mut memory = self.ends.take(&self.offers);
        if let Some(State { tails, seen, now }) = memory.expected(&self.offers) {
            let verdict = judge(&self.offers, tails, now);
            if verdict.is_all_new() {
                return match self.insert(&verdict, &seen, session).await {
                    Ok(()) => Ok(Judged { verdict, memory }),
                    // A head ends elsewhere, or an event id was given before.
                    Err(Failed::Over(Error::Corrupt(why))) => Err(Failed::Again(why)),
                    Err(failed) => Err(failed),
                };
            }
        }
        let state = self.state(session).await?;
        memory.find(&self.offers, &state);
        let State { tails, seen, now } = state;
        let verdict = judge(&self.offers, tails, now);
        self.insert(&verdict, &seen, session).await?;
        Ok(Judged { verdict, memory })
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

fn tail(row: &RawDocument) -> Result<Tail, Error> {
    Ok(Tail {
        log_id: rows::log_id(row)?,
        lane: rows::lane(row, "lane")?,
        position: rows::position(row)?,
        time: rows::time(row)?,
        epochs: HashMap::new(),
        known: HashMap::new(),
    })
}

fn known(row: &RawDocument) -> Result<Known, Error> {
    let receipt = Receipt { position: rows::position(row)?, time: rows::time(row)? };
    let fingerprint = rows::bytes(row, "fingerprint")?.try_into().map_err(|_| {
        let position = receipt.position;
        Error::Corrupt(format!("collection idempotency, position {position}: no fingerprint"))
    })?;
    Ok(Known { receipt, fingerprint })
}

/// The id of a topic's epoch.
fn on(tenant: &TenantId, topic: &Topic) -> Document {
    doc! { "tenant": tenant.as_str(), "topic": topic.as_str() }
}

fn event(entry: &Entry) -> Result<RawDocumentBuf, Error> {
    let row = rows::event(&entry.envelope);
    let bytes = row.as_bytes().len();
    if bytes > DOCUMENT_BYTES_MAX {
        let id = entry.envelope.event_id;
        return Err(Error::Refused(format!(
            "event {id} makes {bytes} bytes, MongoDB takes 16 MiB"
        )));
    }
    Ok(row)
}

fn idempotency(entry: &Entry) -> RawDocumentBuf {
    let event = &entry.envelope;
    rawdoc! {
        "_id": { "tenant": event.tenant.as_str(), "event_id": rows::uuid(event.event_id) },
        "position": event.position.as_column(),
        "time_ms": event.time.as_ms(),
        "fingerprint": rows::binary(&entry.fingerprint),
    }
}

/// A head's new end, if it still is as it was seen; its mark lies above the time at which the
/// append was said to begin.
fn raise(tenant: &TenantId, (log_id, before): Seen, end: Receipt) -> Document {
    let head = doc! { "_id": tenant.as_str(), "log_id": log_id.to_string(), "position": before.as_column() };
    let Receipt { position, time } = end;
    let end = doc! { "position": position.as_column(), "time_ms": time.as_ms(), "mark": "$$CLUSTER_TIME" };
    doc! { "q": head, "u": [{ "$set": end }] }
}

//! Append: the only way into the logs.
//!
//! The port passes in batches of drafts; `append::attempt` makes the plan, which is written here.
//! The first attempt locks nothing: a plan is written by one statement, which commits itself, and
//! writes nothing if a head has another version or if an event id is known. If a head changed after
//! it was read, another replica appends to the same log: the next attempts are transactions that
//! lock the heads before they read them, so that they succeed. An append that is an act is one of
//! these from the start, since its entry is written with it.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::connection::{Connection, Sessions};
use super::error::committed;
use super::rows::{self, Statement};
use super::transaction::Transaction;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::append::batch::{self, FingerprintedBatch};
use crate::store::append::head_cache::HeadCache;
use crate::store::append::plan::AppendPlan;
use crate::store::append::snapshot::{LogState, Snapshot};
use crate::store::append::{self, AppendStore, HeadChanged, Versions};
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::{Batch, Error, Outcome};

/// The number of times that an append is run if another's lock undoes it.
pub(super) const TRIES_MAX: u32 = 3;

/// The version of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadVersion {
    /// The transaction that changed the head last; null if none did.
    mark: Option<i64>,
    /// The incarnation of the server of that transaction.
    incarnation: u64,
}

/// Appends the batches, all or none of them.
pub(super) async fn append(
    sessions: &Sessions,
    head_cache: &HeadCache<HeadVersion>,
    batches: &[Batch],
) -> Result<Vec<Outcome>, Error> {
    let is_act = batches.iter().flat_map(|batch| &batch.drafts).any(|draft| draft.act.is_some());
    let batches: Vec<_> = batches.iter().map(FingerprintedBatch::new).collect();
    if is_act {
        return locked(sessions, &batches).await;
    }
    let incarnation = sessions.incarnation();
    let connection = sessions.acquire().await?;
    let mut unlocked = Unlocked { sessions, connection, incarnation };
    let attempt = append::attempt(&mut unlocked, head_cache, &batches).await?;
    unlocked.connection.put_back();
    match attempt {
        Ok(appended) => Ok(appended.commit(head_cache)),
        Err(HeadChanged) => locked(sessions, &batches).await,
    }
}

/// Appends in transactions that lock the heads, without the cache.
async fn locked(
    sessions: &Sessions,
    batches: &[FingerprintedBatch<'_>],
) -> Result<Vec<Outcome>, Error> {
    let (nothing, mut tries) = (HeadCache::new(), 0);
    loop {
        tries += 1;
        let mut locked = Locked(sessions.begin().await?);
        match append::attempt(&mut locked, &nothing, batches).await {
            Err(TransactionError::Retry(_)) if tries < TRIES_MAX => {}
            // A tenant was enabled after the others were locked.
            Ok(Err(HeadChanged)) if tries < TRIES_MAX => {}
            Ok(Err(HeadChanged)) => {
                return Err(Error::Unavailable(
                    "other replicas append to the same logs".to_owned(),
                ));
            }
            Err(error) => return Err(error.into()),
            Ok(Ok(appended)) => {
                locked.0.commit().await?;
                return Ok(appended.commit(&nothing));
            }
        }
    }
}

/// An append by statements each of which commits itself.
struct Unlocked<'a> {
    sessions: &'a Sessions,
    connection: Connection,
    /// The server's incarnation before the connection was acquired.
    incarnation: u64,
}

#[async_trait]
impl AppendStore for Unlocked<'_> {
    type HeadVersion = HeadVersion;
    type Error = Error;

    fn is_current(&self, versions: &Versions<HeadVersion>) -> bool {
        let incarnation = self.sessions.incarnation();
        versions.values().all(|version| version.incarnation == incarnation)
    }

    async fn read(
        &mut self,
        batches: &[FingerprintedBatch<'_>],
    ) -> Result<Snapshot<HeadVersion>, Error> {
        snapshot(&self.connection.find(find(batches)).await?, self.incarnation)
    }

    async fn write(
        &mut self,
        plan: &AppendPlan,
        versions: &mut Versions<HeadVersion>,
    ) -> Result<Result<(), HeadChanged>, Error> {
        let told = match self.connection.write_rows(new_rows(plan, versions)).await {
            Err(TransactionError::Retry(_)) => return Ok(Err(HeadChanged)),
            told => told?,
        };
        // The statement has committed itself: whatever is wrong now, something may have been
        // written.
        let written = written(plan, &told).map_err(committed)?;
        if written.is_ok() {
            let mark = told.first().map(|row| row.integer("version")).transpose();
            let mark = mark.map_err(committed)?;
            versions.values_mut().for_each(|version| version.mark = mark);
        }
        Ok(written)
    }

    /// Commits, though nothing is written: a server that lost its standby may show data that no
    /// standby has, and a commit waits until one has it.
    async fn write_nothing(&mut self, batches: &[FingerprintedBatch<'_>]) -> Result<(), Error> {
        self.connection.write_rows(lock(batches)).await?;
        Ok(())
    }
}

/// Appends a batch of the gateway's own, if it has drafts, in an open transaction that has locked
/// its log's head.
pub(super) async fn append_in(
    session: Transaction,
    batch: &Batch,
) -> Result<(Transaction, Vec<Outcome>), TransactionError> {
    if batch.drafts.is_empty() {
        return Ok((session, Vec::new()));
    }
    let (nothing, batches) = (HeadCache::new(), [FingerprintedBatch::own(batch)]);
    let mut locked = Locked(session);
    match append::attempt(&mut locked, &nothing, &batches).await? {
        Ok(appended) => Ok((locked.0, appended.commit(&nothing))),
        Err(HeadChanged) => {
            let why = format!("the log of tenant `{}` has changed", batch.tenant);
            Err(TransactionError::Retry(Error::Unavailable(why)))
        }
    }
}

/// An append in a transaction that locks the heads before it reads them.
struct Locked(Transaction);

#[async_trait]
impl AppendStore for Locked {
    type HeadVersion = HeadVersion;
    type Error = TransactionError;

    async fn read(
        &mut self,
        batches: &[FingerprintedBatch<'_>],
    ) -> Result<Snapshot<HeadVersion>, TransactionError> {
        self.0.run(lock(batches)).await?;
        Ok(snapshot(&self.0.find(find(batches)).await?, 0)?)
    }

    async fn write(
        &mut self,
        plan: &AppendPlan,
        versions: &mut Versions<HeadVersion>,
    ) -> Result<Result<(), HeadChanged>, TransactionError> {
        let written = written(plan, &self.0.find(new_rows(plan, versions)).await?)?;
        if written.is_ok() {
            for act in plan.acts() {
                self.0.note(Some(act)).await?;
            }
        }
        Ok(written)
    }
}

pub(super) fn lock(batches: &[FingerprintedBatch]) -> Statement {
    rows::of_tenants(sql!("postgres/head_lock.sql"), &Vec::from_iter(batch::tenants(batches)))
}

/// Finds the heads of the batches' tenants, the last DELETE_ALL of each topic, and known event ids.
fn find(batches: &[FingerprintedBatch]) -> Statement {
    let topics = batch::topics(batches);
    let tenants: Vec<_> = topics.keys().copied().collect();
    let (of_topics, topics): (Vec<_>, Vec<_>) = topics
        .iter()
        .flat_map(|(tenant, topics)| topics.iter().map(|topic| (tenant.as_str(), topic.as_str())))
        .unzip();
    let (of_ids, event_ids): (Vec<_>, Vec<_>) = batches
        .iter()
        .map(FingerprintedBatch::batch)
        .flat_map(|b| b.drafts.iter().map(|d| (b.tenant.as_str(), d.event_id.to_string())))
        .unzip();
    let find = rows::of_tenants(sql!("postgres/append_find.sql"), &tenants);
    find.bind(of_topics).bind(topics).bind(of_ids).bind(event_ids)
}

/// Reads the snapshot from the rows, with the incarnation of the server.
fn snapshot(found: &[PgRow], incarnation: u64) -> Result<Snapshot<HeadVersion>, Error> {
    let (mut logs, mut versions, mut now, mut details) =
        (HashMap::<_, LogState>::new(), HashMap::new(), None, vec![]);
    for row in found {
        if let Some(now_ms) = row.integer_if_any("now_ms")? {
            now = Some(Time::from_ms(now_ms));
        } else if row.text_if_any("log_id")?.is_some() {
            let head = row.head()?;
            let tenant = head.tenant.clone();
            versions.insert(
                tenant.clone(),
                HeadVersion { mark: row.integer_if_any("version")?, incarnation },
            );
            logs.insert(tenant, LogState::from(head));
        } else {
            details.push(row);
        }
    }
    for row in details {
        let Some(log) = logs.get_mut(&row.tenant()?) else { continue };
        if row.text_if_any("topic")?.is_some() {
            log.delete_alls.insert(row.topic()?, row.position()?);
        } else {
            log.known.extend([row.idempotency_record()?]);
        }
    }
    let now = now.ok_or_else(|| Error::Corrupt("the answer has no time".to_owned()))?;
    Ok(Snapshot { logs, versions, now })
}

/// Writes a plan, unless a head has another version or an event id is known.
fn new_rows(plan: &AppendPlan, versions: &Versions<HeadVersion>) -> Statement {
    let AppendPlan { new_events, heads, delete_alls, .. } = plan;
    let events = || new_events.iter().map(|new_event| &new_event.envelope);
    sqlx::query(sql!("postgres/append_write.sql"))
        .bind(events().map(|e| e.tenant.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.position.as_column()).collect::<Vec<_>>())
        .bind(events().map(|e| e.event_id.to_string()).collect::<Vec<_>>())
        .bind(events().map(|e| e.topic.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.key.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.event_type.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.time.as_ms()).collect::<Vec<_>>())
        .bind(events().map(|e| e.last_delete_all.map(Position::as_column)).collect::<Vec<_>>())
        .bind(events().map(|e| e.headers.as_column()).collect::<Vec<_>>())
        .bind(events().map(|e| &e.payload[..]).collect::<Vec<_>>())
        .bind(new_events.iter().map(|new_event| &new_event.fingerprint[..]).collect::<Vec<_>>())
        .bind(delete_alls.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(delete_alls.keys().map(|(_, topic)| topic.as_str()).collect::<Vec<_>>())
        .bind(delete_alls.values().map(|position| position.as_column()).collect::<Vec<_>>())
        .bind(heads.keys().map(TenantId::as_str).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.position.as_column()).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.time.as_ms()).collect::<Vec<_>>())
        .bind(heads.keys().map(|tenant| versions[tenant].mark).collect::<Vec<_>>())
}

/// Returns whether a plan was written or nothing was; an error if only a part was.
fn written(plan: &AppendPlan, told: &[PgRow]) -> Result<Result<(), HeadChanged>, Error> {
    let AppendPlan { new_events, heads, delete_alls, .. } = plan;
    match rows::count_in(told, "written")? {
        0 => Ok(Err(HeadChanged)),
        written => {
            let all = 2 * new_events.len() + delete_alls.len() + heads.len();
            rows::ensure_rows(written.unsigned_abs(), all).map(|()| Ok(()))
        }
    }
}

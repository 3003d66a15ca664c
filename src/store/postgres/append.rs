//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `append::plan` with what the store holds of
//! them, and the store with its plan. What is gone by is one snapshot, as `append::head_cache`
//! remembers it or as it is found; what is written is one statement, and writes nothing if a head has changed since, or if
//! an event id was given before. If it was found and has changed, another replica appends to the
//! same log, and it is done again with the heads locked before they are read, so that it isn't in
//! vain.

use std::collections::{BTreeSet, HashMap};

use sqlx::postgres::PgRow;

use super::error::committed;
use super::rows::{self, Statement};
use super::session::{Session, Sessions};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::append::head_cache::{HeadCache, Snapshot};
use crate::store::append::plan::{AppendPlan, FingerprintedBatch, LogState, plan};
use crate::store::sql::{self, Columns};
use crate::store::{Batch, Error, Outcome};

/// How often an append is run that another's lock undoes.
const TRIES_MAX: u32 = 3;

/// What is seen of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadVersion {
    /// The transaction that changed it last; null in one that never changed.
    mark: Option<i64>,
    /// The run of the server whose transaction it is.
    incarnation: u64,
}

/// Appends the batches, all or none of them.
pub(super) async fn append(
    sessions: &Sessions,
    head_cache: &HeadCache<HeadVersion>,
    batches: &[Batch],
) -> Result<Vec<Outcome>, Error> {
    let batches: Vec<_> = batches.iter().map(FingerprintedBatch::new).collect();
    if let Some(outcomes) = unlocked(sessions, head_cache, &batches).await? {
        return Ok(outcomes);
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let mut session = sessions.begin().await?;
        match locked(&mut session, &batches).await {
            Err(_) if session.is_retryable() && tries < TRIES_MAX => {}
            // A tenant that was introduced after the others were locked.
            Ok(None) if tries < TRIES_MAX => {}
            outcomes => {
                let others = || Error::Unavailable("others append to the same logs".to_owned());
                let outcomes = outcomes?.ok_or_else(others)?;
                session.commit().await?;
                return Ok(outcomes);
            }
        }
    }
}

/// By statements that each stand alone; `None`: nothing was written, since somebody else was there.
async fn unlocked(
    sessions: &Sessions,
    head_cache: &HeadCache<HeadVersion>,
    batches: &[FingerprintedBatch<'_>],
) -> Result<Option<Vec<Outcome>>, Error> {
    let mut checkout = head_cache.checkout(batches);
    let incarnation = sessions.incarnation();
    let mut session = sessions.acquire().await?;
    if let Some(Snapshot { logs, versions, now }) = checkout.predict(batches) {
        let plan = plan(batches, logs, now);
        if plan.is_all_new()
            && versions.values().all(|seen| seen.incarnation == sessions.incarnation())
            && let Some(mark) = write(&mut session, &plan, &versions).await?
        {
            session.put_back();
            head_cache.commit(checkout, &plan, |seen, _| HeadVersion { mark: Some(mark), ..*seen });
            return Ok(Some(plan.outcomes));
        }
    }
    let snapshot = snapshot(&session.find(asked(batches)).await?, incarnation)?;
    checkout.refresh(batches, &snapshot);
    let Snapshot { logs, versions, now } = snapshot;
    let plan = plan(batches, logs, now);
    if plan.new_events.is_empty() {
        // A commit all the same: a server that lost its standby may show what no standby has, and a
        // commit waits for that.
        session.write(lock(batches)).await?;
        head_cache.commit(checkout, &plan, |seen, _| *seen);
        return Ok(Some(plan.outcomes));
    }
    let written = write(&mut session, &plan, &versions).await?;
    session.put_back();
    let Some(mark) = written else { return Ok(None) };
    head_cache.commit(checkout, &plan, |seen, _| HeadVersion { mark: Some(mark), ..*seen });
    Ok(Some(plan.outcomes))
}

/// Writes what still holds; tells the heads' new mark, `None` if nothing was written.
async fn write(
    session: &mut Session,
    plan: &AppendPlan,
    versions: &HashMap<TenantId, HeadVersion>,
) -> Result<Option<i64>, Error> {
    let told = match session.write_rows(new_rows(plan, versions)).await {
        Err(_) if session.is_retryable() => return Ok(None),
        told => told?,
    };
    // It has committed itself: whatever is odd now, something may have been written.
    mark(plan, &told).map_err(committed)
}

/// The heads' new mark, if anything was written.
fn mark(plan: &AppendPlan, told: &[PgRow]) -> Result<Option<i64>, Error> {
    let whole = is_whole(plan, told)?;
    told.first().filter(|_| whole).map(|row| row.integer("mark")).transpose()
}

/// All but the commit of a transaction; `None` as above.
async fn locked(
    session: &mut Session,
    batches: &[FingerprintedBatch<'_>],
) -> Result<Option<Vec<Outcome>>, Error> {
    session.run(lock(batches)).await?;
    let Snapshot { logs, versions, now } = snapshot(&session.find(asked(batches)).await?, 0)?;
    let plan = plan(batches, logs, now);
    let written = plan.new_events.is_empty()
        || is_whole(&plan, &session.find(new_rows(&plan, &versions)).await?)?;
    Ok(written.then_some(plan.outcomes))
}

fn tenants<'a>(batches: &'a [FingerprintedBatch]) -> Vec<&'a TenantId> {
    Vec::from_iter(batches.iter().map(|batch| &batch.batch().tenant).collect::<BTreeSet<_>>())
}

fn lock(batches: &[FingerprintedBatch]) -> Statement {
    rows::of_tenants(sql!("postgres/head_lock.sql"), &tenants(batches))
}

/// What is asked: of each tenant, of each topic and of each event id of the batches.
fn asked(batches: &[FingerprintedBatch]) -> Statement {
    let each = || batches.iter().map(FingerprintedBatch::batch);
    let drafts = || each().flat_map(|b| b.drafts.iter().map(|draft| (b.tenant.as_str(), draft)));
    let topics: BTreeSet<_> =
        drafts().map(|(tenant, draft)| (tenant, draft.topic.as_str())).collect();
    let (of_topics, topics): (Vec<_>, Vec<_>) = topics.into_iter().unzip();
    let (of_ids, event_ids): (Vec<_>, Vec<_>) =
        drafts().map(|(tenant, draft)| (tenant, draft.event_id.to_string())).unzip();
    let find = rows::of_tenants(sql!("postgres/append_find.sql"), &tenants(batches));
    find.bind(of_topics).bind(topics).bind(of_ids).bind(event_ids)
}

/// What was found in that run of the server.
fn snapshot(found: &[PgRow], incarnation: u64) -> Result<Snapshot<HeadVersion>, Error> {
    let (mut logs, mut versions, mut now, mut details) =
        (HashMap::<_, LogState>::new(), HashMap::new(), None, vec![]);
    for row in found {
        if let Some(now_ms) = row.integer_if_any("now_ms")? {
            now = Some(Time::from_ms(now_ms));
        } else if row.text_if_any("log_id")?.is_some() {
            let (tenant, log) = sql::log_state(row)?;
            versions.insert(
                tenant.clone(),
                HeadVersion { mark: row.integer_if_any("mark")?, incarnation },
            );
            logs.insert(tenant, log);
        } else {
            details.push(row);
        }
    }
    for row in details {
        let Some(log) = logs.get_mut(&sql::tenant(row)?) else { continue };
        if row.text_if_any("topic")?.is_some() {
            log.epochs.insert(sql::topic(row)?, sql::position(row)?);
        } else {
            let (_, event_id, known) = sql::idempotency_record(row)?;
            log.known.insert(event_id, known);
        }
    }
    let now = now.ok_or_else(|| Error::Corrupt("the clock tells nothing".to_owned()))?;
    Ok(Snapshot { logs, versions, now })
}

/// What is written, unless a head has another mark or an event id was given before.
fn new_rows(plan: &AppendPlan, versions: &HashMap<TenantId, HeadVersion>) -> Statement {
    let AppendPlan { new_events, heads, epochs, .. } = plan;
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
        .bind(epochs.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(epochs.keys().map(|(_, topic)| topic.as_str()).collect::<Vec<_>>())
        .bind(epochs.values().map(|position| position.as_column()).collect::<Vec<_>>())
        .bind(heads.keys().map(TenantId::as_str).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.position.as_column()).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.time.as_ms()).collect::<Vec<_>>())
        .bind(heads.keys().map(|tenant| versions[tenant].mark).collect::<Vec<_>>())
}

/// Whether all of it was written, or nothing.
fn is_whole(plan: &AppendPlan, told: &[PgRow]) -> Result<bool, Error> {
    let AppendPlan { new_events, heads, epochs, .. } = plan;
    match rows::count_in(told, "written")? {
        0 => Ok(false),
        written => rows::ensure_rows(
            written.unsigned_abs(),
            2 * new_events.len() + epochs.len() + heads.len(),
        )
        .map(|()| true),
    }
}

//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `judge` with what the store holds of them,
//! and the store with its verdict. The tenants' heads are locked first, in their order, by a
//! statement of its own: what later statements read of these tenants is what was committed before,
//! and holds until this commit.

use std::collections::{BTreeSet, HashMap};

use super::rows::{self, Statement};
use super::session::{Session, Sessions};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::judge::{Entry, Offer, Tail, Verdict, judge};
use crate::store::{Batch, Error, Outcome, sql};

/// How often an append is run that another's lock undoes.
const TRIES_MAX: u32 = 3;

/// Appends the batches in one transaction.
pub(super) async fn append(sessions: &Sessions, batches: &[Batch]) -> Result<Vec<Outcome>, Error> {
    let offers: Vec<_> = batches.iter().map(Offer::new).collect();
    let mut tries = 0;
    loop {
        tries += 1;
        let mut session = sessions.begin().await?;
        let verdict = match write(&mut session, batches, &offers).await {
            Err(_) if session.is_victim() && tries < TRIES_MAX => continue,
            verdict => verdict?,
        };
        // What was only found is answered after a commit too: a server that lost its standby may show
        // what no standby has, and its commit waits for that.
        session.commit().await?;
        return Ok(verdict.outcomes);
    }
}

/// All but the commit.
async fn write(session: &mut Session, batches: &[Batch], offers: &[Offer<'_>]) -> Result<Verdict, Error> {
    let tails = tails(session, batches).await?;
    let verdict = judge(offers, tails, now(session).await?);
    if !verdict.entries.is_empty() {
        insert(session, &verdict).await?;
    }
    Ok(verdict)
}

/// What the store holds of the batches' tenants and event ids.
async fn tails(session: &mut Session, batches: &[Batch]) -> Result<HashMap<TenantId, Tail>, Error> {
    let tenants: BTreeSet<_> = batches.iter().map(|batch| &batch.tenant).collect();
    let lock = rows::of_tenants(sql!("postgres/head_lock.sql"), &Vec::from_iter(tenants));
    let locked = session.find(lock).await?;
    let mut tails: HashMap<_, _> = locked.iter().map(sql::tail).collect::<Result<_, _>>()?;
    for row in session.find(epochs_of(batches)).await? {
        if let Some(tail) = tails.get_mut(&sql::tenant(&row)?) {
            tail.epochs.insert(sql::topic(&row)?, sql::position(&row)?);
        }
    }
    for row in session.find(known_of(batches)).await? {
        let (tenant, event_id, known) = sql::known(&row)?;
        if let Some(tail) = tails.get_mut(&tenant) {
            tail.known.insert(event_id, known);
        }
    }
    Ok(tails)
}

fn epochs_of(batches: &[Batch]) -> Statement {
    let asked = batches.iter().flat_map(|b| b.drafts.iter().map(|d| (b.tenant.as_str(), d.topic.as_str())));
    let asked: BTreeSet<_> = asked.collect();
    let (tenants, topics): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    sqlx::query(sql!("postgres/epoch_find.sql")).bind(tenants).bind(topics)
}

fn known_of(batches: &[Batch]) -> Statement {
    let asked =
        batches.iter().flat_map(|b| b.drafts.iter().map(|d| (b.tenant.as_str(), d.event_id.to_string())));
    let (tenants, event_ids): (Vec<_>, Vec<_>) = asked.unzip();
    sqlx::query(sql!("postgres/idempotency_find.sql")).bind(tenants).bind(event_ids)
}

/// The server's time, now that all locks are held.
async fn now(session: &mut Session) -> Result<Time, Error> {
    let rows = session.find(sqlx::query(sql!("postgres/clock.sql"))).await?;
    rows.first().map_or_else(|| Err(Error::Corrupt("the clock tells nothing".to_owned())), sql::time)
}

async fn insert(session: &mut Session, verdict: &Verdict) -> Result<(), Error> {
    let Verdict { entries, heads, epochs, .. } = verdict;
    session.insert(events(entries), entries.len()).await?;
    session.insert(idempotency(entries), entries.len()).await?;
    if !epochs.is_empty() {
        let raise = sqlx::query(sql!("postgres/epoch_raise.sql"))
            .bind(epochs.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
            .bind(epochs.keys().map(|(_, topic)| topic.as_str()).collect::<Vec<_>>())
            .bind(epochs.values().map(|position| position.as_column()).collect::<Vec<_>>());
        session.insert(raise, epochs.len()).await?;
    }
    let raise = sqlx::query(sql!("postgres/head_raise.sql"))
        .bind(heads.keys().map(TenantId::as_str).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.position.as_column()).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.time.as_ms()).collect::<Vec<_>>());
    session.insert(raise, heads.len()).await
}

fn events(entries: &[Entry]) -> Statement {
    let events = || entries.iter().map(|entry| &entry.envelope);
    sqlx::query(sql!("postgres/event_insert.sql"))
        .bind(events().map(|e| e.tenant.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.position.as_column()).collect::<Vec<_>>())
        .bind(events().map(|e| e.event_id.to_string()).collect::<Vec<_>>())
        .bind(events().map(|e| e.topic.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.key.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.event_type.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.time.as_ms()).collect::<Vec<_>>())
        .bind(events().map(|e| e.epoch.map(Position::as_column)).collect::<Vec<_>>())
        .bind(events().map(|e| e.headers.as_column()).collect::<Vec<_>>())
        .bind(events().map(|e| &e.payload[..]).collect::<Vec<_>>())
}

fn idempotency(entries: &[Entry]) -> Statement {
    let events = || entries.iter().map(|entry| &entry.envelope);
    sqlx::query(sql!("postgres/idempotency_insert.sql"))
        .bind(events().map(|e| e.tenant.as_str()).collect::<Vec<_>>())
        .bind(events().map(|e| e.event_id.to_string()).collect::<Vec<_>>())
        .bind(events().map(|e| e.position.as_column()).collect::<Vec<_>>())
        .bind(events().map(|e| e.time.as_ms()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| &entry.fingerprint[..]).collect::<Vec<_>>())
}

//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `judge` with what the store holds of them,
//! and the store with its verdict. Under `BEGIN IMMEDIATE` nobody else writes, so what was read
//! before the verdict still holds when it is written.

use std::collections::{BTreeSet, HashMap};

use sqlx::sqlite::SqliteConnection;

use super::rows;
use super::writer::Writer;
use crate::clock::Clock;
use crate::domain::event::EventId;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::judge::{Entry, Known, Offer, Tail, Verdict, judge};
use crate::store::{Batch, Error, Outcome, sql};

/// Appends the batches in one transaction; writes nothing where nothing is new.
pub(super) async fn append(
    writer: &Writer,
    clock: &dyn Clock,
    batches: &[Batch],
) -> Result<Vec<Outcome>, Error> {
    let offers: Vec<_> = batches.iter().map(Offer::new).collect();
    let mut writing = writer.begin().await?;
    let tails = tails(writing.connection(), batches).await?;
    let verdict = judge(&offers, tails, clock.now());
    if verdict.entries.is_empty() {
        writing.rollback().await?;
    } else {
        insert(writing.connection(), &verdict).await?;
        writing.commit().await?;
    }
    Ok(verdict.outcomes)
}

/// What the store holds of the batches' tenants and event ids.
async fn tails(
    connection: &mut SqliteConnection,
    batches: &[Batch],
) -> Result<HashMap<TenantId, Tail>, Error> {
    let tenants: BTreeSet<_> = batches.iter().map(|batch| &batch.tenant).collect();
    let tenants = Vec::from_iter(tenants);
    let mut tails = heads(connection, &tenants).await?;
    for row in rows::of_tenants(connection, sql!("sqlite/epoch_find.sql"), &tenants).await? {
        if let Some(tail) = tails.get_mut(&sql::tenant(&row)?) {
            tail.epochs.insert(sql::topic(&row)?, sql::position(&row)?);
        }
    }
    let asked: Vec<_> =
        batches.iter().flat_map(|b| b.drafts.iter().map(|d| (&b.tenant, d.event_id))).collect();
    for (tenant, event_id, known) in known(connection, &asked).await? {
        if let Some(tail) = tails.get_mut(&tenant) {
            tail.known.insert(event_id, known);
        }
    }
    Ok(tails)
}

async fn heads(
    connection: &mut SqliteConnection,
    tenants: &[&TenantId],
) -> Result<HashMap<TenantId, Tail>, Error> {
    let found = rows::of_tenants(connection, sql!("sqlite/head_lock.sql"), tenants).await?;
    found.iter().map(sql::tail).collect()
}

async fn known(
    connection: &mut SqliteConnection,
    asked: &[(&TenantId, EventId)],
) -> Result<Vec<(TenantId, EventId, Known)>, Error> {
    let found =
        rows::find(connection, sql!("sqlite/idempotency_find.sql"), asked, |s, (tenant, event_id)| {
            s.bind(tenant.as_str()).bind(&event_id.as_bytes()[..])
        });
    found.await?.iter().map(sql::known).collect()
}

async fn insert(connection: &mut SqliteConnection, verdict: &Verdict) -> Result<(), Error> {
    let Verdict { entries, heads, epochs, .. } = verdict;
    rows::write(connection, sql!("sqlite/event_insert.sql"), entries, event).await?;
    rows::write(connection, sql!("sqlite/idempotency_insert.sql"), entries, idempotency).await?;
    let epochs: Vec<_> = epochs.iter().collect();
    rows::write(connection, sql!("sqlite/epoch_raise.sql"), &epochs, |s, ((tenant, topic), position)| {
        s.bind(tenant.as_str()).bind(topic.as_str()).bind(position.as_column())
    })
    .await?;
    let heads: Vec<_> = heads.iter().collect();
    rows::write(connection, sql!("sqlite/head_raise.sql"), &heads, |s, (tenant, receipt)| {
        s.bind(tenant.as_str()).bind(receipt.position.as_column()).bind(receipt.time.as_ms())
    })
    .await
}

fn event(statement: rows::Statement, entry: &Entry) -> rows::Statement {
    let event = &entry.envelope;
    statement
        .bind(event.tenant.as_str())
        .bind(event.position.as_column())
        .bind(&event.event_id.as_bytes()[..])
        .bind(event.topic.as_str())
        .bind(event.key.as_str())
        .bind(event.event_type.as_str())
        .bind(event.time.as_ms())
        .bind(event.epoch.map(Position::as_column))
        .bind(event.headers.as_column())
        .bind(&event.payload[..])
}

fn idempotency(statement: rows::Statement, entry: &Entry) -> rows::Statement {
    let event = &entry.envelope;
    statement
        .bind(event.tenant.as_str())
        .bind(&event.event_id.as_bytes()[..])
        .bind(event.position.as_column())
        .bind(event.time.as_ms())
        .bind(&entry.fingerprint[..])
}

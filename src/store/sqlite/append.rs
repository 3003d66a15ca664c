//! Append: the only way into the logs.
//!
//! The port passes in batches of drafts; `append::plan` plans them on the store's state, and the
//! plan is written. There is no other writer, so the state that was read still holds when the plan
//! is written.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::{rows, trail};
use crate::clock::Clock;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::append::batch::{self, FingerprintedBatch};
use crate::store::append::plan::{AppendPlan, NewEvent, plan};
use crate::store::append::snapshot::LogState;
use crate::store::columns::Columns;
use crate::store::{Batch, Error, Outcome};

/// Appends batches in this transaction; writes nothing if nothing is new.
pub(super) fn append(
    writing: &Connection,
    clock: &dyn Clock,
    batches: &[FingerprintedBatch],
) -> Result<Vec<Outcome>, Error> {
    let plan = plan(batches, logs(writing, batches)?, clock.now());
    insert(writing, &plan)?;
    for act in plan.acts() {
        trail::note(writing, clock.now(), Some(act))?;
    }
    Ok(plan.outcomes)
}

/// Returns the logs of the batches' tenants, with those of the batches' event ids that are known.
fn logs(
    writing: &Connection,
    batches: &[FingerprintedBatch],
) -> Result<HashMap<TenantId, LogState>, Error> {
    let mut logs = HashMap::new();
    for tenant in batch::tenants(batches) {
        let head =
            rows::find_one(writing, sql!("sqlite/head_find.sql"), [tenant.as_str()], |r| r.head());
        let Some(head) = head? else { continue };
        let mut log = LogState::from(head);
        let epoch = |row: &rows::Row| Ok((row.topic()?, row.position()?));
        log.delete_alls.extend(rows::find(
            writing,
            sql!("sqlite/delete_all_find.sql"),
            [tenant.as_str()],
            epoch,
        )?);
        logs.insert(tenant.clone(), log);
    }
    for Batch { tenant, drafts } in batches.iter().map(FingerprintedBatch::batch) {
        let Some(log) = logs.get_mut(tenant) else { continue };
        for event_id in drafts.iter().map(|draft| draft.event_id) {
            let asked = params![tenant.as_str(), event_id.as_bytes()];
            let known = rows::find_one(writing, sql!("sqlite/idempotency_find.sql"), asked, |r| {
                r.idempotency_record()
            });
            log.known.extend(known?);
        }
    }
    Ok(logs)
}

fn insert(writing: &Connection, plan: &AppendPlan) -> Result<(), Error> {
    for new_event in &plan.new_events {
        event(writing, new_event)?;
        idempotency(writing, new_event)?;
    }
    for ((tenant, topic), position) in &plan.delete_alls {
        let epoch = params![tenant.as_str(), topic.as_str(), position.as_column()];
        rows::write(writing, sql!("sqlite/delete_all_raise.sql"), epoch)?;
    }
    for (tenant, last) in &plan.heads {
        let head = params![last.position.as_column(), last.time.as_ms(), tenant.as_str()];
        rows::write(writing, sql!("sqlite/head_raise.sql"), head)?;
    }
    Ok(())
}

fn event(writing: &Connection, new_event: &NewEvent) -> Result<(), Error> {
    let event = &new_event.envelope;
    let columns = params![
        event.tenant.as_str(),
        event.position.as_column(),
        event.event_id.as_bytes(),
        event.topic.as_str(),
        event.key.as_str(),
        event.event_type.as_str(),
        event.time.as_ms(),
        event.last_delete_all.map(Position::as_column),
        event.headers.as_column(),
        &event.payload[..],
    ];
    rows::write(writing, sql!("sqlite/event_insert.sql"), columns)
}

fn idempotency(writing: &Connection, new_event: &NewEvent) -> Result<(), Error> {
    let event = &new_event.envelope;
    let columns = params![
        event.tenant.as_str(),
        event.event_id.as_bytes(),
        event.position.as_column(),
        event.time.as_ms(),
        new_event.fingerprint,
    ];
    rows::write(writing, sql!("sqlite/idempotency_insert.sql"), columns)
}

//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `judge` with what the store holds of them,
//! and the store with its verdict. Nobody else writes meanwhile, so what was read before the
//! verdict still holds when it is written.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, params};

use super::rows;
use crate::clock::Clock;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::judge::{Entry, Offer, Tail, Verdict, judge};
use crate::store::{Batch, Error, Outcome, sql};

/// Appends what is offered in this transaction; writes nothing where nothing is new.
pub(super) fn append(
    writing: &Connection,
    clock: &dyn Clock,
    offers: &[Offer],
) -> Result<Vec<Outcome>, Error> {
    let verdict = judge(offers, tails(writing, offers)?, clock.now());
    insert(writing, &verdict)?;
    Ok(verdict.outcomes)
}

/// What the store holds of the batches' tenants and event ids.
fn tails(writing: &Connection, offers: &[Offer]) -> Result<HashMap<TenantId, Tail>, Error> {
    let mut tails = HashMap::new();
    for tenant in offers.iter().map(|offer| &offer.batch().tenant).collect::<BTreeSet<_>>() {
        let head = rows::find_one(writing, sql!("sqlite/head_find.sql"), [tenant.as_str()], |r| {
            sql::tail(r)
        });
        let Some((tenant, mut tail)) = head? else { continue };
        let epoch = |row: &rusqlite::Row| Ok((sql::topic(row)?, sql::position(row)?));
        tail.epochs.extend(rows::find(
            writing,
            sql!("sqlite/epoch_find.sql"),
            [tenant.as_str()],
            epoch,
        )?);
        tails.insert(tenant, tail);
    }
    for Batch { tenant, drafts } in offers.iter().map(Offer::batch) {
        let Some(tail) = tails.get_mut(tenant) else { continue };
        for event_id in drafts.iter().map(|draft| draft.event_id) {
            let asked = params![tenant.as_str(), event_id.as_bytes()];
            let known = rows::find_one(writing, sql!("sqlite/idempotency_find.sql"), asked, |r| {
                sql::known(r)
            });
            tail.known.extend(known?.map(|(_, event_id, known)| (event_id, known)));
        }
    }
    Ok(tails)
}

fn insert(writing: &Connection, verdict: &Verdict) -> Result<(), Error> {
    for entry in &verdict.entries {
        event(writing, entry)?;
        idempotency(writing, entry)?;
    }
    for ((tenant, topic), position) in &verdict.epochs {
        let epoch = params![tenant.as_str(), topic.as_str(), position.as_column()];
        rows::write(writing, sql!("sqlite/epoch_raise.sql"), epoch)?;
    }
    for (tenant, last) in &verdict.heads {
        let head = params![last.position.as_column(), last.time.as_ms(), tenant.as_str()];
        rows::write(writing, sql!("sqlite/head_raise.sql"), head)?;
    }
    Ok(())
}

fn event(writing: &Connection, entry: &Entry) -> Result<(), Error> {
    let event = &entry.envelope;
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

fn idempotency(writing: &Connection, entry: &Entry) -> Result<(), Error> {
    let event = &entry.envelope;
    let columns = params![
        event.tenant.as_str(),
        event.event_id.as_bytes(),
        event.position.as_column(),
        event.time.as_ms(),
        entry.fingerprint,
    ];
    rows::write(writing, sql!("sqlite/idempotency_insert.sql"), columns)
}

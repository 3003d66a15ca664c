//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `judge` with what the store holds of them,
//! and the store with its verdict. The tenants' heads are locked first, in their order, by a
//! statement of its own: what later statements read of these tenants is what was committed before,
//! and holds until this commit.

use std::collections::{BTreeSet, HashMap};

use sqlx::postgres::PgRow;

use super::rows::{self, Statement};
use super::session::{Session, Sessions};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::judge::{Offer, Tail, Verdict, judge};
use crate::store::sql::{self, Columns};
use crate::store::{Batch, Error, Outcome};

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
    let tenants: BTreeSet<_> = batches.iter().map(|batch| &batch.tenant).collect();
    let lock = rows::of_tenants(sql!("postgres/head_lock.sql"), &Vec::from_iter(tenants));
    let locked = session.find(lock).await?;
    let mut tails: HashMap<_, _> = locked.iter().map(sql::tail).collect::<Result<_, _>>()?;
    let now = complete(&mut tails, &session.find(asked(batches)).await?)?;
    let verdict = judge(offers, tails, now);
    if !verdict.entries.is_empty() {
        insert(session, &verdict).await?;
    }
    Ok(verdict)
}

/// What is asked once the heads are locked: of each topic and of each event id of the batches.
fn asked(batches: &[Batch]) -> Statement {
    let drafts = || batches.iter().flat_map(|b| b.drafts.iter().map(|draft| (b.tenant.as_str(), draft)));
    let topics: BTreeSet<_> = drafts().map(|(tenant, draft)| (tenant, draft.topic.as_str())).collect();
    let (of_topics, topics): (Vec<_>, Vec<_>) = topics.into_iter().unzip();
    let (of_ids, event_ids): (Vec<_>, Vec<_>) =
        drafts().map(|(tenant, draft)| (tenant, draft.event_id.to_string())).unzip();
    let find = sqlx::query(sql!("postgres/append_find.sql")).bind(of_topics).bind(topics);
    find.bind(of_ids).bind(event_ids)
}

/// Gives the tails what was found; the server's time, now that all locks are held.
fn complete(tails: &mut HashMap<TenantId, Tail>, found: &[PgRow]) -> Result<Time, Error> {
    let mut now = None;
    for row in found {
        if let Some(now_ms) = row.integer_if_any("now_ms")? {
            now = Some(Time::from_ms(now_ms));
        } else if row.text_if_any("topic")?.is_some() {
            if let Some(tail) = tails.get_mut(&sql::tenant(row)?) {
                tail.epochs.insert(sql::topic(row)?, sql::position(row)?);
            }
        } else {
            let (tenant, event_id, known) = sql::known(row)?;
            if let Some(tail) = tails.get_mut(&tenant) {
                tail.known.insert(event_id, known);
            }
        }
    }
    now.ok_or_else(|| Error::Corrupt("the clock tells nothing".to_owned()))
}

async fn insert(session: &mut Session, verdict: &Verdict) -> Result<(), Error> {
    let Verdict { entries, heads, epochs, .. } = verdict;
    let events = || entries.iter().map(|entry| &entry.envelope);
    let write = sqlx::query(sql!("postgres/append_write.sql"))
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
        .bind(entries.iter().map(|entry| &entry.fingerprint[..]).collect::<Vec<_>>())
        .bind(epochs.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(epochs.keys().map(|(_, topic)| topic.as_str()).collect::<Vec<_>>())
        .bind(epochs.values().map(|position| position.as_column()).collect::<Vec<_>>())
        .bind(heads.keys().map(TenantId::as_str).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.position.as_column()).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.time.as_ms()).collect::<Vec<_>>());
    let rows = 2 * entries.len() + epochs.len() + heads.len();
    let written = rows::count_in(&session.find(write).await?, "written")?;
    rows::whole(written.unsigned_abs(), rows)
}

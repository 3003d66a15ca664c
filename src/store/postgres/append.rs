//! Append: the one way into the logs.
//!
//! Fed through the port with batches of drafts; feeds `judge` with what the store holds of them,
//! and the store with its verdict. What is gone by is one state, as `ends` remembers it or as it is
//! found; what is written is one statement, and writes nothing if a head has changed since, or if
//! an event id was given before. If it was found and has changed, another replica appends to the
//! same log, and it is done again with the heads locked before they are read, so that it isn't in
//! vain.

use std::collections::{BTreeSet, HashMap};

use sqlx::postgres::PgRow;

use super::fault::committed;
use super::rows::{self, Statement};
use super::session::{Session, Sessions};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::ends::{Ends, State};
use crate::store::judge::{Offer, Tail, Verdict, judge};
use crate::store::sql::{self, Columns};
use crate::store::{Batch, Error, Outcome};

/// How often an append is run that another's lock undoes.
const TRIES_MAX: u32 = 3;

/// What is seen of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The transaction that changed it last; null in one that never changed.
    mark: Option<i64>,
    /// The run of the server whose transaction it is.
    run: u64,
}

/// Appends the batches, all or none of them.
pub(super) async fn append(
    sessions: &Sessions,
    ends: &Ends<Seen>,
    batches: &[Batch],
) -> Result<Vec<Outcome>, Error> {
    let offers: Vec<_> = batches.iter().map(Offer::new).collect();
    if let Some(outcomes) = unlocked(sessions, ends, &offers).await? {
        return Ok(outcomes);
    }
    let mut tries = 0;
    loop {
        tries += 1;
        let mut session = sessions.begin().await?;
        match locked(&mut session, &offers).await {
            Err(_) if session.is_victim() && tries < TRIES_MAX => {}
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
    ends: &Ends<Seen>,
    offers: &[Offer<'_>],
) -> Result<Option<Vec<Outcome>>, Error> {
    let mut memory = ends.take(offers);
    let run = sessions.run();
    let mut session = sessions.one().await?;
    if let Some(State { tails, seen, now }) = memory.expected(offers) {
        let verdict = judge(offers, tails, now);
        if verdict.is_all_new()
            && seen.values().all(|seen| seen.run == sessions.run())
            && let Some(mark) = write(&mut session, &verdict, &seen).await?
        {
            session.end();
            ends.put(memory, &verdict, |seen, _| Seen { mark: Some(mark), ..*seen });
            return Ok(Some(verdict.outcomes));
        }
    }
    let state = state(&session.find(asked(offers)).await?, run)?;
    memory.find(offers, &state);
    let State { tails, seen, now } = state;
    let verdict = judge(offers, tails, now);
    if verdict.entries.is_empty() {
        // A commit all the same: a server that lost its standby may show what no standby has, and a
        // commit waits for that.
        session.write(lock(offers)).await?;
        ends.put(memory, &verdict, |seen, _| *seen);
        return Ok(Some(verdict.outcomes));
    }
    let written = write(&mut session, &verdict, &seen).await?;
    session.end();
    let Some(mark) = written else { return Ok(None) };
    ends.put(memory, &verdict, |seen, _| Seen { mark: Some(mark), ..*seen });
    Ok(Some(verdict.outcomes))
}

/// Writes what still holds; tells the heads' new mark, `None` if nothing was written.
async fn write(
    session: &mut Session,
    verdict: &Verdict,
    seen: &HashMap<TenantId, Seen>,
) -> Result<Option<i64>, Error> {
    let told = match session.write_rows(new_rows(verdict, seen)).await {
        Err(_) if session.is_victim() => return Ok(None),
        told => told?,
    };
    // It has committed itself: whatever is odd now, something may have been written.
    mark(verdict, &told).map_err(committed)
}

/// The heads' new mark, if anything was written.
fn mark(verdict: &Verdict, told: &[PgRow]) -> Result<Option<i64>, Error> {
    let whole = is_whole(verdict, told)?;
    told.first().filter(|_| whole).map(|row| row.integer("mark")).transpose()
}

/// All but the commit of a transaction; `None` as above.
async fn locked(
    session: &mut Session,
    offers: &[Offer<'_>],
) -> Result<Option<Vec<Outcome>>, Error> {
    session.run(lock(offers)).await?;
    let State { tails, seen, now } = state(&session.find(asked(offers)).await?, 0)?;
    let verdict = judge(offers, tails, now);
    let written = verdict.entries.is_empty()
        || is_whole(&verdict, &session.find(new_rows(&verdict, &seen)).await?)?;
    Ok(written.then_some(verdict.outcomes))
}

fn tenants<'a>(offers: &'a [Offer]) -> Vec<&'a TenantId> {
    Vec::from_iter(offers.iter().map(|offer| &offer.batch().tenant).collect::<BTreeSet<_>>())
}

fn lock(offers: &[Offer]) -> Statement {
    rows::of_tenants(sql!("postgres/head_lock.sql"), &tenants(offers))
}

/// What is asked: of each tenant, of each topic and of each event id of the batches.
fn asked(offers: &[Offer]) -> Statement {
    let batches = || offers.iter().map(Offer::batch);
    let drafts = || batches().flat_map(|b| b.drafts.iter().map(|draft| (b.tenant.as_str(), draft)));
    let topics: BTreeSet<_> =
        drafts().map(|(tenant, draft)| (tenant, draft.topic.as_str())).collect();
    let (of_topics, topics): (Vec<_>, Vec<_>) = topics.into_iter().unzip();
    let (of_ids, event_ids): (Vec<_>, Vec<_>) =
        drafts().map(|(tenant, draft)| (tenant, draft.event_id.to_string())).unzip();
    let find = rows::of_tenants(sql!("postgres/append_find.sql"), &tenants(offers));
    find.bind(of_topics).bind(topics).bind(of_ids).bind(event_ids)
}

/// What was found in that run of the server.
fn state(found: &[PgRow], run: u64) -> Result<State<Seen>, Error> {
    let (mut tails, mut seen, mut now, mut details) =
        (HashMap::<_, Tail>::new(), HashMap::new(), None, vec![]);
    for row in found {
        if let Some(now_ms) = row.integer_if_any("now_ms")? {
            now = Some(Time::from_ms(now_ms));
        } else if row.text_if_any("log_id")?.is_some() {
            let (tenant, tail) = sql::tail(row)?;
            seen.insert(tenant.clone(), Seen { mark: row.integer_if_any("mark")?, run });
            tails.insert(tenant, tail);
        } else {
            details.push(row);
        }
    }
    for row in details {
        let Some(tail) = tails.get_mut(&sql::tenant(row)?) else { continue };
        if row.text_if_any("topic")?.is_some() {
            tail.epochs.insert(sql::topic(row)?, sql::position(row)?);
        } else {
            let (_, event_id, known) = sql::known(row)?;
            tail.known.insert(event_id, known);
        }
    }
    let now = now.ok_or_else(|| Error::Corrupt("the clock tells nothing".to_owned()))?;
    Ok(State { tails, seen, now })
}

/// What is written, unless a head has another mark or an event id was given before.
fn new_rows(verdict: &Verdict, seen: &HashMap<TenantId, Seen>) -> Statement {
    let Verdict { entries, heads, epochs, .. } = verdict;
    let events = || entries.iter().map(|entry| &entry.envelope);
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
        .bind(entries.iter().map(|entry| &entry.fingerprint[..]).collect::<Vec<_>>())
        .bind(epochs.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(epochs.keys().map(|(_, topic)| topic.as_str()).collect::<Vec<_>>())
        .bind(epochs.values().map(|position| position.as_column()).collect::<Vec<_>>())
        .bind(heads.keys().map(TenantId::as_str).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.position.as_column()).collect::<Vec<_>>())
        .bind(heads.values().map(|receipt| receipt.time.as_ms()).collect::<Vec<_>>())
        .bind(heads.keys().map(|tenant| seen[tenant].mark).collect::<Vec<_>>())
}

/// Whether all of it was written, or nothing.
fn is_whole(verdict: &Verdict, told: &[PgRow]) -> Result<bool, Error> {
    let Verdict { entries, heads, epochs, .. } = verdict;
    match rows::count_in(told, "written")? {
        0 => Ok(false),
        written => {
            rows::whole(written.unsigned_abs(), 2 * entries.len() + epochs.len() + heads.len())
                .map(|()| true)
        }
    }
}

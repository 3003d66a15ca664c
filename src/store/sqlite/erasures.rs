//! The port's `Erasures` on SQLite.
//!
//! The writer's pages are overwritten where content is freed (`files`), so an event that was
//! emptied has left nothing in the database; a scrub copies the WAL and cuts it.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, append, rows, trail};
use crate::clock::Clock;
use crate::domain::erasure::{Erasure, ErasureId};
use crate::domain::known_topic::KnownTopic;
use crate::domain::position::Position;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::append::batch::FingerprintedBatch;
use crate::store::columns::Columns;
use crate::store::erasures::{erasure, folded, known, last_appended, noted, topics_as_column};
use crate::store::{Batch, ErasureStep, Erasures, Error, NotedTopic};

#[async_trait]
impl Erasures for Sqlite {
    async fn note_topics(
        &self,
        tenant: &TenantId,
        topics: &[(Subject, Topic)],
    ) -> Result<(), Error> {
        let (tenant, topics) = (tenant.clone(), topics.to_vec());
        self.writer
            .write(move |writing| {
                for (subject, topic) in &topics {
                    let columns = params![tenant.as_str(), subject.as_str(), topic.as_str()];
                    rows::change(writing, sql!("sqlite/subject_topic_insert.sql"), columns)?;
                }
                Ok(())
            })
            .await
    }

    async fn topics_of(&self, tenant: &TenantId, subject: &Subject) -> Result<Vec<Topic>, Error> {
        let of = [tenant.to_string(), subject.as_str().to_owned()];
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/subject_topic_list.sql");
                rows::find(reading, list, params![of[0], of[1]], |row| row.topic())
            })
            .await
    }

    async fn all_topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        let tenant = tenant.to_string();
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/subject_topic_list_tenant.sql");
                rows::find(reading, list, params![tenant], |row| row.topic())
            })
            .await
    }

    async fn noted_topics(
        &self,
        after: Option<&NotedTopic>,
        max: usize,
    ) -> Result<Vec<NotedTopic>, Error> {
        let after = after.map_or([""; 3], NotedTopic::texts).map(str::to_owned);
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/subject_topic_list_all.sql");
                let of = params![after[0], after[1], after[2], max];
                rows::find(reading, list, of, |row| noted(row))
            })
            .await
    }

    async fn known_topics(
        &self,
        tenant: &TenantId,
        topics: &[Topic],
    ) -> Result<Vec<KnownTopic>, Error> {
        let names = serde_json::to_string(&folded(topics)).expect("texts are JSON");
        let of = [tenant.to_string(), names];
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/known_topic_list.sql");
                rows::find(reading, list, params![of[0], of[1]], |row| known(row))
            })
            .await
    }

    async fn add_erasure(&self, erasure: &Erasure, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let erasure = erasure.clone();
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let columns = params![
                    erasure.tenant.as_str(),
                    erasure.id.to_string(),
                    erasure.subject.as_str(),
                    erasure.key.as_str(),
                    erasure.reason,
                    topics_as_column(&erasure.topics),
                    erasure.submitted.as_ms(),
                ];
                let changed =
                    rows::change(writing, sql!("sqlite/erasure_insert.sql"), columns)? == 1;
                trail::note(writing, clock.now(), by.as_ref().filter(|_| changed))?;
                Ok(changed)
            })
            .await
    }

    async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, Error> {
        let tenant = tenant.to_string();
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/erasure_list.sql");
                rows::find(reading, list, [&tenant], |row| erasure(row))
            })
            .await
    }

    async fn find_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
    ) -> Result<Option<Erasure>, Error> {
        let tenant = tenant.clone();
        self.readers.read(move |reading| find(reading, &tenant, id)).await
    }

    async fn open_erasures(&self) -> Result<Vec<Erasure>, Error> {
        self.readers
            .read(|reading| {
                let list = sql!("sqlite/erasure_list_open.sql");
                rows::find(reading, list, [], |row| erasure(row))
            })
            .await
    }

    async fn erase(&self, step: &ErasureStep) -> Result<u64, Error> {
        let (step, clock) = (step.clone(), self.clock.clone());
        self.writer.write(move |writing| erase(writing, &*clock, &step)).await
    }

    async fn complete_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
        at: Time,
    ) -> Result<bool, Error> {
        let tenant = tenant.clone();
        self.writer
            .write(move |writing| {
                let columns = params![tenant.as_str(), id.to_string(), at.as_ms()];
                Ok(rows::change(writing, sql!("sqlite/erasure_complete.sql"), columns)? == 1)
            })
            .await
    }

    async fn drop_erasures(&self, before: Time, max: usize) -> Result<u64, Error> {
        let old = [before.as_ms(), i64::try_from(max).unwrap_or(i64::MAX)];
        let drop = sql!("sqlite/erasure_drop.sql");
        self.writer.write(move |writing| Ok(rows::change(writing, drop, old)? as u64)).await
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.writer.cut_wal().await
    }
}

fn find(
    connection: &Connection,
    tenant: &TenantId,
    id: ErasureId,
) -> Result<Option<Erasure>, Error> {
    let of = params![tenant.as_str(), id.to_string()];
    rows::find_one(connection, sql!("sqlite/erasure_find.sql"), of, |row| erasure(row))
}

fn erase(writing: &Connection, clock: &dyn Clock, step: &ErasureStep) -> Result<u64, Error> {
    let Erasure { tenant, id, key, topics, .. } = &step.erasure;
    let now = find(writing, tenant, *id)?.filter(|erasure| erasure.progress.last.is_none());
    let Some(now) = now else { return Ok(0) };
    let first = params![
        tenant.as_str(),
        key.as_str(),
        now.progress.erased_to.as_column(),
        topics_as_column(topics),
        i64::try_from(step.events_max).unwrap_or(i64::MAX),
    ];
    let list = sql!("sqlite/erasure_event_list.sql");
    let positions = rows::find(writing, list, first, |row| row.position())?;
    let time = clock.now();
    for position in &positions {
        let columns = params![tenant.as_str(), position.as_column(), time.as_ms()];
        rows::write(writing, sql!("sqlite/erasure_event_empty.sql"), columns)?;
    }
    let mut last = None;
    if positions.len() < step.events_max {
        let batch = Batch { tenant: tenant.clone(), drafts: step.erased.clone() };
        let outcomes = append::append(writing, clock, &[FingerprintedBatch::own(&batch)])?;
        last = Some(last_appended(step, &outcomes)?);
    }
    let progress = params![
        tenant.as_str(),
        id.to_string(),
        i64::try_from(positions.len()).unwrap_or(i64::MAX),
        positions.last().copied().unwrap_or_default().as_column(),
        last.map(Position::as_column),
    ];
    rows::write(writing, sql!("sqlite/erasure_move.sql"), progress)?;
    Ok(positions.len() as u64)
}

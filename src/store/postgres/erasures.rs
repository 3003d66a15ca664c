//! The port's `Erasures` on PostgreSQL: a step locks the head of its log, so that no event of the
//! record is appended between the last that it empties and the ERASED event.

use async_trait::async_trait;

use super::Postgres;
use super::append::{self, TRIES_MAX};
use super::rows::Statement;
use super::transaction::Transaction;
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
use crate::store::error::TransactionError;
use crate::store::{Batch, ErasureStep, Erasures, Error, NotedTopic};

#[async_trait]
impl Erasures for Postgres {
    async fn note_topics(
        &self,
        tenant: &TenantId,
        topics: &[(Subject, Topic)],
    ) -> Result<(), Error> {
        let subjects: Vec<_> = topics.iter().map(|(it, _)| it.as_str().to_owned()).collect();
        let topics: Vec<_> = topics.iter().map(|(_, topic)| topic.to_string()).collect();
        let insert = sqlx::query(sql!("postgres/subject_topic_insert.sql"))
            .bind(tenant.to_string())
            .bind(subjects)
            .bind(topics);
        self.sessions.acquire().await?.write(insert).await?;
        Ok(())
    }

    async fn topics_of(&self, tenant: &TenantId, subject: &Subject) -> Result<Vec<Topic>, Error> {
        let list = sqlx::query(sql!("postgres/subject_topic_list.sql"))
            .bind(tenant.to_string())
            .bind(subject.as_str().to_owned());
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(Columns::topic).collect()
    }

    async fn all_topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        let list = sqlx::query(sql!("postgres/subject_topic_list_tenant.sql"));
        let list = list.bind(tenant.to_string());
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(Columns::topic).collect()
    }

    async fn noted_topics(
        &self,
        after: Option<&NotedTopic>,
        max: usize,
    ) -> Result<Vec<NotedTopic>, Error> {
        let after = after.map_or([""; 3], NotedTopic::texts);
        let [tenant, subject, topic] = after.map(str::to_owned);
        let list = sqlx::query(sql!("postgres/subject_topic_list_all.sql"))
            .bind(tenant)
            .bind(subject)
            .bind(topic)
            .bind(i64::try_from(max).unwrap_or(i64::MAX));
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(noted).collect()
    }

    async fn known_topics(
        &self,
        tenant: &TenantId,
        topics: &[Topic],
    ) -> Result<Vec<KnownTopic>, Error> {
        let list = sqlx::query(sql!("postgres/known_topic_list.sql"));
        let list = list.bind(tenant.to_string()).bind(folded(topics));
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(known).collect()
    }

    async fn add_erasure(&self, erasure: &Erasure, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let insert = of_id(sql!("postgres/erasure_insert.sql"), &erasure.tenant, erasure.id)
            .bind(erasure.subject.as_str().to_owned())
            .bind(erasure.key.to_string())
            .bind(erasure.reason.clone())
            .bind(topics_as_column(&erasure.topics))
            .bind(erasure.submitted.as_ms());
        self.act(insert, by).await
    }

    async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, Error> {
        let list = sqlx::query(sql!("postgres/erasure_list.sql")).bind(tenant.to_string());
        self.erasures_found(list).await
    }

    async fn find_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
    ) -> Result<Option<Erasure>, Error> {
        let find = of_id(sql!("postgres/erasure_find.sql"), tenant, id);
        Ok(self.erasures_found(find).await?.pop())
    }

    async fn open_erasures(&self) -> Result<Vec<Erasure>, Error> {
        self.erasures_found(sqlx::query(sql!("postgres/erasure_list_open.sql"))).await
    }

    async fn erase(&self, step: &ErasureStep) -> Result<u64, Error> {
        for _ in 1..TRIES_MAX {
            match erase(self.sessions.begin().await?, step).await {
                Err(TransactionError::Retry(_)) => {}
                done => return Ok(done?),
            }
        }
        Ok(erase(self.sessions.begin().await?, step).await?)
    }

    async fn complete_erasure(
        &self,
        tenant: &TenantId,
        id: ErasureId,
        at: Time,
    ) -> Result<bool, Error> {
        let complete = of_id(sql!("postgres/erasure_complete.sql"), tenant, id).bind(at.as_ms());
        Ok(self.sessions.acquire().await?.write(complete).await? == 1)
    }

    async fn drop_erasures(&self, before: Time, max: usize) -> Result<u64, Error> {
        let old = sqlx::query(sql!("postgres/erasure_drop.sql"))
            .bind(before.as_ms())
            .bind(i64::try_from(max).unwrap_or(i64::MAX));
        self.sessions.acquire().await?.write(old).await
    }
}

impl Postgres {
    async fn erasures_found(&self, statement: Statement) -> Result<Vec<Erasure>, Error> {
        let found = self.sessions.acquire().await?.find_all(statement).await?;
        found.iter().map(erasure).collect()
    }
}

fn of_id(sql: &'static str, tenant: &TenantId, id: ErasureId) -> Statement {
    sqlx::query(sql).bind(tenant.to_string()).bind(id.to_string())
}

async fn erase(mut session: Transaction, step: &ErasureStep) -> Result<u64, TransactionError> {
    let Erasure { tenant, id, key, topics, .. } = &step.erasure;
    let batch = Batch { tenant: tenant.clone(), drafts: step.erased.clone() };
    session.run(append::lock(&[FingerprintedBatch::new(&batch)])).await?;
    let found = session.find(of_id(sql!("postgres/erasure_find.sql"), tenant, *id)).await?;
    let now = found.first().map(erasure).transpose()?;
    let now = now.map(|now| now.progress).filter(|progress| progress.last.is_none());
    let Some(now) = now else { return Ok(session.commit().await.map(|()| 0)?) };
    let empty = sqlx::query(sql!("postgres/erasure_event_empty.sql"))
        .bind(tenant.to_string())
        .bind(key.to_string())
        .bind(now.erased_to.as_column())
        .bind(topics.iter().map(Topic::to_string).collect::<Vec<_>>())
        .bind(i64::try_from(step.events_max).unwrap_or(i64::MAX));
    let found = session.find(empty).await?;
    let emptied = found.first().ok_or_else(|| Error::Corrupt("a count has no row".to_owned()))?;
    let (events, erased_to) = (emptied.count("events")?, emptied.position_if_any("erased_to")?);
    let mut last = None;
    if events < step.events_max as u64 {
        let outcomes;
        (session, outcomes) = append::append_in(session, &batch).await?;
        last = Some(last_appended(step, &outcomes)?);
    }
    let progress = of_id(sql!("postgres/erasure_move.sql"), tenant, *id)
        .bind(events.cast_signed())
        .bind(erased_to.unwrap_or_default().as_column())
        .bind(last.map(Position::as_column));
    session.run(progress).await?;
    session.commit().await?;
    Ok(events)
}

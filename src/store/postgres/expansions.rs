//! The port's `Expansions` on PostgreSQL: a step locks the head of its log before it looks for
//! events after the request, so that none comes in between.

use std::collections::HashSet;

use async_trait::async_trait;

use super::Postgres;
use super::append::{self, TRIES_MAX};
use super::transaction::Transaction;
use crate::domain::draft::Draft;
use crate::domain::expansion::Expansion;
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::store::append::batch::FingerprintedBatch;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::expansions::{Appended, appended, refused};
use crate::store::{Batch, Error, ExpansionStep, Expansions};

#[async_trait]
impl Expansions for Postgres {
    async fn expansions(&self, tenant: &TenantId) -> Result<Vec<Expansion>, Error> {
        let list = sqlx::query(sql!("postgres/expansion_list.sql")).bind(tenant.to_string());
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(Columns::expansion).collect()
    }

    async fn expand(&self, step: &ExpansionStep) -> Result<u64, Error> {
        for _ in 1..TRIES_MAX {
            match expand(self.sessions.begin().await?, step).await {
                Err(TransactionError::Retry(_)) => {}
                done => return Ok(done?),
            }
        }
        Ok(expand(self.sessions.begin().await?, step).await?)
    }
}

async fn expand(mut session: Transaction, step: &ExpansionStep) -> Result<u64, TransactionError> {
    let ExpansionStep { tenant, topic, request, walked_to, .. } = step;
    let mut batch = Batch { tenant: tenant.clone(), drafts: step.deletes.clone() };
    session.run(append::lock(&[FingerprintedBatch::new(&batch)])).await?;
    let touched = touched(&mut session, step).await?;
    batch.drafts.retain(|draft: &Draft| !touched.contains(&draft.key));
    let (mut session, outcomes) = append::append_in(session, &batch).await?;
    let Appended { events, last } = appended(&outcomes).ok_or_else(|| refused(step))?;
    let raise = sqlx::query(sql!("postgres/expansion_raise.sql"))
        .bind(tenant.to_string())
        .bind(request.as_column())
        .bind(topic.to_string())
        .bind(walked_to.as_column())
        .bind(last.max(*request).as_column());
    session.run(raise).await?;
    session.commit().await?;
    Ok(events)
}

/// Returns the keys of the step that have an event after its request.
async fn touched(
    session: &mut Transaction,
    step: &ExpansionStep,
) -> Result<HashSet<Key>, TransactionError> {
    let keys: Vec<_> = step.deletes.iter().map(|draft| draft.key.as_str().to_owned()).collect();
    let find = sqlx::query(sql!("postgres/removal_entry_newest.sql"))
        .bind(step.tenant.to_string())
        .bind(step.topic.to_string())
        .bind(step.request.as_column())
        .bind(i64::MAX)
        .bind(1_i64)
        .bind(keys);
    let found = session.find(find).await?;
    Ok(found.iter().map(|row| Ok(row.entry()?.key)).collect::<Result<_, Error>>()?)
}

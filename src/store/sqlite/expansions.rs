//! The port's `Expansions` on SQLite: there is no other writer, so whatever a step looks up still
//! holds when it is written.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, append, rows};
use crate::clock::Clock;
use crate::domain::expansion::Expansion;
use crate::domain::tenant::TenantId;
use crate::store::append::batch::FingerprintedBatch;
use crate::store::columns::Columns;
use crate::store::expansions::{Appended, appended, refused};
use crate::store::{Batch, Error, ExpansionStep, Expansions};

#[async_trait]
impl Expansions for Sqlite {
    async fn expansions(&self, tenant: &TenantId) -> Result<Vec<Expansion>, Error> {
        let tenant = tenant.to_string();
        self.readers
            .read(move |reading| {
                rows::find(reading, sql!("sqlite/expansion_list.sql"), [&tenant], |row| {
                    row.expansion()
                })
            })
            .await
    }

    async fn expand(&self, step: &ExpansionStep) -> Result<u64, Error> {
        let (step, clock) = (step.clone(), self.clock.clone());
        self.writer.write(move |writing| expand(writing, &*clock, step)).await
    }
}

fn expand(writing: &Connection, clock: &dyn Clock, mut step: ExpansionStep) -> Result<u64, Error> {
    let (tenant, request) = (step.tenant.clone(), step.request);
    let mut deletes = Vec::new();
    for draft in std::mem::take(&mut step.deletes) {
        let after = params![
            tenant.as_str(),
            draft.topic.as_str(),
            request.as_column(),
            i64::MAX,
            1,
            draft.key.as_str()
        ];
        let find = sql!("sqlite/removal_entry_newest.sql");
        if rows::find_one(writing, find, after, |_| Ok(()))?.is_none() {
            deletes.push(draft);
        }
    }
    let batch = Batch { tenant, drafts: deletes };
    let outcomes = match batch.drafts.is_empty() {
        true => Vec::new(),
        false => append::append(writing, clock, &[FingerprintedBatch::own(&batch)])?,
    };
    let Appended { events, last } = appended(&outcomes).ok_or_else(|| refused(&step))?;
    let progress = params![
        batch.tenant.as_str(),
        request.as_column(),
        step.topic.as_str(),
        step.walked_to.as_column(),
        last.max(request).as_column()
    ];
    rows::write(writing, sql!("sqlite/expansion_raise.sql"), progress)?;
    Ok(events)
}

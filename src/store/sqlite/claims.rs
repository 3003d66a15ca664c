//! The port's `Claims` on SQLite.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::params;

use super::{Sqlite, rows};
use crate::domain::claim::{ActionRun, RootId};
use crate::domain::tenant::TenantId;
use crate::store::{Claims, Error};

#[async_trait]
impl Claims for Sqlite {
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
        ttl: Duration,
    ) -> Result<BTreeSet<RootId>, Error> {
        let (tenant, run, roots) = (tenant.clone(), run.clone(), roots.clone());
        let (clock, ttl_ms) = (self.clock.clone(), i64::try_from(ttl.as_millis()));
        let ttl_ms = ttl_ms.unwrap_or(i64::MAX);
        self.writer
            .write(move |writing| {
                let (now, replay) = (clock.now(), run.replay_column());
                let mut claimed = BTreeSet::new();
                for root in &roots {
                    let row = params![
                        tenant.as_str(),
                        run.action.as_str(),
                        replay,
                        root.as_str(),
                        now.after(ttl_ms).as_ms(),
                        now.as_ms(),
                    ];
                    if rows::change(writing, sql!("sqlite/claim_insert.sql"), row)? == 1 {
                        claimed.insert(root.clone());
                    }
                }
                Ok(claimed)
            })
            .await
    }

    async fn find_claims(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
    ) -> Result<BTreeSet<RootId>, Error> {
        let (tenant, run, roots) = (tenant.clone(), run.clone(), roots.clone());
        let now = self.clock.now().as_ms();
        self.readers
            .read(move |reading| {
                let (find, replay) = (sql!("sqlite/claim_find.sql"), run.replay_column());
                let mut found = BTreeSet::new();
                for root in roots {
                    let its =
                        params![tenant.as_str(), run.action.as_str(), replay, root.as_str(), now];
                    if rows::find_one(reading, find, its, |_| Ok(()))?.is_some() {
                        found.insert(root);
                    }
                }
                Ok(found)
            })
            .await
    }

    async fn release_claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        root: &RootId,
    ) -> Result<bool, Error> {
        let (tenant, run, root) = (tenant.clone(), run.clone(), root.clone());
        let clock = self.clock.clone();
        self.writer
            .write(move |writing| {
                let its = params![
                    tenant.as_str(),
                    run.action.as_str(),
                    run.replay_column(),
                    root.as_str(),
                    clock.now().as_ms(),
                ];
                Ok(rows::change(writing, sql!("sqlite/claim_release.sql"), its)? == 1)
            })
            .await
    }

    async fn drop_claims(&self, max: usize) -> Result<u64, Error> {
        let (clock, max) = (self.clock.clone(), i64::try_from(max).unwrap_or(i64::MAX));
        self.writer
            .write(move |writing| {
                let over = [clock.now().as_ms(), max];
                Ok(rows::change(writing, sql!("sqlite/claim_drop.sql"), over)? as u64)
            })
            .await
    }
}

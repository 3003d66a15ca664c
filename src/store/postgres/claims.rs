//! The port's `Claims` on PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::Postgres;
use super::error::committed;
use super::rows::Statement;
use crate::domain::claim::{ActionRun, RootId};
use crate::domain::tenant::TenantId;
use crate::store::{Claims, Error, claims};

#[async_trait]
impl Claims for Postgres {
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
        ttl: Duration,
    ) -> Result<BTreeSet<RootId>, Error> {
        let claim = of(sql!("postgres/claim_insert.sql"), tenant, run)
            .bind(texts(roots))
            .bind(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let mut session = self.sessions.acquire().await?;
        let claimed = session.write_rows(claim).await?;
        session.put_back();
        claimed.iter().map(claims::root).collect::<Result<_, _>>().map_err(committed)
    }

    async fn find_claims(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
    ) -> Result<BTreeSet<RootId>, Error> {
        let find = of(sql!("postgres/claim_find.sql"), tenant, run).bind(texts(roots));
        self.sessions.acquire().await?.find_all(find).await?.iter().map(claims::root).collect()
    }

    async fn release_claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        root: &RootId,
    ) -> Result<bool, Error> {
        let release = of(sql!("postgres/claim_release.sql"), tenant, run).bind(root.to_string());
        Ok(self.sessions.acquire().await?.write(release).await? == 1)
    }

    async fn drop_claims(&self, max: usize) -> Result<u64, Error> {
        let over = sqlx::query(sql!("postgres/claim_drop.sql"))
            .bind(i64::try_from(max).unwrap_or(i64::MAX));
        self.sessions.acquire().await?.write(over).await
    }
}

/// Returns a statement about the claims of an action.
fn of(sql: &'static str, tenant: &TenantId, run: &ActionRun) -> Statement {
    sqlx::query(sql).bind(tenant.to_string()).bind(run.action.to_string()).bind(run.replay_column())
}

fn texts(roots: &BTreeSet<RootId>) -> Vec<String> {
    roots.iter().map(RootId::to_string).collect()
}

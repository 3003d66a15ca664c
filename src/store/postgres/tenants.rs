//! The port's `Tenants` on PostgreSQL.
//!
//! Tenants with a file are enabled at start; the lanes and the subcommands list them.

use async_trait::async_trait;

use super::rows::Statement;
use super::{Postgres, leases, purges, rows};
use crate::domain::incarnation::Incarnations;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::tenants::{self, ComesBack};
use crate::store::{Error, TenantLog, Tenants};

#[async_trait]
impl Tenants for Postgres {
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        let by = tenants::enabled_by_file(tenant);
        self.introduce(tenant, log_id, ComesBack::No, None, Some(&by)).await.map(drop)
    }

    async fn enable_beside(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: &[TenantId],
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.introduce(tenant, log_id, comes_back, Some(beside), by).await
    }

    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.introduce(tenant, log_id, ComesBack::Yes, None, by).await?;
        let enable = sqlx::query(sql!("postgres/tenant_enable.sql")).bind(tenant.to_string());
        self.change_state(tenant, enable, by).await?;
        Ok(self.find_tenant(tenant).await?.is_some())
    }

    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let disable = sqlx::query(sql!("postgres/tenant_disable.sql"));
        self.change_state(tenant, disable.bind(tenant.to_string()).bind(at.as_ms()), by).await
    }

    async fn count(&self) -> Result<usize, Error> {
        let count = sqlx::query(sql!("postgres/tenant_count.sql"));
        self.sessions
            .acquire()
            .await?
            .find_one(count)
            .await?
            .as_ref()
            .map_or(Ok(0), Columns::tenants)
    }

    async fn list(&self) -> Result<Vec<TenantLog>, Error> {
        let found = self
            .sessions
            .acquire()
            .await?
            .find_all(sqlx::query(sql!("postgres/tenant_list.sql")))
            .await?;
        found.iter().map(|row| row.tenant_log(row.position()?)).collect()
    }

    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error> {
        let find = sqlx::query(sql!("postgres/tenant_find.sql")).bind(tenant.to_string());
        let found = self.sessions.acquire().await?.find_one(find).await?;
        found.map(|row| row.tenant_log(row.position()?)).transpose()
    }

    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error> {
        let find = sqlx::query(sql!("postgres/incarnation_find.sql")).bind(tenant.to_string());
        let found = self.sessions.acquire().await?.find_all(find).await?;
        let all: Result<_, _> = found.iter().map(Columns::incarnation).collect();
        all.map(Incarnations::new)
    }

    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        let first = begin(tenant, new, at);
        let [old, new] = [old, new].map(|id| id.to_string());
        let of = |sql| sqlx::query(sql).bind(tenant.to_string()).bind(old.clone());
        let mut session = self.sessions.begin().await?;
        session.run(rows::of_tenants(sql!("postgres/head_lock.sql"), &[tenant])).await?;
        let renew = of(sql!("postgres/tenant_rotate.sql")).bind(new.clone());
        if session.change(renew).await? == 0 {
            session.rollback().await?;
            return Ok(false);
        }
        session.run(sqlx::query(sql!("postgres/head_touch.sql")).bind(tenant.to_string())).await?;
        session.run(first).await?;
        for rotate in [sql!("postgres/parked_rotate.sql"), sql!("postgres/replay_rotate.sql")] {
            session.run(of(rotate).bind(new.clone()).bind(at.as_column())).await?;
        }
        session.run(of(sql!("postgres/parked_drop.sql"))).await?;
        for rotate in
            [sql!("postgres/subscription_rotate.sql"), sql!("postgres/dead_letter_rotate.sql")]
        {
            let moved = sqlx::query(rotate).bind(tenant.to_string()).bind(at.as_column());
            session.run(moved).await?;
        }
        session.commit().await?;
        Ok(true)
    }
}

impl Postgres {
    /// Gives a tenant a log if it has none, and the store has never seen it, or it comes back.
    /// Returns false, and changes nothing, if it would be beside others than these.
    async fn introduce(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: Option<&[TenantId]>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let find = rows::of_tenants(sql!("postgres/head_find.sql"), &[tenant]);
        if self.sessions.acquire().await?.find_one(find).await?.is_some() {
            return Ok(true);
        }
        let mut session = self.sessions.begin().await?;
        if leases::count(&mut session).await? == 0 {
            return Err(tenants::before_lanes(tenant));
        }
        session.run(sqlx::query(sql!("postgres/tenant_lock.sql"))).await?;
        if let Some(beside) = beside {
            let beside: Vec<_> = beside.iter().chain([tenant]).collect();
            let other = rows::of_tenants(sql!("postgres/tenant_find_other.sql"), &beside);
            if !session.find(other).await?.is_empty() {
                return session.rollback().await.map(|()| false);
            }
        }
        if comes_back == ComesBack::Yes {
            purges::forget(&mut session, tenant).await?;
        }
        let insert = sqlx::query(sql!("postgres/tenant_insert.sql"));
        let inserted = session.change(insert.bind(tenant.to_string()).bind(log_id.to_string()));
        if inserted.await? == 0 {
            return session.rollback().await.map(|()| true);
        }
        let head = sqlx::query(sql!("postgres/head_insert.sql")).bind(tenant.to_string());
        let head = session.find(head).await?;
        let head = head.first().map_or(Ok(Position::START), Columns::position)?;
        session.run(begin(tenant, log_id, head)).await?;
        session.note(by).await?;
        session.commit().await.map(|()| true)
    }

    /// Runs a statement that enables or disables a tenant, and marks its head as changed. Returns
    /// whether anything changed.
    async fn change_state(
        &self,
        tenant: &TenantId,
        change: Statement,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let mut session = self.sessions.begin().await?;
        session.run(rows::of_tenants(sql!("postgres/head_lock.sql"), &[tenant])).await?;
        let changed = session.change(change).await? > 0;
        session.run(sqlx::query(sql!("postgres/head_touch.sql")).bind(tenant.to_string())).await?;
        session.note(by.filter(|_| changed)).await?;
        session.commit().await?;
        Ok(changed)
    }
}

/// Returns the statement that adds the incarnation of a log whose events after a position are
/// published under this id.
fn begin(tenant: &TenantId, log_id: LogId, after: Position) -> Statement {
    sqlx::query(sql!("postgres/incarnation_insert.sql"))
        .bind(tenant.to_string())
        .bind(log_id.to_string())
        .bind(after.next().as_column())
}

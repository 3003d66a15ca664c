//! The port's `Tenants` on SQLite.
//!
//! Tenants with a file are enabled at start; the lanes and the subcommands list them.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, leases, purges, rows, trail};
use crate::domain::incarnation::Incarnations;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::tenants::{self, ComesBack};
use crate::store::{Error, TenantLog, Tenants};

#[async_trait]
impl Tenants for Sqlite {
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        let (tenant, clock) = (tenant.clone(), self.clock.clone());
        self.writer
            .write(move |writing| {
                if introduce(writing, &tenant, log_id, ComesBack::No)? {
                    let by = tenants::enabled_by_file(&tenant);
                    trail::note(writing, clock.now(), Some(&by))?;
                }
                Ok(())
            })
            .await
    }

    async fn enable_beside(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: &[TenantId],
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let tenant = tenant.clone();
        let (by, clock) = (by.cloned(), self.clock.clone());
        let beside: Vec<_> = beside.iter().map(TenantId::as_str).collect();
        let beside = serde_json::to_string(&beside).expect("texts are JSON");
        self.writer
            .write(move |writing| {
                let find = sql!("sqlite/tenant_find.sql");
                if rows::find_one(writing, find, [tenant.as_str()], |_| Ok(()))?.is_some() {
                    return Ok(true);
                }
                let other = sql!("sqlite/tenant_find_other.sql");
                if rows::find_one(writing, other, [&beside], |_| Ok(()))?.is_some() {
                    return Ok(false);
                }
                let is_new = introduce(writing, &tenant, log_id, comes_back)?;
                trail::note(writing, clock.now(), by.as_ref().filter(|_| is_new))?;
                Ok(true)
            })
            .await
    }

    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let tenant = tenant.clone();
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let its = [tenant.as_str()];
                let is_new = introduce(writing, &tenant, log_id, ComesBack::Yes)?;
                let was_off = rows::change(writing, sql!("sqlite/tenant_enable.sql"), its)? > 0;
                if was_off {
                    rows::change(writing, sql!("sqlite/head_touch.sql"), its)?;
                }
                let did = by.as_ref().filter(|_| is_new || was_off);
                trail::note(writing, clock.now(), did)?;
                let find = sql!("sqlite/tenant_find.sql");
                Ok(rows::find_one(writing, find, its, |_| Ok(()))?.is_some())
            })
            .await
    }

    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let tenant = tenant.to_string();
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let since = params![tenant, at.as_ms()];
                let changed = rows::change(writing, sql!("sqlite/tenant_disable.sql"), since)? > 0;
                rows::change(writing, sql!("sqlite/head_touch.sql"), [&tenant])?;
                trail::note(writing, clock.now(), by.as_ref().filter(|_| changed))?;
                Ok(changed)
            })
            .await
    }

    async fn count(&self) -> Result<usize, Error> {
        self.readers
            .read(|reading| {
                rows::get(reading, sql!("sqlite/tenant_count.sql"), [], |row| row.tenants())
            })
            .await
    }

    async fn list(&self) -> Result<Vec<TenantLog>, Error> {
        self.readers
            .read(|reading| {
                rows::find(reading, sql!("sqlite/tenant_list.sql"), [], |row| {
                    row.tenant_log(row.position()?)
                })
            })
            .await
    }

    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error> {
        let tenant = tenant.to_string();
        self.readers
            .read(move |reading| {
                let find = sql!("sqlite/tenant_find.sql");
                rows::find_one(reading, find, [&tenant], |row| row.tenant_log(row.position()?))
            })
            .await
    }

    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error> {
        let tenant = tenant.to_string();
        let find = move |reading: &Connection| {
            rows::find(reading, sql!("sqlite/incarnation_find.sql"), [&tenant], |row| {
                row.incarnation()
            })
        };
        self.readers.read(find).await.map(Incarnations::new)
    }

    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        let (tenant, old, new) = (tenant.to_string(), old.to_string(), new.to_string());
        self.writer
            .write(move |writing| {
                if rows::change(
                    writing,
                    sql!("sqlite/tenant_rotate.sql"),
                    params![tenant, old, new],
                )? == 0
                {
                    return Ok(false);
                }
                rows::change(writing, sql!("sqlite/head_touch.sql"), [&tenant])?;
                begin(writing, &tenant, &new, at)?;
                for rotate in [sql!("sqlite/parked_rotate.sql"), sql!("sqlite/replay_rotate.sql")] {
                    rows::change(writing, rotate, params![tenant, old, new, at.as_column()])?;
                }
                rows::change(writing, sql!("sqlite/parked_drop.sql"), [&tenant, &old])?;
                for rotate in
                    [sql!("sqlite/subscription_rotate.sql"), sql!("sqlite/dead_letter_rotate.sql")]
                {
                    rows::change(writing, rotate, params![tenant, at.as_column()])?;
                }
                Ok(true)
            })
            .await
    }
}

/// Gives a tenant a log if it has none, and the store has never seen it, or it comes back. Returns
/// whether it did.
fn introduce(
    writing: &Connection,
    tenant: &TenantId,
    log_id: LogId,
    comes_back: ComesBack,
) -> Result<bool, Error> {
    if leases::count(writing)? == 0 {
        return Err(tenants::before_lanes(tenant));
    }
    if comes_back == ComesBack::Yes {
        purges::forget(writing, tenant.as_str())?;
    }
    let enabled = params![tenant.as_str(), log_id.to_string()];
    if rows::change(writing, sql!("sqlite/tenant_insert.sql"), enabled)? == 0 {
        return Ok(false);
    }
    let insert = sql!("sqlite/head_insert.sql");
    let head = rows::get(writing, insert, [tenant.as_str()], |row| row.position())?;
    begin(writing, tenant.as_str(), &log_id.to_string(), head)?;
    Ok(true)
}

/// Adds the incarnation of a log whose events after a position are published under this id.
fn begin(writing: &Connection, tenant: &str, log_id: &str, after: Position) -> Result<(), Error> {
    let incarnation = params![tenant, log_id, after.next().as_column()];
    rows::write(writing, sql!("sqlite/incarnation_insert.sql"), incarnation)
}

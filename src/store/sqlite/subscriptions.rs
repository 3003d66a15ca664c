//! The port's `Subscriptions` on SQLite. Its log is one process's own, so there is nothing to
//! watch.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, rows, trail};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::subscriptions::{self, Row};
use crate::store::{Error, FoundSubscription, Lag, SubscriptionChange, Subscriptions, Watch};

#[async_trait]
impl Subscriptions for Sqlite {
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        let (tenant, now) = (tenant.map(TenantId::to_string), self.clock.now());
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/subscription_list.sql");
                rows::find(reading, list, [&tenant], |row| {
                    Ok((subscriptions::found(row, now)?, row.lag(now)?))
                })
            })
            .await
    }

    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error> {
        let (names, now) = (names.to_vec(), self.clock.now());
        self.readers
            .read(move |reading| {
                let mut all = Vec::with_capacity(names.len());
                for (tenant, group) in &names {
                    let find = sql!("sqlite/subscription_find.sql");
                    let named = params![tenant.as_str(), group.as_str()];
                    let found = |row: &rows::Row| subscriptions::found(row, now);
                    all.extend(rows::find_one(reading, find, named, found)?);
                }
                Ok(all)
            })
            .await
    }

    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error> {
        let (changes, clock) = (changes.to_vec(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let write = |one: &SubscriptionChange| {
                    let written = change(writing, one)?;
                    trail::note(writing, clock.now(), one.by.as_ref().filter(|_| written))?;
                    Ok(written)
                };
                changes.iter().map(write).collect()
            })
            .await
    }
}

impl Watch for Sqlite {}

/// Writes a change upon its version; returns whether the row still had it.
fn change(writing: &Connection, change: &SubscriptionChange) -> Result<bool, Error> {
    let SubscriptionChange { tenant, group, version, next, .. } = change;
    let (tenant, group, version) = (tenant.as_str(), group.as_str(), version.cast_signed());
    let written = match next.as_ref().map(Row::from) {
        None => {
            let remove = sql!("sqlite/subscription_remove.sql");
            rows::change(writing, remove, params![tenant, group, version])?
        }
        Some(row) if version == 0 => {
            let insert = sql!("sqlite/subscription_insert.sql");
            let new = params![
                tenant,
                group,
                row.form,
                row.position,
                row.delivered,
                row.scanned,
                row.gaps_to,
                row.generation,
                row.reader,
                row.expires_ms,
                row.ttl_ms,
                row.went_back_from,
                row.parts,
            ];
            rows::change(writing, insert, new)?
        }
        Some(row) => {
            let update = sql!("sqlite/subscription_update.sql");
            let new = params![
                tenant,
                group,
                row.form,
                row.position,
                row.delivered,
                row.scanned,
                row.gaps_to,
                row.generation,
                row.reader,
                row.expires_ms,
                row.ttl_ms,
                row.went_back_from,
                version,
                row.parts,
            ];
            rows::change(writing, update, new)?
        }
    };
    Ok(written == 1)
}

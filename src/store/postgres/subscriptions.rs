//! The port's `Subscriptions` on PostgreSQL.
//!
//! Changes of many rows, such as the renewals of all streams of a replica, are one statement.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::error::committed;
use super::rows::Statement;
use crate::domain::subscription::{Group, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::columns::Columns;
use crate::store::subscriptions::{self, Row};
use crate::store::{Error, FoundSubscription, Lag, SubscriptionChange, Subscriptions};

#[async_trait]
impl Subscriptions for Postgres {
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        let list = sqlx::query(sql!("postgres/subscription_list.sql"));
        let list = list.bind(tenant.map(TenantId::to_string));
        let listed = self.sessions.acquire().await?.find_all(list).await?;
        listed.iter().map(|row| Ok((found(row)?, row.lag(now(row)?)?))).collect()
    }

    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error> {
        let find = sqlx::query(sql!("postgres/subscription_find.sql"))
            .bind(names.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
            .bind(names.iter().map(|(_, group)| group.as_str()).collect::<Vec<_>>());
        self.sessions.acquire().await?.find_all(find).await?.iter().map(found).collect()
    }

    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error> {
        let (mut written, mut updates) = (vec![false; changes.len()], Vec::new());
        for (index, change) in changes.iter().enumerate() {
            match &change.next {
                Some(next) if change.version > 0 && change.by.is_none() => {
                    updates.push((change, Row::from(next)));
                }
                next => written[index] = self.alone(change, next.as_ref()).await?,
            }
        }
        if updates.is_empty() {
            return Ok(written);
        }
        let mut session = self.sessions.acquire().await?;
        let updated = session.write_rows(update(&updates)).await?;
        session.put_back();
        let name =
            |row: &PgRow| Ok::<_, Error>((row.tenant()?, row.noun("name", Group::of_kafka)?));
        let updated: Result<BTreeSet<_>, _> = updated.iter().map(name).collect();
        let updated = updated.map_err(committed)?;
        for (written, change) in written.iter_mut().zip(changes) {
            *written |= updated.contains(&(change.tenant.clone(), change.group.clone()));
        }
        Ok(written)
    }
}

impl Postgres {
    /// Writes one change, and its entry.
    async fn alone(
        &self,
        change: &SubscriptionChange,
        next: Option<&Subscription>,
    ) -> Result<bool, Error> {
        let statement = match next.map(Row::from) {
            None => remove(change),
            Some(row) if change.version > 0 => update(&[(change, row)]),
            Some(row) => insert(change, row),
        };
        self.act(statement, change.by.as_ref()).await
    }
}

fn now(row: &PgRow) -> Result<Time, Error> {
    row.integer("now_ms").map(Time::from_ms)
}

fn found(row: &PgRow) -> Result<FoundSubscription, Error> {
    subscriptions::found(row, now(row)?)
}

fn insert(change: &SubscriptionChange, row: Row) -> Statement {
    sqlx::query(sql!("postgres/subscription_insert.sql"))
        .bind(change.tenant.to_string())
        .bind(change.group.to_string())
        .bind(row.form)
        .bind(row.position)
        .bind(row.delivered)
        .bind(row.scanned)
        .bind(row.gaps_to)
        .bind(row.generation)
        .bind(row.reader)
        .bind(row.expires_ms)
        .bind(row.ttl_ms)
        .bind(row.went_back_from)
        .bind(row.parts)
}

fn remove(change: &SubscriptionChange) -> Statement {
    sqlx::query(sql!("postgres/subscription_remove.sql"))
        .bind(change.tenant.to_string())
        .bind(change.group.to_string())
        .bind(change.version.cast_signed())
}

fn update(updates: &[(&SubscriptionChange, Row)]) -> Statement {
    let changes = || updates.iter().map(|(change, _)| change);
    let rows = || updates.iter().map(|(_, row)| row);
    sqlx::query(sql!("postgres/subscription_update.sql"))
        .bind(changes().map(|change| change.tenant.to_string()).collect::<Vec<_>>())
        .bind(changes().map(|change| change.group.to_string()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.form.clone()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.position).collect::<Vec<_>>())
        .bind(rows().map(|row| row.delivered).collect::<Vec<_>>())
        .bind(rows().map(|row| row.scanned).collect::<Vec<_>>())
        .bind(rows().map(|row| row.gaps_to.clone()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.generation).collect::<Vec<_>>())
        .bind(rows().map(|row| row.reader.clone()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.expires_ms).collect::<Vec<_>>())
        .bind(rows().map(|row| row.ttl_ms).collect::<Vec<_>>())
        .bind(rows().map(|row| row.went_back_from).collect::<Vec<_>>())
        .bind(changes().map(|change| change.version.cast_signed()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.parts.clone()).collect::<Vec<_>>())
}

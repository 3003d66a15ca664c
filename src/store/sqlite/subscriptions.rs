//! The port's `Subscriptions` on SQLite. Its log is one process's own, so there is nothing to
//! watch.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, rows, trail};
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group};
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::subscriptions::{self, LetterRow, Row};
use crate::store::{
    DeadCount, Error, FoundSubscription, Lag, SubscriptionChange, Subscriptions, Watch,
};

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

    async fn list_dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let (tenant, group) = (tenant.clone(), group.clone());
        let (after, limit) = (after.as_column(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/dead_letter_list.sql");
                let wanted = params![tenant.as_str(), group.as_str(), after, limit];
                rows::find(reading, list, wanted, |row| subscriptions::dead_letter(row))
            })
            .await
    }

    async fn count_dead_letters(
        &self,
        of: Option<(&TenantId, Option<&Group>)>,
    ) -> Result<Vec<DeadCount>, Error> {
        let tenant = of.map(|(tenant, _)| tenant.to_string());
        let group = of.and_then(|(_, group)| group.map(Group::to_string));
        self.readers
            .read(move |reading| {
                let count = sql!("sqlite/dead_letter_count.sql");
                rows::find(reading, count, [&tenant, &group], |row| subscriptions::dead_count(row))
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
            let removed = rows::change(writing, remove, params![tenant, group, version])?;
            if removed == 1 {
                let outlive = sql!("sqlite/subscription_outlive.sql");
                rows::change(writing, outlive, params![tenant, version])?;
            }
            removed
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
                row.halt,
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
                row.halt,
            ];
            rows::change(writing, update, new)?
        }
    };
    if written == 1 && change.has_letters() {
        write_letters(writing, change)?;
    }
    Ok(written == 1)
}

/// Writes the changes of a group's dead letters, or removes all of a group that is removed.
fn write_letters(writing: &Connection, change: &SubscriptionChange) -> Result<(), Error> {
    let (tenant, group) = (change.tenant.as_str(), change.group.as_str());
    if change.next.is_none() {
        let forget = sql!("sqlite/dead_letter_forget.sql");
        return rows::change(writing, forget, [tenant, group]).map(drop);
    }
    let (put, removed) = change.letters();
    for position in removed {
        let remove = sql!("sqlite/dead_letter_remove.sql");
        rows::change(writing, remove, params![tenant, group, position.as_column()])?;
    }
    for letter in put {
        let LetterRow { topic, key, scope, why, attempts, since_ms, is_redriven } = letter.into();
        let position = letter.position.as_column();
        let columns = params![
            tenant,
            group,
            position,
            topic,
            key,
            scope,
            why,
            attempts,
            since_ms,
            is_redriven,
        ];
        rows::write(writing, sql!("sqlite/dead_letter_put.sql"), columns)?;
    }
    Ok(())
}

//! The port's `Subscriptions` on PostgreSQL.
//!
//! Changes of many rows, such as the renewals of all streams of a replica, are one statement.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::error::committed;
use super::rows::Statement;
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::columns::Columns;
use crate::store::subscriptions::{self, LetterRow, Row};
use crate::store::{DeadCount, Error, FoundSubscription, Lag, SubscriptionChange, Subscriptions};

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
                Some(next) if change.version > 0 && is_alone(change) => {
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

    async fn list_dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let list = sqlx::query(sql!("postgres/dead_letter_list.sql"))
            .bind(tenant.to_string())
            .bind(group.to_string())
            .bind(after.as_column())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let listed = self.sessions.acquire().await?.find_all(list).await?;
        listed.iter().map(subscriptions::dead_letter).collect()
    }

    async fn count_dead_letters(
        &self,
        of: Option<(&TenantId, Option<&Group>)>,
    ) -> Result<Vec<DeadCount>, Error> {
        let (tenant, group) = (of.map(|(tenant, _)| tenant), of.and_then(|(_, group)| group));
        let count = sqlx::query(sql!("postgres/dead_letter_count.sql"))
            .bind(tenant.map(TenantId::to_string))
            .bind(group.map(Group::to_string));
        let counted = self.sessions.acquire().await?.find_all(count).await?;
        counted.iter().map(subscriptions::dead_count).collect()
    }
}

impl Postgres {
    /// Writes one change, its entry, and its dead letters.
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
        if !change.has_letters() {
            return self.act(statement, change.by.as_ref()).await;
        }
        let mut session = self.sessions.begin().await?;
        if next.is_none() {
            // First, so that whoever makes the group anew waits for this.
            session.run(outlive(change)).await?;
        }
        if session.change(statement).await? == 0 {
            session.rollback().await?;
            return Ok(false);
        }
        for letters in letters(change) {
            session.run(letters).await?;
        }
        session.note(change.by.as_ref()).await?;
        session.commit().await?;
        Ok(true)
    }
}

/// Returns whether a change is of its row alone.
fn is_alone(change: &SubscriptionChange) -> bool {
    change.by.is_none() && !change.has_letters()
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
        .bind(row.halt)
}

fn outlive(change: &SubscriptionChange) -> Statement {
    sqlx::query(sql!("postgres/subscription_outlive.sql"))
        .bind(change.tenant.to_string())
        .bind(change.version.cast_signed())
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
        .bind(rows().map(|row| row.halt.clone()).collect::<Vec<_>>())
}

/// Returns the statements that write the changes of a group's dead letters, or remove all of a
/// group that is removed.
fn letters(change: &SubscriptionChange) -> Vec<Statement> {
    let of = |sql| sqlx::query(sql).bind(change.tenant.to_string()).bind(change.group.to_string());
    if change.next.is_none() {
        return vec![of(sql!("postgres/dead_letter_forget.sql"))];
    }
    let (put, removed) = change.letters();
    let mut statements = Vec::new();
    if !removed.is_empty() {
        let positions: Vec<_> = removed.into_iter().map(Position::as_column).collect();
        statements.push(of(sql!("postgres/dead_letter_remove.sql")).bind(positions));
    }
    if !put.is_empty() {
        let rows = || put.iter().map(|letter| LetterRow::from(*letter));
        let texts = |text: fn(&LetterRow) -> String| rows().map(|it| text(&it)).collect::<Vec<_>>();
        let numbers =
            |number: fn(&LetterRow) -> i64| rows().map(|it| number(&it)).collect::<Vec<_>>();
        let positions: Vec<_> = put.iter().map(|letter| letter.position.as_column()).collect();
        statements.push(
            of(sql!("postgres/dead_letter_put.sql"))
                .bind(positions)
                .bind(texts(|it| it.topic.to_owned()))
                .bind(texts(|it| it.key.to_owned()))
                .bind(texts(|it| it.scope.to_owned()))
                .bind(rows().map(|it| it.why.map(str::to_owned)).collect::<Vec<_>>())
                .bind(numbers(|it| it.attempts))
                .bind(numbers(|it| it.since_ms))
                .bind(numbers(|it| it.is_redriven)),
        );
    }
    statements
}

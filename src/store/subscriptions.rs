//! The port's `Subscriptions`: the groups that read a tenant's log over HTTP or as Kafka
//! clients.
//!
//! `subscribe` and the subcommands change them, and removal reads what they hold back. A change is
//! decided outside the store (`domain::subscription`), on a row as it was found and by the store's
//! clock, and is written only if the row is still as it was found.

use async_trait::async_trait;

use super::columns::{Columns, unreadable};
use super::{Error, Lag};
use crate::domain::floors::AcceptedGaps;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::subscription::{
    DeadLetter, Form, Group, Halt, LastFailure, Parts, ReaderLease, Scope, Subscription,
};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;

/// A subscription as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSubscription {
    /// The tenant.
    pub tenant: TenantId,
    /// The name of the group.
    pub group: Group,
    /// The number of the row's last change.
    pub version: u64,
    /// The row.
    pub subscription: Subscription,
    /// The time by the store's clock when it was found.
    pub now: Time,
}

/// A change of one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// The tenant.
    pub tenant: TenantId,
    /// The name of the group.
    pub group: Group,
    /// The version that the change is decided on; 0 if there was no row.
    pub version: u64,
    /// The new row; `None` removes it, and its dead letters.
    pub next: Option<Subscription>,
    /// The changes of its dead letters, which are written with the row or not at all; no position
    /// occurs twice.
    pub dead: Vec<DeadChange>,
    /// The entry, if the change is an act.
    pub by: Option<TrailEntry>,
}

/// A change of a group's dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadChange {
    /// Writes a dead letter, whether or not it is there.
    Put(DeadLetter),
    /// Removes the one of a position.
    Remove(Position),
}

/// The number of a group's dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadCount {
    /// The tenant.
    pub tenant: TenantId,
    /// The name of the group.
    pub group: Group,
    /// The number of dead letters, at least one.
    pub count: u64,
    /// The number of keys and topics of those that failed and whose later events join them.
    pub scopes: u64,
    /// The time of the oldest.
    pub oldest: Time,
    /// The least position of them.
    pub least: Position,
}

/// The subscriptions of all tenants.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Returns the subscriptions of one tenant, or of all, in order of tenant and group, each with
    /// its lag: the positions of the log that it has not passed, whether or not they match.
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error>;

    /// Returns those of the named subscriptions that exist, in any order.
    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error>;

    /// Writes changes, each by itself and only upon its version, with its dead letters; returns for
    /// each whether it was written. Nothing is added for a tenant that is not enabled. What is
    /// added gets a version and a generation above those of all subscriptions of the tenant that
    /// were removed, so that whoever had one of them is fenced; no generation is above its version.
    /// No subscription occurs twice.
    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error>;

    /// Returns the dead letters of a group after a position, in order, at most so many; discarded
    /// ones are among them.
    async fn list_dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error>;

    /// Returns how many dead letters each group has that has some: all groups, those of a tenant,
    /// or one; in order of tenant and group. Discarded ones don't count.
    async fn count_dead_letters(
        &self,
        of: Option<(&TenantId, Option<&Group>)>,
    ) -> Result<Vec<DeadCount>, Error>;
}

/// Returns a row's subscription, as it was found at this time.
pub(super) fn found(row: &(impl Columns + ?Sized), now: Time) -> Result<FoundSubscription, Error> {
    let at = |name: &str| row.integer(name).map(Position::from_column);
    let lease = row.text_if_any("reader")?.map(|reader| {
        let expires = Time::from_ms(row.integer("expires_ms")?);
        Ok::<_, Error>(ReaderLease {
            reader: reader.to_owned(),
            expires,
            ttl_ms: row.integer("ttl_ms")?,
        })
    });
    let subscription = Subscription {
        form: row.noun("form", Form::from_column)?,
        position: row.position()?,
        delivered: at("delivered")?,
        scanned: at("scanned")?,
        gaps_to: row.noun("gaps_to", AcceptedGaps::from_column)?,
        generation: row.count("generation")?,
        lease: lease.transpose()?,
        went_back_from: row.integer_if_any("went_back_from")?.map(Position::from_column),
        parts: parts(row)?,
        halt: halt(row)?,
    };
    Ok(FoundSubscription {
        tenant: row.tenant()?,
        group: row.noun("name", Group::of_kafka)?,
        version: row.count("version")?,
        subscription,
        now,
    })
}

/// Returns the cursors of a row's partitions. A restore moves `scanned` alone, and none lies
/// beyond.
fn parts(row: &(impl Columns + ?Sized)) -> Result<Option<Parts>, Error> {
    let Some(text) = row.text_if_any("parts")? else { return Ok(None) };
    let mut parts = Parts::from_column(text).map_err(|error| unreadable("parts", error))?;
    parts.go_back(Position::from_column(row.integer("scanned")?));
    Ok(Some(parts))
}

/// Returns a row's halt. A restore moves `scanned` alone: the event at which the group stopped was
/// delivered, so it is another one if it lies beyond.
fn halt(row: &(impl Columns + ?Sized)) -> Result<Option<Halt>, Error> {
    let Some(text) = row.text_if_any("halt")? else { return Ok(None) };
    let halt = Halt::from_column(text).map_err(|error| unreadable("halt", error))?;
    Ok(Some(halt.up_to(Position::from_column(row.integer("scanned")?))))
}

/// Returns a row's dead letter.
pub(super) fn dead_letter(row: &(impl Columns + ?Sized)) -> Result<DeadLetter, Error> {
    let attempts = row.count("attempts")?;
    let why = row.text_if_any("why")?.map(str::to_owned);
    Ok(DeadLetter {
        position: row.position()?,
        topic: row.topic()?,
        key: row.noun("key", Key::parse)?,
        scope: row.noun("joined_by", Scope::parse)?,
        failure: why.map(|why| LastFailure { why, attempts }),
        since: Time::from_ms(row.integer("since_ms")?),
        is_redriven: row.integer("is_redriven")? != 0,
    })
}

/// Returns a row's number of dead letters.
pub(super) fn dead_count(row: &(impl Columns + ?Sized)) -> Result<DeadCount, Error> {
    Ok(DeadCount {
        tenant: row.tenant()?,
        group: row.noun("name", Group::of_kafka)?,
        count: row.count("letters")?,
        scopes: row.count("scopes")?,
        oldest: Time::from_ms(row.integer("oldest_ms")?),
        least: row.integer("least").map(Position::from_column)?,
    })
}

/// The columns of a dead letter's row, besides its tenant, group and position.
pub(super) struct LetterRow<'a> {
    pub(super) topic: &'a str,
    pub(super) key: &'a str,
    pub(super) scope: &'static str,
    pub(super) why: Option<&'a str>,
    pub(super) attempts: i64,
    pub(super) since_ms: i64,
    pub(super) is_redriven: i64,
}

impl<'a> From<&'a DeadLetter> for LetterRow<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let failure = letter.failure.as_ref();
        Self {
            topic: letter.topic.as_str(),
            key: letter.key.as_str(),
            scope: letter.scope.as_str(),
            why: failure.map(|failure| &*failure.why),
            attempts: failure.map_or(0, |failure| failure.attempts.cast_signed()),
            since_ms: letter.since.as_ms(),
            is_redriven: i64::from(letter.is_redriven),
        }
    }
}

impl SubscriptionChange {
    /// Returns the dead letters that are written, and the positions of those that are removed.
    pub(super) fn letters(&self) -> (Vec<&DeadLetter>, Vec<Position>) {
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for change in &self.dead {
            match change {
                DeadChange::Put(letter) => put.push(letter),
                DeadChange::Remove(position) => removed.push(*position),
            }
        }
        (put, removed)
    }

    /// Returns whether the change concerns dead letters, too.
    pub(super) fn has_letters(&self) -> bool {
        self.next.is_none() || !self.dead.is_empty()
    }
}

/// The columns of a subscription's row, besides its name and version.
pub(super) struct Row {
    pub(super) form: String,
    pub(super) position: i64,
    pub(super) delivered: i64,
    pub(super) scanned: i64,
    pub(super) gaps_to: String,
    pub(super) generation: i64,
    pub(super) reader: Option<String>,
    pub(super) expires_ms: i64,
    pub(super) ttl_ms: i64,
    pub(super) went_back_from: Option<i64>,
    pub(super) parts: Option<String>,
    pub(super) halt: Option<String>,
}

impl From<&Subscription> for Row {
    fn from(subscription: &Subscription) -> Self {
        let lease = subscription.lease.as_ref();
        Self {
            form: subscription.form.as_column(),
            position: subscription.position.as_column(),
            delivered: subscription.delivered.as_column(),
            scanned: subscription.scanned.as_column(),
            gaps_to: subscription.gaps_to.as_column(),
            generation: subscription.generation.cast_signed(),
            reader: lease.map(|lease| lease.reader.clone()),
            expires_ms: lease.map_or(0, |lease| lease.expires.as_ms()),
            ttl_ms: lease.map_or(0, |lease| lease.ttl_ms),
            went_back_from: subscription.went_back_from.map(Position::as_column),
            parts: subscription.parts.as_ref().map(Parts::as_column),
            halt: subscription.halt.as_ref().map(Halt::as_column),
        }
    }
}

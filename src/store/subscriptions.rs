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
use crate::domain::position::Position;
use crate::domain::subscription::{Form, Group, Parts, ReaderLease, Subscription};
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
    /// The new row; `None` removes it.
    pub next: Option<Subscription>,
    /// The entry, if the change is an act.
    pub by: Option<TrailEntry>,
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

    /// Writes changes, each by itself and only upon its version; returns for each whether it was
    /// written. Nothing is added for a tenant that is not enabled. No subscription occurs twice.
    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error>;
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
        halt: None,
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
        }
    }
}

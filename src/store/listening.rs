//! The port's `Listening`: which replicas listen for Kafka's clients, into how many partitions the
//! listener divides each topic, and who coordinates each group.
//!
//! `listen` calls it. A group's summary and its state are texts that only `listen` reads, and a
//! list has no states: one may be megabytes. How far a group has come is in its subscriptions. A
//! row is changed only upon the version that it was found with, so that a coordinator whose group
//! was taken by another replica notices.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use super::columns::{Columns, unreadable};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// The row of a group of Kafka clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaGroup {
    /// The scope of the group: a tenant's id, or `*` for a group over all tenants.
    pub scope: String,
    /// The name of the group.
    pub group: Group,
    /// The number of the row's last change; 0 if there is no row yet.
    pub version: u64,
    /// The run of the replica that coordinates the group.
    pub holder: String,
    /// The group in short, for lists.
    pub summary: String,
    /// The members, and what is assigned to them.
    pub state: String,
}

/// The row of a group in a list of its scope's, without its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKafkaGroup {
    /// The name of the group.
    pub group: Group,
    /// The number of the row's last change.
    pub version: u64,
    /// The run of the replica that coordinates the group.
    pub holder: String,
    /// The group in short.
    pub summary: String,
}

/// The listener of a replica, as Kafka's clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaListener {
    /// The number by which clients know it, which no other one has that is announced.
    pub node: u16,
    /// The run of the replica.
    pub instance: String,
    /// The host that clients connect to.
    pub host: String,
    /// The port that they connect to.
    pub port: u16,
}

/// The rows of the listener.
#[async_trait]
pub trait Listening: Send + Sync {
    /// Fixes the number of partitions of topics. Returns each one's number, which is the one that
    /// was fixed first. Nothing is added for a tenant that has no log.
    async fn fix_partitions(&self, topics: &[(TenantId, Topic, u16)]) -> Result<Vec<u16>, Error>;

    /// Returns the row of a group.
    async fn find_kafka_group(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<KafkaGroup>, Error>;

    /// Returns the run of the replica that coordinates a group, without the rest of the row: its
    /// members may have megabytes.
    async fn find_kafka_group_holder(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<String>, Error>;

    /// Lists the rows of a scope, in order of name.
    async fn list_kafka_groups(&self, scope: &str) -> Result<Vec<ListedKafkaGroup>, Error>;

    /// Returns the number of rows of a scope.
    async fn count_kafka_groups(&self, scope: &str) -> Result<u64, Error>;

    /// Writes a row upon its version. Returns whether it was written.
    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error>;

    /// Removes a row upon its version. Returns whether it was removed.
    async fn remove_kafka_group(
        &self,
        scope: &str,
        group: &Group,
        version: u64,
    ) -> Result<bool, Error>;

    /// Announces a listener for another `ttl` from now, by the store's clock. Returns whether it is
    /// announced: another one may have its number.
    async fn announce_listener(
        &self,
        listener: &KafkaListener,
        ttl: Duration,
    ) -> Result<bool, Error>;

    /// Removes a listener from those that are announced.
    async fn withdraw_listener(&self, listener: &KafkaListener) -> Result<(), Error>;

    /// Returns the listeners that are announced, in order of their numbers. A store of one replica
    /// keeps none of them.
    async fn list_listeners(&self) -> Result<Vec<KafkaListener>, Error>;
}

/// Reads a group from its row.
pub(super) fn kafka_group(row: &(impl Columns + ?Sized)) -> Result<KafkaGroup, Error> {
    Ok(KafkaGroup {
        scope: row.text("scope")?.to_owned(),
        group: row.noun("name", Group::of_kafka)?,
        version: row.count("version")?,
        holder: holder(row)?,
        summary: summary(row)?,
        state: row.text("state")?.to_owned(),
    })
}

/// Reads who coordinates a group from its row.
pub(super) fn holder(row: &(impl Columns + ?Sized)) -> Result<String, Error> {
    Ok(row.text("holder")?.to_owned())
}

/// Reads a group of a list from its row.
pub(super) fn listed(row: &(impl Columns + ?Sized)) -> Result<ListedKafkaGroup, Error> {
    Ok(ListedKafkaGroup {
        group: row.noun("name", Group::of_kafka)?,
        version: row.count("version")?,
        holder: holder(row)?,
        summary: summary(row)?,
    })
}

/// Reads the summary of a group from its row, which may be older than summaries are.
fn summary(row: &(impl Columns + ?Sized)) -> Result<String, Error> {
    Ok(row.text_if_any("summary")?.unwrap_or_default().to_owned())
}

/// Reads a listener from its row.
pub(super) fn kafka_listener(row: &(impl Columns + ?Sized)) -> Result<KafkaListener, Error> {
    let small = |name| u16::try_from(row.integer(name)?).map_err(|error| unreadable(name, error));
    Ok(KafkaListener {
        node: small("node")?,
        instance: row.text("instance")?.to_owned(),
        host: row.text("host")?.to_owned(),
        port: small("port")?,
    })
}

/// Returns a topic's number of partitions from its row.
pub(super) fn partitions(row: &(impl Columns + ?Sized)) -> Result<u16, Error> {
    let number = row.integer("partitions")?;
    u16::try_from(number).map_err(|error| unreadable("partitions", error))
}

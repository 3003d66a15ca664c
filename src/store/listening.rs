//! The port's `Listening`: which replicas listen for Kafka's clients, into how many partitions the
//! listener divides each topic, and who coordinates each group.
//!
//! `listen` calls it. A group's state is text that only `listen` reads; how far a group has come is
//! in its subscriptions. A row is changed only upon the version that it was found with, so that a
//! coordinator whose group was taken by another replica notices.

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
    /// The members, and what is assigned to them.
    pub state: String,
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

    /// Returns the rows of all groups, in order of scope and name.
    async fn list_kafka_groups(&self) -> Result<Vec<KafkaGroup>, Error>;

    /// Writes a row upon its version. Returns whether it was written.
    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error>;

    /// Removes a row upon its version. Returns whether it was removed.
    async fn remove_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error>;

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
        holder: row.text("holder")?.to_owned(),
        state: row.text("state")?.to_owned(),
    })
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

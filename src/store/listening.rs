//! The port's `Listening`: into how many partitions the listener divides each topic, and who
//! coordinates each group of Kafka clients.
//!
//! `listen` calls it. A group's state is text that only `listen` reads; how far a group has come is
//! in its subscriptions. A row is changed only upon the version that it was found with, so that a
//! coordinator whose group was taken by another replica notices.

use async_trait::async_trait;

use super::Error;
use super::columns::Columns;
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

/// Returns a topic's number of partitions from its row.
pub(super) fn partitions(row: &(impl Columns + ?Sized)) -> Result<u16, Error> {
    let number = row.integer("partitions")?;
    u16::try_from(number).map_err(|error| super::columns::unreadable("partitions", error))
}

//! The options of `topics`.

use clap::{Args, Subcommand};

use super::{TopicsOptions, whole};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// The subcommands of `topics`.
#[derive(Debug, Clone, Subcommand)]
pub enum TopicsCommand {
    /// Prints a line for each topic: the settings with which it is created, and the partitions that
    /// it has in Kafka.
    List(Box<TopicsOptions>),
    /// Compares the topics that the files want with those that Kafka has, and prints the
    /// differences.
    ///
    /// The exit status is 0 if there is none, 1 if there are any, and 2 if it could not compare.
    Diff(Box<DiffTopicsOptions>),
    /// Creates the topics that are missing, and gives the others the settings of the files, where
    /// that is safe.
    ///
    /// It changes neither partitions nor replicas. The exit status is 1 if anything was refused.
    Apply(Box<ApplyTopicsOptions>),
    /// Gives a topic the partitions that the files say, once nothing of its tenants is pending.
    ///
    /// A key may go to another partition than before; Kafka orders no records of two partitions. It
    /// may run while replicas run.
    Grow(Box<GrowTopicOptions>),
    /// Lists the topics that the gateway had, and that no file names any more.
    Obsolete(Box<ObsoleteTopicsOptions>),
    /// Prints the rights that the gateway's user needs in Kafka, or a consumer group: the commands
    /// that grant them.
    Acl(Box<AclOptions>),
}

/// Options of `topics acl`.
#[derive(Debug, Clone, Args)]
pub struct AclOptions {
    /// The tenant whose topics they are for, enabled or not; without one, all tenants that are
    /// enabled or have a file.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The consumer group, such as cg.search, that reads the tenant's topics; without one, the
    /// rights are the gateway's.
    #[arg(long, value_parser = Group::parse, requires = "tenant")]
    pub group: Option<Group>,
    /// The principal, as Kafka knows it. The default is User: and the group, or event-gateway.
    #[arg(long)]
    pub principal: Option<String>,
    /// Adds the rights to change and delete topics, which `topics apply`, `grow` and `obsolete
    /// --delete` need, and `lanes resize`.
    #[arg(long, conflicts_with = "group")]
    pub manage: bool,
    /// Prints a JSON object for each resource, on a line of its own.
    #[arg(long)]
    pub json: bool,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Options about the topics of some tenants.
#[derive(Debug, Clone, Args)]
pub struct SomeTopicsOptions {
    /// The tenant; without one, the topics of all tenants.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Options of `topics diff`.
#[derive(Debug, Clone, Args)]
pub struct DiffTopicsOptions {
    /// Prints a JSON object for each topic that differs, on a line of its own.
    #[arg(long)]
    pub json: bool,
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

/// Options of `topics apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyTopicsOptions {
    /// Also sets a shorter retention and another cleanup policy, by which Kafka removes records
    /// that it keeps. The log need not have them any more.
    #[arg(long)]
    pub shorten: bool,
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

/// Options of `topics grow`.
#[derive(Debug, Clone, Args)]
pub struct GrowTopicOptions {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    pub topic: Topic,
    /// The seconds after which it gives up, if events are still pending; without it, it waits for
    /// ever.
    #[arg(long, value_parser = whole::<u64, 0, 604_800>)]
    pub wait: Option<u64>,
    /// Goes on although events of the topic are parked: once they are released, they go by the new
    /// number, after later ones.
    #[arg(long)]
    pub with_parked: bool,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Options of `topics obsolete`.
#[derive(Debug, Clone, Args)]
pub struct ObsoleteTopicsOptions {
    /// Deletes those that are empty.
    #[arg(long)]
    pub delete: bool,
    /// Prints a JSON object for each topic, on a line of its own.
    #[arg(long)]
    pub json: bool,
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

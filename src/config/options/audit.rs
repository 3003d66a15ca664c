//! The options of `audit`.

use clap::Args;

use super::TopicsOptions;
use crate::domain::filter::TopicPattern;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// Options of `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditOptions {
    /// The tenant to audit; without one, all tenants are audited.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The topics to audit: a name, or a pattern in which * stands for anything but a dot, and **
    /// for anything. It may be repeated; without it, all topics are audited.
    #[arg(long, value_parser = TopicPattern::parse)]
    pub topic: Vec<TopicPattern>,
    /// The earliest time of the events to compare, such as 2026-11-26T08:00:00Z; without it, all
    /// events are compared.
    #[arg(long, value_parser = Time::parse)]
    pub since: Option<Time>,
    /// Replays the events that are missing, each to its topic, with the newer events of their keys.
    /// A running gateway does it.
    #[arg(long)]
    pub repair: bool,
    /// Prints a JSON object for each tenant, on a line of its own.
    #[arg(long)]
    pub json: bool,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

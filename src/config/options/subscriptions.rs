//! The options of `subscriptions`.

use clap::{Args, Subcommand};

use super::{StoreOptions, TenantsOptions, whole};
use crate::domain::filter::{Filter, TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::subscription::{Form, Gaps, Group, Start};
use crate::domain::tenant::TenantId;

/// The subcommands of `subscriptions`.
#[derive(Debug, Clone, Subcommand)]
pub enum SubscriptionsCommand {
    /// Prints a line for each subscription: where the group stands, who reads for it, and its lag.
    List(Box<ListOptions>),
    /// Prints a subscription as JSON.
    Show(Box<GroupOptions>),
    /// Makes a subscription, or gives an existing one another filter.
    Put(Box<PutOptions>),
    /// Moves a group, while nobody reads for it.
    Seek(Box<SeekOptions>),
    /// Removes a subscription; a reader that it has ends.
    Delete(Box<GroupOptions>),
}

/// Options of `subscriptions list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The tenant; without one, the subscriptions of all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of a subcommand about one group.
#[derive(Debug, Clone, Args)]
pub struct GroupOptions {
    /// The group, such as cg.search.
    #[arg(value_parser = Group::parse)]
    pub group: Group,
    /// The tenant of the group.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of `subscriptions seek`.
#[derive(Debug, Clone, Args)]
pub struct SeekOptions {
    /// Where the group goes on: earliest, latest, a position such as 41 (it goes on after it), or a
    /// time such as 2026-11-26T08:00:00Z.
    #[arg(long, value_parser = Start::parse)]
    to: Start,
    /// With `skip`, goes on at the position or time even if events of the filter's topics were
    /// removed after it; without it, that is an error.
    #[arg(long, value_parser = Gaps::parse)]
    gaps: Option<Gaps>,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Options of `subscriptions put`.
#[derive(Debug, Clone, Args)]
pub struct PutOptions {
    /// A topic to deliver, or a pattern in which * stands for anything but a dot, and ** for
    /// anything. It may be repeated; without it, all topics are delivered.
    #[arg(long, value_parser = TopicPattern::parse)]
    topic: Vec<TopicPattern>,
    /// A key to deliver. It may be repeated; without it, all keys are delivered.
    #[arg(long, value_parser = Key::parse)]
    key: Vec<Key>,
    /// A type to deliver, such as UPDATE. It may be repeated; without it, all types are delivered.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<String>,
    /// A header that events must have, as NAME=VALUE. It may be repeated.
    #[arg(long, value_parser = header)]
    header: Vec<(String, String)>,
    /// Where a new group begins: earliest, latest, a position such as 41 (it begins after it), or a
    /// time such as 2026-11-26T08:00:00Z.
    #[arg(long, default_value = "earliest", value_parser = Start::parse)]
    start: Start,
    /// With `skip`, begins at the position or time even if events of the filter's topics were
    /// removed after it; without it, that is an error.
    #[arg(long, value_parser = Gaps::parse)]
    gaps: Option<Gaps>,
    /// Commits what a reader has received when it asks for more.
    #[arg(long)]
    auto_commit: bool,
    /// The seconds for which a reader that is not heard of keeps the group.
    #[arg(long, default_value_t = 30, value_parser = whole::<u64, 1, 3_600>)]
    lease_seconds: u64,
    /// The seconds up to which events that are not committed are kept from removal.
    #[arg(long, default_value_t = 0, value_parser = whole::<u64, 0, 31_622_400>)]
    hold_seconds: u64,
    /// The group. It comes before the tenants' files, under whose heading it would stand else.
    #[command(flatten)]
    pub group: GroupOptions,
    /// The tenants' files, which say what is not stored.
    #[command(flatten)]
    pub tenants: TenantsOptions,
}

impl SeekOptions {
    /// Returns where the group goes on.
    pub fn to(&self) -> Start {
        self.to.with(self.gaps.unwrap_or_default())
    }
}

impl PutOptions {
    /// Returns where a new group begins.
    pub fn start(&self) -> Start {
        self.start.with(self.gaps.unwrap_or_default())
    }

    /// Returns the form of the subscription.
    pub fn form(&self) -> Form {
        Form {
            filter: Filter {
                topics: self.topic.clone(),
                keys: self.key.clone(),
                types: self.types.clone(),
                headers: self.header.clone(),
            },
            auto_commit: self.auto_commit,
            lease_seconds: self.lease_seconds,
            hold_seconds: self.hold_seconds,
        }
    }
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

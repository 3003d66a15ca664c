//! The options of `erasures`.

use clap::{ArgGroup, Args, Subcommand};

use super::{PartsOptions, StoreOptions};
use crate::domain::erasure::{self, ErasureId, ErasureRequest};
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::domain::text;

/// The subcommands of `erasures`.
#[derive(Debug, Clone, Subcommand)]
pub enum ErasuresCommand {
    /// Takes the content of all events of a record out of the log, for ever.
    ///
    /// A running gateway carries it out. The progress is shown until every sink has passed it.
    Start(Box<StartErasureOptions>),
    /// Prints a line for each erasure, newest first.
    List(Box<ErasureListOptions>),
    /// Shows the progress of an erasure until it is complete.
    Watch(Box<ErasureOptions>),
}

/// Options of `erasures start`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("subject").args(["entity", "event"]).required(true))]
pub struct StartErasureOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The producer: a module's name or id, or a producer's name.
    #[arg(long, value_parser = text::name)]
    pub producer: String,
    /// The entity of the record.
    #[arg(long, value_parser = text::name)]
    pub entity: Option<String>,
    /// The process event of the record, instead of an entity.
    #[arg(long, value_parser = text::name)]
    pub event: Option<String>,
    /// The record's id.
    #[arg(long, value_parser = erasure::key)]
    pub key: Key,
    /// The reason, which is kept.
    #[arg(long, value_parser = text::reason)]
    pub reason: String,
    /// Returns at once, without showing the progress.
    #[arg(long)]
    pub detach: bool,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

impl StartErasureOptions {
    /// Returns the request for the erasure.
    pub fn request(&self) -> ErasureRequest {
        ErasureRequest {
            producer: self.producer.clone(),
            name: self.entity.clone().or_else(|| self.event.clone()).unwrap_or_default(),
            key: self.key.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// Options of `erasures list`.
#[derive(Debug, Clone, Args)]
pub struct ErasureListOptions {
    /// The tenant; without one, the erasures of all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of `erasures watch`.
#[derive(Debug, Clone, Args)]
pub struct ErasureOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The erasure's id.
    #[arg(value_parser = ErasureId::parse)]
    pub id: ErasureId,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

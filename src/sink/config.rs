//! The sinks that `config` asks for, and the settings of hexkit's collection.
//!
//! `open` and `check_settings` hand each to its adapter. Credentials are secrets: no message shows
//! them.

use std::sync::Arc;

use secrecy::SecretString;

use super::KafkaConfig;
use crate::domain::settings::Settings;

/// A sink that the settings ask for. Without any, events are read over HTTP alone.
#[derive(Debug, Clone)]
pub enum Config {
    /// A real Kafka.
    Kafka(KafkaConfig),
    /// hexkit's collection.
    Hexkit(HexkitConfig),
}

/// The address of hexkit's MongoDB, and what its documents are made by.
#[derive(Debug, Clone)]
pub struct HexkitConfig {
    /// `mongodb://…/database`
    pub url: SecretString,
    /// The settings, which name each tenant's service and topics.
    pub settings: Arc<Settings>,
    /// The mark of new documents.
    pub mark: Mark,
}

/// Whether hexkit has to publish a new document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The relay publishes it, so hexkit does so only if it republishes.
    Published,
    /// There is no broker, so hexkit's `publish_pending` publishes it.
    Pending,
}

//! The parts that a subcommand works on: the store, the tenants' settings and the sinks, opened as
//! the options say.
//!
//! A subcommand works beside a running `serve`, on the gateway's own topics or not at all
//! (`foreign_settings`).

use std::sync::Arc;

use anyhow::Context;

use super::foreign_settings;
use crate::clock::Clock;
use crate::config::{self, Illegal, PartsOptions, StoreOptions, TopicsOptions};
use crate::domain::settings::{FoundFiles, Settings};
use crate::follow::erasure::submit::ErasureDeps;
use crate::follow::replay::submit::SubmitDeps;
use crate::follow::tenant_jobs::TenantDeps;
use crate::follow::topics::TopicDeps;
use crate::sink::{self, Sinks};
use crate::store::{self, Access, Store};

/// The parts that a subcommand works on.
pub struct Deps {
    /// The log.
    pub store: Arc<dyn Store>,
    /// The tenants' settings.
    pub settings: Arc<Settings>,
    /// The sinks outside of this process.
    pub sinks: Sinks,
}

impl Deps {
    /// Opens the store, and every sink.
    pub async fn open(
        parts: &PartsOptions,
        access: Access,
        lanes_min: u16,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let sinks = |settings: &Arc<Settings>, lanes| config::all_sinks(parts, settings, lanes);
        open(&parts.topics, access, lanes_min, clock, sinks).await
    }

    /// Opens the store, and the broker alone of the sinks.
    pub async fn with_broker(
        topics: &TopicsOptions,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let broker = |_: &_, lanes| config::sinks(&topics.kafka, &topics.store, lanes);
        open(topics, Access::Attach, 1, clock, broker).await
    }

    /// Opens the store alone: what an operator asks of it needs neither settings nor a broker.
    pub async fn of_store(options: &StoreOptions, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = attached(options, clock).await?;
        Ok(Self { store, settings: Arc::default(), sinks: Sinks::default() })
    }

    /// Returns what the subcommands of `topics` need; an error if there is no Kafka.
    pub fn topics(&self) -> anyhow::Result<TopicDeps<'_>> {
        let unset = "the topics are compared with Kafka's: set KAFKA_HOST";
        let kafka = self.sinks.repair.as_deref().context(unset)?;
        Ok(TopicDeps { store: &*self.store, settings: &self.settings, kafka })
    }

    /// Returns what replays need.
    pub fn replays(&self, clock: Arc<dyn Clock>) -> SubmitDeps {
        let Self { store, settings, sinks } = self;
        let (store, settings) = (store.clone(), settings.clone());
        SubmitDeps { store, settings, broker: sinks.broker().cloned(), clock }
    }

    /// Returns what erasures need.
    pub fn erasures(self, clock: Arc<dyn Clock>) -> ErasureDeps {
        let Self { store, settings, sinks } = self;
        ErasureDeps { store, settings, sinks: sinks.followers(), clock }
    }

    /// Returns what a tenant job needs.
    pub fn tenants(self, clock: Arc<dyn Clock>) -> TenantDeps {
        let Self { store, settings, sinks } = self;
        TenantDeps::new(store, settings, Arc::new(FoundFiles::default), sinks.followers(), clock)
    }
}

/// Opens the store beside a running `serve`.
pub async fn attached(
    options: &StoreOptions,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Store>> {
    let config = config::store_config(options)?;
    Ok(store::open(&config, Access::Attach, clock).await?)
}

/// Opens the store, and these sinks for as many lanes as the store has, but at least `lanes_min`.
async fn open(
    topics: &TopicsOptions,
    access: Access,
    lanes_min: u16,
    clock: Arc<dyn Clock>,
    sinks: impl FnOnce(&Arc<Settings>, u16) -> Result<Vec<sink::Config>, Illegal>,
) -> anyhow::Result<Deps> {
    let settings = config::settings(&topics.tenants, &topics.store)?;
    let place = config::store_config(&topics.store)?;
    let (settings, store) = (Arc::new(settings), store::open(&place, access, clock).await?);
    foreign_settings::refuse(&*store, &settings).await?;
    let lanes = u16::try_from(store.members().await?.lanes.len())?.max(lanes_min);
    let sinks = sinks(&settings, lanes)?;
    let sinks = sink::open(&sinks).map_err(Illegal::new)?;
    Ok(Deps { store, settings, sinks })
}

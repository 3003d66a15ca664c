//! The parts of subscriptions: their readers, what their files ask for, and their handlers.

use std::sync::Arc;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::subscribe::{Look, PushDeps, PushLimits, Subscribe, SubscribeDeps, SubscribeTasks};

/// Starts what the readers and the handlers of subscriptions need, and what their files ask for.
pub(super) fn start(
    config: &Config,
    store: &Arc<dyn Store>,
    metrics: &Arc<Metrics>,
    closing: &CancellationToken,
    push: PushDeps,
) -> anyhow::Result<(Arc<Subscribe>, SubscribeTasks)> {
    let (subscribe, mut tasks) = Subscribe::start(SubscribeDeps {
        store: store.clone(),
        settings: config.settings.clone(),
        metrics: metrics.clone(),
        lanes: config.lanes,
        closing: closing.clone(),
    });
    tasks.follow_files(&subscribe, look(config));
    tasks.push_handlers(&subscribe, push).map_err(|error| anyhow!("webhooks: {error}"))?;
    Ok((subscribe, tasks))
}

/// Returns the way to what the subscriptions' files ask for.
fn look(config: &Config) -> Look {
    let files = config.subscription_files.clone();
    Arc::new(move || files.look())
}

/// Returns the parts of the handlers, which has this process's name.
pub(super) fn push_deps(config: &Config, instance: &str, clock: &Arc<dyn Clock>) -> PushDeps {
    let (instance, networks) = (instance.to_owned(), config.webhook_networks.clone());
    let (clock, withheld) = (clock.clone(), config::own_variables().into());
    let (files, limits) = (look(config), PushLimits::default());
    PushDeps { instance, networks, clock, files, withheld, limits }
}

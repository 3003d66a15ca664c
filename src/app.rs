//! The gateway's parts: built once, then run and stopped.
//!
//! `config` provides the settings; every room is wired to the next here. A stop follows the way of
//! the data: no new requests, then the accepted changes, then the page under way.

mod banner;
mod certificate;
mod credentials;
mod files;
mod serving;
mod subscriptions;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::access::{Credentials, Tokens};
use crate::clock::Clock;
use crate::config::{Config, Illegal};
use crate::domain::position::LogId;
use crate::domain::settings::Settings;
use crate::follow::erasure::submit::ErasureDeps;
use crate::follow::published::Published;
use crate::follow::replay::submit::SubmitDeps;
use crate::follow::tenant_jobs::TenantDeps;
use crate::follow::{self, Followers, Wakeups};
use crate::health::Health;
use crate::http;
use crate::intake::{Intake, IntakeDeps, Wake, Writers};
use crate::listen::{ListenDeps, Listener};
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::sink::{self, Sinks};
use crate::store::Store;
use crate::subscribe::{Subscribe, SubscribeTasks};
use crate::tasks::Tasks;
use crate::traces::Traces;

use banner::Banner;

/// The longest time that a stop may take to answer open requests and append accepted changes.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest time that a stop may take to finish the pages under way.
const FINISH_PAGE: Duration = Duration::from_secs(4);
/// The least time for closing the store; in all, a stop takes 10 s.
const CLOSE_MIN: Duration = Duration::from_secs(1);
const STOP: Duration = Duration::from_secs(10);

/// The gateway, ready to run.
pub struct App {
    http: http::HttpDeps,
    follow: follow::FollowDeps,
    sinks: Sinks,
    writers: Writers,
    subscriptions: SubscribeTasks,
    listener: Option<Listener>,
    credentials: Option<Arc<Credentials>>,
    closing: CancellationToken,
    banner: Banner,
}

/// Builds the gateway on an open store: opens the sinks, and enables the tenants that have a file
/// and that the store has never seen. A sink that is away is no error.
pub async fn build(
    config: &Config,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<App> {
    refuse_other_lanes(store.lanes(config.lanes).await?.into(), config.lanes.into())?;
    enable_tenants(&*store, &config.settings, &*clock).await?;
    let sinks = open_sinks(config)?;
    let wakeups = Wakeups::new(config.lanes);
    let traces = Arc::new(Traces::start(config.traces.as_ref(), &metrics).context("traces")?);
    let (health, closing) = (Arc::new(Health::default()), CancellationToken::new());
    observe(config, &store, &sinks, &metrics);
    let instance = clock.new_id().to_string();
    let push = subscriptions::push_deps(config, &instance, &clock);
    let (subscribe, subscriptions) =
        subscriptions::start(config, &store, &metrics, &closing, push)?;
    let deps = intake_deps(config, &store, &clock, &metrics);
    let (intake, writers) = Intake::start(&config.intake, deps, &wake(&wakeups, &subscribe));
    let (pages, ticks) = watch::channel(());
    let relayed = sinks.broker().map(|_| ticks);
    let tokens = Tokens::new(&config.auth, &store, &clock, &metrics)?.map(Arc::new);
    let http = http::HttpDeps {
        config: config.http.clone(),
        tokens,
        settings: config.settings.clone(),
        store: store.clone(),
        intake: Arc::new(intake),
        quotas: quotas(config, &clock),
        subscribe,
        published: Arc::new(Published::new(store.clone(), relayed, closing.clone())),
        erasures: erasure_deps(config, &store, &sinks, &clock),
        tenants: tenant_deps(config, &store, &sinks, &clock),
        replays: submit_deps(config, &store, &sinks, &clock),
        followers: sinks.followers(),
        health: health.clone(),
        metrics: metrics.clone(),
        traces: traces.clone(),
        clock: clock.clone(),
        closing: closing.clone(),
    };
    let replica = config.replica.clone().unwrap_or_else(|| clock.new_id().to_string());
    let credentials = credentials::open(config, &http.metrics)?;
    let listener = kafka_listener(config, &http, &instance, credentials.clone()).await?;
    let kafka = listener.as_ref().map(Listener::address);
    let banner = banner(config, &*store, &sinks, kafka.as_deref(), &replica).await?;
    let follow = follow::FollowDeps {
        store,
        settings: config.settings.clone(),
        wakeups,
        health,
        metrics,
        traces,
        pages,
        clock,
        replica,
        instance,
        audit_every: config.audit_every,
        replay_pause_max: config.replay_pause_max,
        lifetimes: config.lifetimes,
        removal: config.removal,
        tenants: http.tenants.clone(),
    };
    Ok(App { http, follow, sinks, writers, subscriptions, listener, credentials, closing, banner })
}

fn intake_deps(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> IntakeDeps {
    let (settings, metrics) = (config.settings.clone(), metrics.clone());
    IntakeDeps { store: store.clone(), settings, clock: clock.clone(), metrics }
}

/// Binds the listener for Kafka's clients, if there is to be one.
async fn kafka_listener(
    config: &Config,
    http: &http::HttpDeps,
    instance: &str,
    credentials: Option<Arc<Credentials>>,
) -> anyhow::Result<Option<Listener>> {
    let Some(listen) = &config.kafka_listen else { return Ok(None) };
    let deps = ListenDeps {
        tokens: http.tokens.clone(),
        credentials,
        store: http.store.clone(),
        settings: http.settings.clone(),
        subscribe: http.subscribe.clone(),
        metrics: http.metrics.clone(),
        clock: http.clock.clone(),
        instance: instance.to_owned(),
        closing: http.closing.clone(),
    };
    let bound = Listener::bind(listen, deps).await;
    let bound = bound.with_context(|| format!("failed to listen on {}", listen.address))?;
    Ok(Some(bound))
}

async fn banner(
    config: &Config,
    store: &dyn Store,
    sinks: &Sinks,
    kafka: Option<&str>,
    replica: &str,
) -> anyhow::Result<Banner> {
    Ok(Banner {
        store: config.store.kind_and_place(),
        broker: banner::broker(sinks, kafka),
        env: config.settings.naming().env().map(str::to_owned),
        tenants: store.count().await?,
        lanes: config.lanes,
        replica: replica.to_owned(),
        auth: config.auth.clone(),
    })
}

/// Has the metrics told of the calls of the store, of the lanes, and of how many tenants they name.
fn observe(config: &Config, store: &Arc<dyn Store>, sinks: &Sinks, metrics: &Arc<Metrics>) {
    store.observe(metrics.clone());
    metrics.limit_tenants(config.metrics_tenants_max);
    if !sinks.sinks.is_empty() {
        metrics.lanes(config.lanes);
    }
}

fn quotas(config: &Config, clock: &Arc<dyn Clock>) -> Arc<Quotas> {
    Arc::new(Quotas::new(config.quota, config.settings.clone(), clock.clone()))
}

/// Enables the tenants that have files, and notes which topics all tenants have.
async fn enable_tenants(
    store: &dyn Store,
    settings: &Settings,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    refuse_colliding_topics(store, settings).await?;
    for tenant in settings.tenants() {
        store.enable_if_new(tenant, LogId::new(clock.new_id())).await?;
    }
    for enabled in store.list().await? {
        let topics = settings.subjects(&enabled.tenant);
        store.note_topics(&enabled.tenant, &topics).await?;
    }
    Ok(())
}

fn erasure_deps(
    config: &Config,
    store: &Arc<dyn Store>,
    sinks: &Sinks,
    clock: &Arc<dyn Clock>,
) -> ErasureDeps {
    let (settings, sinks) = (config.settings.clone(), sinks.followers());
    ErasureDeps { store: store.clone(), settings, sinks, clock: clock.clone() }
}

fn tenant_deps(
    config: &Config,
    store: &Arc<dyn Store>,
    sinks: &Sinks,
    clock: &Arc<dyn Clock>,
) -> TenantDeps {
    let files = config.added_files.clone();
    let look = Arc::new(move || files.look());
    let (store, settings) = (store.clone(), config.settings.clone());
    TenantDeps::new(store, settings, look, sinks.followers(), clock.clone())
}

fn submit_deps(
    config: &Config,
    store: &Arc<dyn Store>,
    sinks: &Sinks,
    clock: &Arc<dyn Clock>,
) -> SubmitDeps {
    let (settings, broker) = (config.settings.clone(), sinks.broker().cloned());
    SubmitDeps { store: store.clone(), settings, broker, clock: clock.clone() }
}

impl App {
    /// Returns the `host:port` that Kafka's clients connect to, if they may.
    pub fn kafka_address(&self) -> Option<String> {
        self.listener.as_ref().map(Listener::address)
    }

    /// Serves on a listener until `shutdown`; then answers open requests, appends accepted changes,
    /// finishes the page, and returns within 10 s. If one of its long-lived tasks ends without
    /// being asked to, it stops in the same way and returns an error.
    pub async fn run(
        mut self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let address = listener.local_addr()?;
        let tenants = self.http.tenants.clone();
        let (tls, health) = (self.http.config.tls.clone(), self.http.health.clone());
        let certificate = certificate::watch(tls, health, self.closing.clone());
        let counting = serving::Serving::new(&self.http, &self.follow.instance);
        let mut followers = Followers::start(&self.follow, &self.sinks);
        let server = http::server(self.http, listener).context("failed to serve HTTP")?;
        let (handle, mut serving) = (server.handle(), Tasks::default());
        let files = files::watch(tenants, self.closing.clone());
        serving.spawn("tenants' files", files);
        serving.spawn("listener's certificate", certificate);
        if let Some(credentials) = self.credentials {
            serving.spawn("credentials' files", credentials.follow(self.closing.clone()));
        }
        if let Some(listener) = self.listener {
            serving.spawn("Kafka listener", listener.run());
        }
        serving.spawn("count of replicas", counting.run(self.closing.clone()));
        serving
            .spawn("HTTP server", async { server.await.expect("a server that listens goes on") });
        self.banner.log(address);
        let unasked = tokio::select! {
            () = shutdown.cancelled() => None,
            ended = serving.ended() => Some(ended),
            ended = self.writers.ended() => Some(ended),
            ended = self.subscriptions.ended() => Some(ended),
            ended = followers.ended() => Some(ended),
        };
        match &unasked {
            None => tracing::info!("stopping"),
            Some(ended) => tracing::error!("stopping, since {ended}"),
        }
        let stopping = Instant::now();
        self.closing.cancel();
        let answering = async {
            handle.stop(true).await;
            let served = serving.finish().await;
            let served = served.or(self.subscriptions.stop().await);
            served.or(self.writers.finish().await)
        };
        let answered =
            timeout(ANSWER, answering).await.map_err(|_| anyhow!("failed to answer in time"));
        // It is safe to leave a page that Kafka doesn't answer, as it would be to be killed then.
        let followed = timeout(FINISH_PAGE, followers.stop()).await.unwrap_or_else(|_| {
            tracing::warn!("left a page that Kafka did not answer; the next start takes over");
            None
        });
        let rest = STOP.saturating_sub(stopping.elapsed()).max(CLOSE_MIN);
        tokio::join!(close(&*self.follow.store, rest), finish(self.follow.traces.clone(), rest));
        if let Some(ended) = unasked {
            bail!("{ended}");
        }
        answered?.or(followed).map_or(Ok(()), |ended| bail!("{ended}"))
    }
}

/// Closes the store. Every commit is durable, whether or not closing succeeds.
async fn close(store: &dyn Store, within: Duration) {
    match timeout(within, store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "failed to close the store"),
        Err(_) => {
            tracing::warn!(
                ?within,
                "failed to close the store in time; the next start finishes \
                                     that"
            )
        }
    }
}

/// Sends the last spans.
async fn finish(traces: Arc<Traces>, within: Duration) {
    // The SDK waits for its own thread.
    let _ = tokio::task::spawn_blocking(move || traces.finish(within)).await;
}

/// Returns how intake wakes those who follow a log that has grown.
fn wake(wakeups: &Wakeups, subscribe: &Subscribe) -> Wake {
    let (wakeups, grown) = (wakeups.clone(), subscribe.grown());
    Arc::new(move |tenant, lane| {
        grown.tell(tenant);
        wakeups.wake(lane);
    })
}

/// Opens the sinks, and warns if topics will have names that FOLIO's consumers don't look for.
fn open_sinks(config: &Config) -> anyhow::Result<Sinks> {
    let sinks = sink::open(&config.sinks).map_err(Illegal::new)?;
    if sinks.broker().is_some() && config.settings.naming().env().is_none() {
        tracing::warn!(
            "ENV is not set: FOLIO's own consumers expect topic names to begin with it, such as \
             `folio`"
        );
    }
    Ok(sinks)
}

/// Refuses settings by which topics of tenants that the store has collide, or are those of two.
pub async fn refuse_colliding_topics(store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
    let tenants: Vec<_> = store.list().await?.into_iter().map(|log| log.tenant).collect();
    settings.check_beside(&tenants).map_err(|illegal| {
        Illegal::new(anyhow!(
            "TENANTS_DIR, with the tenants that the store has: {illegal}; or start with the files \
             of before, and purge one of the tenants"
        ))
    })?;
    Ok(())
}

/// Refuses another number of lanes than the store's, since a tenant that changed lanes would not be
/// fenced.
pub fn refuse_other_lanes(lanes: usize, wanted: usize) -> anyhow::Result<()> {
    if lanes != wanted {
        bail!(
            "LANES is {wanted}, but the store has {lanes} lanes: set LANES={lanes}, or stop every \
             replica and run `event-gateway lanes resize {wanted}`"
        );
    }
    Ok(())
}

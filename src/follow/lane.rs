//! A lane: the one place that holds a producer, from fence to error.
//!
//! Fed by `relay`, which offers pages; feeds the broker, then notes in the store what is published.
//! Taking over is always the same: lease, fence, read the lane's cursors, verify, go on. A crash, a
//! page of unknown outcome and a takeover are one path: the producer is thrown away, and the lane is
//! taken over again. Only the transactional id makes a second worker harmless; the lease just
//! decides who works.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::health::News;
use super::relay::{self, Relay};
use super::{Backoff, LOOK_AGAIN, Parts};
use crate::broker::{self, Broker, Page, Producer};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::domain::topic::TopicSpec;
use crate::store::{self, Lease, Renewed};

/// How long a lane is held by who says nothing.
pub(super) const LEASE: Duration = Duration::from_secs(5);
const RENEW_AFTER: Duration = Duration::from_millis(1500);
/// How long a lane stands that only an operator can set right.
const STAND: Duration = Duration::from_secs(30);

/// Why a lane was let go.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Broker(#[from] broker::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the lease was lost")]
    LeaseLost,
    #[error(transparent)]
    Relay(#[from] relay::Error),
}

impl End {
    /// Whether trying again soon is of no use.
    fn is_for_an_operator(&self) -> bool {
        let of_broker = matches!(self, Self::Broker(broker::Error::Cursors(_) | broker::Error::Denied(_)));
        of_broker || matches!(self, Self::Relay(relay::Error::CursorLost(..)))
    }
}

/// Works on one lane until `stop`, or until another replica holds it.
pub(super) async fn run(parts: Parts, broker: Arc<dyn Broker>, lane: Lane, stop: CancellationToken) {
    let worker = Worker { who: lane.to_string(), parts, broker, lane, stop };
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while !worker.stop.is_cancelled() {
        let end = match worker.parts.store.take(lane, &worker.parts.replica, LEASE).await {
            Ok(Some(lease)) => worker.hold(lease, &mut backoff).await,
            Ok(None) => break,
            Err(error) => Err(error.into()),
        };
        if let Err(end) = end {
            worker.complain(&end);
            if end.is_for_an_operator() {
                let _ = tokio::time::timeout(STAND, worker.stop.cancelled()).await;
            }
        }
        backoff.sleep(&worker.stop).await;
    }
    worker.parts.health.well(&worker.who);
}

struct Worker {
    who: String,
    parts: Parts,
    broker: Arc<dyn Broker>,
    lane: Lane,
    stop: CancellationToken,
}

impl Worker {
    /// Holds the lane under one lease, and gives it back in the end. A page that is under way when the
    /// lease is lost is left to Kafka, which knows whose lane it is.
    async fn hold(&self, lease: Lease, backoff: &mut Backoff) -> Result<(), End> {
        let end = tokio::select! {
            end = self.follow(backoff) => end,
            lost = self.keep(&lease) => Err(lost),
        };
        if let Err(error) = self.parts.store.release(&lease).await {
            tracing::debug!(lane = %self.lane, %error, "failed to release the lease; it will run out");
        }
        end
    }

    /// Keeps the lease, however long a page or a fence takes; returns when it is lost.
    async fn keep(&self, lease: &Lease) -> End {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEW_AFTER).await;
            let asked = Instant::now();
            match self.parts.store.renew(lease, LEASE).await {
                Ok(Renewed::Held) => renewed = asked,
                Ok(Renewed::Lost) => return End::LeaseLost,
                Err(error) if renewed.elapsed() > LEASE => return error.into(),
                Err(error) => tracing::debug!(lane = %self.lane, %error, "failed to renew the lease"),
            }
        }
    }

    /// Takes the lane over and publishes page after page, until `stop` or an error.
    async fn follow(&self, backoff: &mut Backoff) -> Result<(), End> {
        if !self.wait_for_first_event().await? {
            return Ok(());
        }
        let fenced = self.broker.fence(self.lane).await?;
        let mut relay = Relay::resume(&self.parts, self.lane, fenced.cursors).await?;
        self.note(&relay.cursors()).await?;
        self.parts.health.well(&self.who);
        tracing::info!(lane = %self.lane, tenants = relay.cursors().len(), "took the lane over");
        let mut producer = fenced.producer;
        while !self.stop.is_cancelled() {
            match relay.offer(&self.parts).await? {
                Some(page) => producer = self.publish(producer, page).await?,
                None => self.rest().await,
            }
            backoff.reset();
        }
        Ok(())
    }

    /// A lane without events needs no producer. `false` at `stop`.
    async fn wait_for_first_event(&self) -> Result<bool, End> {
        while self.parts.store.changed(self.lane, store::Mark::START).await?.heads.is_empty() {
            self.parts.health.well(&self.who);
            self.rest().await;
            if self.stop.is_cancelled() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn publish(&self, producer: Box<dyn Producer>, page: Page) -> Result<Box<dyn Producer>, End> {
        self.broker.ensure(&self.specs(&page)).await?;
        let cursors =
            page.slices.iter().map(|slice| (slice.tenant.clone(), slice.cursor)).collect::<Vec<_>>();
        let producer = producer.publish(page).await?;
        self.note(&cursors).await?;
        Ok(producer)
    }

    /// Tells the store, then whoever waits, what Kafka has committed.
    async fn note(&self, cursors: &[(TenantId, Cursor)]) -> Result<(), End> {
        if !cursors.is_empty() {
            self.parts.store.note(&Follower::relay(), cursors).await?;
            self.parts.pages.send_replace(());
        }
        Ok(())
    }

    fn specs(&self, page: &Page) -> Vec<TopicSpec> {
        let mut specs: Vec<TopicSpec> = Vec::new();
        for event in page.slices.iter().flat_map(|slice| &slice.events) {
            if !specs.iter().any(|spec| spec.topic == event.topic) {
                specs.push(self.parts.settings.spec(&event.tenant, &event.topic));
            }
        }
        specs
    }

    async fn rest(&self) {
        tokio::select! {
            () = self.parts.bells.rung(self.lane) => {}
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }

    fn complain(&self, end: &End) {
        let lane = self.lane;
        match (self.parts.health.trouble(&self.who, end), end.is_for_an_operator()) {
            (News::Old, _) => tracing::debug!(%lane, error = %end, "the lane is let go again"),
            (News::New, false) => tracing::warn!(%lane, error = %end, "the lane is let go"),
            (News::New, true) => tracing::error!(%lane, error = %end, "the lane is stopped"),
        }
    }
}

//! A lane: the one place that holds a producer, from fence to error.
//!
//! Fed by `relay`, which offers pages; feeds the broker, then notes in the store what is published.
//! Taking over is always the same: lease, fence, read the lane's cursors, verify, go on. A crash, a
//! page of unknown outcome and a takeover are one path: the producer is thrown away, and the lane
//! is taken over again. Only the transactional id makes a second worker harmless; the lease just
//! decides who works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::held;
use super::parking::Scope;
use super::parking::bisect::{self, Bisection};
use super::relay::{self, Relay};
use super::unnamed;
use super::wakeups::Wakeup;
use super::worker::Backoff;
use super::{FollowDeps, LOOK_AGAIN};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::parked::Parked;
use crate::domain::tenant::TenantId;
use crate::domain::topic::TopicSpec;
use crate::health::{self, Component, Occurrence};
use crate::sink::{self, Page, Publisher, Sink};
use crate::store::{self, Lease, LeaseCheck};

/// How long a lane is held by who says nothing.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How often it says something.
pub(super) const RENEW_AFTER: Duration = Duration::from_millis(1500);
/// How long a lane stands that only an operator can set right.
const STAND: Duration = Duration::from_secs(30);

/// Why a lane was let go.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Sink(#[from] sink::Error),
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
        let of_broker = matches!(self, Self::Sink(error) if error.needs_operator());
        of_broker || matches!(self, Self::Relay(relay::Error::CursorLost(..)))
    }
}

/// Works on one lane until `stop`, or until another replica holds it.
pub(super) async fn run(
    deps: FollowDeps,
    sink: Arc<dyn Sink>,
    lane: Lane,
    stop: CancellationToken,
) {
    let (component, wakeup) =
        (Component::Lane(lane, Follower::relay()), Mutex::new(deps.wakeups.lane(lane)));
    let worker = Worker { component, wakeup, deps, sink, lane, stop };
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let mut bisection = Bisection::default();
    while !worker.stop.is_cancelled() {
        let end = match worker.deps.store.acquire(lane, &worker.deps.replica, LEASE).await {
            Ok(Some(lease)) => worker.run_leased(lease, &mut bisection, &mut backoff).await,
            Ok(None) => break,
            Err(error) => Err(error.into()),
        };
        if let Err(end) = end {
            worker.report(&end);
            if end.is_for_an_operator() {
                let _ = tokio::time::timeout(STAND, worker.stop.cancelled()).await;
            }
        }
        backoff.sleep(&worker.stop).await;
    }
    worker.deps.health.healthy(&worker.component);
    bisection.held.clear(&worker.deps.health);
}

/// What follows a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The next one.
    GoOn,
    /// A takeover: what is known of the lane may not be true any more, or its producer is worn.
    TakeOver,
}

/// Why a page was not published, and by which call.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Ensure(sink::Error),
    #[error(transparent)]
    Publish(sink::Error),
}

impl Refusal {
    fn error(&self) -> &sink::Error {
        let (Self::Ensure(error) | Self::Publish(error)) = self;
        error
    }
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Ensure(error) | Refusal::Publish(error) => Self::Sink(error),
        }
    }
}

struct Worker {
    wakeup: Mutex<Wakeup>,
    component: Component,
    deps: FollowDeps,
    sink: Arc<dyn Sink>,
    lane: Lane,
    stop: CancellationToken,
}

impl Worker {
    /// Holds the lane under one lease, and gives it back in the end. A page that is under way when
    /// the lease is lost is left to Kafka, which knows whose lane it is.
    async fn run_leased(
        &self,
        lease: Lease,
        bisection: &mut Bisection,
        backoff: &mut Backoff,
    ) -> Result<(), End> {
        let follow = async {
            while self.follow(&lease, bisection, backoff).await? == Next::TakeOver {}
            Ok(())
        };
        self.deps.metrics.lane_taken();
        let end = tokio::select! {
            end = follow => end,
            lost = self.keep_renewing(&lease) => Err(lost),
        };
        self.deps.metrics.lane_left();
        if matches!(end, Err(End::Sink(sink::Error::Fenced(_)))) {
            bisection.rivals.fenced(&self.deps, self.lane, &lease).await;
        }
        if let Err(error) = self.deps.store.release(&lease).await {
            tracing::debug!(lane = %self.lane, %error, "failed to release the lease; it will run \
                                                        out");
        }
        end
    }

    /// Keeps the lease, however long a page or a fence takes; returns when it is lost.
    async fn keep_renewing(&self, lease: &Lease) -> End {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEW_AFTER).await;
            let asked = Instant::now();
            match self.deps.store.renew(lease, LEASE).await {
                Ok(LeaseCheck::Held) => renewed = asked,
                Ok(LeaseCheck::Lost) => return End::LeaseLost,
                Err(error) if renewed.elapsed() > LEASE => return error.into(),
                Err(error) => {
                    tracing::debug!(lane = %self.lane, %error, "failed to renew the lease")
                }
            }
        }
    }

    /// Takes the lane over and publishes page after page, until `stop` or an error.
    async fn follow(
        &self,
        lease: &Lease,
        bisection: &mut Bisection,
        backoff: &mut Backoff,
    ) -> Result<Next, End> {
        if !self.wait_for_first_event().await? {
            return Ok(Next::GoOn);
        }
        let (mut publisher, mut relay) = self.take_over(lease).await?;
        let mut committed = Vec::new();
        while !self.stop.is_cancelled() {
            let live = match self.next_page(&mut relay, bisection, &mut committed).await {
                Err(relay::Error::LogRotated(_)) => return Ok(Next::TakeOver),
                live => live?,
            };
            if let Some(page) = &live {
                self.checkpoint(lease, &relay.begin(page)).await?;
                let (published, meanwhile) = tokio::join!(
                    self.publish(publisher, page),
                    self.meanwhile(lease, &mut relay, &committed, bisection)
                );
                publisher = match published {
                    Ok(publisher) => publisher,
                    Err(error) => return self.refused(lease, &relay, bisection, page, error).await,
                };
                bisection.passed(page);
                relay.prove(page);
                bisection.held.published(page, &self.deps.health);
                meanwhile?;
                committed = cursors(page);
            } else {
                self.checkpoint(lease, &std::mem::take(&mut committed)).await?;
            }
            relay.take_requests(&self.deps).await?;
            let release = relay.release(&self.deps, bisection).await?;
            // What stays behind is counted before the store's cursor has passed it, and what has
            // joined the rest is written down before the rest goes on.
            self.persist_parked(lease, &mut relay).await?;
            if let Some(release) = &release {
                self.checkpoint(lease, &std::mem::take(&mut committed)).await?;
                publisher = match self.publish(publisher, &release.page).await {
                    Ok(publisher) => publisher,
                    Err(error) => {
                        return self.refused(lease, &relay, bisection, &release.page, error).await;
                    }
                };
                bisection.passed(&release.page);
                relay.prove(&release.page);
                bisection.held.published(&release.page, &self.deps.health);
                let next = relay.released(release);
                self.persist_parked(lease, &mut relay).await?;
                if next == Next::TakeOver {
                    return Ok(next);
                }
            }
            backoff.reset();
            if live.is_none() && release.is_none() {
                if publisher.should_recycle() {
                    tracing::info!(lane = %self.lane, "lets a producer go, most of whose topics \
                                                       are idle");
                    return Ok(Next::TakeOver);
                }
                self.wait_for_work().await;
            }
        }
        self.checkpoint(lease, &committed).await?;
        Ok(Next::GoOn)
    }

    /// Fences whoever had the lane, and goes on from its cursors.
    async fn take_over(&self, lease: &Lease) -> Result<(Box<dyn Publisher>, Relay), End> {
        let taken = self.sink.take_over(self.lane, lease.term).await?;
        let mut relay = Relay::resume(&self.deps, self.lane, taken.cursors).await?;
        self.persist_parked(lease, &mut relay).await?;
        self.checkpoint(lease, &relay.cursors()).await?;
        self.deps.health.healthy(&self.component);
        self.deps.metrics.taken_over();
        tracing::info!(lane = %self.lane, tenants = relay.cursors().len(), "took the lane over");
        Ok((taken.publisher, relay))
    }

    /// Writes down the cursors of the page before, and reads ahead, while a page is published.
    async fn meanwhile(
        &self,
        lease: &Lease,
        relay: &mut Relay,
        committed: &[(TenantId, Cursor)],
        bisection: &Bisection,
    ) -> Result<(), End> {
        self.checkpoint(lease, committed).await?;
        relay.read_ahead(&self.deps, bisection).await;
        Ok(())
    }

    /// The relay's next page. No checkpoint is kept of a tenant that went back: its log may lack
    /// the event.
    async fn next_page(
        &self,
        relay: &mut Relay,
        bisection: &mut Bisection,
        committed: &mut Vec<(TenantId, Cursor)>,
    ) -> Result<Option<Arc<Page>>, relay::Error> {
        held::ask_again(&self.deps, &*self.sink, &mut bisection.held).await;
        bisection.rivals.look(&self.deps, self.lane);
        let page = relay.offer(&self.deps, bisection).await?;
        committed.retain(|(tenant, _)| !relay.stopped.contains(tenant));
        Ok(page.map(Arc::new))
    }

    /// A lane without events needs no producer. `false` at `stop`.
    async fn wait_for_first_event(&self) -> Result<bool, End> {
        let start = store::ChangeToken::START;
        while self.deps.store.changed_since(self.lane, start).await?.heads.is_empty() {
            self.deps.health.healthy(&self.component);
            self.wait_for_work().await;
            if self.stop.is_cancelled() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn publish(
        &self,
        publisher: Box<dyn Publisher>,
        page: &Arc<Page>,
    ) -> Result<Box<dyn Publisher>, Refusal> {
        unnamed::refuse(&self.deps, &*self.sink, page).await.map_err(Refusal::Ensure)?;
        self.sink.ensure(&self.specs(page)).await.map_err(Refusal::Ensure)?;
        publisher.publish(page.clone()).await.map_err(Refusal::Publish)
    }

    /// What to do about a page that was not published. Its producer is gone: the lane is taken over
    /// again, without what is parked by then, or with less at a time.
    async fn refused(
        &self,
        lease: &Lease,
        relay: &Relay,
        bisection: &mut Bisection,
        page: &Page,
        refusal: Refusal,
    ) -> Result<Next, End> {
        self.deps.metrics.page_failed(refusal.error().label());
        if held::hold(&self.deps, &*self.sink, bisection, page, refusal.error()).await {
            return Ok(Next::TakeOver);
        }
        let (refused, whole) = match &refusal {
            Refusal::Publish(sink::Error::Isolate(_)) => {
                (bisection.bisect(page).into_iter().collect(), Scope::Key)
            }
            Refusal::Publish(sink::Error::Topic(topic, _)) => {
                (bisection.second_refusal(topic, page), Scope::Topic)
            }
            Refusal::Ensure(sink::Error::Topic(topic, _)) => {
                (bisect::first_of(topic, page), Scope::Topic)
            }
            Refusal::Publish(sink::Error::Retry(_)) => {
                bisection.shrink(page);
                return Err(refusal.into());
            }
            Refusal::Publish(_) | Refusal::Ensure(_) => return Err(refusal.into()),
        };
        let cause = refusal.to_string();
        let parked: Vec<_> =
            refused.iter().map(|e| relay.parked_by(page, e, whole, &cause)).collect();
        for Parked { tenant, topic, key, position, .. } in &parked {
            let key = key.as_ref().map_or("all", |key| key.as_str());
            tracing::error!(lane = %self.lane, %tenant, %topic, key, %position, cause, "parked");
        }
        self.park(lease, &parked).await?;
        Ok(Next::TakeOver)
    }

    /// Writes what has changed of what is parked.
    async fn persist_parked(&self, lease: &Lease, relay: &mut Relay) -> Result<(), End> {
        self.park(lease, &relay.take_changed()).await
    }

    async fn park(&self, lease: &Lease, parked: &[Parked]) -> Result<(), End> {
        if parked.is_empty() {
            return Ok(());
        }
        match self.deps.store.park(lease, parked).await? {
            LeaseCheck::Held => Ok(()),
            LeaseCheck::Lost => Err(End::LeaseLost),
        }
    }

    /// Tells the store, then whoever waits, what Kafka has committed.
    async fn checkpoint(&self, lease: &Lease, cursors: &[(TenantId, Cursor)]) -> Result<(), End> {
        if cursors.is_empty() {
            return Ok(());
        }
        if self.deps.store.checkpoint(lease, &Follower::relay(), cursors).await? == LeaseCheck::Lost
        {
            return Err(End::LeaseLost);
        }
        self.deps.pages.send_replace(());
        Ok(())
    }

    fn specs(&self, page: &Page) -> Vec<TopicSpec> {
        let mut specs: Vec<TopicSpec> = Vec::new();
        for event in page.slices.iter().flat_map(|slice| &slice.events) {
            if !specs.iter().any(|spec| spec.topic == event.topic) {
                specs.push(self.deps.settings.spec(&event.tenant, &event.topic));
            }
        }
        specs
    }

    async fn wait_for_work(&self) {
        let mut wakeup = self.wakeup.lock().await;
        tokio::select! {
            () = wakeup.woken() => {}
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }

    fn report(&self, end: &End) {
        let (lane, all) =
            (self.lane, matches!(end, End::Sink(error) if error.concerns_all_lanes()));
        match (self.deps.health.degraded(self.component.clone(), end), end.is_for_an_operator()) {
            (Occurrence::Repeated, _) => tracing::debug!("{lane}: {end}, trying again"),
            // It is told once for all lanes.
            (Occurrence::First, false) if all => health::report_cluster(end),
            (Occurrence::First, false) => tracing::warn!("{lane}: {end}, trying again"),
            (Occurrence::First, true) => {
                tracing::error!("{lane} stands, and is tried again every 30 s: {end}")
            }
        }
    }
}

fn cursors(page: &Page) -> Vec<(TenantId, Cursor)> {
    page.slices.iter().map(|slice| (slice.tenant.clone(), slice.cursor)).collect()
}

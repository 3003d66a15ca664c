//! One lane of one sink, and the calls that the work on it needs: take over, publish a page,
//! persist what is parked, checkpoint.
//!
//! The lane's work calls it; it calls the sink and the store. After any error the publisher is
//! gone.

use std::sync::Arc;
use std::time::Instant;

use super::end::End;
use super::takeover;
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::domain::topic::TopicSpec;
use crate::domain::transition::Transition;
use crate::follow::lane_state::{LaneState, positions};
use crate::follow::source::{self, PageSource};
use crate::follow::{FollowDeps, purge, unnamed};
use crate::health::{Component, SinkPart};
use crate::sink::{self, Page, Publisher, Sink};
use crate::store::{Lease, Purge};

/// Makes the sources of a lane that was taken over, by priority.
pub(super) type MakeSources =
    dyn Fn(&FollowDeps, &LaneState) -> Vec<Box<dyn PageSource>> + Send + Sync;

/// One lane of one sink.
pub(super) struct SinkLane {
    pub(super) deps: FollowDeps,
    pub(super) sink: Arc<dyn Sink>,
    /// The sink's own follower: its cursors, checkpoints and parked rows go by this name.
    pub(super) follower: Follower,
    pub(super) lane: Lane,
    pub(super) make_sources: Box<MakeSources>,
}

/// The reason why a page was not published, and the call that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Ensure(sink::Error),
    #[error(transparent)]
    Publish(sink::Error),
}

impl Refusal {
    pub(super) fn error(&self) -> &sink::Error {
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

impl SinkLane {
    /// Returns the lane's component in `/readyz`.
    pub(super) fn component(&self) -> Component {
        SinkPart::Lane(self.lane).of(&self.follower)
    }

    /// Fences the earlier holder of the lane, and goes on from the lane's cursors.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(lane = %self.lane, follower = %self.follower, term = lease.term)
    )]
    pub(super) async fn take_over(
        &self,
        lease: &Lease,
    ) -> Result<(Box<dyn Publisher>, LaneState), End> {
        let (deps, follower, begun) = (&self.deps, &self.follower, Instant::now());
        let taken = self.called("take_over", self.sink.take_over(self.lane, lease.term)).await?;
        let resumed = takeover::resume(deps, lease, &*self.sink, taken.cursors).await;
        if let Err(source::Error::CursorLost(_)) = resumed {
            deps.metrics.cursors_lost(follower);
        }
        let mut state = resumed?;
        self.persist_parking(lease, &mut state).await?;
        let cursors = state.logs.cursors();
        self.checkpoint(lease, &cursors).await?;
        deps.health.healthy(&self.component());
        deps.metrics.taken_over(follower, begun.elapsed());
        tracing::info!(lane = %self.lane, %follower, tenants = cursors.len(), "took the lane over");
        Ok((taken.publisher, state))
    }

    /// Passes purges: fences whoever may still publish something of the tenants, forgets the
    /// cursors of their logs, and tells the store that it has.
    pub(super) async fn pass(&self, lease: &Lease, purges: &[Purge]) -> Result<(), End> {
        let Self { deps, sink, follower, lane, .. } = self;
        let taken = self.called("take_over", sink.take_over(*lane, lease.term)).await?;
        let cursors = purge::cursors_of(&*deps.store, purges, &taken.cursors).await?;
        if !cursors.is_empty() {
            self.forget(taken.publisher, &cursors).await?;
        }
        for purge in purges {
            End::unless_held(deps.store.pass_purge(lease, follower, purge).await?)?;
            deps.health.healthy(&SinkPart::Log(purge.tenant.clone()).of(follower));
            tracing::info!(%lane, %follower, tenant = %purge.tenant, "forgot the purged log");
        }
        Ok(())
    }

    /// Forgets the cursors of these logs.
    pub(super) async fn forget(
        &self,
        publisher: Box<dyn Publisher>,
        cursors: &[(LogId, Follower)],
    ) -> Result<(), sink::Error> {
        self.called("forget", publisher.forget(cursors)).await
    }

    /// Ensures that a page's topics exist, then publishes the page.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(
            lane = %self.lane,
            follower = %page.follower,
            positions = positions(page.slices.iter().map(|slice| (&slice.tenant, &slice.cursor)))
        )
    )]
    pub(super) async fn publish(
        &self,
        publisher: Box<dyn Publisher>,
        page: &Arc<Page>,
    ) -> Result<Box<dyn Publisher>, Refusal> {
        unnamed::refuse(&self.deps, &*self.sink, page).await.map_err(Refusal::Ensure)?;
        let specs = self.specs(page);
        self.called("ensure", self.sink.ensure(&specs)).await.map_err(Refusal::Ensure)?;
        let since = self.deps.clock.now();
        let published = self.called("publish", publisher.publish(page.clone())).await;
        let publisher = published.map_err(Refusal::Publish)?;
        let events = || page.slices.iter().flat_map(|slice| &slice.events);
        let bytes = events().map(|event| event.payload.len()).sum();
        self.deps.metrics.page_published(&self.follower, events().count(), bytes);
        // A replay sends events that have been sent before, maybe long ago: their traces are over.
        let first_sent = page.slices.iter().filter(|slice| slice.sent.is_none());
        self.deps.traces.sent(&self.follower, first_sent.flat_map(|slice| &slice.events), since);
        Ok(publisher)
    }

    /// Waits for a call of the sink, and counts it.
    async fn called<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, sink::Error>>,
    ) -> Result<T, sink::Error> {
        let begun = Instant::now();
        let done = call.await;
        let error = done.as_ref().err().map(sink::Error::label);
        self.deps.metrics.sink_called(&self.follower, operation, begun.elapsed(), error);
        done
    }

    /// Writes the transitions that the parking has made.
    pub(super) async fn persist_parking(
        &self,
        lease: &Lease,
        state: &mut LaneState,
    ) -> Result<(), End> {
        self.write_transitions(lease, &state.parking.take_transitions()).await
    }

    /// Writes these transitions of parked scopes.
    pub(super) async fn write_transitions(
        &self,
        lease: &Lease,
        transitions: &[Transition],
    ) -> Result<(), End> {
        if transitions.is_empty() {
            return Ok(());
        }
        let written = self.deps.store.write_transitions(lease, &self.follower, transitions).await?;
        End::unless_held(written)
    }

    /// Tells the store how far the sink is; then, if the sink is the broker, whoever waits until
    /// something is published.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(
            lane = %self.lane,
            follower = %self.follower,
            positions = positions(cursors.iter().map(|(tenant, cursor)| (tenant, cursor)))
        )
    )]
    pub(super) async fn checkpoint(
        &self,
        lease: &Lease,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<(), End> {
        if cursors.is_empty() {
            return Ok(());
        }
        End::unless_held(self.deps.store.checkpoint(lease, &self.follower, cursors).await?)?;
        if self.follower == Follower::relay() {
            self.deps.pages.send_replace(());
        }
        Ok(())
    }

    fn specs(&self, page: &Page) -> Vec<TopicSpec> {
        if let Some(target) = &page.target {
            return vec![target.clone()];
        }
        let mut specs: Vec<TopicSpec> = Vec::new();
        for event in page.slices.iter().flat_map(|slice| &slice.events) {
            if !specs.iter().any(|spec| spec.topic == event.topic) {
                specs.push(self.deps.settings.spec(&event.tenant, &event.topic));
            }
        }
        specs
    }
}

/// Returns the cursors that a page carries.
pub(super) fn cursors(page: &Page) -> Vec<(TenantId, Cursor)> {
    page.slices.iter().map(|slice| (slice.tenant.clone(), slice.cursor)).collect()
}

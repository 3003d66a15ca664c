//! Page sources: they offer pages of events for a lane's sink. The relay and the release of parked
//! events are sources; a lane knows nothing else of them, and drains them by priority.
//!
//! A source reads the store's logs, and offers the lane one page at a time. Its cursor is published
//! with the page, in the sink's atomic step. After an error the lane drops its sources with the
//! publisher, and makes new ones once it has taken over again.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;

use super::held::Held;
use super::lane_state::LaneState;
use super::parking::Refused;
use super::parking::bisect::Bisection;
use super::verify::CursorLost;
use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::transition::Transition;
use crate::sink::Page;
use crate::store;

/// The number of pages of other sources for which a source waits before it is asked first.
const PAGES_WAITED_MAX: usize = 7;

/// The reason why a source failed to offer a page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The cursors that the takeover read belong to an earlier incarnation of the log.
    #[error("tenant {0} has a new log")]
    LogRotated(TenantId),
    /// A later holder of the lane has written what this one would write.
    #[error("the lease was lost")]
    LeaseLost,
    /// The next event was erased before it was sent. These transitions park its key, and others of
    /// which that is true, before anything is offered.
    #[error("an event was erased before it was sent")]
    Parks(Vec<Transition>),
    /// The sink's cursor is missing or went back, which only an operator can repair.
    #[error(transparent)]
    CursorLost(#[from] CursorLost),
}

/// The limits of the next page: its size, and the topics and tenants that it may have.
pub(super) struct Limits<'l> {
    /// The search for a poison record.
    pub(super) bisection: &'l Bisection,
    /// The topics and tenants that are held back.
    pub(super) held: &'l Held,
}

impl Limits<'_> {
    /// Returns the most events of a page.
    pub(super) fn events_max(&self) -> usize {
        self.bisection.events_max()
    }

    /// Returns the most events of a page of an isolated tenant; `None` if the tenant is not
    /// isolated.
    pub(super) fn isolated(&self, follower: &Follower, tenant: &TenantId) -> Option<usize> {
        let events_max = self.bisection.isolated(follower, tenant)?;
        Some(events_max.min(self.events_max()))
    }

    /// Returns whether the topic is held back.
    pub(super) fn holds_topic(&self, topic: &Topic) -> bool {
        self.held.has_topic(topic)
    }

    /// Returns whether the tenant is held back.
    pub(super) fn holds_tenant(&self, tenant: &TenantId) -> bool {
        self.held.has_tenant(tenant)
    }
}

/// The way in which a lane goes on after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next page.
    GoOn,
    /// With a takeover, since the state of the lane may no longer be true.
    TakeOver,
}

/// A source of pages for a lane. A page that was offered is committed or refused before the next
/// one is asked for.
#[async_trait]
pub(super) trait PageSource: Send {
    /// Returns the next page within `limits`, or `None` if there is nothing to publish just now.
    async fn offer(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<Page>, Error>;

    /// Reads the next page while the one that was offered last is being published.
    async fn read_ahead(&mut self, _state: &mut LaneState, _limits: &Limits<'_>) {}

    /// Notes that the sink committed the page that was offered last.
    fn committed(&mut self, _state: &mut LaneState, _page: &Page) -> Next {
        Next::GoOn
    }

    /// The sink refuses a record of the page that was offered last. Returns the transition that
    /// parks it, which is written before the lane goes on; a source that parks nothing must not
    /// offer the record again.
    async fn refused(
        &mut self,
        state: &LaneState,
        refused: &Refused<'_>,
    ) -> Result<Option<Transition>, Error>;
}

/// The sources of one lane, by priority: the relay first.
pub(super) struct Sources(Vec<Waiting>);

struct Waiting {
    source: Box<dyn PageSource>,
    /// The number of pages of other sources since it was asked last.
    pages: usize,
}

impl Sources {
    /// Makes the sources of a lane, given by priority.
    pub(super) fn new(sources: Vec<Box<dyn PageSource>>) -> Self {
        Self(sources.into_iter().map(|source| Waiting { source, pages: 0 }).collect())
    }

    /// Returns the next page, and which source offers it. A source that has waited for
    /// [`PAGES_WAITED_MAX`] pages of others is asked before those of a higher priority.
    pub(super) async fn offer(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<(usize, Arc<Page>)>, Error> {
        for index in self.turns() {
            self.0[index].pages = 0;
            if let Some(page) = self.0[index].source.offer(state, limits).await? {
                let others = self.0.iter_mut().enumerate().filter(|(other, _)| *other != index);
                others.for_each(|(_, waiting)| waiting.pages += 1);
                return Ok(Some((index, Arc::new(page))));
            }
        }
        Ok(None)
    }

    /// Returns the source that offered a page.
    pub(super) fn at(&mut self, index: usize) -> &mut dyn PageSource {
        &mut *self.0[index].source
    }

    /// Returns the order in which the sources are asked: first those that have waited too long,
    /// longest first; then by priority.
    fn turns(&self) -> Vec<usize> {
        let waited = |index: usize| {
            let pages = self.0[index].pages;
            Reverse(if pages >= PAGES_WAITED_MAX { pages } else { 0 })
        };
        let mut turns = Vec::from_iter(0..self.0.len());
        turns.sort_by_key(|index| waited(*index));
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lane::Lane;
    use crate::follow::lane_state::Logs;
    use crate::follow::parking::Parking;
    use crate::sink::{KnownCursors, Names};
    use crate::store::{ChangeToken, Lease};

    /// A source with so many pages to offer.
    struct Stock(usize);

    #[async_trait]
    impl PageSource for Stock {
        async fn offer(
            &mut self,
            _: &mut LaneState,
            _: &Limits<'_>,
        ) -> Result<Option<Page>, Error> {
            let Some(left) = self.0.checked_sub(1) else { return Ok(None) };
            self.0 = left;
            Ok(Some(Page { follower: Follower::relay(), slices: Vec::new(), target: None }))
        }

        async fn refused(
            &mut self,
            _: &LaneState,
            _: &Refused<'_>,
        ) -> Result<Option<Transition>, Error> {
            Ok(None)
        }
    }

    /// Returns which source each page is from, until no source has one.
    async fn drain(stocks: &[usize]) -> Vec<usize> {
        let boxed = |stock: &usize| -> Box<dyn PageSource> { Box::new(Stock(*stock)) };
        let mut sources = Sources::new(stocks.iter().map(boxed).collect());
        let names = Names { sink: "memory", cursors: "its cursors" };
        let of = (Follower::relay(), names);
        let logs = Logs::new(Lane::new(0), of, KnownCursors::new(), ChangeToken::START);
        let mut state = LaneState {
            lease: Lease { lane: Lane::new(0), term: 1 },
            logs,
            parking: Parking::default(),
            erasures: 0,
        };
        let (bisection, held) = (Bisection::default(), Held::new(Follower::relay()));
        let limits = Limits { bisection: &bisection, held: &held };
        let mut served = Vec::new();
        while let Some((source, _)) = sources.offer(&mut state, &limits).await.unwrap() {
            served.push(source);
        }
        served
    }

    #[tokio::test]
    async fn the_first_source_is_drained_first_and_one_page_in_eight_is_for_whoever_waits() {
        let served = drain(&[80, 80, 0]).await;
        assert_eq!(served[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        for eight in served[..88].chunks(8) {
            assert_eq!(eight.iter().filter(|source| **source == 1).count(), 1, "{served:?}");
        }
        assert_eq!(served.len(), 160, "nothing is left over");
    }

    #[tokio::test]
    async fn of_several_that_wait_none_starves() {
        let served = drain(&[800, 100, 100, 100]).await;
        let busy = &served[..800];
        for source in 1..4 {
            for some in busy.windows(11) {
                assert!(some.contains(&source), "{source} starves: {some:?}");
            }
        }
    }

    #[tokio::test]
    async fn who_has_nothing_costs_nobody_a_turn() {
        assert_eq!(drain(&[20, 0, 1]).await, [[0; 7].as_slice(), &[2], &[0; 13]].concat());
    }
}

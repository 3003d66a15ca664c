//! Refused pages: decides what is held back, isolated or parked, whichever source the page is from.
//!
//! The lane passes in the refusal; the search for the record learns of it, and the store gets what
//! is parked. The publisher is gone by then. The lane is taken over again, without the events that
//! are parked now, or with fewer at a time.

use super::end::End;
use super::sink_lane::{Refusal, SinkLane};
use super::{LaneWork, Step};
use crate::domain::envelope::Envelope;
use crate::domain::transition::{Change, Transition};
use crate::follow::held;
use crate::follow::lane_state::LaneState;
use crate::follow::parking::{Refused, Scope, bisect};
use crate::follow::source::PageSource;
use crate::sink::{self, Page};
use crate::store::Lease;

impl LaneWork {
    /// Decides what follows from a refused page.
    pub(super) async fn refused(
        &mut self,
        lease: &Lease,
        state: &LaneState,
        source: &mut dyn PageSource,
        page: &Page,
        refusal: Refusal,
    ) -> Result<Step, End> {
        let lane = &self.lane;
        lane.deps.metrics.page_failed(&lane.follower, refusal.error().label());
        if held::hold(&lane.deps, &*lane.sink, &mut self.held, page, refusal.error()).await {
            return Ok(Step::TakeOver);
        }
        let (guilty, scope) = match &refusal {
            Refusal::Publish(sink::Error::Isolate(_)) => {
                (self.bisection.bisect(page).into_iter().collect(), Scope::Key)
            }
            Refusal::Publish(sink::Error::Topic(topic, _)) => {
                (self.bisection.second_refusal(topic, page), Scope::Topic)
            }
            Refusal::Ensure(sink::Error::Topic(topic, _)) => {
                self.held.parked(topic, &lane.deps.health);
                (bisect::first_of(topic, page), Scope::Topic)
            }
            Refusal::Publish(sink::Error::Retry(_)) => {
                self.bisection.shrink(page);
                return Err(refusal.into());
            }
            Refusal::Publish(_) | Refusal::Ensure(_) => return Err(refusal.into()),
        };
        let cause = refusal.to_string();
        let refused = guilty.into_iter().map(|event| Refused { page, event, scope, cause: &cause });
        let mut transitions = Vec::new();
        for refused in refused {
            let Some(transition) = source.refused(state, &refused).await? else { continue };
            tell(lane, &refused, &transition);
            transitions.push(transition);
        }
        lane.write_transitions(lease, &transitions).await?;
        lane.deps.metrics.parked(&lane.follower, transitions.len());
        Ok(Step::TakeOver)
    }
}

/// Logs what is parked for a refused record.
fn tell(lane: &SinkLane, refused: &Refused<'_>, transition: &Transition) {
    let SinkLane { lane, follower, .. } = lane;
    let (cause, Envelope { tenant, topic, position, .. }) = (refused.cause, refused.event);
    if let Change::Park { key, .. } = &transition.change {
        let key = key.as_ref().map_or("all", |key| key.as_str());
        tracing::error!(%lane, %follower, %tenant, %topic, key, %position, cause, "parked");
    } else {
        let id = transition.event_id;
        tracing::error!(%lane, %follower, %tenant, %topic, %id, %position, cause, "parked again");
    }
}

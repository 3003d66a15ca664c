//! Gaps before a sink has begun: events that it can't get, since they were removed from a log while
//! nothing held them for it.
//!
//! A log without a sink is held by none, so a sink that is configured later, or again after it was
//! forgotten, may find that events are gone which it never had. A lane asks when it takes a log up,
//! and stops that tenant alone, until an operator lets the sink begin with what the log has
//! (`begin`). Always true: once the store has a checkpoint of a sink in a tenant's log, the sink
//! has begun, and the removal holds what it has not passed; so what is missing then was published
//! before it was removed, or an operator has accepted that it is missing.

pub mod begin;

use super::FollowDeps;
use super::lane_state::LaneState;
use crate::domain::filter::Filter;
use crate::domain::floors::Gap;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{self, Store};

/// The most topics that a cause names.
const TOPICS_MAX: usize = 5;

impl LaneState {
    /// Stops each of these tenants if its log lacks events that the sink never had.
    pub(super) async fn stop_below_floors(
        &mut self,
        deps: &FollowDeps,
        tenants: &[TenantId],
    ) -> Result<(), store::Error> {
        for tenant in tenants {
            let Some(log) = self.logs.get(tenant) else { continue };
            let (follower, sink) = (&self.logs.follower, self.logs.names.sink);
            let gaps = gaps_after(&*deps.store, follower, tenant, log.position()).await?;
            if !gaps.is_empty() {
                self.stop(deps, tenant, &waits(sink, tenant, &gaps));
            }
        }
        Ok(())
    }
}

/// Returns the gaps that a sink meets in a tenant's log after a position; none if it has begun.
async fn gaps_after(
    store: &dyn Store,
    sink: &Follower,
    tenant: &TenantId,
    after: Position,
) -> Result<Vec<Gap>, store::Error> {
    let gaps = store.floors(tenant).await?.all_gaps(&Filter::default(), after);
    if !gaps.is_empty() && store.load(tenant, sink).await?.is_some() {
        return Ok(Vec::new());
    }
    Ok(gaps)
}

/// Returns the reason why a tenant waits.
fn waits(sink: &str, tenant: &TenantId, gaps: &[Gap]) -> String {
    let of = |Gap { topic, from, to }: &Gap| format!("of {topic} from position {from} to {to}");
    let mut named: Vec<_> = gaps.iter().take(TOPICS_MAX).map(of).collect();
    if gaps.len() > TOPICS_MAX {
        named.push(format!("of {} more topics", gaps.len() - TOPICS_MAX));
    }
    format!(
        "events were removed from the log that {sink} never had: {}; the tenant waits, and all \
         others go on; to let {sink} begin with what the log has, run `event-gateway sinks begin \
         {tenant} --accept`",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::{Gap, TenantId, waits};
    use crate::domain::position::Position;
    use crate::domain::topic::Topic;

    #[test]
    fn the_cause_names_a_few_topics_what_is_missing_and_the_way_to_decide() {
        let (diku, at) = (TenantId::parse("diku").unwrap(), Position::from_column);
        let gap = |number| {
            let topic = Topic::parse(&format!("folio.diku.{number}")).unwrap();
            Gap { topic, from: at(1), to: at(7) }
        };
        let gaps: Vec<_> = (0..7).map(gap).collect();
        let why = waits("Kafka", &diku, &gaps[..1]);
        assert!(why.contains("that Kafka never had: of folio.diku.0 from position 1 to 7; "));
        assert!(why.ends_with("`event-gateway sinks begin diku --accept`"), "{why}");
        let why = waits("Kafka", &diku, &gaps);
        assert!(why.contains("of folio.diku.4 from position 1 to 7, of 2 more topics; "), "{why}");
    }
}

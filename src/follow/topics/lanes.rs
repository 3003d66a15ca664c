//! Work on topics while nothing is published to them: the lanes are taken from the replicas that
//! hold them, and fenced in Kafka.
//!
//! The growth and the deletion of topics use it. A replica finds its lease lost, and takes the lane
//! over again once the work is done, with a new producer, which asks Kafka about its topics anew.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, TopicDeps};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::follow::lease::{LEASE, keep_renewing};
use crate::sink::{KnownCursors, TakenOver};
use crate::store::{Lease, TenantLog};

/// Lanes on which nobody publishes.
pub(super) struct HeldLanes(BTreeMap<Lane, KnownCursors>);

impl HeldLanes {
    /// Returns the position up to which a log is published.
    pub(super) fn published(&self, log: &TenantLog) -> Position {
        let relay = (log.log_id, Follower::relay());
        let known = self.0.get(&log.lane).and_then(|cursors| cursors.get(&relay));
        known.map_or(Position::START, |known| known.cursor.position)
    }
}

/// Does the work while it holds these lanes, in the name of `by`.
pub(super) async fn on_lanes<T>(
    deps: TopicDeps<'_>,
    lanes: BTreeSet<Lane>,
    by: &str,
    work: impl AsyncFnOnce(HeldLanes) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut leases = Vec::new();
    let done = hold(deps, lanes, by, &mut leases, work).await;
    for lease in &leases {
        if let Err(error) = deps.store.release(lease).await {
            tracing::warn!(lane = %lease.lane, %error, "failed to release the lease; it will \
                                                        expire");
        }
    }
    done
}

async fn hold<T>(
    deps: TopicDeps<'_>,
    lanes: BTreeSet<Lane>,
    by: &str,
    leases: &mut Vec<Lease>,
    work: impl AsyncFnOnce(HeldLanes) -> Result<T, Error>,
) -> Result<T, Error> {
    for lane in lanes {
        leases.push(deps.store.seize(lane, by, LEASE).await?);
    }
    let done = async {
        let mut taken = BTreeMap::new();
        for lease in &*leases {
            let TakenOver { cursors, .. } = deps.kafka.take_over(lease.lane, lease.term).await?;
            taken.insert(lease.lane, cursors);
        }
        work(HeldLanes(taken)).await
    };
    tokio::select! {
        done = done => done,
        lost = keep_renewing(deps.store, leases) => Err(Error::Lost(lost)),
    }
}

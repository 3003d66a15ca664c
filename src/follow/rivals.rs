//! Gateways on another store that publish under this one's names: they fence each other, for ever.
//!
//! Fed by the lane each time that it was fenced, and with the sink's cursors at each takeover;
//! tells `health` who it must be. Replicas of one store share lanes by leases: who is fenced while
//! its lease is its own was fenced by somebody who has another. A cursor of a log that the store
//! does not know was written from another store: one that is there too, or the one in whose place
//! this one was put.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::FollowDeps;
use super::lane_state::Logs;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::health::{Occurrence, SinkPart};
use crate::sink::Sink;
use crate::store::{self, Head, Lease};

/// So often within so long: once or twice, `restore` or `lanes resize` may have done it.
const TIMES: usize = 3;
const WITHIN: Duration = Duration::from_secs(600);

/// When a lane was fenced that was held.
#[derive(Debug, Default)]
pub(super) struct Rivals(VecDeque<Instant>);

impl Rivals {
    /// The sink has fenced the lane; under that lease, if it lasts.
    pub(super) async fn fenced(&mut self, deps: &FollowDeps, sink: &dyn Sink, lease: &Lease) {
        if !matches!(
            deps.store.renew(lease, super::lease::LEASE).await,
            Ok(crate::store::LeaseCheck::Held)
        ) {
            return;
        }
        self.0.push_back(Instant::now());
        self.forget();
        if self.0.len() < TIMES {
            return;
        }
        let env = deps.settings.naming().env().unwrap_or("unset");
        let (lane, follower, kind) = (lease.lane, sink.follower(), sink.names().sink);
        let why = format!(
            "somebody else takes {lane} again and again, though this replica holds its lease: a \
             gateway on another store publishes to this {kind} with the same ENV ({env}); give \
             each store an ENV of its own"
        );
        if deps.health.degraded(SinkPart::Env(lane).of(follower), &why) == Occurrence::First {
            tracing::error!(%lane, %follower, "{why}");
        }
    }

    /// All is well again once it wasn't fenced for a while.
    pub(super) fn look(&mut self, deps: &FollowDeps, follower: &Follower, lane: Lane) {
        if self.0.is_empty() {
            return;
        }
        self.forget();
        if self.0.is_empty() {
            deps.health.healthy(&SinkPart::Env(lane).of(follower));
        }
    }

    fn forget(&mut self) {
        while self.0.front().is_some_and(|at| at.elapsed() > WITHIN) {
            self.0.pop_front();
        }
    }
}

/// Tells of cursors that a sink has for a lane, whose logs the store does not know.
pub(super) async fn look_for_strangers(
    deps: &FollowDeps,
    logs: &Logs,
    heads: &[Head],
) -> Result<(), store::Error> {
    let Logs { lane, follower, names, known, .. } = logs;
    let cursors = SinkPart::Cursors(*lane).of(follower);
    let ours: HashSet<_> = heads.iter().map(|head| head.log_id).collect();
    let mut strange: BTreeSet<_> = known.keys().map(|(log_id, _)| *log_id).collect();
    strange.retain(|log_id| !ours.contains(log_id));
    if !strange.is_empty() {
        // Tenants that have no event yet, or another lane since.
        let all: HashSet<_> =
            deps.store.list().await?.iter().map(|enabled| enabled.log_id).collect();
        strange.retain(|log_id| !all.contains(log_id));
    }
    let Some(first) = strange.first() else {
        deps.health.healthy(&cursors);
        return Ok(());
    };
    let (count, env) = (strange.len(), deps.settings.naming().env().unwrap_or("unset"));
    let why = format!(
        "{} has cursors of {count} logs that this store does not know, such as {first}: a gateway \
         on another store publishes there with the same ENV ({env}), or this store was put in \
         another's place; give each store an ENV of its own, or bring the right store back",
        names.sink
    );
    if deps.health.degraded(cursors, &why) == Occurrence::First {
        tracing::error!(%lane, %follower, "{why}");
    }
    Ok(())
}

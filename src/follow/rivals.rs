//! Rivals: gateways on another store that publish under this one's names, so that both fence each
//! other for ever.
//!
//! The lane reports each time that it was fenced, and the sink's cursors at each takeover; the
//! cause goes to `health`. Replicas of one store share lanes by leases, so a lane that is fenced
//! while it holds its lease was fenced by a gateway of another store. A cursor of a log that the
//! store does not know was written from another store: one that runs beside this one, or one that
//! this one replaced.

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

/// The number of times that a lane is fenced before it is reported: `restore` or `lanes resize` may
/// fence it once or twice.
const TIMES: usize = 3;
const WITHIN: Duration = Duration::from_secs(600);

/// The times at which a lane was fenced though its lease was held.
#[derive(Debug, Default)]
pub(super) struct Rivals(VecDeque<Instant>);

impl Rivals {
    /// Notes that the sink fenced the lane, if the lease is still held.
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
            "{lane} is taken away again and again, though this replica holds its lease: a gateway \
             on another store publishes to this {kind} with the same ENV ({env}); give each store \
             an ENV of its own"
        );
        let component = SinkPart::Env(lane).of(follower);
        if deps.health.degraded_on(lane, component, &why) == Occurrence::First {
            tracing::error!(%lane, %follower, "{why}");
        }
    }

    /// Clears the report once the lane wasn't fenced for a while.
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

/// Reports cursors of a lane in a sink whose logs the store does not know.
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
        // These include tenants that have no event yet, or have moved to another lane.
        let all: HashSet<_> =
            deps.store.list().await?.iter().map(|enabled| enabled.log_id).collect();
        strange.retain(|log_id| !all.contains(log_id));
    }
    if !strange.is_empty() {
        // The cursors of a log that is purged are forgotten soon.
        let purged: HashSet<_> = deps.store.purges().await?.iter().map(|it| it.log_id).collect();
        strange.retain(|log_id| !purged.contains(log_id));
    }
    let Some(first) = strange.first() else {
        deps.health.healthy(&cursors);
        return Ok(());
    };
    let (count, env) = (strange.len(), deps.settings.naming().env().unwrap_or("unset"));
    let why = format!(
        "{} has cursors of {count} logs that this store does not know, such as {first}: a gateway \
         on another store publishes there with the same ENV ({env}), or this store has replaced \
         another; give each store an ENV of its own, or bring the right store back",
        names.sink
    );
    if deps.health.degraded_on(*lane, cursors, &why) == Occurrence::First {
        tracing::error!(%lane, %follower, "{why}");
    }
    Ok(())
}

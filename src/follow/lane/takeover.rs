//! The takeover's last step: verifies the sink's cursors, from which the lane goes on.
//!
//! It makes the lane's state from the cursors and the store. If the store's checkpoint is further
//! than a cursor, the sink's cursors were lost or went back, and the lane stops. If a cursor names
//! another event than the log does, or proves parking that the store lacks, the store went back in
//! time, and that tenant stops. So does a tenant of whose log the sink would never get events that
//! were removed.

use std::collections::HashMap;

use crate::domain::cursor::Cursor;
use crate::domain::tenant::TenantId;
use crate::follow::lane_state::{LaneState, Logs};
use crate::follow::parking::Parking;
use crate::follow::source::Error;
use crate::follow::verify::{self, CursorLost};
use crate::follow::{FollowDeps, rivals};
use crate::health::SinkPart;
use crate::sink::{KnownCursors, Sink};
use crate::store::{ChangeToken, Head, Lease};

/// Returns the state of a lane that was just taken over, with the sink's cursors.
#[tracing::instrument(
    level = "debug",
    skip_all,
    fields(lane = %lease.lane, follower = %sink.follower(), cursors = known.len())
)]
pub(super) async fn resume(
    deps: &FollowDeps,
    lease: &Lease,
    sink: &dyn Sink,
    known: KnownCursors,
) -> Result<LaneState, Error> {
    let lane = lease.lane;
    let changed = deps.store.changed_since(lane, ChangeToken::START).await?;
    let checkpoints: HashMap<_, _> =
        deps.store.load_lane(lane, sink.follower()).await?.into_iter().collect();
    let of = (sink.follower().clone(), sink.names());
    let mut logs = Logs::new(lane, of, known, changed.token);
    check_cursors(&mut logs, &changed.heads, &checkpoints)?;
    rivals::look_for_strangers(deps, &logs, &changed.heads).await?;
    changed.heads.iter().for_each(|head| {
        logs.insert(head);
    });
    let mut state = LaneState { lease: *lease, logs, parking: Parking::default(), erasures: 0 };
    let tenants = changed.heads.iter().map(|head| &head.tenant);
    let unknown: Vec<_> = tenants.filter(|it| !checkpoints.contains_key(*it)).cloned().collect();
    state.stop_below_floors(deps, &unknown).await?;
    let cursors = state.logs.cursors();
    state.verify(deps, &cursors).await?;
    for (tenant, lost) in state.parking.load(&*deps.store, &state.logs).await? {
        state.stop(deps, &tenant, &verify::went_back(&lost));
    }
    for (tenant, _) in state.logs.running() {
        deps.health.healthy(&SinkPart::Log(tenant.clone()).of(sink.follower()));
    }
    Ok(state)
}

/// Compares the sink's cursors with the store's checkpoints, and remembers which logs have begun.
fn check_cursors(
    logs: &mut Logs,
    heads: &[Head],
    checkpoints: &HashMap<TenantId, Cursor>,
) -> Result<(), CursorLost> {
    for Head { tenant, log_id, .. } in heads {
        let checkpoint = checkpoints.get(tenant).filter(|cursor| cursor.log_id == *log_id);
        let known = logs.known.get(&(*log_id, logs.follower.clone()));
        CursorLost::check(logs.names, tenant, known, checkpoint)?;
        if known.is_some() || checkpoint.is_some() {
            logs.has_begun(tenant);
        }
    }
    Ok(())
}

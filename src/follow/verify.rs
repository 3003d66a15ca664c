//! Verification: checks that the store still has what the sink proves.
//!
//! It compares the sink's cursors with the store, at each takeover and for the sources. A store
//! that went back in time lacks the event at a cursor, or a parking transition: then that tenant is
//! stopped and reported, and no other. A cursor that went back in time stops its lane.

use super::FollowDeps;
use super::lane_state::{LaneState, positions};
use super::page_scan;
use crate::domain::cursor::Cursor;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::sink::{KnownCursor, Names};
use crate::store::{self, Scan};

/// The most tenants whose cursors one read verifies.
const TENANTS_MAX: usize = 50;

/// The error of a sink's cursor that is older than the store's checkpoint of the same log.
#[derive(Debug, thiserror::Error)]
pub enum CursorLost {
    /// The sink has no cursor.
    #[error(
        "{} has no cursor of tenant {tenant}, which was published up to position {checkpoint}: it \
         was lost; point the gateway at the right {} and ENV, bring it back from a backup, or run \
         `event-gateway restore`",
        .names.cursors, .names.sink
    )]
    Missing {
        /// The words for the sink.
        names: Names,
        /// The tenant of the cursor.
        tenant: TenantId,
        /// The position of the store's checkpoint.
        checkpoint: Position,
    },
    /// The cursor went back to an older one.
    #[error(
        "{} has tenant {tenant} at position {cursor}, but the tenant was published up to position \
         {checkpoint}: it lost its newest records; point the gateway at the right {} and ENV, \
         bring it back, or run `event-gateway restore`",
        .names.cursors, .names.sink
    )]
    Behind {
        /// The words for the sink.
        names: Names,
        /// The tenant of the cursor.
        tenant: TenantId,
        /// The position of the cursor.
        cursor: Position,
        /// The position of the store's checkpoint.
        checkpoint: Position,
    },
}

impl CursorLost {
    /// Compares the sink's cursor of a log with the store's checkpoint of the same log.
    pub(super) fn check(
        names: Names,
        tenant: &TenantId,
        known: Option<&KnownCursor>,
        checkpoint: Option<&Cursor>,
    ) -> Result<(), Self> {
        let Some(checkpoint) = checkpoint.map(|c| c.position).filter(|c| *c > Position::START)
        else {
            return Ok(());
        };
        let tenant = tenant.clone();
        match known.map(|known| known.cursor.position) {
            None => Err(Self::Missing { names, tenant, checkpoint }),
            Some(cursor) if cursor < checkpoint => {
                Err(Self::Behind { names, tenant, cursor, checkpoint })
            }
            Some(_) => Ok(()),
        }
    }
}

impl LaneState {
    /// Stops each of these tenants if its log lacks the event that its cursor names.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(
            lane = %self.logs.lane,
            follower = %self.logs.follower,
            positions = positions(cursors.iter().map(|(tenant, cursor)| (tenant, cursor)))
        )
    )]
    pub(super) async fn verify(
        &mut self,
        deps: &FollowDeps,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<(), store::Error> {
        for chunk in cursors.chunks(TENANTS_MAX) {
            let from: Vec<_> = chunk.iter().map(|(t, c)| (t.clone(), (*c).into())).collect();
            let scan = Scan { bytes_max: usize::MAX, events_max: usize::MAX, ..page_scan(1) };
            let slices = deps.store.read(&from, &scan).await?;
            let has_start = |tenant: &TenantId| {
                slices.iter().any(|slice| slice.tenant == *tenant && slice.has_start)
            };
            let mut lacking: Vec<_> = chunk.iter().filter(|(it, _)| !has_start(it)).collect();
            if !lacking.is_empty() {
                // Who is being purged has no log any more.
                let purges = deps.store.purges().await?;
                lacking.retain(|(tenant, _)| purges.iter().all(|it| it.tenant != *tenant));
            }
            for (tenant, cursor) in lacking {
                self.stop_gone_back(deps, tenant, cursor);
            }
        }
        Ok(())
    }

    /// Stops each tenant whose parking the store has lost since it was read or written.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(lane = %self.logs.lane, follower = %self.logs.follower)
    )]
    pub(super) async fn verify_parking(&mut self, deps: &FollowDeps) -> Result<(), store::Error> {
        for (tenant, lost) in self.parking.verify(&*deps.store, &self.logs).await? {
            self.stop(deps, &tenant, &went_back(&lost));
        }
        Ok(())
    }

    /// Stops a tenant whose log lacks the event at its cursor.
    pub(super) fn stop_gone_back(&mut self, deps: &FollowDeps, tenant: &TenantId, cursor: &Cursor) {
        let Cursor { position, event_id, time, .. } = cursor;
        let sink = self.logs.names.sink;
        let why = format!(
            "{sink} has the event {event_id} of {time} at position {position}, and the log lacks it"
        );
        self.stop(deps, tenant, &went_back(&why));
    }
}

/// Returns the reason why a tenant is stopped.
pub(super) fn went_back(lost: &impl std::fmt::Display) -> String {
    format!(
        "{lost}: the store went back in time; bring its newest backup back, or run `event-gateway \
         restore`"
    )
}

#[cfg(test)]
mod tests {
    use super::{CursorLost, KnownCursor, Names, Position, TenantId};
    use crate::domain::cursor::Cursor;
    use crate::domain::position::LogId;
    use crate::sink::ParkingProof;
    use uuid::Uuid;

    #[test]
    fn a_cursor_before_the_store_s_checkpoint_is_lost() {
        let cursor = |at| Cursor {
            position: Position::new(at).unwrap(),
            ..Cursor::start(LogId::new(Uuid::nil()))
        };
        let known =
            |at| KnownCursor { cursor: cursor(at), proof: ParkingProof::default(), sent: None };
        let lost = |known: Option<KnownCursor>, checkpoint: Option<Cursor>| {
            let tenant = TenantId::parse("diku").unwrap();
            let names = Names { sink: "Kafka", cursors: "the cursors topic" };
            CursorLost::check(names, &tenant, known.as_ref(), checkpoint.as_ref()).err()
        };
        assert!(lost(None, None).is_none() && lost(Some(known(7)), None).is_none());
        assert!(lost(Some(known(7)), Some(cursor(7))).is_none());
        assert!(lost(Some(known(8)), Some(cursor(7))).is_none());
        assert!(
            lost(None, Some(cursor(0))).is_none(),
            "a tenant that was begun may have no page yet"
        );
        assert!(matches!(lost(Some(known(6)), Some(cursor(7))), Some(CursorLost::Behind { .. })));
        assert!(matches!(lost(None, Some(cursor(7))), Some(CursorLost::Missing { .. })));
    }
}

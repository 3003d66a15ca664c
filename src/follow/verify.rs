//! Verification: whether the store still has what Kafka proves.
//!
//! Fed by Kafka's cursor records, as the fence read them, and by the store; feeds the relay, which
//! goes on only in logs that agree. A store that went back in time lacks the event at a cursor, or
//! a parking transition: then its tenant is stopped, loudly, and nobody else. A cursor that went
//! back in time stops its lane.

use super::FollowDeps;
use super::page_scan;
use super::parking::parked_in;
use super::relay::{Error, PAGE_TENANTS_MAX, Relay};
use crate::domain::follower::Cursor;
use crate::domain::ledger::Ledger;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::health::{Component, Occurrence};
use crate::sink::KnownCursor;
use crate::store::Scan;

/// Kafka's cursor of a tenant is older than what the store knows to be published.
#[derive(Debug, thiserror::Error)]
pub enum CursorLost {
    /// There is none.
    #[error(
        "the cursors topic has no cursor of tenant {0}, which was published up to position {1}: \
         the topic was lost; point the gateway at the right Kafka and ENV, bring the topic back \
         from a backup, or run `event-gateway restore`"
    )]
    Missing(TenantId, Position),
    /// It went back.
    #[error(
        "the cursors topic has tenant {tenant} at position {cursor}, and the store knows it to be \
         published up to position {checkpoint}: the topic lost its newest records; point the \
         gateway at the right Kafka and ENV, bring the topic back, or run `event-gateway restore`"
    )]
    Behind {
        /// Whose cursor.
        tenant: TenantId,
        /// Where it stands.
        cursor: Position,
        /// Where it stood.
        checkpoint: Position,
    },
}

impl CursorLost {
    /// Compares Kafka's cursor of a log with the store's checkpoint of the same log.
    pub(super) fn check(
        tenant: &TenantId,
        known: Option<&KnownCursor>,
        checkpoint: Option<&Cursor>,
    ) -> Result<(), Self> {
        let Some(checkpoint) = checkpoint.map(|c| c.position).filter(|c| *c > Position::START)
        else {
            return Ok(());
        };
        match known.map(|known| known.cursor.position) {
            None => Err(Self::Missing(tenant.clone(), checkpoint)),
            Some(cursor) if cursor < checkpoint => {
                Err(Self::Behind { tenant: tenant.clone(), cursor, checkpoint })
            }
            Some(_) => Ok(()),
        }
    }
}

/// How the store's parking is older than what Kafka proves of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParkingLost {
    /// It lacks transitions.
    #[error("the store knows of {store} parking transitions of this log, and Kafka of {kafka}")]
    Behind {
        /// The store's number.
        store: u64,
        /// Kafka's number.
        kafka: u64,
    },
    /// It has made others.
    #[error(
        "after {0} parking transitions of this log, the store has something else parked than Kafka \
         proves"
    )]
    Other(u64),
}

impl ParkingLost {
    /// Compares the store's ledger of a log with the newest that Kafka proves. A store that is
    /// ahead is right: it is written first.
    pub(super) fn check(store: &Ledger, kafka: &Ledger) -> Result<(), Self> {
        if store.number < kafka.number {
            return Err(Self::Behind { store: store.number, kafka: kafka.number });
        }
        if kafka.number > 0 && store.number == kafka.number && store.digest != kafka.digest {
            return Err(Self::Other(kafka.number));
        }
        Ok(())
    }
}

impl Relay {
    /// Checks of every cursor that the log has the event that it names, where it names it.
    pub(super) async fn verify(
        &mut self,
        deps: &FollowDeps,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<(), Error> {
        for chunk in cursors.chunks(PAGE_TENANTS_MAX) {
            let from: Vec<_> = chunk.iter().map(|(t, c)| (t.clone(), (*c).into())).collect();
            let scan = Scan { bytes_max: usize::MAX, events_max: usize::MAX, ..page_scan(1) };
            let slices = deps.store.read(&from, &scan).await?;
            for (tenant, cursor) in chunk {
                if !slices.iter().any(|slice| slice.tenant == *tenant && slice.has_start) {
                    self.stop_gone_back(deps, tenant, cursor);
                }
            }
        }
        Ok(())
    }

    /// Says of every tenant that runs that its log is as Kafka proves.
    pub(super) fn tell_healthy(&self, deps: &FollowDeps) {
        let running = self.progress.keys().filter(|tenant| !self.stopped.contains(*tenant));
        running.for_each(|tenant| deps.health.healthy(&Component::Log(tenant.clone())));
    }

    /// Checks that the store has every parking transition that this relay has read from it or
    /// written to it.
    pub(super) async fn verify_parking(&mut self, deps: &FollowDeps) -> Result<(), Error> {
        let seen: Vec<_> =
            self.lots.iter().map(|(tenant, lot)| (tenant.clone(), lot.ledger())).collect();
        let ledgers = self.ledgers(deps).await?;
        for (tenant, seen) in seen {
            let Some(log_id) = self.progress.get(&tenant).map(|progress| progress.log_id) else {
                continue;
            };
            let stored = match ledgers.get(&log_id) {
                Some(ledger) if ledger.open > 0 => {
                    Ledger::of(&parked_in(deps, &tenant, log_id).await?)
                }
                closed => Ledger::closed(closed.map_or(0, |ledger| ledger.number)),
            };
            if let Err(lost) = ParkingLost::check(&stored, &seen) {
                self.stop(deps, &tenant, &went_back(&lost));
            }
        }
        Ok(())
    }

    /// Stops a tenant whose log hasn't the event at its cursor.
    pub(super) fn stop_gone_back(&mut self, deps: &FollowDeps, tenant: &TenantId, cursor: &Cursor) {
        let Cursor { position, event_id, .. } = cursor;
        let why =
            format!("Kafka has the event {event_id} at position {position}, and the log has not");
        self.stop(deps, tenant, &went_back(&why));
    }

    /// Publishes nothing of this tenant any more, and says so.
    pub(super) fn stop(&mut self, deps: &FollowDeps, tenant: &TenantId, why: &str) {
        if deps.health.degraded(Component::Log(tenant.clone()), why) == Occurrence::First {
            tracing::error!(%tenant, "publishing is stopped: {why}");
        }
        self.dismiss(tenant);
        self.lots.remove(tenant);
        self.stopped.insert(tenant.clone());
    }
}

/// The reason why a tenant is stopped.
pub(super) fn went_back(lost: &impl std::fmt::Display) -> String {
    format!(
        "{lost}: the store went back in time; bring its newest backup back, or run `event-gateway \
         restore`"
    )
}

#[cfg(test)]
mod tests {
    use super::{CursorLost, KnownCursor, Ledger, ParkingLost, Position, TenantId};
    use crate::domain::event::EventId;
    use crate::domain::follower::Cursor;
    use crate::domain::ledger::Digest;
    use crate::domain::position::LogId;
    use crate::sink::ParkingProof;
    use uuid::Uuid;

    #[test]
    fn a_store_that_is_behind_or_another_has_lost_parking_and_one_ahead_has_not() {
        let ledger = |number, digest: char| Ledger {
            number,
            digest: Digest::parse(&digest.to_string().repeat(32)).unwrap(),
            oldest: None,
        };
        for (store, kafka, lost) in [
            (ledger(0, '0'), ledger(0, '0'), None),
            (ledger(0, 'a'), ledger(0, '0'), None),
            (ledger(3, 'a'), ledger(3, 'a'), None),
            (ledger(4, 'b'), ledger(3, 'a'), None),
            (ledger(3, 'b'), ledger(3, 'a'), Some(ParkingLost::Other(3))),
            (ledger(2, 'a'), ledger(3, 'a'), Some(ParkingLost::Behind { store: 2, kafka: 3 })),
            (ledger(0, '0'), ledger(1, '0'), Some(ParkingLost::Behind { store: 0, kafka: 1 })),
        ] {
            assert_eq!(ParkingLost::check(&store, &kafka).err(), lost, "{store:?} {kafka:?}");
        }
    }

    #[test]
    fn a_cursor_behind_the_store_s_checkpoint_is_lost() {
        let cursor = |at| Cursor {
            log_id: LogId::new(Uuid::nil()),
            position: Position::new(at).unwrap(),
            event_id: EventId::new(Uuid::nil()),
        };
        let known = |at| KnownCursor { cursor: cursor(at), proof: ParkingProof::default() };
        let lost = |known: Option<KnownCursor>, checkpoint: Option<Cursor>| {
            let tenant = TenantId::parse("diku").unwrap();
            CursorLost::check(&tenant, known.as_ref(), checkpoint.as_ref()).err()
        };
        assert!(lost(None, None).is_none() && lost(Some(known(7)), None).is_none());
        assert!(lost(Some(known(7)), Some(cursor(7))).is_none());
        assert!(lost(Some(known(8)), Some(cursor(7))).is_none());
        assert!(
            lost(None, Some(cursor(0))).is_none(),
            "a tenant that was begun may have no page yet"
        );
        assert!(matches!(lost(Some(known(6)), Some(cursor(7))), Some(CursorLost::Behind { .. })));
        assert!(matches!(lost(None, Some(cursor(7))), Some(CursorLost::Missing(..))));
    }
}

//! Plans an append: finds which drafts are new, repeated or in conflict, and gives the new events
//! their positions.
//!
//! An adapter's `append` passes in the batches, and a snapshot of their tenants and event ids in
//! the store; it gets the rows to write, and writes them only if the snapshot still holds. There is
//! no I/O and no clock here: the same input gives the same plan, so that a transaction may be run
//! again. Positions are dense, time never goes back within a tenant, and a batch that conflicts
//! leaves no trace.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::batch::{Fingerprint, FingerprintedBatch};
use super::snapshot::{IdempotencyRecord, LogState};
use crate::domain::conflict::{Conflict, With};
use crate::domain::draft::{Draft, Stamp};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::{Outcome, Receipt};

/// One event to insert.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct NewEvent {
    /// The sealed event.
    pub(in crate::store) envelope: Envelope,
    /// The fingerprint, for its idempotency row.
    pub(in crate::store) fingerprint: Fingerprint,
    /// The entry for the trail, if the event is an act.
    pub(in crate::store) act: Option<Arc<TrailEntry>>,
}

/// The rows to write, and the outcomes to answer once they are committed.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct AppendPlan {
    /// The outcomes, one per batch, which hold once the rest is committed.
    pub(in crate::store) outcomes: Vec<Outcome>,
    /// The new events, in the order of the batches.
    pub(in crate::store) new_events: Vec<NewEvent>,
    /// The last receipt of each tenant that got new events.
    pub(in crate::store) heads: BTreeMap<TenantId, Receipt>,
    /// The last DELETE_ALL of each topic that got a new one.
    pub(in crate::store) delete_alls: BTreeMap<(TenantId, Topic), Position>,
}

impl AppendPlan {
    /// Returns the entries of the new events that are acts.
    pub(in crate::store) fn acts(&self) -> impl Iterator<Item = &TrailEntry> {
        self.new_events.iter().filter_map(|new_event| new_event.act.as_deref())
    }

    /// Returns whether every batch is appended and all of its events are new.
    pub(in crate::store) fn is_all_new(&self) -> bool {
        let appended = |outcome: &Outcome| matches!(outcome, Outcome::Appended { .. });
        !self.new_events.is_empty() && self.outcomes.iter().all(appended)
    }
}

/// Plans the batches in their order, each on the store's state and the batches before it. A tenant
/// without a log is not enabled.
pub(in crate::store) fn plan(
    batches: &[FingerprintedBatch],
    mut logs: HashMap<TenantId, LogState>,
    now: Time,
) -> AppendPlan {
    let mut new_events = Vec::new();
    let outcomes = batches
        .iter()
        .map(|batch| match logs.get_mut(&batch.batch().tenant) {
            Some(log) if log.head.is_enabled || batch.is_own() => {
                conflict(batch, log).unwrap_or_else(|| log.append(batch, now, &mut new_events))
            }
            _ => Outcome::NotEnabled,
        })
        .collect();
    let (mut heads, mut delete_alls) = (BTreeMap::new(), BTreeMap::new());
    for Envelope { tenant, topic, position, time, event_type, .. } in
        new_events.iter().map(|e: &NewEvent| &e.envelope)
    {
        heads.insert(tenant.clone(), Receipt { position: *position, time: *time });
        if *event_type == EventType::DeleteAll {
            delete_alls.insert((tenant.clone(), topic.clone()), *position);
        }
    }
    AppendPlan { outcomes, new_events, heads, delete_alls }
}

/// Returns the conflict of the first draft whose event id has other content, in the log or earlier
/// in the batch.
fn conflict(batch: &FingerprintedBatch, log: &LogState) -> Option<Outcome> {
    let mut earlier: HashMap<EventId, (&Fingerprint, With)> = HashMap::new();
    for (index, (draft, fingerprint)) in batch.drafts().enumerate() {
        let known = log.known.get(&draft.event_id);
        let logged = known.map(|k| (&k.fingerprint, With::Logged(k.receipt.position)));
        let (other, with) = logged.unwrap_or_else(|| {
            *earlier.entry(draft.event_id).or_insert((fingerprint, With::EarlierInBatch(index)))
        });
        if other != fingerprint {
            return Some(Outcome::Conflict(Conflict { index, with }));
        }
    }
    None
}

impl LogState {
    /// Gives each draft its receipt; nothing can fail here.
    fn append(
        &mut self,
        batch: &FingerprintedBatch,
        now: Time,
        new_events: &mut Vec<NewEvent>,
    ) -> Outcome {
        let end = self.head.position;
        let receipts =
            batch.drafts().map(|(draft, fingerprint)| match self.known.get(&draft.event_id) {
                Some(known) => known.receipt,
                None => {
                    let (envelope, act) = (self.seal(draft, now), draft.act.clone());
                    let new_event = NewEvent { envelope, fingerprint: *fingerprint, act };
                    new_events.push(new_event);
                    let receipt = Receipt { position: self.head.position, time: self.head.time };
                    self.known.insert(
                        draft.event_id,
                        IdempotencyRecord { receipt, fingerprint: *fingerprint },
                    );
                    receipt
                }
            });
        let receipts: Vec<_> = receipts.collect();
        let repeated = receipts.iter().any(|receipt| receipt.position <= end);
        Outcome::Appended { log_id: self.head.log_id, lane: self.head.lane, receipts, repeated }
    }

    fn seal(&mut self, draft: &Draft, now: Time) -> Envelope {
        let head = &mut self.head;
        head.position = head.position.next();
        head.time = head.time.max(now);
        let envelope = draft.seal(&Stamp {
            log_id: head.log_id,
            position: head.position,
            time: head.time,
            last_delete_all: self.delete_alls.get(&draft.topic).copied(),
        });
        if envelope.event_type == EventType::DeleteAll {
            self.delete_alls.insert(draft.topic.clone(), self.head.position);
        }
        envelope
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{AppendPlan, FingerprintedBatch, LogState, plan};
    use crate::domain::conflict::{Conflict, With};
    use crate::domain::draft::Draft;
    use crate::domain::position::Position;
    use crate::domain::time::Time;
    use crate::store::Outcome;
    use crate::store::append::fixture::{ITEM, batch, create, delete_all, diku, head};

    fn planned(batches: &[Vec<Draft>]) -> AppendPlan {
        let batches: Vec<_> = batches.iter().map(|drafts| batch(drafts.clone())).collect();
        let batches: Vec<_> = batches.iter().map(FingerprintedBatch::new).collect();
        let log = LogState::from(head(10, 2_000));
        plan(&batches, HashMap::from([(diku(), log)]), Time::from_ms(1_000))
    }

    /// Returns the positions of a batch's receipts, or its conflict.
    fn positions(outcome: &Outcome) -> Result<Vec<u64>, Conflict> {
        match outcome {
            Outcome::Appended { receipts, .. } => {
                Ok(receipts.iter().map(|r| r.position.number()).collect())
            }
            Outcome::Conflict(conflict) => Err(*conflict),
            Outcome::NotEnabled => panic!("the tenant is enabled"),
        }
    }

    #[test]
    fn twins_get_one_place_within_a_batch_and_across_batches() {
        let plan = planned(&[
            vec![create(1, "{}"), create(2, "{}"), create(1, "{}")],
            vec![create(3, "{}"), create(2, "{}")],
        ]);
        let positions: Vec<_> = plan.outcomes.iter().map(positions).collect();
        assert_eq!(positions, [Ok(vec![11, 12, 11]), Ok(vec![13, 12])]);
        assert_eq!(plan.new_events.len(), 3);
        assert_eq!(plan.heads[&diku()].position.number(), 13);
    }

    #[test]
    fn a_conflict_drops_its_batch_without_a_trace() {
        let plan = planned(&[
            vec![create(1, "{}")],
            vec![delete_all(2, ITEM), create(3, "{}"), create(1, "[]")],
            vec![create(3, "[]"), create(2, "{}")],
        ]);
        let positions: Vec<_> = plan.outcomes.iter().map(positions).collect();
        let logged = Conflict { index: 2, with: With::Logged(Position::from_column(11)) };
        assert_eq!(positions, [Ok(vec![11]), Err(logged), Ok(vec![12, 13])]);
        assert!(
            plan.new_events.iter().all(|new_event| new_event.envelope.last_delete_all.is_none())
        );
        assert!(plan.delete_alls.is_empty());
    }

    #[test]
    fn a_conflict_within_a_batch_names_the_earlier_draft() {
        let plan = planned(&[vec![create(2, "{}"), create(1, "{}"), create(1, "[]")]]);
        let conflict = Conflict { index: 2, with: With::EarlierInBatch(1) };
        assert_eq!(positions(&plan.outcomes[0]), Err(conflict));
        assert!(plan.new_events.is_empty() && plan.heads.is_empty());
    }

    #[test]
    fn what_follows_a_delete_all_carries_its_position_and_time_never_goes_back() {
        let plan = planned(&[vec![
            create(1, "{}"),
            delete_all(2, ITEM),
            create(3, "{}"),
            delete_all(4, ITEM),
        ]]);
        let epochs: Vec<_> = plan
            .new_events
            .iter()
            .map(|e| e.envelope.last_delete_all.map(Position::number))
            .collect();
        assert_eq!(epochs, [None, None, Some(12), Some(12)]);
        assert!(plan.delete_alls.values().eq([&Position::from_column(14)]));
        assert!(plan.new_events.iter().all(|e| e.envelope.time == Time::from_ms(2_000)));
    }
}

//! The claims of a window: one event of a root is under way at a time, and none once the root is
//! claimed. No I/O.
//!
//! An event that the handler has done is done for the group once it is claimed, so that the commit
//! passes it after that. One that failed was not claimed, so that it is tried again, and so may be
//! another one of its root.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::{Slot, State, Window};
use crate::domain::claim::RootId;
use crate::domain::envelope::Envelope;

impl Window {
    /// Has each event claimed.
    pub(in super::super) fn claiming(self) -> Self {
        Self { claims: true, ..self }
    }

    /// Returns the id by which an event is claimed.
    pub(super) fn root(&self, event: &Envelope) -> Option<RootId> {
        self.claims.then(|| RootId::of(event))
    }

    /// Returns the roots of which no other event may be begun now.
    pub(super) fn roots_under_way(&self) -> HashSet<RootId> {
        if !self.claims {
            return HashSet::new();
        }
        self.all_slots().filter_map(Slot::root_under_way).cloned().collect()
    }

    /// Returns the roots of the events that the handler has done, to be claimed now.
    pub(in super::super) fn acknowledged(&self) -> BTreeSet<RootId> {
        if !self.claims {
            return BTreeSet::new();
        }
        let done = self.all_slots().filter(|slot| matches!(slot.state, State::Acknowledged));
        done.filter_map(|slot| slot.root.clone()).collect()
    }

    /// Returns the ids by which events are claimed.
    pub(in super::super) fn roots(&self, events: &[Arc<Envelope>]) -> BTreeSet<RootId> {
        events.iter().filter_map(|event| self.root(event)).collect()
    }

    /// Notes which roots are claimed: what the handler has done of them is done for the group, and
    /// nothing else of them is delivered. Returns the number of events that are suppressed.
    pub(in super::super) fn claimed(&mut self, roots: &BTreeSet<RootId>) -> usize {
        let mut suppressed = 0;
        for slot in self.slots.values_mut().chain(self.again.values_mut()) {
            if !slot.root.as_ref().is_some_and(|root| roots.contains(root)) {
                continue;
            }
            match slot.state {
                State::Acknowledged => slot.state = State::Done,
                State::Due(_) => {
                    slot.state = State::Done;
                    suppressed += 1;
                }
                State::UnderWay | State::Failed(_) | State::Done => {}
            }
        }
        suppressed
    }

    fn all_slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().chain(self.again.values())
    }
}

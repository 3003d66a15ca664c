//! Records that are erased while events of them are in a window: their dead letters are discarded,
//! and hold up nothing.

use std::collections::BTreeMap;

use super::{Slot, State, Window};
use crate::domain::envelope::Envelope;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::topic::Topic;
use crate::subscribe::push::letters::is_erased;

/// The records that were erased, by the ERASED events of a window.
pub(super) struct Erased(Vec<(Topic, Key, Position)>);

impl Erased {
    pub(super) fn of(slots: &BTreeMap<Position, Slot>) -> Self {
        let events = slots.values().map(|slot| &slot.event).filter(|event| is_erased(event));
        Self(events.map(|it| (it.topic.clone(), it.key.clone(), it.position)).collect())
    }

    /// Returns the position up to which an event's record was erased before it, or by it.
    pub(super) fn before(&self, event: &Envelope) -> Position {
        let is_of = |topic: &Topic, key: &Key| (topic, key) == (&event.topic, &event.key);
        let of_record = self.0.iter().filter(|(topic, key, _)| is_of(topic, key));
        let before = of_record.map(|(.., at)| *at).filter(|at| *at <= event.position);
        before.max().unwrap_or_default()
    }
}

impl Window {
    /// Returns the dead letters that an ERASED event of their record discards, but for those that
    /// are under way.
    pub(in crate::subscribe::push) fn erased(&self) -> Vec<Position> {
        let slots = self.slots.values().filter(|slot| is_erased(&slot.event));
        let letters = slots.flat_map(|slot| self.letters.of_record(&slot.event));
        let is_under_way = |slot: &Slot| !matches!(slot.state, State::Due(_));
        letters.filter(|at| !self.again.get(at).is_some_and(is_under_way)).collect()
    }
}

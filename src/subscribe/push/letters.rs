//! The dead letters of one group, as its worker knows them: which events join them, and which of
//! them are delivered again. No I/O.
//!
//! The rows of the store are the truth. The worker takes them when it begins, and now and then
//! since they are redriven and discarded elsewhere; it adds those that it has written itself.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Scope};
use crate::domain::topic::Topic;

/// The dead letters of a group.
#[derive(Debug, Default)]
pub(super) struct Letters {
    all: BTreeMap<Position, DeadLetter>,
    /// Those that events of their key join.
    keys: HashMap<(Topic, Key), BTreeSet<Position>>,
    /// Those that all events of their topic join.
    topics: HashMap<Topic, BTreeSet<Position>>,
}

/// The way in which an event joins the dead letters before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joins {
    /// The later events that join it.
    pub(super) scope: Scope,
    /// Whether all that it joins are to be delivered again, so that it is, too.
    pub(super) is_redriven: bool,
}

/// Returns whether an event concerns every key of its topic.
pub(super) fn is_whole(event: &Envelope) -> bool {
    event.event_type == EventType::DeleteAll
}

/// Returns whether an event tells that its record was erased, whose letters it discards.
pub(super) fn is_erased(event: &Envelope) -> bool {
    event.event_type == EventType::Erased
}

/// Returns the later events that join an event, if the order is kept.
pub(super) fn own_scope(event: &Envelope) -> Scope {
    if is_whole(event) { Scope::Topic } else { Scope::Key }
}

impl Letters {
    /// Takes the rows of the store.
    pub(super) fn of(rows: Vec<DeadLetter>) -> Self {
        let mut letters = Self::default();
        rows.into_iter().for_each(|letter| letters.add(letter));
        letters
    }

    /// Adds a letter whose row is written. The reason stays in the row alone: there may be many.
    pub(super) fn add(&mut self, mut letter: DeadLetter) {
        if let Some(failure) = &mut letter.failure {
            failure.why = String::new();
        }
        let (position, topic) = (letter.position, letter.topic.clone());
        match letter.scope {
            Scope::Event | Scope::Discarded => {}
            Scope::Key => {
                let key = (topic, letter.key.clone());
                self.keys.entry(key).or_default().insert(position);
            }
            Scope::Topic => {
                self.topics.entry(topic).or_default().insert(position);
            }
        }
        self.all.insert(position, letter);
    }

    /// Removes a letter whose row is gone.
    pub(super) fn remove(&mut self, position: Position) {
        let Some(letter) = self.all.remove(&position) else { return };
        let key = (letter.topic, letter.key);
        let joined = [self.keys.get_mut(&key), self.topics.get_mut(&key.0)];
        for positions in joined.into_iter().flatten() {
            positions.remove(&position);
        }
        self.keys.retain(|_, positions| !positions.is_empty());
        self.topics.retain(|_, positions| !positions.is_empty());
    }

    /// Returns the letter of an event.
    pub(super) fn get(&self, position: Position) -> Option<&DeadLetter> {
        self.all.get(&position)
    }

    /// Returns whether any letter up to a position was discarded.
    pub(super) fn has_discarded(&self, up_to: Position) -> bool {
        self.all.range(..=up_to).any(|(_, letter)| letter.is_discarded())
    }

    /// Forgets the letters up to a position that were discarded, whose rows are gone.
    pub(super) fn forget_discarded(&mut self, up_to: Position) {
        self.all.retain(|position, letter| *position > up_to || !letter.is_discarded());
    }

    /// Returns the number of letters.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns how an event joins the letters before it, if it does. Those of its record up to
    /// `erased` are discarded, and hold up nothing.
    pub(super) fn joined_by(&self, event: &Envelope, erased: Position) -> Option<Joins> {
        let mut joined = BTreeSet::new();
        joined.extend(self.topics.get(&event.topic).into_iter().flatten());
        if is_whole(event) {
            let of_topic = self.keys.iter().filter(|((topic, _), _)| *topic == event.topic);
            joined.extend(of_topic.flat_map(|(_, positions)| positions));
        } else if !self.keys.is_empty() {
            let key = (event.topic.clone(), event.key.clone());
            let of_key = self.keys.get(&key).into_iter().flatten();
            joined.extend(of_key.filter(|at| **at > erased));
        }
        let mut joined = joined.range(..event.position).peekable();
        joined.peek()?;
        let is_redriven = joined.all(|at| self.all.get(at).is_some_and(|it| it.is_redriven));
        Some(Joins { scope: own_scope(event), is_redriven })
    }

    /// Returns the letters of an event's record before it.
    pub(super) fn of_record(&self, event: &Envelope) -> impl Iterator<Item = Position> + use<'_> {
        let before = self.all.range(..event.position);
        let (topic, key) = (event.topic.clone(), event.key.clone());
        let is_of = move |it: &DeadLetter| it.topic == topic && it.key == key;
        before.filter(move |(_, letter)| is_of(letter)).map(|(position, _)| *position)
    }

    /// Returns whether a letter waits for an earlier one that is still there.
    pub(super) fn waits(&self, letter: &DeadLetter) -> bool {
        self.all.range(..letter.position).any(|(_, earlier)| letter.waits_for(earlier))
    }

    /// Returns the letters that may be delivered again now: each is redriven, and joins no other
    /// one that is still there.
    pub(super) fn redriven(&self) -> Vec<&DeadLetter> {
        if !self.all.values().any(|letter| letter.is_redriven) {
            return Vec::new();
        }
        let (mut keys, mut begun, mut topics) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut found = Vec::new();
        for letter in self.all.values() {
            let (topic, key) = (&letter.topic, (&letter.topic, &letter.key));
            let waits = match letter.scope {
                Scope::Event | Scope::Discarded => false,
                Scope::Key => topics.contains(topic) || keys.contains(&key),
                Scope::Topic => topics.contains(topic) || begun.contains(topic),
            };
            if letter.is_redriven && !waits {
                found.push(letter);
            }
            if letter.scope.is_joined() {
                keys.insert(key);
                begun.insert(topic);
            }
            if letter.scope == Scope::Topic {
                topics.insert(topic);
            }
        }
        found
    }
}

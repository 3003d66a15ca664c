//! The acts on dead letters, decided on all of a group's: which are meant, and which follow them.
//!
//! `dead_letters` reads them, and writes what is decided. No I/O.

use std::collections::{HashMap, HashSet};

use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group, Scope};
use crate::domain::topic::Topic;
use crate::store::DeadChange;

/// The warning to whoever redrives dead letters of a group that has halted.
pub const WAITING: &str = "the group has halted: nothing is delivered until it is resumed";

/// The dead letters that somebody means: those of these keys or at these positions, or all if none
/// are named; of these topics, or of any; the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// The topics.
    pub topics: Vec<Topic>,
    /// The keys.
    pub keys: Vec<Key>,
    /// The positions.
    pub positions: Vec<Position>,
    /// The position after which they begin; earlier ones are not taken along.
    pub after: Position,
    /// The most that one call concerns.
    pub limit: usize,
}

/// The dead letters that a call concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marked {
    /// The number of those.
    pub count: u64,
    /// The number of the others that are meant, which the limit has left for the next call.
    pub left: u64,
    /// The `after` of the next call; `None` if nothing is left.
    pub next: Option<Position>,
}

impl Which {
    /// The most that one call may concern.
    pub const LIMIT_MAX: usize = 1_000;

    fn has(&self, letter: &DeadLetter) -> bool {
        let all = self.keys.is_empty() && self.positions.is_empty();
        let is_named =
            all || self.positions.contains(&letter.position) || self.keys.contains(&letter.key);
        let is_of_topic = self.topics.is_empty() || self.topics.contains(&letter.topic);
        letter.position > self.after && is_of_topic && is_named && !letter.is_discarded()
    }

    /// Returns an act's object: the group, how many of its dead letters it concerned and between
    /// which positions, and what was named.
    pub(super) fn object(&self, group: &Group, changed: &[Position]) -> String {
        let count = changed.len();
        let range = changed.iter().min().zip(changed.iter().max());
        let range = range.map(|(first, last)| format!(", {first} to {last}"));
        let named = [
            ("keys", spell(&self.keys)),
            ("positions", spell(&self.positions)),
            ("topics", spell(&self.topics)),
        ];
        let named = named.into_iter().filter(|(_, all)| !all.is_empty());
        let named: String = named.map(|(name, all)| format!("; {name} {all}")).collect();
        format!("{group}: {count} dead letters{}{named}", range.unwrap_or_default())
    }
}

fn spell(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The changes that an act makes.
pub(super) struct Decided {
    /// The changes of the rows.
    pub(super) dead: Vec<DeadChange>,
    /// The positions of the dead letters that were meant and are changed, in order.
    pub(super) positions: Vec<Position>,
    /// The number of the others that are meant.
    pub(super) left: usize,
}

impl Decided {
    pub(super) fn marked(&self) -> Marked {
        let next = self.positions.last().copied().filter(|_| self.left > 0);
        Marked { count: self.positions.len() as u64, left: self.left as u64, next }
    }
}

/// Redrives those that are meant, of all dead letters of a group in order, with the earlier ones
/// that they wait for. What waits for no other one follows them once all of them are.
pub(super) fn redrive(mut all: Vec<DeadLetter>, which: &Which) -> Decided {
    let mut meant = meant_in_order(&all, which);
    let left = meant.split_off(which.limit.min(meant.len()));
    for index in &meant {
        all[*index].is_redriven = true;
    }
    let follow = if left.is_empty() && !meant.is_empty() { freed(&all) } else { Vec::new() };
    let positions = meant.iter().map(|index| all[*index].position).collect();
    let changed = meant.into_iter().map(|index| all[index].clone()).chain(follow);
    Decided { dead: changed.map(DeadChange::Put).collect(), positions, left: left.len() }
}

/// Discards those that are meant, of all dead letters of a group in order; those that its position
/// has not passed stay known. What waits for no other one then is redriven.
pub(super) fn discard(all: Vec<DeadLetter>, which: &Which, passed: Position) -> Decided {
    let (mut meant, mut kept): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|letter| which.has(letter));
    let rest = meant.split_off(which.limit.min(meant.len()));
    let (positions, left) = (meant.iter().map(|letter| letter.position), rest.len());
    let positions: Vec<_> = positions.collect();
    kept.extend(rest);
    kept.sort_unstable_by_key(|letter| letter.position);
    let follow = if meant.is_empty() { Vec::new() } else { freed(&kept) };
    let gone = meant.into_iter().map(|letter| match letter.position <= passed {
        true => DeadChange::Remove(letter.position),
        false => DeadChange::Put(letter.discarded()),
    });
    let dead = gone.chain(follow.into_iter().map(DeadChange::Put)).collect();
    Decided { dead, positions, left }
}

/// Returns which of a group's dead letters, in order, are to be redriven: the ones that are meant,
/// and the earlier ones that they wait for.
fn meant_in_order(all: &[DeadLetter], which: &Which) -> Vec<usize> {
    // The last ones of the keys and topics that are meant so far.
    let mut ends: HashMap<_, &DeadLetter> = HashMap::new();
    let mut meant = Vec::new();
    for (index, letter) in all.iter().enumerate().rev() {
        if letter.position <= which.after {
            break;
        }
        if which.has(letter) || ends.values().any(|later| later.waits_for(letter)) {
            meant.push(index);
            ends.extend(scope(letter).map(|scope| (scope, letter)));
        }
    }
    meant.into_iter().rev().filter(|index| !all[*index].is_redriven).collect()
}

/// Returns, as redriven, those of a group's dead letters in order that have not failed, and that
/// wait for redriven ones alone, or for none.
fn freed(all: &[DeadLetter]) -> Vec<DeadLetter> {
    // The keys of each topic for which later ones wait, and whether those of any key do.
    let mut held: HashMap<&Topic, (HashSet<&Key>, bool)> = HashMap::new();
    let mut freed = Vec::new();
    for letter in all.iter().filter(|letter| letter.scope.is_joined()) {
        let (keys, is_whole) = held.entry(&letter.topic).or_default();
        let waits = *is_whole
            || match letter.scope {
                Scope::Topic => !keys.is_empty(),
                _ => keys.contains(&letter.key),
            };
        if letter.failure.is_none() && !letter.is_redriven && !waits {
            freed.push(DeadLetter { is_redriven: true, ..letter.clone() });
        } else if !letter.is_redriven {
            keys.insert(&letter.key);
            *is_whole |= letter.scope == Scope::Topic;
        }
    }
    freed
}

/// Returns the key or topic whose later events join a dead letter.
pub(super) fn scope(letter: &DeadLetter) -> Option<(&str, Option<&str>)> {
    match letter.scope {
        Scope::Event | Scope::Discarded => None,
        Scope::Key => Some((letter.topic.as_str(), Some(letter.key.as_str()))),
        Scope::Topic => Some((letter.topic.as_str(), None)),
    }
}

//! The window of events that are being brought to a handler: which is next, what its answer does,
//! and up to where the group may commit. No I/O.
//!
//! ```text
//!   committed ───── window ───────────────────── offered
//!   all is done     done · under way · due again  the next event
//!                   · failed · not yet delivered  that is read
//! ```
//!
//! In order, an event is delivered once each earlier one of its key is done or is a dead letter; a
//! DELETE_ALL concerns every key of its topic.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::Outcome;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::subscription::{
    DeadLetter, FailedEvent, Failure, LastFailure, Order, Policy, Scope,
};
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// The most events in a window for each that may be under way at once; others of the same keys
/// wait in it.
const EVENTS_EACH: usize = 20;
/// The most bytes of payloads in a window.
const BYTES_MAX: usize = 16 << 20;

/// An event, and which attempt at it this is.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The event.
    pub event: Arc<Envelope>,
    /// The number of the attempt, from 1 on.
    pub number: u64,
}

/// A handler that can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The reason in words.
    pub why: String,
    /// The event at which it failed.
    pub failed: FailedEvent,
}

/// The keys and topics whose later events join dead letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DeadScopes {
    keys: HashSet<(Topic, Key)>,
    topics: HashSet<Topic>,
}

/// The window of one group in one log.
pub struct Window {
    failure: Failure,
    concurrency: usize,
    dead: DeadScopes,
    slots: BTreeMap<Position, Slot>,
    offered: Position,
    under_way: usize,
}

struct Slot {
    event: Arc<Envelope>,
    failures: u64,
    state: State,
}

enum State {
    /// To be delivered from a time on.
    Due(Instant),
    UnderWay,
    /// It is a dead letter once its row is written.
    Dead(DeadLetter),
    /// The group stops here.
    Stopped(String),
    Done,
}

impl DeadScopes {
    /// Returns the scopes of rows.
    pub fn of(letters: &[DeadLetter]) -> Self {
        let mut all = Self::default();
        letters.iter().for_each(|letter| all.add(letter));
        all
    }

    /// Adds the scope of a dead letter.
    fn add(&mut self, DeadLetter { scope, topic, key, .. }: &DeadLetter) {
        match scope {
            Scope::Event => false,
            Scope::Key => self.keys.insert((topic.clone(), key.clone())),
            Scope::Topic => self.topics.insert(topic.clone()),
        };
    }

    /// Returns the scope that an event joins.
    fn of_event(&self, event: &Envelope) -> Option<Scope> {
        if self.topics.contains(&event.topic) {
            return Some(Scope::Topic);
        }
        let key = (event.topic.clone(), event.key.clone());
        let is_any = is_whole(event) && self.keys.iter().any(|(topic, _)| *topic == event.topic);
        (is_any || self.keys.contains(&key)).then_some(own_scope(event))
    }

    /// Returns the number of keys and topics.
    fn len(&self) -> usize {
        self.keys.len() + self.topics.len()
    }
}

/// Returns whether an event concerns every key of its topic.
fn is_whole(event: &Envelope) -> bool {
    matches!(event.event_type, EventType::DeleteAll | EventType::DeleteAllExpanded)
}

fn own_scope(event: &Envelope) -> Scope {
    if is_whole(event) { Scope::Topic } else { Scope::Key }
}

impl Window {
    /// Makes the window of a group that goes on after a position.
    pub fn new(
        failure: Failure,
        concurrency: usize,
        dead: DeadScopes,
        after: Position,
    ) -> Self {
        let slots = BTreeMap::new();
        Self { failure, concurrency, dead, slots, offered: after, under_way: 0 }
    }

    /// Returns the number of events that may be read on.
    pub fn room(&self) -> usize {
        let bytes: usize = self.slots.values().map(|slot| slot.event.payload.len()).sum();
        let events_max = self.concurrency * EVENTS_EACH;
        if bytes < BYTES_MAX { events_max.saturating_sub(self.slots.len()) } else { 0 }
    }

    /// Takes events that were read, and the position up to which nothing else matches.
    pub fn offer(&mut self, events: Vec<Arc<Envelope>>, up_to: Position, now: Instant) {
        for event in events {
            let state = State::Due(now);
            self.slots.insert(event.position, Slot { event, failures: 0, state });
        }
        self.offered = self.offered.max(up_to);
    }

    /// Returns the next attempt to make now, which is under way then.
    pub fn next(&mut self, now: Instant) -> Option<Attempt> {
        if self.under_way >= self.concurrency {
            return None;
        }
        let (mut keys, mut topics, mut begun) = (HashSet::new(), HashSet::new(), HashSet::new());
        for slot in self.slots.values_mut() {
            let event = &slot.event;
            let key = (&event.topic, &event.key);
            let waits = self.failure.order == Order::Key
                && (keys.contains(&key)
                    || topics.contains(&event.topic)
                    || (is_whole(event) && begun.contains(&event.topic)));
            match slot.state {
                State::Done => continue,
                // Nothing is delivered after the event at which the group stops.
                State::Stopped(_) => return None,
                State::Due(at) if at <= now && !waits => {
                    slot.state = State::UnderWay;
                    self.under_way += 1;
                    return Some(Attempt {
                        event: slot.event.clone(),
                        number: slot.failures + 1,
                    });
                }
                _ => {
                    keys.insert(key);
                    begun.insert(&event.topic);
                    if is_whole(event) {
                        topics.insert(&event.topic);
                    }
                }
            }
        }
        None
    }

    /// Takes the outcome of an attempt.
    pub fn settle(&mut self, position: Position, outcome: Outcome, now: Instant) {
        let policy = self.failure.policy;
        let Some(slot) = self.slots.get_mut(&position) else { return };
        self.under_way -= 1;
        let (why, stops) = match outcome {
            Outcome::Ok => {
                slot.state = State::Done;
                return;
            }
            Outcome::Abandoned => {
                slot.state = State::Due(now);
                return;
            }
            Outcome::Retry { why, after } => {
                slot.failures += 1;
                if slot.failures < self.failure.attempts {
                    let wait = Duration::from_millis(self.failure.wait_after(slot.failures));
                    slot.state = State::Due(now + wait.max(after.unwrap_or_default()));
                    return;
                }
                (why, policy == Policy::Stop)
            }
            Outcome::Reject { why } => {
                slot.failures += 1;
                (why, policy == Policy::Stop)
            }
            Outcome::Stop { why } => {
                slot.failures += 1;
                (why, true)
            }
        };
        if stops {
            slot.state = State::Stopped(why);
            return;
        }
        let failure = LastFailure { why, attempts: slot.failures };
        let in_order = self.failure.order == Order::Key;
        let scope = if in_order { own_scope(&slot.event) } else { Scope::Event };
        slot.state = State::Dead(letter(&slot.event, scope, Some(failure)));
    }

    /// Returns the events that are dead letters, whose rows must be written before they count as
    /// done. Those that join an earlier one are among them.
    pub fn dead(&mut self) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        for slot in self.slots.values_mut() {
            match &slot.state {
                State::Due(_) => {
                    if let Some(scope) = self.dead.of_event(&slot.event) {
                        let letter = letter(&slot.event, scope, None);
                        self.dead.add(&letter);
                        letters.push(letter.clone());
                        slot.state = State::Dead(letter);
                    }
                }
                State::Dead(letter) => {
                    self.dead.add(letter);
                    letters.push(letter.clone());
                }
                State::UnderWay | State::Stopped(_) | State::Done => {}
            }
        }
        letters
    }

    /// Notes that the rows of dead letters were written.
    pub fn buried(&mut self, letters: &[DeadLetter]) {
        for letter in letters {
            if let Some(slot) = self.slots.get_mut(&letter.position) {
                slot.state = State::Done;
            }
        }
    }

    /// Takes the scopes of the rows that are left: the events of others are delivered again.
    pub fn set_dead(&mut self, dead: DeadScopes) {
        self.dead = dead;
    }

    /// Returns the number of keys and topics whose events join dead letters.
    pub fn dead_scopes(&self) -> usize {
        self.dead.len()
    }

    /// Returns the position up to which everything is done, and forgets what lies before it.
    pub fn commit(&mut self) -> Position {
        while let Some(first) = self.slots.first_entry() {
            if !matches!(first.get().state, State::Done) {
                return first.key().before();
            }
            first.remove();
        }
        self.offered
    }

    /// Returns the reason why the group stops, once everything before that event is done.
    pub fn stopped(&mut self) -> Option<Stopped> {
        self.commit();
        let (position, first) = self.slots.first_key_value()?;
        let State::Stopped(why) = &first.state else { return None };
        let failed = FailedEvent { position: *position, attempts: first.failures };
        Some(Stopped { why: why.clone(), failed })
    }

    /// Returns when the next event is due that waits for its next attempt.
    pub fn due(&self) -> Option<Instant> {
        let due = |slot: &Slot| match slot.state {
            State::Due(at) => Some(at),
            _ => None,
        };
        self.slots.values().filter_map(due).min()
    }

    /// Returns the number of attempts that are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }
}

fn letter(event: &Envelope, scope: Scope, failure: Option<LastFailure>) -> DeadLetter {
    DeadLetter {
        position: event.position,
        topic: event.topic.clone(),
        key: event.key.clone(),
        scope,
        failure,
        // The store's clock gives the time.
        since: Time::from_ms(0),
        is_redriven: false,
    }
}

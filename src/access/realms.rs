//! The realms that the cache of keys has places for: those with keys, those that are expected, and
//! strangers.
//!
//! `jwks` looks issuers up here, and notes what it has learned of them. Each of the three sorts has
//! places of its own, so that invented realms take none from those that have keys or may have some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as Turn;

use super::keys::Keys;
use crate::domain::time::Time;

/// The most strangers.
const STRANGERS_MAX: usize = 256;

/// Whether an issuer that has no keys yet is expected to have some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// The allow-list names it, or it is the realm of a tenant that the store has.
    Expected,
    /// Anybody may have invented it: the allow-list takes any realm, and no tenant is of that name.
    Stranger,
}

/// An issuer. Whoever has the turn may ask it.
#[derive(Default)]
pub(super) struct Realm {
    pub(super) state: Mutex<State>,
    pub(super) turn: Arc<Turn<()>>,
}

/// The knowledge about an issuer.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Option<Keys>,
    pub(super) fetched: Option<Time>,
    pub(super) asked: Option<Time>,
    pub(super) used: Option<Time>,
    pub(super) is_failing: bool,
    /// Whether its server said the last time that there is no such realm.
    pub(super) is_gone: bool,
}

/// The issuers, by what is known of them.
pub(super) struct Realms {
    places: Mutex<Places>,
    /// The most issuers that have keys, and the most that are expected to.
    most: usize,
}

#[derive(Default)]
struct Places {
    known: HashMap<String, Arc<Realm>>,
    expected: HashMap<String, Arc<Realm>>,
    strangers: HashMap<String, Arc<Realm>>,
}

impl Realms {
    pub(super) fn new(most: usize) -> Self {
        Self { places: Mutex::default(), most }
    }

    /// Returns an issuer that has a place.
    pub(super) fn find(&self, issuer: &str) -> Option<Arc<Realm>> {
        locked(&self.places).find(issuer)
    }

    /// Returns whether an issuer has keys.
    pub(super) fn is_known(&self, issuer: &str) -> bool {
        locked(&self.places).known.contains_key(issuer)
    }

    /// Returns the issuer, and makes a place of its rank if it has none.
    pub(super) fn find_or_make(&self, issuer: &str, rank: Rank) -> Arc<Realm> {
        let mut places = locked(&self.places);
        if let Some(realm) = places.find(issuer) {
            return realm;
        }
        let (realms, most) = places.of(rank, self.most);
        make_room(realms, most, |state| state.asked);
        realms.entry(issuer.to_owned()).or_default().clone()
    }

    /// Puts an issuer among those that have keys, or among those of its rank.
    pub(super) fn place(&self, realm: &Arc<Realm>, issuer: String, has_keys: bool, rank: Rank) {
        let mut places = locked(&self.places);
        let Places { known, expected, strangers } = &mut *places;
        for from in [&mut *known, expected, strangers] {
            from.remove(&issuer);
        }
        let (to, most) = if has_keys { (known, self.most) } else { places.of(rank, self.most) };
        make_room(to, most, |state| state.used);
        to.insert(issuer, realm.clone());
    }
}

impl Places {
    fn find(&self, issuer: &str) -> Option<Arc<Realm>> {
        let all = [&self.known, &self.expected, &self.strangers];
        all.into_iter().find_map(|realms| realms.get(issuer)).cloned()
    }

    /// Returns the issuers without keys of a rank, and how many there may be.
    fn of(&mut self, rank: Rank, most: usize) -> (&mut HashMap<String, Arc<Realm>>, usize) {
        match rank {
            Rank::Expected => (&mut self.expected, most),
            Rank::Stranger => (&mut self.strangers, STRANGERS_MAX),
        }
    }
}

/// Drops the issuers that come first by a time, until there is a place. One that a request waits
/// for is dropped last, since another one would ask it again.
fn make_room(
    realms: &mut HashMap<String, Arc<Realm>>,
    most: usize,
    time: fn(&State) -> Option<Time>,
) {
    while realms.len() >= most {
        let order =
            |realm: &Arc<Realm>| (Arc::strong_count(realm) > 1, time(&locked(&realm.state)));
        let first = realms.iter().min_by_key(|(_, realm)| order(realm));
        let Some(first) = first.map(|(issuer, _)| issuer.clone()) else { return };
        realms.remove(&first);
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

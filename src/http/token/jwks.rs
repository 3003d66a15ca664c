//! The cache of the issuers' keys: bounded, fetched by one at a time, stale while an issuer is
//! unreachable.
//!
//! `keycloak` asks it with issuers of the allow-list alone. Keys are fresh for a time (`ttl`);
//! after it, the next request fetches them again. An issuer is asked at most every `RETRY_MS`,
//! whatever key ids come in tokens; while it does not answer, its keys are used until they are
//! `stale_max` old. A realm that its server doesn't know has no keys at once. Issuers that never
//! had keys have places of their own, so that invented realms take none from those that have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

use super::fetch::{Failed, Fetcher};
use super::keys::Keys;
use crate::clock::Clock;
use crate::domain::time::Time;
use crate::metrics::Metrics;

/// The time after which an issuer may be asked again.
const RETRY_MS: i64 = 30_000;
/// The most issuers that have no keys.
const STRANGERS_MAX: usize = 256;
/// The most issuers without keys that are asked at the same time.
const STRANGERS_ASKED_MAX: usize = 4;

/// The bounds of the cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The time for which keys are used without asking.
    pub(super) ttl: Duration,
    /// The age up to which keys are used while their issuer is unreachable.
    pub(super) stale_max: Duration,
    /// The most issuers that have keys.
    pub(super) realms_max: usize,
}

/// A key of an issuer, as a token names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a str,
    pub(super) kid: &'a str,
    pub(super) algorithm: Algorithm,
}

/// The reason why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The issuer's keys are not known, since it can't be reached.
    Unavailable,
}

/// The cache.
pub(super) struct Jwks {
    realms: Mutex<Realms>,
    bounds: Bounds,
    fetcher: Fetcher,
    strangers: Semaphore,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// The issuers that have keys, and those that have none.
#[derive(Default)]
struct Realms {
    known: HashMap<String, Arc<Realm>>,
    strangers: HashMap<String, Arc<Realm>>,
}

/// An issuer. Whoever has the turn may ask it.
#[derive(Default)]
struct Realm {
    state: Mutex<State>,
    turn: Arc<Turn<()>>,
}

#[derive(Default)]
struct State {
    keys: Option<Keys>,
    fetched: Option<Time>,
    asked: Option<Time>,
    used: Option<Time>,
    is_failing: bool,
}

/// The result of a look at an issuer's keys.
enum Look {
    Key(DecodingKey),
    Fetch,
    No(NoKey),
}

impl Jwks {
    pub(super) fn new(
        bounds: Bounds,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let strangers = Semaphore::new(STRANGERS_ASKED_MAX);
        let (realms, fetcher) = (Mutex::default(), Fetcher::new()?);
        Ok(Self { realms, bounds, fetcher, strangers, clock, metrics })
    }

    /// Returns the key, which is fetched if need be.
    pub(super) async fn key(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<DecodingKey, NoKey> {
        let realm = self.realm(wanted.issuer);
        if let Some(found) = self.look(&realm, wanted).result() {
            return found;
        }
        let turn = realm.turn.clone().lock_owned().await;
        // Whoever had the turn before has fetched, perhaps.
        if let Some(found) = self.look(&realm, wanted).result() {
            return found;
        }
        self.ask(realm.clone(), wanted.issuer.to_owned(), turn).await;
        self.look(&realm, wanted).result().unwrap_or(Err(NoKey::Unavailable))
    }

    /// Returns the issuer's place, and makes one if it has none.
    fn realm(&self, issuer: &str) -> Arc<Realm> {
        let mut realms = locked(&self.realms);
        let Realms { known, strangers } = &mut *realms;
        if let Some(realm) = known.get(issuer).or_else(|| strangers.get(issuer)) {
            return realm.clone();
        }
        make_room(strangers, STRANGERS_MAX, |state| state.asked);
        strangers.entry(issuer.to_owned()).or_default().clone()
    }

    fn look(&self, realm: &Realm, wanted: Wanted<'_>) -> Look {
        let now = self.clock.now();
        let mut state = locked(&realm.state);
        state.used = Some(now);
        let is_younger = |than: Duration| state.fetched.is_some_and(|at| is_within(at, than, now));
        let (is_fresh, is_usable) =
            (is_younger(self.bounds.ttl), is_younger(self.bounds.stale_max));
        let retry = Duration::from_millis(RETRY_MS.unsigned_abs());
        let may_ask = !state.asked.is_some_and(|at| is_within(at, retry, now));
        let keys = state.keys.as_ref();
        match keys.and_then(|keys| keys.find(wanted.kid, wanted.algorithm)) {
            Some(key) if is_fresh => Look::Key(key),
            _ if may_ask => Look::Fetch,
            Some(key) if is_usable => Look::Key(key),
            None if is_usable && !state.is_failing => Look::No(NoKey::Unknown),
            _ => Look::No(NoKey::Unavailable),
        }
    }

    /// Asks the issuer in a task of its own: a client that leaves doesn't end it.
    async fn ask(self: &Arc<Self>, realm: Arc<Realm>, issuer: String, turn: OwnedMutexGuard<()>) {
        let jwks = self.clone();
        let task = tokio::spawn(async move {
            let since = jwks.clock.now();
            let is_stranger = !locked(&jwks.realms).known.contains_key(&issuer);
            let permit = if is_stranger { jwks.strangers.acquire().await.ok() } else { None };
            let fetched = jwks.fetcher.fetch(&issuer).await;
            drop(permit);
            let parsed = fetched.and_then(|text| {
                let none = || Failed::Unreachable("it lists no key that signs".to_owned());
                Keys::parse(&text).ok_or_else(none)
            });
            jwks.settle(&realm, issuer, parsed, since);
            drop(turn);
        });
        // A task that panicked has not settled; then the keys are as they were.
        let _ = task.await;
    }

    /// Notes the result of having asked an issuer.
    fn settle(
        &self,
        realm: &Arc<Realm>,
        issuer: String,
        parsed: Result<Keys, Failed>,
        asked: Time,
    ) {
        let mut state = locked(&realm.state);
        state.asked = Some(asked);
        let was_failing = state.is_failing;
        state.is_failing = matches!(parsed, Err(Failed::Unreachable(_)));
        let outcome = match parsed {
            Ok(keys) => {
                (state.keys, state.fetched) = (Some(keys), Some(asked));
                "fetched"
            }
            Err(Failed::Gone) => {
                (state.keys, state.fetched) = (None, Some(asked));
                "unknown-realm"
            }
            Err(Failed::Unreachable(why)) => {
                if !was_failing {
                    tracing::warn!(issuer, why, "failed to fetch an issuer's keys");
                }
                "unreachable"
            }
        };
        if was_failing && !state.is_failing {
            tracing::info!(issuer, "an issuer answers again");
        }
        let has_keys = state.keys.is_some();
        drop(state);
        self.metrics.keys_fetched(outcome);
        self.place(realm, issuer, has_keys);
    }

    /// Puts an issuer among those that have keys, or among the others.
    fn place(&self, realm: &Arc<Realm>, issuer: String, has_keys: bool) {
        let mut realms = locked(&self.realms);
        let Realms { known, strangers } = &mut *realms;
        let (to, from, most) = if has_keys {
            (known, strangers, self.bounds.realms_max)
        } else {
            (strangers, known, STRANGERS_MAX)
        };
        from.remove(&issuer);
        if !to.contains_key(&issuer) {
            make_room(to, most, |state| state.used);
        }
        to.insert(issuer, realm.clone());
    }
}

impl Look {
    /// Returns the answer; `None` if the issuer must be asked.
    fn result(self) -> Option<Result<DecodingKey, NoKey>> {
        match self {
            Self::Key(key) => Some(Ok(key)),
            Self::No(no_key) => Some(Err(no_key)),
            Self::Fetch => None,
        }
    }
}

/// Drops the issuers that come first by a time, until there is a place.
fn make_room(
    realms: &mut HashMap<String, Arc<Realm>>,
    most: usize,
    time: fn(&State) -> Option<Time>,
) {
    while realms.len() >= most {
        let first = realms.iter().min_by_key(|(_, realm)| time(&locked(&realm.state)));
        let Some(first) = first.map(|(issuer, _)| issuer.clone()) else { return };
        realms.remove(&first);
    }
}

/// Returns whether a time was at most so long ago. One that is to come was not: the clock was set.
fn is_within(at: Time, time: Duration, now: Time) -> bool {
    let time_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    at <= now && now < at.after(time_ms)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

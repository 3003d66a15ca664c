//! The cache of the issuers' keys: bounded, fetched by one at a time, stale while an issuer is
//! unreachable.
//!
//! `keycloak` asks it with issuers of the allow-list alone. Keys are fresh for a time (`ttl`);
//! after it, the next request fetches them again. An issuer is asked at most every `RETRY_MS`,
//! whatever key ids come in tokens; while it does not answer, its keys are used until they are
//! `stale_max` old. Who has such a key waits for fresh ones at most `wait`, and not at all for an
//! issuer that failed the last time: the fetch goes on beside. A realm of which its server says
//! twice that there is none has no keys any more.
//!
//! Strangers, which anybody may invent before anything of a token is verified, have places and
//! turns of their own, and few may wait: they take neither from realms that have keys, nor from
//! those that the allow-list names or the store has a tenant of.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fetch::{Failed, Fetcher};
use super::keys::Keys;
use super::realms::{Rank, Realm, Realms, locked};
use super::tenants::KnownTenants;
use crate::clock::Clock;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::metrics::Metrics;

/// The time after which an issuer may be asked again.
const RETRY_MS: i64 = 30_000;
/// The most issuers without keys that are asked at the same time, of those that are expected.
const EXPECTED_ASKED_MAX: usize = 16;
/// The most strangers that are asked at the same time.
const STRANGERS_ASKED_MAX: usize = 4;
/// The most strangers that are asked or wait for it.
const STRANGERS_WAITING_MAX: usize = 64;

/// The bounds of the cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The time for which keys are used without asking.
    pub(super) ttl: Duration,
    /// The age up to which keys are used while their issuer is unreachable.
    pub(super) stale_max: Duration,
    /// The longest time that a request waits for fresh keys, if it has one that may be used.
    pub(super) wait: Duration,
    /// The longest time in which an issuer must answer.
    pub(super) fetch_timeout: Duration,
    /// The most issuers that have keys, and the most that are expected to.
    pub(super) realms_max: usize,
}

/// A key of an issuer, as a token names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a str,
    /// The tenant whose realm the issuer is.
    pub(super) tenant: &'a TenantId,
    /// Whether the allow-list names the issuer itself, and not any realm.
    pub(super) is_named: bool,
    pub(super) kid: &'a str,
    pub(super) algorithm: Algorithm,
}

/// The reason why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The issuer's keys are not known, since it can't be reached, or too many strangers wait.
    Unavailable,
}

/// The cache.
pub(super) struct Jwks {
    realms: Realms,
    bounds: Bounds,
    fetcher: Fetcher,
    tenants: Arc<KnownTenants>,
    turns: Turns,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// The turns to ask issuers that have no keys yet.
struct Turns {
    expected: Semaphore,
    strangers: Semaphore,
    /// The places of the strangers that are asked or wait for it.
    waiting: Semaphore,
}

/// The result of a look at an issuer's keys.
enum Look {
    Key(DecodingKey),
    /// The key may be used, but the issuer should be asked; whether it failed the last time.
    Stale(DecodingKey, bool),
    Fetch,
    No(NoKey),
}

impl Jwks {
    pub(super) fn new(
        bounds: Bounds,
        tenants: KnownTenants,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (realms, fetcher) =
            (Realms::new(bounds.realms_max), Fetcher::new(bounds.fetch_timeout)?);
        let (tenants, turns) = (Arc::new(tenants), Turns::new());
        Ok(Self { realms, bounds, fetcher, tenants, turns, clock, metrics })
    }

    /// Returns the key, which is fetched if need be.
    pub(super) async fn key(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<DecodingKey, NoKey> {
        let found = self.realms.find(wanted.issuer);
        let look = found.as_ref().map_or(Look::Fetch, |realm| self.look(realm, wanted));
        match (look, found) {
            (Look::Key(key), _) => Ok(key),
            (Look::No(no_key), _) => Err(no_key),
            (Look::Stale(key, true), Some(realm)) => {
                if let Ok(turn) = realm.turn.clone().try_lock_owned() {
                    // It goes on beside: nobody waits for an issuer that fails.
                    drop(self.ask(realm, wanted, Rank::Expected, turn));
                }
                Ok(key)
            }
            (Look::Stale(key, _), _) => {
                timeout(self.bounds.wait, self.fetch(wanted)).await.unwrap_or(Ok(key))
            }
            (Look::Fetch, _) => self.fetch(wanted).await,
        }
    }

    /// Waits for the turn to ask the issuer, asks it, and returns the key.
    async fn fetch(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<DecodingKey, NoKey> {
        let rank = self.rank(wanted).await;
        let realm = self.realms.find_or_make(wanted.issuer, rank);
        let turn = realm.turn.clone().lock_owned().await;
        // Whoever had the turn before has fetched, perhaps.
        if let Some(found) = self.look(&realm, wanted).result() {
            return found;
        }
        // A task that panicked has not settled; then the keys are as they were.
        drop(self.ask(realm.clone(), wanted, rank, turn).await);
        match self.look(&realm, wanted) {
            Look::Key(key) | Look::Stale(key, _) => Ok(key),
            Look::No(no_key) => Err(no_key),
            Look::Fetch => Err(NoKey::Unavailable),
        }
    }

    async fn rank(&self, wanted: Wanted<'_>) -> Rank {
        match wanted.is_named || self.tenants.has(wanted.tenant).await {
            true => Rank::Expected,
            false => Rank::Stranger,
        }
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
            Some(key) if is_usable && may_ask => Look::Stale(key, state.is_failing),
            _ if may_ask => Look::Fetch,
            Some(key) if is_usable => Look::Key(key),
            None if is_usable && !state.is_failing => Look::No(NoKey::Unknown),
            _ => Look::No(NoKey::Unavailable),
        }
    }

    /// Asks the issuer in a task of its own: a client that leaves doesn't end it. It is not asked
    /// if it is a stranger, and too many of them wait.
    fn ask(
        self: &Arc<Self>,
        realm: Arc<Realm>,
        wanted: Wanted<'_>,
        rank: Rank,
        turn: OwnedMutexGuard<()>,
    ) -> JoinHandle<()> {
        let (jwks, issuer) = (self.clone(), wanted.issuer.to_owned());
        tokio::spawn(async move {
            let since = jwks.clock.now();
            let is_known = jwks.realms.is_known(&issuer);
            let taken = if is_known { Some(Taken::default()) } else { jwks.turns.take(rank).await };
            let Some(taken) = taken else { return jwks.metrics.keys_fetched("too-many-strangers") };
            let fetched = jwks.fetcher.fetch(&issuer).await;
            drop(taken);
            let parsed = fetched.and_then(|text| {
                let none = || Failed::Unreachable("it lists no key that signs".to_owned());
                Keys::parse(&text).ok_or_else(none)
            });
            let has_keys = jwks.store_result(&realm, &issuer, parsed, since);
            jwks.realms.place(&realm, issuer, has_keys, rank);
            drop(turn);
        })
    }

    /// Notes the result of having asked an issuer, and returns whether it has keys.
    fn store_result(
        &self,
        realm: &Realm,
        issuer: &str,
        parsed: Result<Keys, Failed>,
        asked: Time,
    ) -> bool {
        let mut state = locked(&realm.state);
        state.asked = Some(asked);
        let was_failing = state.is_failing;
        // A server that starts, and a proxy without one, say so too.
        let is_first = !std::mem::replace(&mut state.is_gone, matches!(parsed, Err(Failed::Gone)));
        let parsed = match parsed {
            Err(Failed::Gone) if is_first && state.keys.is_some() => {
                let kept = "it answers 404 Not Found: the keys are kept until it does so again";
                Err(Failed::Unreachable(kept.to_owned()))
            }
            parsed => parsed,
        };
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
        has_keys
    }
}

/// The turn that was taken, and the place in which a stranger waited for it.
type Taken<'a> = [Option<SemaphorePermit<'a>>; 2];

impl Turns {
    fn new() -> Self {
        Self {
            expected: Semaphore::new(EXPECTED_ASKED_MAX),
            strangers: Semaphore::new(STRANGERS_ASKED_MAX),
            waiting: Semaphore::new(STRANGERS_WAITING_MAX),
        }
    }

    /// Waits for a turn of this rank; `None` if too many strangers wait.
    async fn take(&self, rank: Rank) -> Option<Taken<'_>> {
        let (place, turns) = match rank {
            Rank::Expected => (None, &self.expected),
            Rank::Stranger => (Some(self.waiting.try_acquire().ok()?), &self.strangers),
        };
        let turn = turns.acquire().await.expect("it is never closed");
        Some([Some(turn), place])
    }
}

impl Look {
    /// Returns the answer; `None` if the issuer must be asked.
    fn result(self) -> Option<Result<DecodingKey, NoKey>> {
        match self {
            Self::Key(key) => Some(Ok(key)),
            Self::No(no_key) => Some(Err(no_key)),
            Self::Stale(..) | Self::Fetch => None,
        }
    }
}

/// Returns whether a time was at most so long ago. One that is to come was not: the clock was set.
fn is_within(at: Time, time: Duration, now: Time) -> bool {
    let time_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    at <= now && now < at.after(time_ms)
}

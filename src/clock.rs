//! The source of time and of new ids.
//!
//! Code that needs a new id or this host's time asks here; no other code makes them. Events and
//! leases have the store's time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::domain::event::EventId;
use crate::domain::time::Time;

/// A source of time and ids.
pub trait Clock: Send + Sync {
    /// Returns this host's time.
    fn now(&self) -> Time;
    /// Makes a new random UUID (version 4).
    fn new_id(&self) -> Uuid;
    /// Makes a new event id: a UUID that grows with time (version 7), so that ids made one after
    /// the other are neighbours in a store's index.
    fn new_event_id(&self) -> EventId;
}

/// The host's clock and random source.
#[derive(Debug, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the host")]
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn new_id(&self) -> Uuid {
        Uuid::new_v4()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn new_event_id(&self) -> EventId {
        EventId::new(Uuid::now_v7())
    }
}

/// A clock for tests, which stands still until it is set. Its ids count up.
#[derive(Debug)]
pub struct Manual {
    now_ms: AtomicI64,
    ids: Mutex<u128>,
}

impl Manual {
    /// Makes a clock that shows the time `now`.
    pub fn new(now: Time) -> Self {
        Self { now_ms: AtomicI64::new(now.as_ms()), ids: Mutex::new(0) }
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, now: Time) {
        self.now_ms.store(now.as_ms(), Ordering::SeqCst);
    }
}

impl Clock for Manual {
    fn now(&self) -> Time {
        Time::from_ms(self.now_ms.load(Ordering::SeqCst))
    }

    fn new_id(&self) -> Uuid {
        let mut last = self.ids.lock().expect("no holder panics");
        *last += 1;
        uuid::Builder::from_random_bytes(last.to_be_bytes()).into_uuid()
    }

    fn new_event_id(&self) -> EventId {
        EventId::new(self.new_id())
    }
}

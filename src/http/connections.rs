//! The open connections: their limit, which of them makes room for a new one, and the state of
//! each.
//!
//! `gate` asks here for every connection, and `middleware` for every request. If all seats are
//! taken, a new connection takes the seat of the one that has been idle the longest, or else of the
//! one that has sent a part of a head for the longest. If each has a request that is being
//! answered, a few more may come in beyond the limit, for probes alone: any other request on them
//! is refused with 503.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Waker;

use tokio_util::sync::CancellationToken;

use super::problem::Problem;

/// The number of connections that may come in beyond the limit.
pub(super) const EXTRA_MAX: usize = 64;

/// All open connections.
pub(super) struct Connections {
    seats: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    taken: usize,
    extra: usize,
    /// The connections that wait for a request, in the order in which they make room: those with a
    /// seat, and those beyond the limit.
    idle: BTreeMap<Waiting, Weak<Connection>>,
    idle_extra: BTreeMap<Waiting, Weak<Connection>>,
    idle_so_far: u64,
}

/// One connection.
pub(super) struct Connection {
    all: Arc<Connections>,
    /// Locked after `places`.
    occupancy: Mutex<Occupancy>,
    waker: Mutex<Option<Waker>>,
    busy: AtomicBool,
    asked: AtomicBool,
    refusal: Mutex<Option<Problem>>,
    broken: Mutex<Option<&'static str>>,
    left: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct Occupancy {
    place: Place,
    /// The connection's place among those that wait.
    idle: Option<Waiting>,
    /// Whether another connection has taken its place.
    lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Seat,
    Extra,
}

/// The place of a connection among those that wait for a request: who has sent nothing makes room
/// first, and then who has waited so for the longest, by number.
type Waiting = (Arrived, u64);

/// The part of a request that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrived {
    /// Nothing.
    Nothing,
    /// A part of its head.
    Part,
}

/// A request that is being answered. When it is dropped, its connection takes the next one.
pub(super) struct Turn(Arc<Connection>);

impl Connections {
    pub(super) fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self { seats, places: Mutex::default() })
    }

    /// Lets a new connection in.
    pub(super) fn admit(self: &Arc<Self>) -> Arc<Connection> {
        let mut places = self.lock();
        let (place, evicted) = places.make_room(self.seats);
        *places.count(place) += 1;
        drop(places);
        // This may be the last reference, and dropping a connection locks the places.
        drop(evicted);
        Arc::new(Connection {
            all: self.clone(),
            occupancy: Mutex::new(Occupancy { place, idle: None, lost: false }),
            waker: Mutex::default(),
            busy: AtomicBool::default(),
            asked: AtomicBool::default(),
            refusal: Mutex::default(),
            broken: Mutex::default(),
            left: CancellationToken::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().expect("no holder panics")
    }
}

impl Places {
    /// Makes room for a new connection: returns its place, and the connection that was evicted for
    /// it.
    fn make_room(&mut self, seats: usize) -> (Place, Option<Arc<Connection>>) {
        if self.taken < seats {
            return (Place::Seat, None);
        }
        match self.evict(Place::Seat) {
            Some(evicted) => (Place::Seat, Some(evicted)),
            None if self.extra < EXTRA_MAX => (Place::Extra, None),
            None => (Place::Extra, self.evict(Place::Extra)),
        }
    }

    /// Evicts the connection that has been idle for the longest among those of that kind of place.
    fn evict(&mut self, place: Place) -> Option<Arc<Connection>> {
        while let Some((_, longest)) = self.idle(place).pop_first() {
            let Some(connection) = longest.upgrade() else { continue };
            let mut occupancy = connection.occupancy();
            (occupancy.lost, occupancy.idle) = (true, None);
            drop(occupancy);
            *self.count(place) -= 1;
            connection.wake();
            return Some(connection);
        }
        None
    }

    fn is_not_idle(&mut self, occupancy: &mut Occupancy) {
        if let Some(number) = occupancy.idle.take() {
            self.idle(occupancy.place).remove(&number);
        }
    }

    fn idle(&mut self, place: Place) -> &mut BTreeMap<Waiting, Weak<Connection>> {
        match place {
            Place::Seat => &mut self.idle,
            Place::Extra => &mut self.idle_extra,
        }
    }

    fn count(&mut self, place: Place) -> &mut usize {
        match place {
            Place::Seat => &mut self.taken,
            Place::Extra => &mut self.extra,
        }
    }
}

impl Connection {
    /// Marks the connection as waiting for a request, or for the rest of its head.
    pub(super) fn waits(self: &Arc<Self>, waker: &Waker, arrived: Arrived) {
        *self.waker.lock().expect("no holder panics") = Some(waker.clone());
        let mut places = self.all.lock();
        let mut occupancy = self.occupancy();
        if occupancy.lost || occupancy.idle.is_some_and(|(waited_with, _)| waited_with == arrived) {
            return;
        }
        places.is_not_idle(&mut occupancy);
        places.idle_so_far += 1;
        let waiting = (arrived, places.idle_so_far);
        occupancy.idle = Some(waiting);
        places.idle(occupancy.place).insert(waiting, Arc::downgrade(self));
    }

    /// Sets the waker that is called when the request is answered.
    pub(super) fn wake_when_answered(&self, waker: &Waker) {
        *self.waker.lock().expect("no holder panics") = Some(waker.clone());
    }

    /// Notes that a request is handed on.
    pub(super) fn begins(&self) {
        self.all.lock().is_not_idle(&mut self.occupancy());
        self.asked.store(true, Ordering::Relaxed);
        self.busy.store(true, Ordering::Relaxed);
    }

    /// Notes that the request is to be answered with this problem.
    pub(super) fn refuses(&self, problem: Problem) {
        self.begins();
        *self.refusal.lock().expect("no holder panics") = Some(problem);
    }

    /// Notes that the rest of the body can't be read.
    pub(super) fn breaks_off(&self, why: &'static str) {
        *self.broken.lock().expect("no holder panics") = Some(why);
    }

    /// Notes that the client sends nothing more, though it may still read.
    pub(super) fn ends_sending(&self) {
        self.left.cancel();
    }

    /// Returns what is cancelled once the client sends nothing more: it has left, most probably.
    pub(super) fn left(&self) -> CancellationToken {
        self.left.clone()
    }

    /// Returns why the rest of the body can't be read.
    pub(super) fn broken(&self) -> Option<&'static str> {
        *self.broken.lock().expect("no holder panics")
    }

    /// Takes the problem that the gate found with the request.
    pub(super) fn refusal(&self) -> Option<Problem> {
        self.refusal.lock().expect("no holder panics").take()
    }

    /// Returns the turn of the request that was handed on.
    pub(super) fn turn(self: &Arc<Self>) -> Turn {
        Turn(self.clone())
    }

    /// Returns whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Returns whether any request has come.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns whether the connection is beyond the limit.
    pub(super) fn is_extra(&self) -> bool {
        self.occupancy().place == Place::Extra
    }

    /// Returns whether another connection has taken its place.
    pub(super) fn is_evicted(&self) -> bool {
        self.occupancy().lost
    }

    /// Returns whether the connection ends with the answer to this request.
    pub(super) fn ends(&self) -> bool {
        self.is_extra() || self.is_evicted() || self.broken().is_some()
    }

    fn occupancy(&self) -> MutexGuard<'_, Occupancy> {
        self.occupancy.lock().expect("no holder panics")
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.lock().expect("no holder panics").take() {
            waker.wake();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut places = self.all.lock();
        let mut occupancy = *self.occupancy();
        places.is_not_idle(&mut occupancy);
        if !occupancy.lost {
            *places.count(occupancy.place) -= 1;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
        self.0.wake();
    }
}

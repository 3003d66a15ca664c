//! Seats: the connections of Kafka's clients, where tokens are checked.
//!
//! Whoever has not said who it is holds one of a few, and a newcomer takes that of whoever has held
//! it for the longest time. A tenant's clients hold no more than its share of all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::domain::tenant::TenantId;
use crate::shares::{Full, Share, Shares};

/// The part of all connections that those who have not said who they are may have.
const STRANGERS: usize = 4;

/// The seats.
pub(super) struct Seats {
    strangers: Mutex<Strangers>,
    strangers_max: usize,
    tenants: Arc<Shares>,
}

/// Those who have not said who they are, in the order in which they came.
#[derive(Default)]
struct Strangers {
    next: u64,
    all: BTreeMap<u64, CancellationToken>,
}

/// The seat of a client that has not said who it is.
pub(super) struct Stranger {
    seats: Arc<Seats>,
    number: u64,
    evicted: CancellationToken,
}

impl Seats {
    /// Makes so many seats.
    pub(super) fn new(max: usize) -> Arc<Self> {
        let strangers_max = (max / STRANGERS).max(1);
        Arc::new(Self {
            strangers: Mutex::default(),
            strangers_max,
            tenants: Shares::new(max, max),
        })
    }

    /// Gives a newcomer a seat, for which whoever has waited for the longest time may lose its own.
    pub(super) fn stranger(self: &Arc<Self>) -> Stranger {
        let mut strangers = self.lock();
        let evicted = CancellationToken::new();
        let number = strangers.next;
        strangers.next += 1;
        strangers.all.insert(number, evicted.clone());
        if strangers.all.len() > self.strangers_max
            && let Some((_, oldest)) = strangers.all.pop_first()
        {
            oldest.cancel();
        }
        drop(strangers);
        Stranger { seats: self.clone(), number, evicted }
    }

    /// Takes a seat of a tenant's share.
    pub(super) fn take(&self, tenant: &TenantId) -> Result<Share, Full> {
        self.tenants.take(tenant, 1)
    }

    fn lock(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().expect("no holder panics")
    }
}

impl Stranger {
    /// Returns what is cancelled when the seat is lost.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.seats.lock().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::Seats;
    use crate::domain::tenant::TenantId;

    #[test]
    fn a_newcomer_takes_the_seat_of_the_stranger_that_has_waited_for_the_longest_time() {
        let seats = Seats::new(8);
        let [first, second] = [seats.stranger(), seats.stranger()];
        assert!(!first.evicted().is_cancelled());
        let third = seats.stranger();
        assert!(first.evicted().is_cancelled() && !second.evicted().is_cancelled());
        drop(second);
        let fourth = seats.stranger();
        assert!(!third.evicted().is_cancelled() && !fourth.evicted().is_cancelled());
    }

    #[test]
    fn one_tenant_leaves_seats_for_the_others() {
        let seats = Seats::new(16);
        let [diku, college] = ["diku", "college"].map(|id| TenantId::parse(id).unwrap());
        let held: Vec<_> = (0..16).map_while(|_| seats.take(&diku).ok()).collect();
        assert!(held.len() == 8, "{}", held.len());
        assert!(seats.take(&college).is_ok());
    }
}

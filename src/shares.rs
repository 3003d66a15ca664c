//! Limits a resource that tenants share: queued bytes, memory of bodies, waiting clients.
//!
//! `intake`, `http`, `listen` and `subscribe` take shares on behalf of a tenant, or of another
//! owner (`T`), such as the scope of Kafka's clients. A share is given back when it is dropped,
//! however its request ended. Three rules keep tenants from starving each other:
//!
//! - What a tenant may hold falls as the resource fills: with what it takes, it has no more than is
//!   left for all others together. One tenant alone gets half, two that grow side by side get a
//!   third each, and whoever comes later gets at most half of what is left (the dynamic threshold
//!   of Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
//! - No tenant gets more than a limit of its own.
//! - An eighth is left to tenants that hold nothing: it is for their first request, which is bound
//!   by neither of the other rules.

mod queue;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::domain::tenant::TenantId;

pub use queue::{Queue, QueuedShare};

/// A resource that all tenants share.
pub struct Shares<T = TenantId> {
    max: usize,
    tenant_max: usize,
    /// The part of `max` that is left to tenants that hold nothing.
    reserve: usize,
    taken: Mutex<Taken<T>>,
}

struct Taken<T> {
    all: usize,
    by_tenant: HashMap<T, usize>,
}

/// The part of a resource that one request has.
pub struct Share<T: Hash + Eq = TenantId> {
    shares: Arc<Shares<T>>,
    tenant: T,
    size: usize,
}

/// Not enough of the resource is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Not enough is left: for no tenant, or for none that holds something already.
    All,
    /// This tenant has its share already.
    Tenant,
}

/// The part of a resource that is left to tenants that hold nothing.
const RESERVE: usize = 8;

impl<T: Hash + Eq + Clone> Shares<T> {
    /// Makes a resource of `max` units in all, of which each tenant may have `tenant_max`.
    pub fn new(max: usize, tenant_max: usize) -> Arc<Self> {
        let reserve = (max / RESERVE).max(1).min(max / 2);
        let taken = Taken { all: 0, by_tenant: HashMap::new() };
        Arc::new(Self { max, tenant_max, reserve, taken: Mutex::new(taken) })
    }

    /// Takes a share of `size` units, or nothing. While nobody holds any, a share may be larger
    /// than the resource.
    pub fn take(self: &Arc<Self>, tenant: &T, size: usize) -> Result<Share<T>, Full> {
        let mut share = self.none(tenant);
        let mut taken = self.taken.lock().expect("no holder panics");
        if taken.all > 0 {
            self.check(&taken, &share, size)?;
        }
        taken.add(tenant, size);
        share.size = size;
        drop(taken);
        Ok(share)
    }

    /// Takes a share of at most `most` units, so that as much is left that the tenant may have;
    /// of `least` units if there is no more, and nothing if there is less.
    pub fn take_some(
        self: &Arc<Self>,
        tenant: &T,
        (least, most): (usize, usize),
    ) -> Option<Share<T>> {
        let mut share = self.none(tenant);
        let mut taken = self.taken.lock().expect("no holder panics");
        let left = self.left(&taken, tenant);
        if left < least {
            return None;
        }
        share.size = most.min(left / 2).max(least);
        taken.add(tenant, share.size);
        drop(taken);
        Some(share)
    }

    /// Returns the most units that a tenant may take: as `check` has it.
    fn left(&self, taken: &Taken<T>, tenant: &T) -> usize {
        let left = self.max.saturating_sub(taken.all);
        let Some(held) = taken.by_tenant.get(tenant) else { return left };
        let (own, even) = (self.tenant_max.saturating_sub(*held), left.saturating_sub(*held) / 2);
        own.min(even).min(left.saturating_sub(self.reserve))
    }

    /// Checks whether a share may grow by `size` units.
    fn check(&self, taken: &Taken<T>, share: &Share<T>, size: usize) -> Result<(), Full> {
        let all = taken.all + size;
        if size == 0 {
            return Ok(());
        }
        if all > self.max {
            return Err(Full::All);
        }
        let held = taken.by_tenant.get(&share.tenant).copied().unwrap_or_default();
        let holds_nothing_else = held == share.size;
        if holds_nothing_else {
            return Ok(());
        }
        let held = held + size;
        if held > self.tenant_max || held > self.max - all {
            return Err(Full::Tenant);
        }
        if all > self.max - self.reserve { Err(Full::All) } else { Ok(()) }
    }

    /// Returns the units that are taken.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.taken.lock().expect("no holder panics").all
    }

    /// Returns an empty share, which may grow.
    pub fn none(self: &Arc<Self>, tenant: &T) -> Share<T> {
        Share { shares: self.clone(), tenant: tenant.clone(), size: 0 }
    }
}

impl<T: Hash + Eq + Clone> Taken<T> {
    /// Counts a share. An empty one leaves no entry, since nobody gives it back.
    fn add(&mut self, tenant: &T, size: usize) {
        if size == 0 {
            return;
        }
        self.all += size;
        match self.by_tenant.get_mut(tenant) {
            Some(held) => *held += size,
            None => drop(self.by_tenant.insert(tenant.clone(), size)),
        }
    }
}

impl<T: Hash + Eq> Taken<T> {
    fn give_back(&mut self, tenant: &T, size: usize) {
        self.all -= size;
        let Some(held) = self.by_tenant.get_mut(tenant) else { return };
        *held -= size;
        if *held == 0 {
            self.by_tenant.remove(tenant);
        }
    }
}

impl<T: Hash + Eq + Clone> Share<T> {
    /// Returns the size of the share.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Grows the share by `size` units, or leaves it as it is.
    pub fn grow(&mut self, size: usize) -> Result<(), Full> {
        let mut taken = self.shares.taken.lock().expect("no holder panics");
        self.shares.check(&taken, self, size)?;
        taken.add(&self.tenant, size);
        self.size += size;
        Ok(())
    }

    /// Gives back what the share has beyond `size` units.
    pub fn shrink_to(&mut self, size: usize) {
        let beyond = self.size.saturating_sub(size);
        if beyond > 0 {
            self.size -= beyond;
            let mut taken = self.shares.taken.lock().expect("no holder panics");
            taken.give_back(&self.tenant, beyond);
        }
    }
}

impl<T: Hash + Eq> Drop for Share<T> {
    fn drop(&mut self) {
        if self.size > 0 {
            self.shares.taken.lock().expect("no holder panics").give_back(&self.tenant, self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Full, Share, Shares};
    use crate::domain::tenant::TenantId;

    fn tenant(n: usize) -> TenantId {
        TenantId::parse(&format!("t{n}")).unwrap()
    }

    /// Takes single units for a tenant until it is refused.
    fn taken(shares: &Arc<Shares>, n: usize) -> (Vec<Share>, Full) {
        let mut held = Vec::new();
        loop {
            match shares.take(&tenant(n), 1) {
                Ok(share) => held.push(share),
                Err(full) => return (held, full),
            }
        }
    }

    #[test]
    fn what_is_dropped_is_there_again() {
        let shares = Shares::new(10, 10);
        let (mut one, mut other) = (shares.none(&tenant(0)), shares.none(&tenant(1)));
        assert!(one.grow(6).is_ok() && one.grow(1).is_ok());
        assert_eq!(other.grow(4), Err(Full::All));
        assert!(other.grow(3).is_ok());
        one.shrink_to(5);
        assert!(one.size() == 5 && other.grow(2).is_ok());
        assert_eq!(other.grow(1), Err(Full::All));
        one.shrink_to(9);
        drop(one);
        assert!(other.grow(5).is_ok());
        assert_eq!(shares.taken.lock().unwrap().all, 10);
    }

    #[test]
    fn a_tenant_has_its_share_and_no_more() {
        let shares = Shares::new(16, 6);
        let mut one = shares.none(&tenant(0));
        let mut other = shares.take(&tenant(0), 2).unwrap();
        assert!(one.grow(4).is_ok());
        assert_eq!(one.grow(1), Err(Full::Tenant));
        assert_eq!(other.grow(1), Err(Full::Tenant));
        assert_eq!(shares.take(&tenant(0), 1).err(), Some(Full::Tenant));
        assert!(shares.take(&tenant(0), 0).is_ok());
        assert!(shares.take(&tenant(1), 10).is_ok());
        assert_eq!(shares.take(&tenant(1), 11).err(), Some(Full::All));
    }

    #[test]
    fn who_holds_nothing_is_not_refused_for_size_alone() {
        let shares = Shares::new(10, 6);
        let large = shares.take(&tenant(0), 100).unwrap();
        assert_eq!(shares.take(&tenant(1), 1).err(), Some(Full::All));
        drop(large);
        assert!(shares.take(&tenant(1), 7).is_ok());
    }

    #[test]
    fn a_share_of_nothing_takes_no_memory() {
        let shares = Shares::new(10, 6);
        for n in 0..100 {
            assert!(shares.take(&tenant(n), 0).is_ok());
        }
        drop(shares.take(&tenant(0), 1).unwrap());
        assert_eq!(shares.taken.lock().unwrap().by_tenant.len(), 0);
    }

    #[test]
    fn who_takes_some_leaves_as_much_and_is_refused_where_it_may_have_no_more() {
        let shares = Shares::new(80, 80);
        let some =
            |n, most| shares.take_some(&tenant(n), (4, most)).map(|share| (share.size(), share));
        let held: Vec<_> = std::iter::from_fn(|| some(0, 100)).collect();
        let sizes: Vec<_> = held.iter().map(|(size, _)| *size).collect();
        // Half of all; a tenant that holds something has no more than is left, which is nothing.
        assert_eq!(sizes, [40]);
        let mut all: Vec<_> = std::iter::from_fn(|| some(1, 6)).collect();
        assert_eq!(all.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [6, 6, 4, 4]);
        assert_eq!(shares.take(&tenant(1), 4).err(), Some(Full::Tenant));
        let mut last = all.pop().unwrap().1;
        last.shrink_to(4);
        assert_eq!(shares.held(), 60);
        last.shrink_to(1);
        assert_eq!((shares.held(), last.size()), (57, 1));
        drop((last, all, held));
        assert_eq!(shares.taken.lock().unwrap().by_tenant.len(), 0);
    }

    #[test]
    fn what_a_tenant_may_hold_falls_as_the_others_take() {
        let shares = Shares::new(1_000, 1_000);
        let held: Vec<_> = (0..12).map(|n| taken(&shares, n)).collect();
        let counts: Vec<_> = held.iter().map(|(held, _)| held.len()).collect();
        // The one who comes first gets half; each later one half of what is left, up to the
        // reserve, of which each gets one.
        assert_eq!(counts, [500, 250, 125, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        let full: Vec<_> = held.iter().map(|(_, full)| *full).collect();
        assert_eq!(full[..3], [Full::Tenant; 3]);
        assert_eq!(full[3..], [Full::All; 9]);
    }

    #[test]
    fn who_holds_nothing_finds_room_however_many_tenants_take_all_they_can() {
        for max in [2, 3, 4, 16, 1_000] {
            let shares = Shares::new(max, max);
            let greedy: Vec<_> = (0..2).map(|n| taken(&shares, n)).collect();
            let others: Vec<_> = (2..max).map_while(|n| shares.take(&tenant(n), 1).ok()).collect();
            let held = greedy.iter().map(|(held, _)| held.len()).sum::<usize>();
            assert_eq!(others.len(), (max - held).min(max - 2), "{max}");
            assert!(others.len() >= max / 8 && held <= max.div_ceil(4) * 3, "{max}: {held}");
        }
    }

    #[test]
    fn one_request_of_a_tenant_may_grow_into_the_reserve_and_a_second_may_not() {
        let shares = Shares::new(80, 80);
        let _others = [shares.take(&tenant(0), 40).unwrap(), shares.take(&tenant(1), 20).unwrap()];
        let mut only = shares.take(&tenant(2), 5).unwrap();
        assert!(only.grow(10).is_ok());
        assert_eq!(shares.take(&tenant(2), 1).err(), Some(Full::Tenant));
        assert_eq!(shares.take(&tenant(1), 1).err(), Some(Full::Tenant));
        assert!(shares.take(&tenant(3), 5).is_ok());
    }
}

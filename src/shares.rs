//! Limits a resource that tenants share: queued bytes, memory of bodies, waiting clients.
//!
//! `intake`, `http` and `listen` take shares on behalf of a tenant, or of another owner (`K`), such
//! as a scope of groups. A share is given back when it is dropped, however its request ended. Three
//! rules keep tenants from starving each other:
//!
//! - What a tenant may hold falls as the resource fills: with what it takes, it has no more than is
//!   left for all others together. One tenant alone gets half, two that grow side by side get a
//!   third each, and whoever comes later gets at most half of what is left (the dynamic threshold
//!   of Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
//! - No tenant gets more than a limit of its own.
//! - An eighth is left to tenants that hold nothing: it is for their first request, which is bound
//!   by neither of the other rules.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::domain::tenant::TenantId;

/// A resource that all tenants share.
pub struct Shares<K: Clone + Eq + Hash = TenantId> {
    max: usize,
    tenant_max: usize,
    /// The part of `max` that is left to tenants that hold nothing.
    reserve: usize,
    taken: Mutex<Taken<K>>,
}

struct Taken<K> {
    all: usize,
    by_tenant: HashMap<K, usize>,
}

/// The part of a resource that one request has.
pub struct Share<K: Clone + Eq + Hash = TenantId> {
    shares: Arc<Shares<K>>,
    tenant: K,
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

impl<K: Clone + Eq + Hash> Shares<K> {
    /// Makes a resource of `max` units in all, of which each tenant may have `tenant_max`.
    pub fn new(max: usize, tenant_max: usize) -> Arc<Self> {
        let reserve = (max / RESERVE).max(1).min(max / 2);
        let taken = Mutex::new(Taken { all: 0, by_tenant: HashMap::new() });
        Arc::new(Self { max, tenant_max, reserve, taken })
    }

    /// Takes a share of `size` units, or nothing. While nobody holds any, a share may be larger
    /// than the resource.
    pub fn take(self: &Arc<Self>, tenant: &K, size: usize) -> Result<Share<K>, Full> {
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

    /// Checks whether a share may grow by `size` units.
    fn check(&self, taken: &Taken<K>, share: &Share<K>, size: usize) -> Result<(), Full> {
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

    /// Returns an empty share, which may grow.
    pub fn none(self: &Arc<Self>, tenant: &K) -> Share<K> {
        Share { shares: self.clone(), tenant: tenant.clone(), size: 0 }
    }
}

impl<K: Clone + Eq + Hash> Taken<K> {
    /// Counts a share. An empty one leaves no entry, since nobody gives it back.
    fn add(&mut self, tenant: &K, size: usize) {
        if size == 0 {
            return;
        }
        self.all += size;
        match self.by_tenant.get_mut(tenant) {
            Some(held) => *held += size,
            None => drop(self.by_tenant.insert(tenant.clone(), size)),
        }
    }

    fn give_back(&mut self, tenant: &K, size: usize) {
        self.all -= size;
        let Some(held) = self.by_tenant.get_mut(tenant) else { return };
        *held -= size;
        if *held == 0 {
            self.by_tenant.remove(tenant);
        }
    }
}

impl<K: Clone + Eq + Hash> Share<K> {
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

    /// Gives back what the share has beyond this size.
    pub fn shrink_to(&mut self, size: usize) {
        let beyond = self.size.saturating_sub(size);
        if beyond > 0 {
            let mut taken = self.shares.taken.lock().expect("no holder panics");
            taken.give_back(&self.tenant, beyond);
            self.size -= beyond;
        }
    }
}

impl<K: Clone + Eq + Hash> Drop for Share<K> {
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

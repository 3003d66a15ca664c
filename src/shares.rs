//! Limits a resource that tenants share: queued bytes, memory of bodies, waiting clients.
//!
//! `intake` and `http` take shares on behalf of a tenant. There is a limit for all tenants together
//! and a lower one for each, so that one tenant never takes what the others need. A share is given
//! back when it is dropped, however its request ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::domain::tenant::TenantId;

/// A resource that all tenants share.
pub struct Shares {
    max: usize,
    tenant_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_tenant: HashMap<TenantId, usize>,
}

/// The part of a resource that one request has.
pub struct Share {
    shares: Arc<Shares>,
    tenant: TenantId,
    size: usize,
}

/// Not enough of the resource is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Not enough is left for any tenant.
    All,
    /// This tenant has its share already.
    Tenant,
}

impl Shares {
    /// Makes a resource of `max` units in all, of which each tenant may have `tenant_max`.
    pub fn new(max: usize, tenant_max: usize) -> Arc<Self> {
        Arc::new(Self { max, tenant_max, taken: Mutex::default() })
    }

    /// Takes a share of `size` units, or nothing. A tenant that has no share yet may take one
    /// larger than its limit.
    pub fn take(self: &Arc<Self>, tenant: &TenantId, size: usize) -> Result<Share, Full> {
        let mut share = self.none(tenant);
        let mut taken = self.taken.lock().expect("no holder panics");
        if taken.all > 0 && taken.all + size > self.max {
            return Err(Full::All);
        }
        let held = taken.by_tenant.get(tenant).copied().unwrap_or_default();
        if held > 0 && held + size > self.tenant_max {
            return Err(Full::Tenant);
        }
        taken.add(tenant, size);
        share.size = size;
        drop(taken);
        Ok(share)
    }

    /// Returns an empty share, which may grow.
    pub fn none(self: &Arc<Self>, tenant: &TenantId) -> Share {
        Share { shares: self.clone(), tenant: tenant.clone(), size: 0 }
    }
}

impl Taken {
    fn add(&mut self, tenant: &TenantId, size: usize) {
        self.all += size;
        match self.by_tenant.get_mut(tenant) {
            Some(held) => *held += size,
            None => drop(self.by_tenant.insert(tenant.clone(), size)),
        }
    }

    fn give_back(&mut self, tenant: &TenantId, size: usize) {
        self.all -= size;
        let Some(held) = self.by_tenant.get_mut(tenant) else { return };
        *held -= size;
        if *held == 0 {
            self.by_tenant.remove(tenant);
        }
    }
}

impl Share {
    /// Returns the size of the share.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Grows the share by `size` units, or leaves it as it is.
    pub fn grow(&mut self, size: usize) -> Result<(), Full> {
        let mut taken = self.shares.taken.lock().expect("no holder panics");
        if taken.all + size > self.shares.max {
            return Err(Full::All);
        }
        let held = taken.by_tenant.get(&self.tenant).copied().unwrap_or_default();
        if held + size > self.shares.tenant_max {
            return Err(Full::Tenant);
        }
        taken.add(&self.tenant, size);
        self.size += size;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.size > 0 {
            self.shares.taken.lock().expect("no holder panics").give_back(&self.tenant, self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Shares};
    use crate::domain::tenant::TenantId;

    fn tenants() -> [TenantId; 2] {
        ["a", "b"].map(|id| TenantId::parse(id).unwrap())
    }

    #[test]
    fn what_is_dropped_is_there_again() {
        let ([a, b], shares) = (tenants(), Shares::new(10, 10));
        let (mut one, mut other) = (shares.none(&a), shares.none(&b));
        assert!(one.grow(6).is_ok() && one.grow(1).is_ok());
        assert_eq!(other.grow(4), Err(Full::All));
        assert!(other.grow(3).is_ok());
        drop(one);
        assert!(other.grow(7).is_ok());
    }

    #[test]
    fn a_tenant_has_its_share_and_no_more() {
        let ([a, b], shares) = (tenants(), Shares::new(10, 6));
        let mut one = shares.none(&a);
        assert!(one.grow(6).is_ok());
        assert_eq!(one.grow(1), Err(Full::Tenant));
        assert_eq!(shares.take(&a, 1).err(), Some(Full::Tenant));
        assert!(shares.take(&b, 4).is_ok());
        assert_eq!(shares.take(&b, 5).err(), Some(Full::All));
    }

    #[test]
    fn who_holds_nothing_is_not_refused_for_size_alone() {
        let ([a, b], shares) = (tenants(), Shares::new(10, 6));
        let large = shares.take(&a, 100).unwrap();
        assert_eq!(shares.take(&b, 1).err(), Some(Full::All));
        drop(large);
        assert!(shares.take(&b, 7).is_ok());
    }
}

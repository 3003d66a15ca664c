//! The quotas: refuses what a tenant posts beyond its events or bytes per second.
//!
//! `http` asks before it reads a body, and charges for it before it is appended; `app` tells how
//! many replicas share the quotas. A tenant may post while at least one event and one byte are left
//! of its quotas, and may get into debt by one post, so that no batch is too large for ever; until
//! the debt is paid by time, all that it posts is refused.

mod bucket;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::Clock;
use crate::domain::quota::Quota;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

use bucket::{Bucket, Rate};

/// The number of tenants with buckets from which on full ones are looked for, and removed.
const SWEEP_FROM: usize = 1_024;

/// The quotas of all tenants.
pub struct Quotas {
    default: Quota,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    replicas: AtomicU64,
    tenants: Mutex<Tenants>,
}

/// The buckets of the tenants whose buckets are not full.
struct Tenants {
    buckets: HashMap<TenantId, Buckets>,
    sweep_from: usize,
}

/// The buckets of one tenant.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    events: Bucket,
    bytes: Bucket,
}

/// Something that a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Events.
    Events,
    /// Bytes of bodies.
    Bytes,
}

impl Measure {
    /// Returns its name in headers, answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Bytes => "bytes",
        }
    }
}

/// The cost of a post.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// The events.
    pub events: usize,
    /// The bytes of the body.
    pub bytes: usize,
}

impl Cost {
    fn of(self, measure: Measure) -> u64 {
        match measure {
            Measure::Events => self.events as u64,
            Measure::Bytes => self.bytes as u64,
        }
    }
}

/// The state of one limit of a tenant at this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The thing that is limited.
    pub measure: Measure,
    /// The units that may be used in a window.
    pub quota: u64,
    /// The seconds of a window.
    pub window_seconds: u64,
    /// The units that are left.
    pub left: u64,
    /// The seconds until any is left; 0 if one is.
    pub wait_seconds: u64,
}

/// The tenant has used up a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The limits of the tenant; at least one of them has nothing left.
    pub limits: Vec<Limit>,
}

impl Exceeded {
    /// Returns the limits that have nothing left.
    pub fn used_up(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter().filter(|limit| limit.wait_seconds > 0)
    }

    /// Returns the seconds after which something is left of each.
    pub fn wait_seconds(&self) -> u64 {
        self.limits.iter().map(|limit| limit.wait_seconds).max().unwrap_or_default()
    }
}

impl Quotas {
    /// Makes the quotas that the settings have, with the default's values where they have none.
    pub fn new(default: Quota, settings: Arc<Settings>, clock: Arc<dyn Clock>) -> Self {
        let tenants = Tenants { buckets: HashMap::new(), sweep_from: SWEEP_FROM };
        let (replicas, tenants) = (AtomicU64::new(1), Mutex::new(tenants));
        Self { default, settings, clock, replicas, tenants }
    }

    /// Returns whether anything is limited, for any tenant.
    pub fn limits_any(&self) -> bool {
        self.settings.quotas().any(|quota| quota.or(&self.default).limits())
    }

    /// Sets the number of replicas that share the quotas, this one included.
    pub fn share_among(&self, replicas: u64) {
        self.replicas.store(replicas.max(1), Ordering::Relaxed);
    }

    /// Refuses a tenant that has used up a quota.
    pub fn admit(&self, tenant: &TenantId) -> Result<(), Exceeded> {
        self.charge(tenant, Cost::default()).map(drop)
    }

    /// Takes the cost of a post, unless the tenant has used up a quota: then nothing is taken.
    /// Returns the tenant's limits after that; none if it has no quota.
    pub fn charge(&self, tenant: &TenantId, cost: Cost) -> Result<Vec<Limit>, Exceeded> {
        let charged = self.with(tenant, |buckets, limits| {
            if limits.iter().any(|limit| buckets.wait_seconds(limit) > 0) {
                return Err(Exceeded { limits: buckets.shown(limits) });
            }
            buckets.take(limits, cost);
            Ok(buckets.shown(limits))
        });
        charged.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Takes the cost of something that is not refused any more.
    pub fn spend(&self, tenant: &TenantId, cost: Cost) {
        self.with(tenant, |buckets, limits| buckets.take(limits, cost));
    }

    /// Gives back the cost of a post that the gateway could not append.
    pub fn give_back(&self, tenant: &TenantId, cost: Cost) {
        self.with(tenant, |buckets, limits| buckets.put_back(limits, cost));
    }

    /// Calls `change` with the tenant's buckets, filled up to now, and its limits; `None` if it has
    /// none.
    fn with<T>(
        &self,
        tenant: &TenantId,
        change: impl FnOnce(&mut Buckets, &[(Measure, Rate)]) -> T,
    ) -> Option<T> {
        let quota = self.settings.of(tenant).quota.or(&self.default);
        if !quota.limits() {
            return None;
        }
        let limits = rates(&quota, self.replicas.load(Ordering::Relaxed));
        let now = self.clock.now();
        let mut tenants = self.tenants.lock().expect("no holder panics");
        let held = tenants.buckets.get(tenant).copied();
        let mut buckets = held.unwrap_or_else(|| Buckets::full(&limits, now));
        buckets.fill(&limits, now);
        let changed = change(&mut buckets, &limits);
        if buckets.is_full(&limits) {
            tenants.buckets.remove(tenant);
        } else {
            tenants.buckets.insert(tenant.clone(), buckets);
            self.sweep(&mut tenants, now);
        }
        Some(changed)
    }

    /// Removes full buckets once there are many, so that there are no more than are in use.
    fn sweep(&self, tenants: &mut Tenants, now: Time) {
        if tenants.buckets.len() < tenants.sweep_from {
            return;
        }
        let replicas = self.replicas.load(Ordering::Relaxed);
        tenants.buckets.retain(|tenant, buckets| {
            let limits = rates(&self.settings.of(tenant).quota.or(&self.default), replicas);
            buckets.fill(&limits, now);
            !buckets.is_full(&limits)
        });
        tenants.sweep_from = SWEEP_FROM.max(2 * tenants.buckets.len());
    }
}

/// Returns the rate of each thing that the quota limits.
fn rates(quota: &Quota, replicas: u64) -> Vec<(Measure, Rate)> {
    let Quota { events_per_second, bytes_per_second, burst_seconds } = *quota;
    let rate = |per_second| Rate { per_second, burst_seconds, replicas };
    let all = [(Measure::Events, events_per_second), (Measure::Bytes, bytes_per_second)];
    let limited = all.into_iter().filter(|(_, per_second)| *per_second > 0);
    limited.map(|(measure, per_second)| (measure, rate(per_second))).collect()
}

impl Buckets {
    fn full(limits: &[(Measure, Rate)], now: Time) -> Self {
        let of = |wanted: Measure| limits.iter().find(|(measure, _)| *measure == wanted);
        let unused = Rate { per_second: 1, burst_seconds: 1, replicas: 1 };
        let bucket = |wanted| Bucket::full(of(wanted).map_or(&unused, |(_, rate)| rate), now);
        Self { events: bucket(Measure::Events), bytes: bucket(Measure::Bytes) }
    }

    fn of(&self, measure: Measure) -> &Bucket {
        match measure {
            Measure::Events => &self.events,
            Measure::Bytes => &self.bytes,
        }
    }

    fn of_mut(&mut self, measure: Measure) -> &mut Bucket {
        match measure {
            Measure::Events => &mut self.events,
            Measure::Bytes => &mut self.bytes,
        }
    }

    fn fill(&mut self, limits: &[(Measure, Rate)], now: Time) {
        limits.iter().for_each(|(measure, rate)| self.of_mut(*measure).fill(rate, now));
    }

    fn take(&mut self, limits: &[(Measure, Rate)], cost: Cost) {
        let take = |(measure, rate): &(Measure, Rate)| {
            self.of_mut(*measure).take(rate, cost.of(*measure));
        };
        limits.iter().for_each(take);
    }

    fn put_back(&mut self, limits: &[(Measure, Rate)], cost: Cost) {
        let put_back = |(measure, rate): &(Measure, Rate)| {
            self.of_mut(*measure).put_back(rate, cost.of(*measure));
        };
        limits.iter().for_each(put_back);
    }

    fn is_full(&self, limits: &[(Measure, Rate)]) -> bool {
        limits.iter().all(|(measure, rate)| self.of(*measure).is_full(rate))
    }

    fn wait_seconds(&self, (measure, rate): &(Measure, Rate)) -> u64 {
        self.of(*measure).wait_seconds(rate)
    }

    fn shown(&self, limits: &[(Measure, Rate)]) -> Vec<Limit> {
        let shown = |limit: &(Measure, Rate)| {
            let (measure, rate) = limit;
            Limit {
                measure: *measure,
                quota: rate.units(),
                window_seconds: rate.burst_seconds,
                left: self.of(*measure).left(rate),
                wait_seconds: self.wait_seconds(limit),
            }
        };
        limits.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests;

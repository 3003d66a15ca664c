//! The quotas: refuses what a tenant posts beyond its events or bytes per second.
//!
//! `http` asks before it reads a body, charges for its bytes as they arrive, and for its events
//! before they are appended; `app` tells how many replicas share the quotas. A tenant may post
//! while at least one event and one byte are left of its quotas, and may get into debt by one post,
//! so that no batch is too large for ever; until the debt is paid by time, all that it posts is
//! refused.

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

/// The number of tenants with buckets at which full ones are swept.
const SWEEP_FROM: usize = 1_024;

/// The quotas of all tenants.
pub struct Quotas {
    default: Quota,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    replicas: AtomicU64,
    bodies: AtomicU64,
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
    /// The body that was the last to take bytes while any were left; 0 for none. It alone may go on
    /// into debt.
    last_body: u64,
}

/// A body whose bytes are charged to its tenant as they arrive.
#[derive(Debug)]
pub struct MeteredBody {
    tenant: TenantId,
    id: u64,
    bytes: usize,
}

impl MeteredBody {
    /// Returns the bytes that have arrived.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
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
    /// The units per second, at all replicas together.
    pub per_second: u64,
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
        let (replicas, bodies) = (AtomicU64::new(1), AtomicU64::new(1));
        Self { default, settings, clock, replicas, bodies, tenants: Mutex::new(tenants) }
    }

    /// Returns whether anything is limited, for any tenant.
    pub fn limits_any(&self) -> bool {
        self.settings.quotas().any(|quota| quota.or(&self.default).limits())
    }

    /// Divides the quotas by a number of replicas, this one included.
    pub fn divide_among(&self, replicas: u64) {
        self.replicas.store(replicas.max(1), Ordering::Relaxed);
    }

    /// Begins to charge a tenant for a body, unless the tenant has used up a quota.
    pub fn begin(&self, tenant: &TenantId) -> Result<MeteredBody, Exceeded> {
        let admitted = self.with(tenant, |buckets, limits| {
            let used_up = limits.iter().any(|limit| buckets.wait_seconds(limit) > 0);
            if used_up { Err(buckets.exceeded(limits)) } else { Ok(()) }
        });
        admitted.unwrap_or(Ok(()))?;
        let id = self.bodies.fetch_add(1, Ordering::Relaxed);
        Ok(MeteredBody { tenant: tenant.clone(), id, bytes: 0 })
    }

    /// Charges for bytes of a body that have arrived, which were read whatever becomes of the body.
    /// The body that takes the last bytes of the quota goes on into debt; any other is refused
    /// then.
    pub fn arrived(&self, body: &mut MeteredBody, bytes: usize) -> Result<(), Exceeded> {
        body.bytes += bytes;
        let charged = self.with(&body.tenant, |buckets, limits| {
            let is_left = !buckets.is_used_up(limits, Measure::Bytes);
            buckets.take(limits, Cost { events: 0, bytes });
            if is_left {
                buckets.last_body = body.id;
            }
            if buckets.last_body == body.id { Ok(()) } else { Err(buckets.exceeded(limits)) }
        });
        charged.unwrap_or(Ok(()))
    }

    /// Takes events whose body has arrived, unless the tenant has used up that quota: then nothing
    /// is taken. Returns the tenant's limits after that; none if it has no quota.
    pub fn charge(&self, tenant: &TenantId, events: usize) -> Result<Vec<Limit>, Exceeded> {
        let charged = self.with(tenant, |buckets, limits| {
            if buckets.is_used_up(limits, Measure::Events) {
                return Err(buckets.exceeded(limits));
            }
            buckets.take(limits, Cost { events, bytes: 0 });
            Ok(buckets.shown(limits))
        });
        charged.unwrap_or_else(|| Ok(Vec::new()))
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
        Self { events: bucket(Measure::Events), bytes: bucket(Measure::Bytes), last_body: 0 }
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

    fn is_used_up(&self, limits: &[(Measure, Rate)], measure: Measure) -> bool {
        limits.iter().any(|limit| limit.0 == measure && self.wait_seconds(limit) > 0)
    }

    fn exceeded(&self, limits: &[(Measure, Rate)]) -> Exceeded {
        Exceeded { limits: self.shown(limits) }
    }

    fn wait_seconds(&self, (measure, rate): &(Measure, Rate)) -> u64 {
        self.of(*measure).wait_seconds(rate)
    }

    fn shown(&self, limits: &[(Measure, Rate)]) -> Vec<Limit> {
        let shown = |limit: &(Measure, Rate)| {
            let (measure, rate) = limit;
            Limit {
                measure: *measure,
                per_second: rate.per_second,
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

//! How much may wait, in all and of each tenant.
//!
//! Asked by `Intake::submit`; a share is given back when its job is dropped, whatever became of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::Error;
use crate::domain::draft::Draft;
use crate::domain::tenant::TenantId;
use crate::store::Batch;

pub(super) struct Quota {
    bytes_max: usize,
    tenant_bytes_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: usize,
    by_tenant: HashMap<TenantId, usize>,
}

/// The part of the queue that one batch takes.
pub(super) struct Share {
    quota: Arc<Quota>,
    tenant: TenantId,
    bytes: usize,
}

impl Share {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Quota {
    pub(super) fn new(bytes_max: usize, tenant_bytes_max: usize) -> Self {
        Self { bytes_max, tenant_bytes_max, taken: Mutex::default() }
    }

    /// Takes a batch's share, or says whose limit it would break. Who has nothing waiting is never
    /// refused for the size of its batch alone.
    pub(super) fn take(quota: &Arc<Self>, batch: &Batch) -> Result<Share, Error> {
        let bytes = batch.drafts.iter().map(Draft::memory_bytes).sum();
        let mut taken = quota.taken.lock().expect("no holder panics");
        if taken.bytes > 0 && taken.bytes + bytes > quota.bytes_max {
            return Err(Error::Full);
        }
        let tenant = taken.by_tenant.get(&batch.tenant).copied().unwrap_or_default();
        if tenant > 0 && tenant + bytes > quota.tenant_bytes_max {
            return Err(Error::TenantFull(batch.tenant.clone()));
        }
        taken.bytes += bytes;
        taken.by_tenant.insert(batch.tenant.clone(), tenant + bytes);
        Ok(Share { quota: quota.clone(), tenant: batch.tenant.clone(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.quota.taken.lock().expect("no holder panics");
        taken.bytes -= self.bytes;
        let left = taken.by_tenant.get_mut(&self.tenant).map_or(0, |held| {
            *held -= self.bytes;
            *held
        });
        if left == 0 {
            taken.by_tenant.remove(&self.tenant);
        }
    }
}

//! Settings that are added while the gateway runs: those of tenants that had none of their own.
//!
//! `config` adds them, once it finds a file that was not there at the start. What is added stays,
//! so that whoever has looked at a tenant's settings may go on with them.

use std::collections::BTreeMap;

use elsa::sync::{FrozenBTreeMap, FrozenVec};

use super::{IllegalTopic, Settings, TenantSettings};
use crate::domain::service_name::ServiceName;
use crate::domain::tenant::TenantId;

/// The settings that were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    by_tenant: FrozenBTreeMap<TenantId, Box<TenantSettings>>,
    /// The tenants, in the order in which they were added.
    tenants: FrozenVec<Box<TenantId>>,
}

impl Added {
    /// Returns a tenant's settings.
    pub(super) fn of(&self, tenant: &TenantId) -> Option<&TenantSettings> {
        self.by_tenant.get(tenant)
    }

    /// Returns the tenants.
    pub(super) fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.iter()
    }
}

/// The tenants' files that a look has found beside those that were read before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundFiles {
    /// The tenants whose settings were added.
    pub added: Vec<TenantId>,
    /// The files that are there, and were left out: they are illegal.
    pub left_out: BTreeMap<TenantId, LeftOut>,
}

/// A tenant's file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its file `{file}` is left out: {why}")]
pub struct LeftOut {
    /// The file's name.
    pub file: String,
    /// The rule that is broken, in words.
    pub why: String,
    /// Whether the words name topics of other tenants.
    pub names_others: bool,
}

/// The reason why a tenant's settings can't be added without a restart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// A topic is illegal beside those of the settings that are there.
    #[error(transparent)]
    Topic(IllegalTopic),
    /// No tenant had this hexkit service at the start.
    #[error("its hexkit service's collection `{}` is new: restart the gateway", .0.collection())]
    Service(ServiceName),
}

impl Settings {
    /// Adds a tenant's settings. Returns `false` and does nothing if the tenant has settings of its
    /// own already.
    pub fn add(&self, tenant: &TenantId, settings: &TenantSettings) -> Result<bool, NotAdded> {
        if self.tenants().any(|known| known == tenant) {
            return Ok(false);
        }
        if let Some(service) = &settings.hexkit
            && !self.hexkit_services().contains(service)
        {
            return Err(NotAdded::Service(service.clone()));
        }
        let all = self.tenants().map(|known| (known.clone(), self.of(known).clone()));
        let mut all: BTreeMap<_, _> = all.collect();
        all.insert(tenant.clone(), settings.clone());
        Self::new(self.naming.clone(), self.default.clone(), all).map_err(NotAdded::Topic)?;
        self.added.by_tenant.insert(tenant.clone(), Box::new(settings.clone()));
        self.added.tenants.push(Box::new(tenant.clone()));
        Ok(true)
    }
}

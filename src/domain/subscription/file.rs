//! A subscription that an operator's file asks for.
//!
//! `config` reads the files, and `subscribe` puts what they ask for.

use std::collections::BTreeSet;

use super::{Form, Start};
use crate::domain::tenant::TenantId;

/// The subscription that a file asks for: one of each of its tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionFile {
    /// The tenants whose logs the group follows.
    pub tenants: FileTenants,
    /// The filter, and how it is read.
    pub form: Form,
    /// The place where a new subscription begins.
    pub start: Start,
}

/// The tenants of a subscription's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileTenants {
    /// All that are enabled, now or later.
    All,
    /// These alone.
    Some(BTreeSet<TenantId>),
}

impl FileTenants {
    /// Returns whether a tenant is one of them.
    pub fn have(&self, tenant: &TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Some(tenants) => tenants.contains(tenant),
        }
    }
}

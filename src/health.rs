//! How the ways out are, as their workers see it.
//!
//! Written by lanes, the mirror and the broker's probe; read by `http`. What works says nothing.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;

use crate::domain::tenant::TenantId;

/// Whether a cause was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// It is new, or another than before.
    First,
    /// It lasts.
    Repeated,
}

/// Tells a trouble of the whole cluster. It is told from this one place, so that it is one line in
/// a while, whichever lanes and topics it was met with.
pub(super) fn report_cluster(why: &impl Display) {
    tracing::warn!("{why}; it is tried again by itself");
}

/// Who is in trouble when a tenant's log went back in time.
pub fn log_of(tenant: &TenantId) -> String {
    format!("tenant {tenant}")
}

/// What is wrong just now, by who says so.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<String, String>>);

impl Health {
    /// `who` is in trouble, for that reason. Returns whether that is new: what lasts is logged
    /// once.
    pub fn degraded(&self, who: &str, why: impl ToString) -> Occurrence {
        let why = why.to_string();
        let before = self.0.lock().expect("no holder panics").insert(who.to_owned(), why.clone());
        if before.is_some_and(|before| before == why) {
            Occurrence::Repeated
        } else {
            Occurrence::First
        }
    }

    /// `who` works.
    pub fn healthy(&self, who: &str) {
        self.0.lock().expect("no holder panics").remove(who);
    }

    /// Whether `who` is in trouble.
    pub fn is_degraded(&self, who: &str) -> bool {
        self.cause_of(who).is_some()
    }

    /// Why `who` is in trouble, if it is.
    pub fn cause_of(&self, who: &str) -> Option<String> {
        self.0.lock().expect("no holder panics").get(who).cloned()
    }

    /// Who is in trouble, and why; empty when all is well.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        self.0.lock().expect("no holder panics").clone()
    }
}

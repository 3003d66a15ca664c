//! How the ways out are, as their workers see it.
//!
//! Written by lanes, the mirror and the broker's probe; read by `http`. What works says nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// What is wrong just now, by who says so.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<String, String>>);

impl Health {
    /// `who` is in trouble, for that reason.
    pub fn trouble(&self, who: &str, why: impl ToString) {
        self.0.lock().expect("no holder panics").insert(who.to_owned(), why.to_string());
    }

    /// `who` works.
    pub fn well(&self, who: &str) {
        self.0.lock().expect("no holder panics").remove(who);
    }

    /// Who is in trouble, and why; empty when all is well.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        self.0.lock().expect("no holder panics").clone()
    }
}

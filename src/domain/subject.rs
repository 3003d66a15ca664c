//! The subject: what a request posts about, as its path says it.
//!
//! `http` makes it of the path; it is part of a draft's fingerprint. No setting has a part in it,
//! so that a change that is posted twice has one subject, whatever was configured in between.

use std::sync::Arc;

use super::producer::Producer;

/// A producer and an entity or process event, such as `inventory/item`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Makes a subject of a module's name or id, or a producer's name, and the name of an entity or
    /// a process event.
    pub fn new(producer: &str, name: &str) -> Self {
        Self(format!("{}/{name}", Producer::cut(producer)).into())
    }

    /// Reads a subject from a store's column.
    pub fn from_column(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the producer and the name.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Subject;

    #[test]
    fn a_module_s_versions_have_one_subject() {
        let item = Subject::new("inventory", "item");
        for module in ["mod-inventory-storage", "mod-inventory-storage-28.0.1", "mod-inventory"] {
            assert_eq!(Subject::new(module, "item"), item);
        }
        assert_ne!(Subject::new("inventory", "instance"), item);
        assert_ne!(Subject::new("circulation", "item"), item);
    }
}

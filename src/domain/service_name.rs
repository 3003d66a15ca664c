//! The name of a hexkit service, which names the collection that the service keeps its events in.
//!
//! `config` reads it in a tenant's file; the sink `hexkit` writes the tenant's events there.

use super::Invalid;

/// The end of the name of every service's collection, as hexkit has it.
const COLLECTION_ENDS: &str = "PersistedEvents";

/// A hexkit service's name, as its own configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

impl ServiceName {
    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !starts || text.len() > 63 || !text.bytes().all(legal) || text.starts_with("system.") {
            let rule = "must match ^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$, and not begin with `system.`";
            return Err(Invalid::new("service_name", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name of the collection of the service's events.
    pub fn collection(&self) -> String {
        format!("{}{COLLECTION_ENDS}", self.0)
    }

    /// Returns whether a collection has this name for a service's events.
    pub fn owns(collection: &str) -> bool {
        let service = collection.strip_suffix(COLLECTION_ENDS);
        service.is_some_and(|service| Self::parse(service).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceName;

    #[test]
    fn a_service_names_its_collection() {
        assert_eq!(ServiceName::parse("ifrs").unwrap().collection(), "ifrsPersistedEvents");
        assert!(ServiceName::owns("ifrsPersistedEvents"));
        assert!(!ServiceName::owns("PersistedEvents") && !ServiceName::owns("ifrs"));
        for bad in ["", "a b", "$a", ".a", "system.a", "ü", &"a".repeat(64)] {
            assert!(ServiceName::parse(bad).is_err(), "{bad}");
        }
    }
}

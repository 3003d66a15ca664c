//! The producer: the module that owns an entity, as it stands in paths and topic names.

use std::collections::BTreeMap;
use std::fmt;

use super::Invalid;

const RULE: &str = "must match ^[a-z][a-z0-9-]{0,62}$ once mod-, version and -storage are cut";

/// A producer's name, such as `inventory` of `mod-inventory-storage-28.0.1`. It has no `_`, since
/// the topics `a.b_c` and `a_b.c` collide in Kafka's metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer(String);

impl Producer {
    /// Parses a producer's name as it is: nothing is cut.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        if !is_name(name) {
            return Err(Invalid::new("producer", name, RULE));
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the producer of a module's name or id, or of a producer's name: the override for the
    /// module's name if there is one, else the name without the prefix `mod-`, the version and the
    /// suffix `-storage`.
    pub fn of_module(
        module: &str,
        overrides: &BTreeMap<String, Producer>,
    ) -> Result<Self, Invalid> {
        let unversioned = without_version(module);
        if let Some(producer) = overrides.get(unversioned) {
            return Ok(producer.clone());
        }
        let name = Self::cut(unversioned);
        if !is_name(name) {
            return Err(Invalid::new("producer", module, RULE));
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns a module's name or id without the prefix `mod-`, the version and the suffix
    /// `-storage`.
    pub fn cut(module: &str) -> &str {
        let unversioned = without_version(module);
        let name = unversioned.strip_prefix("mod-").unwrap_or(unversioned);
        name.strip_suffix("-storage").unwrap_or(name)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Cuts the version, as in `mod-x-1.2.3-SNAPSHOT.4` → `mod-x`: it begins at the first `-` before a
/// digit.
fn without_version(module: &str) -> &str {
    let bytes = module.as_bytes();
    let version = (1..bytes.len())
        .find(|&i| bytes[i] == b'-' && bytes.get(i + 1).is_some_and(u8::is_ascii_digit));
    version.map_or(module, |at| &module[..at])
}

/// Checks the rule that producers and entities share.
pub(super) fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= 63
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Producer;

    fn name(module: &str) -> Option<String> {
        let srs = Producer::parse("srs").unwrap();
        let overrides = BTreeMap::from([("mod-source-record-storage".to_owned(), srs)]);
        Producer::of_module(module, &overrides).ok().map(|p| p.to_string())
    }

    #[test]
    fn prefix_version_and_postfix_are_cut() {
        let cases = [
            ("mod-inventory-storage", "inventory"),
            ("mod-inventory-storage-28.0.1", "inventory"),
            ("mod-inventory-storage-29.0.0-SNAPSHOT.1021", "inventory"),
            ("mod-inventory", "inventory"),
            ("inventory", "inventory"),
            ("mod-data-export-spring-2.0.0", "data-export-spring"),
            ("edge-rtac", "edge-rtac"),
        ];
        for (module, expected) in cases {
            assert_eq!(name(module).as_deref(), Some(expected), "{module}");
        }
    }

    #[test]
    fn an_override_names_the_module_with_or_without_version() {
        assert_eq!(name("mod-source-record-storage-5.9.0").as_deref(), Some("srs"));
        assert_eq!(name("srs").as_deref(), Some("srs"));
    }

    #[test]
    fn what_would_not_be_one_topic_segment_is_refused() {
        for module in ["", "mod-", "a_b", "a.b", "Inventory", "mod--storage", "a/b", "é"] {
            assert_eq!(name(module), None, "{module}");
        }
    }
}

//! The tenant's id: the first word of every request, row, topic and metric.
//!
//! It is parsed from the Okapi header, a file name in `tenants/`, or a store's row.

use std::fmt;
use std::sync::Arc;

use super::Invalid;

/// A tenant's id: `^[a-z][a-z0-9_-]{0,30}$`; no dot, so that it is one segment of a topic's name.
/// It is not `event-gateway`, whose topics are the gateway's own. Its copies share one text: each
/// event of a log has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The form of an id.
    pub const PATTERN: &str = "^[a-z][a-z0-9_-]{0,30}$";

    /// The name in the topics of the gateway's own, which no tenant has.
    pub const RESERVED: &str = "event-gateway";

    /// Parses an id, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = "must match ^[a-z][a-z0-9_-]{0,30}$, and not be event-gateway";
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !starts || text.len() > 31 || !text.bytes().all(legal) || text == Self::RESERVED {
            return Err(Invalid::new("tenant", text, rule));
        }
        Ok(Self(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::TenantId;

    #[test]
    fn legal_ids_pass() {
        for id in ["diku", "a", "college_1-test", "a123456789012345678901234567890"] {
            assert!(TenantId::parse(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn illegal_ids_are_refused() {
        let long = "a1234567890123456789012345678901";
        for id in ["", "Diku", "1a", "a.b", "a b", "ä", "-a", long, "event-gateway"] {
            assert!(TenantId::parse(id).is_err(), "{id}");
        }
    }
}

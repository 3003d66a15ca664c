//! The id and the type of an event.

use std::fmt;

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use super::Invalid;

/// The idempotency key of an event: any hyphenated UUID; the same id twice is the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// The id in a cursor at the start of a log, where no event stands.
    pub const NONE: Self = Self(Uuid::nil());

    /// The form of an id as modules may write it.
    pub const PATTERN: &str =
        "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$";

    /// Wraps a UUID that the clock's room made.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Parses hyphenated text, in either case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::new("eventId", text, "must be a hyphenated UUID");
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(refused());
        }
        Uuid::try_parse(text).map(Self).map_err(|_| refused())
    }

    /// Returns the 16 bytes of the id, for a store's column.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns the id that is derived from this one and a name: its UUID of version 5, which is the
    /// same whenever it is derived again.
    pub fn derived(&self, name: &str) -> Self {
        let digest = Sha1::new().chain_update(self.as_bytes()).chain_update(name).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Builder::from_sha1_bytes(bytes).into_uuid())
    }

    /// Returns the id with the version of random ones, for readers who take no other.
    pub fn as_random(&self) -> Self {
        Self(Builder::from_random_bytes(*self.as_bytes()).into_uuid())
    }

    /// Reads an id from a store's column; `None` unless it has 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's `type`: one of these for a domain event, and the name for a process event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A change with `new` alone.
    Create,
    /// A change with both `old` and `new`.
    Update,
    /// A change with `old` alone.
    Delete,
    /// Every record of the topic was deleted.
    DeleteAll,
    /// Every record of the topic is to be deleted, by a DELETE of its own. It is not published.
    DeleteAllExpanded,
    /// The content of a record's earlier events was erased.
    Erased,
    /// A process event, by its name.
    Process(String),
}

impl EventType {
    /// Returns the text that stands in wire forms, headers and the store.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::DeleteAll => "DELETE_ALL",
            Self::DeleteAllExpanded => "DELETE_ALL_EXPANDED",
            Self::Erased => "ERASED",
            Self::Process(name) => name,
        }
    }

    /// Reads a type from a store's column: a word that is none of these is a process event's
    /// name.
    pub fn from_column(text: &str) -> Self {
        match text {
            "CREATE" => Self::Create,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "DELETE_ALL" => Self::DeleteAll,
            "DELETE_ALL_EXPANDED" => Self::DeleteAllExpanded,
            "ERASED" => Self::Erased,
            name => Self::Process(name.to_owned()),
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::EventId;

    #[test]
    fn a_derived_id_is_the_uuid_of_version_5() {
        let dns = EventId::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
        let of_name = "2ed6657d-e927-568b-95e1-2665a8aea6a2";
        assert_eq!(dns.derived("www.example.com").to_string(), of_name);
    }

    #[test]
    fn only_hyphenated_uuids_are_event_ids() {
        assert!(EventId::parse("5BF370E0-8CCA-4D9C-82E4-5170AB2A0A39").is_ok());
        for text in
            ["5bf370e08cca4d9c82e45170ab2a0a39", "{5bf370e0-8cca-4d9c-82e4-5170ab2a0a39}", "", "x"]
        {
            assert!(EventId::parse(text).is_err(), "{text}");
        }
    }
}

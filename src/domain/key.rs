//! The key: the record's id, which Kafka partitions and orders by; and the pointer that finds it.
//!
//! An entity's pointer finds the key in a state; a process event gives it outright.

use std::fmt;

use super::Invalid;
use super::json::{Raw, Shape};

/// A record's id: 1 to 1,024 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key that every DELETE_ALL has, and no other event.
    pub const DELETE_ALL: &str = "00000000-0000-0000-0000-000000000000";

    /// The most bytes that a key may have.
    pub const BYTES_MAX: usize = 1024;

    /// The characters of a key.
    pub const PATTERN: &str = r"^[^\u0000-\u001F\u007F-\u009F]+$";

    /// Parses a key, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > Self::BYTES_MAX || text.contains(char::is_control) {
            return Err(Invalid::new(
                "key",
                text,
                "must have 1 to 1,024 bytes and no control characters",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the key of a DELETE_ALL.
    pub fn delete_all() -> Self {
        Self(Self::DELETE_ALL.to_owned())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A JSON pointer (RFC 6901), such as `/id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    segments: Vec<String>,
}

impl Pointer {
    /// Parses a pointer by RFC 6901. The empty pointer is refused, since a state is never its own
    /// key.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::new("key pointer", text, "must be a JSON pointer, such as /id");
        let tail = text.strip_prefix('/').ok_or_else(refused)?;
        if tail.replace("~0", "").replace("~1", "").contains('~') {
            return Err(refused());
        }
        let segments = tail.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Self { text: text.to_owned(), segments })
    }

    /// Returns the value that it points to in `raw`, if there is one.
    pub fn find(&self, raw: &Raw) -> Option<Raw> {
        self.segments.iter().try_fold(raw.clone(), |value, segment| match value.shape() {
            Shape::Object => {
                let mut members = value.members();
                members.find(|(name, _)| name.text() == segment.as_str()).map(|(_, member)| member)
            }
            Shape::Array => value.elements().nth(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Key, Pointer};
    use crate::domain::json::Raw;

    #[test]
    fn a_pointer_finds_through_objects_and_arrays() {
        let raw = Raw::parse(&Bytes::from_static(br#"{"a/b":[{"~id":"x"}],"id":1}"#)).unwrap();
        let find = |p: &str| Pointer::parse(p).unwrap().find(&raw).map(|r| r.as_str().to_owned());
        assert_eq!(find("/a~1b/0/~0id").as_deref(), Some("\"x\""));
        assert_eq!(find("/id").as_deref(), Some("1"));
        assert_eq!(find("/none"), None);
        assert_eq!(find("/id/deeper"), None);
    }

    #[test]
    fn a_key_has_1_to_1024_bytes() {
        assert!(Key::parse("").is_err());
        assert!(Key::parse(&"k".repeat(1024)).is_ok());
        assert!(Key::parse(&"k".repeat(1025)).is_err());
        assert!(Key::parse("a\0b").is_err());
        assert!(Key::parse("ключ").is_ok());
    }
}

//! Record headers: the own headers of a change, which its module gives, and those that the gateway
//! adds.
//!
//! `change` and `http::context` make them; they are stored with the event and sent with its record.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;
use super::json::{Raw, Shape, segment};
use super::trace_parent::TRACE_PARENT;
use super::violation::Violation;

/// The greatest number of own headers that a change may have.
pub const OWN_MAX: usize = 32;
/// The most bytes of a name.
pub const NAME_BYTES_MAX: usize = 128;
/// The most bytes of a value.
pub const VALUE_BYTES_MAX: usize = 4096;
/// The characters of a name.
pub const NAME_PATTERN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
/// The characters of a value.
pub const VALUE_PATTERN: &str = "^[ -~]*$";

/// The prefixes of names that only the gateway may give, whatever their case.
pub const RESERVED_PREFIXES: [&str; 2] = ["x-okapi-", "folio."];

/// Names that only the gateway may give, whatever their case.
pub const RESERVED: [&str; 8] = [
    "type",
    "event_id",
    "correlation_id",
    "log_id",
    "position",
    "epoch",
    TRACE_PARENT,
    "replay_id",
];

/// Names of headers that carry credentials, whatever their case: those are neither stored nor
/// published.
pub const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Headers in order: names and values are ASCII, and no name is repeated.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// The names and values, one after the other: an event's take two allocations, however many
    /// there are.
    text: String,
    /// The index after each name, and the one after its value.
    ends: Vec<(usize, usize)>,
}

/// The number of headers for which there is room at first.
const COUNT: usize = 8;

impl Headers {
    /// Makes none, with room for so many bytes of names and values.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(COUNT) }
    }

    /// Parses a change's `headers` object; `at` is the JSON pointer to it.
    pub fn parse_own(raw: &Raw, at: &str) -> Result<Self, Vec<Violation>> {
        let violation =
            |pointer: String, message: &str| Violation::new(pointer, "illegal-header", message);
        if raw.shape() != Shape::Object {
            return Err(vec![violation(at.to_owned(), "headers must be an object of strings")]);
        }
        let members: Vec<_> = raw.members().take(OWN_MAX + 1).collect();
        if members.len() > OWN_MAX {
            return Err(vec![violation(at.to_owned(), "at most 32 headers")]);
        }
        let (mut own, mut violations) = (Self::default(), Vec::new());
        for (name, value) in members {
            let name = name.text();
            match own_header(&own, &name, &value) {
                Ok(value) => own.push(&name, value),
                Err(rule) => violations.push(violation(format!("{at}{}", segment(&name)), rule)),
            }
        }
        if violations.is_empty() { Ok(own) } else { Err(violations) }
    }

    /// Reads headers from the store's column.
    pub fn from_column(json: &str) -> Result<Self, Invalid> {
        // No text is longer than it is in JSON.
        let mut headers = Self::with_room(json.len());
        let mut column = serde_json::Deserializer::from_str(json);
        let read = Pairs(&mut headers).deserialize(&mut column).and_then(|()| column.end());
        read.map_err(|_| Invalid::new("headers", json, "must be pairs of strings"))?;
        Ok(headers)
    }

    /// Returns the text for the store's column: a JSON array of pairs, which keeps the order.
    pub fn as_column(&self) -> String {
        serde_json::to_string(self).expect("pairs of strings are JSON")
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: impl fmt::Display) {
        self.text.push_str(name);
        let name = self.text.len();
        // A text takes whatever it is given.
        let _ = write!(self.text, "{value}");
        self.ends.push((name, self.text.len()));
    }

    /// Adds all headers of `more` at the end.
    pub fn extend(&mut self, more: &Headers) {
        let from = self.text.len();
        self.text.push_str(&more.text);
        self.ends.extend(more.ends.iter().map(|(name, value)| (from + name, from + value)));
    }

    /// Returns the value of the header `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Returns the names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut from = 0;
        self.ends.iter().map(move |&(name, value)| {
            let header = (&self.text[from..name], &self.text[name..value]);
            from = value;
            header
        })
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut headers = Self::default();
        Pairs(&mut headers).deserialize(deserializer)?;
        Ok(headers)
    }
}

/// Reads pairs of strings as headers.
struct Pairs<'a>(&'a mut Headers);

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pairs of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        while pairs.next_element_seed(Pair(self.0))?.is_some() {}
        Ok(())
    }
}

/// Reads a pair of strings as the next header.
struct Pair<'a>(&'a mut Headers);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<(), A::Error> {
        let Headers { text, ends } = self.0;
        let mut end = |at| {
            let read = pair.next_element_seed(Text(text))?;
            read.ok_or_else(|| A::Error::invalid_length(at, &"a pair of strings"))
        };
        ends.push((end(0)?, end(1)?));
        Ok(())
    }
}

/// Reads a string as the next one of a text, and returns the index after it.
struct Text<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<usize, E> {
        self.0.push_str(text);
        Ok(self.0.len())
    }
}

fn own_header(own: &Headers, name: &str, value: &Raw) -> Result<String, &'static str> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(token) {
        return Err("a header's name must be an ASCII token of 1 to 128 bytes");
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    {
        return Err("this header is the gateway's own");
    }
    if CREDENTIALS.contains(&lower.as_str()) {
        return Err("this header carries a credential, which is neither stored nor published");
    }
    if own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
        return Err("this header is given twice");
    }
    let value = value.string().ok_or("a header's value must be a string")?;
    if value.len() > VALUE_BYTES_MAX || !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err("a header's value must be printable ASCII of at most 4,096 bytes");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Headers;
    use crate::domain::json::Raw;

    fn parse(text: &str) -> Result<Headers, Vec<String>> {
        let raw = Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        Headers::parse_own(&raw, "/headers").map_err(|v| v.into_iter().map(|v| v.pointer).collect())
    }

    #[test]
    fn own_headers_keep_their_order_through_the_store() {
        let own = parse(r#"{"b":"2","a":""}"#).unwrap();
        assert_eq!(Headers::from_column(&own.as_column()).unwrap(), own);
        assert_eq!(own.iter().collect::<Vec<_>>(), [("b", "2"), ("a", "")]);
    }

    #[test]
    fn headers_are_pairs_in_their_order_however_they_were_made() {
        let column = r#" [["a","1"] ,["b",""],["c","\u00e9\"\\"]] "#;
        let read = Headers::from_column(column).unwrap();
        let pairs = [("a", "1"), ("b", ""), ("c", "é\"\\")];
        assert_eq!(read.iter().collect::<Vec<_>>(), pairs);
        let (mut first, mut rest) = (Headers::default(), Headers::default());
        first.push("a", "1");
        pairs[1..].iter().for_each(|(name, value)| rest.push(name, *value));
        first.extend(&rest);
        assert_eq!(first, read);
        assert_eq!(serde_json::from_str::<Headers>(column).unwrap(), read);
        assert_eq!(read.as_column(), r#"[["a","1"],["b",""],["c","é\"\\"]]"#);
        let values = ["a", "b", "c", "1"].map(|name| read.value(name));
        assert_eq!(values, [Some("1"), Some(""), Some("é\"\\"), None]);
        // The same text is not the same headers.
        let [one, other] = [r#"[["a1","b"]]"#, r#"[["a","1b"]]"#].map(Headers::from_column);
        assert_ne!(one, other);
        assert_eq!(Headers::from_column("[]").unwrap(), Headers::default());
        for other in ["", "{}", "null", "[1]", r#"["ab"]"#, r#"[["a"]]"#, r#"[["a","1","2"]]"#] {
            assert!(Headers::from_column(other).is_err(), "{other}");
        }
        for other in [r#"[["a",1]]"#, r#"[["a",null]]"#, r#"[["a","1"]"#, "[][]"] {
            assert!(Headers::from_column(other).is_err(), "{other}");
        }
    }

    #[test]
    fn the_gateway_s_names_and_non_ascii_are_refused() {
        for name in ["Type", "X-Okapi-Token", "folio.tenantId", "position", "ü", "", "a b"] {
            let refused = parse(&format!(r#"{{"{name}":"x"}}"#)).unwrap_err();
            assert_eq!(refused, [format!("/headers/{name}")]);
        }
        assert_eq!(
            parse(r#"{"a":"ü","b":1,"c":"\n"}"#).unwrap_err(),
            ["/headers/a", "/headers/b", "/headers/c"]
        );
        assert_eq!(parse(r#"{"a":"1","A":"2"}"#).unwrap_err(), ["/headers/A"]);
        assert_eq!(parse("[]").unwrap_err(), ["/headers"]);
    }

    #[test]
    fn headers_that_carry_credentials_are_refused() {
        for name in ["Authorization", "proxy-authorization", "Cookie", "SET-COOKIE"] {
            let refused = parse(&format!(r#"{{"{name}":"Bearer x","a":"1"}}"#)).unwrap_err();
            assert_eq!(refused, [format!("/headers/{name}")]);
        }
    }
}

//! Record headers: the own headers of a change, which its module gives, and those that the gateway
//! adds.
//!
//! `change` and `http::context` make them; they are stored with the event and sent with its record.

use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
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
        serde_json::from_str(json)
            .map_err(|_| Invalid::new("headers", json, "must be pairs of strings"))
    }

    /// Returns the text for the store's column: a JSON array of pairs, which keeps the order.
    pub fn as_column(&self) -> String {
        serde_json::to_string(&self.0).expect("pairs of strings are JSON")
    }

    /// Adds a header at the end.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// Adds all headers of `more` at the end.
    pub fn extend(&mut self, more: &Headers) {
        self.0.extend(more.0.iter().cloned());
    }

    /// Returns the value of the header `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Returns the names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
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

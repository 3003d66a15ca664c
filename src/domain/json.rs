//! JSON as it was posted: raw bytes that are known to be valid, never parsed into values.
//!
//! `http` parses request bodies into it; `change` and `process_event` read it. A `Raw` shares the
//! body's buffer, so the bytes that are stored and published are those that were posted.

mod ascii;
mod check;
mod items;
mod walk;

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

pub use check::{Defect, JsonIssue, read_object};
pub use items::{Items, parse_items};
pub use walk::Name;

/// Bytes that are not JSON text; each variant says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// Not UTF-8.
    #[error("not UTF-8: the byte at offset {0} begins no character")]
    Utf8(usize),
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
}

impl SyntaxError {
    /// Returns the error without its line number, for a text of one line.
    pub fn in_one_line(self) -> Self {
        match self {
            Self::Json(why) => Self::Json(why.replace(" at line 1 column ", " at column ")),
            Self::Utf8(_) => self,
        }
    }
}

/// One valid JSON text in UTF-8, without white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(Bytes);

/// The kind of a JSON value, recognised by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `null`
    Null,
    /// A number, `true` or `false`.
    Scalar,
}

impl Raw {
    /// Parses bytes: checks UTF-8 and JSON's grammar, and nothing more, so `1e400` and `"\ud800"`
    /// pass.
    pub fn parse(bytes: &Bytes) -> Result<Self, SyntaxError> {
        let raw: &RawValue =
            serde_json::from_str(utf8(bytes)?).map_err(|e| SyntaxError::Json(e.to_string()))?;
        Ok(Self(bytes.slice_ref(raw.get().as_bytes())))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was parsed")
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the kind of the value.
    pub fn shape(&self) -> Shape {
        match self.0[0] {
            b'{' => Shape::Object,
            b'[' => Shape::Array,
            b'"' => Shape::String,
            b'n' => Shape::Null,
            _ => Shape::Scalar,
        }
    }

    /// Returns the members of an object in order, each found when it is asked for. Any other value
    /// has none.
    pub fn members(&self) -> impl Iterator<Item = (Name<'_>, Raw)> {
        walk::members(&self.0).map(|(name, value)| (name, self.part(value)))
    }

    /// Returns the elements of an array in order, each found when it is asked for. Any other value
    /// has none.
    pub fn elements(&self) -> impl Iterator<Item = Raw> {
        walk::elements(&self.0).map(|value| self.part(value))
    }

    /// Returns the value of a string; `None` for any other value, and for a string with a lone
    /// surrogate, which UTF-8 can't hold.
    pub fn string(&self) -> Option<String> {
        serde_json::from_slice(&self.0).ok()
    }

    fn part(&self, range: Range<usize>) -> Raw {
        Raw(self.0.slice(range))
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, SyntaxError> {
    std::str::from_utf8(bytes).map_err(|e| SyntaxError::Utf8(e.valid_up_to()))
}

/// Returns a name or index as a segment of a JSON pointer (RFC 6901), with its slash.
pub(crate) fn segment(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Raw, Shape, SyntaxError};

    fn raw(text: &'static str) -> Raw {
        Raw::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn what_no_number_or_string_type_can_hold_passes() {
        for text in
            ["1e400", "-0", "1.10", r#""\ud800""#, r#""\u0000""#, "123456789012345678901234567890"]
        {
            assert_eq!(raw(text).as_str(), text);
        }
    }

    #[test]
    fn white_space_around_is_cut_and_inside_is_kept() {
        assert_eq!(raw(" { \"a\" :\t1 }\n").as_str(), "{ \"a\" :\t1 }");
    }

    #[test]
    fn members_keep_their_order_and_bytes() {
        let object = raw(r#"{"b":1.10,"a" : [1, {"x":"}"}],"\u0063":"\"]"}"#);
        let members: Vec<_> =
            object.members().map(|(n, v)| (n.text().into_owned(), v.as_str().to_owned())).collect();
        let expected = [("b", "1.10"), ("a", r#"[1, {"x":"}"}]"#), ("c", r#""\"]""#)];
        assert_eq!(members, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn elements_are_kept_apart() {
        let array = raw(r#"[1 ,"a,b",[2,3], {} ]"#);
        let texts: Vec<_> = array.elements().map(|e| e.as_str().to_owned()).collect();
        assert_eq!(texts, ["1", "\"a,b\"", "[2,3]", "{}"]);
        assert_eq!(raw("[ ]").elements().count(), 0);
        assert_eq!(raw("{ }").members().count(), 0);
        assert_eq!(raw("[ ]").shape(), Shape::Array);
    }

    #[test]
    fn what_is_no_json_says_where() {
        let parse = |bytes: &'static [u8]| Raw::parse(&Bytes::from_static(bytes)).unwrap_err();
        assert_eq!(parse(b"\"a\xff\""), SyntaxError::Utf8(2));
        assert!(matches!(parse(b"{\"a\":}"), SyntaxError::Json(m) if m.contains("column 6")));
        assert!(matches!(parse(b""), SyntaxError::Json(_)));
        assert!(matches!(parse(b"{} {}"), SyntaxError::Json(_)));
        assert!(matches!(parse(b"NaN"), SyntaxError::Json(_)));
    }
}

//! The items of a posted body: one JSON value, or the elements of an array.
//!
//! `http` passes in a body and gets its items. One pass checks the grammar and finds the elements;
//! no more of them are kept than the caller asks for.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::{Raw, SyntaxError, utf8};

/// The items of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Items {
    /// A value that is not an array.
    One(Raw),
    /// The elements of an array, in order.
    List(Vec<Raw>),
}

/// Checks a body as [`Raw::parse`] does. Of an array, returns the first `max` elements.
pub fn parse_items(body: &Bytes, max: usize) -> Result<Items, SyntaxError> {
    let text = utf8(body)?;
    let begins_array = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('[');
    if !begins_array {
        return Raw::parse(body).map(Items::One);
    }
    match elements(text, max) {
        Ok(found) => {
            let raw = |element: &RawValue| Raw(body.slice_ref(element.get().as_bytes()));
            Ok(Items::List(found.into_iter().map(raw).collect()))
        }
        // The text is parsed again as a whole, so that errors read alike, whatever form the body
        // has.
        Err(error) => Raw::parse(body).and(Err(SyntaxError::Json(error.to_string()))),
    }
}

fn elements(text: &str, max: usize) -> Result<Vec<&RawValue>, serde_json::Error> {
    let mut json = Deserializer::from_str(text);
    let found = json.deserialize_seq(First { max })?;
    json.end()?;
    Ok(found)
}

/// A visitor that reads a whole array, and keeps its first elements.
struct First {
    max: usize,
}

impl<'de> Visitor<'de> for First {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = array.next_element::<&RawValue>()? {
            if found.len() < self.max {
                found.push(element);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Items, parse_items};
    use crate::domain::json::Raw;

    fn items(text: &str, max: usize) -> Vec<String> {
        match parse_items(&Bytes::copy_from_slice(text.as_bytes()), max).unwrap() {
            Items::One(raw) => vec![format!("one {}", raw.as_str())],
            Items::List(all) => all.iter().map(|raw| raw.as_str().to_owned()).collect(),
        }
    }

    #[test]
    fn elements_are_kept_apart_byte_for_byte_and_no_more_are_kept_than_asked_for() {
        assert_eq!(
            items(r#" [1e400 ,"a,b\ud800",[2,3], { "x" :1.10} ] "#, 9),
            ["1e400", r#""a,b\ud800""#, "[2,3]", r#"{ "x" :1.10}"#]
        );
        assert_eq!(items("[1,2,3]", 2), ["1", "2"]);
        assert_eq!(items(r#" {"a":[1]} "#, 0), [r#"one {"a":[1]}"#]);
        assert!(items("[ ]", 9).is_empty());
    }

    #[test]
    fn what_is_no_array_has_the_error_of_the_whole_text() {
        for text in
            ["[1,]", "[1", "[1 2]", "[", "[1]]", "[,]", "[{]", "[\"", "[1]x", "[01]", "\n[x"]
        {
            let body = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(
                parse_items(&body, 9).unwrap_err(),
                Raw::parse(&body).unwrap_err(),
                "{text}"
            );
        }
    }
}

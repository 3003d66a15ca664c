//! A number in a tenant's file, whose range is judged later: then the message names the key and the
//! range.
//!
//! Fed by the parser of TOML; feeds the tables.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads one; what is none is told without the name of a type of ours.
pub(super) fn read<'de, D: Deserializer<'de>>(value: D) -> Result<Option<i64>, D::Error> {
    value.deserialize_any(Number).map(Some)
}

struct Number;

impl Visitor<'_> for Number {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }
}

//! A number in a tenant's file, whose range is checked later, so that the message can name the key
//! and the range.
//!
//! The tables of a tenant's file use it.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a number. The error of anything else does not name a type of the gateway's code.
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

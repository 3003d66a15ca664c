//! Parses a request's query: known parameters, each at most once, none of them empty.
//!
//! Handlers pass in the raw query string, and the parameters that they know, by which their
//! descriptions tell them, too. A query is form-encoded: `+` is a space.

use std::fmt::Display;

use super::problem::Problem;
use super::schema::{self, Schema};
use crate::domain::percent;

/// The items of a page, if the query has no `limit`.
pub(super) const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// A parameter that a query may have.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// A sentence about it.
    pub(super) about: &'static str,
    pub(super) schema: fn() -> Schema,
    pub(super) needed: bool,
}

impl Parameter {
    /// The number of items of a page.
    pub(super) const LIMIT: Self =
        Self::new("limit", "The most items of the answer; 100 without it.", || {
            schema::whole(1, LIMIT_MAX as u64)
        });

    /// Makes a parameter that may be left out.
    pub(super) const fn new(
        name: &'static str,
        about: &'static str,
        schema: fn() -> Schema,
    ) -> Self {
        Self { name, about, schema, needed: false }
    }
}

/// The parameters, decoded.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Parses a query. Refuses names that aren't `known`, repeated names, empty values, and text
    /// that is not percent-encoded UTF-8.
    pub(super) fn parse(raw: &str, known: &[Parameter]) -> Result<Self, Problem> {
        let mut query = Self(Vec::new());
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = match (decode(name), decode(value)) {
                (Some(name), Some(value)) => (name, value),
                _ => return Err(bad(name, "must be percent-encoded UTF-8")),
            };
            let Some(Parameter { name, .. }) = known.iter().find(|k| k.name == name) else {
                return Err(bad(&name, unknown(known)));
            };
            if query.value(name).is_some() {
                return Err(bad(name, "is given twice"));
            }
            if value.is_empty() {
                return Err(bad(name, "is empty"));
            }
            query.0.push((name, value));
        }
        Ok(query)
    }

    /// Returns the text of a parameter.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// Returns the parsed value of a parameter.
    pub(super) fn parsed<T, E: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        self.value(name).map(parse).transpose().map_err(|e| bad(name, e))
    }
}

/// Parses a whole number.
pub(super) fn number(text: &str) -> Result<u64, &'static str> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.ok_or("must be a whole number")
}

/// Parses the number of items of a page.
pub(super) fn limit(text: &str) -> Result<usize, &'static str> {
    let number = number(text).ok().and_then(|number| usize::try_from(number).ok());
    number.filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or("must be a whole number from 1 to 1000")
}

fn unknown(known: &[Parameter]) -> String {
    match known {
        [] => "is not known: this route has no parameters".to_owned(),
        known => {
            let known: Vec<_> = known.iter().map(|parameter| parameter.name).collect();
            format!("is not known; known are {}", known.join(", "))
        }
    }
}

fn decode(text: &str) -> Option<String> {
    percent::decode(&text.replace('+', " "))
}

fn bad(parameter: &str, why: impl Display) -> Problem {
    Problem::BadQuery { parameter: parameter.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::{Parameter, Query};
    use crate::http::schema::some_text;

    const KEY: Parameter = Parameter::new("key", "A key.", some_text);
    const TYPE: Parameter = Parameter::new("type", "A type.", some_text);

    #[test]
    fn values_are_decoded() {
        let query = Query::parse("key=a%26b+c&&type=X", &[KEY, TYPE]).unwrap();
        assert_eq!((query.value("key"), query.value("type")), (Some("a&b c"), Some("X")));
    }

    #[test]
    fn unknown_doubled_empty_and_broken_ones_are_refused() {
        for raw in
            ["a=1", "key=1&key=1", "key=1&%6bey=2", "key=", "key", "key=%zz", "=1", "key=%ff"]
        {
            assert!(Query::parse(raw, &[KEY]).is_err(), "{raw}");
        }
    }
}

//! The form of a subscription: its filter, and how it is read, as `PUT /subscriptions/{group}`
//! takes it and the store keeps it.
//!
//! `http` and the subcommands parse it; a store's column holds the same JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::Invalid;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::json::{Raw, Shape};
use crate::domain::key::Key;
use crate::domain::object_reader::ObjectReader;
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::domain::violation::Violation;

/// The most items of each list of a filter.
const ITEMS_MAX: usize = 100;
/// The lease of a reader, if none is given.
const LEASE_SECONDS: u64 = 30;
const LEASE_SECONDS_MIN: u64 = 1;
const LEASE_SECONDS_MAX: u64 = 3_600;
/// The longest time for which a group may hold its events back from removal: a year.
const HOLD_SECONDS_MAX: u64 = 366 * 86_400;

type Violations = Vec<Violation>;

/// The position at which a new subscription begins, or to which a group is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// The first event from which on nothing that matches was removed.
    #[default]
    Earliest,
    /// The next event that is appended.
    Latest,
    /// The first event after a position.
    Position(Position),
    /// The first event at or after a time.
    Time(Time),
}

impl Start {
    /// Parses the text of an option: `earliest`, `latest`, a position, or a time.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            number if number.bytes().all(|b| b.is_ascii_digit()) => {
                Position::parse(number).map(Self::Position)
            }
            time => Time::parse(time).map(Self::Time).map_err(|_| {
                let rule = "must be earliest, latest, a position, or a time such as \
                            2026-01-31T12:00:00Z";
                Invalid::new("start", text, rule)
            }),
        }
    }

    /// Parses the body of a seek, `{"to": …}`.
    pub fn parse_seek(raw: &Raw) -> Result<Self, Violations> {
        let object = ObjectReader::parse(raw, &["to"], "")?;
        let to = object.value("to").ok_or_else(|| {
            object.violation("to", "missing-start", "must say where the group goes on")
        })?;
        start(to, "/to")
    }
}

/// The filter of a subscription, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The events that are delivered.
    pub filter: Filter,
    /// Whether what a reader has received is committed when it asks for more.
    pub auto_commit: bool,
    /// The seconds for which a reader that is not heard of keeps the group.
    pub lease_seconds: u64,
    /// The seconds up to which events that are not committed are kept from removal; 0 for none.
    pub hold_seconds: u64,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            auto_commit: false,
            lease_seconds: LEASE_SECONDS,
            hold_seconds: 0,
        }
    }
}

impl Form {
    /// Parses the object that is put, `{topics?, keys?, types?, headers?, start?, autoCommit?,
    /// leaseSeconds?, holdSeconds?}`; returns where a new subscription begins, too.
    pub fn parse(raw: &Raw) -> Result<(Self, Start), Violations> {
        const KNOWN: [&str; 8] = [
            "topics",
            "keys",
            "types",
            "headers",
            "start",
            "autoCommit",
            "leaseSeconds",
            "holdSeconds",
        ];
        let object = ObjectReader::parse(raw, &KNOWN, "")?;
        let filter = Filter {
            topics: list(&object, "topics", TopicPattern::parse)?,
            keys: list(&object, "keys", Key::parse)?,
            types: list(&object, "types", |text| {
                let rule = "must have 1 to 128 bytes";
                let is_legal = !text.is_empty() && text.len() <= 128;
                is_legal.then(|| text.to_owned()).ok_or_else(|| Invalid::new("type", text, rule))
            })?,
            headers: headers(&object)?,
        };
        let seconds = |name, min, max, default| match object.value(name) {
            None => Ok(default),
            Some(value) => {
                let number = value.as_str().parse().ok();
                number.filter(|number| (min..=max).contains(number)).ok_or_else(|| {
                    let rule = format!("must be a whole number from {min} to {max}");
                    object.violation(name, "illegal-number", rule)
                })
            }
        };
        let lease = (LEASE_SECONDS_MIN, LEASE_SECONDS_MAX, LEASE_SECONDS);
        let form = Self {
            filter,
            auto_commit: flag(&object, "autoCommit")?,
            lease_seconds: seconds("leaseSeconds", lease.0, lease.1, lease.2)?,
            hold_seconds: seconds("holdSeconds", 0, HOLD_SECONDS_MAX, 0)?,
        };
        let begin = object.value("start").map(|value| start(value, "/start")).transpose()?;
        Ok((form, begin.unwrap_or_default()))
    }

    /// Returns the form as JSON, without a start.
    pub fn to_json(&self) -> Value {
        let Filter { topics, keys, types, headers } = &self.filter;
        let headers = headers.iter().map(|(name, value)| (name.clone(), json!(value)));
        json!({
            "topics": topics.iter().map(TopicPattern::as_str).collect::<Vec<_>>(),
            "keys": keys.iter().map(Key::as_str).collect::<Vec<_>>(),
            "types": types,
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "autoCommit": self.auto_commit,
            "leaseSeconds": self.lease_seconds,
            "holdSeconds": self.hold_seconds,
        })
    }

    /// Returns the text for the store's column.
    pub fn as_column(&self) -> String {
        self.to_json().to_string()
    }

    /// Reads a form from the store's column.
    pub fn from_column(text: &str) -> Result<Self, Invalid> {
        let unreadable = || Invalid::new("form", text, "must be the JSON of a subscription");
        let raw = Raw::parse(&text.to_owned().into()).map_err(|_| unreadable())?;
        Self::parse(&raw).map(|(form, _)| form).map_err(|_| unreadable())
    }

    /// Returns the time for which a reader keeps the group, in milliseconds.
    pub fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease_seconds * 1_000).unwrap_or(i64::MAX)
    }

    /// Returns the age up to which events that are not committed are kept from removal.
    pub fn hold(&self) -> Option<Duration> {
        (self.hold_seconds > 0).then(|| Duration::from_secs(self.hold_seconds))
    }
}

/// Parses the body of a commit, `{"position": …, "generation": …}`.
pub fn parse_commit(raw: &Raw) -> Result<(Position, u64), Violations> {
    let object = ObjectReader::parse(raw, &["position", "generation"], "")?;
    let number = |name: &'static str| {
        let number = object.value(name).and_then(|value| value.as_str().parse().ok());
        let rule = "must be the whole number that the reader was given";
        number.ok_or_else(|| object.violation(name, "illegal-number", rule))
    };
    let position = Position::new(number("position")?);
    let position =
        position.map_err(|e| object.violation("position", "illegal-position", e.to_string()));
    Ok((position?, number("generation")?))
}

/// Parses the strings of a list.
fn list<T>(
    object: &ObjectReader,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Vec<T>, Violations> {
    let Some(value) = object.value(name) else { return Ok(Vec::new()) };
    let elements: Vec<_> = value.elements().take(ITEMS_MAX + 1).collect();
    if value.shape() != Shape::Array || elements.len() > ITEMS_MAX {
        let rule = format!("must be a list of at most {ITEMS_MAX} strings");
        return Err(object.violation(name, "illegal-list", rule));
    }
    let parsed = elements.iter().enumerate().map(|(index, element)| {
        let at = || format!("/{name}/{index}");
        let text = element
            .string()
            .ok_or_else(|| vec![Violation::new(at(), "not-a-string", "must be a string")])?;
        parse(&text).map_err(|e| vec![Violation::new(at(), "illegal-filter", e.to_string())])
    });
    parsed.collect()
}

/// Parses the headers that the events of a filter have.
fn headers(object: &ObjectReader) -> Result<Vec<(String, String)>, Violations> {
    let Some(value) = object.value("headers") else { return Ok(Vec::new()) };
    let members: Vec<_> = value.members().take(ITEMS_MAX + 1).collect();
    if value.shape() != Shape::Object || members.len() > ITEMS_MAX {
        let rule = format!("must be an object of at most {ITEMS_MAX} strings");
        return Err(object.violation("headers", "illegal-list", rule));
    }
    let parsed = members.iter().map(|(name, value)| {
        let name = name.text().into_owned();
        match value.string() {
            Some(text) if !name.is_empty() => Ok((name, text)),
            _ => Err(object.violation("headers", "not-a-string", "must be an object of strings")),
        }
    });
    parsed.collect()
}

fn flag(object: &ObjectReader, name: &'static str) -> Result<bool, Violations> {
    match object.value(name).map(Raw::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(object.violation(name, "not-a-boolean", "must be true or false")),
    }
}

/// Parses a start: `"earliest"`, `"latest"`, `{"position": 41}` or `{"time": "…"}`.
fn start(value: &Raw, at: &str) -> Result<Start, Violations> {
    let rule = "must be \"earliest\", \"latest\", {\"position\": n} or {\"time\": \"…\"}";
    let illegal = || vec![Violation::new(at.to_owned(), "illegal-start", rule)];
    match value.string().as_deref() {
        Some("earliest") => return Ok(Start::Earliest),
        Some("latest") => return Ok(Start::Latest),
        Some(_) => return Err(illegal()),
        None => {}
    }
    let object = ObjectReader::parse(value, &["position", "time"], at)?;
    match (object.value("position"), object.string("time")?) {
        (Some(position), None) => {
            let position = Position::parse(position.as_str());
            position
                .map(Start::Position)
                .map_err(|e| object.violation("position", "illegal-position", e.to_string()))
        }
        (None, Some(time)) => Time::parse(&time)
            .map(Start::Time)
            .map_err(|e| object.violation("time", "illegal-time", e.to_string())),
        _ => Err(illegal()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Raw, Start};
    use crate::domain::position::Position;
    use crate::domain::time::Time;

    fn parse(text: &str) -> Result<(Form, Start), &'static str> {
        let raw = Raw::parse(&text.to_owned().into()).unwrap();
        Form::parse(&raw).map_err(|violations| violations[0].code)
    }

    #[test]
    fn a_form_is_read_back_as_it_was_written() {
        let text = r#"{"topics":["folio.*.inventory.*","**.loan"],"keys":["a"],"types":["UPDATE"],
            "headers":{"x":"é"},"autoCommit":true,"leaseSeconds":5,"holdSeconds":60}"#;
        let (form, start) = parse(text).unwrap();
        assert_eq!(start, Start::Earliest);
        assert_eq!(Form::from_column(&form.as_column()).unwrap(), form);
        assert!(form.auto_commit && form.lease_ms() == 5_000);
        assert_eq!(parse("{}").unwrap().0, Form::default());
        assert_eq!(Form::from_column(&Form::default().as_column()).unwrap(), Form::default());
    }

    #[test]
    fn every_start_is_read_and_any_other_refused() {
        for (text, start) in [
            (r#""earliest""#, Start::Earliest),
            (r#""latest""#, Start::Latest),
            (r#"{"position":41}"#, Start::Position(Position::from_column(41))),
            (r#"{"time":"1970-01-01T00:00:07Z"}"#, Start::Time(Time::from_ms(7_000))),
        ] {
            assert_eq!(parse(&format!(r#"{{"start":{text}}}"#)).unwrap().1, start);
        }
        for text in [r#""newest""#, "7", "{}", r#"{"position":1,"time":"1970-01-01T00:00:07Z"}"#] {
            assert!(parse(&format!(r#"{{"start":{text}}}"#)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_illegal_is_named() {
        for (text, code) in [
            (r#"{"topics":["a b"]}"#, "illegal-filter"),
            (r#"{"topics":"a"}"#, "illegal-list"),
            (r#"{"keys":[7]}"#, "not-a-string"),
            (r#"{"headers":{"x":7}}"#, "not-a-string"),
            (r#"{"autoCommit":1}"#, "not-a-boolean"),
            (r#"{"leaseSeconds":0}"#, "illegal-number"),
            (r#"{"leaseSeconds":"5"}"#, "illegal-number"),
            (r#"{"filter":{}}"#, "unknown-member"),
        ] {
            assert_eq!(parse(text).unwrap_err(), code, "{text}");
        }
    }
}

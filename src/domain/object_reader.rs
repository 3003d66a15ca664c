//! Reads the members of a posted object, each by its name and kind; every illegal one becomes a
//! violation with its pointer.
//!
//! The nouns that are posted are parsed with it: changes, process events, requests of operators.

use std::ops::RangeInclusive;

use super::Invalid;
use super::event::EventId;
use super::headers::Headers;
use super::json::{self, JsonIssue, Raw, Shape};
use super::violation::{self, Violation};

/// The greatest depth to which a state or payload may nest; its own brackets count 1.
pub const DEPTH_MAX: usize = 64;
/// The most items that a list of a request may have.
const LISTED_MAX: usize = 1_000;

/// The members of one posted object, by name; `null` is absent.
pub(super) struct ObjectReader<'a> {
    at: &'a str,
    found: Vec<(&'static str, Raw)>,
}

impl<'a> ObjectReader<'a> {
    /// Reads an object. Refuses any other value, unknown and duplicate names, and values that nest
    /// too deep.
    pub(super) fn parse(
        raw: &Raw,
        known: &[&'static str],
        at: &'a str,
    ) -> Result<Self, Vec<Violation>> {
        if raw.shape() != Shape::Object {
            return Err(vec![Violation::new(
                at.to_owned(),
                "not-an-object",
                "must be a JSON object",
            )]);
        }
        let members = json::read_object(raw, DEPTH_MAX + 1)
            .map_err(|defect| vec![issue(&defect.issue, format!("{at}{}", defect.pointer))])?;
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for (name, value) in members {
            let name = name.text();
            match known.iter().find(|k| **k == name) {
                Some(_) if value.shape() == Shape::Null => {}
                Some(name) => found.push((*name, value)),
                None if unknown.len() == violation::MAX => {}
                None => {
                    let message = format!("unknown member; known are {}", known.join(", "));
                    unknown.push(Violation::new(
                        format!("{at}{}", json::segment(&name)),
                        "unknown-member",
                        message,
                    ));
                }
            }
        }
        if unknown.is_empty() { Ok(Self { at, found }) } else { Err(unknown) }
    }

    pub(super) fn value(&self, name: &str) -> Option<&Raw> {
        self.found.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    pub(super) fn violation(
        &self,
        member: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Vec<Violation> {
        vec![Violation::new(format!("{}/{member}", self.at), code, message)]
    }

    /// Returns the member `name`, which must be a string where it is given.
    pub(super) fn string(&self, name: &str) -> Result<Option<String>, Vec<Violation>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let text = value
            .string()
            .ok_or_else(|| self.violation(name, "not-a-string", "must be a string"))?;
        Ok(Some(text))
    }

    pub(super) fn event_id(&self) -> Result<Option<EventId>, Vec<Violation>> {
        let Some(text) = self.string("eventId")? else { return Ok(None) };
        let id = EventId::parse(&text)
            .map_err(|e| self.violation("eventId", "illegal-event-id", e.to_string()))?;
        Ok(Some(id))
    }

    pub(super) fn headers(&self) -> Result<Headers, Vec<Violation>> {
        let at = format!("{}/headers", self.at);
        self.value("headers")
            .map_or_else(|| Ok(Headers::default()), |raw| Headers::parse_own(raw, &at))
    }

    /// Returns the member `name`, which must be a string that `parse` takes where it is given.
    pub(super) fn noun<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Vec<Violation>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let parsed = parse(&text);
        parsed.map(Some).map_err(|e| self.violation(name, "illegal-value", e.to_string()))
    }

    /// Returns the items of the member `name`, which must be a list of strings that `parse` takes
    /// where it is given.
    pub(super) fn list<T>(
        &self,
        name: &str,
        parse: fn(&str) -> Result<T, Invalid>,
    ) -> Result<Vec<T>, Vec<Violation>> {
        let Some(raw) = self.value(name) else { return Ok(Vec::new()) };
        if raw.shape() != Shape::Array {
            return Err(self.violation(name, "not-a-list", "must be a list of strings"));
        }
        let (mut items, mut all) = (Vec::new(), Vec::new());
        for (index, item) in raw.elements().take(LISTED_MAX + 1).enumerate() {
            let item = item.string().ok_or_else(|| "must be a string".to_owned());
            match item.and_then(|text| parse(&text).map_err(|error| error.to_string())) {
                Ok(item) => items.push(item),
                Err(why) => {
                    all.extend(self.violation(&format!("{name}/{index}"), "illegal-value", why));
                }
            }
        }
        if items.len() > LISTED_MAX {
            all = self.violation(name, "too-many", "at most 1,000 are taken");
        }
        if all.is_empty() { Ok(items) } else { Err(all) }
    }

    /// Returns the member `name`, which must be `true` or `false` where it is given.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Vec<Violation>> {
        match self.value(name).map(Raw::as_str) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.violation(name, "not-a-boolean", "must be true or false")),
        }
    }

    /// Returns the member `name`, which must be a whole number of that range where it is given.
    pub(super) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Vec<Violation>> {
        let Some(raw) = self.value(name) else { return Ok(None) };
        let number = raw.as_str().parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            let rule = format!("must be a whole number from {} to {}", range.start(), range.end());
            self.violation(name, "illegal-number", rule)
        })
    }

    /// Returns a violation by the object as a whole.
    pub(super) fn whole(&self, code: &'static str, message: &str) -> Vec<Violation> {
        vec![Violation::new(self.at.to_owned(), code, message)]
    }
}

fn issue(issue: &JsonIssue, pointer: String) -> Violation {
    match issue {
        JsonIssue::TooDeep => Violation::new(pointer, "too-deep", "nests deeper than 64 levels"),
        JsonIssue::DuplicateName => {
            Violation::new(pointer, "duplicate-name", "this name stands twice in its object")
        }
    }
}

/// Returns the value; or moves its violations to `all`, and returns nothing.
pub(super) fn keep<T>(all: &mut Vec<Violation>, result: Result<T, Vec<Violation>>) -> Option<T> {
    result.map_err(|violations| all.extend(violations)).ok()
}

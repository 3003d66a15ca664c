//! Reads the members of a posted object, each by its name and kind; every illegal one becomes a
//! violation with its pointer.
//!
//! The nouns that are posted are parsed with it: changes, process events, requests of operators.

use std::ops::RangeInclusive;

use super::Invalid;
use super::event::EventId;
use super::headers::Headers;
use super::json::{self, JsonIssue, Raw, Shape};
use super::position::Position;
use super::text;
use super::violation::{self, Violation};

/// The greatest depth to which a state or payload may nest; its own brackets count 1.
pub const DEPTH_MAX: usize = 64;

/// The members of one posted object, by name; `null` is absent. Reading a member that is illegal
/// notes a violation and goes on, so that `finish` returns all of them.
pub(super) struct ObjectReader<'a> {
    at: &'a str,
    found: Vec<(&'static str, Raw)>,
    violations: Vec<Violation>,
}

impl<'a> ObjectReader<'a> {
    /// Reads an object, and notes members that are not `known`. Refuses any other value, duplicate
    /// names, and values that nest too deep: no member of theirs can be read.
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
        let (mut found, mut violations) = (Vec::new(), Vec::new());
        for (name, value) in members {
            let name = name.text();
            match known.iter().find(|k| **k == name) {
                Some(_) if value.shape() == Shape::Null => {}
                Some(name) => found.push((*name, value)),
                None if violations.len() == violation::MAX => {}
                None => {
                    let message = format!("unknown member; {}", spell(known));
                    violations.push(Violation::new(
                        format!("{at}{}", json::segment(&name)),
                        "unknown-member",
                        message,
                    ));
                }
            }
        }
        Ok(Self { at, found, violations })
    }

    /// Returns the value if nothing of the object was illegal, or else every violation. There is no
    /// value (`None`) only where something was illegal.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        debug_assert!(value.is_some() || !self.violations.is_empty(), "{}: no violation", self.at);
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(self.violations),
        }
    }

    /// Returns the member `name` as it was posted.
    pub(super) fn value(&self, name: &str) -> Option<&Raw> {
        self.found.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Notes a violation by the member `member`, or by a place below it.
    pub(super) fn refuse(&mut self, member: &str, code: &'static str, message: impl Into<String>) {
        self.violations.push(Violation::new(format!("{}/{member}", self.at), code, message));
    }

    /// Notes a violation by the object as a whole.
    pub(super) fn refuse_whole(&mut self, code: &'static str, message: &str) {
        self.violations.push(Violation::new(self.at.to_owned(), code, message));
    }

    /// Notes violations that were found otherwise.
    pub(super) fn refuse_all(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }

    /// Notes a violation if the member `member` is absent.
    pub(super) fn need(&mut self, member: &str, code: &'static str, message: &str) {
        if self.value(member).is_none() {
            self.refuse(member, code, message);
        }
    }

    /// Returns the value; or notes its violations, and returns nothing.
    pub(super) fn keep<T>(&mut self, result: Result<T, Vec<Violation>>) -> Option<T> {
        result.map_err(|violations| self.violations.extend(violations)).ok()
    }

    /// Returns the member `name`, which must be a string where it is given.
    pub(super) fn string(&mut self, name: &str) -> Option<String> {
        let text = self.value(name)?.string();
        if text.is_none() {
            self.refuse(name, "not-a-string", "must be a string");
        }
        text
    }

    pub(super) fn event_id(&mut self) -> Option<EventId> {
        let parsed = EventId::parse(&self.string("eventId")?);
        parsed.map_err(|e| self.refuse("eventId", "illegal-event-id", e.to_string())).ok()
    }

    pub(super) fn headers(&mut self) -> Headers {
        let at = format!("{}/headers", self.at);
        let parsed = self.value("headers").map(|raw| Headers::parse_own(raw, &at));
        parsed.and_then(|parsed| self.keep(parsed)).unwrap_or_default()
    }

    /// Returns the member `name`, which must be a string that `parse` takes where it is given.
    pub(super) fn noun<T>(
        &mut self,
        name: &str,
        parse: fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let parsed = parse(&self.string(name)?);
        parsed.map_err(|e| self.refuse(name, "illegal-value", e.to_string())).ok()
    }

    /// Returns the items of the member `name`, which must be a list of at most `items_max` strings
    /// that `parse` takes where it is given.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items_max: usize,
        parse: fn(&str) -> Result<T, Invalid>,
    ) -> Vec<T> {
        let Some(raw) = self.value(name) else { return Vec::new() };
        if raw.shape() != Shape::Array {
            self.refuse(name, "not-a-list", "must be a list of strings");
            return Vec::new();
        }
        let (mut items, mut illegal) = (Vec::new(), Vec::new());
        for (index, item) in raw.elements().take(items_max + 1).enumerate() {
            let item = item.string().ok_or_else(|| "must be a string".to_owned());
            match item.and_then(|text| parse(&text).map_err(|error| error.to_string())) {
                Ok(item) => items.push(item),
                Err(why) => illegal.push((index, why)),
            }
        }
        if items.len() + illegal.len() > items_max {
            self.refuse(name, "too-many", format!("must have at most {items_max} items"));
            return Vec::new();
        }
        for (index, why) in illegal {
            self.refuse(&format!("{name}/{index}"), "illegal-value", why);
        }
        items
    }

    /// Returns the member `name`, which must be `true` or `false` where it is given.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.value(name).map(Raw::as_str) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.refuse(name, "not-a-boolean", "must be true or false");
                false
            }
        }
    }

    /// Returns the member `name`, which must be a whole number of that range where it is given.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(name)?;
        let number = whole(value.as_str()).filter(|number| range.contains(number));
        if number.is_none() {
            let quotes = if value.shape() == Shape::String { ", without quotes" } else { "" };
            let (first, last) = range.into_inner();
            let rule = format!("must be a whole number from {first} to {last}{quotes}");
            self.refuse(name, "illegal-number", rule);
        }
        number
    }

    /// Returns the member `name`, which must be a position, at least `first`, where it is given.
    pub(super) fn position(&mut self, name: &str, first: u64) -> Option<Position> {
        let number = self.number(name, first..=i64::MAX.cast_unsigned())?;
        Position::new(number).ok()
    }

    /// Returns the items of the member `name`, which must be a list of at most `items_max`
    /// positions where it is given.
    pub(super) fn positions(&mut self, name: &str, items_max: usize) -> Vec<Position> {
        let Some(raw) = self.value(name) else { return Vec::new() };
        if raw.shape() != Shape::Array {
            self.refuse(name, "not-a-list", "must be a list of positions");
            return Vec::new();
        }
        let items: Vec<_> = raw.elements().take(items_max + 1).collect();
        if items.len() > items_max {
            self.refuse(name, "too-many", format!("must have at most {items_max} items"));
            return Vec::new();
        }
        let mut positions = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match whole(item.as_str()).and_then(|number| Position::new(number).ok()) {
                Some(position) => positions.push(position),
                None => self.refuse(
                    &format!("{name}/{index}"),
                    "illegal-number",
                    "must be a position: a whole number",
                ),
            }
        }
        positions
    }

    /// Returns the member `reason`, which must be a legal one where it is given.
    pub(super) fn reason(&mut self) -> Option<String> {
        let reason = self.string("reason")?;
        match text::reason(&reason) {
            Ok(reason) => Some(reason),
            Err(invalid) => {
                self.refuse("reason", "illegal-reason", invalid.rule);
                None
            }
        }
    }

    /// Reads the member `name` by `read`; it must be an object of `known` members where it is
    /// given. Its violations are this object's, too.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        known: &[&'static str],
        read: impl FnOnce(&mut ObjectReader) -> T,
    ) -> Option<T> {
        let at = format!("{}/{name}", self.at);
        let parsed = ObjectReader::parse(self.value(name)?, known, &at);
        let mut object = self.keep(parsed)?;
        let read = read(&mut object);
        self.violations.extend(object.violations);
        Some(read)
    }
}

/// Returns the number that a JSON number is, if it is a whole one: `2e3` and `2000.0` are, too. Any
/// other text is none.
fn whole(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, integer) = integer.strip_prefix('-').map_or((1, integer), |rest| (0, rest));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_end_matches('0');
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = i32::try_from(digits.len() - significant.len()).ok()?;
    let scale = zeros.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(exponent)?;
    let power = 10_u64.checked_pow(u32::try_from(scale).ok()?)?;
    significant.parse::<u64>().ok()?.checked_mul(power).filter(|_| sign == 1)
}

/// Returns the words that name the members that an object may have.
fn spell(known: &[&str]) -> String {
    if known.is_empty() {
        "none is known".to_owned()
    } else {
        format!("known are {}", known.join(", "))
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

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e7", 0),
            ("7", 7),
            ("2201.0", 2_201),
            ("2e3", 2_000),
            ("2.5E+1", 25),
            ("1200e-2", 12),
            ("0.5e1", 5),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551615.000", u64::MAX),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in [
            "",
            "-1",
            "0.5",
            "1e-1",
            "125e-2",
            "18446744073709551616",
            "1e20",
            "1e99999999999",
            "1e2147483647",
            "-1e0",
            "x",
            "\"1\"",
            "true",
            "[1]",
            "1.5.0",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }
}

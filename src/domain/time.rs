//! Points in time, to the millisecond: the resolution of Kafka's records and of the wire forms.
//!
//! A time is read from a store's clock or from a query, and written into envelopes. It is always
//! UTC.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use super::Invalid;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The epoch itself.
    pub const ZERO: Time = Time(0);

    /// Makes a time of epoch milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Returns the epoch milliseconds.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Returns the time so many milliseconds later.
    pub const fn after(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns the time so many milliseconds earlier.
    pub const fn before(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Parses RFC 3339 text with an offset, such as `2026-01-31T12:00:00.250+01:00`. A fraction of
    /// a millisecond is rounded up, so that a `from` bound never includes an earlier event.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = "must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z";
        let time = DateTime::parse_from_rfc3339(text)
            .map_err(|_| Invalid::new("time", text, rule))?
            .with_timezone(&Utc);
        let finer = i64::from(time.timestamp_subsec_nanos() % 1_000_000 > 0);
        Ok(Self(time.timestamp_millis() + finer))
    }

    /// Parses the date of an HTTP header, such as `Fri, 06 Nov 2026 08:49:37 GMT`.
    pub fn parse_http_date(text: &str) -> Result<Self, Invalid> {
        let rule = "must be a date as HTTP has it, such as Fri, 06 Nov 2026 08:49:37 GMT";
        let time = DateTime::parse_from_rfc2822(text);
        let time = time.map_err(|_| Invalid::new("date", text, rule))?;
        Ok(Self(time.timestamp_millis()))
    }
}

impl fmt::Display for Time {
    /// Writes RFC 3339 in UTC with milliseconds and `Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn an_offset_is_turned_into_utc() {
        let time = Time::parse("2026-01-31T12:00:00.250+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-01-31T11:00:00.250Z");
    }

    #[test]
    fn a_time_without_offset_is_refused() {
        assert!(Time::parse("2026-01-31T12:00:00").is_err());
    }

    #[test]
    fn less_than_a_millisecond_rounds_up() {
        assert_eq!(Time::parse("1970-01-01T00:00:00.0001Z").unwrap().as_ms(), 1);
    }
}

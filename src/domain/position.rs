//! The place of an event: its tenant's log, and its position there.
//!
//! A store gives positions under the tenant's lock; `(LogId, Position)` names an event for ever.

use std::fmt;

use uuid::Uuid;

use super::Invalid;

/// The id of one incarnation of a tenant's log: new when the tenant is created, at purge and at
/// restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(Uuid);

impl LogId {
    /// Wraps a UUID that the clock's room made.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Parses hyphenated text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let id =
            Uuid::parse_str(text).map_err(|_| Invalid::new("log_id", text, "must be a UUID"))?;
        Ok(Self(id))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's number in its tenant's log: 1, 2, 3, …; 0 stands before the first event. It fits a
/// signed 64-bit column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// The position before the first event.
    pub const START: Position = Position(0);

    /// The greatest position.
    pub const MAX: Position = Position(i64::MAX.cast_unsigned());

    /// Makes a position of a number. A number above `i64::MAX` is refused, since no column holds
    /// it.
    pub fn new(number: u64) -> Result<Self, Invalid> {
        if i64::try_from(number).is_err() {
            let rule = "must be at most 9223372036854775807";
            return Err(Invalid::new("position", &number.to_string(), rule));
        }
        Ok(Self(number))
    }

    /// Parses decimal digits alone: no sign, no space.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = "must be a whole number from 0 to 9223372036854775807";
        let refused = || Invalid::new("position", text, rule);
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        Self::new(text.parse().map_err(|_| refused())?).map_err(|_| refused())
    }

    /// Reads a position from a store's column.
    pub const fn from_column(column: i64) -> Self {
        Self(column.unsigned_abs())
    }

    /// Returns the value for a store's column.
    pub const fn as_column(self) -> i64 {
        self.0.cast_signed()
    }

    /// Returns the number itself.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Returns the position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the position before this one, at least [`Position::START`].
    pub const fn before(self) -> Self {
        self.back(1)
    }

    /// Returns the position `distance` before this one, at least [`Position::START`].
    pub const fn back(self, distance: u64) -> Self {
        Self(self.0.saturating_sub(distance))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

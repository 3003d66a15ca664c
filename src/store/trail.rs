//! The port's `Trail`: who did what to what.
//!
//! An act of another role takes its entry along, and both are written in one transaction; an act
//! that is no single write of the store is noted here before it begins. Rows are never changed, and
//! don't hang on their tenant.

use async_trait::async_trait;

use super::Error;
use super::columns::Columns;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, Actor, TrailEntry, TrailPlace, TrailRow};

/// The rows of the trail that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrailScan {
    /// The tenant; `None` for all, and for what concerns none.
    pub tenant: Option<TenantId>,
    /// The act; `None` for all.
    pub act: Option<Act>,
    /// The earliest time.
    pub from: Option<Time>,
    /// The time before which rows must be.
    pub to: Option<Time>,
    /// The place of the last row that is not wanted.
    pub after: Option<TrailPlace>,
    /// The most rows.
    pub rows_max: usize,
}

impl TrailScan {
    /// Returns the earliest time, the time before which rows must be, and the place after which
    /// they are, as columns.
    pub(super) fn bounds(&self) -> (i64, i64, i64, &str) {
        let after = self.after.as_ref();
        (
            self.from.map_or(i64::MIN, Time::as_ms),
            self.to.map_or(i64::MAX, Time::as_ms),
            after.map_or(i64::MIN, |place| place.time.as_ms()),
            after.map_or("", |place| &place.word),
        )
    }

    /// Returns the number in the word of the place, for stores whose words are numbers.
    pub(super) fn after_number(&self) -> i64 {
        self.bounds().3.parse().unwrap_or(0)
    }
}

/// The trail.
#[async_trait]
pub trait Trail: Send + Sync {
    /// Writes a row.
    async fn add_trail(&self, entry: &TrailEntry) -> Result<(), Error>;

    /// Returns the first rows that are wanted, in order of their places.
    async fn trail(&self, scan: &TrailScan) -> Result<Vec<TrailRow>, Error>;

    /// Removes rows from before a time, the oldest first and at most `max`; returns their number.
    async fn drop_trail(&self, before: Time, max: usize) -> Result<u64, Error>;
}

/// Reads a row of the trail.
pub(super) fn trail_row(row: &(impl Columns + ?Sized)) -> Result<TrailRow, Error> {
    let text = |name| Ok::<_, Error>(row.text_if_any(name)?.map(str::to_owned));
    let tenant = match row.text_if_any("tenant")? {
        Some(_) => Some(row.tenant()?),
        None => None,
    };
    let actor = Actor {
        who: row.text("who")?.to_owned(),
        issuer: text("issuer")?,
        request_id: text("request_id")?,
    };
    Ok(TrailRow {
        place: TrailPlace { time: row.time()?, word: row.text("word")?.to_owned() },
        actor,
        act: row.text("act")?.to_owned(),
        tenant,
        object: row.text("object")?.to_owned(),
        reason: text("reason")?,
    })
}

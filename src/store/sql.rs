//! Columns turned into nouns, for all SQL adapters, and statements by the names of their files.
//!
//! Between an adapter's rows and `domain`; speaks no database's dialect. A row that can't be read
//! is named.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;

use super::append::snapshot::IdempotencyRecord;
use super::event_counts::{EventCounts, ParkedCounts};
use super::{EnabledTenant, Error, Head, Lag, LaneLease, LogLedger, Receipt};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::follower::Cursor;
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// The text of a statement, by its file's path under `sql`.
macro_rules! sql {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $path))
    };
}

/// A row's columns, by name, as every adapter's statements give them: numbers of 64 bits, log ids
/// as hyphenated text, event ids as 16 bytes.
pub(super) trait Columns {
    /// A number.
    fn integer(&self, name: &str) -> Result<i64, Error>;
    /// A number, or null.
    fn integer_if_any(&self, name: &str) -> Result<Option<i64>, Error>;
    /// Text.
    fn text(&self, name: &str) -> Result<&str, Error>;
    /// Text, or null.
    fn text_if_any(&self, name: &str) -> Result<Option<&str>, Error>;
    /// Bytes.
    fn bytes(&self, name: &str) -> Result<&[u8], Error>;
}

/// A column's text, turned into a noun by `parse`.
fn noun<T, E: Display>(
    row: &impl Columns,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Error> {
    parse(row.text(name)?).map_err(|e| Error::Corrupt(format!("column {name}: {e}")))
}

/// The column `tenant`.
pub(super) fn tenant(row: &impl Columns) -> Result<TenantId, Error> {
    noun(row, "tenant", TenantId::parse)
}

/// The column `log_id`.
pub(super) fn log_id(row: &impl Columns) -> Result<LogId, Error> {
    noun(row, "log_id", LogId::parse)
}

/// The column `topic`.
pub(super) fn topic(row: &impl Columns) -> Result<Topic, Error> {
    noun(row, "topic", Topic::parse)
}

/// The column `lane`.
pub(super) fn lane(row: &impl Columns) -> Result<Lane, Error> {
    let number = row.integer("lane")?;
    u16::try_from(number)
        .map(Lane::new)
        .map_err(|_| Error::Corrupt(format!("there is no lane {number}")))
}

/// The column `lanes`: how many there are.
pub(super) fn lanes(row: &impl Columns) -> Result<u16, Error> {
    let lanes = row.integer("lanes")?;
    u16::try_from(lanes).map_err(|_| Error::Corrupt(format!("table leases: {lanes} lanes")))
}

/// The column `tenants`: how many are enabled.
pub(super) fn tenants(row: &impl Columns) -> Result<usize, Error> {
    let tenants = row.integer("tenants")?;
    usize::try_from(tenants).map_err(|_| Error::Corrupt(format!("table tenants: {tenants} rows")))
}

/// A lane's lease; nobody's holder is an empty name.
pub(super) fn lease(row: &impl Columns) -> Result<LaneLease, Error> {
    let holder = Some(row.text("holder")?.to_owned()).filter(|holder| !holder.is_empty());
    Ok(LaneLease { lane: lane(row)?, holder, term: row.integer("term")?.unsigned_abs() })
}

/// The column `replica`.
pub(super) fn replica(row: &impl Columns) -> Result<String, Error> {
    row.text("replica").map(str::to_owned)
}

/// The column `position`.
pub(super) fn position(row: &impl Columns) -> Result<Position, Error> {
    Ok(Position::from_column(row.integer("position")?))
}

/// The column `time_ms`.
pub(super) fn time(row: &impl Columns) -> Result<Time, Error> {
    Ok(Time::from_ms(row.integer("time_ms")?))
}

/// The column `event_id`.
pub(super) fn event_id(row: &impl Columns) -> Result<EventId, Error> {
    EventId::from_bytes(row.bytes("event_id")?)
        .ok_or_else(|| Error::Corrupt("column event_id: must have 16 bytes".to_owned()))
}

/// A head's columns.
pub(super) fn head(row: &impl Columns) -> Result<Head, Error> {
    Ok(Head {
        tenant: tenant(row)?,
        log_id: log_id(row)?,
        lane: lane(row)?,
        position: position(row)?,
        time: time(row)?,
    })
}

/// An enabled tenant's columns.
pub(super) fn enabled(row: &impl Columns) -> Result<EnabledTenant, Error> {
    Ok(EnabledTenant {
        tenant: tenant(row)?,
        log_id: log_id(row)?,
        lane: lane(row)?,
        head: position(row)?,
    })
}

/// A cursor's columns.
pub(super) fn cursor(row: &impl Columns) -> Result<Cursor, Error> {
    Ok(Cursor { log_id: log_id(row)?, position: position(row)?, event_id: event_id(row)? })
}

/// An idempotency row's columns.
pub(super) fn idempotency_record(
    row: &impl Columns,
) -> Result<(TenantId, EventId, IdempotencyRecord), Error> {
    let (tenant, event_id) = (tenant(row)?, event_id(row)?);
    let receipt = Receipt { position: position(row)?, time: time(row)? };
    let fingerprint = row.bytes("fingerprint")?.try_into().map_err(|_| {
        Error::Corrupt(format!(
            "table idempotency, tenant `{tenant}`, event {event_id}: no fingerprint"
        ))
    })?;
    Ok((tenant, event_id, IdempotencyRecord { receipt, fingerprint }))
}

/// The columns of the event counts, at that time.
pub(super) fn event_counts(row: &impl Columns, now: Time) -> Result<EventCounts, Error> {
    let count = |name| row.integer(name).map(i64::unsigned_abs);
    let parked_counts = ParkedCounts {
        parked: count("parked")?,
        superseded: count("superseded")?,
        discarded: count("discarded")?,
        scopes: count("scopes")?,
    };
    let oldest = oldest(row, now)?;
    Ok(EventCounts::new(count("head")?, count("relayed_to")?, parked_counts, oldest))
}

/// The columns of a follower's lag, at that time.
pub(super) fn lag(row: &impl Columns, now: Time) -> Result<Lag, Error> {
    Ok(Lag { events: row.integer("events")?.unsigned_abs(), oldest: oldest(row, now)? })
}

/// The time that the oldest of some events has waited.
fn oldest(row: &impl Columns, now: Time) -> Result<Duration, Error> {
    let waits_ms = row.integer_if_any("oldest_ms")?.map_or(0, |oldest_ms| now.as_ms() - oldest_ms);
    Ok(Duration::from_millis(u64::try_from(waits_ms).unwrap_or_default()))
}

/// The columns of a parked scope.
pub(super) fn parked(row: &impl Columns) -> Result<Parked, Error> {
    let corrupt = |what: &str| Error::Corrupt(format!("table parked: unknown {what}"));
    let ended = row.integer_if_any("ended")?.map(Position::from_column);
    let requested = row.text_if_any("requested")?;
    let requested = requested
        .map(|word| Request::from_column(word).ok_or_else(|| corrupt(word)))
        .transpose()?;
    let key = row.text_if_any("key")?.map(Key::parse).transpose();
    Ok(Parked {
        event_id: event_id(row)?,
        tenant: tenant(row)?,
        log_id: log_id(row)?,
        position: position(row)?,
        topic: topic(row)?,
        key: key.map_err(|e| Error::Corrupt(format!("column key: {e}")))?,
        cause: row.text("cause")?.to_owned(),
        time: time(row)?,
        state: State::from_columns(row.text("state")?, ended).ok_or_else(|| corrupt("state"))?,
        released_to: Position::from_column(row.integer("released_to")?),
        counted_to: Position::from_column(row.integer("counted_to")?),
        events: row.integer("events")?.unsigned_abs(),
        requested,
        reason: row.text_if_any("reason")?.map(str::to_owned),
        ledger: transition(row)?,
    })
}

/// The columns of a log's ledger.
pub(super) fn ledger(row: &impl Columns) -> Result<LogLedger, Error> {
    let open = row.integer("open")?.unsigned_abs();
    Ok(LogLedger { tenant: tenant(row)?, log_id: log_id(row)?, number: transition(row)?, open })
}

/// The column `ledger`: the number of a parking transition.
pub(super) fn transition(row: &impl Columns) -> Result<u64, Error> {
    Ok(row.integer("ledger")?.unsigned_abs())
}

/// An event's columns; the tenant is the one that was asked for.
pub(super) fn envelope(
    row: &impl Columns,
    tenant: &TenantId,
    log_id: LogId,
) -> Result<Envelope, Error> {
    let position = position(row)?;
    let named = |e| match e {
        Error::Corrupt(why) => {
            Error::Corrupt(format!("table events, tenant `{tenant}`, position {position}: {why}"))
        }
        e => e,
    };
    event(row, tenant, log_id, position).map_err(named)
}

fn event(
    row: &impl Columns,
    tenant: &TenantId,
    log_id: LogId,
    position: Position,
) -> Result<Envelope, Error> {
    Ok(Envelope {
        log_id,
        tenant: tenant.clone(),
        position,
        time: time(row)?,
        last_delete_all: row.integer_if_any("last_delete_all")?.map(Position::from_column),
        event_id: event_id(row)?,
        topic: topic(row)?,
        key: noun(row, "key", Key::parse)?,
        event_type: EventType::from_column(row.text("type")?),
        headers: noun(row, "headers", Headers::from_column)?,
        payload: Bytes::copy_from_slice(row.bytes("payload")?),
    })
}

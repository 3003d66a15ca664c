//! Rows: documents built of nouns, and their fields turned into nouns.
//!
//! Between this adapter's calls and `domain`. A row that can't be read is named.

use std::fmt::Display;
use std::time::Duration;

use ::mongodb::Collection;
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{
    Binary, Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, cstr, doc, rawdoc,
};
use bytes::Bytes;

use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::follower::Cursor;
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{Error, Head};

/// Documents that are read field by field.
pub(super) type Rows = Collection<RawDocumentBuf>;

/// An event id as BSON.
pub(super) fn uuid(event_id: EventId) -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: event_id.as_bytes().to_vec() }
}

/// Bytes as BSON.
pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// The id of an event's row.
pub(super) fn place(tenant: &TenantId, position: Position) -> Document {
    doc! { "tenant": tenant.as_str(), "position": position.as_column() }
}

/// The fields that tell where a cursor stands.
pub(super) fn stands(cursor: &Cursor) -> Document {
    let Cursor { log_id, position, event_id } = cursor;
    doc! {
        "log_id": log_id.to_string(),
        "position": position.as_column(),
        "event_id": uuid(*event_id),
    }
}

/// An event's row.
pub(super) fn event(event: &Envelope) -> RawDocumentBuf {
    let mut row = rawdoc! {
        "_id": { "tenant": event.tenant.as_str(), "position": event.position.as_column() },
        "event_id": uuid(event.event_id),
        "topic": event.topic.as_str(),
        "key": event.key.as_str(),
        "type": event.event_type.as_str(),
        "time_ms": event.time.as_ms(),
        "headers": event.headers.as_column(),
        "payload": binary(&event.payload),
    };
    if let Some(epoch) = event.last_delete_all {
        row.append(cstr!("last_delete_all"), epoch.as_column());
    }
    row
}

/// Milliseconds that a date can be moved by.
pub(super) fn ms(duration: Duration) -> i64 {
    // A hundred years: more would leave the range of dates.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(100 * 366 * 86_400_000)
}

/// A field's value.
pub(super) fn field<'r>(row: &'r RawDocument, name: &str) -> Result<RawBsonRef<'r>, Error> {
    let found = row.get(name).map_err(|e| Error::Corrupt(format!("field {name}: {e}")))?;
    found.ok_or_else(|| Error::Corrupt(format!("field {name}: is missing")))
}

/// The same, to be sent back.
pub(super) fn owned(value: RawBsonRef<'_>) -> Result<Bson, Error> {
    Bson::try_from(value).map_err(|e| Error::Corrupt(e.to_string()))
}

fn of_type<'r, T>(
    row: &'r RawDocument,
    name: &str,
    turn: impl FnOnce(RawBsonRef<'r>) -> Option<T>,
) -> Result<T, Error> {
    turn(field(row, name)?)
        .ok_or_else(|| Error::Corrupt(format!("field {name}: is of another type")))
}

/// A field's text.
pub(super) fn text<'r>(row: &'r RawDocument, name: &str) -> Result<&'r str, Error> {
    of_type(row, name, RawBsonRef::as_str)
}

/// A field's text, unless it is null or missing.
pub(super) fn text_if_any<'r>(row: &'r RawDocument, name: &str) -> Result<Option<&'r str>, Error> {
    if is_null(row, name) { Ok(None) } else { text(row, name).map(Some) }
}

/// A field's whole number, unless it is null or missing.
pub(super) fn number_if_any(row: &RawDocument, name: &str) -> Result<Option<i64>, Error> {
    if is_null(row, name) { Ok(None) } else { number(row, name).map(Some) }
}

fn is_null(row: &RawDocument, name: &str) -> bool {
    matches!(row.get(name), Ok(None | Some(RawBsonRef::Null)))
}

/// A field's date.
pub(super) fn date(row: &RawDocument, name: &str) -> Result<Time, Error> {
    of_type(row, name, RawBsonRef::as_datetime).map(|date| Time::from_ms(date.timestamp_millis()))
}

/// A field's whole number.
pub(super) fn number(row: &RawDocument, name: &str) -> Result<i64, Error> {
    of_type(row, name, |value| value.as_i64().or_else(|| value.as_i32().map(i64::from)))
}

/// A field's bytes.
pub(super) fn bytes<'r>(row: &'r RawDocument, name: &str) -> Result<&'r [u8], Error> {
    of_type(row, name, |value| value.as_binary().map(|binary| binary.bytes))
}

/// A field's own fields.
pub(super) fn document<'r>(row: &'r RawDocument, name: &str) -> Result<&'r RawDocument, Error> {
    of_type(row, name, RawBsonRef::as_document)
}

/// A field's rows.
pub(super) fn documents<'r>(
    row: &'r RawDocument,
    name: &str,
) -> Result<Vec<&'r RawDocument>, Error> {
    of_type(row, name, |rows| {
        rows.as_array()?.into_iter().map(|row| row.ok()?.as_document()).collect()
    })
}

/// A field's text, turned into a noun by `parse`.
pub(super) fn noun<T, E: Display>(
    row: &RawDocument,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Error> {
    parse(text(row, name)?).map_err(|e| Error::Corrupt(format!("field {name}: {e}")))
}

/// The `_id` of a row that is a tenant's only one.
pub(super) fn tenant(row: &RawDocument) -> Result<TenantId, Error> {
    noun(row, "_id", TenantId::parse)
}

/// The field `log_id`.
pub(super) fn log_id(row: &RawDocument) -> Result<LogId, Error> {
    noun(row, "log_id", LogId::parse)
}

/// A field's lane.
pub(super) fn lane(row: &RawDocument, name: &str) -> Result<Lane, Error> {
    let number = number(row, name)?;
    u16::try_from(number)
        .map(Lane::new)
        .map_err(|_| Error::Corrupt(format!("there is no lane {number}")))
}

/// The field `position`.
pub(super) fn position(row: &RawDocument) -> Result<Position, Error> {
    Ok(Position::from_column(number(row, "position")?))
}

/// The field `time_ms`.
pub(super) fn time(row: &RawDocument) -> Result<Time, Error> {
    Ok(Time::from_ms(number(row, "time_ms")?))
}

/// The field `event_id`.
pub(super) fn event_id(row: &RawDocument) -> Result<EventId, Error> {
    EventId::from_bytes(bytes(row, "event_id")?)
        .ok_or_else(|| Error::Corrupt("field event_id: must have 16 bytes".to_owned()))
}

/// A head's fields.
pub(super) fn head(row: &RawDocument) -> Result<Head, Error> {
    Ok(Head {
        tenant: tenant(row)?,
        log_id: log_id(row)?,
        lane: lane(row, "lane")?,
        position: position(row)?,
        time: time(row)?,
    })
}

/// A cursor's fields.
pub(super) fn cursor(row: &RawDocument) -> Result<Cursor, Error> {
    Ok(Cursor { log_id: log_id(row)?, position: position(row)?, event_id: event_id(row)? })
}

/// An event's fields; the tenant is the one that was asked for.
pub(super) fn envelope(
    row: &RawDocument,
    tenant: &TenantId,
    log_id: LogId,
) -> Result<Envelope, Error> {
    let position = position(document(row, "_id")?)?;
    let named = |e| match e {
        Error::Corrupt(why) => Error::Corrupt(format!(
            "collection events, tenant `{tenant}`, position {position}: {why}"
        )),
        e => e,
    };
    fields(row, tenant, log_id, position).map_err(named)
}

fn fields(
    row: &RawDocument,
    tenant: &TenantId,
    log_id: LogId,
    position: Position,
) -> Result<Envelope, Error> {
    let epoch = number_if_any(row, "last_delete_all")?;
    Ok(Envelope {
        log_id,
        tenant: tenant.clone(),
        position,
        time: time(row)?,
        last_delete_all: epoch.map(Position::from_column),
        event_id: event_id(row)?,
        topic: noun(row, "topic", Topic::parse)?,
        key: noun(row, "key", Key::parse)?,
        event_type: EventType::from_column(text(row, "type")?),
        headers: noun(row, "headers", Headers::from_column)?,
        payload: Bytes::copy_from_slice(bytes(row, "payload")?),
    })
}

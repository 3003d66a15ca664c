//! Rows: builds documents of the domain's nouns, and reads their fields as columns.
//!
//! The calls of this adapter use it, and `store::columns` parses the columns.

use std::time::Duration;

use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::Error;
use crate::store::columns::{Columns, unreadable};
use ::mongodb::Collection;
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{
    Binary, Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, cstr, doc, rawdoc,
};

/// The columns that an `_id` may be which is no document.
const IDS: [&str; 4] = ["tenant", "lane", "replica", "node"];

/// A collection of documents that are read field by field.
pub(super) type Rows = Collection<RawDocumentBuf>;

/// Returns an event id as BSON.
pub(super) fn uuid(event_id: EventId) -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: event_id.as_bytes().to_vec() }
}

/// Returns bytes as BSON.
pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// Returns the id of an event's row.
pub(super) fn place(tenant: &TenantId, position: Position) -> Document {
    doc! { "tenant": tenant.as_str(), "position": position.as_column() }
}

/// Returns the fields of a cursor.
pub(super) fn stands(cursor: &Cursor) -> Document {
    let Cursor { log_id, position, event_id, time } = cursor;
    doc! {
        "log_id": log_id.to_string(),
        "position": position.as_column(),
        "event_id": uuid(*event_id),
        "time_ms": time.as_ms(),
    }
}

/// Returns an event's row.
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

/// Returns the milliseconds by which a date can be moved.
pub(super) fn ms(duration: Duration) -> i64 {
    // The limit is a hundred years: more would leave the range of dates.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(100 * 366 * 86_400_000)
}

/// Returns a field's value.
pub(super) fn field<'r>(row: &'r RawDocument, name: &str) -> Result<RawBsonRef<'r>, Error> {
    field_if_any(row, name)?.ok_or_else(|| unreadable(name, "is missing"))
}

/// Returns a value that can be sent to the server.
pub(super) fn owned(value: RawBsonRef<'_>) -> Result<Bson, Error> {
    Bson::try_from(value).map_err(|e| Error::Corrupt(e.to_string()))
}

/// Returns a field's date.
pub(super) fn date(row: &RawDocument, name: &str) -> Result<Time, Error> {
    let date = of_type(name, field(row, name)?, RawBsonRef::as_datetime)?;
    Ok(Time::from_ms(date.timestamp_millis()))
}

/// Returns a field's rows.
pub(super) fn documents<'r>(
    row: &'r RawDocument,
    name: &str,
) -> Result<Vec<&'r RawDocument>, Error> {
    of_type(name, field(row, name)?, |rows| {
        rows.as_array()?.into_iter().map(|row| row.ok()?.as_document()).collect()
    })
}

impl Columns for RawDocument {
    fn integer(&self, name: &str) -> Result<i64, Error> {
        of_type(name, column(self, name)?, integer)
    }

    fn integer_if_any(&self, name: &str) -> Result<Option<i64>, Error> {
        column_if_any(self, name)?.map(|value| of_type(name, value, integer)).transpose()
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        of_type(name, column(self, name)?, RawBsonRef::as_str)
    }

    fn text_if_any(&self, name: &str) -> Result<Option<&str>, Error> {
        column_if_any(self, name)?.map(|value| of_type(name, value, RawBsonRef::as_str)).transpose()
    }

    fn bytes(&self, name: &str) -> Result<&[u8], Error> {
        of_type(name, column(self, name)?, |value| value.as_binary().map(|binary| binary.bytes))
    }
}

/// A column's value.
fn column<'r>(row: &'r RawDocument, name: &str) -> Result<RawBsonRef<'r>, Error> {
    column_if_any(row, name)?.ok_or_else(|| unreadable(name, "is missing"))
}

/// A column's value, unless it is null or missing: the field of that name, or else that of the
/// `_id`, or the `_id` itself.
fn column_if_any<'r>(row: &'r RawDocument, name: &str) -> Result<Option<RawBsonRef<'r>>, Error> {
    let found = match field_if_any(row, name)? {
        None => match field_if_any(row, "_id")? {
            Some(RawBsonRef::Document(id)) => field_if_any(id, name)?,
            id => id.filter(|_| IDS.contains(&name)),
        },
        found => found,
    };
    Ok(found.filter(|value| *value != RawBsonRef::Null))
}

fn field_if_any<'r>(row: &'r RawDocument, name: &str) -> Result<Option<RawBsonRef<'r>>, Error> {
    row.get(name).map_err(|error| unreadable(name, error))
}

fn of_type<'r, T>(
    name: &str,
    value: RawBsonRef<'r>,
    turn: impl FnOnce(RawBsonRef<'r>) -> Option<T>,
) -> Result<T, Error> {
    turn(value).ok_or_else(|| unreadable(name, "is of another type"))
}

fn integer(value: RawBsonRef<'_>) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::{RawDocumentBuf, rawdoc};

    use crate::store::Error;
    use crate::store::columns::Columns;

    #[test]
    fn a_column_is_a_field_or_one_of_the_id_or_the_id() {
        let parked: RawDocumentBuf =
            rawdoc! { "_id": { "tenant": "diku", "position": 7_i64 }, "lane": 3, "key": null };
        assert_eq!(parked.tenant().unwrap().as_str(), "diku");
        assert_eq!((parked.integer("position").unwrap(), parked.integer("lane").unwrap()), (7, 3));
        assert_eq!(
            (parked.text_if_any("key").unwrap(), parked.text_if_any("_").unwrap()),
            (None, None)
        );
        let tenant = rawdoc! { "_id": "diku", "lane": 3, "position": "7" };
        assert_eq!(tenant.tenant().unwrap().as_str(), "diku");
        assert_eq!(rawdoc! { "_id": 3 }.lane().unwrap().number(), 3);
        for (wrong, named) in [("position", "another type"), ("log_id", "is missing")] {
            let Err(Error::Corrupt(why)) = tenant.integer(wrong) else { panic!("{wrong}") };
            assert!(why.contains(wrong) && why.contains(named), "{why}");
        }
    }
}

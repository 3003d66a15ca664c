//! Entries: the positions of the documents of compacted topics, by which a newer event is told from
//! an older one.
//!
//! `page_write` reads and writes them in its transaction. hexkit writes its documents whole, so it
//! would drop a position that stood there. A topic's last DELETE_ALL has an entry besides that of
//! its document, so that no event before it comes back.

use ::mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc, rawdoc};
use uuid::Uuid;

use super::document::binary;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::position::{LogId, Position};

/// A document's collection and id.
pub(super) type Key = (String, String);

/// The event that a document was last written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tenant: String,
    pub(super) log_id: LogId,
    pub(super) position: Position,
    pub(super) event_id: EventId,
}

impl Entry {
    pub(super) fn of(event: &Envelope) -> Self {
        let Envelope { tenant, log_id, position, event_id, .. } = event;
        let tenant = tenant.as_str().to_owned();
        Self { tenant, log_id: *log_id, position: *position, event_id: *event_id }
    }

    /// Reads an entry's row, with its document's key; `None` if it is unreadable.
    pub(super) fn read(row: &RawDocument) -> Option<(Key, Self)> {
        let id = row.get_document("_id").ok()?;
        let key =
            (id.get_str("collection").ok()?.to_owned(), id.get_str("document").ok()?.to_owned());
        let entry = Self {
            tenant: row.get_str("tenant").ok()?.to_owned(),
            log_id: LogId::parse(row.get_str("log_id").ok()?).ok()?,
            position: Position::from_column(row.get_i64("position").ok()?),
            event_id: EventId::from_bytes(row.get_binary("event_id").ok()?.bytes)?,
        };
        Some((key, entry))
    }

    /// Returns the entry's row, which replaces the one that the document has.
    pub(super) fn row(&self, key: &Key, topic: &str) -> RawDocumentBuf {
        let Self { tenant, log_id, position, event_id } = self;
        rawdoc! {
            "_id": { "collection": key.0.as_str(), "document": key.1.as_str() },
            "tenant": tenant.as_str(),
            "topic": topic,
            "log_id": log_id.to_string(),
            "position": position.as_column(),
            "event_id": binary(Uuid::from_bytes(*event_id.as_bytes())),
        }
    }
}

/// Returns the id of a document's row.
pub(super) fn id(key: &Key) -> Document {
    doc! { "collection": key.0.as_str(), "document": key.1.as_str() }
}

/// Returns the key of the entry of a topic's last DELETE_ALL. No document has it, since a key has a
/// character at least.
pub(super) fn delete_all(collection: &str, event: &Envelope) -> Key {
    (collection.to_owned(), format!("{}:", event.topic))
}

/// Returns the filter for the entries that a DELETE_ALL has made void: those of its topic that lie
/// before it, or are of an earlier id of the log.
pub(super) fn before(collection: &str, event: &Envelope) -> Document {
    let log_id = event.log_id.to_string();
    doc! {
        "_id.collection": collection,
        "tenant": event.tenant.as_str(),
        "topic": event.topic.as_str(),
        "$or": [
            { "log_id": &log_id, "position": { "$lt": event.position.as_column() } },
            { "log_id": { "$ne": &log_id } },
        ],
    }
}

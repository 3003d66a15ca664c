//! The JSON of a receipt.
//!
//! `submit` passes in the receipts that `intake` built. Each is written straight into the answer.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::domain::event::EventType;
use crate::domain::position::LogId;
use crate::follow::published::PublishedUpTo;
use crate::intake::{Posted, Receipt};

/// A receipt, and whether its event is published.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
pub(super) struct ReceiptView<'a> {
    #[schema(value_type = String, format = "uuid")]
    event_id: Text<'a>,
    topic: &'a str,
    key: &'a str,
    r#type: &'a str,
    position: u64,
    #[schema(value_type = String, format = DateTime)]
    time: Text<'a>,
    /// `null` if nothing publishes to a broker.
    #[schema(required)]
    published: Option<bool>,
}

impl<'a> ReceiptView<'a> {
    pub(super) fn new(receipt: &'a Receipt, log_id: LogId, up_to: &PublishedUpTo) -> Self {
        let Receipt { event_id, topic, key, event_type, position, time } = receipt;
        Self {
            event_id: Text(event_id),
            topic: topic.as_str(),
            key: key.as_str(),
            r#type: event_type.as_str(),
            position: position.number(),
            time: Text(time),
            published: match event_type {
                EventType::DeleteAllExpanded => up_to.covers_expansion(log_id, *position),
                _ => up_to.covers(log_id, topic, key, *position),
            },
        }
    }
}

/// All receipts of a batch, in order.
pub(super) struct ReceiptViews<'a> {
    pub(super) posted: &'a Posted,
    pub(super) up_to: &'a PublishedUpTo,
}

impl Serialize for ReceiptViews<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Posted { receipts, log_id, .. } = self.posted;
        let view = |receipt| ReceiptView::new(receipt, *log_id, self.up_to);
        serializer.collect_seq(receipts.iter().map(view))
    }
}

/// A JSON string with the value's text.
struct Text<'a>(&'a dyn Display);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

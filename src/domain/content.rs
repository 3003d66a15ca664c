//! The content of an event, before it is sealed: what a module posted, or the gateway appends.
//!
//! Changes, process events and requests make it; `Draft::seal` writes it in its wire form.

use super::entity::{DeleteAllMode, EventName};
use super::json::Raw;
use super::states::States;
use super::wire_form::WireForm;

/// The content of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A record changed.
    Change {
        /// The record's states, old and new.
        states: States,
        /// The form in which it is written.
        wire_form: WireForm,
    },
    /// Every record of the topic was deleted.
    DeleteAll {
        /// The form in which it is written.
        wire_form: WireForm,
        /// How it is published.
        mode: DeleteAllMode,
    },
    /// The content of a record's earlier events was erased.
    Erased {
        /// The form in which it is written.
        wire_form: WireForm,
        /// Whether the topic keeps the last record of each key alone.
        is_compacted: bool,
    },
    /// An event that is not about one record.
    Process {
        /// The event's name.
        event: EventName,
        /// The payload.
        payload: Raw,
        /// The form in which it is written.
        wire_form: WireForm,
    },
}

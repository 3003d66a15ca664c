//! Expansions of DELETE_ALLs: how far the request at a position is carried out, and the DELETE that
//! it makes of a record.
//!
//! The store keeps expansions; `follow::expansion` carries them out, and `published` asks whether
//! one is complete.

use std::sync::Arc;

use bytes::Bytes;

use super::draft::{Content, Draft, Origin};
use super::envelope::Envelope;
use super::headers::Headers;
use super::json::Raw;
use super::position::Position;
use super::states::States;
use super::subject::Subject;
use super::topic::Topic;
use super::wire_form::WireForm;

/// How far a DELETE_ALL that is expanded is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The topic.
    pub topic: Topic,
    /// The position of the request.
    pub request: Position,
    /// The position up to which every key whose last event stood there has its DELETE.
    pub walked_to: Position,
    /// The position of the last DELETE; that of the request if there is none.
    pub last: Position,
}

impl Expansion {
    /// Returns whether every DELETE is in the log.
    pub fn is_complete(&self) -> bool {
        self.walked_to >= self.request
    }
}

/// Makes the DELETE of a record whose last event stands before the request. It has the request's
/// headers, and an id that is derived from the request's and the key.
pub fn delete(request: &Envelope, last: &Envelope, wire_form: WireForm) -> Draft {
    // A form or an erasure may leave nothing of the state but its key.
    let id_alone = || {
        let id = serde_json::json!({ "id": last.key.as_str() }).to_string();
        Raw::parse(&Bytes::from(id)).expect("it was just written")
    };
    let old = wire_form.new_state(&last.payload).unwrap_or_else(id_alone);
    let derived = request.event_id.derived(last.key.as_str());
    let event_id = if wire_form.wants_random_ids() { derived.as_random() } else { derived };
    Draft {
        event_id,
        subject: Subject::new("event-gateway", "delete-all"),
        topic: last.topic.clone(),
        key: last.key.clone(),
        content: Content::Change { states: States::Delete { old }, wire_form },
        own_headers: Headers::default(),
        origin: Origin {
            tenant: request.tenant.clone(),
            headers: Arc::new(request.headers.clone()),
        },
        act: None,
    }
}

//! Problems: the only place that makes answers of errors.
//!
//! Fed by every file of this room; feeds clients with RFC 9457's `application/problem+json` that
//! carries FOLIO's `errors` too. The exhaustive match gives each problem one permanent id.

mod answer;

use std::error::Error;
use std::fmt::Display;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::domain::Invalid;
use crate::domain::event::EventId;
use crate::domain::json::SyntaxError;
use crate::domain::parked::State;
use crate::domain::position::Position;
use crate::domain::settings::Unknown;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::violation::Violation;
use crate::store;

/// What can be wrong; the message is the answer's detail.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("x-okapi-tenant header must be provided")]
    MissingTenant,
    #[error("{0}")]
    BadTenant(Invalid),
    #[error("header `{name}` {rule}")]
    BadHeader { name: &'static str, rule: &'static str },
    #[error("path segment `{segment}` {rule}")]
    BadPath { segment: String, rule: &'static str },
    #[error("query parameter `{parameter}`: {why}")]
    BadQuery { parameter: String, why: String },
    #[error("{place}{error}")]
    Syntax { pointer: Option<String>, place: String, error: SyntaxError },
    #[error("the body broke off: {why}")]
    BodyBroken { why: String },
    #[error("{why}")]
    BadRequest { why: String },
    #[error("the head of a request has at most 64 KiB and 96 headers")]
    HeadTooLarge,
    #[error("the head of the request did not arrive in time")]
    HeadTimeout,
    #[error("too many connections are open")]
    ConnectionsFull,
    #[error("no such route")]
    NotFound,
    #[error("`{}` is not a known entity of this tenant; known are {}", clip(&.0.asked), some(&.0.known))]
    UnknownEntity(Unknown),
    #[error("`{}` is not a known process event of this tenant; known are {}", clip(&.0.asked), some(&.0.known))]
    UnknownProcessEvent(Unknown),
    #[error("tenant `{0}` is not enabled")]
    TenantNotEnabled(TenantId),
    #[error("the tenant's log has no event `{0}`")]
    UnknownEvent(EventId),
    #[error("the tenant has nothing parked of the id `{0}`")]
    UnknownParked(EventId),
    #[error(
        "`{id}` is {state}: only what is parked, and not asked for yet, can be released or \
         discarded"
    )]
    NotParked { id: EventId, state: State },
    #[error("the topic `{topic}` is parked as a whole: release it first")]
    TopicParked { topic: Topic },
    #[error("publishing is stopped for this tenant: {why}")]
    RelayStopped { why: String },
    #[error("this route takes {allow}")]
    MethodNotAllowed { allow: &'static str },
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("{}the event id stands {} with other content", at(pointer), place(*position))]
    EventIdConflict { pointer: String, position: Position },
    #[error("a body has at most {bytes_max} bytes")]
    BodyTooLarge { bytes_max: usize },
    #[error("a batch has at most {changes_max} changes")]
    BatchTooLarge { changes_max: usize },
    #[error("{}a record has at most {bytes_max} bytes, headers and frame included", at(pointer))]
    RecordTooLarge { pointer: String, bytes_max: usize },
    #[error("accepted is {accepted}, JSON in UTF-8")]
    UnsupportedMediaType { accepted: &'static str },
    #[error("a batch has at least one change")]
    EmptyBatch,
    /// Never empty.
    #[error("{}{}", at(&_0[0].pointer), _0[0].message)]
    Illegal(Vec<Violation>),
    #[error("too many changes of this tenant wait for the store")]
    TenantQueueFull,
    #[error("too many changes wait for the store")]
    QueueFull,
    #[error("too many bodies of this tenant are in flight")]
    TenantBodiesFull,
    #[error("too many bodies are in flight")]
    BodiesFull,
    #[error("too many reads of this tenant's log wait")]
    TenantReadsFull,
    #[error("too many reads of the log wait")]
    ReadsFull,
    #[error("the store is unavailable; nothing was written")]
    StoreUnavailable(#[source] store::Error),
    #[error(
        "the store did not say whether it committed; retry with the same eventId in each change"
    )]
    OutcomeUnknown { event_ids: Vec<EventId>, source: store::Error },
    #[error("the store takes changes, but not these, and will not if they come again; nothing was \
             written: {}", .0.why())]
    Unstorable(#[source] store::Error),
    #[error("the store refused")]
    Internal(#[source] store::Error),
}

impl Problem {
    /// A path segment that breaks its rule.
    pub(super) fn bad_path(segment: &str, rule: &'static str) -> Self {
        Self::BadPath { segment: segment.to_owned(), rule }
    }

    /// Bytes that are no JSON text; `place` says where they stand, for a reader.
    pub(super) fn syntax(pointer: Option<String>, place: String, error: SyntaxError) -> Self {
        Self::Syntax { pointer, place, error }
    }

    /// The permanent id: the problem's type, and FOLIO's code.
    pub(super) fn code(&self) -> &'static str {
        self.metadata().0
    }

    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        self.metadata().1
    }

    /// Permanent id, status, title.
    fn metadata(&self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MissingTenant => ("missing-tenant", S::BAD_REQUEST, "No tenant"),
            Self::BadTenant(_) => ("bad-tenant", S::BAD_REQUEST, "Illegal tenant"),
            Self::BadHeader { .. } => ("bad-header", S::BAD_REQUEST, "Illegal header"),
            Self::BadPath { .. } => ("bad-path", S::BAD_REQUEST, "Illegal path"),
            Self::BadQuery { .. } => ("bad-query", S::BAD_REQUEST, "Illegal query"),
            Self::Syntax { error: SyntaxError::Utf8(_), .. } => {
                ("invalid-utf8", S::BAD_REQUEST, "Not UTF-8")
            }
            Self::Syntax { error: SyntaxError::Json(_), .. } => {
                ("invalid-json", S::BAD_REQUEST, "Not JSON")
            }
            Self::BodyBroken { .. } => ("body-broken", S::BAD_REQUEST, "Broken body"),
            Self::BadRequest { .. } => ("bad-request", S::BAD_REQUEST, "Malformed request"),
            Self::HeadTooLarge => {
                ("head-too-large", S::REQUEST_HEADER_FIELDS_TOO_LARGE, "Head too large")
            }
            Self::HeadTimeout => ("head-timeout", S::REQUEST_TIMEOUT, "Head too slow"),
            Self::ConnectionsFull => {
                ("connections-full", S::SERVICE_UNAVAILABLE, "Too many connections")
            }
            Self::NotFound => ("not-found", S::NOT_FOUND, "Not found"),
            Self::UnknownEntity(_) => ("unknown-entity", S::NOT_FOUND, "Unknown entity"),
            Self::UnknownProcessEvent(_) => {
                ("unknown-process-event", S::NOT_FOUND, "Unknown process event")
            }
            Self::TenantNotEnabled(_) => ("tenant-not-enabled", S::NOT_FOUND, "Tenant not enabled"),
            Self::UnknownEvent(_) => ("unknown-event", S::NOT_FOUND, "Unknown event"),
            Self::UnknownParked(_) => ("unknown-parked", S::NOT_FOUND, "Nothing parked"),
            Self::NotParked { .. } => ("not-parked", S::CONFLICT, "Not parked"),
            Self::TopicParked { .. } => ("topic-parked", S::CONFLICT, "Topic parked"),
            Self::RelayStopped { .. } => ("relay-stopped", S::CONFLICT, "Publishing is stopped"),
            Self::MethodNotAllowed { .. } => {
                ("method-not-allowed", S::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::BodyTimeout => ("body-timeout", S::REQUEST_TIMEOUT, "Body too slow"),
            Self::EventIdConflict { .. } => ("event-id-conflict", S::CONFLICT, "Event id in use"),
            Self::BodyTooLarge { .. } => ("body-too-large", S::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::BatchTooLarge { .. } => {
                ("batch-too-large", S::PAYLOAD_TOO_LARGE, "Batch too large")
            }
            Self::RecordTooLarge { .. } => {
                ("record-too-large", S::PAYLOAD_TOO_LARGE, "Record too large")
            }
            Self::UnsupportedMediaType { .. } => {
                ("unsupported-media-type", S::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::EmptyBatch => ("empty-batch", S::UNPROCESSABLE_ENTITY, "Empty batch"),
            Self::Illegal(all) => (shared_code(all), S::UNPROCESSABLE_ENTITY, "Illegal change"),
            Self::TenantQueueFull => {
                ("tenant-queue-full", S::TOO_MANY_REQUESTS, "Tenant's queue full")
            }
            Self::QueueFull => ("queue-full", S::SERVICE_UNAVAILABLE, "Queue full"),
            Self::TenantBodiesFull => {
                ("tenant-bodies-full", S::TOO_MANY_REQUESTS, "Too many bodies of the tenant")
            }
            Self::BodiesFull => ("bodies-full", S::SERVICE_UNAVAILABLE, "Too many bodies"),
            Self::TenantReadsFull => {
                ("tenant-reads-full", S::TOO_MANY_REQUESTS, "Too many reads of the tenant")
            }
            Self::ReadsFull => ("reads-full", S::SERVICE_UNAVAILABLE, "Too many reads"),
            Self::StoreUnavailable(_) => {
                ("store-unavailable", S::SERVICE_UNAVAILABLE, "Store unavailable")
            }
            Self::OutcomeUnknown { .. } => {
                ("outcome-unknown", S::SERVICE_UNAVAILABLE, "Outcome unknown")
            }
            Self::Unstorable(_) => ("unstorable", S::INTERNAL_SERVER_ERROR, "Not storable"),
            Self::Internal(_) => ("internal", S::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }
}

/// The code that all violations have; `illegal-change` when they differ.
fn shared_code(all: &[Violation]) -> &'static str {
    match all {
        [first, rest @ ..] if rest.iter().all(|v| v.code == first.code) => first.code,
        _ => "illegal-change",
    }
}

impl Problem {
    /// What the store said, for the log; an answer doesn't tell it.
    pub(super) fn cause(&self) -> String {
        self.source().map(ToString::to_string).unwrap_or_default()
    }
}

impl From<store::Error> for Problem {
    /// Of a read, where nothing can have been written.
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) | store::Error::Unknown(_) | store::Error::Gone(_) => {
                Self::StoreUnavailable(error)
            }
            store::Error::Refused(_) | store::Error::Corrupt(_) => Self::Internal(error),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        answer::answer(self)
    }
}

/// So much of a text as an answer shows.
fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 2048;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn some(names: &[String]) -> impl Display {
    match names {
        [] => "none".to_owned(),
        names => names.iter().take(answer::LISTED_MAX).cloned().collect::<Vec<_>>().join(", "),
    }
}

/// Which part of the body is meant, in front of what is wrong with it.
fn at(pointer: &str) -> String {
    match pointer {
        "" => "the body: ".to_owned(),
        pointer => format!("{pointer}: "),
    }
}

/// Where the other content of an event id stands.
fn place(position: Position) -> String {
    match position {
        Position::START => "elsewhere in this batch".to_owned(),
        position => format!("in the log at position {position}"),
    }
}

//! The errors that a client may get.
//!
//! Every file of this room makes them. `kind` has the kinds, each with its permanent id and status,
//! `metadata` says of which kind a problem is, and `answer` writes it as RFC 9457's
//! `application/problem+json`, with FOLIO's `errors` in it.

mod answer;
pub(super) mod kind;
mod metadata;

use std::error::Error;

use crate::access::Denied;
use crate::domain::Invalid;
use crate::domain::conflict::With;
use crate::domain::erasure::ErasureId;
use crate::domain::event::EventId;
use crate::domain::floors::Gap;
use crate::domain::json::SyntaxError;
use crate::domain::parked::State;
use crate::domain::replay::ReplayId;
use crate::domain::settings::Unknown;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::TenantJobId;
use crate::domain::topic::Topic;
use crate::domain::violation::Violation;
use crate::follow::replay::submit::NotSubmitted;
use crate::follow::tenant_jobs;
use crate::http::limit_headers;
use crate::quota::Exceeded;
use crate::store;
use crate::subscribe;

pub(super) use answer::Body as ProblemBody;

/// The most names that one message lists.
const LISTED_MAX: usize = 100;

/// An error; its message is the answer's detail.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("x-okapi-tenant header must be provided")]
    MissingTenant,
    #[error("{0}")]
    BadTenant(Invalid),
    #[error("{0}")]
    Denied(#[from] Denied),
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
    #[error("{}", unknown("entity", .0))]
    UnknownEntity(Unknown),
    #[error("{}", unknown("process event", .0))]
    UnknownProcessEvent(Unknown),
    #[error("tenant `{0}` is not enabled")]
    TenantNotEnabled(TenantId),
    /// Never an error of the store.
    #[error("{0}")]
    TenantJobRefused(tenant_jobs::NotSubmitted),
    #[error("the tenant's log has no event `{0}`: it was never posted, or was removed since")]
    UnknownEvent(EventId),
    #[error(
        "some events of the topic `{}` from position {} to {} were removed from the log: go on with \
         gaps=skip, which leaves out nothing that the log has, or with after={}, from where on \
         nothing is missing",
        .0.topic, .0.from, .0.to, .0.to
    )]
    Removed(Gap),
    #[error(
        "the log no longer has all events of the topic `{}` from position {} to {}: let \
         positions.from be {}, or leave it out to replay what the log has",
        .0.topic, .0.from, .0.to, .0.to.next()
    )]
    ReplayRemoved(Gap),
    #[error("the tenant has no parked scope with the id `{0}`")]
    UnknownParked(EventId),
    #[error(
        "`{id}` is {state}: only a scope that is parked, and has no request yet, can be released \
         or discarded"
    )]
    NotParked { id: EventId, state: State },
    #[error("the topic `{topic}` is parked as a whole: release it first")]
    TopicParked { topic: Topic },
    #[error("the tenant has no replay `{0}`")]
    UnknownReplay(ReplayId),
    #[error("the tenant has no job `{0}`: it was never submitted, or was removed since")]
    UnknownTenantJob(TenantJobId),
    #[error("there is no erasure {0}")]
    UnknownErasure(ErasureId),
    #[error("the replay `{id}` is {status}: only one that is in progress or paused can be changed")]
    ReplayEnded { id: ReplayId, status: &'static str },
    #[error(
        "the replay `{id}` sends events to {topic} that may have the same keys: wait until it has \
         ended, cancel it, or name other keys"
    )]
    ReplaysOverlap { id: ReplayId, topic: Topic },
    #[error("{}", NotSubmitted::NoBroker)]
    NoBroker,
    #[error("the broker is unavailable: {why}")]
    BrokerUnavailable { why: String },
    #[error("publishing is stopped for this tenant: {why}")]
    RelayStopped { why: String },
    /// Never an error of the store.
    #[error("{0}")]
    Subscription(subscribe::Error),
    #[error("too many readers of this tenant's subscriptions are open")]
    TenantSubscribersFull,
    #[error("too many readers of subscriptions are open")]
    SubscribersFull,
    #[error("this route takes {allow}")]
    MethodNotAllowed { allow: &'static str },
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("{}the event id is {with} already, with other content", at(pointer))]
    EventIdConflict { pointer: String, with: With },
    #[error("a body has at most {bytes_max} bytes")]
    BodyTooLarge { bytes_max: usize },
    #[error("a batch has at most {changes_max} changes")]
    BatchTooLarge { changes_max: usize },
    #[error("{}a record has at most {bytes_max} bytes, headers and frame included", at(pointer))]
    RecordTooLarge { pointer: String, bytes_max: usize },
    #[error("the content type must be {accepted}, JSON in UTF-8")]
    UnsupportedMediaType { accepted: &'static str },
    #[error("the body must not be compressed: send it without Content-Encoding")]
    CompressedBody,
    #[error("a batch has at least one change")]
    EmptyBatch,
    /// Violations by posted events; never empty.
    #[error("{}{}", at(&_0[0].pointer), _0[0].message)]
    Illegal(Vec<Violation>),
    /// Violations by a request for something else; never empty.
    #[error("{}{}", at(&_0[0].pointer), _0[0].message)]
    IllegalRequest(Vec<Violation>),
    #[error(
        "the tenant has used up its quota of {}: nothing was taken; send it again in {} s",
        limit_headers::said(_0), _0.wait_seconds()
    )]
    QuotaExceeded(Exceeded),
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
    #[error(
        "the gateway is stopping, and had no answer in time; whether it does what was asked is \
         unknown: ask again, a change with the same eventId"
    )]
    Stopping,
    #[error("the store is unavailable; nothing was written")]
    StoreUnavailable(#[source] store::Error),
    #[error(
        "the store did not say whether it committed; retry with the same eventId in each change"
    )]
    OutcomeUnknown { event_ids: Vec<EventId>, source: store::Error },
    #[error("the store takes other changes, but not these, and will refuse them again; nothing was \
             written: {}", .0.why())]
    Unstorable(#[source] store::Error),
    #[error("the store failed")]
    Internal(#[source] store::Error),
}

impl Problem {
    /// Returns the problem of a path segment that breaks a rule.
    pub(super) fn bad_path(segment: &str, rule: &'static str) -> Self {
        Self::BadPath { segment: segment.to_owned(), rule }
    }

    /// Returns the problem of bytes that are not JSON text. `place` says in plain words where they
    /// are.
    pub(super) fn syntax(pointer: Option<String>, place: String, error: SyntaxError) -> Self {
        Self::Syntax { pointer, place, error }
    }

    /// Returns the store's error, for the log; no answer shows it.
    pub(super) fn cause(&self) -> String {
        self.source().map(ToString::to_string).unwrap_or_default()
    }
}

impl From<store::Error> for Problem {
    /// Converts the error of a request that writes nothing.
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) | store::Error::Unknown(_) | store::Error::Gone(_) => {
                Self::StoreUnavailable(error)
            }
            store::Error::Refused(_) | store::Error::Corrupt(_) => Self::Internal(error),
        }
    }
}

/// Cuts a text to the length that an answer may show.
fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 2048;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn unknown(what: &str, name: &Unknown) -> String {
    let known = match &name.known[..] {
        [] => "none".to_owned(),
        names => names.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", "),
    };
    format!("`{}` is not a known {what} of this tenant; known are {known}", clip(&name.asked))
}

/// Returns the words that name a part of the body, to stand in front of a message about it.
fn at(pointer: &str) -> String {
    match pointer {
        "" => "the body: ".to_owned(),
        pointer => format!("{pointer}: "),
    }
}

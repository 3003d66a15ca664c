//! The permanent id, the status and the title of each problem.
//!
//! `answer` reads it, and so does `observe`, which counts problems by id. The match is exhaustive,
//! so every problem has an id; an id never changes.

use actix_web::http::StatusCode as S;

use super::Problem;
use super::Problem as P;
use crate::domain::json::SyntaxError;
use crate::domain::violation::Violation;
use crate::follow::tenant_jobs::NotSubmitted;
use crate::http::subscriptions;

const BAD: S = S::BAD_REQUEST;
const NOT_FOUND: S = S::NOT_FOUND;
const NOT_ALLOWED: S = S::METHOD_NOT_ALLOWED;
const TOO_LARGE: S = S::PAYLOAD_TOO_LARGE;
const UNSUPPORTED: S = S::UNSUPPORTED_MEDIA_TYPE;
const ILLEGAL: S = S::UNPROCESSABLE_ENTITY;
const TOO_MANY: S = S::TOO_MANY_REQUESTS;
const INTERNAL: S = S::INTERNAL_SERVER_ERROR;
const UNAVAILABLE: S = S::SERVICE_UNAVAILABLE;

/// The parts of a problem that are the same in every answer.
pub(in crate::http) struct ProblemMetadata {
    /// The problem's type, and FOLIO's code.
    pub(in crate::http) code: &'static str,
    /// The answer's status.
    pub(in crate::http) status: S,
    /// The answer's title.
    pub(in crate::http) title: &'static str,
}

impl Problem {
    /// Returns the problem's id, status and title.
    pub(in crate::http) fn metadata(&self) -> ProblemMetadata {
        let (code, status, title) = metadata(self);
        ProblemMetadata { code, status, title }
    }
}

#[allow(clippy::too_many_lines, reason = "it is a table, with a line for each problem")]
fn metadata(problem: &Problem) -> (&'static str, S, &'static str) {
    match problem {
        P::MissingTenant => ("missing-tenant", BAD, "No tenant"),
        P::BadTenant(_) => ("bad-tenant", BAD, "Illegal tenant"),
        P::Denied(denied) => denied.metadata(),
        P::BadHeader { .. } => ("bad-header", BAD, "Illegal header"),
        P::BadPath { .. } => ("bad-path", BAD, "Illegal path"),
        P::BadQuery { .. } => ("bad-query", BAD, "Illegal query"),
        P::Syntax { error: SyntaxError::Utf8(_), .. } => ("invalid-utf8", BAD, "Not UTF-8"),
        P::Syntax { error: SyntaxError::Json(_), .. } => ("invalid-json", BAD, "Not JSON"),
        P::BodyBroken { .. } => ("body-broken", BAD, "Broken body"),
        P::BadRequest { .. } => ("bad-request", BAD, "Malformed request"),
        P::HeadTooLarge => ("head-too-large", S::REQUEST_HEADER_FIELDS_TOO_LARGE, "Head too large"),
        P::HeadTimeout => ("head-timeout", S::REQUEST_TIMEOUT, "Head too slow"),
        P::ConnectionsFull => ("connections-full", UNAVAILABLE, "Too many connections"),
        P::NotFound => ("not-found", NOT_FOUND, "Not found"),
        P::UnknownEntity(_) => ("unknown-entity", NOT_FOUND, "Unknown entity"),
        P::UnknownProcessEvent(_) => ("unknown-process-event", NOT_FOUND, "Unknown process event"),
        P::TenantNotEnabled(_) => ("tenant-not-enabled", NOT_FOUND, "Tenant not enabled"),
        P::TenantJobRefused(refused) => of_tenant_job(refused),
        P::UnknownEvent(_) => ("unknown-event", NOT_FOUND, "Unknown event"),
        P::Removed(_) | P::ReplayRemoved(_) => ("events-removed", S::GONE, "Events removed"),
        P::UnknownParked(_) => ("unknown-parked", NOT_FOUND, "Nothing parked"),
        P::NotParked { .. } => ("not-parked", S::CONFLICT, "Not parked"),
        P::TopicParked { .. } => ("topic-parked", S::CONFLICT, "Topic parked"),
        P::UnknownReplay(_) => ("unknown-replay", NOT_FOUND, "Unknown replay"),
        P::UnknownTenantJob(_) => ("unknown-tenant-job", NOT_FOUND, "Unknown tenant job"),
        P::UnknownErasure(_) => ("unknown-erasure", NOT_FOUND, "Unknown erasure"),
        P::ReplayEnded { .. } => ("replay-ended", S::CONFLICT, "Replay has ended"),
        P::ReplaysOverlap { .. } => ("replays-overlap", S::CONFLICT, "Replays overlap"),
        P::NoBroker => ("no-broker", S::CONFLICT, "No broker"),
        P::BrokerUnavailable { .. } => ("broker-unavailable", UNAVAILABLE, "Broker unavailable"),
        P::RelayStopped { .. } => ("relay-stopped", S::CONFLICT, "Publishing is stopped"),
        P::MethodNotAllowed { .. } => ("method-not-allowed", NOT_ALLOWED, "Method not allowed"),
        P::BodyTimeout => ("body-timeout", S::REQUEST_TIMEOUT, "Body too slow"),
        P::EventIdConflict { .. } => ("event-id-conflict", S::CONFLICT, "Event id in use"),
        P::BodyTooLarge { .. } => ("body-too-large", TOO_LARGE, "Body too large"),
        P::BatchTooLarge { .. } => ("batch-too-large", TOO_LARGE, "Batch too large"),
        P::RecordTooLarge { .. } => ("record-too-large", TOO_LARGE, "Record too large"),
        P::UnsupportedMediaType { .. } | P::CompressedBody => {
            ("unsupported-media-type", UNSUPPORTED, "Unsupported media type")
        }
        P::EmptyBatch => ("empty-batch", ILLEGAL, "Empty batch"),
        P::Illegal(all) => (shared_code(all, "illegal-change"), ILLEGAL, "Illegal change"),
        P::IllegalRequest(all) => (shared_code(all, "illegal-request"), ILLEGAL, "Illegal request"),
        P::QuotaExceeded(_) => ("quota-exceeded", TOO_MANY, "Quota exceeded"),
        P::TenantQueueFull => ("tenant-queue-full", TOO_MANY, "Tenant's queue full"),
        P::QueueFull => ("queue-full", UNAVAILABLE, "Queue full"),
        P::TenantBodiesFull => ("tenant-bodies-full", TOO_MANY, "Too many bodies of the tenant"),
        P::BodiesFull => ("bodies-full", UNAVAILABLE, "Too many bodies"),
        P::TenantReadsFull => ("tenant-reads-full", TOO_MANY, "Too many reads of the tenant"),
        P::ReadsFull => ("reads-full", UNAVAILABLE, "Too many reads"),
        P::TenantSubscribersFull => {
            ("tenant-subscribers-full", TOO_MANY, "Too many readers of the tenant")
        }
        P::SubscribersFull => ("subscribers-full", UNAVAILABLE, "Too many readers"),
        P::Subscription(error) => subscriptions::metadata(error),
        P::Stopping => ("stopping", UNAVAILABLE, "Gateway is stopping"),
        P::StoreUnavailable(_) => ("store-unavailable", UNAVAILABLE, "Store unavailable"),
        P::OutcomeUnknown { .. } => ("outcome-unknown", UNAVAILABLE, "Outcome unknown"),
        P::Unstorable(_) => ("unstorable", INTERNAL, "Not storable"),
        P::Internal(_) => ("internal", INTERNAL, "Internal error"),
    }
}

fn of_tenant_job(refused: &NotSubmitted) -> (&'static str, S, &'static str) {
    match refused {
        NotSubmitted::Purging(_) => ("tenant-purging", S::CONFLICT, "Tenant is being purged"),
        NotSubmitted::TooManyJobs(_) => ("tenant-jobs-full", TOO_MANY, "Too many tenant jobs"),
        _ => ("purge-loses-events", S::CONFLICT, "Purge would lose events"),
    }
}

/// Returns the code that all violations have, or `mixed` if they differ.
fn shared_code(all: &[Violation], mixed: &'static str) -> &'static str {
    match all {
        [first, rest @ ..] if rest.iter().all(|v| v.code == first.code) => first.code,
        _ => mixed,
    }
}

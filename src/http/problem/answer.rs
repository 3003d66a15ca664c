//! Writes a problem as an HTTP answer: RFC 9457's members, and FOLIO's `errors` besides.
//!
//! Every text in an answer is bounded, whatever was posted.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use super::{LISTED_MAX, Problem, clip};
use crate::domain::conflict::With;
use crate::domain::floors::Gap;
use crate::domain::violation::{self, Violation};
use crate::follow::tenant_jobs::NotSubmitted;
use crate::http::denied;
use crate::http::limit_headers;
use crate::http::missing::Missing;
use crate::http::subscriptions;
use crate::subscribe;

/// The seconds after which a client should retry a request that found no room or no store.
const RETRY_AFTER_SECS: u64 = 1;

/// A problem, for RFC 9457's clients and for FOLIO's.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(in crate::http) struct Body {
    /// The kind of problem: `/problems/` and a permanent id.
    #[schema(pattern = "^/problems/[a-z0-9-]+$")]
    r#type: String,
    title: &'static str,
    status: u16,
    /// The fault of this request.
    detail: String,
    /// The same for FOLIO's clients. If JSON was illegal, each illegal place of it.
    errors: Vec<Error>,
    total_records: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing: Option<Missing>,
    /// The quotas that are used up.
    #[serde(rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    violated_policies: Vec<&'static str>,
}

/// A problem in FOLIO's form.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
struct Error {
    message: String,
    r#type: &'static str,
    code: &'static str,
    parameters: Vec<Parameter>,
}

/// A value that a program can read without parsing the message.
#[derive(Serialize, ToSchema)]
#[schema(as = Parameter)]
struct Parameter {
    key: &'static str,
    value: String,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind().status()
    }

    fn error_response(&self) -> HttpResponse {
        answer(self)
    }
}

/// Builds the answer to a request that has this problem.
fn answer(problem: &Problem) -> HttpResponse {
    let (code, kind) = (problem.code(), problem.kind());
    let status = kind.status();
    let errors = errors(problem);
    let body = Body {
        r#type: format!("/problems/{code}"),
        title: kind.title(),
        status: status.as_u16(),
        detail: clip(&problem.to_string()),
        total_records: errors.len(),
        errors,
        missing: missing(problem),
        violated_policies: violated_policies(problem),
    };
    let json = serde_json::to_string(&body).expect("texts and numbers are JSON");
    let mut response = HttpResponse::build(status);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.insert_header((RETRY_AFTER, retry_after_seconds(problem)));
    }
    if let Problem::QuotaExceeded(exceeded) = problem {
        limit_headers::headers(&exceeded.limits).into_iter().for_each(|header| {
            response.insert_header(header);
        });
    }
    if let Problem::MethodNotAllowed { allow } = problem {
        response.insert_header((ALLOW, *allow));
    }
    if let Problem::Denied(denied) = problem
        && let Some(challenge) = denied::challenge(*denied)
    {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    if matches!(problem, Problem::BodyTimeout | Problem::Stopping) {
        response.force_close();
    }
    response.content_type("application/problem+json").body(json)
}

/// Returns the seconds after which the request may find room.
fn retry_after_seconds(problem: &Problem) -> u64 {
    match problem {
        Problem::QuotaExceeded(exceeded) => exceeded.wait_seconds().max(RETRY_AFTER_SECS),
        _ => RETRY_AFTER_SECS,
    }
}

/// Returns the policies of `RateLimit-Policy` that the request violates.
fn violated_policies(problem: &Problem) -> Vec<&'static str> {
    match problem {
        Problem::QuotaExceeded(exceeded) => {
            exceeded.used_up().map(|limit| limit.measure.name()).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the events that are missing, of a problem about removed events.
fn missing(problem: &Problem) -> Option<Missing> {
    match problem {
        Problem::Removed(gap)
        | Problem::ReplayRemoved(gap)
        | Problem::Subscription(subscribe::Error::Removed { gap, .. }) => Some(gap.into()),
        _ => None,
    }
}

fn errors(problem: &Problem) -> Vec<Error> {
    if let Problem::Illegal(violations) | Problem::IllegalRequest(violations) = problem {
        return violations.iter().take(violation::MAX).map(of_violation).collect();
    }
    let message = clip(&problem.to_string());
    vec![Error { message, r#type: "error", code: problem.code(), parameters: parameters(problem) }]
}

fn of_violation(violation: &Violation) -> Error {
    let parameters = vec![parameter("pointer", &violation.pointer)];
    Error { message: clip(&violation.message), r#type: "error", code: violation.code, parameters }
}

/// Returns the values of a message that a program can read without parsing it.
fn parameters(problem: &Problem) -> Vec<Parameter> {
    match problem {
        Problem::BadTenant(invalid) => vec![parameter("X-Okapi-Tenant", &invalid.value)],
        Problem::Denied(denied) => denied::parameter(*denied)
            .into_iter()
            .map(|(key, value)| parameter(key, value))
            .collect(),
        Problem::BadHeader { name, .. } => vec![parameter("header", name)],
        Problem::BadPath { segment, .. } => vec![parameter("segment", segment)],
        Problem::BadQuery { parameter: name, .. } => vec![parameter("parameter", name)],
        Problem::Syntax { pointer: Some(pointer), .. } => vec![parameter("pointer", pointer)],
        Problem::UnknownEntity(unknown) | Problem::UnknownProcessEvent(unknown) => {
            unknown.known.iter().take(LISTED_MAX).map(|name| parameter("known", name)).collect()
        }
        Problem::EventIdConflict { pointer, with } => {
            // 0 tells clients "in this batch", since no event of a log has that position.
            let position = match with {
                With::Logged(position) => position.number(),
                With::EarlierInBatch(_) => 0,
            };
            vec![parameter("pointer", pointer), parameter("position", &position.to_string())]
        }
        Problem::Removed(Gap { topic, from, to })
        | Problem::ReplayRemoved(Gap { topic, from, to }) => vec![
            parameter("topic", topic.as_str()),
            parameter("from", &from.to_string()),
            parameter("to", &to.to_string()),
            parameter("after", &to.to_string()),
        ],
        Problem::Subscription(error) => {
            let parameters = subscriptions::parameters(error).into_iter();
            parameters.take(LISTED_MAX).map(|(key, value)| parameter(key, &value)).collect()
        }
        Problem::BodyTooLarge { bytes_max } => vec![parameter("bytesMax", &bytes_max.to_string())],
        Problem::BatchTooLarge { changes_max } => {
            vec![parameter("changesMax", &changes_max.to_string())]
        }
        Problem::RecordTooLarge { pointer, bytes_max } => {
            vec![parameter("pointer", pointer), parameter("bytesMax", &bytes_max.to_string())]
        }
        Problem::TenantJobRefused(NotSubmitted::Loses { unpublished: loses, .. }) => vec![
            parameter("pending", &loses.pending.to_string()),
            parameter("parked", &loses.parked.to_string()),
        ],
        Problem::ReplaysOverlap { id, .. } => vec![parameter("replayId", &id.to_string())],
        Problem::OutcomeUnknown { event_ids, .. } => {
            event_ids.iter().map(|id| parameter("eventId", &id.to_string())).collect()
        }
        _ => Vec::new(),
    }
}

fn parameter(key: &'static str, value: &str) -> Parameter {
    Parameter { key, value: clip(value) }
}

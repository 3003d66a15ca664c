//! Problems of subscriptions: what `subscribe` refuses, as HTTP says it.
//!
//! The routes make problems of errors here; `http::problem` takes each one's permanent id and
//! parameters from here.

use actix_web::http::StatusCode;

use crate::domain::subscription::Refusal;
use crate::domain::tenant::TenantId;
use crate::http::problem::Problem;
use crate::subscribe::Error;

/// Returns the problem of a request that `subscribe` refuses.
pub(super) fn refused(error: Error, tenant: &TenantId) -> Problem {
    match error {
        Error::Store(error) => error.into(),
        Error::NotEnabled => Problem::TenantNotEnabled(tenant.clone()),
        error => Problem::Subscription(error),
    }
}

/// Returns the permanent id, the status and the title of a refusal.
pub(in crate::http) fn metadata(error: &Error) -> (&'static str, StatusCode, &'static str) {
    match error {
        Error::Unknown(_) => {
            ("unknown-subscription", StatusCode::NOT_FOUND, "Unknown subscription")
        }
        Error::TooMany => {
            ("too-many-subscriptions", StatusCode::CONFLICT, "Too many subscriptions")
        }
        Error::NotStored(_) => {
            ("topic-not-stored", StatusCode::UNPROCESSABLE_ENTITY, "Topic not stored")
        }
        Error::Removed { .. } => ("events-removed", StatusCode::GONE, "Events removed"),
        Error::Refused(Refusal::Held(_)) => {
            ("subscription-held", StatusCode::CONFLICT, "Another reader")
        }
        Error::Refused(Refusal::Fenced(_)) => {
            ("generation-ended", StatusCode::CONFLICT, "Generation ended")
        }
        Error::Refused(Refusal::NotDelivered { .. }) => {
            ("not-delivered", StatusCode::CONFLICT, "Not delivered")
        }
        Error::Store(_) | Error::NotEnabled => {
            ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
        }
    }
}

/// Returns the values of a refusal that a program can read without parsing its message.
pub(in crate::http) fn parameters(error: &Error) -> Vec<(&'static str, String)> {
    match error {
        Error::Unknown(group) => vec![("group", group.to_string())],
        Error::NotStored(topics) => topics.iter().map(|t| ("topic", t.to_string())).collect(),
        Error::Removed { gap, .. } => vec![
            ("topic", gap.topic.to_string()),
            ("from", gap.from.to_string()),
            ("to", gap.to.to_string()),
        ],
        Error::Refused(Refusal::Held(lease) | Refusal::Fenced(Some(lease))) => {
            vec![("reader", lease.reader.clone()), ("until", lease.expires.to_string())]
        }
        Error::Refused(Refusal::NotDelivered { scanned }) => {
            vec![("position", scanned.to_string())]
        }
        _ => Vec::new(),
    }
}

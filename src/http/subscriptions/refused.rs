//! Problems of subscriptions: what `subscribe` refuses, as HTTP says it.
//!
//! The routes make problems of errors here; `http::problem` takes each one's kind and parameters
//! from here.

use crate::domain::subscription::{Halt, Refusal};
use crate::domain::tenant::TenantId;
use crate::http::problem::Problem;
use crate::http::problem::kind::Kind;
use crate::subscribe::Error;

/// Returns the problem of a request that `subscribe` refuses.
pub(super) fn refused(error: Error, tenant: &TenantId) -> Problem {
    match error {
        Error::Store(error) => error.into(),
        Error::NotEnabled => Problem::TenantNotEnabled(tenant.clone()),
        error => Problem::Subscription(error),
    }
}

/// Returns the kind of problem that a refusal is.
pub(in crate::http) fn kind(error: &Error) -> Kind {
    match error {
        Error::Unknown(_) => Kind::UnknownSubscription,
        Error::TooMany => Kind::TooManySubscriptions,
        Error::NotStored(_) => Kind::TopicNotStored,
        Error::Removed { .. } => Kind::EventsRemoved,
        Error::Refused(Refusal::Held(_)) => Kind::SubscriptionHeld,
        Error::Refused(Refusal::Fenced(_)) => Kind::GenerationEnded,
        Error::Refused(Refusal::NotDelivered { .. }) => Kind::NotDelivered,
        Error::Refused(Refusal::Halted(_)) => Kind::SubscriptionHalted,
        Error::Refused(Refusal::HasHandler) | Error::HasProgram | Error::NotPaused => {
            Kind::HasHandler
        }
        Error::Refused(Refusal::NotStopped { .. }) => Kind::NotHaltedThere,
        Error::NoDeadLetter(_) => Kind::UnknownDeadLetter,
        Error::HasDeadLetters(_) => Kind::HasDeadLetters,
        Error::NoHandler => Kind::NoHandler,
        // Only the gateway's own workers add dead letters.
        Error::Store(_) | Error::NotEnabled | Error::TooManyDead => Kind::Internal,
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
        Error::Refused(Refusal::Halted(Halt { since, failed, .. })) => {
            let position = failed.map(|failed| ("position", failed.position.to_string()));
            [("since", since.to_string())].into_iter().chain(position).collect()
        }
        Error::Refused(Refusal::NotStopped { at: Some(at) }) => {
            vec![("position", at.to_string())]
        }
        Error::NoDeadLetter(position) => vec![("position", position.to_string())],
        Error::HasDeadLetters(count) => vec![("count", count.to_string())],
        _ => Vec::new(),
    }
}

//! The kind of each problem, and with it the permanent id.
//!
//! `answer` reads it, and so does `observe`, which counts problems by id. The match is exhaustive,
//! so every problem has a kind.

use super::Problem;
use super::Problem as P;
use super::kind::Kind;
use super::kind::Kind as K;
use crate::domain::json::SyntaxError;
use crate::domain::violation::Violation;
use crate::follow::tenant_jobs::NotSubmitted;
use crate::http::{denied, subscriptions};

impl Problem {
    /// Returns the problem's id: that of its kind, or the code that all its violations have.
    pub(in crate::http) fn code(&self) -> &'static str {
        let code = self.kind().code();
        match self {
            P::Illegal(all) | P::IllegalRequest(all) => shared_code(all, code),
            _ => code,
        }
    }

    /// Returns the problem's kind.
    pub(in crate::http) fn kind(&self) -> Kind {
        kind(self)
    }
}

#[allow(clippy::too_many_lines, reason = "it is a table, with a line for each problem")]
fn kind(problem: &Problem) -> Kind {
    match problem {
        P::MissingTenant => K::MissingTenant,
        P::BadTenant(_) => K::BadTenant,
        P::Denied(denied) => denied::kind(*denied),
        P::BadHeader { .. } => K::BadHeader,
        P::BadPath { .. } => K::BadPath,
        P::BadQuery { .. } => K::BadQuery,
        P::Syntax { error: SyntaxError::Utf8(_), .. } => K::InvalidUtf8,
        P::Syntax { error: SyntaxError::Json(_), .. } => K::InvalidJson,
        P::BodyBroken { .. } => K::BodyBroken,
        P::BadRequest { .. } => K::BadRequest,
        P::HeadTooLarge => K::HeadTooLarge,
        P::HeadTimeout => K::HeadTimeout,
        P::ConnectionsFull => K::ConnectionsFull,
        P::NotFound => K::NotFound,
        P::UnknownEntity(_) => K::UnknownEntity,
        P::UnknownProcessEvent(_) => K::UnknownProcessEvent,
        P::TenantNotEnabled(_) => K::TenantNotEnabled,
        P::TenantJobRefused(refused) => of_tenant_job(refused),
        P::UnknownEvent(_) => K::UnknownEvent,
        P::Removed(_) | P::ReplayRemoved(_) => K::EventsRemoved,
        P::UnknownParked(_) => K::UnknownParked,
        P::NotParked { .. } => K::NotParked,
        P::TopicParked { .. } => K::TopicParked,
        P::UnknownReplay(_) => K::UnknownReplay,
        P::UnknownTenantJob(_) => K::UnknownTenantJob,
        P::UnknownErasure(_) => K::UnknownErasure,
        P::ReplayEnded { .. } => K::ReplayEnded,
        P::ReplaysOverlap { .. } => K::ReplaysOverlap,
        P::NoBroker => K::NoBroker,
        P::BrokerUnavailable { .. } => K::BrokerUnavailable,
        P::RelayStopped { .. } => K::RelayStopped,
        P::MethodNotAllowed { .. } => K::MethodNotAllowed,
        P::BodyTimeout => K::BodyTimeout,
        P::EventIdConflict { .. } => K::EventIdConflict,
        P::BodyTooLarge { .. } => K::BodyTooLarge,
        P::BatchTooLarge { .. } => K::BatchTooLarge,
        P::RecordTooLarge { .. } => K::RecordTooLarge,
        P::UnsupportedMediaType { .. } | P::CompressedBody => K::UnsupportedMediaType,
        P::EmptyBatch => K::EmptyBatch,
        P::Illegal(_) => K::IllegalChange,
        P::IllegalRequest(_) => K::IllegalRequest,
        P::QuotaExceeded(_) => K::QuotaExceeded,
        P::TenantQueueFull => K::TenantQueueFull,
        P::QueueFull => K::QueueFull,
        P::TenantBodiesFull => K::TenantBodiesFull,
        P::BodiesFull => K::BodiesFull,
        P::TenantReadsFull => K::TenantReadsFull,
        P::ReadsFull => K::ReadsFull,
        P::TenantSubscribersFull => K::TenantSubscribersFull,
        P::SubscribersFull => K::SubscribersFull,
        P::Subscription(error) => subscriptions::kind(error),
        P::Stopping => K::Stopping,
        P::StoreUnavailable(_) => K::StoreUnavailable,
        P::OutcomeUnknown { .. } => K::OutcomeUnknown,
        P::Unstorable(_) => K::Unstorable,
        P::Internal(_) => K::Internal,
    }
}

fn of_tenant_job(refused: &NotSubmitted) -> Kind {
    match refused {
        NotSubmitted::Purging(_) => K::TenantPurging,
        NotSubmitted::TooManyJobs(_) => K::TenantJobsFull,
        _ => K::PurgeLosesEvents,
    }
}

/// Returns the code that all violations have, or `mixed` if they differ.
fn shared_code(all: &[Violation], mixed: &'static str) -> &'static str {
    match all {
        [first, rest @ ..] if rest.iter().all(|v| v.code == first.code) => first.code,
        _ => mixed,
    }
}

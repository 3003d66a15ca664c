//! The kinds of problems: each one's permanent id, its status and its title.
//!
//! `metadata` says which kind each problem is of; the document of the API lists the kinds. An id
//! never changes.

use actix_web::http::StatusCode as S;

const BAD: S = S::BAD_REQUEST;
const NO_TOKEN: S = S::UNAUTHORIZED;
const FORBIDDEN: S = S::FORBIDDEN;
const NOT_FOUND: S = S::NOT_FOUND;
const NOT_ALLOWED: S = S::METHOD_NOT_ALLOWED;
const TIMEOUT: S = S::REQUEST_TIMEOUT;
const CONFLICT: S = S::CONFLICT;
const GONE: S = S::GONE;
const TOO_LARGE: S = S::PAYLOAD_TOO_LARGE;
const HEAD_TOO_LARGE: S = S::REQUEST_HEADER_FIELDS_TOO_LARGE;
const UNSUPPORTED: S = S::UNSUPPORTED_MEDIA_TYPE;
const ILLEGAL: S = S::UNPROCESSABLE_ENTITY;
const TOO_MANY: S = S::TOO_MANY_REQUESTS;
const INTERNAL: S = S::INTERNAL_SERVER_ERROR;
const UNAVAILABLE: S = S::SERVICE_UNAVAILABLE;

macro_rules! kinds {
    ($($kind:ident $code:literal $status:ident $title:literal;)*) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(in crate::http) enum Kind {
            $(#[doc = concat!("`", $code, "`: ", $title, ".")] $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub(in crate::http) const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Returns the permanent id: the last part of the problem's type, and FOLIO's code.
            pub(in crate::http) const fn code(self) -> &'static str {
                match self { $(Kind::$kind => $code,)* }
            }

            /// Returns the answer's status.
            pub(in crate::http) const fn status(self) -> S {
                match self { $(Kind::$kind => $status,)* }
            }

            /// Returns the answer's title.
            pub(in crate::http) const fn title(self) -> &'static str {
                match self { $(Kind::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    MissingTenant "missing-tenant" BAD "No tenant";
    BadTenant "bad-tenant" BAD "Illegal tenant";
    NoToken "token-missing" NO_TOKEN "No token";
    TokenRefused "token-refused" NO_TOKEN "Token refused";
    KeysUnavailable "keys-unavailable" UNAVAILABLE "Issuer's keys unavailable";
    TenantMismatch "tenant-mismatch" FORBIDDEN "Another tenant's token";
    UserMismatch "user-mismatch" FORBIDDEN "Another user's token";
    PermissionMissing "permission-missing" FORBIDDEN "Permission missing";
    BadHeader "bad-header" BAD "Illegal header";
    BadPath "bad-path" BAD "Illegal path";
    BadQuery "bad-query" BAD "Illegal query";
    InvalidUtf8 "invalid-utf8" BAD "Not UTF-8";
    InvalidJson "invalid-json" BAD "Not JSON";
    BodyBroken "body-broken" BAD "Broken body";
    BadRequest "bad-request" BAD "Malformed request";
    HeadTooLarge "head-too-large" HEAD_TOO_LARGE "Head too large";
    HeadTimeout "head-timeout" TIMEOUT "Head too slow";
    ConnectionsFull "connections-full" UNAVAILABLE "Too many connections";
    NotFound "not-found" NOT_FOUND "Not found";
    UnknownEntity "unknown-entity" NOT_FOUND "Unknown entity";
    UnknownProcessEvent "unknown-process-event" NOT_FOUND "Unknown process event";
    TenantNotEnabled "tenant-not-enabled" NOT_FOUND "Tenant not enabled";
    TenantPurging "tenant-purging" CONFLICT "Tenant is being purged";
    TenantJobsFull "tenant-jobs-full" TOO_MANY "Too many tenant jobs";
    PurgeLosesEvents "purge-loses-events" CONFLICT "Purge would lose events";
    UnknownEvent "unknown-event" NOT_FOUND "Unknown event";
    EventsRemoved "events-removed" GONE "Events removed";
    UnknownParked "unknown-parked" NOT_FOUND "Nothing parked";
    NotParked "not-parked" CONFLICT "Not parked";
    TopicParked "topic-parked" CONFLICT "Topic parked";
    UnknownReplay "unknown-replay" NOT_FOUND "Unknown replay";
    UnknownTenantJob "unknown-tenant-job" NOT_FOUND "Unknown tenant job";
    UnknownErasure "unknown-erasure" NOT_FOUND "Unknown erasure";
    ReplayEnded "replay-ended" CONFLICT "Replay has ended";
    ReplaysOverlap "replays-overlap" CONFLICT "Replays overlap";
    NoBroker "no-broker" CONFLICT "No broker";
    BrokerUnavailable "broker-unavailable" UNAVAILABLE "Broker unavailable";
    RelayStopped "relay-stopped" CONFLICT "Publishing is stopped";
    MethodNotAllowed "method-not-allowed" NOT_ALLOWED "Method not allowed";
    BodyTimeout "body-timeout" TIMEOUT "Body too slow";
    EventIdConflict "event-id-conflict" CONFLICT "Event id in use";
    BodyTooLarge "body-too-large" TOO_LARGE "Body too large";
    BatchTooLarge "batch-too-large" TOO_LARGE "Batch too large";
    RecordTooLarge "record-too-large" TOO_LARGE "Record too large";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED "Unsupported media type";
    EmptyBatch "empty-batch" ILLEGAL "Empty batch";
    IllegalChange "illegal-change" ILLEGAL "Illegal change";
    IllegalRequest "illegal-request" ILLEGAL "Illegal request";
    QuotaExceeded "quota-exceeded" TOO_MANY "Quota exceeded";
    TenantQueueFull "tenant-queue-full" TOO_MANY "Tenant's queue full";
    QueueFull "queue-full" UNAVAILABLE "Queue full";
    TenantBodiesFull "tenant-bodies-full" TOO_MANY "Too many bodies of the tenant";
    BodiesFull "bodies-full" UNAVAILABLE "Too many bodies";
    TenantReadsFull "tenant-reads-full" TOO_MANY "Too many reads of the tenant";
    ReadsFull "reads-full" UNAVAILABLE "Too many reads";
    TenantSubscribersFull "tenant-subscribers-full" TOO_MANY "Too many readers of the tenant";
    SubscribersFull "subscribers-full" UNAVAILABLE "Too many readers";
    UnknownSubscription "unknown-subscription" NOT_FOUND "Unknown subscription";
    TooManySubscriptions "too-many-subscriptions" CONFLICT "Too many subscriptions";
    TopicNotStored "topic-not-stored" ILLEGAL "Topic not stored";
    SubscriptionHeld "subscription-held" CONFLICT "Another reader";
    SubscriptionHalted "subscription-halted" CONFLICT "Subscription halted";
    HasHandler "has-handler" CONFLICT "Group has a handler";
    NoHandler "no-handler" CONFLICT "Group has no handler";
    HasDeadLetters "has-dead-letters" CONFLICT "Group has dead letters";
    NotHaltedThere "not-halted-there" CONFLICT "Not halted there";
    UnknownDeadLetter "unknown-dead-letter" NOT_FOUND "Unknown dead letter";
    GenerationEnded "generation-ended" CONFLICT "Generation ended";
    NotDelivered "not-delivered" CONFLICT "Not delivered";
    Stopping "stopping" UNAVAILABLE "Gateway is stopping";
    StoreUnavailable "store-unavailable" UNAVAILABLE "Store unavailable";
    OutcomeUnknown "outcome-unknown" UNAVAILABLE "Outcome unknown";
    Unstorable "unstorable" INTERNAL "Not storable";
    Internal "internal" INTERNAL "Internal error";
}

/// Returns whether a problem of this type, as answers name it, promises that nothing was done.
pub fn did_nothing(problem_type: &str) -> bool {
    let code = problem_type.strip_prefix("/problems/");
    Kind::ALL.iter().any(|kind| Some(kind.code()) == code && kind.did_nothing())
}

impl Kind {
    /// Returns whether a problem of this kind names what is illegal in valid JSON. If all of that
    /// has one code, the problem has that code.
    pub(in crate::http) const fn is_illegal_json(self) -> bool {
        matches!(self, Self::IllegalChange | Self::IllegalRequest)
    }

    /// Returns whether a problem of this kind promises that nothing was done.
    const fn did_nothing(self) -> bool {
        !matches!(self, Self::Stopping | Self::OutcomeUnknown | Self::Internal)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Kind;
    use crate::domain::violation;

    #[test]
    fn each_kind_has_an_id_of_its_own_that_no_violation_has() {
        let ids: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(ids.len(), Kind::ALL.len());
        assert!(violation::CODES.iter().all(|code| !ids.contains(code)));
        let statuses = Kind::ALL.iter().map(|kind| kind.status());
        assert!(statuses.clone().all(|it| it.is_client_error() || it.is_server_error()));
    }
}

//! Answers: which of Kafka's errors says what.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::coordinator::Absent;
use super::group::Refusal;
use super::places::Kept;
use crate::domain::subscription;
use crate::store;
use crate::subscribe;

/// Returns a text as the protocol's crate has it.
pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// Returns the number of an error; 0 is none.
pub(super) fn code<T>(done: &Result<T, ResponseError>) -> i16 {
    done.as_ref().err().map_or(0, ResponseError::code)
}

/// Returns Kafka's name for the reason of a group's refusal.
pub(super) fn refused(refusal: Refusal) -> ResponseError {
    match refusal {
        Refusal::IllegalGeneration => ResponseError::IllegalGeneration,
        Refusal::InconsistentProtocol => ResponseError::InconsistentGroupProtocol,
        Refusal::UnknownMember => ResponseError::UnknownMemberId,
        Refusal::InvalidSession => ResponseError::InvalidSessionTimeout,
        Refusal::Rebalancing => ResponseError::RebalanceInProgress,
        Refusal::MemberIdRequired => ResponseError::MemberIdRequired,
        Refusal::Full => ResponseError::GroupMaxSizeReached,
        Refusal::TooMany => ResponseError::PolicyViolation,
        Refusal::Fenced => ResponseError::FencedInstanceId,
        Refusal::Unavailable => ResponseError::NotCoordinator,
    }
}

/// Returns the error of a read of a topic that failed; a client reads again.
pub(super) fn unread(error: &subscribe::Error) -> ResponseError {
    match error {
        subscribe::Error::NotEnabled => ResponseError::UnknownTopicOrPartition,
        _ => ResponseError::KafkaStorageError,
    }
}

/// Returns the error of a call of the store that failed; a client tries again.
pub(super) fn unavailable(error: &store::Error) -> ResponseError {
    tracing::debug!(%error, "the store failed a Kafka client's request");
    ResponseError::CoordinatorNotAvailable
}

/// Returns the error of a group that this replica does not have; a client asks who coordinates it.
pub(super) fn absent(absent: &Absent) -> ResponseError {
    match absent {
        Absent::Store(error) => unavailable(error),
        Absent::Elsewhere => ResponseError::NotCoordinator,
    }
}

/// Returns the error of places that were neither read nor moved.
pub(super) fn kept(kept: &Kept) -> ResponseError {
    match kept {
        Kept::Store(error) => unavailable(error),
        // The handler alone gets the events, however often a client asks.
        Kept::Refused(subscription::Refusal::HasHandler) => ResponseError::GroupAuthorizationFailed,
        Kept::Refused(why) => {
            // The client tries again until its group may read.
            tracing::debug!(?why, "a Kafka client's group must wait");
            ResponseError::CoordinatorLoadInProgress
        }
        Kept::NotEnabled => ResponseError::UnknownTopicOrPartition,
        Kept::Elsewhere => ResponseError::NotCoordinator,
    }
}

//! Kafka's and librdkafka's error codes, by what the gateway does about them.
//!
//! Fed by every call of this adapter; feeds the port's closed `Error`. What isn't known to be a
//! refusal is `Retry`: nothing is ever parked for an error that might pass.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::client_context::{Context, FIRST_QUESTION, Refused, Trouble};
use crate::domain::topic::Topic;
use crate::sink::{Error, UnavailableTopic};

/// What a code says about a record, from the one that decides most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Fenced,
    Denied,
    Topic,
    Away,
    Record,
    Early,
    Passing,
}

fn kind(code: Code) -> Kind {
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Kind::Fenced,
        Code::Authentication
        | Code::SSL
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::ClusterAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Kind::Denied,
        Code::TopicAuthorizationFailed | Code::InvalidTopic => Kind::Topic,
        // It was deleted, or is new and hasn't come round: whoever ensures it makes it anew. Or too
        // few brokers are there.
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::KafkaStorageError => Kind::Away,
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::PolicyViolation => Kind::Record,
        Code::InvalidTimestamp => Kind::Early,
        _ => Kind::Passing,
    }
}

/// Whether the cluster refuses the gateway itself.
pub(super) fn denies(code: Code) -> bool {
    kind(code) == Kind::Denied
}

/// The code of any error.
pub(super) fn code(error: &KafkaError) -> Code {
    match error {
        KafkaError::AdminOp(code) => *code,
        other => other.rdkafka_error_code().unwrap_or(Code::Unknown),
    }
}

/// Why a call failed that no topic and no record of a page can be blamed for. What the client told
/// meanwhile says more than "timed out".
pub(super) fn classify_call(call: &str, error: &KafkaError, watch: &Context) -> Error {
    let trouble = watch.trouble();
    let said = error.to_string();
    let why = match &trouble {
        Some(trouble) if !said.contains(&trouble.reason) => {
            format!("{call}: {said}: {}", trouble.reason)
        }
        _ => format!("{call}: {said}"),
    };
    match kind(code(error)) {
        Kind::Fenced => Error::Fenced(why),
        _ if trouble.as_ref().is_some_and(lacks_sasl) => {
            Error::Setting(without_sasl(trouble.as_ref()))
        }
        Kind::Denied => Error::Denied(why),
        _ => match trouble {
            Some(trouble) if denies(trouble.code) => Error::Denied(why),
            Some(trouble) if is_away(code(error)) && trouble.is_of_connection() => {
                Error::Retry(format!("no connection to Kafka: {}", who_answers(&trouble.reason)))
            }
            _ => Error::Retry(why),
        },
    }
}

/// Whether a call has failed for want of a connection, as far as it knows.
fn is_away(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
    )
}

/// Says besides what it means if the first question gets another answer than Kafka's, or none.
fn who_answers(reason: &str) -> String {
    if !reason.ends_with(&format!("({FIRST_QUESTION})")) {
        return reason.to_owned();
    }
    let address = address(reason);
    let tls = "speaks TLS where KAFKA_SECURITY_PROTOCOL has none";
    if reason.contains("Invalid response size") {
        return format!("what answers at {address} is no Kafka, or {tls}");
    }
    format!("what answers at {address} is no Kafka, or {tls}, or is stopping: {reason}")
}

/// Whether the listener takes no SASL, which librdkafka calls a failed authentication.
fn lacks_sasl(trouble: &Trouble) -> bool {
    denies(trouble.code) && trouble.reason.contains("not valid in current SASL state")
}

fn without_sasl(trouble: Option<&Trouble>) -> String {
    let at = trouble.map(|trouble| address(&trouble.reason)).unwrap_or_default();
    format!(
        "KAFKA_SECURITY_PROTOCOL asks for SASL, and the listener at {at} has no SASL: set it to \
         PLAINTEXT or SSL, or have KAFKA_HOST and KAFKA_PORT name a listener that has"
    )
}

/// The address before one of librdkafka's reasons: `sasl_ssl://host:port/bootstrap: why`.
fn address(reason: &str) -> &str {
    let name = reason.split('/').find(|part| !part.is_empty() && !part.ends_with(':'));
    name.unwrap_or(reason)
}

/// Why a topic was refused that was asked for by name.
pub(super) fn classify_topic(call: &str, topic: &Topic, code: Code) -> Error {
    match code {
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::PolicyViolation => Error::Topic(topic.clone(), format!("{call}: {code}")),
        _ => Error::Retry(format!("{call} {topic}: {code}")),
    }
}

/// Why a page failed. `whole` is what the transaction as a whole says, `topics` are the page's:
/// librdkafka blames the innocent records of a batch too, and purges a page without a reason.
pub(super) fn classify_page(refused: &[Refused], whole: Option<Code>, topics: &[&Topic]) -> Error {
    let named = refused.iter().map(|r| (kind(r.code), r.code, Some(r.topic.as_str())));
    let all = named.chain(whole.map(|code| (kind(code), code, None)));
    let Some((kind, code, blamed)) = all.min_by_key(|(kind, ..)| *kind) else {
        return Error::Retry("a page failed for no reason that librdkafka tells".to_owned());
    };
    let topic = topics.iter().find(|topic| Some(topic.as_str()) == blamed);
    let why =
        format!("publish{}: {code}", blamed.map(|name| format!(" to {name}")).unwrap_or_default());
    match kind {
        Kind::Fenced => Error::Fenced(why),
        Kind::Denied => Error::Denied(why),
        Kind::Record => Error::Isolate(why),
        Kind::Topic => match (topic, topics) {
            (Some(topic), _) => Error::Topic((*topic).clone(), why),
            // Named, but none of the page's: the cursors topic.
            (None, _) if blamed.is_some() => of_cursors(code, why),
            (None, []) => of_cursors(code, why),
            (None, [only]) => Error::Topic((*only).clone(), why),
            (None, _) => Error::Isolate(why),
        },
        Kind::Early => Error::Early(why),
        Kind::Away => of_away(refused, topics, why),
        Kind::Passing => Error::Retry(why),
    }
}

/// All topics of a page that take nothing just now, if librdkafka names any.
fn of_away(refused: &[Refused], topics: &[&Topic], why: String) -> Error {
    let mut away: Vec<UnavailableTopic> = Vec::new();
    for Refused { topic, code } in refused.iter().filter(|refused| kind(refused.code) == Kind::Away)
    {
        let topic = topics.iter().find(|known| known.as_str() == topic);
        let is_known = |topic: &&&Topic| away.iter().all(|known| known.topic != ***topic);
        away.extend(topic.filter(is_known).map(|topic| UnavailableTopic {
            topic: (*topic).clone(),
            why: format!("publish: {code}"),
        }));
    }
    if away.is_empty() { Error::Retry(why) } else { Error::Unavailable(away) }
}

/// A cursors topic that is missing is made anew by the next fence.
fn of_cursors(code: Code, why: String) -> Error {
    if code == Code::TopicAuthorizationFailed { Error::Denied(why) } else { Error::Retry(why) }
}

#[cfg(test)]
mod tests {
    use super::{Code, Error, Refused, Topic, classify_page};

    fn refused(topic: &str, code: Code) -> Refused {
        Refused { topic: topic.to_owned(), code }
    }

    #[test]
    fn the_code_that_decides_most_wins_over_what_follows_from_it() {
        let (a, b) = (Topic::parse("a").unwrap(), Topic::parse("b").unwrap());
        let page = [&a, &b];
        let all = [
            refused("a", Code::PurgeQueue),
            refused("a", Code::MessageSizeTooLarge),
            refused("b", Code::UnknownTopic),
        ];
        assert!(
            matches!(classify_page(&all, None, &page), Error::Unavailable(away) if away[0].topic == b)
        );
        let denied = [refused("b", Code::TopicAuthorizationFailed)];
        let denied = [&all[..], &denied].concat();
        assert!(matches!(classify_page(&denied, None, &page), Error::Topic(t, _) if t == b));
        assert!(matches!(classify_page(&all[..2], None, &page), Error::Isolate(_)));
        assert!(matches!(classify_page(&all[..1], None, &page), Error::Retry(_)));
        assert!(matches!(classify_page(&all, Some(Code::Fenced), &page), Error::Fenced(_)));
        assert!(matches!(classify_page(&[], None, &page), Error::Retry(_)));
    }

    /// As docs/reliability.md tells it.
    #[test]
    fn nothing_that_passes_with_time_is_a_refusal() {
        use Code as C;
        let a = Topic::parse("a").unwrap();
        let of = |code| classify_page(&[refused("a", code)], None, &[&a]);
        for code in [
            C::MessageSizeTooLarge,
            C::MessageBatchTooLarge,
            C::InvalidMessageSize,
            C::InvalidRecord,
        ] {
            assert!(matches!(of(code), Error::Isolate(_)), "{code:?}");
        }
        for code in [C::TopicAuthorizationFailed, C::InvalidTopic] {
            assert!(matches!(of(code), Error::Topic(..)), "{code:?}");
        }
        assert!(matches!(of(C::InvalidTimestamp), Error::Early(_)));
        for code in [
            C::UnknownTopicOrPartition,
            C::UnknownTopic,
            C::UnknownPartition,
            C::LeaderNotAvailable,
            C::NotLeaderForPartition,
            C::NotEnoughReplicas,
            C::NotEnoughReplicasAfterAppend,
            C::KafkaStorageError,
        ] {
            assert!(matches!(of(code), Error::Unavailable(_)), "{code:?}");
        }
        for code in [
            C::ThrottlingQuotaExceeded,
            C::OutOfOrderSequenceNumber,
            C::DuplicateSequenceNumber,
            C::UnknownProducerId,
            C::InvalidTransactionalState,
            C::ConcurrentTransactions,
            C::TransactionCoordinatorFenced,
            C::CoordinatorNotAvailable,
            C::InvalidMessage,
            C::UnsupportedCompressionType,
            C::RequestTimedOut,
            C::MessageTimedOut,
            C::PurgeQueue,
            C::Unknown,
        ] {
            assert!(matches!(of(code), Error::Retry(_)), "{code:?}");
        }
    }

    #[test]
    fn a_refused_topic_that_nobody_names_is_isolated_until_it_is_alone() {
        let (a, b) = (Topic::parse("a").unwrap(), Topic::parse("b").unwrap());
        let all = [refused("a", Code::PurgeQueue)];
        let denied = Some(Code::TopicAuthorizationFailed);
        assert!(matches!(classify_page(&all, denied, &[&a, &b]), Error::Isolate(_)));
        assert!(matches!(classify_page(&all, denied, &[&a]), Error::Topic(t, _) if t == a));
        assert!(matches!(
            classify_page(&all, Some(Code::UnknownTopicOrPartition), &[&a]),
            Error::Retry(_)
        ));
    }

    #[test]
    fn a_cursors_topic_that_went_is_no_topic_of_the_page() {
        let a = Topic::parse("a").unwrap();
        let gone = [refused("cursors", Code::UnknownTopic)];
        assert!(matches!(classify_page(&gone, None, &[&a]), Error::Retry(_)));
        let closed = [refused("cursors", Code::TopicAuthorizationFailed)];
        assert!(matches!(classify_page(&closed, None, &[&a]), Error::Denied(_)));
    }
}

//! Error classification: maps Kafka's and librdkafka's error codes to the way in which the gateway
//! reacts.
//!
//! Every call of this adapter passes its errors through here, and gets the port's closed `Error`. A
//! code that isn't known to be a refusal becomes `Retry`: nothing is ever parked for an error that
//! might pass.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::client_context::{ClientError, Context, FIRST_REQUEST, Undelivered};
use super::rights::{Right, lacking, lacking_on};
use crate::domain::topic::Topic;
use crate::sink::{Error, RecordCause, UnavailableTopic};

/// The meaning of a code for a record, the most decisive first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Fenced,
    Denied,
    Topic,
    Unavailable,
    Record,
    Early,
    Retry,
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
        // The topic was deleted, or is new and not known to all brokers yet, and `ensure` creates
        // it again. Or too few brokers are up.
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::KafkaStorageError => Kind::Unavailable,
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::PolicyViolation => Kind::Record,
        Code::InvalidTimestamp => Kind::Early,
        _ => Kind::Retry,
    }
}

/// Returns whether the cluster refuses the gateway itself.
pub(super) fn denies(code: Code) -> bool {
    kind(code) == Kind::Denied
}

/// Returns whether the cluster refuses a topic to the gateway.
pub(super) fn denies_topic(error: &KafkaError) -> bool {
    code(error) == Code::TopicAuthorizationFailed
}

/// Returns the code of any error.
pub(super) fn code(error: &KafkaError) -> Code {
    match error {
        KafkaError::AdminOp(code) => *code,
        other => other.rdkafka_error_code().unwrap_or(Code::Unknown),
    }
}

/// Classifies the error of a call for which no topic and no record of a page is to blame. The
/// client's last reported error says more than "timed out".
pub(super) fn classify_call(call: &str, error: &KafkaError, context: &Context) -> Error {
    let last = context.last_error();
    let said = error.to_string();
    let why = match &last {
        Some(last) if !said.contains(&last.reason) => format!("{call}: {said}: {}", last.reason),
        _ => format!("{call}: {said}"),
    };
    let why = match (code(error), call.split_once(' ')) {
        (Code::TransactionalIdAuthorizationFailed, Some((_, id))) => {
            lacking_on(&why, Right::Write, &format!("transactional id `{id}`"))
        }
        (Code::TopicAuthorizationFailed, Some(("read", topic))) => {
            return Error::denied(lacking(&why, Right::Read, topic));
        }
        _ => why,
    };
    match kind(code(error)) {
        Kind::Fenced => Error::Fenced(why),
        _ if last.as_ref().is_some_and(lacks_sasl) => Error::setting(without_sasl(last.as_ref())),
        Kind::Denied => Error::denied(why),
        _ => match last {
            Some(last) if denies(last.code) => Error::denied(why),
            Some(last) if lacks_connection(code(error)) && last.is_of_connection() => {
                Error::retry(format!("no connection to Kafka: {}", who_answers(&last.reason)))
            }
            _ => Error::retry(why),
        },
    }
}

/// Returns whether the code says that a call failed for lack of a connection.
fn lacks_connection(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
    )
}

/// Explains the error of a connection whose first request was not answered in Kafka's protocol.
fn who_answers(reason: &str) -> String {
    if !reason.ends_with(&format!("({FIRST_REQUEST})")) {
        return reason.to_owned();
    }
    let address = address(reason);
    let tls = "speaks TLS, which KAFKA_SECURITY_PROTOCOL does not ask for";
    if reason.contains("Invalid response size") {
        return format!("what answers at {address} is not Kafka, or {tls}");
    }
    format!("what answers at {address} is not Kafka, or {tls}, or is stopping: {reason}")
}

/// Returns whether the listener has no SASL, which librdkafka reports as a failed authentication.
fn lacks_sasl(last: &ClientError) -> bool {
    denies(last.code) && last.reason.contains("not valid in current SASL state")
}

fn without_sasl(last: Option<&ClientError>) -> String {
    let at = last.map(|last| address(&last.reason)).unwrap_or_default();
    format!(
        "KAFKA_SECURITY_PROTOCOL asks for SASL, but the listener at {at} has no SASL: set it to \
         PLAINTEXT or SSL, or set KAFKA_HOST and KAFKA_PORT to a listener that has SASL"
    )
}

/// Returns the address at the beginning of one of librdkafka's messages:
/// `sasl_ssl://host:port/bootstrap: why`.
fn address(reason: &str) -> &str {
    let name = reason.split('/').find(|part| !part.is_empty() && !part.ends_with(':'));
    name.unwrap_or(reason)
}

/// Classifies the error of a call about one topic, which was asked for by name.
pub(super) fn classify_topic(call: &str, topic: &Topic, code: Code) -> Error {
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            let (verb, why) = (call.split(' ').next(), format!("{call}: {code}"));
            let right = match verb {
                Some("create") => Right::Create,
                Some("grow") => Right::Alter,
                Some("alter") => Right::AlterConfigs,
                Some("delete") => Right::Delete,
                Some("configure") => Right::DescribeConfigs,
                _ => Right::Describe,
            };
            Error::Topic(topic.clone(), lacking(&why, right, topic.as_str()))
        }
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::PolicyViolation => Error::Topic(topic.clone(), format!("{call}: {code}")),
        _ => Error::retry(format!("{call} {topic}: {code}")),
    }
}

/// Classifies the errors of a page whose events are for `topics`: the errors of its records, and of
/// its transaction. librdkafka blames the innocent records of a batch too, and purges a page
/// without a reason, so the most decisive error counts for the page.
pub(super) fn classify_page(
    undelivered: &[Undelivered],
    transaction: Option<Code>,
    topics: &[&Topic],
) -> Error {
    let named = undelivered.iter().map(|u| (kind(u.code), u.code, Some(u.topic.as_str())));
    let all = named.chain(transaction.map(|code| (kind(code), code, None)));
    let Some((kind, code, blamed)) = all.min_by_key(|(kind, ..)| *kind) else {
        return Error::retry("a page failed, and librdkafka gives no reason".to_owned());
    };
    let topic = topics.iter().find(|topic| Some(topic.as_str()) == blamed);
    let why =
        format!("publish{}: {code}", blamed.map(|name| format!(" to {name}")).unwrap_or_default());
    let why = match (code, blamed.or(topics.first().map(|topic| topic.as_str()))) {
        (Code::TopicAuthorizationFailed, Some(name)) => lacking(&why, Right::Write, name),
        // A page without events has nothing but cursors.
        (Code::TopicAuthorizationFailed, None) => {
            lacking_on(&why, Right::Write, "topic of the cursors")
        }
        _ => why,
    };
    match kind {
        Kind::Fenced => Error::Fenced(why),
        Kind::Denied => Error::denied(why),
        Kind::Record => Error::refused(why),
        Kind::Topic => match (topic, topics) {
            (Some(topic), _) => Error::Topic((*topic).clone(), why),
            // A blamed topic that none of the events is for is the cursors topic.
            (None, _) if blamed.is_some() => cursors_topic(code, why),
            (None, []) => cursors_topic(code, why),
            (None, [only]) => Error::Topic((*only).clone(), why),
            (None, _) => Error::refused(why),
        },
        Kind::Early => Error::Isolate(RecordCause::TooEarly(why)),
        Kind::Unavailable => unavailable(undelivered, topics, why),
        Kind::Retry => Error::retry(why),
    }
}

/// Returns the error that names all topics of a page that take no records just now, if librdkafka
/// names any.
fn unavailable(undelivered: &[Undelivered], topics: &[&Topic], why: String) -> Error {
    let mut away: Vec<UnavailableTopic> = Vec::new();
    let undelivered = undelivered.iter().filter(|u| kind(u.code) == Kind::Unavailable);
    for Undelivered { topic, code } in undelivered {
        let topic = topics.iter().find(|known| known.as_str() == topic);
        let is_known = |topic: &&&Topic| away.iter().all(|known| known.topic != ***topic);
        away.extend(topic.filter(is_known).map(|topic| UnavailableTopic {
            topic: (*topic).clone(),
            why: format!("publish: {code}"),
        }));
    }
    if away.is_empty() { Error::retry(why) } else { Error::Unavailable(away) }
}

/// Classifies the refusal of the cursors topic: the next takeover creates one that is missing.
fn cursors_topic(code: Code, why: String) -> Error {
    if code == Code::TopicAuthorizationFailed { Error::denied(why) } else { Error::retry(why) }
}

#[cfg(test)]
mod tests {
    use super::{Code, Error, RecordCause, Topic, Undelivered, classify_page};
    use crate::sink::StopCause;

    fn undelivered(topic: &str, code: Code) -> Undelivered {
        Undelivered { topic: topic.to_owned(), code }
    }

    #[test]
    fn the_code_that_decides_most_wins_over_what_follows_from_it() {
        let (a, b) = (Topic::parse("a").unwrap(), Topic::parse("b").unwrap());
        let page = [&a, &b];
        let all = [
            undelivered("a", Code::PurgeQueue),
            undelivered("a", Code::MessageSizeTooLarge),
            undelivered("b", Code::UnknownTopic),
        ];
        let classified = classify_page(&all, None, &page);
        assert!(matches!(classified, Error::Unavailable(away) if away[0].topic == b));
        let denied = [undelivered("b", Code::TopicAuthorizationFailed)];
        let denied = [&all[..], &denied].concat();
        assert!(matches!(classify_page(&denied, None, &page), Error::Topic(t, _) if t == b));
        assert!(matches!(
            classify_page(&all[..2], None, &page),
            Error::Isolate(RecordCause::Refused(_))
        ));
        assert!(matches!(classify_page(&all[..1], None, &page), Error::Retry(_)));
        assert!(matches!(classify_page(&all, Some(Code::Fenced), &page), Error::Fenced(_)));
        assert!(matches!(classify_page(&[], None, &page), Error::Retry(_)));
    }

    /// The same list stands in docs/reliability.md.
    #[test]
    fn nothing_that_passes_with_time_is_a_refusal() {
        use Code as C;
        let a = Topic::parse("a").unwrap();
        let of = |code| classify_page(&[undelivered("a", code)], None, &[&a]);
        for code in [
            C::MessageSizeTooLarge,
            C::MessageBatchTooLarge,
            C::InvalidMessageSize,
            C::InvalidRecord,
        ] {
            assert!(matches!(of(code), Error::Isolate(RecordCause::Refused(_))), "{code:?}");
        }
        for code in [C::TopicAuthorizationFailed, C::InvalidTopic] {
            assert!(matches!(of(code), Error::Topic(..)), "{code:?}");
        }
        assert!(matches!(of(C::InvalidTimestamp), Error::Isolate(RecordCause::TooEarly(_))));
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
        let all = [undelivered("a", Code::PurgeQueue)];
        let denied = Some(Code::TopicAuthorizationFailed);
        assert!(matches!(
            classify_page(&all, denied, &[&a, &b]),
            Error::Isolate(RecordCause::Refused(_))
        ));
        assert!(matches!(classify_page(&all, denied, &[&a]), Error::Topic(t, _) if t == a));
        assert!(matches!(
            classify_page(&all, Some(Code::UnknownTopicOrPartition), &[&a]),
            Error::Retry(_)
        ));
    }

    #[test]
    fn a_cursors_topic_that_went_is_no_topic_of_the_page() {
        let a = Topic::parse("a").unwrap();
        let gone = [undelivered("cursors", Code::UnknownTopic)];
        assert!(matches!(classify_page(&gone, None, &[&a]), Error::Retry(_)));
        let closed = [undelivered("cursors", Code::TopicAuthorizationFailed)];
        assert!(matches!(classify_page(&closed, None, &[&a]), Error::Stop(StopCause::Denied(_))));
    }
}

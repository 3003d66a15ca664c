//! The context of every client of librdkafka: it collects what a client reports besides its
//! answers, such as its log, why it can't reach the cluster, and which records were not delivered.
//!
//! librdkafka calls it back while a client is polled; the reports go to `tracing` and into the
//! errors that callers make. Connections that fail are not logged here, but once by the callers
//! that need them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

/// Facilities of librdkafka's log whose lines callers report: connections and transactions that
/// failed, and settings that are for another kind of client.
const REPORTED_BY_CALLERS: [&str; 6] = ["FAIL", "ERROR", "CONFWARN", "TXNERR", "ADDPARTS", "FATAL"];

/// librdkafka's words for a connection whose first request, which asks for the broker's versions,
/// was not answered in Kafka's protocol.
pub(super) const FIRST_REQUEST: &str = "in state APIVERSION_QUERY";

/// The number of times that a client is polled for the reason of a call that failed, and the length
/// of each poll.
const POLL_TIMES: u32 = 10;
const POLL_EACH: Duration = Duration::from_millis(5);

/// The context of every client.
#[derive(Default)]
pub(super) struct Context(Mutex<Reported>);

/// The reports of a client since they were last taken.
#[derive(Default)]
struct Reported {
    last_error: Option<ClientError>,
    undelivered: Vec<Undelivered>,
    /// The topic whose records' offsets are kept, and those offsets.
    offsets_of: Option<String>,
    offsets: Vec<i64>,
}

/// The reason why a client can't reach the cluster.
#[derive(Debug, Clone)]
pub(super) struct ClientError {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
}

impl ClientError {
    /// Returns whether the error says more than that no broker is up.
    fn has_reason(&self) -> bool {
        self.code != RDKafkaErrorCode::AllBrokersDown
    }

    /// Returns whether there is no connection, for any reason other than a refusal.
    pub(super) fn is_of_connection(&self) -> bool {
        use RDKafkaErrorCode as C;
        matches!(
            self.code,
            C::BrokerTransportFailure
                | C::Resolve
                | C::AllBrokersDown
                | C::OperationTimedOut
                | C::BadMessage
        )
    }
}

impl Reported {
    /// Keeps the reason why a connection failed, since some reasons appear only in librdkafka's
    /// log, with the address.
    fn connection_failed(&mut self, message: &str) {
        if self.last_error.as_ref().is_some_and(ClientError::has_reason) {
            return;
        }
        // The thread's name stands before the address.
        let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
        let code = RDKafkaErrorCode::BrokerTransportFailure;
        self.last_error = Some(ClientError { code, reason: without_counts(reason) });
    }
}

/// Cuts the parts of a reason that differ each time: how long it took, and how often it was
/// reported.
fn without_counts(reason: &str) -> String {
    let Some((lasting, rest)) = reason.split_once(" (after ") else { return reason.to_owned() };
    if rest.contains(FIRST_REQUEST) {
        format!("{lasting} ({FIRST_REQUEST})")
    } else {
        lasting.to_owned()
    }
}

/// A record that wasn't delivered.
#[derive(Debug, Clone)]
pub(super) struct Undelivered {
    pub(super) topic: String,
    pub(super) code: RDKafkaErrorCode,
}

impl Context {
    /// Returns the client's last error, which librdkafka reports once, not with each try.
    pub(super) fn last_error(&self) -> Option<ClientError> {
        self.reported().last_error.clone()
    }

    /// Polls the client until it has reported its error, or has had the time to: the error of a
    /// call says less than the client knows, and on a busy host the callback comes later.
    pub(super) fn await_last_error(&self, poll: impl Fn(Duration)) {
        for _ in 0..POLL_TIMES {
            if self.reported().last_error.as_ref().is_some_and(ClientError::has_reason) {
                return;
            }
            poll(POLL_EACH);
        }
    }

    /// Forgets the client's last error, since a call has been answered.
    pub(super) fn clear_last_error(&self) {
        self.reported().last_error = None;
    }

    /// Returns the records that were not delivered, each once.
    pub(super) fn take_undelivered(&self) -> Vec<Undelivered> {
        std::mem::take(&mut self.reported().undelivered)
    }

    /// Keeps the offsets that records of a topic get from now on.
    pub(super) fn keep_offsets_of(&self, topic: &str) {
        self.reported().offsets_of = Some(topic.to_owned());
    }

    /// Returns the offsets that were kept, each once.
    pub(super) fn take_offsets(&self) -> Vec<i64> {
        std::mem::take(&mut self.reported().offsets)
    }

    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel as L;
        match level {
            // A call that fails returns an error as well, which its caller logs once.
            _ if REPORTED_BY_CALLERS.contains(&facility) => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
                // Worse ones are also reported as errors, with their codes.
                if facility == "FAIL" && matches!(level, L::Warning | L::Notice | L::Info) {
                    self.reported().connection_failed(message);
                }
            }
            L::Emerg | L::Alert | L::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            L::Error | L::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            L::Notice | L::Info => tracing::debug!(target: "librdkafka", facility, "{message}"),
            L::Debug => tracing::trace!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut reported = self.reported();
        match code {
            // The end of a partition is reported here too.
            RDKafkaErrorCode::PartitionEOF => {}
            // This follows the actual reason, again and again.
            RDKafkaErrorCode::AllBrokersDown if reported.last_error.is_some() => {}
            _ => {
                tracing::debug!(target: "librdkafka", %error, "{reason}");
                reported.last_error = Some(ClientError { code, reason: without_counts(reason) });
            }
        }
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, (): ()) {
        match delivery {
            Ok(message) => {
                let mut reported = self.reported();
                if reported.offsets_of.as_deref() == Some(message.topic()) {
                    reported.offsets.push(message.offset());
                }
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                let topic = message.topic().to_owned();
                self.reported().undelivered.push(Undelivered { topic, code });
            }
        }
    }
}

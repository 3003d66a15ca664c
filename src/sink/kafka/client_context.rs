//! What a client tells beside its answers: its log, why it can't reach the cluster, and which
//! records were refused.
//!
//! Fed by librdkafka's callbacks, which run while a client is polled; feeds `tracing` and the
//! errors that callers make. Connections that fail are told once, by whoever wanted them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

/// Connections and transactions that failed, and settings that are for another kind of client.
const TOLD_BY_CALLS: [&str; 6] = ["FAIL", "ERROR", "CONFWARN", "TXNERR", "ADDPARTS", "FATAL"];

/// The state of a connection that has asked whether a Kafka answers.
pub(super) const FIRST_QUESTION: &str = "in state APIVERSION_QUERY";

/// How often, and how long each time, a client is polled for why a call has failed.
const HEAR_TIMES: u32 = 10;
const HEAR_EACH: Duration = Duration::from_millis(5);

/// The context of every client.
#[derive(Default)]
pub(super) struct Context(Mutex<Told>);

#[derive(Default)]
struct Told {
    trouble: Option<Trouble>,
    refused: Vec<Refused>,
    /// The topic whose offsets are of interest, and those that its records got.
    watched: Option<String>,
    offsets: Vec<i64>,
}

/// Why a client can't reach the cluster.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
}

impl Trouble {
    /// Whether it is more than that no broker is there.
    fn tells_why(&self) -> bool {
        self.code != RDKafkaErrorCode::AllBrokersDown
    }

    /// Whether there is no connection, for whatever reason but a refusal.
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

impl Told {
    /// Some connections fail in librdkafka's log alone, with the address.
    fn connection_failed(&mut self, message: &str) {
        if self.trouble.as_ref().is_some_and(Trouble::tells_why) {
            return;
        }
        // The thread's name stands before the address.
        let reason = message.split_once("]: ").map_or(message, |(_, reason)| reason);
        let code = RDKafkaErrorCode::BrokerTransportFailure;
        self.trouble = Some(Trouble { code, reason: lasting(reason) });
    }
}

/// A reason without what differs each time: how long it took, and how often it was told.
fn lasting(reason: &str) -> String {
    let Some((lasting, rest)) = reason.split_once(" (after ") else { return reason.to_owned() };
    if rest.contains(FIRST_QUESTION) {
        format!("{lasting} ({FIRST_QUESTION})")
    } else {
        lasting.to_owned()
    }
}

/// A record that wasn't delivered.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) topic: String,
    pub(super) code: RDKafkaErrorCode,
}

impl Context {
    /// The last trouble, which librdkafka tells once and not with each try.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.told().trouble.clone()
    }

    /// Polls the client until it has told its trouble, or has had the time to: a call fails with
    /// less than the client knows, and on a busy host the callback comes later.
    pub(super) fn hear_trouble(&self, poll: impl Fn(Duration)) {
        for _ in 0..HEAR_TIMES {
            if self.told().trouble.as_ref().is_some_and(Trouble::tells_why) {
                return;
            }
            poll(HEAR_EACH);
        }
    }

    /// All is well again.
    pub(super) fn forget_trouble(&self) {
        self.told().trouble = None;
    }

    /// The records that were refused since this was asked.
    pub(super) fn take_refused(&self) -> Vec<Refused> {
        std::mem::take(&mut self.told().refused)
    }

    /// Remembers the offsets that records of that topic get.
    pub(super) fn watch_offsets(&self, topic: &str) {
        self.told().watched = Some(topic.to_owned());
    }

    /// Those that were delivered since this was asked.
    pub(super) fn take_offsets(&self) -> Vec<i64> {
        std::mem::take(&mut self.told().offsets)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel as L;
        match level {
            // Calls that fail say so themselves, and whoever makes them tells it once.
            _ if TOLD_BY_CALLS.contains(&facility) => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
                // What is worse comes as an error too, with its code.
                if facility == "FAIL" && matches!(level, L::Warning | L::Notice | L::Info) {
                    self.told().connection_failed(message);
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
        let mut told = self.told();
        match code {
            // The end of a partition is told here too.
            RDKafkaErrorCode::PartitionEOF => {}
            // This follows the reason why, again and again.
            RDKafkaErrorCode::AllBrokersDown if told.trouble.is_some() => {}
            _ => {
                tracing::debug!(target: "librdkafka", %error, "{reason}");
                told.trouble = Some(Trouble { code, reason: lasting(reason) });
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
                let mut told = self.told();
                if told.watched.as_deref() == Some(message.topic()) {
                    told.offsets.push(message.offset());
                }
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                self.told().refused.push(Refused { topic: message.topic().to_owned(), code });
            }
        }
    }
}

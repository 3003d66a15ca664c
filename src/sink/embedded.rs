//! The embedded preview: librdkafka's in-process broker, for trying the gateway out and for tests.
//!
//! `follow::preview` sends to it, and any Kafka client can read from it at its address. It runs in
//! a thread of its own, keeps 5 MiB of each partition in memory, and loses everything when the
//! process ends.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Error, Preview, record};
use crate::domain::envelope::Envelope;
use crate::domain::topic::TopicSpec;

/// The longest time that a send may take. Records stay in memory on the same machine, so a longer
/// send hangs.
const SEND_MAX: Duration = Duration::from_secs(60);

/// The pause between two polls for answers.
const POLL_PAUSE: Duration = Duration::from_micros(200);

type Answer = oneshot::Sender<Result<(), Error>>;

enum Command {
    Ensure(Vec<TopicSpec>, Answer),
    Send(Vec<Envelope>, Answer),
}

/// The running broker, which stops when this is dropped.
pub(super) struct Embedded {
    address: String,
    commands: Sender<Command>,
    ended: CancellationToken,
}

impl Embedded {
    /// Starts the broker on a free port of the loopback interface.
    pub(super) fn start() -> Result<Self, Error> {
        let (commands, received) = channel();
        let (started, address) = channel();
        let ended = CancellationToken::new();
        let ends = ended.clone().drop_guard();
        std::thread::Builder::new()
            .name("embedded broker".to_owned())
            .spawn(move || {
                // This is dropped in whatever way the thread ends.
                let _ends = ends;
                match Running::start() {
                    Ok(running) => {
                        let _ = started.send(Ok(running.cluster.bootstrap_servers()));
                        running.serve(&received);
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            })
            .map_err(|error| Error::retry(format!("start the embedded broker: {error}")))?;
        let address =
            address.recv().map_err(|_| gone())?.map_err(|error| failed("start", &error))?;
        Ok(Self { address, commands, ended })
    }

    /// Lets the thread run a command, and returns its answer.
    async fn ask(&self, command: impl FnOnce(Answer) -> Command) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Preview for Embedded {
    fn address(&self) -> &str {
        &self.address
    }

    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        let topics = topics.to_vec();
        self.ask(|answer| Command::Ensure(topics, answer)).await
    }

    async fn ended(&self) {
        self.ended.cancelled().await;
    }

    async fn send(&self, events: Vec<Envelope>) -> Result<(), Error> {
        self.ask(|answer| Command::Send(events, answer)).await
    }
}

/// The state of the thread. The producer is dropped before its cluster.
struct Running {
    producer: BaseProducer,
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Running {
    fn start() -> KafkaResult<Self> {
        let cluster = MockCluster::new(1)?;
        let producer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0")
            // With one request at a time, a request that is sent again keeps its place.
            .set("max.in.flight.requests.per.connection", "1")
            .set("message.max.bytes", "1000000000")
            .create()?;
        Ok(Self { producer, cluster })
    }

    /// Runs commands until their senders are gone.
    fn serve(self, commands: &Receiver<Command>) {
        for command in commands {
            match command {
                Command::Ensure(topics, answer) => drop(answer.send(self.ensure(&topics))),
                Command::Send(events, answer) => drop(answer.send(self.send(&events))),
            }
        }
    }

    fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        for spec in topics {
            match self.cluster.create_topic(spec.topic.as_str(), i32::from(spec.partitions), 1) {
                Ok(()) | Err(KafkaError::MockCluster(RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err(error) => return Err(Error::Topic(spec.topic.clone(), error.to_string())),
            }
        }
        Ok(())
    }

    fn send(&self, events: &[Envelope]) -> Result<(), Error> {
        let until = Instant::now() + SEND_MAX;
        for event in events {
            self.enqueue(record::event(event), until)?;
        }
        while self.producer.in_flight_count() > 0 {
            self.poll(until)?;
        }
        Ok(())
    }

    fn enqueue(&self, mut record: BaseRecord<'_, str, [u8]>, until: Instant) -> Result<(), Error> {
        while let Err((error, again)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(failed("take a record", &error));
            }
            self.poll(until)?;
            record = again;
        }
        Ok(())
    }

    fn poll(&self, until: Instant) -> Result<(), Error> {
        if Instant::now() > until {
            return Err(Error::retry("the embedded broker doesn't answer".to_owned()));
        }
        let unanswered = self.producer.in_flight_count();
        self.producer.poll(Duration::ZERO);
        if self.producer.in_flight_count() == unanswered {
            std::thread::sleep(POLL_PAUSE);
        }
        Ok(())
    }
}

fn failed(what: &str, error: &KafkaError) -> Error {
    Error::retry(format!("the embedded broker failed to {what}: {error}"))
}

fn gone() -> Error {
    Error::retry("the embedded broker has ended".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Embedded;

    #[tokio::test]
    async fn its_end_is_reported() {
        let Embedded { commands, ended, .. } = Embedded::start().unwrap();
        assert!(!ended.is_cancelled());
        drop(commands);
        ended.cancelled().await;
    }
}

//! A lane's producer: fences whoever had the lane, then publishes page after page.
//!
//! Fed by `follow::lane`; feeds Kafka. A page, with its cursors, is one transaction. After an error
//! nothing is tried again with the same producer: its sequence numbers may have a gap.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::cursors::Cursors;
use super::topics::Topics;
use super::used::Used;
use super::watch::{Refused, Watch};
use super::{Config, blocking, discard, left, refusal, settings};
use crate::broker::record::{self, CursorRecord};
use crate::broker::{Error, Page, Producer};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::topic::Topic;

/// How long the brokers may take for a page's records. Below `message.timeout.ms`, so that no record
/// is given up in silence.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const COMMIT_MAX: Duration = Duration::from_secs(5);
/// An abort lets readers go on at once; if it takes longer, the next fence does it.
const ABORT_MAX: Duration = Duration::from_secs(1);
/// How long an unanswered page waits before it looks again. `poll` with a time-out of a millisecond
/// would spin.
const NAP: Duration = Duration::from_micros(200);

/// The only producer of a lane.
pub(super) struct LaneProducer {
    /// `None` only while it is dropped.
    producer: Option<BaseProducer<Watch>>,
    partition: i32,
    cursors: Arc<Cursors>,
    topics: Arc<Topics>,
    used: Used,
}

impl LaneProducer {
    /// Takes the lane: from here on, nobody who had it before can commit.
    pub(super) fn fence(
        config: &Config,
        lane: Lane,
        cursors: Arc<Cursors>,
        topics: Arc<Topics>,
        until: Instant,
    ) -> Result<Self, Error> {
        let producer: BaseProducer<Watch> = settings::create(&settings::producer(config, lane))?;
        let partition = i32::from(lane.number());
        let used = Used::new(config.topics_idle_after, Instant::now());
        let lane_producer = Self { producer: Some(producer), partition, cursors, topics, used };
        let (producer, cursors_topic) = (lane_producer.producer(), lane_producer.cursors.topic());
        // librdkafka naps for 500 ms when it looks for its coordinator while no connection is up, and
        // the first answer about the cluster ends the one that asked: the second comes over one that
        // stays.
        let ask = || producer.client().fetch_metadata(Some(cursors_topic), left(until));
        let asked = ask().and_then(|_| ask());
        asked.and_then(|_| producer.init_transactions(left(until))).map_err(|error| {
            producer.context().hear_trouble(|each| producer.poll(each));
            refusal::of_call(&format!("fence {lane}"), &error, producer.context())
        })?;
        Ok(lane_producer)
    }

    fn producer(&self) -> &BaseProducer<Watch> {
        self.producer.as_ref().expect("a lane's producer lives until it is dropped")
    }

    /// Writes to the cursors topic, and takes it back. A page can't tell whether that topic is
    /// refused or one of its own.
    pub(super) fn prove(&self) -> Result<(), Error> {
        let until = Instant::now() + DRAIN_MAX;
        self.producer().begin_transaction().map_err(|error| self.failed("begin", &error, &[]))?;
        let probe = BaseRecord::to(self.cursors.topic()).partition(self.partition).key("probe").payload("");
        let written = self.enqueue(probe, &[], until).and(self.drain(&[], until));
        self.abort();
        written.map_err(|error| match error {
            Error::Denied(why) => Error::Denied(format!("{}: {why}", self.cursors.topic())),
            other => other,
        })
    }

    fn transact(
        &self,
        topics: &[&Topic],
        send: impl FnOnce(Instant) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (producer, until) = (self.producer(), Instant::now() + DRAIN_MAX);
        producer.begin_transaction().map_err(|error| self.failed("begin", &error, topics))?;
        let sent = send(until);
        let drained = self.drain(topics, until);
        if let Err(error) = sent.and(drained) {
            self.abort();
            return Err(error);
        }
        // Whether a commit that failed took place, only the cursors tell.
        producer.commit_transaction(COMMIT_MAX).map_err(|error| self.failed("commit", &error, topics))
    }

    /// All records are made before the first is sent: they come while librdkafka waits for more of their
    /// partition, and go together.
    fn publish_page(&mut self, page: &Page) -> Result<(), Error> {
        let topics = topics(page);
        self.used.note(&topics, Instant::now());
        let slices = page.slices.iter();
        let records: Vec<_> = slices.clone().flat_map(|slice| &slice.events).map(record::event).collect();
        let cursors: Vec<_> =
            slices.map(|slice| CursorRecord::new(&page.follower, &slice.cursor, &slice.proof)).collect();
        self.transact(&topics, |until| {
            records.into_iter().try_for_each(|record| self.enqueue(record, &topics, until))?;
            cursors.iter().try_for_each(|cursor| {
                self.enqueue(cursor.to(self.cursors.topic(), self.partition), &topics, until)
            })
        })
    }

    fn remove(&self, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        self.transact(&[], |until| {
            cursors.iter().try_for_each(|(log_id, follower)| {
                let gone = CursorRecord::gone(*log_id, follower);
                self.enqueue(gone.to(self.cursors.topic(), self.partition), &[], until)
            })
        })
    }

    fn enqueue<P: ToBytes + ?Sized>(
        &self,
        mut record: BaseRecord<'_, str, P>,
        topics: &[&Topic],
        until: Instant,
    ) -> Result<(), Error> {
        loop {
            let Err((error, again)) = self.producer().send(record) else { return Ok(()) };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || Instant::now() > until {
                let refused = Refused { topic: again.topic.to_owned(), code: refusal::code(&error) };
                return Err(refusal::of_page(&[refused], self.whole(), topics));
            }
            self.wait();
            record = again;
        }
    }

    /// Waits until every record is answered. `commit_transaction` would wait too, in steps of 100 ms.
    fn drain(&self, topics: &[&Topic], until: Instant) -> Result<(), Error> {
        let producer = self.producer();
        while producer.in_flight_count() > 0 {
            if Instant::now() > until {
                let unanswered = producer.in_flight_count();
                let why = producer.context().trouble().map(|trouble| format!(": {}", trouble.reason));
                let why = why.unwrap_or_default();
                return Err(Error::Retry(format!("{unanswered} records weren't answered in time{why}")));
            }
            self.wait();
        }
        let refused = producer.context().take_refused();
        if refused.is_empty() {
            return Ok(());
        }
        Err(refusal::of_page(&refused, self.whole(), topics))
    }

    /// Takes an answer, or naps until there may be one.
    fn wait(&self) {
        let unanswered = self.producer().in_flight_count();
        self.producer().poll(Duration::ZERO);
        if self.producer().in_flight_count() == unanswered {
            std::thread::sleep(NAP);
        }
    }

    /// What the transaction as a whole says. To begin another is refused with the reason why this
    /// one failed; of one that didn't fail it does nothing.
    fn whole(&self) -> Option<RDKafkaErrorCode> {
        if let Some((code, _)) = self.producer().client().fatal_error() {
            return Some(code);
        }
        let error = self.producer().begin_transaction().err()?;
        Some(refusal::code(&error)).filter(|code| *code != RDKafkaErrorCode::State)
    }

    fn failed(&self, call: &str, error: &KafkaError, topics: &[&Topic]) -> Error {
        let producer = self.producer();
        producer.poll(Duration::from_millis(1));
        let refused = producer.context().take_refused();
        let fatal = producer.client().fatal_error().map(|(code, _)| code);
        match refusal::of_page(&refused, fatal.or(Some(refusal::code(error))), topics) {
            Error::Retry(_) => refusal::of_call(call, error, producer.context()),
            decided => decided,
        }
    }

    /// Until the page is aborted, readers of committed records wait at its first record.
    fn abort(&self) {
        let producer = self.producer();
        let hopeless = producer.in_flight_count() > 0 || producer.client().fatal_error().is_some();
        if !hopeless && let Err(error) = producer.abort_transaction(ABORT_MAX) {
            tracing::debug!(%error, "failed to abort a page; the next fence does");
        }
    }
}

#[async_trait]
impl Producer for LaneProducer {
    async fn publish(mut self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Producer>, Error> {
        blocking(move || match self.publish_page(&page) {
            Ok(()) => Ok(self as Box<dyn Producer>),
            Err(error) => {
                self.topics.forget();
                if matches!(error, Error::Retry(_)) {
                    self.cursors.doubt();
                }
                Err(error)
            }
        })
        .await
    }

    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        let cursors = cursors.to_vec();
        blocking(move || self.remove(&cursors)).await
    }

    fn is_worn(&mut self) -> bool {
        self.used.are_mostly_idle(Instant::now())
    }
}

impl Drop for LaneProducer {
    fn drop(&mut self) {
        discard(self.producer.take());
    }
}

/// The topics of a page, each once.
fn topics(page: &Page) -> Vec<&Topic> {
    let mut topics: Vec<&Topic> =
        page.slices.iter().flat_map(|slice| &slice.events).map(|event| &event.topic).collect();
    topics.sort();
    topics.dedup();
    topics
}

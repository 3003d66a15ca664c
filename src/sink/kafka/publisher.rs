//! A lane's publisher: it fences the earlier holder of the lane, then publishes page after page.
//!
//! The lanes of `follow` pass in pages, and it publishes them to Kafka. A page is one transaction,
//! with its cursors. After an error the publisher is gone, since the sequence numbers of its
//! producer may have a gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use tracing::instrument;

use super::classify::{self, classify_call, classify_page};
use super::client_context::{Context, Undelivered};
use super::cursors_topic::CursorsTopic;
use super::mark::{self, FenceMark};
use super::topic_usage::TopicUsage;
use super::topics::Topics;
use super::{Inner, blocking, discard, left};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::topic::Topic;
use crate::sink::record::{self, CursorRecord};
use crate::sink::{Error, Page, Publisher, StopCause, UnavailableTopic};

/// The longest time that the brokers may take for a page's records. It is below
/// `message.timeout.ms`, so that librdkafka gives no record up by itself.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const COMMIT_MAX: Duration = Duration::from_secs(5);
/// The longest time that an abort may take, which lets readers go on at once; after that, the next
/// takeover does it.
const ABORT_MAX: Duration = Duration::from_secs(1);
/// The time that it takes to give up the records that were not answered.
const PURGED_WITHIN: Duration = Duration::from_millis(500);
/// The pause between two polls for answers. `poll` with a time-out of a millisecond would spin.
const POLL_PAUSE: Duration = Duration::from_micros(200);

/// The only publisher of a lane.
pub(super) struct LanePublisher {
    /// The producer; `None` only while this is dropped.
    producer: Option<BaseProducer<Context>>,
    partition: i32,
    cursors: Arc<CursorsTopic>,
    topics: Arc<Topics>,
    usage: TopicUsage,
    mark: FenceMark,
}

impl LanePublisher {
    /// Takes the lane over: from here on, no earlier holder can commit.
    pub(super) fn take_over(kafka: &Inner, lane: Lane, until: Instant) -> Result<Self, Error> {
        let (config, cursors, topics) =
            (&kafka.config, kafka.cursors.clone(), kafka.topics.clone());
        let producer = kafka.transactional_ids.producer(config, lane, cursors.topic(), until)?;
        producer.context().keep_offsets_of(cursors.topic());
        let usage = TopicUsage::new(config.topics_idle_after, Instant::now());
        let partition = i32::from(lane.number());
        let mark = FenceMark::default();
        let publisher = Self { producer: Some(producer), partition, cursors, topics, usage, mark };
        publisher.leave_mark(kafka, lane, until)?;
        Ok(publisher)
    }

    fn producer(&self) -> &BaseProducer<Context> {
        self.producer.as_ref().expect("the producer lives as long as its publisher")
    }

    /// Writes to the lane's partition of the cursors topic and aborts, which fences the earlier
    /// holder; then waits until no transaction is open there.
    fn leave_mark(&self, kafka: &Inner, lane: Lane, until: Instant) -> Result<(), Error> {
        self.probe_write()?;
        let (topic, producer) = (self.cursors.topic(), self.producer());
        let committed = || {
            let answer = producer.client().fetch_watermarks(topic, self.partition, left(until));
            answer
                .map(|(_, readable)| readable)
                .map_err(|error| classify_call("ask what is open", &error, producer.context()))
        };
        let abort_others = || kafka.transactional_ids.abort_others(&kafka.config, lane);
        let at = (topic, self.partition);
        self.mark.set(mark::settled(&kafka.admin, at, committed, abort_others, until)?);
        Ok(())
    }

    /// Writes a record and aborts. This also proves that the cursors topic may be written to, since
    /// the error of a page doesn't tell whether the cursors topic or one of the page's own topics
    /// is refused.
    fn probe_write(&self) -> Result<(), Error> {
        let until = Instant::now() + DRAIN_MAX;
        self.producer().begin_transaction().map_err(|error| self.failed("begin", &error, &[]))?;
        let probe =
            BaseRecord::to(self.cursors.topic()).partition(self.partition).key("probe").payload("");
        let written = self.enqueue(probe, &[], until).and(self.drain(&[], until));
        self.abort();
        self.producer().context().take_offsets();
        written.map_err(|error| match error {
            Error::Stop(StopCause::Denied(why)) => {
                Error::denied(format!("{}: {why}", self.cursors.topic()))
            }
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
        if let Err(error) = sent.and(drained).and_then(|()| self.check_mark()) {
            self.abort();
            return Err(error);
        }
        // After a commit that failed, only the cursors tell whether it took place.
        producer
            .commit_transaction(COMMIT_MAX)
            .map_err(|error| self.failed("commit", &error, topics))
    }

    /// Checks that the lane was not taken over elsewhere since it was taken over here.
    fn check_mark(&self) -> Result<(), Error> {
        let offsets = self.producer().context().take_offsets();
        let passed = self.mark.pass(&offsets);
        passed.map_err(|why| {
            Error::Fenced(format!(
                "partition {} of {}: {why}",
                self.partition,
                self.cursors.topic()
            ))
        })
    }

    /// Publishes a page. All records are made before the first is sent, so that they are queued
    /// while librdkafka waits for more records of their partition, and go together.
    fn publish_page(&mut self, page: &Page) -> Result<(), Error> {
        let topics = topics(page);
        self.usage.record(&topics, Instant::now());
        let slices = page.slices.iter();
        let records: Vec<_> =
            slices.clone().flat_map(|slice| &slice.events).map(record::event).collect();
        let cursors: Vec<_> =
            slices.map(|slice| CursorRecord::new(&page.follower, slice)).collect();
        self.transact(&topics, |until| {
            records.into_iter().try_for_each(|record| self.enqueue(record, &topics, until))?;
            cursors.iter().try_for_each(|cursor| {
                self.enqueue(cursor.to(self.cursors.topic(), self.partition), &topics, until)
            })
        })
    }

    fn remove_cursors(&self, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        self.transact(&[], |until| {
            cursors.iter().try_for_each(|(log_id, follower)| {
                let tombstone = CursorRecord::tombstone(*log_id, follower);
                self.enqueue(tombstone.to(self.cursors.topic(), self.partition), &[], until)
            })
        })
    }

    /// Hands a record to librdkafka, as soon as there is room in its queue.
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
                let (topic, code) = (again.topic.to_owned(), classify::code(&error));
                let undelivered = [Undelivered { topic, code }];
                return Err(classify_page(&undelivered, self.transaction_error(), topics));
            }
            self.poll();
            record = again;
        }
    }

    /// Waits until every record is answered. `commit_transaction` would wait too, but in steps of
    /// 100 ms.
    fn drain(&self, topics: &[&Topic], until: Instant) -> Result<(), Error> {
        let producer = self.producer();
        while producer.in_flight_count() > 0 {
            if Instant::now() > until {
                let unanswered = producer.in_flight_count();
                if let Some(away) = self.unanswered(topics) {
                    return Err(Error::Unavailable(away));
                }
                let last = producer.context().last_error();
                let why = last.map(|last| format!(": {}", last.reason)).unwrap_or_default();
                return Err(Error::retry(format!(
                    "{unanswered} records weren't answered in time{why}"
                )));
            }
            self.poll();
        }
        let undelivered = producer.context().take_undelivered();
        if undelivered.is_empty() {
            return Ok(());
        }
        Err(classify_page(&undelivered, self.transaction_error(), topics))
    }

    /// Returns the topics whose records were not answered, if other topics' were, which shows that
    /// their brokers are away. The producer can't be used after this.
    fn unanswered(&self, topics: &[&Topic]) -> Option<Vec<UnavailableTopic>> {
        let producer = self.producer();
        producer.purge(PurgeConfig::default().queue().inflight());
        let until = Instant::now() + PURGED_WITHIN;
        while producer.in_flight_count() > 0 && Instant::now() < until {
            self.poll();
        }
        let silent: HashSet<String> =
            producer.context().take_undelivered().into_iter().map(|u| u.topic).collect();
        if silent.contains(self.cursors.topic()) {
            return None;
        }
        let why = format!("its leader didn't answer within {} s", DRAIN_MAX.as_secs());
        let of = |topic: &&&Topic| silent.contains(topic.as_str());
        let away = topics.iter().filter(of);
        let away: Vec<_> = away
            .map(|topic| UnavailableTopic { topic: (*topic).clone(), why: why.clone() })
            .collect();
        Some(away).filter(|away| !away.is_empty())
    }

    /// Takes an answer, or pauses until there may be one.
    fn poll(&self) {
        let unanswered = self.producer().in_flight_count();
        self.producer().poll(Duration::ZERO);
        if self.producer().in_flight_count() == unanswered {
            std::thread::sleep(POLL_PAUSE);
        }
    }

    /// Returns the error of the transaction as a whole, by beginning another one: that is refused
    /// with the reason why this one failed. If it didn't fail, nothing happens.
    fn transaction_error(&self) -> Option<RDKafkaErrorCode> {
        if let Some((code, _)) = self.producer().client().fatal_error() {
            return Some(code);
        }
        let error = self.producer().begin_transaction().err()?;
        Some(classify::code(&error)).filter(|code| *code != RDKafkaErrorCode::State)
    }

    /// Classifies the error of a call that begins or commits a transaction.
    fn failed(&self, call: &str, error: &KafkaError, topics: &[&Topic]) -> Error {
        let producer = self.producer();
        producer.poll(Duration::from_millis(1));
        let undelivered = producer.context().take_undelivered();
        let fatal = producer.client().fatal_error().map(|(code, _)| code);
        match classify_page(&undelivered, fatal.or(Some(classify::code(error))), topics) {
            Error::Retry(_) => classify_call(call, error, producer.context()),
            decided => decided,
        }
    }

    /// Aborts a page, since readers of committed records wait at its first record until then.
    fn abort(&self) {
        let producer = self.producer();
        let hopeless = producer.in_flight_count() > 0 || producer.client().fatal_error().is_some();
        if !hopeless && let Err(error) = producer.abort_transaction(ABORT_MAX) {
            tracing::debug!(%error, "failed to abort a page; the next takeover aborts it");
        }
    }
}

#[async_trait]
impl Publisher for LanePublisher {
    #[instrument(level = "debug", skip_all, fields(
        partition = self.partition,
        follower = %page.follower,
        tenants = page.slices.len(),
        events = page.slices.iter().map(|slice| slice.events.len()).sum::<usize>(),
    ))]
    async fn publish(mut self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error> {
        blocking(move || match self.publish_page(&page) {
            Ok(()) => Ok(self as Box<dyn Publisher>),
            Err(error) => {
                self.topics.forget_seen();
                if let Error::Unavailable(topics) = &error {
                    self.topics.invalidate(topics);
                }
                if matches!(error, Error::Retry(_)) {
                    self.cursors.invalidate();
                }
                Err(error)
            }
        })
        .await
    }

    #[instrument(level = "debug", skip_all, fields(partition = self.partition))]
    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        let cursors = cursors.to_vec();
        blocking(move || self.remove_cursors(&cursors)).await
    }

    fn should_recycle(&mut self) -> bool {
        self.usage.is_mostly_idle(Instant::now())
    }
}

impl Drop for LanePublisher {
    fn drop(&mut self) {
        discard(self.producer.take());
    }
}

/// Returns the topics of a page, each once.
fn topics(page: &Page) -> Vec<&Topic> {
    let mut topics: Vec<&Topic> =
        page.slices.iter().flat_map(|slice| &slice.events).map(|event| &event.topic).collect();
    topics.sort();
    topics.dedup();
    topics
}

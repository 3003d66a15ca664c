//! A lane's producer: fences whoever had the lane, then publishes page after page.
//!
//! Fed by `follow::lane`; feeds Kafka. A page, with its cursors, is one transaction. After an error
//! nothing is tried again with the same producer: its sequence numbers may have a gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};

use super::client_context::{Context, Refused};
use super::cursors_topic::CursorsTopic;
use super::mark::{self, ChangeToken};
use super::topic_usage::TopicUsage;
use super::topics::Topics;
use super::{Inner, blocking, classify, discard, left};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::topic::Topic;
use crate::sink::record::{self, CursorRecord};
use crate::sink::{Error, Page, Publisher, UnavailableTopic};

/// How long the brokers may take for a page's records. Below `message.timeout.ms`, so that no
/// record is given up in silence.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const COMMIT_MAX: Duration = Duration::from_secs(5);
/// An abort lets readers go on at once; if it takes longer, the next fence does it.
const ABORT_MAX: Duration = Duration::from_secs(1);
/// How long it takes to give up records that weren't answered.
const PURGED_WITHIN: Duration = Duration::from_millis(500);
/// How long an unanswered page waits before it looks again. `poll` with a time-out of a millisecond
/// would spin.
const POLL_PAUSE: Duration = Duration::from_micros(200);

/// The only producer of a lane.
pub(super) struct LanePublisher {
    /// `None` only while it is dropped.
    producer: Option<BaseProducer<Context>>,
    partition: i32,
    cursors: Arc<CursorsTopic>,
    topics: Arc<Topics>,
    used: TopicUsage,
    mark: ChangeToken,
}

impl LanePublisher {
    /// Takes the lane: from here on, nobody who had it before can commit.
    pub(super) fn take_over(kafka: &Inner, lane: Lane, until: Instant) -> Result<Self, Error> {
        let (config, cursors, topics) =
            (&kafka.config, kafka.cursors.clone(), kafka.topics.clone());
        let producer = kafka.transactional_ids.take(config, lane, cursors.topic(), until)?;
        producer.context().watch_offsets(cursors.topic());
        let used = TopicUsage::new(config.topics_idle_after, Instant::now());
        let partition = i32::from(lane.number());
        let mark = ChangeToken::default();
        let lane_producer =
            Self { producer: Some(producer), partition, cursors, topics, used, mark };
        lane_producer.leave_mark(kafka, lane, until)?;
        Ok(lane_producer)
    }

    fn producer(&self) -> &BaseProducer<Context> {
        self.producer.as_ref().expect("a lane's producer lives until it is dropped")
    }

    /// Writes to the lane's partition of the cursors topic and takes it back, which keeps out
    /// whoever had the lane before; then waits until nothing is open there.
    fn leave_mark(&self, kafka: &Inner, lane: Lane, until: Instant) -> Result<(), Error> {
        self.probe_write()?;
        let (topic, producer) = (self.cursors.topic(), self.producer());
        let committed = || {
            let told = producer.client().fetch_watermarks(topic, self.partition, left(until));
            let told = told.map_err(|error| {
                classify::classify_call("ask what is open", &error, producer.context())
            })?;
            Ok(told.1)
        };
        let abort_others = || kafka.transactional_ids.abort_others(&kafka.config, lane);
        let at = (topic, self.partition);
        self.mark.set(mark::settled(&kafka.admin, at, committed, abort_others, until)?);
        Ok(())
    }

    /// Proves besides that the topic may be written: a page can't tell whether it is refused, or
    /// one of its own.
    fn probe_write(&self) -> Result<(), Error> {
        let until = Instant::now() + DRAIN_MAX;
        self.producer().begin_transaction().map_err(|error| self.failed("begin", &error, &[]))?;
        let probe =
            BaseRecord::to(self.cursors.topic()).partition(self.partition).key("probe").payload("");
        let written = self.enqueue(probe, &[], until).and(self.drain(&[], until));
        self.abort();
        self.producer().context().take_offsets();
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
        if let Err(error) = sent.and(drained).and_then(|()| self.pass_mark()) {
            self.abort();
            return Err(error);
        }
        // Whether a commit that failed took place, only the cursors tell.
        producer
            .commit_transaction(COMMIT_MAX)
            .map_err(|error| self.failed("commit", &error, topics))
    }

    /// Nobody else has taken the lane since it was taken here.
    fn pass_mark(&self) -> Result<(), Error> {
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

    /// All records are made before the first is sent: they come while librdkafka waits for more of
    /// their partition, and go together.
    fn publish_page(&mut self, page: &Page) -> Result<(), Error> {
        let topics = topics(page);
        self.used.note(&topics, Instant::now());
        let slices = page.slices.iter();
        let records: Vec<_> =
            slices.clone().flat_map(|slice| &slice.events).map(record::event).collect();
        let cursors: Vec<_> = slices
            .map(|slice| CursorRecord::new(&page.follower, &slice.cursor, &slice.proof))
            .collect();
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
                let gone = CursorRecord::tombstone(*log_id, follower);
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
                let refused =
                    Refused { topic: again.topic.to_owned(), code: classify::code(&error) };
                return Err(classify::classify_page(&[refused], self.whole(), topics));
            }
            self.wait();
            record = again;
        }
    }

    /// Waits until every record is answered. `commit_transaction` would wait too, in steps of 100
    /// ms.
    fn drain(&self, topics: &[&Topic], until: Instant) -> Result<(), Error> {
        let producer = self.producer();
        while producer.in_flight_count() > 0 {
            if Instant::now() > until {
                let unanswered = producer.in_flight_count();
                if let Some(away) = self.unanswered(topics) {
                    return Err(Error::Unavailable(away));
                }
                let why =
                    producer.context().trouble().map(|trouble| format!(": {}", trouble.reason));
                let why = why.unwrap_or_default();
                return Err(Error::Retry(format!(
                    "{unanswered} records weren't answered in time{why}"
                )));
            }
            self.wait();
        }
        let refused = producer.context().take_refused();
        if refused.is_empty() {
            return Ok(());
        }
        Err(classify::classify_page(&refused, self.whole(), topics))
    }

    /// The topics whose records weren't answered, if others of the page were: their brokers are
    /// away. The producer is of no use behind this.
    fn unanswered(&self, topics: &[&Topic]) -> Option<Vec<UnavailableTopic>> {
        let producer = self.producer();
        producer.purge(PurgeConfig::default().queue().inflight());
        let until = Instant::now() + PURGED_WITHIN;
        while producer.in_flight_count() > 0 && Instant::now() < until {
            self.wait();
        }
        let silent: HashSet<String> =
            producer.context().take_refused().into_iter().map(|refused| refused.topic).collect();
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

    /// Takes an answer, or naps until there may be one.
    fn wait(&self) {
        let unanswered = self.producer().in_flight_count();
        self.producer().poll(Duration::ZERO);
        if self.producer().in_flight_count() == unanswered {
            std::thread::sleep(POLL_PAUSE);
        }
    }

    /// What the transaction as a whole says. To begin another is refused with the reason why this
    /// one failed; of one that didn't fail it does nothing.
    fn whole(&self) -> Option<RDKafkaErrorCode> {
        if let Some((code, _)) = self.producer().client().fatal_error() {
            return Some(code);
        }
        let error = self.producer().begin_transaction().err()?;
        Some(classify::code(&error)).filter(|code| *code != RDKafkaErrorCode::State)
    }

    fn failed(&self, call: &str, error: &KafkaError, topics: &[&Topic]) -> Error {
        let producer = self.producer();
        producer.poll(Duration::from_millis(1));
        let refused = producer.context().take_refused();
        let fatal = producer.client().fatal_error().map(|(code, _)| code);
        match classify::classify_page(&refused, fatal.or(Some(classify::code(error))), topics) {
            Error::Retry(_) => classify::classify_call(call, error, producer.context()),
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
impl Publisher for LanePublisher {
    async fn publish(mut self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error> {
        blocking(move || match self.publish_page(&page) {
            Ok(()) => Ok(self as Box<dyn Publisher>),
            Err(error) => {
                self.topics.forget();
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

    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        let cursors = cursors.to_vec();
        blocking(move || self.remove(&cursors)).await
    }

    fn should_recycle(&mut self) -> bool {
        self.used.are_mostly_idle(Instant::now())
    }
}

impl Drop for LanePublisher {
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

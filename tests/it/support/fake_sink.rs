//! A Kafka that keeps its promises in memory, and breaks any call that a test asks it to.
//!
//! It fences, and commits a page with its cursors or not at all, as the real one does. So a story
//! can fail at each call in turn, which would take too long with processes.

mod groups;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Key;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::LogId;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::{Topic, TopicSpec};
use event_gateway::sink::{
    Error, KnownCursors, Names, Page, PartitionRange, PartitionsGrown, Publisher, RecordCause,
    Repair, Sink, TakenOver, TenantTopics, TopicAdmin, TopicDescription, TopicReading, TopicRecord,
    UnavailableTopic,
};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::support::sink_cursors::commit_cursors;

/// The way in which a call breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and an error is returned.
    Before,
    /// The call takes effect, and an error is returned all the same.
    After,
}

/// The number of stories that run at once: most of a story's time is waiting.
const STORIES: usize = 8;

/// Runs a story repeatedly, with a fault at each of its calls in turn, before and after. The story
/// returns the number of calls; a story of fewer than `calls_min` proves nothing.
pub async fn at_each_call(calls_min: usize, story: impl AsyncFn((usize, Fault)) -> usize) {
    for fault in [Fault::Before, Fault::After] {
        let (mut calls, mut met) = (0, STORIES);
        while met == STORIES {
            let next = calls + 1..=calls + STORIES;
            let stories = next.map(async |call| story((call, fault)).await >= call);
            met = join_all(stories).await.into_iter().filter(|was_met| *was_met).count();
            calls += met;
        }
        assert!(calls >= calls_min, "a story of {calls} calls tells nothing");
    }
}

/// The state of such a Kafka.
#[derive(Default)]
pub struct State {
    /// Nobody reaches it.
    pub away: bool,
    /// The topics that were created.
    pub ensured: HashSet<Topic>,
    /// The number of calls so far: takeovers, ensures, pages, and those of the repair.
    pub calls: usize,
    /// The call that breaks, counted from 1, and the way in which it does.
    pub fault: Option<(usize, Fault)>,
    /// The keys whose records are refused, as if they were too large.
    pub refused_keys: HashSet<(Topic, Key)>,
    /// The topics that are refused, when they are published to or created.
    pub refused_topics: HashSet<Topic>,
    /// The topics that take no records just now.
    pub away_topics: HashSet<Topic>,
    /// Kafka's own time: records of more than an hour later are refused.
    pub now: Option<Time>,
    /// The topics that don't exist.
    pub missing_topics: HashSet<Topic>,
    /// The topics as the cluster describes them.
    pub described: HashMap<Topic, TopicDescription>,
    /// The topics that were deleted.
    pub deleted: Vec<Topic>,
    /// The offsets that topics have from their first one to their end, where there are any.
    pub spans: HashMap<Topic, u64>,
    /// The topics that were given more partitions.
    pub partitions_grown: Vec<PartitionsGrown>,
    /// The committed records, in order.
    pub records: Vec<Envelope>,
    /// The time that topics give their records in place of the events' own.
    pub append_time: Option<Time>,
    /// The number of records that each topic has removed by its retention.
    pub expired: i64,
    /// Whether adding partitions to the cursors topic blocks.
    pub adds_partitions_slowly: bool,
    /// The time that it takes to open a topic.
    pub read_topic_takes: Duration,
    /// The number of partitions of the cursors topic, once some were added.
    pub partitions: u16,
    /// The committed cursors of each lane.
    pub cursors: HashMap<Lane, KnownCursors>,
    /// The numbers of tenants, events and payload bytes of each committed page.
    pub pages: Vec<(usize, usize, usize)>,
    /// Whether the next publisher that is asked says that it should be recycled.
    pub recycle: bool,
    fences: HashMap<Lane, u64>,
}

impl State {
    fn refuse_away(&self) -> Result<(), Error> {
        if self.away { Err(Error::retry("Kafka is away")) } else { Ok(()) }
    }
}

/// The handle of such a Kafka.
#[derive(Clone)]
pub struct FakeKafka {
    state: Arc<Mutex<State>>,
    follower: Follower,
}

impl Default for FakeKafka {
    fn default() -> Self {
        Self { state: Arc::default(), follower: Follower::relay() }
    }
}

impl FakeKafka {
    /// Reads or changes its state.
    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    /// Returns the number of takeovers.
    pub fn fences(&self) -> u64 {
        self.state(|state| state.fences.values().sum())
    }

    fn call<T>(&self, act: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        self.state(|state| {
            state.calls += 1;
            state.refuse_away()?;
            let broken = || Error::retry("broken by the test");
            match state.fault.filter(|(call, _)| *call == state.calls) {
                Some((_, Fault::Before)) => Err(broken()),
                Some((_, Fault::After)) => act(state).and(Err(broken())),
                None => act(state),
            }
        })
    }
}

#[async_trait]
impl Sink for FakeKafka {
    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn names(&self) -> Names {
        Names { sink: "Kafka", cursors: "the cursors topic" }
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn has_topics(&self) -> bool {
        true
    }

    async fn take_over(&self, lane: Lane, _term: u64) -> Result<TakenOver, Error> {
        self.call(|state| {
            let fence = state.fences.entry(lane).or_default();
            *fence += 1;
            let publisher = FakePublisher { kafka: self.clone(), lane, fence: *fence };
            Ok(TakenOver {
                publisher: Box::new(publisher),
                cursors: state.cursors.get(&lane).cloned().unwrap_or_default(),
            })
        })
    }

    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error> {
        self.call(|state| Ok(state.cursors.get(&lane).cloned().unwrap_or_default()))
    }

    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        self.call(|state| {
            match topics.iter().find(|spec| state.refused_topics.contains(&spec.topic)) {
                Some(spec) => {
                    Err(Error::Topic(spec.topic.clone(), "refused by the test".to_owned()))
                }
                None => {
                    let is_away = |spec: &&TopicSpec| state.away_topics.contains(&spec.topic);
                    let away = topics.iter().filter(is_away).map(|spec| UnavailableTopic {
                        topic: spec.topic.clone(),
                        why: "away by the test".to_owned(),
                    });
                    let away: Vec<_> = away.collect();
                    state.ensured.extend(topics.iter().map(|spec| spec.topic.clone()));
                    if away.is_empty() { Ok(()) } else { Err(Error::Unavailable(away)) }
                }
            }
        })
    }

    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, TopicDescription>, Error> {
        self.state(|state| {
            state.refuse_away()?;
            let there = topics.iter().filter(|topic| !state.missing_topics.contains(*topic));
            let described = |topic: &Topic| state.described.get(topic).cloned().unwrap_or_default();
            Ok(there.map(|topic| (topic.clone(), described(topic))).collect())
        })
    }

    async fn remove_tenant(&self, _: &TenantId, topics: &TenantTopics) -> Result<(), Error> {
        self.call(|state| {
            state.ensured.retain(|topic| !topics.own.contains(topic));
            state.records.retain(|event| !topics.own.contains(&event.topic));
            Ok(())
        })
    }

    async fn check(&self) -> Result<(), Error> {
        self.state(|state| state.refuse_away())
    }
}

#[async_trait]
impl TopicAdmin for FakeKafka {
    fn cursors_topic(&self) -> Option<Topic> {
        None
    }

    async fn replication(&self) -> Result<usize, Error> {
        Ok(1)
    }

    async fn alter(
        &self,
        _topic: &Topic,
        _settings: &[(&'static str, String)],
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn grow(&self, topic: &Topic, partitions: u16) -> Result<(), Error> {
        self.call(|state| {
            state.described.entry(topic.clone()).or_default().partitions = partitions.into();
            Ok(())
        })
    }

    async fn span(&self, topic: &Topic) -> Result<Option<u64>, Error> {
        self.state(|state| {
            let is_there = !state.missing_topics.contains(topic);
            Ok(is_there.then(|| state.spans.get(topic).copied().unwrap_or_default()))
        })
    }

    async fn delete(&self, topic: &Topic) -> Result<(), Error> {
        self.call(|state| {
            state.deleted.push(topic.clone());
            state.missing_topics.insert(topic.clone());
            Ok(())
        })
    }
}

#[async_trait]
impl Repair for FakeKafka {
    async fn read_topic(
        &self,
        topic: &Topic,
        since: Option<Time>,
    ) -> Result<Option<TopicReading>, Error> {
        tokio::time::sleep(self.state(|state| state.read_topic_takes)).await;
        self.call(|state| {
            let own = state.records.iter().filter(|event| event.topic == *topic);
            let records: Vec<_> =
                own.zip(0..).map(|(event, at)| record(event, at, state.append_time)).collect();
            let end = records.len() as i64;
            let is_since = |record: &TopicRecord| record.time_ms >= since.map(Time::as_ms);
            let start = records.iter().find(|record| is_since(record)).map_or(end, |it| it.offset);
            let first = state.expired.min(end);
            let range = PartitionRange { first, start: start.max(first), end };
            let later = records.into_iter().filter(|record| record.offset >= range.start);
            let (batches, records) = mpsc::channel(1);
            batches.try_send(Ok(later.collect())).expect("the channel is empty");
            Ok(Some(TopicReading { partitions: vec![range], records }))
        })
    }

    fn partition(&self, _key: &[u8], _partitions: usize) -> usize {
        0
    }

    async fn add_partitions(&self, lanes: u16) -> Result<u16, Error> {
        let partitions = self.call(|state| {
            state.partitions = state.partitions.max(lanes);
            Ok(state.partitions)
        });
        while self.state(|state| state.adds_partitions_slowly) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        partitions
    }

    fn partitions_grown(&self) -> Vec<PartitionsGrown> {
        self.state(|state| state.partitions_grown.clone())
    }
}

/// Returns the record of an event, as Kafka would have it.
fn record(event: &Envelope, offset: i64, append_time: Option<Time>) -> TopicRecord {
    let headers = event.record_headers();
    let bytes = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
    TopicRecord {
        partition: 0,
        offset,
        time_ms: Some(append_time.unwrap_or(event.time).as_ms()),
        is_append_time: append_time.is_some(),
        key: event.key.as_str().as_bytes().to_vec(),
        value: Some(event.payload.to_vec()),
        headers: headers.iter().map(bytes).collect(),
    }
}

struct FakePublisher {
    kafka: FakeKafka,
    lane: Lane,
    fence: u64,
}

impl FakePublisher {
    fn refuse_fenced(&self, state: &State) -> Result<(), Error> {
        if state.fences[&self.lane] == self.fence {
            return Ok(());
        }
        Err(Error::Fenced("another producer has the lane".to_owned()))
    }
}

#[async_trait]
impl Publisher for FakePublisher {
    /// A refusal is an error of the whole page, as with librdkafka.
    async fn publish(self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error> {
        // Whatever else is done meanwhile has begun.
        tokio::task::yield_now().await;
        self.kafka.clone().call(|state| {
            self.refuse_fenced(state)?;
            let events = page.slices.iter().flat_map(|slice| &slice.events);
            if events
                .clone()
                .any(|e| state.refused_keys.contains(&(e.topic.clone(), e.key.clone())))
            {
                return Err(Error::refused("a record is too large"));
            }
            let latest = state.now.map(|now| now.as_ms() + 3_600_000);
            if latest.is_some_and(|latest| events.clone().any(|event| event.time.as_ms() > latest))
            {
                return Err(Error::Isolate(RecordCause::TooEarly(
                    "a record is of the future".to_owned(),
                )));
            }
            let bytes = events.clone().map(|event| event.payload.len()).sum();
            state.pages.push((page.slices.len(), events.clone().count(), bytes));
            state.records.extend(events.cloned());
            commit_cursors(state.cursors.entry(self.lane).or_default(), &page);
            Ok(self as Box<dyn Publisher>)
        })
    }

    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        self.kafka.clone().call(|state| {
            self.refuse_fenced(state)?;
            let known = state.cursors.entry(self.lane).or_default();
            known.retain(|whose, _| !cursors.contains(whose));
            Ok(())
        })
    }

    fn should_recycle(&mut self) -> bool {
        self.kafka.state(|state| std::mem::take(&mut state.recycle))
    }
}

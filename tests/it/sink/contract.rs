//! The contract of sinks: each promise of the port, checked on every sink.
//!
//! A sink is seen through its port, and through one more query: the position of the newest record
//! of each key.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::topic::{Topic, TopicSpec};
use event_gateway::sink::{Error, KnownCursors, Page, PageSlice, Publisher, Sink, TakenOver};

use crate::support::fake_documents::FakeDocuments;
use crate::support::fake_sink::FakeKafka;
use crate::support::services::kafka::envelopes::Log;

const LANE: Lane = Lane::new(1);
const OTHER: Lane = Lane::new(0);

/// The positions of the newest records, by key.
pub type Newest = BTreeMap<String, u64>;

/// A sink, a topic of its own in it, and a way to read that topic.
pub struct Bed {
    pub sink: Arc<dyn Sink>,
    pub spec: TopicSpec,
    pub newest: Box<dyn Fn(&Topic) -> Newest>,
}

impl Bed {
    async fn take_over(&self, lane: Lane, term: u64) -> TakenOver {
        self.sink.take_over(lane, term).await.unwrap()
    }

    /// Makes a slice with an event for each of these keys.
    fn slice(&self, log: &mut Log, keys: &[&str]) -> PageSlice {
        let name = self.spec.topic.as_str();
        let events = keys.iter().map(|key| log.event(name, key, "{}")).collect();
        log.slice(events)
    }

    fn page(&self, slices: Vec<PageSlice>) -> Arc<Page> {
        Arc::new(Page { follower: self.sink.follower().clone(), slices, target: None })
    }

    /// Takes the lane over, and returns the cursors.
    async fn cursors(&self, lane: Lane, term: u64) -> KnownCursors {
        self.take_over(lane, term).await.cursors
    }

    fn newest(&self) -> Newest {
        (self.newest)(&self.spec.topic)
    }
}

/// Fails unless the page was refused because another publisher has the lane.
fn assert_fenced<T>(outcome: Result<T, Error>) {
    let error = outcome.err().expect("it was taken");
    assert!(matches!(error, Error::Fenced(_)), "{error:?}");
}

/// Checks all promises of one sink, each with logs of its own.
pub async fn keeps_its_promises(bed: &Bed) {
    bed.sink.check().await.unwrap();
    topics_are_ensured_again_and_again(bed).await;
    let term = records_and_cursors_are_committed_together(bed, 1).await;
    let term = a_follower_has_a_cursor_of_its_own(bed, term).await;
    let term = whoever_had_the_lane_is_shut_out(bed, term).await;
    let term = cursors_that_are_forgotten_are_gone(bed, term).await;
    lanes_are_apart(bed, term).await;
}

async fn topics_are_ensured_again_and_again(bed: &Bed) {
    let specs = [bed.spec.clone()];
    bed.sink.ensure(&specs).await.unwrap();
    bed.sink.ensure(&specs).await.unwrap();
    let described = bed.sink.describe(std::slice::from_ref(&bed.spec.topic)).await.unwrap();
    assert!(described.contains_key(&bed.spec.topic), "what was ensured is there");
}

/// A page of two tenants publishes both, with their cursors; and a slice without events moves its
/// cursor.
async fn records_and_cursors_are_committed_together(bed: &Bed, term: u64) -> u64 {
    let (mut diku, mut college) = (Log::new("diku"), Log::new("college"));
    let key = |log: &Log| (log.id, bed.sink.follower().clone());
    let TakenOver { publisher, cursors } = bed.take_over(LANE, term).await;
    assert!(!cursors.contains_key(&key(&diku)), "nobody has published it");
    let slices = vec![bed.slice(&mut diku, &["a", "b", "a"]), bed.slice(&mut college, &["c"])];
    let publisher = publisher.publish(bed.page(slices)).await.unwrap();
    diku.event(bed.spec.topic.as_str(), "parked", "{}");
    publisher.publish(bed.page(vec![diku.slice(Vec::new())])).await.unwrap();
    let known = bed.cursors(LANE, term + 1).await;
    assert_eq!(known.get(&key(&diku)), Some(&diku.known()), "the page without events moved it");
    assert_eq!(known.get(&key(&college)), Some(&college.known()));
    let newest = bed.newest();
    assert_eq!([newest["a"], newest["b"], newest["c"]], [3, 2, 1]);
    assert!(!newest.contains_key("parked"));
    term + 1
}

async fn a_follower_has_a_cursor_of_its_own(bed: &Bed, term: u64) -> u64 {
    let mut log = Log::new("diku");
    let scope = Follower::parse("release-7").unwrap();
    let publisher = bed.take_over(LANE, term).await.publisher;
    let page = bed.page(vec![bed.slice(&mut log, &["d"])]);
    let publisher = publisher.publish(page).await.unwrap();
    let live = log.known();
    let released = vec![bed.slice(&mut log, &["e"])];
    let page = Arc::new(Page { follower: scope.clone(), slices: released, target: None });
    publisher.publish(page).await.unwrap();
    let known = bed.cursors(LANE, term + 1).await;
    assert_eq!(known.get(&(log.id, bed.sink.follower().clone())), Some(&live));
    assert_eq!(known.get(&(log.id, scope)), Some(&log.known()));
    term + 1
}

/// The fence also holds for forgetting cursors; and a refused call moves nothing.
async fn whoever_had_the_lane_is_shut_out(bed: &Bed, term: u64) -> u64 {
    let mut log = Log::new("diku");
    let zombie = bed.take_over(LANE, term).await.publisher;
    let page = bed.page(vec![bed.slice(&mut log, &["f"])]);
    let mut zombie = zombie.publish(page).await.unwrap();
    assert!(!zombie.should_recycle(), "it has just begun");
    let committed = log.known();
    let key = (log.id, bed.sink.follower().clone());
    let TakenOver { publisher, cursors } = bed.take_over(LANE, term + 1).await;
    assert_eq!(cursors.get(&key), Some(&committed));
    let late = bed.page(vec![bed.slice(&mut log, &["g"])]);
    assert_fenced(zombie.publish(late.clone()).await);
    assert!(!bed.newest().contains_key("g"), "nothing of it is seen");
    let publisher = publisher.publish(late).await.unwrap();
    let TakenOver { publisher: newest, cursors } = bed.take_over(LANE, term + 2).await;
    assert_eq!(cursors.get(&key), Some(&log.known()), "who has the lane goes on");
    assert_fenced(publisher.forget(std::slice::from_ref(&key)).await);
    drop(newest);
    assert_eq!(bed.cursors(LANE, term + 3).await.get(&key), Some(&log.known()));
    term + 3
}

async fn cursors_that_are_forgotten_are_gone(bed: &Bed, term: u64) -> u64 {
    let (mut gone, mut kept) = (Log::new("diku"), Log::new("college"));
    let key = |log: &Log| (log.id, bed.sink.follower().clone());
    let slices = vec![bed.slice(&mut gone, &["h"]), bed.slice(&mut kept, &["i"])];
    let publisher = bed.take_over(LANE, term).await.publisher;
    publisher.publish(bed.page(slices)).await.unwrap();
    let publisher = bed.take_over(LANE, term + 1).await.publisher;
    publisher.forget(&[key(&gone)]).await.unwrap();
    let known = bed.cursors(LANE, term + 2).await;
    assert!(!known.contains_key(&key(&gone)), "{known:?}");
    assert_eq!(known.get(&key(&kept)), Some(&kept.known()));
    term + 2
}

/// Taking one lane over fences no publisher of another, and shows no other lane's cursors.
async fn lanes_are_apart(bed: &Bed, term: u64) {
    let mut log = Log::new("diku");
    let publisher: Box<dyn Publisher> = bed.take_over(LANE, term).await.publisher;
    let other = bed.take_over(OTHER, term).await;
    assert!(!other.cursors.keys().any(|(log_id, _)| *log_id == log.id));
    let page = bed.page(vec![bed.slice(&mut log, &["j"])]);
    publisher.publish(page).await.unwrap();
    let other = bed.cursors(OTHER, term + 1).await;
    assert!(!other.keys().any(|(log_id, _)| *log_id == log.id));
    assert!(bed.cursors(LANE, term + 1).await.keys().any(|(log_id, _)| *log_id == log.id));
}

pub fn spec(topic: &str) -> TopicSpec {
    let topic = Topic::parse(topic).unwrap();
    let (partitions, retention_ms) = (1, 3_600_000);
    TopicSpec { topic, partitions, retention_ms, compacted: false, compression: None }
}

#[tokio::test]
async fn a_kafka_in_memory_keeps_the_promises_of_a_sink() {
    let kafka = FakeKafka::default();
    let state = kafka.clone();
    let newest = move |topic: &Topic| {
        state.state(|state| {
            let records = state.records.iter().filter(|event| event.topic == *topic);
            records.map(|event| (event.key.to_string(), event.position.number())).collect()
        })
    };
    let spec = spec("folio.diku.inventory.item");
    keeps_its_promises(&Bed { sink: Arc::new(kafka), spec, newest: Box::new(newest) }).await;
}

fn documents() -> (FakeDocuments, Bed) {
    let documents = FakeDocuments::new("hexkit");
    let state = documents.clone();
    let newest = move |topic: &Topic| {
        state.state(|state| {
            let documents = state.documents.iter().filter(|((_, of, _), _)| of == topic);
            documents
                .map(|((_, _, key), event)| (key.to_string(), event.position.number()))
                .collect()
        })
    };
    let spec = spec("folio.diku.inventory.item");
    let sink = Arc::new(documents.clone());
    (documents, Bed { sink, spec, newest: Box::new(newest) })
}

#[tokio::test]
async fn a_collection_of_documents_keeps_the_promises_of_a_sink() {
    let (_, bed) = documents();
    keeps_its_promises(&bed).await;
}

/// The term alone fences a publisher.
#[tokio::test]
async fn a_collection_of_documents_refuses_a_term_that_is_over() {
    let (_, bed) = documents();
    bed.take_over(LANE, 7).await;
    assert_fenced(bed.sink.take_over(LANE, 6).await);
    assert!(bed.sink.take_over(OTHER, 6).await.is_ok(), "another lane has terms of its own");
}

#[tokio::test]
async fn a_collection_that_is_away_is_tried_again_and_has_lost_nothing() {
    let (documents, bed) = documents();
    let mut log = Log::new("diku");
    let publisher = bed.take_over(LANE, 1).await.publisher;
    publisher.publish(bed.page(vec![bed.slice(&mut log, &["a"])])).await.unwrap();
    documents.state(|state| state.away = true);
    for error in [bed.sink.check().await.err(), bed.sink.take_over(LANE, 2).await.err()] {
        assert!(matches!(error, Some(Error::Retry(_))), "{error:?}");
    }
    documents.state(|state| state.away = false);
    let key = (log.id, bed.sink.follower().clone());
    assert_eq!(bed.cursors(LANE, 2).await.get(&key), Some(&log.known()));
}

//! A sink without transactions over topics: a collection of documents that keeps cursors of its
//! own, as hexkit's does, in memory.
//!
//! Each (tenant, topic, key) has one document, which only a newer position replaces. A page and its
//! cursors are one write, and a write of a term that is over is refused by the collection itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Key;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::LogId;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::topic::{Topic, TopicSpec};
use event_gateway::sink::{
    Error, KnownCursors, Names, Page, Publisher, Sink, TakenOver, TenantTopics, TopicDescription,
};

use crate::support::sink_cursors::commit_cursors;

/// The documents of such a collection.
#[derive(Default)]
pub struct Documents {
    /// The collection can't be reached.
    pub away: bool,
    /// The newest event of each record.
    pub documents: BTreeMap<(TenantId, Topic, Key), Envelope>,
    /// The committed cursors of each lane.
    pub cursors: HashMap<Lane, KnownCursors>,
    /// The keys whose records it never takes.
    pub refused_keys: Vec<Key>,
    /// The highest term with which each lane was taken over.
    terms: HashMap<Lane, u64>,
}

/// The handle of such a collection.
#[derive(Clone)]
pub struct FakeDocuments {
    documents: Arc<Mutex<Documents>>,
    follower: Follower,
}

impl FakeDocuments {
    /// Makes an empty collection, with the name of its follower.
    pub fn new(follower: &str) -> Self {
        Self { documents: Arc::default(), follower: Follower::parse(follower).unwrap() }
    }

    /// Reads or changes the collection.
    pub fn state<T>(&self, look: impl FnOnce(&mut Documents) -> T) -> T {
        look(&mut self.documents.lock().unwrap())
    }

    fn call<T>(&self, act: impl FnOnce(&mut Documents) -> Result<T, Error>) -> Result<T, Error> {
        self.state(|state| {
            if state.away { Err(Error::retry("the collection is away")) } else { act(state) }
        })
    }
}

#[async_trait]
impl Sink for FakeDocuments {
    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn names(&self) -> Names {
        Names { sink: "the collection", cursors: "the collection's cursors" }
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn has_topics(&self) -> bool {
        false
    }

    async fn take_over(&self, lane: Lane, term: u64) -> Result<TakenOver, Error> {
        self.call(|state| {
            let highest = state.terms.entry(lane).or_default();
            // A lane without a lease is taken over with 0.
            if term != 0 && term < *highest {
                return Err(Error::Fenced(format!("{lane} was taken over in term {highest}")));
            }
            *highest = term;
            let publisher = Box::new(DocumentWriter { sink: self.clone(), lane, term });
            let cursors = state.cursors.get(&lane).cloned().unwrap_or_default();
            Ok(TakenOver { publisher, cursors })
        })
    }

    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error> {
        self.call(|state| Ok(state.cursors.get(&lane).cloned().unwrap_or_default()))
    }

    async fn ensure(&self, _topics: &[TopicSpec]) -> Result<(), Error> {
        Ok(())
    }

    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, TopicDescription>, Error> {
        let each = topics.iter().map(|topic| (topic.clone(), TopicDescription::default()));
        Ok(each.collect())
    }

    async fn remove_tenant(&self, tenant: &TenantId, _: &TenantTopics) -> Result<(), Error> {
        self.call(|state| {
            state.documents.retain(|(owner, _, _), _| owner != tenant);
            Ok(())
        })
    }

    async fn check(&self) -> Result<(), Error> {
        self.call(|_| Ok(()))
    }
}

struct DocumentWriter {
    sink: FakeDocuments,
    lane: Lane,
    term: u64,
}

impl DocumentWriter {
    fn refuse_fenced(&self, state: &Documents) -> Result<(), Error> {
        if state.terms[&self.lane] == self.term {
            return Ok(());
        }
        Err(Error::Fenced(format!("term {} of {} is over", self.term, self.lane)))
    }
}

#[async_trait]
impl Publisher for DocumentWriter {
    async fn publish(self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error> {
        self.sink.clone().call(|state| {
            self.refuse_fenced(state)?;
            let events = page.slices.iter().flat_map(|slice| &slice.events);
            if events.clone().any(|event| state.refused_keys.contains(&event.key)) {
                return Err(Error::refused("a record is too large"));
            }
            for event in events {
                let record = (event.tenant.clone(), event.topic.clone(), event.key.clone());
                let newest = state.documents.entry(record).or_insert_with(|| event.clone());
                if event.position > newest.position {
                    *newest = event.clone();
                }
            }
            commit_cursors(state.cursors.entry(self.lane).or_default(), &page);
            Ok(self as Box<dyn Publisher>)
        })
    }

    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        self.sink.clone().call(|state| {
            self.refuse_fenced(state)?;
            state.cursors.entry(self.lane).or_default().retain(|key, _| !cursors.contains(key));
            Ok(())
        })
    }

    fn should_recycle(&mut self) -> bool {
        false
    }
}

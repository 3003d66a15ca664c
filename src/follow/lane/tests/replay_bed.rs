//! The bed of the tests of replays: a tenant with a log, a lane that publishes it to a sink in
//! memory, and the replays that are asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use super::{ITEMS, LaneWork, MemorySink, Step, deps, diku, origin, topic, work};
use crate::clock::System;
use crate::domain::change;
use crate::domain::draft::{Draft, Place, Posting};
use crate::domain::entity::{Entity, TopicSettings};
use crate::domain::event::EventId;
use crate::domain::filter::TopicPattern;
use crate::domain::follower::Follower;
use crate::domain::json::Raw;
use crate::domain::key::Pointer;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::replay::{Rate, Replay, ReplayRequest, Wish};
use crate::domain::retention::Retention;
use crate::domain::subject::Subject;
use crate::domain::topic::Topic;
use crate::domain::trail::{Act, Actor};
use crate::domain::wire_form::WireForm;
use crate::follow::interruptible::Interruptible;
use crate::follow::lane::task;
use crate::follow::lease::LEASE;
use crate::follow::removal::RemovalTask;
use crate::follow::replay::submit::{NotSubmitted, SubmitDeps, Submitted};
use crate::follow::{FollowDeps, page_scan};
use crate::store::{Batch, Lease};

/// A tenant whose lane publishes to a sink in memory.
pub(super) struct Bed {
    pub(super) sink: MemorySink,
    pub(super) work: LaneWork,
    pub(super) lease: Lease,
    pub(super) submit: SubmitDeps,
    next_id: u128,
    _folder: TempDir,
}

impl Bed {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (deps, sink) = (deps(&folder).await, MemorySink::new());
        sink.refuses.store(false, Ordering::SeqCst);
        let (store, settings) = (deps.store.clone(), deps.settings.clone());
        let submit = SubmitDeps {
            store: store.clone(),
            settings,
            broker: Some(Arc::new(sink.clone())),
            clock: Arc::new(System),
        };
        let work = work(deps, &sink, task::sources);
        let lease = store.acquire(Lane::new(0), "one", LEASE).await.unwrap().unwrap();
        Self { sink, work, lease, submit, next_id: 1, _folder: folder }
    }

    /// Appends a CREATE for each key, to a topic.
    pub(super) async fn post(&mut self, to: &str, keys: &[&str]) {
        let drafts = keys.iter().map(|key| self.draft(to, key)).collect();
        self.append(drafts).await;
    }

    pub(super) async fn delete_all(&mut self, of: &str) {
        let place = Place { subject: Subject::new("inventory", "item"), topic: topic(of) };
        let id = self.id();
        let draft = Draft::delete_all(place, WireForm::Convention, id, &origin(&diku()));
        self.append(vec![draft]).await;
    }

    async fn append(&self, drafts: Vec<Draft>) {
        self.submit.store.append(&[Batch { tenant: diku(), drafts }]).await.unwrap();
    }

    fn id(&mut self) -> EventId {
        let id = EventId::new(uuid::Uuid::from_u128(self.next_id));
        self.next_id += 1;
        id
    }

    fn draft(&mut self, to: &str, key: &str) -> Draft {
        let place = Place { subject: Subject::new("inventory", "item"), topic: topic(to) };
        let posting = Posting { place, origin: origin(&diku()) };
        let change = Raw::parse(&format!(r#"{{"new":{{"id":"{key}"}}}}"#).into()).unwrap();
        let entity = Entity {
            key: Pointer::parse("/id").unwrap(),
            wire_form: WireForm::Convention,
            topic: TopicSettings::default(),
        };
        change::parse(&change, "", &entity, &posting, || self.id()).unwrap()
    }

    /// Works until there is nothing to do.
    pub(super) async fn rest(&mut self) {
        while self.work.step(&self.lease).await.unwrap() != Step::Idle {}
    }

    /// Takes the lane over again: a new session begins from the sink's cursors, with full pace.
    pub(super) async fn take_over(&mut self) {
        self.work.session = None;
        self.rest().await;
    }

    /// Works until a replay has published so many events.
    pub(super) async fn until_sent(&mut self, replay: &Replay, events: usize) {
        self.work.session = None;
        while self.sent(replay).len() < events {
            if self.work.step(&self.lease).await.unwrap() == Step::Idle {
                self.work.session = None;
            }
        }
    }

    /// Works until a replay has ended.
    pub(super) async fn until_ended(&mut self, replay: &Replay) {
        while self.now(replay).await.is_open() {
            self.take_over().await;
        }
    }

    pub(super) async fn submitted(&self, request: &ReplayRequest) -> Result<Replay, NotSubmitted> {
        let by = Actor::shell("test").does(Act::StartReplay);
        match self.submit.submit(&diku(), request, &by).await? {
            Submitted::Replay(replay) => Ok(*replay),
            Submitted::Count(count) => panic!("a dry run: {count:?}"),
        }
    }

    pub(super) async fn replay(&self, request: &ReplayRequest) -> Replay {
        self.submitted(request).await.unwrap()
    }

    /// Returns a replay as the store has it.
    pub(super) async fn now(&self, replay: &Replay) -> Replay {
        self.submit.store.find_replay(&diku(), replay.id).await.unwrap().unwrap()
    }

    pub(super) async fn wish(&self, replay: &Replay, wish: Wish) {
        let by = Actor::shell("test").does(Act::PauseReplay);
        self.submit.wish(&diku(), replay.id, wish, None, &by).await.unwrap();
    }

    /// Removes what a retention of no time lets go. Returns the positions that are left.
    pub(super) async fn remove_all(&self) -> Vec<u64> {
        let removal =
            Retention { log_retention: Some(Duration::ZERO), ..self.work.lane.deps.removal };
        let deps = FollowDeps { removal, ..self.work.lane.deps.clone() };
        RemovalTask::new(deps, vec![Follower::relay()]).round().await.unwrap();
        let slices = self
            .submit
            .store
            .read(&[(diku(), Position::START.into())], &page_scan(99))
            .await
            .unwrap();
        slices[0].events.iter().map(|event| event.position.number()).collect()
    }

    /// Returns the positions that a replay has sent, in order.
    pub(super) fn sent(&self, replay: &Replay) -> Vec<u64> {
        self.sink.published(&replay.id.follower())
    }

    /// Returns the position of the last record of each key of a topic.
    pub(super) fn last_of_keys(&self, of: &str) -> HashMap<String, u64> {
        let pages = self.sink.pages.lock().unwrap();
        let events = pages.iter().flat_map(|page| &page.slices).flat_map(|slice| &slice.events);
        let its = events.filter(|event| event.topic.as_str() == of);
        its.map(|event| (event.key.to_string(), event.position.number())).collect()
    }
}

pub(super) fn of_topic(name: &str) -> ReplayRequest {
    ReplayRequest { topics: vec![TopicPattern::exact(&topic(name))], ..ReplayRequest::default() }
}

pub(super) fn to_target() -> ReplayRequest {
    ReplayRequest { target: Some(Topic::parse("diku.again").unwrap()), ..of_topic(ITEMS) }
}

pub(super) fn slow(request: ReplayRequest) -> ReplayRequest {
    let rate = Rate { events_per_second: Some(2), bytes_per_second: None };
    ReplayRequest { rate, ..request }
}

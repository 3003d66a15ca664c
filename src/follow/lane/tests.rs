//! Tests of a lane with a third source, of which it knows nothing: on a real store, with a sink in
//! memory.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

use super::sink_lane::SinkLane;
use super::{LaneWork, Step};
use crate::clock::System;
use crate::domain::draft::{Draft, Origin, Place};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::headers::Headers;
use crate::domain::lane::Lane;
use crate::domain::parked::Request;
use crate::domain::position::{LogId, Position};
use crate::domain::retention::Lifetimes;
use crate::domain::settings::{FoundFiles, Settings};
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Topic, TopicSpec};
use crate::domain::transition::Transition;
use crate::domain::wire_form::WireForm;
use crate::follow::lane_state::LaneState;
use crate::follow::lease::LEASE;
use crate::follow::parking::Refused;
use crate::follow::parking::release::Release;
use crate::follow::relay::Relay;
use crate::follow::source::{Error, Limits, Next, PageSource};
use crate::follow::tenant_jobs::TenantDeps;
use crate::follow::{FollowDeps, PAGE_EVENTS_MAX, Wakeups};
use crate::health::Health;
use crate::sink::{
    self, KnownCursor, KnownCursors, Names, Page, PageSlice, ParkingProof, Publisher, Sink,
    TakenOver, TenantTopics, TopicDescription,
};
use crate::store::{self, Access, Batch, Config};

mod erasures;
mod purges;
mod replay_bed;
mod replay_targets;
mod replays;

const REFUSED: &str = "folio.diku.replay.refused";
const ITEMS: &str = "folio.diku.inventory.item";

fn diku() -> TenantId {
    TenantId::parse("diku").unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// A sink that takes every page but those with an event of one topic, as long as it refuses that.
#[derive(Clone)]
struct MemorySink {
    follower: Follower,
    refuses: Arc<AtomicBool>,
    pages: Arc<Mutex<Vec<Page>>>,
    forgotten: Arc<Mutex<Vec<(LogId, Follower)>>>,
    /// The topics that it has besides the events' own.
    topics: Arc<Mutex<BTreeSet<Topic>>>,
    /// The time for which every topic keeps records.
    retention_ms: Arc<Mutex<Option<i64>>>,
}

#[async_trait]
impl Publisher for MemorySink {
    async fn publish(self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, sink::Error> {
        self.pages.lock().unwrap().push((*page).clone());
        Ok(self)
    }

    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), sink::Error> {
        self.forgotten.lock().unwrap().extend_from_slice(cursors);
        Ok(())
    }

    fn should_recycle(&mut self) -> bool {
        false
    }
}

#[async_trait]
impl Sink for MemorySink {
    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn names(&self) -> Names {
        Names { sink: "memory", cursors: "its cursors" }
    }

    fn place(&self) -> String {
        "here".to_owned()
    }

    fn has_topics(&self) -> bool {
        true
    }

    async fn take_over(&self, _: Lane, _: u64) -> Result<TakenOver, sink::Error> {
        Ok(TakenOver { publisher: Box::new(self.clone()), cursors: self.cursors_now() })
    }

    async fn cursors(&self, _: Lane) -> Result<KnownCursors, sink::Error> {
        Ok(self.cursors_now())
    }

    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), sink::Error> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        match topics.iter().find(|spec| refuses && spec.topic.as_str() == REFUSED) {
            Some(spec) => Err(sink::Error::Topic(spec.topic.clone(), "by the test".to_owned())),
            None => {
                self.topics.lock().unwrap().extend(topics.iter().map(|spec| spec.topic.clone()));
                Ok(())
            }
        }
    }

    async fn describe(
        &self,
        topics: &[Topic],
    ) -> Result<HashMap<Topic, TopicDescription>, sink::Error> {
        let retention_ms = *self.retention_ms.lock().unwrap();
        let described = TopicDescription { retention_ms, ..TopicDescription::default() };
        let known = self.topics.lock().unwrap();
        let is_own = |topic: &Topic| topic.as_str().starts_with("folio.");
        let there = topics.iter().filter(|topic| is_own(topic) || known.contains(*topic));
        Ok(there.map(|topic| (topic.clone(), described.clone())).collect())
    }

    async fn remove_tenant(&self, _: &TenantId, _: &TenantTopics) -> Result<(), sink::Error> {
        Ok(())
    }

    async fn check(&self) -> Result<(), sink::Error> {
        Ok(())
    }
}

impl MemorySink {
    fn new() -> Self {
        let refuses = Arc::new(AtomicBool::new(true));
        Self {
            follower: Follower::relay(),
            refuses,
            pages: Arc::default(),
            forgotten: Arc::default(),
            topics: Arc::default(),
            retention_ms: Arc::default(),
        }
    }

    fn cursors_now(&self) -> KnownCursors {
        let mut cursors = KnownCursors::new();
        for Page { follower, slices, .. } in self.pages.lock().unwrap().iter() {
            for PageSlice { cursor, proof, sent, .. } in slices {
                let known = KnownCursor { cursor: *cursor, proof: *proof, sent: *sent };
                cursors.insert((cursor.log_id, follower.clone()), known);
            }
        }
        let forgotten = self.forgotten.lock().unwrap();
        cursors.retain(|cursor, _| !forgotten.contains(cursor));
        cursors
    }

    /// Returns the positions of the events that a follower has published, in order.
    fn published(&self, follower: &Follower) -> Vec<u64> {
        self.positions(|page, _| page.follower == *follower)
    }

    /// Returns the positions of the events in a topic, in order.
    fn consumed(&self, topic: &str) -> Vec<u64> {
        self.positions(|_, event| event.topic.as_str() == topic)
    }

    /// Returns the positions of some of diku's events, in order.
    fn positions(&self, which: impl Fn(&Page, &Envelope) -> bool) -> Vec<u64> {
        let pages = self.pages.lock().unwrap();
        let mut positions = Vec::new();
        for page in pages.iter() {
            let events = page.slices.iter().flat_map(|slice| &slice.events);
            let some = events.filter(|event| event.tenant == diku() && which(page, event));
            positions.extend(some.map(|event| event.position.number()));
        }
        positions
    }
}

/// A source that offers an event for a refused topic three times, then one for another topic.
#[derive(Clone)]
struct Third {
    deps: FollowDeps,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

fn third() -> Follower {
    Follower::parse("third").unwrap()
}

impl Third {
    fn times(&self, what: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| **seen == what).count()
    }
}

#[async_trait]
impl PageSource for Third {
    async fn offer(
        &mut self,
        state: &mut LaneState,
        _: &Limits<'_>,
    ) -> Result<Option<Page>, Error> {
        if self.times("committed") > 0 {
            return Ok(None);
        }
        let Some(cursor) = state.logs.get(&diku()).and_then(|log| log.cursor) else {
            return Ok(None);
        };
        let scan = crate::follow::page_scan(1);
        let slices = self.deps.store.read(&[(diku(), Position::START.into())], &scan).await?;
        let to = if self.times("refused") < 3 { REFUSED } else { "folio.diku.replay.taken" };
        let event = Envelope { topic: topic(to), ..slices[0].events[0].clone() };
        let proof = ParkingProof::default();
        let slice = PageSlice { tenant: diku(), events: vec![event], cursor, proof, sent: None };
        Ok(Some(Page { follower: third(), slices: vec![slice], target: None }))
    }

    fn committed(&mut self, _: &mut LaneState, _: &Page) -> Next {
        self.seen.lock().unwrap().push("committed");
        Next::GoOn
    }

    async fn refused(
        &mut self,
        _: &LaneState,
        _: &Refused<'_>,
    ) -> Result<Option<Transition>, Error> {
        self.seen.lock().unwrap().push("refused");
        Ok(None)
    }
}

async fn deps(folder: &TempDir) -> FollowDeps {
    let config = Config::Sqlite { path: folder.path().join("store.db") };
    let store = store::open(&config, Access::Serve, Arc::new(System)).await.unwrap();
    store.lanes(1).await.unwrap();
    store.enable_if_new(&diku(), LogId::new(Uuid::from_u128(1))).await.unwrap();
    let (settings, clock) = (Arc::new(Settings::default()), Arc::new(System));
    FollowDeps {
        tenants: TenantDeps::new(
            store.clone(),
            settings.clone(),
            Arc::new(FoundFiles::default),
            Vec::new(),
            clock.clone(),
        ),
        store,
        settings,
        wakeups: Wakeups::new(1),
        health: Arc::new(Health::default()),
        metrics: Arc::default(),
        traces: Arc::default(),
        pages: watch::channel(()).0,
        clock,
        replica: "one".to_owned(),
        instance: "first run".to_owned(),
        audit_every: None,
        replay_pause_max: Duration::from_secs(86_400),
        lifetimes: Lifetimes::default(),
        removal: Default::default(),
    }
}

fn draft(id: u128, to: &str) -> Draft {
    let place = Place { subject: Subject::new("inventory", "item"), topic: topic(to) };
    let id = EventId::new(Uuid::from_u128(id));
    Draft::delete_all(place, WireForm::Convention, id, &origin(&diku()))
}

fn origin(tenant: &TenantId) -> Origin {
    Origin { tenant: tenant.clone(), headers: Arc::new(Headers::default()) }
}

/// Returns the work on the lane, with these sources.
fn work(
    deps: FollowDeps,
    sink: &MemorySink,
    sources: impl Fn(&FollowDeps, &LaneState) -> Vec<Box<dyn PageSource>> + Send + Sync + 'static,
) -> LaneWork {
    LaneWork::new(SinkLane {
        deps,
        sink: Arc::new(sink.clone()),
        follower: Follower::relay(),
        lane: Lane::new(0),
        make_sources: Box::new(sources),
    })
}

#[tokio::test]
async fn a_third_source_is_refused_by_itself_and_the_relay_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (deps, sink) = (deps(&folder).await, MemorySink::new());
    let seen = Third { deps: deps.clone(), seen: Arc::default() };
    let (store, source) = (deps.store.clone(), seen.clone());
    let make_sources = move |deps: &FollowDeps, state: &LaneState| {
        let relay = Relay::new(deps.clone(), state);
        let release = Release::new(deps.clone());
        let sources: Vec<Box<dyn PageSource>> =
            vec![Box::new(relay), Box::new(release), Box::new(source.clone())];
        sources
    };
    let mut work = work(deps, &sink, make_sources);
    let lease = store.acquire(Lane::new(0), "one", LEASE).await.unwrap().unwrap();
    for id in 1..=5 {
        let batch = Batch { tenant: diku(), drafts: vec![draft(id, ITEMS)] };
        store.append(&[batch]).await.unwrap();
        while work.step(&lease).await.unwrap() != Step::Idle {}
        let head = u64::try_from(id).unwrap();
        assert_eq!(sink.published(&Follower::relay()), Vec::from_iter(1..=head));
    }
    work.finish(&lease).await.unwrap();
    assert_eq!(*seen.seen.lock().unwrap(), ["refused", "refused", "refused", "committed"]);
    assert_eq!(sink.published(&third()), [1]);
    assert_eq!(store.parked(&diku(), &Follower::relay()).await.unwrap(), []);
    let checkpoint = store.load(&diku(), &Follower::relay()).await.unwrap();
    assert_eq!(checkpoint.unwrap().position.number(), 5);
}

#[tokio::test]
async fn what_is_released_between_two_pages_of_a_backlog_is_published_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (deps, sink) = (deps(&folder).await, MemorySink::new());
    let store = deps.store.clone();
    let mut work = work(deps, &sink, super::task::sources);
    let lease = store.acquire(Lane::new(0), "one", LEASE).await.unwrap().unwrap();
    // A second tenant halves the pages, and every tenth event is for the refused topic, so that one
    // page of the release catches up with eight of the relay.
    let college = TenantId::parse("college").unwrap();
    store.enable_if_new(&college, LogId::new(Uuid::from_u128(2))).await.unwrap();
    let to = |id: u128| if id % 10 == 1 { REFUSED } else { ITEMS };
    let drafts = |ids: RangeInclusive<u128>| ids.map(|id| draft(id, to(id))).collect();
    store.append(&[Batch { tenant: diku(), drafts: drafts(1..=10) }]).await.unwrap();
    while work.step(&lease).await.unwrap() != Step::Idle {}
    let parked = store.parked(&diku(), &Follower::relay()).await.unwrap();
    assert_eq!(parked.iter().map(|parked| parked.position.number()).collect::<Vec<_>>(), [1]);

    let last = 20 * PAGE_EVENTS_MAX as u128;
    let others = (1..=last).map(|id| Draft { origin: origin(&college), ..draft(id, ITEMS) });
    let backlog = [(diku(), drafts(11..=last)), (college.clone(), others.collect())];
    store.append(&backlog.map(|(tenant, drafts)| Batch { tenant, drafts })).await.unwrap();
    sink.refuses.store(false, Ordering::SeqCst);
    let (relay, id) = (Follower::relay(), parked[0].event_id);
    assert!(store.request(&diku(), &relay, id, (Request::Release, None), None).await.unwrap());
    while work.step(&lease).await.unwrap() != Step::Idle {}

    let released = |page: &Page| page.follower != relay;
    let pages = sink.pages.lock().unwrap().iter().map(released).collect::<Vec<_>>();
    let between = pages.iter().rposition(|is_released| *is_released).unwrap() + 1;
    assert!(between < pages.len(), "no page of the relay follows the release: {pages:?}");
    let ids = |topic| (1..=last).filter(move |id| to(*id) == topic).map(|id| id as u64);
    assert_eq!(sink.consumed(REFUSED), Vec::from_iter(ids(REFUSED)));
    assert_eq!(sink.consumed(ITEMS), Vec::from_iter(ids(ITEMS)));
}

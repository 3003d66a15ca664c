//! Members of groups of Kafka's clients, which come and go: some leave, and some are gone without a
//! word.
//!
//! A member with a name of its own (a static one) does not say that it goes: the group waits for
//! it until its session ends. Some come back under their name, and others do not. Each member notes
//! what it is given and what it commits, for the checker. The members of a group may be away for a
//! while, so that somebody else reads for it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::evidence::{GroupAct, KafkaGroup, Offsets};
use crate::kafka;
use crate::tenants::ENV;

/// The time after which a member that is not heard of is out of its group.
const SESSION_MS: &str = "6000";
/// The time after which an answer is given up: a replica that stands still closes no connection.
/// It is less than the replica is away by then, so that nothing which was given up is done after
/// what came next.
const ANSWERED_WITHIN_MS: &str = "3000";
/// The shortest and the longest life of a member.
const LIFE_MS: std::ops::Range<u64> = 2_000..12_000;
/// One in so many records is followed by a commit.
const COMMITS_EACH: u8 = 16;
/// The pause in which a seat looks whether its next member may come.
const SEAT_AGAIN: Duration = Duration::from_millis(50);
/// The longest time that a poll waits.
const POLL: Duration = Duration::from_millis(50);
/// The longest time that a client is let to close.
const CLOSES_WITHIN: Duration = Duration::from_secs(30);
/// The longest time that the answer to where a group stands is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A group: its name, its topics with so many partitions each, and the strategy by which its members
/// share them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The group's name.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// The number of partitions of each topic.
    pub partitions: usize,
    /// `partition.assignment.strategy`.
    pub strategy: &'static str,
    /// The number of members.
    pub seats: usize,
    /// Whether the logs keep events until the group has committed them.
    pub is_held: bool,
    /// The longest time, in milliseconds, for which a seat is empty between two members.
    pub rests_ms: u64,
}

impl Plan {
    /// Returns the topics of a tenant.
    pub(crate) fn topics_of<'a>(
        &'a self,
        tenant: &str,
    ) -> impl Iterator<Item = &'a String> + use<'a> {
        let prefix = format!("{ENV}.{tenant}.");
        self.topics.iter().filter(move |topic| topic.starts_with(&prefix))
    }

    /// Returns all partitions of the topics of a tenant.
    pub(crate) fn places_of(&self, tenant: &str) -> Vec<(String, i32)> {
        let places = |topic: &String| {
            let topic = topic.clone();
            (0..).take(self.partitions).map(move |partition| (topic.clone(), partition))
        };
        self.topics_of(tenant).flat_map(places).collect()
    }
}

/// The members of one group, at work.
pub struct Members {
    plan: Plan,
    notes: Arc<Notes>,
    asks: Arc<BaseConsumer>,
    seats: Vec<JoinHandle<()>>,
}

/// The acts of all members, and what they are to do.
#[derive(Default)]
pub(crate) struct Notes {
    acts: Mutex<Vec<GroupAct>>,
    members: AtomicUsize,
    /// The number of members that are there.
    present: AtomicUsize,
    /// Members are to be away.
    is_away: AtomicBool,
    /// Members stay.
    is_calm: AtomicBool,
    is_over: AtomicBool,
}

impl Notes {
    /// Notes an act.
    pub(crate) fn note(&self, act: GroupAct) {
        self.acts.lock().unwrap().push(act);
    }

    /// Returns the number of acts so far.
    fn count(&self) -> usize {
        self.acts.lock().unwrap().len()
    }

    /// Returns the number of a new member.
    pub(crate) fn new_member(&self) -> usize {
        self.members.fetch_add(1, Ordering::SeqCst)
    }

    /// Sends the members away, or lets them come back.
    pub(crate) fn send_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Returns whether no member is there.
    pub(crate) fn is_alone(&self) -> bool {
        self.present.load(Ordering::SeqCst) == 0
    }

    /// Lets a member come, unless members are to be away.
    fn may_come(&self) -> bool {
        self.present.fetch_add(1, Ordering::SeqCst);
        let may_come = !self.is_away.load(Ordering::SeqCst);
        if !may_come {
            self.goes();
        }
        may_come
    }

    fn goes(&self) {
        self.present.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns the ids of the events that have come.
    pub(crate) fn came(&self) -> HashSet<String> {
        let acts = self.acts.lock().unwrap();
        let id = |act: &GroupAct| match act {
            GroupAct::Got { record, .. } => record.header("event_id").map(str::to_owned),
            _ => None,
        };
        acts.iter().filter_map(id).collect()
    }
}

impl Members {
    /// Lets members read from a broker.
    pub fn start(broker: &str, plan: Plan, seed: u64) -> Self {
        let notes = Arc::<Notes>::default();
        let seat = |number: usize| {
            let seat = Seat {
                broker: broker.to_owned(),
                plan: plan.clone(),
                number,
                rng: Rng::with_seed(seed.wrapping_add(number as u64)),
                notes: notes.clone(),
            };
            thread::spawn(move || seat.sit())
        };
        let seats = (0..plan.seats).map(seat).collect();
        let asks = Arc::new(settings(broker, &plan).create().unwrap());
        Self { plan, notes, asks, seats }
    }

    /// Returns the group as it was planned.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns what the members note.
    pub(crate) fn notes(&self) -> Arc<Notes> {
        self.notes.clone()
    }

    /// Notes from where on the logs have everything of some topics, if that is told.
    pub async fn look_down(&self, floors: impl Future<Output = Option<BTreeMap<String, i64>>>) {
        let since = self.notes.count();
        if let Some(floors) = floors.await {
            self.notes.note(GroupAct::Floors { since, floors });
        }
    }

    /// Notes where the group stands, if that is told.
    pub async fn look(&self) {
        let since = self.notes.count();
        let (client, plan) = (self.asks.clone(), self.plan.clone());
        let found = tokio::task::spawn_blocking(move || stands(&client, &plan)).await.unwrap();
        if let Some(offsets) = found {
            self.notes.note(GroupAct::Stands { since, offsets });
        }
    }

    /// Lets the present members stay.
    pub fn calm(&self) {
        self.notes.is_calm.store(true, Ordering::SeqCst);
    }

    /// Returns the ids of the events that have come.
    pub fn came(&self) -> HashSet<String> {
        self.notes.came()
    }

    /// Lets all members leave, and returns what they did.
    pub fn finish(self) -> KafkaGroup {
        self.notes.is_over.store(true, Ordering::SeqCst);
        self.seats.into_iter().for_each(|seat| seat.join().unwrap());
        let Plan { group, topics, partitions, is_held, .. } = self.plan;
        let acts = std::mem::take(&mut *self.notes.acts.lock().unwrap());
        KafkaGroup { group, topics, partitions, is_held, may_miss: BTreeSet::new(), acts }
    }
}

fn settings(broker: &str, plan: &Plan) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in [
        ("bootstrap.servers", broker),
        ("group.id", plan.group.as_str()),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        ("session.timeout.ms", SESSION_MS),
        ("heartbeat.interval.ms", "1000"),
        ("topic.metadata.refresh.interval.ms", "1000"),
        ("reconnect.backoff.max.ms", "500"),
        ("partition.assignment.strategy", plan.strategy),
    ] {
        config.set(name, value);
    }
    if broker.contains(',') {
        config.set("socket.timeout.ms", ANSWERED_WITHIN_MS);
    }
    config
}

/// Asks where a group stands; `None` if that is not told.
fn stands(client: &BaseConsumer, plan: &Plan) -> Option<Offsets> {
    let mut asked = TopicPartitionList::new();
    for topic in &plan.topics {
        for partition in (0..).take(plan.partitions) {
            asked.add_partition(topic, partition);
        }
    }
    let found = client.committed_offsets(asked, ANSWER_WITHIN).ok()?;
    let mut offsets = Offsets::new();
    for element in found.elements() {
        element.error().ok()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert((element.topic().to_owned(), element.partition()), offset);
        }
    }
    Some(offsets)
}

/// Closes a client. Now and then librdkafka waits without end for an answer of its own thread that
/// has ended already, when a rebalance comes with the close: such a client is left where it is.
fn close(consumer: BaseConsumer<Watch>) {
    let closing = thread::spawn(move || drop(consumer));
    let since = Instant::now();
    while !closing.is_finished() && since.elapsed() < CLOSES_WITHIN {
        thread::sleep(POLL);
    }
}

/// One member after the other.
struct Seat {
    broker: String,
    plan: Plan,
    number: usize,
    rng: Rng,
    notes: Arc<Notes>,
}

impl Seat {
    fn sit(mut self) {
        let mut own_name = None;
        while !self.notes.is_over.load(Ordering::SeqCst) {
            if !self.notes.may_come() {
                thread::sleep(SEAT_AGAIN);
                continue;
            }
            let member = self.notes.new_member();
            if own_name.is_none() || self.rng.bool() {
                own_name = Some(format!("seat-{}-{member}", self.number));
            }
            let is_static = self.rng.bool();
            let consumer = self.join(member, own_name.as_deref().filter(|_| is_static));
            let ends = Instant::now() + Duration::from_millis(self.rng.u64(LIFE_MS));
            while !self.is_over(ends) {
                self.read(member, &consumer);
            }
            close(consumer);
            self.notes.goes();
            let ends = Instant::now() + Duration::from_millis(self.rng.u64(0..=self.plan.rests_ms));
            while !self.may_begin(ends) {
                thread::sleep(SEAT_AGAIN);
            }
        }
    }

    /// Returns whether a member goes.
    fn is_over(&self, ends: Instant) -> bool {
        let is_calm = self.notes.is_calm.load(Ordering::SeqCst);
        self.notes.is_over.load(Ordering::SeqCst)
            || self.notes.is_away.load(Ordering::SeqCst)
            || !is_calm && Instant::now() > ends
    }

    /// Returns whether a seat is empty no longer.
    fn may_begin(&self, ends: Instant) -> bool {
        let is_calm = self.notes.is_calm.load(Ordering::SeqCst);
        self.notes.is_over.load(Ordering::SeqCst) || is_calm || Instant::now() >= ends
    }

    fn join(&self, member: usize, own_name: Option<&str>) -> BaseConsumer<Watch> {
        let mut config = settings(&self.broker, &self.plan);
        if let Some(name) = own_name {
            config.set("group.instance.id", name);
        }
        let (notes, pending) = (self.notes.clone(), Mutex::default());
        let watch = Watch { member, notes, pending };
        let consumer: BaseConsumer<Watch> = config.create_with_context(watch).unwrap();
        let topics: Vec<_> = self.plan.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).unwrap();
        consumer
    }

    /// Takes a record, if one comes, and commits now and then.
    fn read(&mut self, member: usize, consumer: &BaseConsumer<Watch>) {
        let pending = &consumer.context().pending;
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let record = kafka::record(&message);
                let place = (record.topic.clone(), record.partition);
                pending.lock().unwrap().insert(place, record.offset + 1);
                self.notes.note(GroupAct::Got { member, record });
                if self.rng.u8(0..COMMITS_EACH) > 0 {
                    return;
                }
            }
            Some(Err(_)) => return,
            None => {}
        }
        let offsets = std::mem::take(&mut *pending.lock().unwrap());
        // Each partition by itself: of several, some may be refused although the answer is good.
        for ((topic, partition), offset) in offsets {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, partition, Offset::Offset(offset)).unwrap();
            let offsets = Offsets::from([((topic, partition), offset)]);
            self.notes.note(GroupAct::Commits { member, offsets });
            let is_done = consumer.commit(&list, CommitMode::Sync).is_ok();
            self.notes.note(GroupAct::Committed { member, is_done });
        }
    }
}

/// The context of a member's client: it notes which partitions the member is given.
struct Watch {
    member: usize,
    notes: Arc<Notes>,
    /// The offsets that are to be committed.
    pending: Mutex<Offsets>,
}

impl ClientContext for Watch {}

impl ConsumerContext for Watch {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let member = self.member;
        let places = |list: &TopicPartitionList| {
            let elements = list.elements();
            let places = elements.iter().map(|it| (it.topic().to_owned(), it.partition()));
            places.collect::<Vec<_>>()
        };
        match rebalance {
            Rebalance::Assign(list) => {
                self.notes.note(GroupAct::Assigned { member, partitions: places(list) });
            }
            Rebalance::Revoke(list) => {
                let partitions = places(list);
                let mut pending = self.pending.lock().unwrap();
                pending.retain(|place, _| !partitions.contains(place));
                drop(pending);
                self.notes.note(GroupAct::Revoked { member, partitions });
            }
            Rebalance::Error(_) => self.pending.lock().unwrap().clear(),
        }
    }
}

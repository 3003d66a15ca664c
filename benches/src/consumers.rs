//! Kafka's consumers for whom nothing comes, so small that a thousand of them fit into this process:
//! they speak the protocol on their own, each in a thread, on two connections as Kafka's have them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use crash::until;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiKey, FetchRequest, GroupId, HeartbeatRequest, JoinGroupRequest, OffsetFetchRequest,
    RequestHeader, ResponseHeader, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};

/// The members of each group.
const MEMBERS: usize = 10;
/// The longest wait of a fetch, as Kafka's consumers have it.
const WAIT_MS: i32 = 500;
/// The time between two heartbeats, and the time-outs of a member, as Kafka's consumers have them.
const BEAT_EVERY: Duration = Duration::from_secs(3);
const SESSION_MS: i32 = 45_000;
const REBALANCE_MS: i32 = 300_000;
/// As many bytes as a consumer says of a topic, and is assigned of it, or more.
const SAID_BYTES: usize = 64;
/// The stack of a consumer's thread.
const STACK_BYTES: usize = 64 << 10;

/// So many consumers of one topic.
pub struct Consumers {
    told: Arc<Told>,
    count: usize,
    threads: Vec<JoinHandle<()>>,
}

/// The things that all consumers are told, and tell.
#[derive(Default)]
struct Told {
    is_over: AtomicBool,
    /// Whether they are members of groups, too.
    join: AtomicBool,
    /// How many are in a generation whose assignment they have.
    members: AtomicUsize,
}

impl Consumers {
    /// Starts consumers that wait in a topic's first partition for what comes at an offset.
    pub fn start(address: &str, topic: &str, offset: i64, count: usize) -> Self {
        let told = Arc::<Told>::default();
        let fetch = fetch(topic, offset);
        let start = |number: usize| {
            let (told, address, fetch) = (told.clone(), address.to_owned(), fetch.clone());
            let group = format!("cg.idle-{}", number / MEMBERS);
            let reads = Wire::connect(&address);
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn(move || wait(&told, (&address, group), reads, &fetch)).unwrap()
        };
        let threads = (0..count).map(start).collect();
        Self { told, count, threads }
    }

    /// Lets them join groups of ten; waits until all have their assignments.
    pub async fn join_groups(&self) {
        self.told.join.store(true, Ordering::Relaxed);
        let has_all = async || self.told.members.load(Ordering::Relaxed) == self.count;
        until("all are members", has_all).await;
    }

    /// Ends them, whose fetches were all answered.
    pub fn stop(self) {
        self.told.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|consumer| consumer.join().unwrap());
    }
}

/// Fetches again and again until it is over, and does between two fetches what a member does.
fn wait(told: &Told, (address, group): (&str, String), mut reads: Wire, fetch: &FetchRequest) {
    let mut member = None;
    while !told.is_over.load(Ordering::Relaxed) {
        let answer = reads.ask(4, fetch);
        assert_eq!(answer.responses[0].partitions[0].error_code, 0, "a fetch was refused");
        if told.join.load(Ordering::Relaxed) {
            let topic = &fetch.topics[0].topic;
            let member = member.get_or_insert_with(|| Member::new(address, &group, topic.clone()));
            member.go_on(&told.members);
        }
    }
}

fn fetch(topic: &str, offset: i64) -> FetchRequest {
    let part = FetchPartition::default().with_fetch_offset(offset);
    let part = part.with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(text(topic).into()).with_partitions(vec![part]);
    FetchRequest::default()
        .with_max_wait_ms(WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_isolation_level(1)
        .with_topics(vec![topic])
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A member of a group.
struct Member {
    wire: Wire,
    group: GroupId,
    topic: TopicName,
    /// Empty until it is given one.
    id: StrBytes,
    generation: i32,
    /// When it was heard in its generation; `None` if it has to join.
    beat: Option<Instant>,
}

impl Member {
    fn new(address: &str, group: &str, topic: TopicName) -> Self {
        let (group, id) = (text(group).into(), StrBytes::default());
        Self { wire: Wire::connect(address), group, topic, id, generation: -1, beat: None }
    }

    /// Does what is due, and counts it among the members as long as it is one.
    fn go_on(&mut self, members: &AtomicUsize) {
        if self.beat.is_some_and(|beat| beat.elapsed() < BEAT_EVERY) {
            return;
        }
        let was_in = self.beat.is_some();
        self.beat = (was_in && self.beats()).then(Instant::now);
        if was_in && self.beat.is_none() {
            members.fetch_sub(1, Ordering::Relaxed);
        }
        if self.beat.is_none() && self.joins() {
            self.looks();
            self.beat = Some(Instant::now());
            members.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns whether its generation is the present one.
    fn beats(&mut self) -> bool {
        let beat = HeartbeatRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone());
        self.wire.ask(3, &beat).error_code == 0
    }

    /// Asks where its group stands, as who begins to read does.
    fn looks(&mut self) {
        let topic = OffsetFetchRequestTopic::default().with_name(self.topic.clone());
        let topics = vec![topic.with_partition_indexes(vec![0])];
        let look = OffsetFetchRequest::default().with_group_id(self.group.clone());
        let stands = self.wire.ask(5, &look.with_topics(Some(topics)));
        let part = &stands.topics[0].partitions[0];
        assert_eq!((stands.error_code, part.error_code), (0, 0), "a group was refused");
    }

    /// Joins, and waits for its assignment, which it gives to all if it leads. Returns whether it
    /// has one.
    fn joins(&mut self) -> bool {
        let said = Bytes::from_static(&[0; SAID_BYTES]);
        let range = JoinGroupRequestProtocol::default().with_name(text("range"));
        let join = JoinGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(REBALANCE_MS)
            .with_member_id(self.id.clone())
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![range.with_metadata(said.clone())]);
        let joined = self.wire.ask(3, &join);
        if joined.error_code != 0 {
            self.id = StrBytes::default();
            return false;
        }
        (self.id, self.generation) = (joined.member_id, joined.generation_id);
        // Nobody but the leader is told of any.
        let assigned = joined.members.into_iter().map(|member| {
            let part = SyncGroupRequestAssignment::default().with_member_id(member.member_id);
            part.with_assignment(said.clone())
        });
        let sync = SyncGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_assignments(assigned.collect());
        self.wire.ask(3, &sync).error_code == 0
    }
}

/// A connection on which one request after the other is answered.
struct Wire(TcpStream);

impl Wire {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let key = ApiKey::try_from(R::KEY).unwrap();
        let head = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("idle")));
        let mut frame = BytesMut::new();
        frame.put_u32(0);
        head.encode(&mut frame, key.request_header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = u32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.0.write_all(&frame).unwrap();
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut answer = BytesMut::zeroed(u32::from_be_bytes(length) as usize);
        self.0.read_exact(&mut answer).unwrap();
        ResponseHeader::decode(&mut answer, key.response_header_version(version)).unwrap();
        R::Response::decode(&mut answer, version).unwrap()
    }
}

//! The promises of the topics: what a client may not see is as if it did not exist, and nobody who
//! is content with what is known waits for a look.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::poll;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    DescribeConfigsRequest, FetchRequest, GroupId, ListOffsetsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, TopicName,
};
use tokio::time::{Instant, advance, pause, resume, timeout};

use super::{FRESH, Topics};
use crate::clock::{Clock, System};
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::listen::answer::text;
use crate::listen::fixture::{Bed, ITEM, anyone, client, diku};
use crate::listen::principal::Scope;
use crate::listen::{Server, Session, commits, fetch, metadata, offsets};
use crate::store::Calls;

/// A topic that there is not, of the tenant of the one that there is.
const NONE: &str = "folio.diku.inventory.none";
/// The longest time for which a test waits for what must not wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// The calls of the store for topics.
#[derive(Default)]
struct Looks(AtomicUsize);

impl Looks {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Calls for Looks {
    fn called(&self, operation: &'static str, _: Duration, _: Option<&'static str>) {
        if operation == "topics" {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn of(tenant: &str) -> Scope {
    Scope::Tenant(TenantId::parse(tenant).unwrap())
}

/// Returns a store with an event of one tenant, beside so many others, and the calls of it.
async fn bed(others: usize) -> (Bed, Arc<Looks>) {
    let mut bed = Bed::new().await;
    for number in 0..others {
        let tenant = TenantId::parse(&format!("college{number}")).unwrap();
        bed.store.enable_if_new(&tenant, LogId::new(System.new_id())).await.unwrap();
    }
    bed.append(&["a"]).await;
    let looks = Arc::new(Looks::default());
    bed.store.observe(looks.clone());
    (bed, looks)
}

/// Makes what is known of the topics as old as that it is not new any more.
fn age(topics: &Topics) {
    topics.lock().topics.as_mut().unwrap().since -= FRESH;
}

#[tokio::test]
async fn another_tenant_s_topic_is_looked_for_like_one_that_there_is_not() {
    let (bed, looks) = bed(1).await;
    let topics = Topics::new(bed.store.clone(), Arc::default());
    topics.all(&anyone().principal).await.unwrap();
    let looked = async |scope: Scope, name: &str| {
        age(&topics);
        let before = looks.count();
        let seen = topics.with([name], &client(scope).principal).await.unwrap();
        (seen.get(name).is_some(), looks.count() - before)
    };
    assert_eq!(looked(of("diku"), ITEM).await, (true, 0));
    assert_eq!(looked(Scope::All, ITEM).await, (true, 0));
    // The topics of both tenants.
    assert_eq!(looked(of("college0"), NONE).await, (false, 2));
    assert_eq!(looked(of("college0"), ITEM).await, (false, 2));
    assert_eq!(looked(of("diku"), NONE).await, (false, 2));
}

#[tokio::test]
async fn nobody_who_is_content_with_what_is_known_waits_for_a_look() {
    let (bed, _) = bed(1).await;
    let topics = Topics::new(bed.store.clone(), Arc::default());
    let client = anyone().principal;
    topics.all(&client).await.unwrap();
    age(&topics);
    // A look is on its way.
    let look = topics.finding.lock().await;
    let content = async {
        let seen = topics.with([ITEM], &client).await.unwrap();
        (seen.get(ITEM).is_some(), topics.has(&diku()).await)
    };
    assert_eq!(timeout(PATIENCE, content).await, Ok((true, true)));
    let mut looking = Box::pin(topics.with([NONE], &client));
    assert!(poll!(&mut looking).is_pending());
    drop(look);
    assert!(looking.await.unwrap().get(ITEM).is_some());
}

#[tokio::test]
async fn a_tenant_that_is_disabled_is_gone_with_its_topics_and_one_that_comes_is_there_at_once() {
    let (bed, _) = bed(1).await;
    let topics = Topics::new(bed.store.clone(), Arc::default());
    let (client, tenant, new) = (anyone().principal, diku(), TenantId::parse("new").unwrap());
    assert!(topics.with([ITEM], &client).await.unwrap().get(ITEM).is_some());
    assert_eq!((topics.has(&tenant).await, topics.has(&new).await), (true, false));
    bed.store.disable(&tenant, System.now(), None).await.unwrap();
    bed.store.enable_if_new(&new, LogId::new(System.new_id())).await.unwrap();
    assert!(topics.has(&new).await);
    assert!(!topics.has(&tenant).await);
    let seen = topics.with([ITEM], &client).await.unwrap();
    assert_eq!((seen.get(ITEM), seen.of_log(&tenant).count()), (None, 0));
}

/// How often a task was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn who_waits_for_the_end_of_a_tenant_is_woken_by_a_change_alone() {
    let (bed, _) = bed(1).await;
    let topics = Topics::new(bed.store.clone(), Arc::default());
    let (tenant, wakes) = (diku(), Arc::new(Wakes::default()));
    topics.enabled(Duration::ZERO).await.unwrap();
    let mut waiting = Box::pin(topics.disabled(&tenant));
    pause();
    topics.lock().tenants.as_mut().unwrap().since = Instant::now();
    let waker = Waker::from(wakes.clone());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    advance(Duration::from_hours(1)).await;
    resume();
    topics.enabled(Duration::ZERO).await.unwrap();
    topics.enabled(Duration::ZERO).await.unwrap();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0, "nothing has changed");
    bed.store.disable(&tenant, System.now(), None).await.unwrap();
    topics.enabled(Duration::ZERO).await.unwrap();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    timeout(PATIENCE, waiting).await.expect("the tenant is disabled");
}

/// Returns the answers to all kinds of requests that name a topic, without its name.
async fn answers(server: &Server, client: &mut Session, name: &str) -> Vec<(&'static str, String)> {
    let topic = || -> TopicName { text(name).into() };
    let told = |answer: &dyn Debug| format!("{answer:?}").replace(name, "TOPIC");
    let mut all = Vec::new();

    let named = MetadataRequestTopic::default().with_name(Some(topic()));
    let asked = MetadataRequest::default().with_topics(Some(vec![named]));
    all.push(("Metadata", told(&metadata::metadata(server, client, 7, asked).await)));

    let named = DescribeConfigsResource::default().with_resource_type(2);
    let named = named.with_resource_name(text(name));
    let asked = DescribeConfigsRequest::default().with_resources(vec![named]);
    all.push(("DescribeConfigs", told(&metadata::configs(server, client, asked).await)));

    let part = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let named = FetchTopic::default().with_topic(topic()).with_partitions(vec![part]);
    let asked = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![named]);
    all.push(("Fetch", told(&fetch::fetch(server, client, 12, asked).await)));
    client.unread = None;

    let part = ListOffsetsPartition::default().with_timestamp(-1);
    let named = ListOffsetsTopic::default().with_name(topic()).with_partitions(vec![part]);
    let asked = ListOffsetsRequest::default().with_topics(vec![named]);
    all.push(("ListOffsets", told(&offsets::list(server, client, 5, asked).await)));

    let part = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
    let named = OffsetForLeaderTopic::default().with_topic(topic()).with_partitions(vec![part]);
    let asked = OffsetForLeaderEpochRequest::default().with_topics(vec![named]);
    all.push(("OffsetForLeaderEpoch", told(&offsets::for_epochs(server, client, asked).await)));

    let group = || -> GroupId { text("cg.search").into() };
    let part = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let named = OffsetCommitRequestTopic::default().with_name(topic());
    let asked = OffsetCommitRequest::default().with_group_id(group());
    let asked = asked.with_generation_id_or_member_epoch(-1);
    let asked = asked.with_topics(vec![named.with_partitions(vec![part])]);
    all.push(("OffsetCommit", told(&commits::commit(server, client, asked).await)));

    let named = OffsetFetchRequestTopic::default().with_name(topic());
    let named = named.with_partition_indexes(vec![0]);
    let asked = OffsetFetchRequest::default().with_group_id(group());
    let asked = asked.with_topics(Some(vec![named]));
    all.push(("OffsetFetch", told(&commits::fetch(server, client, 7, asked).await)));

    let part = OffsetDeleteRequestPartition::default();
    let named = OffsetDeleteRequestTopic::default().with_name(topic());
    let asked = OffsetDeleteRequest::default().with_group_id(group());
    let asked = asked.with_topics(vec![named.with_partitions(vec![part])]);
    all.push(("OffsetDelete", told(&commits::delete(server, client, asked).await)));

    let part = PartitionProduceData::default();
    let named = TopicProduceData::default().with_name(topic()).with_partition_data(vec![part]);
    let asked = ProduceRequest::default().with_acks(1).with_topic_data(vec![named]);
    all.push(("Produce", told(&metadata::produce(client, 8, asked))));
    all
}

#[tokio::test]
async fn each_request_is_answered_of_another_tenant_s_topic_as_of_one_that_there_is_not() {
    let (bed, _) = bed(1).await;
    let server = bed.server().await;
    let (mut own, mut other) = (client(of("diku")), client(of("college0")));
    let [there, foreign, none] = [
        answers(&server, &mut own, ITEM).await,
        answers(&server, &mut other, ITEM).await,
        answers(&server, &mut other, NONE).await,
    ];
    assert_eq!(foreign, none);
    // Whoever may see it is told something else, but for the writing that nobody may do.
    let same = there.iter().zip(&none).filter(|(one, other)| one == other);
    let same: Vec<_> = same.map(|((request, _), _)| *request).collect();
    assert_eq!(same, ["Produce"]);
}

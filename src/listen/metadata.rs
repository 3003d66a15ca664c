//! Answers to what clients ask before they read: versions, brokers, topics, coordinators, settings.
//!
//! Each replica that listens is a broker that a client sees, under the address that it is to use.
//! Each topic has one that clients are told to read from, so that it is read from its log once; any
//! other one serves it as well.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::describe_cluster_response::{
    DescribeClusterBroker, DescribeClusterResponse,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeConfigsRequest, FindCoordinatorRequest,
    FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    ProduceRequest, TopicName,
};

use super::answer::{text, unavailable};
use super::listeners::chosen;
use super::offsets::NO_EPOCH;
use super::shapes::SHAPES;
use super::topics::{Seen, Served};
use super::{Server, Session, members};
use crate::store::KafkaListener;

/// The number that stands for no broker.
const NO_BROKER: BrokerId = BrokerId(-1);
/// The number that stands for rights that nobody has asked for.
const NO_RIGHTS: i32 = i32::MIN;
/// The type of a coordinator of groups.
const OF_GROUPS: i8 = 0;
/// The type of a topic among the things that have settings, and where its settings come from.
const OF_TOPIC: i8 = 2;
const BY_TOPIC: i8 = 1;
/// The type of a setting that is text.
const TEXT: i8 = 2;

/// Tells the versions that are spoken.
pub(super) fn versions(error: i16) -> ApiVersionsResponse {
    let spoken = SHAPES.iter().map(|shape| {
        ApiVersion::default()
            .with_api_key(shape.key as i16)
            .with_min_version(shape.min)
            .with_max_version(shape.max)
    });
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(spoken.collect())
}

/// Returns the number by which clients know a listener.
fn broker(listener: Option<&KafkaListener>) -> BrokerId {
    listener.map_or(NO_BROKER, |it| BrokerId(it.node.into()))
}

/// Tells the brokers and the topics: those that are named, or all.
pub(super) async fn metadata(
    server: &Server,
    session: &Session,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    // In the first version an empty list stands for all topics.
    let named = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    // Once each, however often it is named.
    let named: Option<BTreeSet<TopicName>> =
        named.map(|topics| topics.into_iter().filter_map(|topic| topic.name).collect());
    let found = match &named {
        Some(named) => {
            server.topics.with(named.iter().map(|name| name.as_str()), &session.principal).await
        }
        None => server.topics.all(&session.principal).await,
    };
    let found = found.map_err(|error| unavailable(&error));
    let named = named.unwrap_or_else(|| {
        let all = found.iter().flat_map(Seen::names);
        all.map(|name| text(name.clone()).into()).collect()
    });
    let (mut topics, listeners) = (Vec::with_capacity(named.len()), server.listeners.all());
    for name in named {
        let leader = broker(chosen(&listeners, &[name.as_str()]));
        topics.push(described(server, (version, leader), name, found.as_ref().ok()).await);
    }
    let brokers = listeners.iter().map(|it| {
        let told = MetadataResponseBroker::default().with_node_id(broker(Some(it)));
        told.with_host(text(it.host.as_str())).with_port(it.port.into())
    });
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(Some(text(server.cluster.clone())))
        .with_controller_id(broker(listeners.first()))
        .with_topics(topics)
}

async fn described(
    server: &Server,
    (version, leader): (i16, BrokerId),
    name: TopicName,
    found: Option<&Seen>,
) -> MetadataResponseTopic {
    let answer = MetadataResponseTopic::default();
    let Some(found) = found else {
        let error = ResponseError::LeaderNotAvailable.code();
        return answer.with_name(Some(name)).with_error_code(error);
    };
    let Some(served) = found.get(name.as_str()) else {
        let error = ResponseError::UnknownTopicOrPartition.code();
        return answer.with_name(Some(name)).with_error_code(error);
    };
    let epoch = match found.log_id(&served.tenant) {
        Some(id) => server.logs.epoch(&served.tenant, id).await.unwrap_or(NO_EPOCH),
        None => NO_EPOCH,
    };
    let partitions = (0..i32::from(served.partitions)).map(|index| {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(leader)
            .with_replica_nodes(vec![leader])
            .with_isr_nodes(vec![leader]);
        if version >= 7 { partition.with_leader_epoch(epoch) } else { partition }
    });
    answer.with_name(Some(name)).with_partitions(partitions.collect())
}

/// Tells who coordinates a group.
pub(super) async fn coordinator(
    server: &Server,
    session: &Session,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    match located(server, session, request).await {
        Ok(listener) => FindCoordinatorResponse::default()
            .with_node_id(broker(Some(&listener)))
            .with_host(text(listener.host))
            .with_port(listener.port.into()),
        Err(error) => FindCoordinatorResponse::default().with_error_code(error.code()),
    }
}

async fn located(
    server: &Server,
    session: &Session,
    request: &FindCoordinatorRequest,
) -> Result<KafkaListener, ResponseError> {
    if request.key_type != OF_GROUPS {
        return Err(ResponseError::CoordinatorNotAvailable);
    }
    let name = members::name(session, &request.key.clone().into())?;
    let found = server.coordinator.locate(&name).await.map_err(|error| unavailable(&error))?;
    found.ok_or(ResponseError::CoordinatorNotAvailable)
}

/// Tells the brokers.
pub(super) fn cluster(
    server: &Server,
    version: i16,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let listeners = server.listeners.all();
    let brokers = listeners.iter().map(|it| {
        let told = DescribeClusterBroker::default().with_broker_id(broker(Some(it)));
        told.with_host(text(it.host.as_str())).with_port(it.port.into())
    });
    let answer = DescribeClusterResponse::default()
        .with_cluster_id(text(server.cluster.clone()))
        .with_controller_id(broker(listeners.first()))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(NO_RIGHTS);
    if version >= 1 { answer.with_endpoint_type(request.endpoint_type) } else { answer }
}

/// Tells the settings of topics that Kafka's tools show. The broker has none.
pub(super) async fn configs(
    server: &Server,
    session: &Session,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let names = request.resources.iter().filter(|it| it.resource_type == OF_TOPIC);
    let topics =
        server.topics.with(names.map(|it| it.resource_name.as_str()), &session.principal).await;
    // Once each, however often it is named.
    let mut told = BTreeSet::new();
    let is_new =
        |it: &&DescribeConfigsResource| told.insert((it.resource_type, it.resource_name.clone()));
    let results = request.resources.iter().filter(is_new).map(|asked| {
        let answer = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        if asked.resource_type != OF_TOPIC {
            return answer;
        }
        let error = match &topics {
            Err(error) => unavailable(error),
            Ok(topics) => match topics.get(asked.resource_name.as_str()) {
                Some(served) => return answer.with_configs(settings(server, served, asked)),
                None => ResponseError::UnknownTopicOrPartition,
            },
        };
        answer.with_error_code(error.code())
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn settings(
    server: &Server,
    served: &Served,
    asked: &DescribeConfigsResource,
) -> Vec<DescribeConfigsResourceResult> {
    let spec = server.settings.spec(&served.tenant, &served.topic);
    let policy = if spec.compacted { "compact" } else { "delete" };
    let all = [
        ("cleanup.policy", policy.to_owned()),
        ("retention.ms", spec.retention_ms.to_string()),
        ("compression.type", spec.compression.unwrap_or_default().as_kafka().to_owned()),
        ("message.timestamp.type", "CreateTime".to_owned()),
    ];
    let is_asked = |name: &str| {
        let keys = asked.configuration_keys.as_ref();
        keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
    };
    let wanted = all.into_iter().filter(|(name, _)| is_asked(name));
    let told = wanted.map(|(name, value)| {
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_read_only(true)
            .with_config_source(BY_TOPIC)
            .with_config_type(TEXT)
    });
    told.collect()
}

/// Refuses to give a producer an id, for the same reason.
pub(super) fn producer_id(
    session: &mut Session,
    request: &InitProducerIdRequest,
) -> InitProducerIdResponse {
    warn_of_writing(session);
    let error = match request.transactional_id {
        Some(_) => ResponseError::TransactionalIdAuthorizationFailed,
        None => ResponseError::ClusterAuthorizationFailed,
    };
    InitProducerIdResponse::default().with_error_code(error.code())
}

fn warn_of_writing(session: &mut Session) {
    if !session.has_produced {
        session.has_produced = true;
        tracing::warn!(
            client = session.client_id,
            "a Kafka client wants to write a record, which nobody can here: modules post their \
             changes to /domain-events"
        );
    }
}

/// Refuses to take records: they are posted, so that they are events of a tenant's log.
pub(super) fn produce(
    session: &mut Session,
    version: i16,
    request: ProduceRequest,
) -> Option<ProduceResponse> {
    warn_of_writing(session);
    // A client that wants no acknowledgement reads no answer.
    if request.acks == 0 {
        return None;
    }
    let refused = request.topic_data.into_iter().map(|topic| {
        let partitions = topic.partition_data.iter().map(|it| {
            let answer = PartitionProduceResponse::default()
                .with_index(it.index)
                .with_error_code(ResponseError::TopicAuthorizationFailed.code())
                .with_base_offset(-1)
                .with_log_append_time_ms(-1);
            let why = "records can't be written here: modules post them to /domain-events";
            if version >= 8 { answer.with_error_message(Some(text(why))) } else { answer }
        });
        let answer = TopicProduceResponse::default().with_name(topic.name.clone());
        answer.with_partition_responses(partitions.collect())
    });
    Some(ProduceResponse::default().with_responses(refused.collect()))
}

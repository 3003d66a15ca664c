//! The promises of the shapes: what is spoken fits, and nothing makes room for more than it has.

use bytes::BytesMut;
use kafka_protocol::messages::{
    self, ApiKey, FetchRequest, JoinGroupRequest, MetadataRequest, fetch_request,
    join_group_request, metadata_request,
};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::{ITEMS_MAX, SHAPES, Truncated, check_head, find};

fn encoded(message: &impl Encodable, version: i16) -> BytesMut {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, version).unwrap();
    bytes
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn fetch(version: i16) -> FetchRequest {
    let partition = fetch_request::FetchPartition::default().with_partition(3);
    let topic = fetch_request::FetchTopic::default().with_topic(text("a.b").into());
    let topics = vec![topic.with_partitions(vec![partition.clone(), partition])];
    let forgotten = fetch_request::ForgottenTopic::default().with_topic(text("c").into());
    let request = FetchRequest::default().with_topics(topics);
    if version < 7 {
        return request;
    }
    request.with_forgotten_topics_data(vec![forgotten.with_partitions(vec![1, 2])])
}

fn join() -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol::default();
    let protocol = protocol.with_name(text("range")).with_metadata("said".into());
    JoinGroupRequest::default().with_group_id(text("g").into()).with_protocols(vec![protocol])
}

/// Each request of each version that the crate writes has the shape, and nothing is left; less
/// of it has not.
#[test]
fn requests_have_their_shapes_and_parts_of_them_have_not() {
    for shape in SHAPES {
        for version in shape.min..=shape.max {
            let body = match shape.key {
                ApiKey::Fetch => encoded(&fetch(version), version),
                ApiKey::JoinGroup => encoded(&join(), version),
                ApiKey::Metadata => {
                    let topic = metadata_request::MetadataRequestTopic::default();
                    let topic = topic.with_name(Some(text("a").into()));
                    let topics = Some(vec![topic.clone(), topic]);
                    encoded(&MetadataRequest::default().with_topics(topics), version)
                }
                key => default(key, version),
            };
            let told = format!("{:?} {version}", shape.key);
            assert_eq!(shape.check(version, &body), Ok(()), "{told}");
            if !body.is_empty() {
                let less = &body[..body.len() - 1];
                assert_eq!(shape.check(version, less), Err(Truncated), "{told}");
            }
        }
    }
}

/// Writes a request without items, as the crate has it by default.
macro_rules! default_of {
    ($key:expr, $version:expr, $($name:ident: $request:ident),* $(,)?) => {
        match $key {
            $(ApiKey::$name => encoded(&messages::$request::default(), $version),)*
            other => panic!("{other:?} is not among them"),
        }
    };
}

fn default(key: ApiKey, version: i16) -> BytesMut {
    default_of!(
        key,
        version,
        Produce: ProduceRequest,
        InitProducerId: InitProducerIdRequest,
        ListOffsets: ListOffsetsRequest,
        OffsetCommit: OffsetCommitRequest,
        OffsetFetch: OffsetFetchRequest,
        FindCoordinator: FindCoordinatorRequest,
        Heartbeat: HeartbeatRequest,
        LeaveGroup: LeaveGroupRequest,
        SyncGroup: SyncGroupRequest,
        DescribeGroups: DescribeGroupsRequest,
        ListGroups: ListGroupsRequest,
        ApiVersions: ApiVersionsRequest,
        OffsetForLeaderEpoch: OffsetForLeaderEpochRequest,
        DescribeConfigs: DescribeConfigsRequest,
        DeleteGroups: DeleteGroupsRequest,
        OffsetDelete: OffsetDeleteRequest,
        DescribeCluster: DescribeClusterRequest,
        SaslHandshake: SaslHandshakeRequest,
        SaslAuthenticate: SaslAuthenticateRequest,
    )
}

#[test]
fn a_list_that_says_it_has_more_items_than_there_are_bytes_is_refused() {
    let shape = find(ApiKey::Metadata as i16).unwrap();
    assert_eq!(shape.check(1, &i32::MAX.to_be_bytes()), Err(Truncated));
    assert_eq!(shape.check(1, &100_000_i32.to_be_bytes()), Err(Truncated));
    assert_eq!(shape.check(9, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), Err(Truncated));
    assert_eq!(shape.check(1, &(-1_i32).to_be_bytes()), Ok(()));
    let shape = find(ApiKey::Fetch as i16).unwrap();
    let mut body = encoded(&fetch(12), 12);
    let topics = 4 * 4 + 1 + 8;
    body[topics] = 0x7f;
    assert_eq!(shape.check(12, &body), Err(Truncated));
}

#[test]
fn what_is_spoken_is_what_the_crate_speaks() {
    for shape in SHAPES {
        let known = shape.key.valid_versions();
        assert!(known.min <= shape.min && shape.max <= known.max, "{:?}", shape.key);
        let header = shape.key.request_header_version(shape.max);
        assert_eq!(header == 2, shape.max >= shape.flexible, "{:?}", shape.key);
    }
}

#[test]
fn a_request_with_more_items_than_any_may_have_is_refused() {
    let shape = find(ApiKey::DescribeGroups as i16).unwrap();
    let groups = |count: usize| {
        let length = i32::try_from(count).unwrap().to_be_bytes();
        [&length[..], &vec![0; 2 * count + 1]].concat()
    };
    assert_eq!(shape.check(4, &groups(ITEMS_MAX)), Ok(()));
    assert_eq!(shape.check(4, &groups(ITEMS_MAX + 1)), Err(Truncated));
}

#[test]
fn a_head_with_more_tagged_fields_than_there_are_bytes_is_refused() {
    let head = |tagged: &[u8]| [&[0, 3, 0, 9, 0, 0, 0, 7, 0, 1, b'c'][..], tagged].concat();
    assert_eq!(check_head(&head(&[]), false), Ok(()));
    assert_eq!(check_head(&head(&[]), true), Err(Truncated));
    assert_eq!(check_head(&head(&[1, 0, 1, b'x']), true), Ok(()));
    assert_eq!(check_head(&head(&[2, 0, 1, b'x']), true), Err(Truncated));
    assert_eq!(check_head(&head(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), true), Err(Truncated));
    assert_eq!(check_head(&[0, 3, 0, 9, 0, 0, 0, 7, 0x7f, 0xff, b'c'], false), Err(Truncated));
}

#[test]
fn no_request_is_read_whose_lengths_are_greater_than_it_is() {
    for shape in SHAPES {
        for version in shape.min..=shape.max {
            let says_nothing =
                version < 3 && matches!(shape.key, ApiKey::ListGroups | ApiKey::ApiVersions);
            let checked = shape.check(version, &[0x7f; 64]);
            assert_eq!(checked.is_ok(), says_nothing, "{:?} {version}", shape.key);
        }
    }
}

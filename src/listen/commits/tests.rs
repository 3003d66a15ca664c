//! The promises of where groups stand: nobody skips what is not there yet, and whoever reads for a
//! group reads alone.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    JoinGroupRequest, LeaveGroupRequest, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio_util::sync::CancellationToken;

use super::{commit, fetch};
use crate::domain::floors::{AcceptedGaps, Floors};
use crate::domain::position::Position;
use crate::domain::subscription::{Form, Group, Subscription};
use crate::domain::time::Time;
use crate::listen::answer::text;
use crate::listen::fixture::{Bed, ITEM, anyone, diku, item, served};
use crate::listen::places::Places;
use crate::listen::{Server, Session, members};
use crate::store::{FoundSubscription, KafkaGroup, SubscriptionChange};

const GROUP: &str = "cg.search";
const KAFKA: &str = "Kafka clients of cg.search in *";

fn group() -> Group {
    Group::of_kafka(GROUP).unwrap()
}

/// Commits an offset without being a member; returns the error's number.
async fn move_to(server: &Server, client: &mut Session, offset: i64) -> i16 {
    move_with(server, client, (offset, "")).await
}

/// The same, with a text.
async fn move_with(server: &Server, client: &mut Session, (offset, said): (i64, &str)) -> i16 {
    let part = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let part = part.with_committed_metadata(Some(text(said)));
    let topic = OffsetCommitRequestTopic::default().with_name(text(ITEM).into());
    let topics = vec![topic.with_partitions(vec![part])];
    let request = OffsetCommitRequest::default().with_group_id(text(GROUP).into());
    let request = request.with_generation_id_or_member_epoch(-1).with_topics(topics);
    commit(server, client, request).await.topics[0].partitions[0].error_code
}

/// Returns each answer to a question for partition 0, with its error's number, if it is asked for
/// so many times.
async fn stands(server: &Server, client: &Session, times: usize) -> Vec<(i64, i16)> {
    let topic = OffsetFetchRequestTopic::default().with_name(text(ITEM).into());
    let topic = topic.with_partition_indexes(vec![0; times]);
    let request = OffsetFetchRequest::default().with_group_id(text(GROUP).into());
    let answer = fetch(server, client, 7, request.with_topics(Some(vec![topic; times]))).await;
    assert_eq!(answer.error_code, 0);
    let parts = answer.topics.iter().flat_map(|topic| &topic.partitions);
    parts.map(|part| (part.committed_offset, part.error_code)).collect()
}

/// Lets a client join the group, and have its assignment; returns its id.
async fn joined(server: &Server, client: &Session) -> StrBytes {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(text(GROUP).into())
        .with_protocol_type(text("consumer"))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocols(vec![protocol]);
    let joined = members::join(server, client, 3, request).await;
    assert_eq!(joined.error_code, 0);
    let request = SyncGroupRequest::default()
        .with_group_id(text(GROUP).into())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone());
    assert_eq!(members::sync(server, client, 3, request).await.error_code, 0);
    joined.member_id
}

async fn leave(server: &Server, client: &Session, member: StrBytes) {
    let members = vec![MemberIdentity::default().with_member_id(member)];
    let request = LeaveGroupRequest::default().with_group_id(text(GROUP).into());
    let left = members::leave(server, client, 3, request.with_members(members)).await;
    assert_eq!(left.members[0].error_code, 0);
}

async fn found(bed: &Bed) -> Option<FoundSubscription> {
    bed.store.find_subscriptions(&[(diku(), group())]).await.unwrap().pop()
}

async fn holder(bed: &Bed) -> Option<String> {
    let found = found(bed).await?;
    found.subscription.holder(found.now).map(|lease| lease.reader.clone())
}

async fn write(bed: &Bed, version: u64, next: Subscription) {
    let (tenant, group) = (diku(), group());
    let change =
        SubscriptionChange { tenant, group, version, next: Some(next), dead: Vec::new(), by: None };
    assert_eq!(bed.store.change_subscriptions(&[change]).await.unwrap(), [true]);
}

#[tokio::test]
async fn a_commit_beyond_the_end_of_the_log_is_refused() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let out_of_range = ResponseError::OffsetOutOfRange.code();
    for is_followed in [false, true] {
        if is_followed {
            server.logs.feed(&served(&item(), 1), None).await.unwrap();
        }
        let end = if is_followed { 4 } else { 3 };
        assert_eq!(move_to(&server, &mut client, end).await, 0, "one past the last event");
        assert_eq!(move_to(&server, &mut client, end + 1).await, out_of_range);
        assert_eq!(stands(&server, &client, 1).await, [(end, 0)]);
        // What is not known yet is looked for.
        bed.append(&["c"]).await;
        assert_eq!(move_to(&server, &mut client, end + 1).await, 0);
    }
}

#[tokio::test]
async fn the_text_of_a_commit_has_4096_bytes_at_most_and_is_kept_as_it_is() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    // Two bytes each.
    let longest = "é".repeat(2_048);
    assert_eq!(move_with(&server, &mut client, (2, &longest)).await, 0);
    let too_large = ResponseError::OffsetMetadataTooLarge.code();
    assert_eq!(move_with(&server, &mut client, (3, &(longest.clone() + "x"))).await, too_large);
    let named = OffsetFetchRequestTopic::default().with_name(text(ITEM).into());
    let topics = Some(vec![named.with_partition_indexes(vec![0])]);
    let request = OffsetFetchRequest::default().with_group_id(text(GROUP).into());
    let answer = fetch(&server, &client, 7, request.with_topics(topics)).await;
    let part = &answer.topics[0].partitions[0];
    assert_eq!((part.committed_offset, part.metadata.as_deref()), (2, Some(&*longest)));
}

#[tokio::test]
async fn a_partition_that_is_named_often_is_answered_once() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    assert_eq!(move_to(&server, &mut client, 2).await, 0);
    assert_eq!(stands(&server, &client, 9).await, [(2, 0)]);
}

#[tokio::test]
async fn a_group_that_others_have_moved_stands_where_they_moved_it() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    assert_eq!(move_to(&server, &mut client, 3).await, 0);
    assert_eq!(stands(&server, &client, 1).await, [(3, 0)]);
    let FoundSubscription { mut subscription, version, now, .. } = found(&bed).await.unwrap();
    let moved = subscription.seek(Position::new(1).unwrap(), AcceptedGaps::default(), now);
    assert_eq!(moved, Ok(()));
    write(&bed, version, subscription).await;
    assert_eq!(stands(&server, &client, 1).await, [(2, 0)]);
}

#[tokio::test]
async fn members_hold_their_group_before_they_commit_and_leave_nothing_if_they_never_do() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, client) = (bed.server().await, anyone());
    assert_eq!(stands(&server, &client, 1).await, [(-1, 0)]);
    assert_eq!(found(&bed).await, None, "whoever is no member only asks");
    let member = joined(&server, &client).await;
    assert_eq!(stands(&server, &client, 1).await, [(-1, 0)]);
    assert_eq!(holder(&bed).await.as_deref(), Some(KAFKA));
    let mut row = found(&bed).await.unwrap();
    let http = row.subscription.acquire("http", None, &Floors::default(), row.now);
    assert!(http.is_err(), "{http:?}");
    leave(&server, &client, member).await;
    assert_eq!(found(&bed).await, None);
}

#[tokio::test]
async fn a_group_that_has_read_over_http_goes_on_where_it_stood_and_is_held() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b", "c"]).await;
    let (server, client) = (bed.server().await, anyone());
    let at = Position::new(2).unwrap();
    let mut stood = Subscription::new(Form::default(), at, AcceptedGaps::default());
    write(&bed, 0, stood.clone()).await;
    let row = found(&bed).await.unwrap();
    assert_eq!(stood.acquire("http", None, &Floors::default(), row.now), Ok(None));
    write(&bed, 1, stood.clone()).await;
    let member = joined(&server, &client).await;
    let waits = ResponseError::CoordinatorLoadInProgress.code();
    assert_eq!(stands(&server, &client, 1).await, [(-1, waits)]);
    // The reader has gone.
    assert_eq!(stood.close(1, row.now), Ok(()));
    write(&bed, 2, stood).await;
    assert_eq!(stands(&server, &client, 1).await, [(3, 0)]);
    assert_eq!(holder(&bed).await.as_deref(), Some(KAFKA));
    leave(&server, &client, member).await;
    let row = found(&bed).await.unwrap().subscription;
    assert_eq!((row.position, row.generation, row.lease), (at, 2, None));
}

#[tokio::test]
async fn members_and_others_are_refused_for_good_by_a_group_that_has_a_handler() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let form = Form::from_column(r#"{"handler":{"exec":["true"]}}"#).unwrap();
    let handled = Subscription::new(form, Position::START, AcceptedGaps::default());
    write(&bed, 0, handled.clone()).await;
    let refused = ResponseError::GroupAuthorizationFailed.code();
    assert_eq!(stands(&server, &client, 1).await, [(-1, refused)], "whoever only asks, too");
    assert_eq!(move_to(&server, &mut client, 2).await, refused);
    let member = joined(&server, &client).await;
    let topic = OffsetFetchRequestTopic::default().with_name(text(ITEM).into());
    let topics = Some(vec![topic.with_partition_indexes(vec![0])]);
    let request = OffsetFetchRequest::default().with_group_id(text(GROUP).into());
    let answer = fetch(&server, &client, 7, request.with_topics(topics)).await;
    assert_eq!(answer.error_code, refused, "a client that is told to wait would ask for ever");
    leave(&server, &client, member).await;
    assert_eq!(found(&bed).await.unwrap().subscription, handled);
}

#[tokio::test]
async fn members_that_go_on_in_another_process_hold_what_they_have_held() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let server = bed.server().await;
    let topics = server.topics.with([ITEM], &anyone().principal).await.unwrap();
    let (scope, [summary, state]) = ("*".to_owned(), [(); 2].map(|()| String::new()));
    let (group, run) = (group(), "one".to_owned());
    let row = KafkaGroup { scope, group, version: 0, holder: run, summary, state };
    let new = || Places::taken(&row, CancellationToken::new());
    let asked = BTreeMap::from([(diku(), vec![item()])]);
    let kept = new().begin(&*bed.store, &asked, &topics).await.unwrap();
    assert!(kept.is_empty(), "{kept:?}");
    // Between the processes their time was over.
    let FoundSubscription { mut subscription, version, .. } = found(&bed).await.unwrap();
    subscription.lease.as_mut().unwrap().expires = Time::from_ms(1);
    write(&bed, version, subscription).await;
    assert_eq!(holder(&bed).await, None);
    new().hold(&*bed.store, true).await.unwrap();
    assert_eq!(holder(&bed).await.as_deref(), Some(KAFKA));
}

//! The promises of answers: together they have so many bytes, whoever reads them or not.

use futures_util::poll;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};

use super::{ROOM_BYTES, fetch};
use crate::listen::answer::text;
use crate::listen::fixture::{Bed, ITEM, anyone};

/// A version whose clients know every compression.
const NEWEST: i16 = 12;

fn request() -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(text(ITEM).into());
    let topics = vec![topic.with_partitions(vec![partition])];
    FetchRequest::default().with_max_bytes(50 << 20).with_topics(topics)
}

#[tokio::test]
async fn an_answer_takes_room_for_what_it_has_until_it_is_read() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let all = server.answers.available_permits();
    let answer = fetch(&server, &mut client, NEWEST, request()).await;
    let bytes = answer.responses[0].partitions[0].records.as_ref().unwrap().len();
    assert!(bytes > 0);
    assert_eq!(server.answers.available_permits(), all - bytes);
    client.unread = None;
    assert_eq!(server.answers.available_permits(), all);
}

#[tokio::test]
async fn a_fetch_waits_while_others_have_not_read_their_answers() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    // Its topic is open.
    fetch(&server, &mut client, NEWEST, request()).await;
    client.unread = None;
    let left = u32::try_from(server.answers.available_permits() - ROOM_BYTES + 1).unwrap();
    let unread = server.answers.acquire_many(left).await.unwrap();
    let mut fetching = Box::pin(fetch(&server, &mut client, NEWEST, request()));
    for _ in 0..100 {
        assert!(poll!(&mut fetching).is_pending());
        tokio::task::yield_now().await;
    }
    drop(unread);
    assert_eq!(fetching.await.responses[0].partitions[0].error_code, 0);
}

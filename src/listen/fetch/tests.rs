//! The promises of answers: together they have so many bytes, whoever reads them or not.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use tokio::time::{Instant, pause, resume, timeout};

use super::{Fetched, PartitionData, fetch, gather};
use crate::domain::partition;
use crate::listen::answer::text;
use crate::listen::batch;
use crate::listen::fixture::{Bed, ITEM, anyone, client, diku, item, served};
use crate::listen::principal::Scope;

/// A version whose clients know every compression.
const NEWEST: i16 = 12;
/// The longest time for which a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

fn request() -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(text(ITEM).into());
    let topics = vec![topic.with_partitions(vec![partition])];
    FetchRequest::default().with_max_bytes(50 << 20).with_topics(topics)
}

/// Returns the bytes of the records of an answer's first partition.
fn bytes(fetched: &Fetched) -> usize {
    fetched.batches[0].iter().map(Bytes::len).sum()
}

/// Returns the first partition of an answer.
fn first(fetched: &Fetched) -> &PartitionData {
    &fetched.answer.responses[0].partitions[0]
}

#[tokio::test]
async fn an_answer_takes_room_for_what_it_has_until_it_is_read() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let answer = fetch(&server, &mut client, NEWEST, request()).await;
    let bytes = bytes(&answer);
    assert!(bytes > 0);
    assert_eq!(server.answers.held(), bytes);
    client.unread = None;
    assert_eq!(server.answers.held(), 0);
}

#[tokio::test]
async fn a_fetch_that_gets_no_room_in_time_is_answered_without_records() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let unread = server.answers.take_all(&Some(Scope::All));
    let answer = fetch(&server, &mut client, NEWEST, request()).await;
    let part = first(&answer);
    assert_eq!((part.error_code, part.high_watermark, bytes(&answer)), (0, 2, 0));
    drop(unread);
}

#[tokio::test]
async fn clients_that_read_no_answers_leave_room_for_those_of_other_tenants() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let server = bed.server().await;
    let [mut busy, mut other] = [Scope::Tenant(diku()), Scope::All].map(client);
    let unread = server.answers.take_all(&Some(busy.scope().clone()));
    assert_eq!(bytes(&fetch(&server, &mut busy, NEWEST, request()).await), 0);
    assert!(bytes(&fetch(&server, &mut other, NEWEST, request()).await) > 0);
    drop(unread);
    assert!(bytes(&fetch(&server, &mut busy, NEWEST, request()).await) > 0);
}

#[tokio::test]
async fn a_partition_is_answered_once_and_nothing_is_read_for_an_answer_that_is_full_or_late() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]).await;
    let server = bed.server().await;
    let feed = bed.logs.feed(&served(&item(), 3), None).await.unwrap();
    let feeds = HashMap::from([(ITEM.to_owned(), Ok(feed))]);
    let answered = async |partitions: &[(i32, i32)], until: Instant| {
        let part = |(index, most): &(i32, i32)| {
            let part = FetchPartition::default().with_partition(*index);
            part.with_partition_max_bytes(*most)
        };
        let topic = FetchTopic::default().with_topic(text(ITEM).into());
        let topic = topic.with_partitions(partitions.iter().map(part).collect());
        let request = FetchRequest::default().with_topics(vec![topic]);
        let gathered = gather(&server, &request, &feeds, (1 << 20, until)).await;
        assert_eq!(gathered.topics[0].partitions.len(), gathered.batches.len());
        gathered.batches.iter().map(|its| !its.is_empty()).collect::<Vec<_>>()
    };
    let (now, later) = (Instant::now(), Instant::now() + Duration::from_mins(1));
    let all = [(0, 1 << 20), (1, 1 << 20), (2, 1 << 20)];
    assert_eq!(answered(&all, later).await, [true, true, true]);
    assert_eq!(answered(&all, now).await, [true, false, false], "it is late");
    let small = [(0, 1 << 20), (1, 1), (2, 1 << 20)];
    assert_eq!(answered(&small, later).await, [true, false, false], "it is full");
    assert_eq!(answered(&[(0, 1 << 20), (0, 1 << 20)], later).await, [true]);
}

#[tokio::test]
async fn a_fetch_waits_while_others_have_not_read_their_answers() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    // Its topic is open.
    fetch(&server, &mut client, NEWEST, request()).await;
    client.unread = None;
    let unread = server.answers.take_all(&Some(Scope::All));
    let mut fetching = Box::pin(fetch(&server, &mut client, NEWEST, request()));
    for _ in 0..100 {
        assert!(poll!(&mut fetching).is_pending());
        tokio::task::yield_now().await;
    }
    drop(unread);
    assert_eq!(first(&fetching.await).error_code, 0);
}

/// Returns the answer of a request that waits for so many bytes, once `meanwhile` is done.
async fn fetched_after(bed: &mut Bed, least: i32, meanwhile: &[&[&str]]) -> Fetched {
    bed.append(&["z"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let mut asked = request().with_max_wait_ms(200_000).with_min_bytes(least);
    asked.topics[0].partitions[0].fetch_offset = 2;
    let topics = server.topics.with([ITEM], &client.principal).await.unwrap();
    let feed = server.feed(&topics, topics.get(ITEM).unwrap(), Instant::now() + PATIENCE).await;
    let feed = feed.unwrap();
    let mut fetching = Box::pin(fetch(&server, &mut client, NEWEST, asked));
    for keys in meanwhile {
        let mut polls = 0;
        while feed.waiting() == 0 || polls < 100 {
            let answer = poll!(&mut fetching);
            assert!(answer.is_pending(), "there is nothing to answer yet: {answer:?}");
            tokio::task::yield_now().await;
            polls += 1;
        }
        bed.append(keys).await;
    }
    timeout(PATIENCE, fetching).await.expect("an append wakes it")
}

#[tokio::test]
async fn a_fetch_that_waits_is_woken_by_an_append() {
    let mut bed = Bed::new().await;
    let answer = fetched_after(&mut bed, 1, &[&["a"]]).await;
    assert!(bytes(&answer) > 0);
}

#[tokio::test]
async fn a_fetch_waits_on_until_there_is_as_much_as_it_asks_for() {
    let mut bed = Bed::new().await;
    let many = vec!["b"; 20];
    let answer = fetched_after(&mut bed, 2_000, &[&["a"], &many]).await;
    let bytes = bytes(&answer);
    assert!(bytes >= 2_000, "{bytes}");
}

/// Makes a log whose topic has two partitions: more events of the other one than a request looks
/// at, and then one of the first.
async fn others_and_one() -> Bed {
    let mut bed = Bed::new().await;
    bed.store.fix_partitions(&[(diku(), item(), 2)]).await.unwrap();
    let key = |partition: usize| {
        let mut keys = (0..).map(|number| format!("key-{number}"));
        keys.find(|key| partition::of_key(key.as_bytes(), 2) == partition).unwrap()
    };
    bed.append(&vec![&*key(1); 8_001]).await;
    bed.append(&[&*key(0)]).await;
    bed
}

#[tokio::test]
async fn a_fetch_that_is_led_on_is_answered_at_once_however_many_bytes_it_asks_for() {
    let bed = others_and_one().await;
    let (server, mut client) = (bed.server().await, anyone());
    let asked = request().with_max_wait_ms(200_000).with_min_bytes(1 << 20);
    let answer = timeout(PATIENCE, fetch(&server, &mut client, NEWEST, asked)).await;
    let answer = answer.expect("its client asks for what comes after");
    assert_eq!(answer.batches[0].len(), 1);
    assert_eq!(batch::records(&answer.batches[0][0]), 0, "nothing was found yet");
}

#[tokio::test]
async fn a_fetch_waits_for_five_minutes_at_most_whatever_it_asks_for() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    // Its topic is open, and nobody has to look whether its tenant is enabled.
    fetch(&server, &mut client, NEWEST, request()).await;
    client.unread = None;
    server.topics.all(&client.principal).await.unwrap();
    let mut asked = request().with_max_wait_ms(600_000).with_min_bytes(1);
    asked.topics[0].partitions[0].fetch_offset = 2;
    pause();
    let since = Instant::now();
    let answer = fetch(&server, &mut client, NEWEST, asked).await;
    let waited = since.elapsed();
    resume();
    assert_eq!((first(&answer).error_code, bytes(&answer)), (0, 0));
    assert_eq!(waited.as_secs(), 300);
}

#[tokio::test]
async fn a_client_that_knows_another_incarnation_or_a_session_is_told_so() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let mut error = async |change: &dyn Fn(&mut FetchRequest)| {
        let mut asked = request();
        change(&mut asked);
        let answer = fetch(&server, &mut client, NEWEST, asked).await.answer;
        let part = answer.responses.first().map(|topic| topic.partitions[0].error_code);
        (answer.error_code, part)
    };
    let epoch = |epoch: i32| {
        move |asked: &mut FetchRequest| {
            asked.topics[0].partitions[0].current_leader_epoch = epoch;
        }
    };
    let present = bed.logs.feed(&served(&item(), 1), None).await.unwrap().epoch();
    assert_eq!(error(&epoch(present)).await, (0, Some(0)));
    let fenced = ResponseError::FencedLeaderEpoch.code();
    assert_eq!(error(&epoch(present - 1)).await, (0, Some(fenced)));
    let unknown = ResponseError::UnknownLeaderEpoch.code();
    assert_eq!(error(&epoch(present + 1)).await, (0, Some(unknown)));
    let no_session = ResponseError::FetchSessionIdNotFound.code();
    assert_eq!(error(&|asked| asked.session_id = 7).await, (no_session, None));
}

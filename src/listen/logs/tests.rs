//! The promises of the logs: a topic has everything that is appended while somebody reads it, and
//! nobody waits for one without end.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use futures_util::poll;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{OpenLog, lock};
use crate::domain::position::{LogId, Position};
use crate::domain::topic::Topic;
use crate::listen::answer::text;
use crate::listen::fixture::{Bed, ITEM, anyone, diku, item, served};
use crate::listen::{Session, fetch};

/// Appends beside each step of the opening, whichever it is.
#[tokio::test]
async fn what_is_appended_while_a_topic_is_opened_is_read() {
    let mut bed = Bed::new().await;
    // The log's reader is there already, with another topic.
    let other = Topic::parse("folio.diku.inventory.other").unwrap();
    bed.logs.feed(&served(&other, 1), None).await.unwrap();
    let (logs, mut appended) = (bed.logs.clone(), 0);
    let item = served(&item(), 1);
    let mut opening = Box::pin(logs.feed(&item, None));
    let feed = loop {
        bed.append(&["a"]).await;
        appended += 1;
        // The log's reader comes to the end meanwhile.
        sleep(Duration::from_millis(5)).await;
        if let Poll::Ready(opened) = poll!(&mut opening) {
            break opened.unwrap();
        }
    };
    let mut grown = feed.grown();
    while feed.bounds(0).end < appended + 1 {
        grown.changed().await.unwrap();
    }
    assert!(appended > 1, "the opening took one step alone");
    for from in 1..=appended {
        let at = Position::from_column(from);
        let records = feed.read(&bed.subscribe, 0, at, 1).await.unwrap();
        let first = (&records.batches[0][..]).get_i64();
        assert!(first <= from, "{first} is given to who reads on at {from}");
    }
}

#[tokio::test]
async fn an_erasure_drops_what_was_read_before() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let feed = bed.logs.feed(&served(&item(), 1), None).await.unwrap();
    feed.read(&bed.subscribe, 0, Position::START.next(), 1).await.unwrap();
    assert_eq!(feed.chunks(), 1);
    bed.append_erased("a").await;
    while feed.chunks() > 0 || feed.bounds(0).end < 4 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_opening_that_is_given_up_goes_on_where_it_has_come_to() {
    let mut bed = Bed::new().await;
    bed.append(&["a", "b"]).await;
    let (logs, item) = (bed.logs.clone(), served(&item(), 1));
    let log = logs.log(&diku(), None).await.unwrap();
    // Nothing is opened as long as something is added.
    let adds = log.at.lock().await;
    let mut opening = Box::pin(logs.feed(&item, None));
    let begun = loop {
        assert!(poll!(&mut opening).is_pending());
        let begun = lock(&log.asked).topics.get(&item.topic).map(|(it, _)| it.feed.clone());
        if let Some(feed) = begun.filter(|feed| feed.known_to().number() == 2) {
            break feed;
        }
        tokio::task::yield_now().await;
    };
    drop((opening, adds));
    assert!(Arc::ptr_eq(&logs.feed(&item, None).await.unwrap(), &begun));
}

#[tokio::test]
async fn a_log_that_nobody_asks_for_is_followed_no_longer_and_read_anew_by_who_does() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let day = Duration::from_secs(86_400);
    let log = OpenLog::find(&*bed.store, &diku()).await.unwrap();
    log.clone().follow(bed.subscribe.reader(&diku()), Duration::ZERO).await;
    assert!(log.keep_used(day) && !log.keep_used(Duration::ZERO));

    let item = served(&item(), 1);
    let former = bed.logs.feed(&item, None).await.unwrap();
    let log = bed.logs.log(&diku(), None).await.unwrap();
    assert!(log.keep_used(day) && lock(&log.feeds).len() == 1);
    log.keep_used(Duration::ZERO);
    assert!(lock(&log.feeds).is_empty(), "nothing is added to it any more");
    bed.append(&["b"]).await;
    let feed = bed.logs.feed(&item, None).await.unwrap();
    assert!(!Arc::ptr_eq(&feed, &former));
    assert_eq!(feed.bounds(0).end, 3);
}

#[tokio::test]
async fn a_log_with_another_id_is_opened_anew_though_nothing_was_appended_since() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let item = served(&item(), 1);
    let former = bed.logs.feed(&item, None).await.unwrap();
    let log = bed.store.find_tenant(&diku()).await.unwrap().unwrap();
    let (old, new) = (log.log_id, LogId::new(Uuid::from_u128(7)));
    assert!(bed.store.rotate_log_id(&diku(), old, new, log.head).await.unwrap());
    let feed = bed.logs.feed(&item, Some(new)).await.unwrap();
    assert!(feed.epoch() > former.epoch());
    // Whoever is still told of the former one reads the present one, too.
    assert!(Arc::ptr_eq(&feed, &bed.logs.feed(&item, Some(old)).await.unwrap()));
}

/// The opening takes as long as the log is long; a client that waits too long comes again.
#[tokio::test]
async fn a_fetch_is_answered_in_time_though_its_topic_is_not_open() {
    let mut bed = Bed::new().await;
    bed.append(&["a"]).await;
    let (server, mut client) = (bed.server().await, anyone());
    let log = server.logs.log(&diku(), None).await.unwrap();
    let adds = log.at.lock().await;
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(text(ITEM).into());
    let topics = vec![topic.with_partitions(vec![partition])];
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(topics);
    let code = async |client: &mut Session| {
        let fetching = fetch::fetch(&server, client, 12, request.clone());
        let fetched = timeout(Duration::from_mins(1), fetching).await.expect("it waits for ever");
        fetched.answer.responses[0].partitions[0].error_code
    };
    assert_eq!(code(&mut client).await, ResponseError::KafkaStorageError.code());
    drop(adds);
    assert_eq!(code(&mut client).await, 0);
}

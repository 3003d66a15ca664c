//! Commands that fail, a server that is away, and documents that it refuses: a page is written whole,
//! or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crash::mongodb::PrivateMongodb;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::envelope::Envelope;
use event_gateway::sink::{Error, RecordCause, Sink, StopCause};
use mongodb::bson::{Document, doc};

use super::{LANE, bed, page, publish, take_over};
use crate::support::hexkit::{HexkitBed, ITEMS, LOANS, SERVICE, position};
use crate::support::services::kafka::envelopes::Log;

/// Lets the nth command from now on fail, of those that a page or a takeover sends.
async fn fail(server: &PrivateMongodb, skip: i32, how: &Document) {
    let commands = [
        "update",
        "find",
        "insert",
        "delete",
        "aggregate",
        "commitTransaction",
        "abortTransaction",
    ];
    let mut data = doc! { "failCommands": commands.as_slice(), "appName": "event-gateway" };
    data.extend(how.clone());
    let mode = doc! { "skip": skip };
    let fail = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data };
    server.admin(fail).await.unwrap();
}

async fn mend(server: &PrivateMongodb) {
    let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    server.admin(off).await.unwrap();
}

/// Publishes pages until the sink has the whole log: after an error, the lane is taken over again,
/// and goes on from the sink's cursor.
async fn follow(sink: &Arc<dyn Sink>, log: &Log, events: &[Envelope]) {
    for term in 1.. {
        assert!(term < 100, "it never ends");
        let Ok(taken) = sink.take_over(LANE, term).await else { continue };
        let mut publisher = taken.publisher;
        let cursor = taken.cursors.get(&(log.id, sink.follower().clone()));
        let after = cursor.map_or(0, |known| known.cursor.position.number());
        let left: Vec<_> = events.iter().filter(|e| e.position.number() > after).collect();
        let mut failed = false;
        for events in left.chunks(3) {
            let last = events.last().unwrap();
            let mut slice = log.slice(events.iter().copied().cloned().collect());
            slice.cursor = Cursor::at(last);
            match publisher.publish(page(sink, vec![slice])).await {
                Ok(next) => publisher = next,
                Err(Error::Retry(_)) => {
                    failed = true;
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
        if !failed {
            return;
        }
    }
}

/// A few more than the commands of a takeover and four pages.
const COMMANDS: i32 = 48;

#[tokio::test]
async fn whichever_command_fails_each_event_has_its_document_and_the_cursor_is_right() {
    let server = PrivateMongodb::start().await;
    let kinds = [
        doc! { "closeConnection": true },
        doc! { "errorCode": 112, "errorLabels": ["TransientTransactionError"] },
        doc! { "errorCode": 10107 },
    ];
    for (nth, how) in (0..COMMANDS).zip(kinds.iter().cycle()) {
        let (bed, mut log) = (HexkitBed::at(&server.url()), Log::new("diku"));
        let sink = bed.sink();
        sink.check().await.unwrap();
        let events: Vec<_> = (0..10)
            .map(|n| log.event([ITEMS, LOANS][n % 2], &format!("k{}", n % 3), "{}"))
            .collect();
        fail(&server, nth, how).await;
        // The fault lasts for longer than an attempt.
        let mended = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            mend(&server).await;
        };
        tokio::join!(follow(&sink, &log, &events), mended);
        assert_whole(&bed, &events, &format!("command {nth}, {how}")).await;
        let cursors = sink.take_over(LANE, 1_000).await.unwrap().cursors;
        assert_eq!(cursors.get(&(log.id, sink.follower().clone())), Some(&log.known()));
    }
}

/// Checks that each loan has its document, and each item's key that of its newest event.
async fn assert_whole(bed: &HexkitBed, events: &[Envelope], told: &str) {
    let all = bed.all().await;
    let of_topic = |topic: &str| {
        let of = all.iter().filter(|it| it.get_str("topic").unwrap() == topic);
        of.map(position).collect::<BTreeSet<_>>()
    };
    let loans = events.iter().filter(|event| event.topic.as_str() == LOANS);
    let loans: BTreeSet<_> = loans.map(|event| event.position.number()).collect();
    assert_eq!(of_topic(LOANS), loans, "{told}");
    let items = events.iter().filter(|event| event.topic.as_str() == ITEMS);
    let newest: BTreeMap<_, _> =
        items.map(|event| (event.key.as_str(), event.position.number())).collect();
    assert_eq!(of_topic(ITEMS), newest.into_values().collect(), "{told}");
    assert_eq!(all.len(), loans.len() + 3, "{told}");
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again_and_has_lost_nothing() {
    let mut server = PrivateMongodb::start().await;
    let (bed, mut log) = (HexkitBed::at(&server.url()), Log::new("diku"));
    let sink = bed.sink();
    let event = log.event(LOANS, "a", "{}");
    publish(&sink, 1, vec![log.slice(vec![event])]).await;
    let publisher = take_over(&sink, 2).await;
    server.kill();
    let late = log.event(LOANS, "b", "{}");
    let late = page(&sink, vec![log.slice(vec![late])]);
    let failed = [
        publisher.publish(late.clone()).await.err(),
        sink.check().await.err(),
        sink.take_over(LANE, 3).await.err(),
        bed.sink().check().await.err(),
    ];
    for error in failed {
        assert!(matches!(error, Some(Error::Retry(_))), "{error:?}");
    }
    server.restart().await;
    crash::until("it answers", async || sink.check().await.is_ok()).await;
    let publisher = take_over(&sink, 4).await;
    publisher.publish(late).await.unwrap();
    assert_eq!(bed.all().await.len(), 2);
}

/// The server refuses a document, but not the cursor that is written after it.
#[tokio::test]
async fn a_page_with_a_document_that_the_server_refuses_moves_no_cursor() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    sink.check().await.unwrap();
    let collection = format!("{SERVICE}PersistedEvents");
    let choke = doc! { "collMod": collection, "validator": { "key": { "$ne": "choke" } } };
    bed.own_database().await.run_command(choke).await.unwrap();
    for (term, topic) in [(1, LOANS), (2, ITEMS)] {
        let (fine, choke) = (log.event(topic, "a", "{}"), log.event(topic, "choke", "{}"));
        let refused = page(&sink, vec![log.slice(vec![fine, choke])]);
        let error = take_over(&sink, term).await.publish(refused).await.err();
        assert!(matches!(error, Some(Error::Isolate(RecordCause::Refused(_)))), "{error:?}");
    }
    assert!(bed.all().await.is_empty());
    assert!(sink.take_over(LANE, 3).await.unwrap().cursors.is_empty());
}

#[tokio::test]
async fn what_only_an_operator_can_mend_says_what_to_do() {
    let alone = PrivateMongodb::start_with(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let closed = PrivateMongodb::start_closed(folder.path()).await;
    let at = |url: &str| HexkitBed::at(url).sink();
    let alone_url = format!("mongodb://{}/?directConnection=true", alone.host());
    let wrong = format!("mongodb://nobody:s3cret@{}/?authSource=admin", closed.host());
    for (sink, expected) in [(at(&alone_url), "--replSet"), (at(&wrong), "authSource")] {
        let error = sink.check().await.err();
        let Some(Error::Stop(StopCause::Denied(why) | StopCause::Setting(why))) = &error else {
            panic!("{error:?}");
        };
        assert!(why.contains("HEXKIT_MONGODB_URL") && why.contains(expected), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
}

//! The fence: the lease's term, checked in the transaction of each page.

use std::time::{Duration, Instant};

use crash::mongodb::client;
use event_gateway::domain::lane::Lane;
use event_gateway::sink::Error;
use mongodb::bson::{Document, doc};

use super::{LANE, bed, page, publish, take_over};
use crate::support::hexkit::LOANS;
use crate::support::services::kafka::envelopes::Log;
use crate::support::services::mongodb::TRANSACTION_MAX;

#[tokio::test]
async fn a_term_that_is_over_takes_no_lane_over_and_writes_no_page() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let zombie = take_over(&sink, 7).await;
    take_over(&sink, 8).await;
    let refused = sink.take_over(LANE, 6).await.err();
    assert!(matches!(&refused, Some(Error::Fenced(why)) if why.contains("term 8")), "{refused:?}");
    assert!(sink.take_over(Lane::new(0), 6).await.is_ok(), "another lane has terms of its own");
    let late = log.event(LOANS, "a", "{}");
    let refused = zombie.publish(page(&sink, vec![log.slice(vec![late])])).await.err();
    assert!(matches!(refused, Some(Error::Fenced(_))), "{refused:?}");
    assert!(bed.all().await.is_empty());
}

/// `lanes resize` takes lanes over that the store does not have, and thus have no lease.
#[tokio::test]
async fn a_lane_without_a_lease_is_taken_over_whatever_terms_it_had() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let former = take_over(&sink, 12).await;
    let resize = take_over(&sink, 0).await;
    let event = log.event(LOANS, "a", "{}");
    let of_event = page(&sink, vec![log.slice(vec![event])]);
    let refused = former.publish(of_event.clone()).await.err();
    assert!(matches!(refused, Some(Error::Fenced(_))), "{refused:?}");
    resize.publish(of_event).await.unwrap();
    publish(&sink, 1, Vec::new()).await;
}

/// A killed replica leaves its transaction, which has the lane's row, to the server for a minute.
#[tokio::test]
async fn a_page_that_a_dead_replica_left_open_holds_no_takeover_up() {
    let (bed, mut log) = (bed(), Log::new("diku"));
    let sink = bed.sink();
    let event = log.event(LOANS, "a", "{}");
    publish(&sink, 1, vec![log.slice(vec![event])]).await;
    let client = client(&bed.url).await;
    let lanes = client.database(&bed.database).collection::<Document>("folio_gateway.lanes");
    let mut session = client.start_session().await.unwrap();
    let name = doc! { "$set": { "session": session.id() } };
    lanes.update_one(doc! { "_id": 1 }, name).await.unwrap();
    session.start_transaction().await.unwrap();
    let count = doc! { "$inc": { "pages": 1_i64 } };
    lanes.update_one(doc! { "_id": 1 }, count).session(&mut session).await.unwrap();
    let since = Instant::now();
    let cursors = sink.take_over(LANE, 2).await.unwrap().cursors;
    assert!(since.elapsed() < TRANSACTION_MAX / 2, "the server would end it by itself");
    assert!(since.elapsed() > Duration::from_millis(500), "it was in the way");
    assert_eq!(cursors.get(&(log.id, sink.follower().clone())), Some(&log.known()));
    assert!(session.commit_transaction().await.is_err());
}

//! Tests of replays on a lane: which events each run sends, whatever happens meanwhile.
//!
//! On a real store, with a sink in memory, and step by step: so each story says when the lane is
//! taken over, and what happens between two pages.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::replay_bed::{Bed, of_topic, slow, to_target};
use super::{ITEMS, REFUSED, diku, topic};
use crate::domain::cursor::Cursor;
use crate::domain::event::EventType;
use crate::domain::filter::Filter;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::parked::Request;
use crate::domain::position::{LogId, Position};
use crate::domain::replay::{Positions, ReplayRequest, Timestamp, Wish};
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::{Act, Actor};
use crate::follow::replay::submit::{NotSubmitted, Submitted};
use crate::sink::{Page, PageSlice, ParkingProof};
use crate::store::{RemovalStep, Scan};

#[tokio::test]
async fn a_replay_to_its_own_topic_joins_the_relay_and_the_last_record_of_a_key_is_its_newest() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "a", "c"]).await;
    bed.post("folio.diku.other", &["a"]).await;
    bed.rest().await;
    let replay = bed.replay(&of_topic(ITEMS)).await;
    assert_eq!((replay.total, replay.status()), (Some(4), "In progress"));
    // These are published between the submission and the end.
    bed.post(ITEMS, &["b", "d"]).await;
    bed.rest().await;
    tokio::time::sleep(Duration::from_millis(1_010)).await;
    bed.rest().await;
    assert_eq!(bed.sent(&replay), [1, 2, 3, 4, 6, 7]);
    let now = bed.now(&replay).await;
    assert_eq!((now.status(), now.progress.sent.events), ("Completed", 6));
    let newest = [("a", 3), ("b", 6), ("c", 4), ("d", 7)].map(|(key, at)| (key.to_owned(), at));
    assert_eq!(bed.last_of_keys(ITEMS), HashMap::from(newest));
    let pages = bed.sink.pages.lock().unwrap();
    let page = pages.iter().find(|page| page.follower == replay.id.follower()).unwrap();
    let event = &page.slices[0].events[0];
    assert_eq!(event.headers.value("replay_id"), Some(replay.id.to_string().as_str()));
}

#[tokio::test]
async fn a_key_that_a_cancelled_replay_has_sent_gets_its_newest_event_and_no_other_key_does() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c", "a", "d", "b", "e"]).await;
    bed.rest().await;
    let replay = bed.replay(&slow(of_topic(ITEMS))).await;
    bed.until_sent(&replay, 2).await;
    assert_eq!(bed.sent(&replay), [1, 2]);
    bed.wish(&replay, Wish::Cancel).await;
    assert_eq!(bed.now(&replay).await.status(), "Cancellation pending");
    bed.rest().await;
    assert_eq!(bed.sent(&replay), [1, 2, 4, 6]);
    assert_eq!(bed.now(&replay).await.status(), "Cancelled");
    let newest = [("a", 4), ("b", 6), ("c", 3), ("d", 5), ("e", 7)];
    let newest = newest.map(|(key, at)| (key.to_owned(), at));
    assert_eq!(bed.last_of_keys(ITEMS), HashMap::from(newest));
}

#[tokio::test]
async fn the_keys_that_a_replay_has_sent_stay_in_the_log_until_it_has_ended() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c", "a", "d", "b", "e"]).await;
    bed.rest().await;
    let replay = bed.replay(&slow(of_topic(ITEMS))).await;
    bed.until_sent(&replay, 2).await;
    bed.wish(&replay, Wish::Pause).await;
    // Its row is written once a second.
    tokio::time::sleep(Duration::from_millis(1_010)).await;
    bed.rest().await;
    assert_eq!(bed.now(&replay).await.progress.position.number(), 2);
    assert_eq!(bed.remove_all().await, Vec::from_iter(1..=7));
    bed.wish(&replay, Wish::Cancel).await;
    bed.rest().await;
    assert_eq!(bed.sent(&replay), [1, 2, 4, 6]);
    assert_eq!(bed.now(&replay).await.status(), "Cancelled");
    assert_eq!(bed.remove_all().await, [7]);
}

#[tokio::test]
async fn each_event_is_sent_once_though_the_lane_is_taken_over_between_any_two_pages() {
    let mut bed = Bed::new().await;
    for _ in 0..3 {
        bed.post(ITEMS, &["a", "b", "c", "d"]).await;
    }
    bed.rest().await;
    let own = bed.replay(&slow(of_topic(ITEMS))).await;
    let other = bed.replay(&slow(to_target())).await;
    for replay in [&own, &other] {
        bed.until_ended(replay).await;
        assert_eq!(bed.sent(replay), Vec::from_iter(1..=12));
        let now = bed.now(replay).await;
        assert_eq!((now.progress.sent.events, now.status()), (12, "Completed"));
    }
    assert_eq!(bed.sink.consumed("diku.again"), Vec::from_iter(1..=12));
}

#[tokio::test]
async fn a_delete_all_that_is_published_meanwhile_moves_a_replay_to_its_topic_behind_it() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c", "d", "e", "f"]).await;
    bed.rest().await;
    let own = bed.replay(&slow(of_topic(ITEMS))).await;
    let other = bed.replay(&slow(to_target())).await;
    bed.until_sent(&own, 1).await;
    bed.delete_all(ITEMS).await;
    bed.post(ITEMS, &["a", "g"]).await;
    bed.rest().await;
    bed.until_ended(&own).await;
    bed.until_ended(&other).await;
    assert_eq!(bed.sent(&own), [1, 8, 9]);
    assert_eq!(bed.sent(&other), [1, 2, 3, 4, 5, 6], "as the log was at the submission");
    // A replay that is submitted later begins after the DELETE_ALL; to another topic, it has it
    // too.
    let own = bed.replay(&of_topic(ITEMS)).await;
    let other = bed.replay(&to_target()).await;
    bed.take_over().await;
    assert_eq!((bed.sent(&own), bed.sent(&other)), (vec![8, 9], Vec::from_iter(1..=9)));
}

#[tokio::test]
async fn what_is_parked_or_given_up_when_a_page_is_made_is_not_replayed_and_what_is_released_is() {
    let mut bed = Bed::new().await;
    bed.sink.refuses.store(true, Ordering::SeqCst);
    bed.post(ITEMS, &["a"]).await;
    bed.post(REFUSED, &["a", "b"]).await;
    bed.rest().await;
    let all = ReplayRequest {
        target: Some(Topic::parse("diku.again").unwrap()),
        ..ReplayRequest::default()
    };
    let replay_all = async |bed: &mut Bed| {
        let replay = bed.replay(&all).await;
        bed.take_over().await;
        assert_eq!(bed.now(&replay).await.status(), "Completed");
        bed.sent(&replay)
    };
    assert_eq!(replay_all(&mut bed).await, [1], "topic {REFUSED} is parked");
    let store = bed.submit.store.clone();
    let relay = Follower::relay();
    let parked = store.parked(&diku(), &relay).await.unwrap();
    bed.sink.refuses.store(false, Ordering::SeqCst);
    let id = parked[0].event_id;
    assert!(store.request(&diku(), &relay, id, (Request::Release, None), None).await.unwrap());
    bed.rest().await;
    assert_eq!(replay_all(&mut bed).await, [1, 2, 3]);
    bed.sink.refuses.store(true, Ordering::SeqCst);
    bed.post(REFUSED, &["a"]).await;
    bed.rest().await;
    let parked = store.parked(&diku(), &relay).await.unwrap();
    let id = parked.iter().find(|parked| parked.is_open()).unwrap().event_id;
    assert!(
        store.request(&diku(), &relay, id, (Request::Discard, Some("test")), None).await.unwrap()
    );
    bed.rest().await;
    assert_eq!(replay_all(&mut bed).await, [1, 2, 3], "position 4 was given up");
}

#[tokio::test]
async fn a_record_that_is_refused_fails_a_replay_and_parks_nothing_or_is_skipped() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b"]).await;
    bed.post(REFUSED, &["a", "b"]).await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    bed.sink.refuses.store(true, Ordering::SeqCst);
    let replay = bed.replay(&slow(ReplayRequest::default())).await;
    bed.until_ended(&replay).await;
    let now = bed.now(&replay).await;
    assert_eq!(now.status(), "Failed");
    assert!(now.progress.cause.unwrap().contains("position 3"));
    assert_eq!(bed.sent(&replay), [1, 2, 5], "the keys that it sent end with their newest event");
    let relay = Follower::relay();
    assert_eq!(bed.submit.store.parked(&diku(), &relay).await.unwrap(), []);
}

#[tokio::test]
async fn a_paused_replay_sends_nothing_until_it_is_resumed_and_says_that_it_waits() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c", "d"]).await;
    bed.rest().await;
    let replay = bed.replay(&slow(of_topic(ITEMS))).await;
    bed.until_sent(&replay, 1).await;
    bed.wish(&replay, Wish::Pause).await;
    for _ in 0..3 {
        bed.take_over().await;
    }
    assert_eq!((bed.sent(&replay), bed.now(&replay).await.status()), (vec![1], "Paused"));
    let health = bed.work.lane.deps.health.clone();
    assert!(health.troubles().into_values().any(|why| why.contains("is paused since")));
    bed.wish(&replay, Wish::Run).await;
    bed.until_ended(&replay).await;
    assert_eq!(bed.sent(&replay), [1, 2, 3, 4]);
    assert!(health.troubles().is_empty());
}

#[tokio::test]
async fn requests_that_would_leave_older_records_last_are_refused_with_a_way_that_would_do() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    let refused = async |request: &ReplayRequest| match bed.submitted(request).await.unwrap_err() {
        NotSubmitted::Refused(all) => all.into_iter().map(|it| (it.pointer, it.code)).collect(),
        NotSubmitted::Overlaps { topic, .. } => vec![(topic.to_string(), "overlaps")],
        other => panic!("{other}"),
    };
    let types = ReplayRequest { types: vec!["UPDATE".to_owned()], ..of_topic(ITEMS) };
    assert_eq!(refused(&types).await, [("/types".to_owned(), "needs-target")]);
    let pending = ReplayRequest { pending_only: true, ..of_topic(ITEMS) };
    assert_eq!(refused(&pending).await, [("/pendingOnly".to_owned(), "needs-target")]);
    let own = ReplayRequest { target: Some(topic(ITEMS)), ..of_topic(ITEMS) };
    assert_eq!(refused(&own).await, [("/target".to_owned(), "illegal-target")]);
    assert_eq!(refused(&of_topic("diku.none")).await, [("/topics/0".to_owned(), "unknown-topic")]);
    let with_target =
        ReplayRequest { types: vec![EventType::Create.as_str().to_owned()], ..to_target() };
    bed.replay(&with_target).await;
    let keys = |key| ReplayRequest { keys: vec![Key::parse(key).unwrap()], ..of_topic(ITEMS) };
    bed.replay(&keys("a")).await;
    assert_eq!(refused(&keys("a")).await, [(ITEMS.to_owned(), "overlaps")]);
    assert_eq!(refused(&of_topic(ITEMS)).await, [(ITEMS.to_owned(), "overlaps")]);
    bed.replay(&keys("b")).await;
}

#[tokio::test]
async fn an_event_keeps_the_log_id_under_which_it_was_published() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b"]).await;
    bed.rest().await;
    let (store, relay) = (bed.submit.store.clone(), Follower::relay());
    let [old, new] = [1, 2].map(|number| LogId::new(uuid::Uuid::from_u128(number)));
    let cursor = store.load(&diku(), &relay).await.unwrap().unwrap();
    // A restore writes the relay's cursor under the new id.
    let cursor = Cursor { log_id: new, ..cursor };
    assert!(store.rotate_log_id(&diku(), old, new, cursor.position).await.unwrap());
    store.checkpoint(&bed.lease, &relay, &[(diku(), cursor)]).await.unwrap();
    let (tenant, proof) = (diku(), ParkingProof::default());
    let slice = PageSlice { tenant, events: Vec::new(), cursor, proof, sent: None };
    let page = Page { follower: relay, slices: vec![slice], target: None };
    bed.sink.pages.lock().unwrap().push(page);
    bed.take_over().await;
    bed.post(ITEMS, &["c"]).await;
    bed.rest().await;
    let replay = bed.replay(&of_topic(ITEMS)).await;
    bed.until_ended(&replay).await;
    let pages = bed.sink.pages.lock().unwrap();
    let of_run = pages.iter().filter(|page| page.follower == replay.id.follower());
    let events = of_run.flat_map(|page| &page.slices).flat_map(|slice| &slice.events);
    assert_eq!(events.map(|event| event.log_id).collect::<Vec<_>>(), [old, old, new]);
}

#[tokio::test]
async fn events_that_the_topic_would_not_keep_are_counted_and_not_sent_with_their_own_time() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c"]).await;
    bed.rest().await;
    *bed.sink.retention_ms.lock().unwrap() = Some(0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let NotSubmitted::Refused(refused) = bed.submitted(&of_topic(ITEMS)).await.unwrap_err() else {
        panic!("too old");
    };
    assert_eq!((refused[0].pointer.as_str(), refused[0].code), ("/from", "too-old"));
    assert!(refused[0].message.contains("set `timestamp` to `now`"), "{}", refused[0].message);
    let dry_run = ReplayRequest { dry_run: true, ..of_topic(ITEMS) };
    let by = Actor::shell("test").does(Act::StartReplay);
    let submitted = bed.submit.submit(&diku(), &dry_run, &by).await.unwrap();
    let Submitted::Count(count) = submitted else { panic!("a dry run starts nothing") };
    let total = count.total();
    assert_eq!((total.events, total.vanishing), (3, 3));
    assert_eq!(bed.submit.store.replays(&diku()).await.unwrap(), []);
    let now = ReplayRequest { timestamp: Timestamp::Now, ..of_topic(ITEMS) };
    let replay = bed.replay(&now).await;
    bed.until_ended(&replay).await;
    let pages = bed.sink.pages.lock().unwrap();
    let of_run = pages.iter().filter(|page| page.follower == replay.id.follower());
    let events: Vec<_> = of_run.flat_map(|page| &page.slices[0].events).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events.iter().map(|event| event.payload.len() as u64).sum::<u64>(), total.bytes);
    assert!(events.iter().all(|event| event.time >= replay.submitted));
}

#[tokio::test]
async fn a_replay_that_is_paused_for_too_long_is_cancelled_and_closes() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "a"]).await;
    bed.rest().await;
    let replay = bed.replay(&slow(of_topic(ITEMS))).await;
    bed.until_sent(&replay, 1).await;
    bed.work.lane.deps.replay_pause_max = Duration::ZERO;
    bed.wish(&replay, Wish::Pause).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    bed.until_ended(&replay).await;
    assert_eq!(bed.now(&replay).await.status(), "Cancelled");
    assert_eq!(bed.sent(&replay), [1, 3]);
    // One that has sent nothing holds events, too.
    let early = bed.replay(&slow(of_topic(ITEMS))).await;
    bed.wish(&early, Wish::Pause).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    for _ in 0..3 {
        bed.take_over().await;
    }
    assert_eq!((bed.now(&early).await.status(), bed.sent(&early)), ("Cancelled", Vec::new()));
}

#[tokio::test]
async fn the_rate_limits_no_page_of_a_replay_that_joins_the_relay() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a"; 30]).await;
    bed.rest().await;
    let replay = bed.replay(&slow(of_topic(ITEMS))).await;
    bed.until_sent(&replay, 1).await;
    bed.wish(&replay, Wish::Cancel).await;
    bed.until_ended(&replay).await;
    assert_eq!(bed.sent(&replay), (1..=30).collect::<Vec<_>>());
    let pages = bed.sink.pages.lock().unwrap();
    let its = pages.iter().filter(|page| page.follower == replay.id.follower());
    assert_eq!(its.count(), 2, "one at its rate, and one with the rest");
}

#[tokio::test]
async fn the_cursor_of_a_replay_is_removed_once_the_store_no_longer_knows_it() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a"]).await;
    bed.rest().await;
    let replay = bed.replay(&of_topic(ITEMS)).await;
    bed.until_ended(&replay).await;
    bed.take_over().await;
    assert_eq!(*bed.sink.forgotten.lock().unwrap(), []);
    // The last one stays, by which the next is numbered.
    bed.replay(&of_topic(ITEMS)).await;
    let store = bed.submit.store.clone();
    assert_eq!(store.drop_replays(Time::from_ms(i64::MAX)).await.unwrap(), 1);
    bed.take_over().await;
    assert_eq!(*bed.sink.forgotten.lock().unwrap(), [(replay.log_id, replay.id.follower())]);
}

#[tokio::test]
async fn what_is_pending_can_be_sent_to_another_topic() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b"]).await;
    bed.rest().await;
    bed.post(ITEMS, &["c", "d"]).await;
    let replay = bed.replay(&ReplayRequest { pending_only: true, ..to_target() }).await;
    assert_eq!(replay.total, Some(2));
    bed.until_ended(&replay).await;
    assert_eq!(bed.sent(&replay), [3, 4]);
    assert_eq!(bed.sink.consumed(ITEMS), [1, 2, 3, 4]);
}

#[tokio::test]
async fn who_names_a_position_of_which_the_log_no_longer_has_everything_is_told() {
    let mut bed = Bed::new().await;
    bed.post(ITEMS, &["a", "b", "c"]).await;
    bed.rest().await;
    let (store, log_id) = (bed.submit.store.clone(), LogId::new(uuid::Uuid::from_u128(1)));
    let first = [(diku(), Position::START.into())];
    let slices = store.read(&first, &Scan::page(Filter::default(), 1)).await.unwrap();
    let step = RemovalStep {
        tenant: diku(),
        log_id,
        stands: Vec::new(),
        topic: topic(ITEMS),
        positions: vec![Position::from_column(1)],
        last_time: slices[0].events[0].time,
        raises_floor: true,
        compacted_to: Position::START,
        forget_before: Time::ZERO,
    };
    assert_eq!(store.remove(&step).await.unwrap(), Some(1));
    let from = |at| Positions { from: Some(Position::from_column(at)), to: None };
    let asked = |positions| ReplayRequest { positions, ..of_topic(ITEMS) };
    let NotSubmitted::Removed(gap) = bed.submitted(&asked(from(1))).await.unwrap_err() else {
        panic!("position 1 is gone");
    };
    assert_eq!((gap.from.number(), gap.to.number()), (1, 1));
    for request in [asked(from(2)), of_topic(ITEMS)] {
        let replay = bed.replay(&request).await;
        bed.until_ended(&replay).await;
        assert_eq!(bed.sent(&replay), [2, 3]);
    }
}

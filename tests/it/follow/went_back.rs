//! Stories about a store or a Kafka that went back in time: the relay stops, reports it, and
//! repeats nothing.

use std::path::Path;
use std::sync::{Arc, Mutex};

use event_gateway::clock::System;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::{Act, TrailEntry};
use event_gateway::sink::{KnownCursor, KnownCursors, ParkingProof};
use event_gateway::store::{Access, Config, Error, TrailScan, backup, open, restore_backup};
use rusqlite::Connection;

use crate::support::harness::{Harness, drafts, tenants};
use crate::support::ids::{event_id, log_id};
use crate::support::trail::{by, entry};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_cursors_topic_stops_the_lane_and_repeats_nothing() {
    let tenants = tenants(1);
    let harness = Harness::with_published(&tenants, 5).await;
    harness.kafka.state(|state| state.cursors.clear());
    harness.append(&tenants[0], drafts(&tenants[0], 5..9)).await;
    let trouble = harness.trouble_once_followed("lane-0").await;
    assert!(trouble.contains("cursors topic") && trouble.contains("t0"), "{trouble}");
    assert_eq!(harness.kafka.state(|state| state.records.len()), 5);
    let metrics = harness.parts.metrics.text();
    for (operation, error, times) in [
        ("take_over", "cursors", 1),
        ("take_over", "denied", 0),
        ("ensure", "denied", 0),
        ("publish", "denied", 0),
        ("forget", "denied", 0),
        ("check", "denied", 0),
    ] {
        let labels = format!("follower=\"relay\",operation=\"{operation}\",error=\"{error}\"");
        let counted = format!("sink_call_errors_total{{{labels}}} {times}\n");
        assert!(metrics.contains(&counted), "{counted} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_older_than_the_store_s_checkpoint_stops_the_lane_and_repeats_nothing() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let followers = harness.follow();
    harness.append(&tenants[0], drafts(&tenants[0], 0..5)).await;
    harness.published(&tenants).await;
    let older = harness.kafka.state(|state| state.cursors.clone());
    harness.append(&tenants[0], drafts(&tenants[0], 5..9)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.kafka.state(|state| state.cursors = older);
    harness.append(&tenants[0], drafts(&tenants[0], 9..12)).await;
    let trouble = harness.trouble_once_followed("lane-0").await;
    assert!(trouble.contains("t0 at position 5") && trouble.contains("position 9"), "{trouble}");
    assert_eq!(harness.kafka.state(|state| state.records.len()), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_went_back_in_time_stops_its_tenant_and_no_other() {
    let tenants = tenants(2);
    let harness = Harness::with_published(&tenants, 5).await;
    // Kafka has an event at that position that the log lacks.
    harness.kafka.state(|state| {
        let cursor = state
            .cursors
            .get_mut(&Lane::new(0))
            .unwrap()
            .get_mut(&(log_id(1), Follower::relay()))
            .unwrap();
        cursor.cursor.event_id = event_id(777);
    });
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 5..9)).await;
    }
    let followers = harness.follow();
    let trouble = harness.trouble("tenant t0").await;
    assert!(trouble.contains("position 5"), "{trouble}");
    harness.until_cursor(|cursor| cursor == Some(9), &tenants[1]).await;
    followers.stop().await;
    assert_eq!(harness.records_of(&tenants[0]), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_went_back_is_reported_by_the_takeover_though_nothing_is_appended() {
    let tenants = tenants(1);
    let harness = Harness::with_published(&tenants, 5).await;
    let outside = Connection::open(harness.folder.path().join("store.db")).unwrap();
    outside.execute("UPDATE events SET event_id = randomblob(16) WHERE position = 5", []).unwrap();
    let trouble = harness.trouble_once_followed("tenant t0").await;
    assert!(trouble.contains("position 5"), "{trouble}");
}

/// The lane's next holder reports the tenant, and clears that once the log is restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_a_lane_reports_no_tenant_of_it_any_more() {
    let tenants = tenants(1);
    let harness = Harness::with_published(&tenants, 5).await;
    let outside = Connection::open(harness.folder.path().join("store.db")).unwrap();
    outside.execute("UPDATE events SET event_id = randomblob(16) WHERE position = 5", []).unwrap();
    harness.trouble_once_followed("tenant t0").await;
    assert_eq!(harness.parts.health.troubles(), [].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_tells_how_far_it_is_and_has_one_state_though_the_log_goes_on() {
    let harness = Harness::new(1, &tenants(1)).await;
    let (path, copy) =
        (harness.folder.path().join("store.db"), harness.folder.path().join("copy.db"));
    let outside = Connection::open(&path).unwrap();
    outside
        .execute_batch("CREATE TABLE more (bytes); INSERT INTO more VALUES (zeroblob(9 << 20))")
        .unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (steps, writer) = (told.clone(), Mutex::new(outside));
    let report = move |done, all| {
        steps.lock().unwrap().push((done, all));
        // Another connection writes: a copy that is of no one state would begin again.
        writer.lock().unwrap().execute("INSERT INTO more VALUES (7)", []).unwrap();
    };
    let bytes = backup(&path, &copy, report).await.unwrap();
    let told = told.lock().unwrap();
    assert!(told.len() > 4 && told.is_sorted_by(|one, next| one.0 < next.0), "{told:?}");
    assert!(told.iter().all(|(_, all)| *all == bytes) && told.last() == Some(&(bytes, bytes)));
    let rows = Connection::open(&copy).unwrap();
    let rows: u32 = rows.query_row("SELECT count(*) FROM more", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

/// Returns what the test itself did by the trail of a database.
async fn rows(path: &Path) -> Vec<TrailEntry> {
    let config = Config::Sqlite { path: path.to_owned() };
    let store = open(&config, Access::Attach, Arc::new(System)).await.unwrap();
    let all = TrailScan { rows_max: 100, ..TrailScan::default() };
    let rows = store.trail(&all).await.unwrap();
    store.close().await.unwrap();
    rows.iter().map(entry).filter(|entry| entry.actor == by(entry.act).actor).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_put_back_stops_its_tenant() {
    let tenants = tenants(1);
    let mut harness = Harness::new(1, &tenants).await;
    let (path, copy) =
        (harness.folder.path().join("store.db"), harness.folder.path().join("copy.db"));
    let followers = harness.follow();
    harness.append(&tenants[0], drafts(&tenants[0], 0..5)).await;
    harness.published(&tenants).await;
    backup(&path, &copy, |_, _| {}).await.unwrap();
    harness.append(&tenants[0], drafts(&tenants[0], 5..9)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.store.add_trail(&by(Act::Erase)).await.unwrap();
    let restore = by(Act::RestoreBackup).on(copy.display());
    let now = Time::from_ms(7);
    let put_back = async || restore_backup(&path, &copy, &restore, now, |_, _| {}).await;
    assert!(matches!(put_back().await, Err(Error::Refused(_))), "it is open");
    harness.store.close().await.unwrap();
    let kept = put_back().await.unwrap().unwrap();
    assert!(kept.exists());
    assert!(!harness.folder.path().join("store.db.part-wal").exists());
    // The copy has the row of this act; it names the file that has the rows since the copy.
    let wanted = restore.because(Some(&format!("the former database is {}", kept.display())));
    assert_eq!(rows(&path).await, [wanted]);
    assert_eq!(rows(&kept).await, [by(Act::Erase)]);
    harness.store = open(&Config::Sqlite { path }, Access::Serve, Arc::new(System)).await.unwrap();
    harness.parts.store = harness.store.clone();
    let _followers = harness.follow();
    let trouble = harness.trouble("tenant t0").await;
    assert!(trouble.contains("position 9"), "{trouble}");
}

/// It is as if a server with another history took over between the query for changed logs and the
/// read of events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_with_another_event_at_the_cursor_is_not_read_on_however_far_it_has_grown() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    let followers = harness.follow();
    harness.append(&tenants[0], drafts(&tenants[0], 0..10)).await;
    harness.published(&tenants[..1]).await;
    let outside = Connection::open(harness.folder.path().join("store.db")).unwrap();
    let replace = "UPDATE events SET event_id = randomblob(16) WHERE position > 5";
    assert_eq!(outside.execute(replace, []).unwrap(), 5);
    harness.append(&tenants[0], drafts(&tenants[0], 10..13)).await;
    let trouble = harness.trouble("tenant t0").await;
    assert!(trouble.contains("position 10") && trouble.contains("went back in time"), "{trouble}");
    harness.append(&tenants[1], drafts(&tenants[1], 0..3)).await;
    harness.published(&tenants[1..]).await;
    followers.stop().await;
    assert_eq!(harness.records_of(&tenants[0]), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_went_back_before_its_first_event_repeats_nothing() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    let (position, event_id) = (Position::new(5).unwrap(), event_id(4));
    let cursor = Cursor { log_id: log_id(1), position, event_id, time: Time::from_ms(5) };
    let known = KnownCursor { cursor, proof: ParkingProof::default(), sent: None };
    let cursors = KnownCursors::from([((log_id(1), Follower::relay()), known)]);
    harness.kafka.state(|state| state.cursors.insert(Lane::new(0), cursors));
    harness.append(&tenants[1], drafts(&tenants[1], 0..3)).await;
    let followers = harness.follow();
    harness.published(&tenants[1..]).await;
    harness.append(&tenants[0], drafts(&tenants[0], 0..3)).await;
    harness.trouble("tenant t0").await;
    followers.stop().await;
    assert!(harness.kafka.state(|state| state.records.iter().all(|r| r.tenant == tenants[1])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_of_a_log_that_the_store_does_not_know_are_reported() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    harness.append(&tenants[0], drafts(&tenants[0], 0..3)).await;
    harness.publish(&tenants[..1]).await;
    assert!(harness.parts.health.troubles().is_empty(), "{:?}", harness.parts.health.troubles());
    // This is what the store left that this one has replaced.
    let (position, event_id) = (Position::new(5).unwrap(), event_id(4));
    let cursor = Cursor { log_id: log_id(77), position, event_id, time: Time::from_ms(5) };
    let known = KnownCursor { cursor, proof: ParkingProof::default(), sent: None };
    let lane = Lane::new(0);
    harness.kafka.state(|state| {
        state.cursors.get_mut(&lane).unwrap().insert((log_id(77), Follower::relay()), known);
    });
    let followers = harness.follow();
    let trouble = harness.trouble("cursors of lane-0").await;
    assert!(trouble.contains("1 logs") && trouble.contains(&log_id(77).to_string()), "{trouble}");
    harness.append(&tenants[0], drafts(&tenants[0], 3..5)).await;
    harness.published(&tenants[..1]).await;
    followers.stop().await;
}

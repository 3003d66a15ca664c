//! When something is slow, full, gone or broken: clients, bodies, queues, the store, the relay.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crash::until;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::event::EventId;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::health::SinkPart;
use event_gateway::intake;
use event_gateway::store::{Error, Lease};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::gateway::{Gateway, Setup, tenant_id};
use crate::support::raw_http::{GOOD, answer, closed, posted, request};

const INSTANCE: &str = "/domain-events/inventory/instance";
const ITEM: &str = "/domain-events/inventory/item";

/// Starts a gateway with a faulty store.
async fn faulty(setup: Setup) -> (Arc<Gateway>, Arc<FaultyStore>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let setup = setup.with_store(move |store| {
        let faulty = Arc::new(FaultyStore::new(store));
        sender.send(faulty.clone()).unwrap();
        faulty
    });
    (Arc::new(setup.start().await), receiver.recv().unwrap())
}

fn head(more: &str) -> String {
    format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nContent-Type: \
         application/x-ndjson\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_slow_body_is_timed_out_and_its_connection_closed() {
    let mut setup = Setup::new();
    setup.http.body_timeout = Duration::from_millis(50);
    let gateway = setup.start().await;
    let sized = format!("{}{GOOD}\n", head("Content-Length: 1000\r\n"));
    let chunked = format!("{}13\r\n{GOOD}\n\r\n", head("Transfer-Encoding: chunked\r\n"));
    for request in [sized, chunked] {
        let mut connection = gateway.connect().await;
        connection.write_all(request.as_bytes()).await.unwrap();
        let answer = answer(&mut connection).await;
        assert_eq!((answer.status, answer.problem().as_str()), (408, "body-timeout"));
        assert_eq!(answer.header("connection"), Some("close"));
        closed(&mut connection).await;
    }
    assert!(gateway.log().await.is_empty());
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_keep_its_connection() {
    let gateway = Gateway::start().await;
    let mut connection = gateway.connect().await;
    let lost = "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    connection.write_all(lost.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut connection).await.problem(), "not-found");
    closed(&mut connection).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_body_leaves_nothing() {
    let gateway = Gateway::start().await;
    let sized = format!("{}{GOOD}\n", head("Content-Length: 1000\r\n"));
    let chunked = format!("{}13\r\n{GOOD}\n\r\n", head("Transfer-Encoding: chunked\r\n"));
    for request in [sized, chunked] {
        // The half-closed connection could still read an answer; then its bytes were judged.
        let mut connection = gateway.connect().await;
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let answer = answer(&mut connection).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "body-broken"));
    }
    assert!(gateway.log().await.is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_after_sending_still_has_its_change_in_the_log() {
    let (gateway, store) = faulty(Setup::new()).await;
    store.set(Mode::Holding);
    let mut writing = gateway.connect().await;
    writing.write_all(&posted(INSTANCE, "diku")).await.unwrap();
    until("the append is begun", async || store.begun.load(Ordering::SeqCst) == 1).await;
    drop(writing);
    store.set(Mode::Healthy);
    until("the change is in the log", async || gateway.log().await.len() == 1).await;
    // At once, with nothing in its way.
    gateway.connect().await.write_all(&posted(INSTANCE, "diku")).await.unwrap();
    until("that change too", async || gateway.log().await.len() == 2).await;
}

#[tokio::test]
async fn a_request_for_which_a_stop_has_no_time_is_told_so_and_its_change_is_in_the_log() {
    let (gateway, store) = faulty(Setup::new()).await;
    store.set(Mode::Holding);
    let mut writing = gateway.connect().await;
    writing.write_all(&posted(INSTANCE, "diku")).await.unwrap();
    until("the append is begun", async || store.begun.load(Ordering::SeqCst) == 1).await;
    gateway.closing.cancel();
    let answer = answer(&mut writing).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "stopping"));
    assert_eq!(answer.header("connection"), Some("close"));
    store.set(Mode::Healthy);
    until("the change is in the log", async || gateway.log().await.len() == 1).await;
}

#[tokio::test]
async fn all_bodies_together_have_a_limit_and_give_their_room_back() {
    let mut setup = Setup::new();
    setup.http.bodies_bytes_max = 1000;
    let (gateway, store) = faulty(setup).await;
    // The body is not JSON, so that nothing is written even if there is room.
    let probe = async || gateway.post_json(INSTANCE, "x".repeat(300)).await;
    let begun = format!("{}{}", head("Content-Length: 900\r\n"), " ".repeat(900 - GOOD.len()));
    store.set(Mode::Holding);
    let mut whole = gateway.connect().await;
    whole.write_all(format!("{begun}{GOOD}").as_bytes()).await.unwrap();
    until("the append is begun", async || store.begun.load(Ordering::SeqCst) == 1).await;
    let refused = probe().await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "bodies-full"));
    assert_eq!(refused.header("Retry-After"), Some("1"));
    store.set(Mode::Healthy);
    assert_eq!(answer(&mut whole).await.status, 201);
    assert_eq!(probe().await.problem(), "invalid-json");
    // While a probe has the room, a body that is begun is refused; then another is begun.
    let mut left = None;
    until("a body that is only begun takes room", async || {
        left = Some(gateway.connect().await);
        left.as_mut().unwrap().write_all(begun.as_bytes()).await.unwrap();
        probe().await.status == 503
    })
    .await;
    drop(left);
    until("who leaves gives it back", async || probe().await.status == 400).await;
}

#[tokio::test]
async fn what_is_queued_keeps_its_room_though_its_client_is_gone() {
    let mut setup = Setup::new();
    setup.http.bodies_bytes_max = 1000;
    let (gateway, store) = faulty(setup).await;
    store.set(Mode::Holding);
    let mut gone = gateway.connect().await;
    let padding = " ".repeat(900 - GOOD.len());
    gone.write_all(format!("{}{padding}{GOOD}", head("Content-Length: 900\r\n")).as_bytes())
        .await
        .unwrap();
    until("the append is begun", async || store.begun.load(Ordering::SeqCst) == 1).await;
    gone.set_zero_linger().unwrap();
    drop(gone);
    let probe = async || gateway.post_json(INSTANCE, "x".repeat(300)).await.status;
    for _ in 0..50 {
        assert_eq!(probe().await, 503);
    }
    store.set(Mode::Healthy);
    until("its room is free", async || probe().await == 400).await;
    assert_eq!(gateway.log().await.len(), 1);
}

#[tokio::test]
async fn a_full_queue_is_a_503_and_what_was_queued_is_still_written() {
    let mut setup = Setup::new();
    setup.intake = intake::Config { queue_batches_max: 1, ..intake::Config::default() };
    let (gateway, store) = faulty(setup).await;
    store.set(Mode::Holding);
    let post = || {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.exchange(&posted(INSTANCE, "diku")).await })
    };
    let first = post();
    until("the append is begun", async || store.begun.load(Ordering::SeqCst) == 1).await;
    // One of them finds room, and waits; the other doesn't.
    let (mut one, mut other) = (post(), post());
    let (refused, waiting) = tokio::select! {
        answer = &mut one => (answer.unwrap(), other),
        answer = &mut other => (answer.unwrap(), one),
    };
    assert_eq!((refused.status, refused.problem().as_str()), (503, "queue-full"));
    assert_eq!(refused.header("Retry-After"), Some("1"));
    store.set(Mode::Healthy);
    assert_eq!((first.await.unwrap().status, waiting.await.unwrap().status), (201, 201));
    assert_eq!(gateway.log().await.len(), 2);
}

#[tokio::test]
async fn a_tenant_that_has_too_much_waiting_gets_429_and_the_others_do_not() {
    let mut setup = Setup::new();
    setup.intake = intake::Config { tenant_bytes_max: 1, ..intake::Config::default() };
    let (gateway, store) = faulty(setup).await;
    store.set(Mode::Holding);
    let post = |tenant: &'static str| {
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.exchange(&posted(INSTANCE, tenant)).await })
    };
    let first = post("diku");
    until("the append is begun", async || store.begun.load(Ordering::SeqCst) == 1).await;
    let refused = post("diku").await.unwrap();
    assert_eq!((refused.status, refused.problem().as_str()), (429, "tenant-queue-full"));
    assert_eq!(refused.header("Retry-After"), Some("1"));
    let other = post("college");
    store.set(Mode::Healthy);
    assert_eq!((first.await.unwrap().status, other.await.unwrap().status), (201, 201));
}

#[tokio::test]
async fn what_the_store_can_t_take_is_a_500_that_says_why() {
    let (gateway, store) = faulty(Setup::new()).await;
    let id = EventId::parse("5bf370e0-8cca-4d9c-82e4-5170ab2a0a39").unwrap();
    store.set(Mode::RefusingEvents(vec![id], |_| Error::Refused("a trigger says no".to_owned())));
    let answer =
        gateway.post_json(ITEM, &format!(r#"{{"new":{{"id":"a"}},"eventId":"{id}"}}"#)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (500, "unstorable"));
    assert!(answer.text().contains("a trigger says no"), "{}", answer.text());
    assert_eq!(gateway.post_json(ITEM, GOOD).await.status, 201);
    assert_eq!(gateway.log().await.len(), 1);
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_that_tells_no_secrets() {
    let (gateway, store) = faulty(Setup::new()).await;
    for (error, status, problem) in [
        (Error::Unavailable("secret".to_owned()), 503, "store-unavailable"),
        (Error::Corrupt("secret".to_owned()), 500, "internal"),
    ] {
        store.set(Mode::Failing(error));
        for answer in [
            gateway.post_json(INSTANCE, GOOD).await,
            gateway.read("/domain-events").await,
            gateway.read("/domain-events/5bf370e0-8cca-4d9c-82e4-5170ab2a0a39").await,
        ] {
            assert_eq!((answer.status, answer.problem().as_str()), (status, problem));
            assert_eq!(answer.header("Retry-After").is_some(), status == 503);
            assert!(!answer.text().contains("secret"));
        }
    }
    store.set(Mode::Healthy);
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.status, 201);
    assert_eq!(gateway.log().await.len(), 1);
}

#[tokio::test]
async fn an_unknown_outcome_names_the_event_ids_to_ask_again_with() {
    let (gateway, store) = faulty(Setup::new()).await;
    // The tenant's file is looked for before the first post.
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.status, 201);
    store.set(Mode::Failing(Error::Unknown("secret".to_owned())));
    let answer = gateway.post_json(INSTANCE, format!("[{GOOD},{GOOD}]")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "outcome-unknown"));
    let json = answer.json();
    let parameters = json["errors"][0]["parameters"].as_array().unwrap();
    assert_eq!(parameters.iter().filter(|p| p["key"] == "eventId").count(), 2);
    assert!(!answer.text().contains("secret"));
}

#[tokio::test]
async fn it_is_alive_whatever_happens_and_ready_while_the_store_is() {
    let (gateway, store) = faulty(Setup::new()).await;
    let ready = async || gateway.exchange(&request("GET", "/readyz", &[], b"")).await;
    assert_eq!((ready().await.status, ready().await.json()), (200, json!({"status": "ready"})));
    gateway.health.degraded(
        SinkPart::Lane(Lane::new(1)).of(&Follower::relay()),
        "the broker does not answer",
    );
    let degraded =
        json!({"status": "degraded", "troubles": {"lane-1": "the broker does not answer"}});
    assert_eq!((ready().await.status, ready().await.json()), (200, degraded));
    let troubles = async || {
        let metrics = gateway.exchange(&request("GET", "/metrics", &[], b"")).await;
        let line =
            metrics.text().lines().find_map(|line| line.strip_prefix("event_gateway_troubles "));
        line.unwrap().to_owned()
    };
    gateway.health.degraded(
        SinkPart::Lane(Lane::new(2)).of(&Follower::relay()),
        "the broker does not answer",
    );
    assert_eq!(troubles().await, "2");
    gateway.health.healthy(&SinkPart::Lane(Lane::new(1)).of(&Follower::relay()));
    gateway.health.healthy(&SinkPart::Lane(Lane::new(2)).of(&Follower::relay()));
    assert_eq!(troubles().await, "0");
    store.set(Mode::Failing(Error::Unavailable("secret".to_owned())));
    let down = json!({"status": "DOWN", "troubles": {"store": "SQLite is unavailable"}});
    // The store's last answer is cached for a moment.
    until("down", async || ready().await.status == 503).await;
    assert_eq!((ready().await.json(), troubles().await.as_str()), (down, "1"));
    store.set(Mode::Holding);
    let late = json!({"status": "DOWN", "troubles": {"store": "SQLite did not answer in time"}});
    until("late", async || ready().await.json() == late).await;
    for path in ["/livez", "/admin/health"] {
        let answer = gateway.exchange(&request("GET", path, &[], b"")).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "UP"})));
    }
}

/// Writes a checkpoint: the relay has passed so many events of `diku`'s log.
async fn relay_passes(gateway: &Gateway, events: usize) {
    let last = gateway.log().await.swap_remove(events - 1);
    let lease = Lease { lane: Lane::new(0), term: 1 };
    let passed = [(tenant_id("diku"), Cursor::at(&last))];
    gateway.store.checkpoint(&lease, &Follower::relay(), &passed).await.unwrap();
    gateway.pages.send_replace(());
}

#[tokio::test]
async fn the_lag_of_each_sink_is_reported_by_its_follower() {
    let hexkit = Follower::parse("hexkit").unwrap();
    let gateway = Setup::new().with_relay().with_follower(hexkit).start().await;
    gateway.post_json(ITEM, format!("[{GOOD},{GOOD},{GOOD}]")).await;
    relay_passes(&gateway, 2).await;
    let answer = gateway.exchange(&request("GET", "/metrics", &[], b"")).await;
    let told = answer.text();
    for (follower, events) in [("relay", 1), ("hexkit", 3)] {
        let line = format!("event_gateway_lag_events{{follower=\"{follower}\"}} {events}");
        assert!(told.lines().any(|told| told == line), "{line} is not in {told}");
        let line = format!("event_gateway_lag_seconds{{follower=\"{follower}\"}} ");
        assert!(told.lines().any(|told| told.starts_with(&line)), "{line} is not in {told}");
    }
}

#[tokio::test]
async fn published_is_what_the_relay_has_passed() {
    let gateway = Setup::new().with_relay().start().await;
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.json()["published"], false);
    relay_passes(&gateway, 1).await;
    assert_eq!(gateway.post_json(ITEM, GOOD).await.json()["published"], false);
    let page = gateway.read("/domain-events").await.json();
    assert_eq!([&page["events"][0]["published"], &page["events"][1]["published"]], [true, false]);
}

#[tokio::test]
async fn who_would_rather_wait_is_answered_once_it_is_published() {
    let gateway = Arc::new(Setup::new().with_relay().start().await);
    let post = |prefer: &'static str| {
        let headers =
            [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json"), ("Prefer", prefer)];
        let request = request("POST", INSTANCE, &headers, format!("[{GOOD},{GOOD}]").as_bytes());
        let gateway = gateway.clone();
        tokio::spawn(async move { gateway.exchange(&request).await })
    };
    let impatient = post("respond-async, wait=0").await.unwrap();
    assert_eq!(impatient.json()[0]["published"], false);
    assert_eq!(impatient.header("Preference-Applied"), Some("wait=0"));
    let waiting = post("wait=99");
    until("it is in the log", async || gateway.log().await.len() == 4).await;
    // The first of the two is not both of them.
    relay_passes(&gateway, 3).await;
    for _ in 0..20 {
        assert_eq!(gateway.read("/domain-events").await.json()["events"][2]["published"], true);
        assert!(!waiting.is_finished());
    }
    relay_passes(&gateway, 4).await;
    let answer = waiting.await.unwrap();
    assert_eq!([&answer.json()[0]["published"], &answer.json()[1]["published"]], [true, true]);
    assert_eq!(answer.header("Preference-Applied"), Some("wait=60"));
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.header("Preference-Applied"), None);
}

#[tokio::test]
async fn without_a_relay_who_waits_is_answered_at_once() {
    let gateway = Gateway::start().await;
    let headers =
        [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json"), ("Prefer", "wait=60")];
    let answer = gateway.exchange(&request("POST", INSTANCE, &headers, GOOD.as_bytes())).await;
    assert_eq!((answer.status, &answer.json()["published"]), (201, &serde_json::Value::Null));
    assert_eq!(answer.header("Preference-Applied"), None);
}

#[tokio::test]
async fn a_durable_change_is_no_failure_because_nobody_knows_whether_it_is_published() {
    let (gateway, store) = faulty(Setup::new().with_relay()).await;
    store.set(Mode::FailingCursors(Error::Unavailable("away".to_owned())));
    let answer = gateway.post_json(INSTANCE, GOOD).await;
    assert_eq!((answer.status, &answer.json()["published"]), (201, &json!(false)));
}

//! Quotas: whoever has used up his own is told when to come back, and nothing of it is taken.

use std::sync::Arc;
use std::time::Duration;

use crash::{PATIENCE, until};
use event_gateway::clock::Manual;
use event_gateway::domain::quota::Quota;
use event_gateway::domain::time::Time;
use event_gateway::store::Error;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_http::{Answer, GOOD, INSTANCE, answer, posted, request};

/// The begin of the clock, in ms.
const BEGIN: i64 = 1_000_000;
const DELETE_ALL: &str = "/domain-events/inventory/instance/delete-all";
const PROCESS: &str = "/process-events/data-import/DI_COMPLETED";

fn quota(events_per_second: u64, bytes_per_second: u64) -> Quota {
    Quota { events_per_second, bytes_per_second, burst_seconds: 2 }
}

/// Returns a set-up in which each tenant has this quota, and its clock.
fn with(quota: Quota) -> (Setup, Arc<Manual>) {
    let clock = Arc::new(Manual::new(Time::from_ms(BEGIN)));
    (Setup::new().with_quota(quota, &clock), clock)
}

fn batch(changes: usize) -> String {
    let change = |n: usize| format!(r#"{{"new":{{"id":"{n}"}}}}"#);
    format!("[{}]", (0..changes).map(change).collect::<Vec<_>>().join(","))
}

fn limits(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("RateLimit-Policy"), answer.header("RateLimit"))
}

async fn metrics(gateway: &Gateway) -> String {
    gateway.exchange(&request("GET", "/metrics", &[], b"")).await.text().to_owned()
}

#[tokio::test]
async fn a_tenant_over_its_quota_is_told_when_to_come_back_and_nothing_is_taken() {
    let (setup, clock) = with(quota(10, 0));
    let gateway = setup.start().await;
    let within = gateway.post_json(INSTANCE, batch(15)).await;
    assert_eq!(within.status, 201);
    assert_eq!(limits(&within), (Some(r#""events";q=20;w=2"#), Some(r#""events";r=5"#)));
    // The last one may be larger than what is left.
    let last = gateway.post_json(INSTANCE, batch(40)).await;
    assert_eq!((last.status, last.header("RateLimit")), (201, Some(r#""events";r=0;t=4"#)));
    let refused = gateway.post_json(INSTANCE, batch(2)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "quota-exceeded"));
    assert_eq!(refused.header("Retry-After"), Some("4"));
    assert_eq!(limits(&refused), (Some(r#""events";q=20;w=2"#), Some(r#""events";r=0;t=4"#)));
    assert_eq!(refused.json()["violated-policies"], json!(["events"]));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(
        detail,
        "the tenant has used up its quota of 10 events per second (20 at once): nothing was taken; \
         send it again in 4 s"
    );
    assert_eq!(gateway.log().await.len(), 55);
    assert_eq!(gateway.exchange(&posted(INSTANCE, "college")).await.status, 201);
    clock.set(Time::from_ms(BEGIN + 3_599));
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.status, 429);
    clock.set(Time::from_ms(BEGIN + 3_600));
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.status, 201);
    let metrics = metrics(&gateway).await;
    assert!(metrics.contains(r#"event_gateway_quota_refusals_total{quota="events"} 2"#));
}

#[tokio::test]
async fn bytes_count_as_they_were_posted_also_those_of_an_illegal_body() {
    let body_bytes = GOOD.len() as u64;
    let (setup, clock) = with(quota(0, body_bytes));
    let gateway = setup.start().await;
    let first = gateway.post_json(INSTANCE, GOOD).await;
    let policy = format!(r#""bytes";q={};qu="content-bytes";w=2"#, 2 * body_bytes);
    let left = format!(r#""bytes";r={body_bytes}"#);
    assert_eq!((first.status, limits(&first)), (201, (Some(&*policy), Some(&*left))));
    let illegal = format!("{}{}", " ".repeat(GOOD.len() * 3), r#"{"new":1}"#);
    assert_eq!(gateway.post_json(INSTANCE, illegal).await.status, 422);
    for path in [INSTANCE, DELETE_ALL, PROCESS] {
        let refused = gateway.post_json(path, GOOD).await;
        assert_eq!((refused.status, refused.problem().as_str()), (429, "quota-exceeded"), "{path}");
        assert_eq!(refused.json()["violated-policies"], json!(["bytes"]), "{path}");
    }
    assert_eq!(gateway.log().await.len(), 1);
    // Reads are not posts.
    assert_eq!(gateway.read("/domain-events").await.status, 200);
    clock.set(Time::from_ms(BEGIN + 10_000));
    assert_eq!(gateway.post_json(INSTANCE, GOOD).await.status, 201);
}

/// Returns the head of a post whose body is framed by this header.
fn head(framing: &str) -> String {
    format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nContent-Type: \
         application/json\r\n{framing}\r\n\r\n"
    )
}

/// Opens a connection with a post that was let in, and whose body is awaited.
async fn awaited(gateway: &Gateway, bytes: usize) -> TcpStream {
    let mut connection = gateway.connect().await;
    let head = head(&format!("Expect: 100-continue\r\nContent-Length: {bytes}"));
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    timeout(PATIENCE, connection.read_exact(&mut told)).await.expect("an answer in time").unwrap();
    connection
}

/// Waits until a post is refused for its bytes. Each is empty, and costs nothing.
async fn until_refused(gateway: &Gateway, why: &str) {
    until(why, async || {
        let answer = gateway.post_json(INSTANCE, "").await;
        answer.status == 429 && answer.json()["violated-policies"] == json!(["bytes"])
    })
    .await;
}

#[tokio::test]
async fn bytes_that_were_read_are_paid_for_whatever_becomes_of_the_body() {
    let spaces = " ".repeat(10_000);
    let start = async || {
        let (mut setup, _clock) = with(quota(0, 1_000));
        (setup.http.body_bytes_max, setup.http.body_timeout) = (9_999, Duration::from_millis(50));
        setup.start().await
    };
    let gateway = start().await;
    let chunked = format!("{}2710\r\n{spaces}\r\n", head("Transfer-Encoding: chunked"));
    let mut connection = gateway.connect().await;
    connection.write_all(chunked.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut connection).await.status, 413);
    until_refused(&gateway, "a body that is too large is paid for").await;

    let gateway = start().await;
    let begun = format!("{}{}", head("Content-Length: 9000"), &spaces[..8_000]);
    let mut connection = gateway.connect().await;
    connection.write_all(begun.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut connection).await.status, 408);
    until_refused(&gateway, "a body that is too slow is paid for").await;

    let gateway = start().await;
    let mut connection = gateway.connect().await;
    connection.write_all(begun.as_bytes()).await.unwrap();
    drop(connection);
    until_refused(&gateway, "a body whose client has left is paid for").await;
}

#[tokio::test]
async fn of_bodies_that_come_at_once_one_goes_into_debt_and_the_others_are_not_read_on() {
    let (setup, _clock) = with(quota(0, 1_000));
    let gateway = setup.start().await;
    let body = format!("{}{GOOD}", " ".repeat(10_000));
    let (mut one, mut other) =
        (awaited(&gateway, body.len()).await, awaited(&gateway, body.len()).await);
    one.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut one).await.status, 201);
    // The rest of it is not waited for.
    other.write_all(&body.as_bytes()[..5_000]).await.unwrap();
    let refused = answer(&mut other).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "quota-exceeded"));
    assert_eq!(gateway.log().await.len(), 1);
}

#[tokio::test]
async fn each_way_to_post_an_event_is_counted() {
    for (path, body) in
        [(INSTANCE, GOOD), (DELETE_ALL, ""), (PROCESS, r#"{"key":"1","payload":1}"#)]
    {
        let (setup, _clock) = with(quota(1, 0));
        let gateway = setup.start().await;
        for (left, status) in [(Some(r#""events";r=1"#), 201), (Some(r#""events";r=0;t=1"#), 201)] {
            let answer = gateway.post_json(path, body).await;
            assert_eq!((answer.status, answer.header("RateLimit")), (status, left), "{path}");
        }
        assert_eq!(gateway.post_json(path, body).await.status, 429, "{path}");
        assert_eq!(gateway.log().await.len(), 2, "{path}");
    }
}

#[tokio::test]
async fn the_body_of_who_has_used_up_a_quota_is_not_waited_for() {
    let (setup, _clock) = with(quota(1, 0));
    let gateway = setup.start().await;
    assert_eq!(gateway.post_json(INSTANCE, batch(2)).await.status, 201);
    let mut connection = gateway.connect().await;
    let head = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nContent-Type: \
         application/json\r\nContent-Length: 100000\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let refused = answer(&mut connection).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "quota-exceeded"));
}

#[tokio::test]
async fn what_the_store_could_not_take_costs_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (setup, _clock) = with(quota(10, 1_000));
    let setup = setup.with_store(move |store| {
        let faulty = Arc::new(FaultyStore::new(store));
        sender.send(faulty.clone()).unwrap();
        faulty
    });
    let gateway = setup.start().await;
    let store = receiver.recv().unwrap();
    store.set(Mode::Failing(Error::Unavailable("it is away".to_owned())));
    for _ in 0..3 {
        assert_eq!(gateway.post_json(INSTANCE, batch(20)).await.status, 503);
    }
    store.set(Mode::Healthy);
    let answer = gateway.post_json(INSTANCE, GOOD).await;
    let left = format!(r#""events";r=19, "bytes";r={}"#, 2_000 - GOOD.len());
    assert_eq!((answer.status, answer.header("RateLimit")), (201, Some(&*left)));
}

#[tokio::test]
async fn without_a_quota_no_answer_speaks_of_one() {
    let gateway = Gateway::start().await;
    let answer = gateway.post_json(INSTANCE, batch(1_000)).await;
    assert_eq!((answer.status, limits(&answer)), (201, (None, None)));
}

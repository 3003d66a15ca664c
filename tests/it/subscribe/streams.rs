//! Streams: from the stored past to the present without a gap, and an end that says why.

use std::time::Duration;

use crash::until;
use event_gateway::clock::{Clock, System};
use serde_json::json;

use crate::support::gateway::{Gateway, Setup};
use crate::support::subscriber::Subscriber;

const INSTANCE: &str = "/domain-events/inventory/instance";

async fn post(gateway: &Gateway, count: usize) {
    let bodies: Vec<_> = (0..count).map(|n| json!({ "new": { "id": n.to_string() } })).collect();
    let posted = gateway.post_json(INSTANCE, json!(bodies).to_string()).await;
    assert_eq!(posted.status, 201);
}

async fn subscribed(setup: Setup) -> (Gateway, Subscriber) {
    let gateway = setup.start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    (gateway, subscriber)
}

#[tokio::test]
async fn a_stream_has_the_stored_past_and_then_the_present_without_a_gap() {
    let (gateway, subscriber) = subscribed(Setup::new()).await;
    post(&gateway, 700).await;
    let mut stream = subscriber.stream("reader=one", &[]).await;
    let begun = stream.begun().await;
    assert_eq!((&begun["position"], &begun["reader"]), (&0.into(), &"one".into()));
    let posting = async {
        for _ in 0..40 {
            post(&gateway, 5).await;
        }
    };
    let (positions, ()) = tokio::join!(stream.positions(900), posting);
    assert!(positions.iter().copied().eq(1..=900), "{positions:?}");
    let generation = begun["generation"].as_u64().unwrap();
    assert_eq!(subscriber.commit(generation, 900).await.1["position"], 900);
    assert_eq!(subscriber.get().await.1["lag"]["events"], 0);
}

#[tokio::test]
async fn many_streams_of_one_log_get_the_same_events() {
    let (gateway, subscriber) = subscribed(Setup::new()).await;
    let groups: Vec<&'static str> = (0..20).map(|n| &*format!("cg.g{n}").leak()).collect();
    let mut streams = Vec::new();
    for group in groups {
        let subscriber = subscriber.clone().of("diku", group);
        let form = json!({ "keys": if group.ends_with('7') { json!(["3"]) } else { json!([]) } });
        assert_eq!(subscriber.put(form).await.0, 201);
        let mut stream = subscriber.stream("", &[]).await;
        stream.begun().await;
        streams.push((group, stream));
    }
    for _ in 0..10 {
        post(&gateway, 5).await;
    }
    for (group, stream) in &mut streams {
        if group.ends_with('7') {
            let fourth: Vec<_> = (0..10).map(|n| 5 * n + 4).collect();
            assert_eq!(stream.positions(10).await, fourth);
        } else {
            assert!(stream.positions(50).await.into_iter().eq(1..=50));
        }
    }
}

#[tokio::test]
async fn a_client_that_connects_again_goes_on_after_its_last_event() {
    let (gateway, subscriber) = subscribed(Setup::new()).await;
    post(&gateway, 5).await;
    let mut stream = subscriber.stream("reader=one", &[]).await;
    stream.begun().await;
    stream.positions(5).await;
    let mut again = subscriber.stream("reader=one", &[("Last-Event-ID", "3".to_owned())]).await;
    assert_eq!(again.begun().await["position"], 3);
    assert_eq!(again.positions(2).await, [4, 5]);
    assert_eq!(stream.reason().await, "generation-ended");
    assert_eq!(subscriber.get().await.1["position"], 0, "an id commits nothing");
    let mut beyond = subscriber.stream("reader=one", &[("Last-Event-ID", "77".to_owned())]).await;
    assert_eq!(beyond.begun().await["position"], 0, "nothing is skipped");
    assert_eq!(beyond.positions(5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_group_is_free_at_once_when_its_reader_leaves() {
    let (gateway, subscriber) = subscribed(Setup::new()).await;
    post(&gateway, 3).await;
    let mut stream = subscriber.stream("reader=one", &[]).await;
    stream.begun().await;
    stream.positions(3).await;
    assert_eq!(subscriber.ask("reader=two").await.0, 409);
    drop(stream);
    until("it is free", async || subscriber.get().await.1["reader"].is_null()).await;
    assert_eq!(subscriber.poll("reader=two").await.positions, [1, 2, 3]);
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_cut_and_told_why() {
    let mut setup = Setup::new();
    setup.http.slow_reader_timeout = Duration::from_millis(100);
    let (gateway, subscriber) = subscribed(setup).await;
    let large = "x".repeat(40 << 10);
    for _ in 0..40 {
        let bodies: Vec<_> =
            (0..10).map(|n| json!({ "new": { "id": n.to_string(), "x": large } })).collect();
        assert_eq!(gateway.post_json(INSTANCE, json!(bodies).to_string()).await.status, 201);
    }
    let mut stream = subscriber.stream("reader=one", &[]).await;
    until("it is cut", async || {
        let (_, shown) = subscriber.get().await;
        shown["generation"] == 1 && shown["reader"].is_null()
    })
    .await;
    let counted = "event_gateway_subscription_streams_ended_total{reason=\"slow\"} 1";
    until("it is counted", async || gateway.read("/metrics").await.text().contains(counted)).await;
    assert_eq!(stream.reason().await, "slow");
}

#[tokio::test]
async fn a_stream_ends_when_its_subscription_is_removed_its_token_expires_or_the_gateway_stops() {
    let (gateway, subscriber) = subscribed(Setup::new()).await;
    // {"exp": …}, a second before the leeway is over.
    let exp = System.now().as_ms() / 1_000 - 59;
    let token = format!("x.{}.y", base64url(&format!("{{\"exp\":{exp}}}")));
    let mut expired = subscriber.stream("", &[("X-Okapi-Token", token)]).await;
    assert_eq!(expired.reason().await, "token-expired");
    assert_eq!(subscriber.get().await.1["reader"], json!(null), "it is free at once");

    let mut removed = subscriber.stream("", &[]).await;
    removed.begun().await;
    assert_eq!(subscriber.delete().await, 204);
    post(&gateway, 1).await;
    assert_eq!(removed.reason().await, "unknown-subscription");

    assert_eq!(subscriber.put(json!({})).await.0, 201);
    let mut stopped = subscriber.stream("", &[]).await;
    stopped.begun().await;
    gateway.closing.cancel();
    assert_eq!(stopped.reason().await, "stopping");
    assert!(subscriber.poll("wait=60").await.positions.len() <= 1, "no poll waits any more");
}

#[tokio::test]
async fn a_payload_with_line_breaks_is_one_event() {
    let (gateway, subscriber) = subscribed(Setup::new()).await;
    let body = "{\"new\":{\"id\":\"a\",\n\r\n \"x\":\r[1,\n2]}}";
    assert_eq!(gateway.post_json(INSTANCE, body).await.status, 201);
    let mut stream = subscriber.stream("", &[]).await;
    stream.begun().await;
    let sent = stream.next().await.unwrap();
    assert_eq!(sent.data["payload"]["new"], json!({ "id": "a", "x": [1, 2] }));
}

/// Encodes text as a token does.
fn base64url(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextets = text.as_bytes().chunks(3).flat_map(|bytes| {
        let all = bytes.iter().fold(0_u32, |all, b| all << 8 | u32::from(*b));
        let all = all << (8 * (3 - bytes.len()));
        (0..=bytes.len()).map(move |n| ALPHABET[(all >> (18 - 6 * n) & 63) as usize] as char)
    });
    sextets.collect()
}

//! Handlers of the real binary: whatever they answer, and whatever is killed, each event is brought
//! to them at least once, and in order of its key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crash::serve::{Serve, Setup};
use crash::until;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::receiver::{Got, Receiver, Reply, assert_in_order, done};
use crate::support::serve;

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDAAAA"];

/// A gateway without a broker, whose webhooks may lead to this host.
fn setup() -> Setup {
    serve::setup(&["diku"]).with("BROKER", "none").with("WEBHOOK_NETWORKS", "127.0.0.0/8")
}

/// Returns the form of a subscription whose webhook is called at a URL.
fn form(url: &str, concurrency: u64, failure: Value) -> Value {
    let webhook = json!({ "url": url, "secrets": SECRETS });
    let handler = json!({ "webhook": webhook, "concurrency": concurrency, "timeoutSeconds": 2 });
    json!({ "handler": handler, "failure": failure, "leaseSeconds": 2 })
}

async fn ask(url: &str, method: Method, path: &str, body: Value) -> Value {
    let request = Client::new().request(method, format!("{url}{path}"));
    let request = request.header("X-Okapi-Tenant", "diku");
    let request = if body.is_null() { request } else { request.json(&body) };
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn put(serve: &Serve, group: &str, form: Value) {
    ask(&serve.url, Method::PUT, &format!("/subscriptions/{group}"), form).await;
}

/// Asks for an act on the group `cg.search`.
async fn act(serve: &Serve, act: &str, body: Value) -> Value {
    ask(&serve.url, Method::POST, &format!("/subscriptions/cg.search/{act}"), body).await
}

/// Posts changes of records, one after the other.
async fn post(url: &str, keys: &[&str]) {
    for key in keys {
        let change = json!({ "new": { "id": key } });
        ask(url, Method::POST, "/domain-events/inventory/instance", change).await;
    }
}

/// Waits until the group has committed a position.
async fn committed(serve: &Serve, group: &str, position: u64) {
    let path = format!("/subscriptions/{group}");
    until(&format!("{group} has committed {position}"), async || {
        let found = ask(&serve.url, Method::GET, &path, Value::Null).await;
        found["position"] == position
    })
    .await;
}

async fn told(setup: &Setup, text: &str) {
    until(&format!("the log tells of `{text}`"), async || setup.log().contains(text)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_by_each_secret_and_told_what_is_known_of_the_event() {
    let (setup, receiver) = (setup(), Receiver::start(|_, _| Reply::Status(204)).await);
    let serve = setup.serve();
    put(&serve, "cg.search", form(&format!("{}/hook?a=b", receiver.url), 1, json!({}))).await;
    post(&serve.url, &["a", "b"]).await;
    let got = receiver.done("/hook?a=b", 2).await.remove(0);
    let log = ask(&serve.url, Method::GET, "/domain-events", Value::Null).await;
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("webhook-id"), got.body["eventId"].as_str().unwrap());
    assert_eq!(got.header("webhook-id"), log["events"][0]["eventId"].as_str().unwrap());
    assert_eq!((got.position(), got.key(), &got.body["attempt"]), (1, "a", &json!(1)));
    assert_eq!(got.body["data"]["new"], json!({ "id": "a" }));
    let signed = [
        got.header("webhook-id").as_bytes(),
        b".",
        got.header("webhook-timestamp").as_bytes(),
        b".",
        &got.bytes,
    ];
    let signatures = SECRETS.map(|secret| {
        let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        signed.iter().for_each(|part| mac.update(part));
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    });
    assert_eq!(got.header("webhook-signature"), signatures.join(" "));
    committed(&serve, "cg.search", 2).await;
    assert!(!setup.log().contains(SECRETS[0].trim_start_matches("whsec_")));
    let metrics = Client::new().get(format!("{}/metrics", serve.url)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in ["received_total 2", "delivered_total 2", "failed_total 0", "in_flight 0"] {
        assert!(metrics.contains(&format!("event_gateway_handler_{line}\n")), "{line}: {metrics}");
    }
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_or_is_not_answered_is_tried_again_while_other_keys_go_on() {
    let receiver = Receiver::start(|got, before| match (got.key(), before) {
        ("slow", 0) => Reply::Nothing,
        ("busy", 0) => Reply::With(503, "Retry-After: 1".to_owned()),
        ("bad", 0 | 1) => Reply::Status(500),
        _ => Reply::Status(200),
    });
    let (setup, receiver) = (setup(), receiver.await);
    let serve = setup.serve();
    put(&serve, "cg.search", form(&receiver.url, 8, json!({ "waitMs": 10 }))).await;
    let keys = ["slow", "busy", "bad", "good"];
    post(&serve.url, &[keys, keys].concat()).await;
    let all = receiver.done("/", 8).await;
    assert_in_order(&all);
    let attempts = |position: u64| {
        let of_event = all.iter().filter(|got| got.position() == position);
        of_event.map(|got| got.body["attempt"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!([1, 2, 3, 4].map(attempts), [vec![1, 2], vec![1, 2], vec![1, 2, 3], vec![1]]);
    let place = |position: u64| all.iter().position(|got| got.position() == position).unwrap();
    assert!(place(8) < place(5), "the other key did not wait for the one that hangs");
    committed(&serve, "cg.search", 8).await;
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_and_an_address_that_is_not_allowed_are_followed_by_no_request() {
    let moved = |got: &Got, _: usize| match got.path.as_str() {
        "/moved" => Reply::With(307, "Location: /elsewhere".to_owned()),
        _ => Reply::Status(200),
    };
    let (open, receiver) = (setup(), Receiver::start(moved).await);
    let serve = open.serve();
    post(&serve.url, &["a"]).await;
    let once = json!({ "attempts": 1 });
    put(&serve, "cg.search", form(&format!("{}/moved", receiver.url), 1, once.clone())).await;
    told(&open, "307 Temporary Redirect").await;
    assert_eq!(receiver.all().len(), 1, "{:?}", receiver.all());
    assert!(serve.terminate().success());

    let closed = serve::setup(&["diku"]).with("BROKER", "none");
    let serve = closed.serve();
    post(&serve.url, &["a"]).await;
    put(&serve, "cg.address", form(&receiver.url, 1, once.clone())).await;
    let named = receiver.url.replace("127.0.0.1", "localhost");
    put(&serve, "cg.name", form(&named, 1, once)).await;
    for group in ["cg.address", "cg.name"] {
        until(&format!("{group} stops for its address"), async || {
            let log = closed.log();
            let mut lines = log.lines().filter(|line| line.contains(group));
            lines.any(|line| line.contains("WEBHOOK_NETWORKS"))
        })
        .await;
    }
    assert_eq!(receiver.all().len(), 1, "{:?}", receiver.all());
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_stopped_goes_on_only_once_it_is_resumed_or_the_event_skipped() {
    let mends = Arc::new(AtomicBool::new(false));
    let is_mended = mends.clone();
    let plan = move |got: &Got, _: usize| {
        let fails = match got.position() {
            2 => !is_mended.load(Ordering::SeqCst),
            4 => true,
            _ => false,
        };
        Reply::Status(if fails && got.path == "/" { 500 } else { 200 })
    };
    let (setup, receiver) = (setup(), Receiver::start(plan).await);
    let serve = setup.serve();
    put(&serve, "cg.search", form(&receiver.url, 1, json!({ "attempts": 1 }))).await;
    put(&serve, "cg.other", form(&format!("{}/other", receiver.url), 1, json!({}))).await;
    post(&serve.url, &["a", "b", "c"]).await;
    told(&setup, "a group has stopped at an event").await;
    committed(&serve, "cg.search", 1).await;
    receiver.done("/other", 3).await;
    // Neither another event nor another process lets it go on.
    serve.kill();
    let serve = setup.serve();
    post(&serve.url, &["d"]).await;
    receiver.done("/other", 4).await;
    assert_eq!(receiver.at("/").len(), 2, "{:?}", receiver.at("/"));

    mends.store(true, Ordering::SeqCst);
    act(&serve, "resume", json!({})).await;
    receiver.done("/", 3).await;
    until("it has stopped again", async || {
        setup.log().matches("a group has stopped at an event").count() == 2
    })
    .await;
    act(&serve, "skip", json!({ "position": 4 })).await;
    post(&serve.url, &["e"]).await;
    let all = receiver.done("/", 4).await;
    assert_eq!(done(&all), [1, 2, 3, 5]);
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_gone_stops_the_group_whatever_its_policy() {
    let (setup, receiver) = (setup(), Receiver::start(|_, _| Reply::Status(410)).await);
    let serve = setup.serve();
    put(&serve, "cg.search", form(&receiver.url, 1, json!({ "policy": "park" }))).await;
    post(&serve.url, &["a", "b"]).await;
    told(&setup, "410 Gone").await;
    committed(&serve, "cg.search", 0).await;
    assert_eq!(receiver.all().len(), 1);
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_s_key_waits_until_it_is_redriven_and_comes_in_order_then() {
    let mends = Arc::new(AtomicBool::new(false));
    let is_mended = mends.clone();
    let plan = move |got: &Got, _: usize| {
        let fails = got.key() == "b" && !is_mended.load(Ordering::SeqCst);
        Reply::Status(if fails { 500 } else { 200 })
    };
    let (setup, receiver) = (setup(), Receiver::start(plan).await);
    let serve = setup.serve();
    let park = json!({ "policy": "park", "attempts": 2, "waitMs": 10 });
    put(&serve, "cg.search", form(&receiver.url, 4, park)).await;
    post(&serve.url, &["a", "b", "a", "b", "c", "b"]).await;
    // The commit passes the dead letters: they are in the store.
    committed(&serve, "cg.search", 6).await;
    let all = receiver.all();
    let of_b: Vec<_> = all.iter().filter(|got| got.key() == "b").collect();
    assert_eq!(of_b.iter().map(|got| got.position()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(done(&all).len(), 3, "1, 3 and 5");
    told(&setup, "an event is a dead letter").await;
    // They outlive the process.
    serve.kill();
    let serve = setup.serve();
    post(&serve.url, &["b", "d"]).await;
    committed(&serve, "cg.search", 8).await;
    assert_eq!(done(&receiver.all()).len(), 4, "the d, and no b");

    mends.store(true, Ordering::SeqCst);
    let marked = act(&serve, "dead-letters/redrive", json!({})).await;
    assert_eq!((&marked["count"], &marked["left"]), (&json!(4), &json!(0)), "{marked}");
    let all = receiver.done("/", 8).await;
    assert_in_order(&all);
    let again = all.iter().rfind(|got| got.position() == 2).unwrap();
    assert_eq!(again.body["attempt"], 3, "two attempts had failed before");
    until("no dead letter is left", async || {
        let group = ask(&serve.url, Method::GET, "/subscriptions/cg.search", Value::Null).await;
        group["deadLetters"]["count"] == 0
    })
    .await;
    post(&serve.url, &["b"]).await;
    assert_in_order(&receiver.done("/", 9).await);
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_again_and_again_loses_no_event_and_keeps_the_order() {
    let rng = std::sync::Mutex::new(fastrand::Rng::with_seed(25));
    let receiver = Receiver::start(move |_, _| match rng.lock().unwrap().u32(..20) {
        0 => Reply::With(503, "Retry-After: 0".to_owned()),
        1..4 => Reply::Status(500),
        _ => Reply::Status(200),
    });
    let (setup, receiver) = (setup(), receiver.await);
    let mut serve = setup.serve();
    let patient = json!({ "attempts": 100, "waitMs": 5, "waitMsMax": 20 });
    put(&serve, "cg.search", form(&receiver.url, 4, patient)).await;
    let keys = ["a", "b", "c", "d", "e", "f"];
    let all = keys.iter().cycle().copied().take(40).collect::<Vec<_>>();
    for round in 1..=4 {
        post(&serve.url, &all).await;
        // Some are done, and not all.
        receiver.done("/", round * 40 - 30).await;
        serve.kill();
        serve = setup.serve();
    }
    let got = receiver.done("/", 160).await;
    assert_in_order(&got);
    committed(&serve, "cg.search", 160).await;
    let mut positions = done(&got);
    positions.sort_unstable();
    assert!(positions.into_iter().eq(1..=160));
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_events_and_ends_with_the_gateway() {
    let setup = setup();
    std::fs::create_dir(setup.path().join("subscriptions")).unwrap();
    let script = setup.path().join("handle.sh");
    let text = "echo $$ >> pids\nwhile read -r line; do\n  echo \"$line\" >> got\n  \
                echo '{\"outcome\": \"ok\"}'\ndone\n";
    std::fs::write(&script, text).unwrap();
    let file = "tenants = [\"diku\"]\nlease_seconds = 2\n[handler]\nexec = [\"/bin/sh\", \
                \"handle.sh\"]\nformat = \"bytes\"\n";
    std::fs::write(setup.path().join("subscriptions/cg.search.toml"), file).unwrap();
    let serve = setup.serve();
    post(&serve.url, &["a", "b", "c"]).await;
    committed(&serve, "cg.search", 3).await;
    let read = |name: &str| std::fs::read_to_string(setup.path().join(name)).unwrap();
    let got: Vec<Value> =
        read("got").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let got: Vec<_> = got.iter().map(|body| (&body["position"], &body["key"])).collect();
    let wanted = [(json!(1), json!("a")), (json!(2), json!("b")), (json!(3), json!("c"))];
    assert!(got.into_iter().eq(wanted.iter().map(|(position, key)| (position, key))));
    assert!(serve.terminate().success());
    let pid = read("pids").trim().to_owned();
    until("the program has ended", async || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
        status.map_or(true, |text| text.contains("\nState:\tZ"))
    })
    .await;
}

/// Two replicas of one gateway, on PostgreSQL.
#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_groups_and_take_over_from_one_that_is_frozen_or_killed() {
    let receiver = Receiver::start(|_, _| Reply::Status(200)).await;
    let env = crate::support::services::kafka::env();
    let replica = |name: &str| {
        let url = crate::support::services::postgres::url();
        setup().with("STORE_URL", url).with("ENV", &env).with("REPLICA", name)
    };
    let [one, two] = ["one", "two"].map(replica);
    let (first, second) = (one.serve(), two.serve());
    let groups = ["cg.a", "cg.b", "cg.c", "cg.d"];
    for group in groups {
        put(&first, group, form(&format!("{}/{group}", receiver.url), 2, json!({}))).await;
    }
    let keys = ["a", "b", "c"];
    post(&first.url, &keys.repeat(4)).await;
    for group in groups {
        let all = receiver.done(&format!("/{group}"), 12).await;
        assert_eq!(all.len(), 12, "one replica alone has the group: {all:?}");
        committed(&second, group, 12).await;
    }
    // One is frozen for longer than its leases.
    first.signal("STOP");
    post(&second.url, &keys.repeat(4)).await;
    for group in groups {
        receiver.done(&format!("/{group}"), 24).await;
    }
    first.signal("CONT");
    post(&second.url, &keys).await;
    for group in groups {
        assert_in_order(&receiver.done(&format!("/{group}"), 27).await);
    }
    second.kill();
    post(&first.url, &keys).await;
    for group in groups {
        assert_in_order(&receiver.done(&format!("/{group}"), 30).await);
    }
    assert!(first.terminate().success());
}

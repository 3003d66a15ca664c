//! Groups of the real binary whose events are claimed: whatever is killed, each event is done, and
//! none is brought to the handler again that was claimed.

use std::collections::BTreeSet;

use crash::serve::{Serve, Setup};
use crash::until;
use serde_json::{Value, json};

use crate::support::receiver::{Got, Receiver, Reply, done};
use crate::support::serve;
use crate::support::subscriber::Subscriber;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A gateway without a broker, whose webhooks may lead to this host.
fn setup() -> Setup {
    serve::setup(&["diku"]).with("BROKER", "none").with("WEBHOOK_NETWORKS", "127.0.0.0/8")
}

/// Returns the form of a subscription whose webhook is called at a URL.
fn form(url: &str) -> Value {
    let webhook = json!({ "url": url, "secrets": [SECRET] });
    json!({
        "handler": { "webhook": webhook, "concurrency": 4, "timeoutSeconds": 2 },
        "failure": { "attempts": 100, "waitMs": 5, "waitMsMax": 20 },
        "leaseSeconds": 2,
        "deduplicate": { "action": "index", "days": 7 },
    })
}

async fn post(serve: &Serve, events: u32) {
    let client = reqwest::Client::new();
    for number in 0..events {
        let change = json!({ "new": { "id": format!("k{}", number % 5) } });
        let post = client.post(format!("{}/domain-events/inventory/instance", serve.url));
        let posted = post.header("X-Okapi-Tenant", "diku").json(&change).send().await.unwrap();
        assert_eq!(posted.status(), 201);
    }
}

async fn committed(serve: &Serve, position: u64) {
    let subscriber = Subscriber::new(&serve.url);
    until(&format!("the group has committed {position}"), async || {
        subscriber.get().await.1["position"] == position
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_again_and_again_does_each_event_and_none_after_its_claim() {
    let rng = std::sync::Mutex::new(fastrand::Rng::with_seed(8));
    let receiver = Receiver::start(move |_, _| match rng.lock().unwrap().u32(..10) {
        0 => Reply::Status(500),
        _ => Reply::Status(200),
    });
    let (setup, receiver) = (setup(), receiver.await);
    let mut serve = setup.serve();
    assert_eq!(Subscriber::new(&serve.url).put(form(&receiver.url)).await.0, 201);
    for round in 1..=3 {
        post(&serve, 30).await;
        // Some are done, and not all.
        receiver.done("/", round * 30 - 20).await;
        serve.kill();
        serve = setup.serve();
    }
    committed(&serve, 90).await;
    let got = receiver.done("/", 90).await;
    assert!(done(&got).into_iter().collect::<BTreeSet<_>>().into_iter().eq(1..=90));
    // Whoever goes back to the beginning does nothing again, and goes on with what is new.
    let subscriber = Subscriber::new(&serve.url);
    assert_eq!(subscriber.post("/pause", json!({})).await.0, 200);
    assert_eq!(subscriber.seek(json!("earliest")).await.0, 200);
    assert_eq!(subscriber.post("/resume", json!({})).await.0, 200);
    post(&serve, 1).await;
    committed(&serve, 91).await;
    let again = receiver.all().split_off(got.len());
    let fresh: BTreeSet<_> = again.iter().map(Got::position).collect();
    assert_eq!(fresh, BTreeSet::from([91]));
    assert!(serve.terminate().success());
}

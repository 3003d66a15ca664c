//! The real binary: readers and servers that are killed lose nothing of a group.

use std::collections::BTreeSet;

use crash::{story, until};
use serde_json::json;

use crate::support::serve::setup;
use crate::support::subscriber::Subscriber;

/// Posts records of these numbers, one by one, to a gateway.
async fn post(url: &str, numbers: std::ops::Range<u32>) {
    let client = reqwest::Client::new();
    for n in numbers {
        let record = json!({ "new": { "id": format!("00000000-0000-4000-8000-{n:012}") } });
        let post = client.post(format!("{url}/domain-events/inventory/instance"));
        let posted = post.header("X-Okapi-Tenant", "diku").json(&record).send().await.unwrap();
        assert_eq!(posted.status(), 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_reader_and_a_killed_server_lose_nothing_of_a_group() {
    let setup = setup(&["diku"]).with("BROKER", "none");
    let serve = setup.serve();
    let subscriber = Subscriber::new(&serve.url);
    assert_eq!(subscriber.put(json!({ "leaseSeconds": 2 })).await.0, 201);
    post(&serve.url, 0..20).await;

    // A reader commits some of what it got, and is gone without a word.
    let mut reader = subscriber.stream("reader=first", &[]).await;
    let generation = reader.begun().await["generation"].as_u64().unwrap();
    let mut done: BTreeSet<u64> = reader.positions(20).await.into_iter().take(5).collect();
    assert_eq!(subscriber.commit(generation, 5).await.0, 200);
    drop(reader);

    // The next one polls, and its server is killed in between.
    until("the group is free", async || subscriber.get().await.1["reader"].is_null()).await;
    let polled = subscriber.poll("reader=second&limit=10").await;
    assert!(polled.positions.iter().copied().eq(6..=15), "{polled:?}");
    serve.kill();
    let serve = setup.serve();
    post(&serve.url, 20..25).await;
    let (status, _) = subscriber.commit(polled.generation, 8).await;
    assert_eq!(status, 200, "its generation lives as long as nobody else begins");
    done.extend(6..=8);

    // The third reads to the end, over the kill of its server.
    until("the group is free", async || subscriber.get().await.1["reader"].is_null()).await;
    let mut reader = subscriber.stream("reader=third", &[]).await;
    let generation = reader.begun().await["generation"].as_u64().unwrap();
    assert!(generation > polled.generation);
    let got = reader.positions(10).await;
    assert!(got.iter().copied().eq(9..=18), "everything that is not committed: {got:?}");
    done.extend(&got);
    serve.kill();
    let serve = setup.serve();
    post(&serve.url, 25..30).await;
    until("the lease ends", async || subscriber.get().await.1["reader"].is_null()).await;
    let last = [("Last-Event-ID", "18".to_owned())];
    let mut reader = subscriber.stream("reader=third", &last).await;
    reader.begun().await;
    done.extend(reader.positions(12).await);
    let head = story::log(&serve.url, "diku").await.len() as u64;
    assert!(head == 30 && done.iter().copied().eq(1..=head), "{done:?}");
    assert_eq!(subscriber.get().await.1["position"], 8);
    serve.terminate();
    assert_eq!(reader.reason().await, "stopping");
}

//! Webhooks in this process: their groups are moved while they are paused, and no tenant reads by
//! one what the operator's own network says.

use event_gateway::domain::subscription::Start;
use event_gateway::domain::trail::Act;
use event_gateway::subscribe::Error;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::handled_groups::search;
use crate::support::ids::diku;
use crate::support::pushing::{Pushing, form};
use crate::support::receiver::{Receiver, Reply};
use crate::support::trail::by;

/// Returns a gateway that brings the events of the group `cg.search` to a webhook, of which the log
/// has one.
async fn pushing(url: &str, failure: Value) -> Pushing {
    let mut pushing = Pushing::new().await;
    pushing.put("cg.search", &form(url, 1, failure)).await;
    pushing.start();
    pushing.post(&["a"]).await;
    pushing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_a_handler_is_moved_while_it_is_paused_alone() {
    let receiver = Receiver::start(|_, _| Reply::Status(200)).await;
    let pushing = pushing(&receiver.url, json!({})).await;
    receiver.done("/", 1).await;
    let (groups, act) = (pushing.subscribe.groups(), by(Act::SeekSubscription));
    let moved = groups.seek(&diku(), &search(), Start::Earliest, &act).await;
    assert!(matches!(moved, Err(Error::NotPaused)), "{moved:?}");
    groups.pause(&diku(), &search(), "a move", &act).await.unwrap();
    groups.seek(&diku(), &search(), Start::Earliest, &act).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_s_own_network_answers_is_told_to_no_tenant() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nsecret";
        while let Ok((mut stream, _)) = listener.accept().await {
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 1, "a request has begun");
            stream.write_all(answer.as_bytes()).await.unwrap();
            // The client closes it.
            drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
        }
    });
    let pushing = pushing(&url, json!({ "attempts": 1 })).await;
    let why = pushing.stopped().await;
    assert!(why.contains("500") && !why.contains("secret"), "{why}");
}

//! Webhooks in this process: their groups are moved while they are paused, and no tenant reads by
//! one what the operator's own network says.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::until;
use event_gateway::clock::System;
use event_gateway::domain::networks::Networks;
use event_gateway::domain::subscription::{Form, Group, Start, SubscriptionFile};
use event_gateway::domain::trail::Act;
use event_gateway::subscribe::{
    Error, PushDeps, PushLimits, Subscribe, SubscribeDeps, SubscribeTasks,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::gateway::{Gateway, settings};
use crate::support::handled_groups::{found, search};
use crate::support::ids::diku;
use crate::support::receiver::{Receiver, Reply};
use crate::support::trail::by;

/// A gateway that brings the events of the group `cg.search` to a webhook.
struct Pushing {
    gateway: Gateway,
    subscribe: Arc<Subscribe>,
    _tasks: SubscribeTasks,
}

impl Pushing {
    async fn start(url: &str, failure: Value) -> Self {
        let gateway = Gateway::start().await;
        let (subscribe, mut tasks) = Subscribe::start(SubscribeDeps {
            store: gateway.store.clone(),
            settings: Arc::new(settings()),
            metrics: Arc::default(),
            lanes: 2,
            closing: CancellationToken::new(),
        });
        let secret = format!("whsec_{}", "a".repeat(32));
        let handler = json!({ "webhook": { "url": url, "secrets": [secret] } });
        let form = json!({ "handler": handler, "failure": failure }).to_string();
        let (form, by) = (Form::from_column(&form).unwrap(), by(Act::PutSubscription));
        let groups = subscribe.groups();
        groups.put(&diku(), &search(), &form, Start::Earliest, &by).await.unwrap();
        let deps = PushDeps {
            instance: "one".to_owned(),
            networks: Arc::new(Networks::parse("127.0.0.0/8").unwrap()),
            clock: Arc::new(System),
            files: Arc::new(BTreeMap::<Group, SubscriptionFile>::new),
            withheld: Arc::default(),
            limits: PushLimits::default(),
        };
        tasks.push_handlers(&subscribe, deps).unwrap();
        let posted = gateway.post_json("/domain-events/inventory/item", r#"{"new":{"id":"a"}}"#);
        assert_eq!(posted.await.status, 201);
        Self { gateway, subscribe, _tasks: tasks }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_a_handler_is_moved_while_it_is_paused_alone() {
    let receiver = Receiver::start(|_, _| Reply::Status(200)).await;
    let pushing = Pushing::start(&receiver.url, json!({})).await;
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
    let pushing = Pushing::start(&url, json!({ "attempts": 1 })).await;
    let halt = async || found(&*pushing.gateway.store, diku()).await.subscription.halt;
    until("the group halts", async || halt().await.is_some()).await;
    let why = halt().await.unwrap().why;
    assert!(why.contains("500") && !why.contains("secret"), "{why}");
}

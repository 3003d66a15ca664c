//! The shares of tenants in what they hold together: waiters, turns of reads, and bodies.

use std::sync::Arc;

use crash::until;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use crate::support::gateway::{Gateway, Setup, tenant_id};
use crate::support::ids::log_id;
use crate::support::raw_http::{Answer, GOOD, INSTANCE, PROBES, answer, post, posted, request};
use crate::support::tenants::enable;

#[tokio::test]
async fn who_waits_holds_no_more_than_a_share_and_nobody_else() {
    let mut setup = Setup::new().with_relay();
    (setup.http.waiters_max, setup.http.tenant_waiters_max) = (5, 4);
    let gateway = Arc::new(setup.start().await);
    for tenant in ["third", "fourth", "fifth"] {
        enable(&gateway, tenant).await;
    }
    let wait = |tenant: &'static str| {
        let headers = [
            ("X-Okapi-Tenant", tenant),
            ("Content-Type", "application/json"),
            ("Prefer", "wait=60"),
        ];
        let (gateway, request) =
            (gateway.clone(), request("POST", INSTANCE, &headers, GOOD.as_bytes()));
        tokio::spawn(async move { gateway.exchange(&request).await })
    };
    // Beyond its share, a tenant is answered at once, and its event is durable all the same.
    let mut waiting: Vec<_> = (0..5).map(|_| wait("diku")).collect();
    for beyond in answered(&mut waiting, 3).await {
        assert_eq!((beyond.status, &beyond.json()["published"]), (201, &json!(false)));
        assert_eq!(beyond.header("Preference-Applied"), None);
    }
    assert_eq!(gateway.log().await.len(), 5);
    // Another tenant may still wait, and both leave room for a third one.
    let mut others: Vec<_> = (0..3).map(|_| wait("college")).collect();
    answered(&mut others, 2).await;
    let mut last = ["third", "fourth", "fifth"].map(wait).into();
    answered(&mut last, 1).await;
    others.extend(last);
    for path in PROBES {
        assert_eq!(gateway.exchange(&request("GET", path, &[], b"")).await.status, 200);
    }
    let metrics = gateway.exchange(&request("GET", "/metrics", &[], b"")).await;
    assert!(metrics.text().contains("event_gateway_http_waits_refused_total{limit=\"tenant\"} 5"));
    assert!(metrics.text().contains("event_gateway_http_waits_refused_total{limit=\"all\"} 1"));
    assert_eq!(gateway.exchange(&posted(INSTANCE, "college")).await.status, 201);
    assert!(waiting.iter().chain(&others).all(|waiting| !waiting.is_finished()));
}

#[tokio::test]
async fn reads_of_one_tenant_leave_turns_for_the_others() {
    let mut setup = Setup::new();
    // No turn comes.
    (setup.http.reads_max, setup.http.turns_max, setup.http.tenant_turns_max) = (0, 4, 2);
    let gateway = Arc::new(setup.start().await);
    for (number, tenant) in [(3, "third"), (4, "fourth")] {
        gateway.store.enable_if_new(&tenant_id(tenant), log_id(number)).await.unwrap();
    }
    let read = |tenant: &'static str| {
        let (gateway, request) =
            (gateway.clone(), request("GET", "/domain-events", &[("X-Okapi-Tenant", tenant)], b""));
        tokio::spawn(async move { gateway.exchange(&request).await })
    };
    let mut reading: Vec<_> = (0..4).map(|_| read("diku")).collect();
    for refused in answered(&mut reading, 2).await {
        assert_eq!((refused.status, refused.problem().as_str()), (429, "tenant-reads-full"));
    }
    let job = "/_/tenant/00000000-0000-4000-8000-000000000001";
    let erasure = "/erasures/00000000-0000-4000-8000-000000000001";
    for list in
        ["/parked", "/replays", "/erasures", "/subscriptions", "/subscriptions/cg.a", "/trail", job]
            .into_iter()
            .chain([erasure])
    {
        let request = request("GET", list, &[("X-Okapi-Tenant", "diku")], b"");
        assert_eq!(gateway.exchange(&request).await.problem(), "tenant-reads-full", "{list}");
    }
    let enable = br#"{"module_to":"x"}"#;
    let headers = [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")];
    let enable = request("POST", "/_/tenant", &headers, enable);
    assert_eq!(gateway.exchange(&enable).await.problem(), "tenant-reads-full");
    // Another tenant takes what it can, too, and a third one still finds a turn.
    let mut others: Vec<_> = (0..3).map(|_| read("college")).collect();
    for refused in answered(&mut others, 2).await {
        assert_eq!((refused.status, refused.problem().as_str()), (429, "tenant-reads-full"));
    }
    let mut last = ["third", "fourth"].map(read).into();
    for refused in answered(&mut last, 1).await {
        assert_eq!((refused.status, refused.problem().as_str()), (503, "reads-full"));
    }
}

/// Takes out so many requests that were answered.
async fn answered(waiting: &mut Vec<JoinHandle<Answer>>, count: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    until("so many are answered", async || {
        while let Some(at) = waiting.iter().position(JoinHandle::is_finished) {
            answers.push(waiting.remove(at).await.unwrap());
        }
        answers.len() >= count
    })
    .await;
    answers
}

#[tokio::test]
async fn bodies_of_one_tenant_leave_room_for_the_others() {
    let mut setup = Setup::new();
    (setup.http.bodies_bytes_max, setup.http.tenant_bodies_bytes_max) = (10_000, 5_000);
    let gateway = setup.start().await;
    let begun = |tenant: &str| {
        let sized =
            post("").replace(&format!("Content-Length: {}", GOOD.len()), "Content-Length: 4000");
        sized.replace("diku", tenant).replace(GOOD, "   ")
    };
    // One of them is begun; the later ones find no room.
    assert_slow_leave_room(&gateway, &begun("diku"), (1, 4)).await;
}

#[tokio::test]
async fn slow_bodies_of_one_tenant_leave_connections_to_the_others() {
    let mut setup = Setup::new();
    setup.http.connections_max = 8;
    let gateway = setup.start().await;
    assert_slow_leave_room(&gateway, &post("").replace(GOOD, ""), (4, 3)).await;
}

/// Begins requests of one tenant whose bodies do not go on: so many wait for the rest, and so many
/// are refused. Another tenant posts meanwhile.
async fn assert_slow_leave_room(gateway: &Gateway, begun: &str, (wait, refused): (usize, usize)) {
    let mut slow = Vec::new();
    for _ in 0..wait + refused {
        let mut connection = gateway.connect().await;
        connection.write_all(begun.as_bytes()).await.unwrap();
        slow.push(tokio::spawn(async move { answer(&mut connection).await }));
    }
    for refused in answered(&mut slow, refused).await {
        assert_eq!((refused.status, refused.problem().as_str()), (429, "tenant-bodies-full"));
        assert_eq!(refused.header("Retry-After"), Some("1"));
    }
    assert_eq!(gateway.exchange(&posted(INSTANCE, "college")).await.status, 201);
    assert_eq!(slow.len(), wait);
}

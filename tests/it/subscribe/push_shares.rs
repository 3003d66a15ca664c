//! The shares of handlers, and what they may have: calls and memory, tenants that are enabled,
//! leases, and events that nobody has erased.

use crash::until;
use event_gateway::domain::subscription::{Form, ReaderLease};
use event_gateway::domain::time::Time;
use event_gateway::subscribe::PushLimits;
use serde_json::json;

use crate::support::handled_groups::{found, letters};
use crate::support::ids::{college, diku};
use crate::support::pushing::{Pushing, form};
use crate::support::receiver::{Receiver, Reply, done};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_handlers_have_their_part_of_all_calls_and_the_others_of_it_wait() {
    let mut pushing = Pushing::new().await;
    let receiver = Receiver::start(|got, _| match got.path.as_str() {
        "/quiet" => Reply::Status(200),
        _ => Reply::Nothing,
    })
    .await;
    for path in ["one", "two", "three"] {
        let url = format!("{}/{path}", receiver.url);
        pushing.put(&format!("cg.{path}"), &form(&url, 10, json!({}))).await;
    }
    let url = format!("{}/quiet", receiver.url);
    pushing.put_of(&college(), "cg.quiet", &form(&url, 1, json!({}))).await;
    pushing.post(&["a", "b", "c"]).await;
    pushing.start_as(&[], PushLimits { calls_max: 8, bytes_max: 16 << 20 });
    until("the tenant's part is taken", async || receiver.all().len() >= 4).await;
    pushing.post_of(&college(), &["a"]).await;
    receiver.done("/quiet", 1).await;
    let of_busy = receiver.all().iter().filter(|got| got.path != "/quiet").count();
    assert_eq!(of_busy, 4, "its other calls wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_many_groups_come_through_however_little_memory_there_is() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    for path in ["one", "two", "three"] {
        let url = format!("{}/{path}", receiver.url);
        pushing.put(&format!("cg.{path}"), &form(&url, 1, json!({}))).await;
    }
    pushing.post(&["a", "b", "c"]).await;
    pushing.start_as(&[], PushLimits { calls_max: 2, bytes_max: 1 });
    for path in ["/one", "/two", "/three"] {
        assert_eq!(done(&receiver.done(path, 3).await), [1, 2, 3]);
    }
    pushing.post(&["d"]).await;
    for path in ["/one", "/two", "/three"] {
        receiver.done(path, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_erased_while_it_waits_is_given_without_its_content() {
    let mut pushing = Pushing::new().await;
    let plan = |earlier| Reply::Status(if earlier == 0 { 500 } else { 200 });
    let receiver = Receiver::start(move |_, earlier| plan(earlier)).await;
    let patient = json!({ "attempts": 3, "waitMs": 1_500 });
    pushing.put("cg.search", &form(&receiver.url, 1, patient)).await;
    pushing.post(&["jane"]).await;
    pushing.start();
    until("it fails once", async || !receiver.all().is_empty()).await;
    pushing.erase("jane").await;
    let got = receiver.done("/", 1).await;
    assert!(got[0].body["data"]["new"].is_object(), "{}", got[0].body);
    let (first, again) = (&got[0], &got[1]);
    assert_eq!((first.position(), again.position()), (1, 1));
    assert!(again.body["data"].is_null() && again.body["erased"].is_string(), "{}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_erased_has_no_dead_letters_any_more_and_its_handler_is_told() {
    let mut pushing = Pushing::new().await;
    let receiver = Receiver::start(|got, _| match got.position() {
        1 => Reply::Status(500),
        _ => Reply::Status(200),
    })
    .await;
    let park = json!({ "policy": "park", "attempts": 1 });
    pushing.put("cg.search", &form(&receiver.url, 1, park)).await;
    pushing.post(&["jane", "jane"]).await;
    pushing.start();
    let store = pushing.gateway.store.clone();
    until("both are dead letters", async || letters(&*store).await.len() == 2).await;
    pushing.erase("jane").await;
    assert_eq!(done(&receiver.done("/", 1).await), [3], "the ERASED event");
    until("the letters are gone", async || letters(&*store).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_tenant_s_handler_gets_nothing_and_its_group_is_taken_by_nobody() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    pushing.put("cg.search", &form(&format!("{}/busy", receiver.url), 1, json!({}))).await;
    let url = format!("{}/other", receiver.url);
    pushing.put_of(&college(), "cg.other", &form(&url, 1, json!({}))).await;
    pushing.post(&["a"]).await;
    let store = pushing.gateway.store.clone();
    assert!(store.disable(&diku(), Time::from_ms(1), None).await.unwrap());
    let before = found(&*store, diku()).await.version;
    pushing.start();
    pushing.post_of(&college(), &["a"]).await;
    receiver.done("/other", 1).await;
    // This one is found by a later look.
    let url = format!("{}/later", receiver.url);
    pushing.put_of(&college(), "cg.later", &form(&url, 1, json!({}))).await;
    receiver.done("/later", 1).await;
    assert!(receiver.at("/busy").is_empty());
    assert_eq!(found(&*store, diku()).await.version, before, "nobody has begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_keeps_its_group_by_the_lease_that_was_put_last() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    let form_of =
        |seconds: u64| Form { lease_seconds: seconds, ..form(&receiver.url, 1, json!({})) };
    pushing.put("cg.search", &form_of(8)).await;
    pushing.start();
    pushing.post(&["a"]).await;
    receiver.done("/", 1).await;
    pushing.put("cg.search", &form_of(3)).await;
    let store = pushing.gateway.store.clone();
    let group = async || found(&*store, diku()).await;
    let has_new = |lease: &ReaderLease| lease.ttl_ms == 3_000;
    until("the lease is the new one", async || {
        group().await.subscription.lease.as_ref().is_some_and(has_new)
    })
    .await;
    let begun = group().await;
    until("it is renewed twice", async || {
        let now = group().await;
        assert!(now.subscription.holder(now.now).is_some(), "another replica could take it");
        now.version >= begun.version + 2
    })
    .await;
}

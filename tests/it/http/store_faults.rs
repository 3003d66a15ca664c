//! The way in, with a store that breaks at each call in turn: a client that retries with the same
//! event ids gets each event into the log once, and a refused request leaves nothing.

use std::sync::Arc;

use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::gateway::{Gateway, Setup};

const IDS: [&str; 4] = [
    "5bf370e0-8cca-4d9c-82e4-5170ab2a0a31",
    "5bf370e0-8cca-4d9c-82e4-5170ab2a0a32",
    "5bf370e0-8cca-4d9c-82e4-5170ab2a0a33",
    "5bf370e0-8cca-4d9c-82e4-5170ab2a0a34",
];

/// Posts a change, a batch that repeats it, and a DELETE_ALL; reads them back. Returns the number
/// of calls to the store.
async fn story(fault: (usize, Fault)) -> usize {
    let (sender, receiver) = std::sync::mpsc::channel();
    let setup = Setup::new().with_relay().with_store(move |store| {
        let faulty = Arc::new(FaultyStore::with_fault(store, Some(fault)));
        sender.send(faulty.clone()).unwrap();
        faulty
    });
    let gateway = setup.start().await;
    let change = |id: &str, key: &str| format!(r#"{{"new":{{"id":"{key}"}},"eventId":"{id}"}}"#);
    let first = change(IDS[0], "a");
    persist(&gateway, "/domain-events/inventory/item", &first).await;
    let batch = format!("[{first},{},{}]", change(IDS[1], "b"), change(IDS[2], "a"));
    persist(&gateway, "/domain-events/inventory/item", &batch).await;
    let delete_all = format!(r#"{{"eventId":"{}"}}"#, IDS[3]);
    persist(&gateway, "/domain-events/inventory/item/delete-all", &delete_all).await;
    read(&gateway, "/domain-events?limit=2", "events").await;
    read(&gateway, &format!("/domain-events/{}", IDS[1]), "eventId").await;
    let log = gateway.log().await;
    let ids: Vec<_> = log.iter().map(|event| event.event_id.to_string()).collect();
    assert_eq!(ids, IDS, "{fault:?}");
    assert!(log.iter().map(|event| event.position.number()).eq(1..=4), "{fault:?}");
    receiver.recv().unwrap().calls()
}

/// Retries until the answer is a 201. A refusal must be a 503, and only one with an unknown outcome
/// may have left something.
async fn persist(gateway: &Gateway, path: &str, body: &str) {
    loop {
        let before = gateway.log().await.len();
        let answer = gateway.post_json(path, body).await;
        if answer.status == 201 {
            return;
        }
        assert_eq!(
            (answer.status, answer.header("Retry-After").is_some()),
            (503, true),
            "{}",
            answer.text()
        );
        if answer.problem() != "outcome-unknown" {
            assert_eq!(gateway.log().await.len(), before);
        }
    }
}

async fn read(gateway: &Gateway, target: &str, member: &str) {
    loop {
        let answer = gateway.read(target).await;
        if answer.status == 200 {
            assert!(!answer.json()[member].is_null(), "{}", answer.text());
            return;
        }
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
}

#[tokio::test]
async fn whichever_call_to_the_store_fails_each_event_is_in_the_log_once() {
    at_each_call(8, story).await;
}

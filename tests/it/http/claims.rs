//! Claims over HTTP: a module claims an event for an action, and gives the claim back.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::subscriber::Subscriber;

const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";

/// Posts as `diku`; returns the status, and the answer.
async fn post(gateway: &Gateway, path: &str, body: Value) -> (u16, Value) {
    let answer = gateway.post_json(path, body.to_string()).await;
    (answer.status, answer.json())
}

async fn claim(gateway: &Gateway, body: Value) -> (u16, bool) {
    let (status, answer) = post(gateway, "/claims", body).await;
    (status, answer["claimed"].as_bool().unwrap_or_else(|| panic!("{answer}")))
}

#[tokio::test]
async fn a_module_claims_an_event_once_and_again_after_it_was_given_back() {
    let gateway = Gateway::start().await;
    let (won, lost) = ((201, true), (200, false));
    let index = json!({ "action": "index", "eventId": ID });
    assert_eq!(claim(&gateway, index.clone()).await, won);
    assert_eq!(claim(&gateway, index.clone()).await, lost);
    let shouted = json!({ "action": "index", "eventId": ID.to_uppercase(), "days": 1 });
    assert_eq!(claim(&gateway, shouted).await, lost, "it is the same id");
    let replayed = json!({ "action": "index", "eventId": ID, "replayId": ID });
    for other in [
        json!({ "action": "mail", "eventId": ID }),
        json!({ "action": "index", "eventId": "Order-7" }),
        replayed.clone(),
    ] {
        assert_eq!(claim(&gateway, other.clone()).await, won, "{other}");
        assert_eq!(claim(&gateway, other.clone()).await, lost, "{other}");
    }
    for (released, again) in [(true, won), (true, won)] {
        let answer = post(&gateway, "/claims/release", index.clone()).await;
        assert_eq!(answer, (200, json!({ "released": released })));
        assert_eq!(claim(&gateway, index.clone()).await, again);
    }
    assert_eq!(claim(&gateway, replayed).await, lost, "another claim was given back");
    let unknown = json!({ "action": "index", "eventId": "nothing" });
    let answer = post(&gateway, "/claims/release", unknown).await;
    assert_eq!(answer, (200, json!({ "released": false })));
}

#[tokio::test]
async fn an_illegal_claim_is_refused_with_the_place() {
    let gateway = Gateway::start().await;
    for (path, body, code) in [
        ("/claims", json!({ "eventId": ID }), "missing"),
        ("/claims", json!({ "action": "a b", "eventId": ID }), "illegal-value"),
        ("/claims", json!({ "action": "a", "eventId": "a b" }), "illegal-value"),
        ("/claims", json!({ "action": "a", "eventId": ID, "days": 367 }), "illegal-number"),
        ("/claims/release", json!({ "action": "a", "eventId": ID, "days": 1 }), "unknown-member"),
    ] {
        let answer = gateway.post_json(path, body.to_string()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (422, code), "{path} {body}");
    }
}

#[tokio::test]
async fn a_group_with_a_handler_shows_for_which_action_it_claims() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let handler = json!({ "webhook": { "url": "https://example.org/", "secrets": [secret] } });
    for (put, shown) in [
        (json!({ "action": "index" }), json!({ "action": "index", "days": 7, "replayId": null })),
        (
            json!({ "action": "index", "days": 3, "replayId": ID }),
            json!({ "action": "index", "days": 3, "replayId": ID }),
        ),
    ] {
        let form = json!({ "handler": handler, "deduplicate": put });
        let (status, answer) = subscriber.put(form).await;
        assert!(status < 300, "{answer}");
        assert_eq!(answer["deduplicate"], shown);
        assert_eq!(subscriber.get().await.1["deduplicate"], shown);
    }
    assert_eq!(subscriber.put(json!({ "handler": handler })).await.0, 200);
    assert_eq!(subscriber.get().await.1["deduplicate"], Value::Null);
    let (status, refused) = subscriber.put(json!({ "deduplicate": { "action": "index" } })).await;
    assert_eq!((status, &refused["type"]), (422, &json!("/problems/needs-target")), "{refused}");
}

//! Puts of groups that have a handler: whoever knows nothing of it takes it from nobody.

use event_gateway::domain::subscription::{Form, Group, Start};
use event_gateway::domain::trail::Act;
use event_gateway::subscribe::Groups;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, settings};
use crate::support::ids::diku;
use crate::support::subscriber::Subscriber;
use crate::support::trail::by;

fn webhook() -> Value {
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
    json!({ "webhook": { "url": "https://search.example.org/events", "secrets": secrets } })
}

/// Returns the status of an answer, and its problem's code.
fn problem((status, answer): &(u16, Value)) -> (u16, &str) {
    (*status, answer["errors"][0]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_put_that_names_no_handler_leaves_the_webhook_and_its_policy_as_they_are() {
    let claims = json!({ "action": "index" });
    let failure = json!({ "policy": "park" });
    let form = json!({ "handler": webhook(), "failure": failure, "deduplicate": claims });
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(form).await.0, 201);
    let before = subscriber.get().await.1;
    let topics = json!(["folio.diku.inventory.item"]);
    let (status, put) = subscriber.put(json!({ "topics": topics, "leaseSeconds": 7 })).await;
    assert_eq!((status, &put["topics"], &put["leaseSeconds"]), (200, &topics, &json!(7)), "{put}");
    for name in ["handler", "failure", "deduplicate"] {
        assert!(put[name].is_object() && put[name] == before[name], "{name}: {put}");
    }
    let auto = subscriber.put(json!({ "autoCommit": true })).await;
    assert_eq!(problem(&auto), (409, "has-handler"), "{}", auto.1);
    assert_eq!(subscriber.get().await.1["autoCommit"], false);
    let (status, put) = subscriber.put(json!({ "handler": null, "autoCommit": true })).await;
    assert_eq!((status, &put["handler"], &put["autoCommit"]), (200, &Value::Null, &json!(true)));
}

#[tokio::test]
async fn a_group_with_a_program_is_formed_by_its_file_alone() {
    let gateway = Gateway::start().await;
    let (subscriber, settings) = (Subscriber::new(&gateway.url()), settings());
    let groups = Groups { store: &*gateway.store, settings: &settings };
    let (group, act) = (Group::parse("cg.search").unwrap(), by(Act::PutSubscription));
    let form = Form::from_column(r#"{"handler":{"exec":["sh","x"]}}"#).unwrap();
    groups.put(&diku(), &group, &form, Start::Earliest, &act).await.unwrap();
    for asked in [json!({}), json!({ "handler": null }), json!({ "handler": webhook() })] {
        let refused = subscriber.put(asked.clone()).await;
        assert_eq!(problem(&refused), (409, "has-handler"), "{asked}: {}", refused.1);
        assert!(refused.1["detail"].as_str().unwrap().contains("file"), "{}", refused.1);
    }
    let found = groups.find(&diku(), &group).await.unwrap();
    assert_eq!(found.subscription.form, form);
    let form = Form { hold_seconds: 9, ..form };
    let (_, found) = groups.put(&diku(), &group, &form, Start::Earliest, &act).await.unwrap();
    assert_eq!(found.subscription.form, form, "its file changes it");
}

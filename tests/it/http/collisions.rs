//! Names that are the same to Kafka: a tenant is not enabled if its topics collide with topics that
//! the store knows of any tenant, whatever the files name now.

use event_gateway::domain::replay::Progress;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::topic::Topic;
use serde_json::json;

use crate::support::gateway::{Gateway, tenant_id};
use crate::support::replays;
use crate::support::tenants::{ask, enable};

fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

async fn note(gateway: &Gateway, tenant: &str, name: &str) {
    let noted = [(Subject::new("inventory", "former"), topic(name))];
    gateway.store.note_topics(&tenant_id(tenant), &noted).await.unwrap();
}

/// Asks to enable a tenant, which is refused; returns the sentence.
async fn refused(gateway: &Gateway, tenant: &str) -> String {
    let body = json!({ "module_to": "event-gateway-1.0.0" });
    let (status, _, problem) = ask(gateway, ("POST", "/_/tenant"), tenant, Some(body)).await;
    let code = &problem["errors"][0]["code"];
    assert_eq!((status, code), (422, &json!("illegal-topics")), "{tenant}: {problem}");
    assert!(gateway.store.find_tenant(&tenant_id(tenant)).await.unwrap().is_none());
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_tenant_whose_topics_collide_with_former_ones_is_not_enabled() {
    let gateway = Gateway::start().await;
    note(&gateway, "college", "folio.fresh_inventory.instance").await;
    let told = refused(&gateway, "fresh").await;
    let both = "the topics `folio.fresh.inventory.instance` of tenant `fresh` and \
                `folio.fresh_inventory.instance`, which tenant `college` has had, collide: Kafka \
                treats `.` and `_` as the same";
    assert!(told.ends_with(both), "{told}");
    // The same name is another tenant's, too.
    note(&gateway, "diku", "folio.same.inventory.item").await;
    let told = refused(&gateway, "same").await;
    let both = "tenant `diku` has had the topic `folio.same.inventory.item`, which would be that \
                of tenant `same`";
    assert!(told.ends_with(both), "{told}");
    // A tenant's own former topics don't keep it from its present ones.
    note(&gateway, "third", "folio.third.inventory.item").await;
    enable(&gateway, "third").await;
    enable(&gateway, "third").await;
    note(&gateway, "third", "folio.third.inventory_item").await;
    let body = json!({ "module_to": "event-gateway-1.0.1" });
    let (status, ..) = ask(&gateway, ("POST", "/_/tenant"), "third", Some(body)).await;
    assert_eq!(status, 422, "but for a name that Kafka takes for theirs");
}

#[tokio::test]
async fn topics_of_a_tenant_that_is_being_purged_are_in_the_way_until_it_is() {
    let gateway = Gateway::start().await;
    note(&gateway, "college", "folio.fresh_inventory.instance").await;
    let purge = json!({ "purge": true });
    let (status, ..) = ask(&gateway, ("POST", "/_/tenant"), "college", Some(purge)).await;
    assert_eq!(status, 201);
    refused(&gateway, "fresh").await;
}

#[tokio::test]
async fn a_tenant_whose_topics_collide_with_a_replay_s_target_is_not_enabled() {
    let gateway = Gateway::start().await;
    let target = topic("folio.fresh_circulation.loan");
    let id = replays::add(&*gateway.store, 1, Some(&target), Progress::default()).await;
    let told = refused(&gateway, "fresh").await;
    let both = format!(
        "the topics `folio.fresh.circulation.loan` of tenant `fresh` and \
         `folio.fresh_circulation.loan`, the target of replay {id} of tenant `diku`, collide: \
         Kafka treats `.` and `_` as the same"
    );
    assert!(told.ends_with(&both), "{told}");
    enable(&gateway, "other").await;
}

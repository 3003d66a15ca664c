//! Names that are the same to Kafka: a tenant is not enabled if its topics collide with topics that
//! the store knows of any tenant, whatever the files name now.

use event_gateway::domain::draft::Draft;
use event_gateway::domain::replay::Progress;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::topic::Topic;
use event_gateway::store::{Batch, Outcome};
use serde_json::json;

use crate::support::drafts::{create_in, create_on};
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
    let (third, former) = (tenant_id("third"), "folio.third.inventory_item");
    note(&gateway, "third", former).await;
    let upgrade = async |to: &str| {
        let body = json!({ "module_to": to });
        ask(&gateway, ("POST", "/_/tenant"), "third", Some(body)).await.0
    };
    assert_eq!(upgrade("event-gateway-1.0.1").await, 201, "nothing is written to it any more");
    let event = Draft { origin: create_in(&third, 1).origin, ..create_on(former, 1) };
    let batch = Batch { tenant: third, drafts: vec![event] };
    let outcomes = gateway.store.append(&[batch]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Appended { .. }]), "{outcomes:?}");
    assert_eq!(upgrade("event-gateway-1.0.2").await, 422, "a replay may write to it");
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

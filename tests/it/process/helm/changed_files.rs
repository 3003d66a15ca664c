//! Files of ConfigMaps that are kept elsewhere: a change of the tenants' rolls the pods at the next
//! upgrade, and whoever installs the chart is told what to do before.

use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::helm::{self, Helm};
use crate::support::pod::Pod;

fn chart() -> Helm {
    Helm::new()
        .set("auth.mode=perimeter")
        .set("store.urlSecret.name=store")
        .set("kafka.hosts=kafka")
        .set("tenants.existingConfigMaps={tenants-a,tenants-b}")
        .set("subscriptions.existingConfigMaps={groups}")
}

/// Returns the annotations of the pods that an upgrade would make.
async fn annotations(server: &ApiServer) -> Value {
    let folder = server.folder().to_owned();
    let rendered = move || chart().template_at(&folder).unwrap();
    let rendered = tokio::task::spawn_blocking(rendered).await.unwrap();
    Pod::of(&rendered).template()["metadata"]["annotations"].clone()
}

#[tokio::test]
async fn an_upgrade_rolls_the_pods_if_a_tenant_s_file_that_is_kept_elsewhere_has_changed() {
    let server = ApiServer::start().await;
    let before_it_is_there = annotations(&server).await;
    server.put("tenants-a", json!({ "diku.toml": "" }));
    server.put("tenants-b", json!({ "college.toml": "" }));
    server.put("groups", json!({ "cg.search.toml": "" }));
    let now = annotations(&server).await;
    assert_ne!(now, before_it_is_there);
    assert_eq!(annotations(&server).await, now, "nothing was changed");
    server.put("groups", json!({ "cg.search.toml": "tenants = [\"diku\"]" }));
    server.put("others", json!({ "other.toml": "" }));
    assert_eq!(annotations(&server).await, now, "such a change is read without a restart");
    server.put("tenants-b", json!({ "college.toml": "[entities.\"inventory.item\"]" }));
    assert_ne!(annotations(&server).await, now);
}

#[test]
fn whoever_installs_the_chart_with_config_maps_that_are_kept_elsewhere_is_told_to_restart() {
    let told = |helm: Helm| helm.notes().unwrap();
    let notes = told(chart());
    let restart = "kubectl --namespace folio rollout restart deployment/demo-event-gateway";
    assert!(notes.contains("tenants-a, tenants-b") && notes.contains(restart), "{notes}");
    let own = told(Helm::new().file(&helm::ci("postgres.yaml")));
    assert!(!own.contains("rollout restart"), "a change of its own files rolls them: {own}");
}

/// Reloader, which rolls the pods by itself, goes by annotations of the workload.
#[test]
fn annotations_of_the_workload_are_none_of_the_pods() {
    let rendered = Helm::new().file(&helm::ci("mongodb.yaml")).template().unwrap();
    let objects = helm::objects(&rendered);
    let workload = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let reload = json!({ "configmap.reloader.stakater.com/reload": "tenants-a,tenants-b" });
    assert_eq!(workload["metadata"]["annotations"], reload);
    let of_pods = workload["spec"]["template"]["metadata"]["annotations"].as_object().unwrap();
    assert!(!of_pods.contains_key("configmap.reloader.stakater.com/reload"), "{of_pods:?}");
}

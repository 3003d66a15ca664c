//! How many pods there are, where they run, and which of them an upgrade, a drain or an autoscaler
//! may take.

use serde_json::{Value, json};

use crate::support::helm::{self, Helm, value_files};

fn workload(objects: &[Value]) -> &Value {
    objects.iter().find(|it| it["spec"]["template"].is_object()).unwrap()
}

fn find<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    objects.iter().find(|it| it["kind"] == kind)
}

#[test]
fn an_upgrade_of_a_deployment_takes_no_pod_before_a_new_one_is_ready_and_a_log_outlives_its_pod() {
    let mut kinds = Vec::new();
    for file in value_files("ci") {
        let objects = helm::objects(&Helm::new().file(&file).template().unwrap());
        let (kind, spec) = (&workload(&objects)["kind"], &workload(&objects)["spec"]);
        if kind == "StatefulSet" {
            let kept = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
            assert_eq!(spec["persistentVolumeClaimRetentionPolicy"], kept, "{file:?}");
        } else {
            let rolling = json!({
                "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 },
            });
            assert_eq!(spec["strategy"], rolling, "{file:?}");
            assert_eq!(spec["minReadySeconds"], 5, "{file:?}");
            // A start may take 600 s.
            assert_eq!(spec["progressDeadlineSeconds"], 900, "{file:?}");
        }
        kinds.push(kind.as_str().unwrap().to_owned());
    }
    for kind in ["Deployment", "StatefulSet"] {
        assert!(kinds.iter().any(|it| it == kind), "{kinds:?}");
    }
}

#[test]
fn several_pods_are_spread_over_nodes_and_zones_and_a_drain_takes_one_at_a_time() {
    let mut several = 0;
    for file in value_files("ci") {
        let objects = helm::objects(&Helm::new().file(&file).template().unwrap());
        let spec = &workload(&objects)["spec"];
        let is_scaled = find(&objects, "HorizontalPodAutoscaler").is_some();
        let constraints = &spec["template"]["spec"]["topologySpreadConstraints"];
        let budget = find(&objects, "PodDisruptionBudget");
        if !is_scaled && spec["replicas"] == 1 {
            assert_eq!((constraints, budget), (&Value::Null, None), "{file:?}");
            continue;
        }
        let values = helm::objects(&std::fs::read_to_string(&file).unwrap()).remove(0);
        let is_must = values["spread"]["requireNodes"] == true;
        let spread = |key: &str, is_must: bool| {
            json!({
                "topologyKey": key, "maxSkew": 1, "matchLabelKeys": ["pod-template-hash"],
                "whenUnsatisfiable": if is_must { "DoNotSchedule" } else { "ScheduleAnyway" },
                "labelSelector": spec["selector"],
            })
        };
        let zones = spread("topology.kubernetes.io/zone", false);
        let wanted = json!([spread("kubernetes.io/hostname", is_must), zones]);
        assert_eq!(*constraints, wanted, "{file:?}");
        let budget = &budget.unwrap_or_else(|| panic!("{file:?}"))["spec"];
        assert_eq!(budget["maxUnavailable"], 1, "{file:?}");
        assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow", "{file:?}");
        several += 1;
    }
    assert!(several >= 3, "{several}");
}

/// Whoever else writes the number would undo what the autoscaler did, at each upgrade.
#[test]
fn an_autoscaler_scales_the_release_s_deployment_and_nobody_else_says_how_many_pods_there_are() {
    let mut scaled = 0;
    for file in value_files("ci") {
        let objects = helm::objects(&Helm::new().file(&file).template().unwrap());
        let workload = workload(&objects);
        let replicas = &workload["spec"]["replicas"];
        let Some(autoscaler) = find(&objects, "HorizontalPodAutoscaler") else {
            let values = helm::objects(&std::fs::read_to_string(&file).unwrap()).remove(0);
            let wanted = values.get("replicas").cloned().unwrap_or_else(|| json!(2));
            assert_eq!(*replicas, wanted, "{file:?}");
            continue;
        };
        assert_eq!(*replicas, Value::Null, "{file:?}");
        let target = json!({
            "apiVersion": workload["apiVersion"], "kind": workload["kind"],
            "name": workload["metadata"]["name"],
        });
        assert_eq!(autoscaler["spec"]["scaleTargetRef"], target, "{file:?}");
        scaled += 1;
    }
    assert!(scaled > 0);
}

/// It goes by a share of the CPU that is requested, and would do nothing without one.
#[test]
fn an_autoscaler_of_pods_that_request_no_cpu_is_refused() {
    let scaled = |resources: &[&str]| {
        let helm = Helm::new().file(&helm::ci("mongodb.yaml"));
        resources.iter().fold(helm, |helm, value| helm.set(value)).template()
    };
    for none in [
        &["resources=null"][..],
        &["resources.requests=null"],
        &["resources.requests.cpu=null"],
        &["resources.requests.cpu=0"],
        &["resources.requests.cpu=0m", "resources.limits.cpu=2"],
    ] {
        let why = scaled(none).expect_err("it is refused");
        assert!(
            why.contains("autoscaling.enabled needs resources.requests.cpu"),
            "{none:?}: {why}"
        );
    }
    // Kubernetes takes a limit for the request that is not there.
    for some in [
        &["resources.requests.cpu=100m"][..],
        &["resources.limits=null"],
        &["resources.requests=null", "resources.limits.cpu=2"],
    ] {
        scaled(some).unwrap_or_else(|why| panic!("{some:?}: {why}"));
    }
}

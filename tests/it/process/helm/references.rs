//! The objects of a manifest refer to each other: each selector selects what it is for, each name
//! is that of an object, and each port one of the pod's or of the service's.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::helm::{self, Helm, RELEASE, value_files};

/// The objects of a value file, and its values.
struct Manifest {
    file: String,
    objects: Vec<Value>,
    values: Value,
}

impl Manifest {
    fn of(file: &Path) -> Self {
        let objects = helm::objects(&Helm::new().file(file).template().unwrap());
        let values = helm::objects(&std::fs::read_to_string(file).unwrap()).remove(0);
        Self { file: file.display().to_string(), objects, values }
    }

    fn all() -> Vec<Self> {
        value_files("ci").iter().map(|file| Self::of(file)).collect()
    }

    fn find(&self, kind: &str) -> Option<&Value> {
        self.objects.iter().find(|it| it["kind"] == kind)
    }

    fn service(&self) -> &Value {
        self.find("Service").unwrap()
    }

    fn workload(&self) -> &Value {
        self.objects.iter().find(|it| it["spec"]["template"].is_object()).unwrap()
    }

    fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]
    }

    fn container(&self) -> &Value {
        &self.pod()["spec"]["containers"][0]
    }

    /// The names of the pod's ports.
    fn ports(&self) -> BTreeSet<&str> {
        list(&self.container()["ports"]).iter().map(|it| text(&it["name"])).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Returns the labels by which an object selects others, if it does.
fn selector(object: &Value) -> Option<&Value> {
    let spec = &object["spec"];
    match text(&object["kind"]) {
        "Service" => Some(&spec["selector"]),
        "NetworkPolicy" => Some(&spec["podSelector"]["matchLabels"]),
        "Deployment" | "StatefulSet" | "PodDisruptionBudget" | "PodMonitor" | "ServiceMonitor" => {
            Some(&spec["selector"]["matchLabels"])
        }
        _ => None,
    }
}

/// One that selects more would take another release's pods for its own.
#[test]
fn every_selector_selects_the_release_s_pods_or_its_service_and_no_other_release_s() {
    let mut kinds = BTreeSet::new();
    let manifests = Manifest::all();
    for manifest in &manifests {
        let of_pod = &manifest.pod()["metadata"]["labels"];
        let of_service = &manifest.service()["metadata"]["labels"];
        for object in &manifest.objects {
            let Some(selector) = selector(object) else { continue };
            let (file, kind) = (&manifest.file, text(&object["kind"]));
            let labels = if kind == "ServiceMonitor" { of_service } else { of_pod };
            let selector = selector.as_object().unwrap_or_else(|| panic!("{file}: {kind}"));
            let is_own = selector.get("app.kubernetes.io/instance") == Some(&json!(RELEASE));
            assert!(is_own, "{file}: {kind} selects {selector:?}");
            let selects = selector.iter().all(|(name, value)| labels[name] == *value);
            assert!(selects, "{file}: {kind} selects {selector:?}, not {labels}");
            kinds.insert(kind);
        }
    }
    let wanted = [
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "Service",
        "ServiceMonitor",
        "StatefulSet",
    ];
    assert!(kinds.iter().eq(&wanted), "{kinds:?}");
}

#[test]
fn the_service_and_the_probes_name_ports_of_the_pod() {
    for manifest in Manifest::all() {
        let (file, ports) = (&manifest.file, manifest.ports());
        let of_service = list(&manifest.service()["spec"]["ports"]).iter();
        let targets = of_service.map(|it| (text(&it["name"]), text(&it["targetPort"])));
        assert!(targets.eq(ports.iter().map(|name| (*name, *name))), "{file}: {ports:?}");
        let container = manifest.container();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "http", "{file}: {probe}");
        }
        let numbers = list(&container["ports"]).iter().map(|it| &it["containerPort"]);
        let (http, kafka) = (json!(8081), &manifest.values["kafkaListener"]["port"]);
        let wanted = [&http, kafka].into_iter().filter(|it| !it.is_null());
        assert!(numbers.eq(wanted), "{file}");
    }
}

#[test]
fn every_route_from_outside_leads_to_the_service_s_port_of_http() {
    let mut backends = BTreeSet::new();
    for manifest in Manifest::all() {
        let (file, service) = (&manifest.file, manifest.service());
        let (name, ports) = (&service["metadata"]["name"], list(&service["spec"]["ports"]));
        let http = ports.iter().find(|it| it["name"] == "http").unwrap();
        let of_ingress = manifest.find("Ingress").map(|it| list(&it["spec"]["rules"]));
        for rule in of_ingress.unwrap_or_default() {
            for path in list(&rule["http"]["paths"]) {
                let wanted = json!({ "name": name, "port": { "name": "http" } });
                assert_eq!(path["backend"]["service"], wanted, "{file}");
                backends.insert("Ingress");
            }
        }
        let of_route = manifest.find("HTTPRoute").map(|it| list(&it["spec"]["rules"]));
        for rule in of_route.unwrap_or_default() {
            let wanted = json!([{ "name": name, "port": http["port"] }]);
            assert_eq!(rule["backendRefs"], wanted, "{file}");
            backends.insert("HTTPRoute");
        }
    }
    assert!(backends.iter().eq(&["HTTPRoute", "Ingress"]), "{backends:?}");
}

#[test]
fn every_monitor_reads_the_metrics_at_the_port_of_http_in_the_scheme_that_it_speaks() {
    let mut monitors = BTreeSet::new();
    for manifest in Manifest::all() {
        let file = &manifest.file;
        let scheme = text(&manifest.container()["livenessProbe"]["httpGet"]["scheme"]);
        for (kind, endpoints) in
            [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")]
        {
            let Some(monitor) = manifest.find(kind) else { continue };
            let [endpoint] = list(&monitor["spec"][endpoints]) else { panic!("{file}: {kind}") };
            // The service and the pod have it alike.
            assert_eq!(endpoint["port"], "http", "{file}");
            assert_eq!(endpoint["path"], "/metrics", "{file}");
            assert_eq!(endpoint["scheme"], scheme.to_lowercase(), "{file}");
            let elsewhere = &monitor["spec"]["namespaceSelector"];
            assert_eq!(*elsewhere, Value::Null, "{file}: it looks into another namespace");
            monitors.insert((kind, scheme.to_owned()));
        }
    }
    let wanted = [("PodMonitor", "HTTP"), ("ServiceMonitor", "HTTPS")];
    assert!(monitors.iter().map(|(kind, scheme)| (*kind, &**scheme)).eq(wanted), "{monitors:?}");
}

/// Without DNS, pods would find none of what they may call.
#[test]
fn a_network_policy_lets_through_the_peers_of_the_values_and_dns_and_nobody_else() {
    let dns = json!({
        "to": [{
            "namespaceSelector": {}, "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
        }],
        "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }],
    });
    let mut limited = BTreeSet::new();
    for manifest in Manifest::all() {
        let (file, values) = (&manifest.file, &manifest.values["networkPolicy"]);
        let Some(policy) = manifest.find("NetworkPolicy") else { continue };
        let policy = &policy["spec"];
        let peers = list(&values["from"]);
        for rule in list(&policy["ingress"]) {
            let metrics = match text(&rule["ports"][0]["port"]) {
                "http" => list(&values["metricsFrom"]),
                _ => &[],
            };
            assert!(list(&rule["from"]).iter().eq(peers.iter().chain(metrics)), "{file}: {rule}");
        }
        let named = list(&policy["ingress"]).iter().flat_map(|rule| list(&rule["ports"]));
        let named: BTreeSet<_> = named.map(|it| text(&it["port"])).collect();
        assert_eq!(named, manifest.ports(), "{file}");
        let is_limited = values["restrictEgress"] == true;
        let (types, egress) = (&policy["policyTypes"], list(&policy["egress"]));
        if is_limited {
            assert_eq!(*types, json!(["Ingress", "Egress"]), "{file}");
            let wanted = [&dns].into_iter().chain(list(&values["egress"]));
            assert!(egress.iter().eq(wanted), "{file}: {egress:?}");
        } else {
            assert_eq!(*types, json!(["Ingress"]), "{file}");
            assert!(egress.is_empty(), "{file}: {egress:?}");
        }
        limited.insert(is_limited);
    }
    assert_eq!(limited.len(), 2, "one value file limits the pods' calls, another one does not");
}

/// Returns the names of the ConfigMaps that the pod mounts, each with the value that may name it.
fn mounted_maps(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(&pod["spec"]["volumes"]).iter().flat_map(|volume| {
        let maps = list(&volume["projected"]["sources"]).iter();
        maps.map(move |it| (text(&volume["name"]), text(&it["configMap"]["name"])))
    })
}

#[test]
fn every_name_that_a_pod_refers_to_is_that_of_an_object_or_of_the_values() {
    for manifest in Manifest::all() {
        let (file, pod, workload) = (&manifest.file, manifest.pod(), manifest.workload());
        let is_there = |kind: &str, name: &Value| {
            let mut objects = manifest.objects.iter();
            objects.any(|it| it["kind"] == kind && it["metadata"]["name"] == *name)
        };
        assert!(is_there("ServiceAccount", &pod["spec"]["serviceAccountName"]), "{file}");
        let service = &workload["spec"]["serviceName"];
        let has_names = workload["kind"] == "StatefulSet";
        assert_eq!(is_there("Service", service), has_names, "{file}: {service}");
        for (of, name) in mounted_maps(pod) {
            let elsewhere = list(&manifest.values[of]["existingConfigMaps"]);
            let is_known = match elsewhere {
                [] => is_there("ConfigMap", &json!(name)),
                _ => elsewhere.contains(&json!(name)),
            };
            assert!(is_known, "{file}: {name}");
        }
        let claims = list(&workload["spec"]["volumeClaimTemplates"]).iter();
        let volumes = list(&pod["spec"]["volumes"]).iter().map(|it| text(&it["name"]));
        let volumes: BTreeSet<_> =
            volumes.chain(claims.map(|it| text(&it["metadata"]["name"]))).collect();
        let mounts = list(&manifest.container()["volumeMounts"]).iter();
        let mounted: BTreeSet<_> = mounts.map(|it| text(&it["name"])).collect();
        assert_eq!(mounted, volumes, "{file}");
    }
}

//! The Helm chart: it renders what Kubernetes takes, refuses what makes no sense, and the gateway
//! serves with what it renders.

mod changed_files;
mod references;
mod rollout;
mod security;
mod settings;

use std::collections::BTreeSet;

use crash::serve::{Serve, Setup};
use event_gateway::config;
use serde_json::{Value, json};

use crate::support::helm::{self, Helm, value_files};
use crate::support::pod::Pod;
use crate::support::serve;
use crate::support::services::{kafka, postgres};

#[test]
fn the_chart_passes_helm_s_lint_with_every_value_file() {
    for file in value_files("ci") {
        let linted = Helm::new().file(&file).lint();
        assert!(linted.status.success(), "{file:?}: {linted:?}");
    }
}

/// kubeconform would skip an object of a kind that it has no schema of.
#[test]
fn every_object_of_every_value_file_is_what_kubernetes_takes() {
    let mut kinds = BTreeSet::new();
    for file in value_files("ci") {
        let rendered = Helm::new().file(&file).template().expect("it renders");
        let summary = helm::kubeconform(&rendered);
        assert_eq!(
            (&summary["invalid"], &summary["errors"], &summary["skipped"]),
            (&json!(0), &json!(0), &json!(0)),
            "{file:?}: {summary}"
        );
        let objects = helm::objects(&rendered);
        assert_eq!(summary["valid"], objects.len());
        kinds.extend(objects.iter().map(|it| it["kind"].as_str().unwrap().to_owned()));
    }
    let templates = [
        "ConfigMap",
        "Deployment",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "StatefulSet",
    ];
    assert_eq!(kinds.iter().collect::<Vec<_>>(), templates, "each kind is rendered once at least");
}

/// YAML takes an unquoted 123 for a number, which no name may be.
#[test]
fn names_that_look_like_numbers_stay_names() {
    for file in value_files("ci") {
        let text = ["fullnameOverride=123", "nameOverride=4", "tls.secretName=5"]
            .into_iter()
            .chain(["serviceAccount.name=6", "priorityClassName=7", "ingress.className=8"])
            .chain(["auth.okapiKeySecret.key=9", "store.urlSecret.key=10"]);
        let named = text.fold(Helm::new().file(&file), Helm::set_text);
        let rendered = named.template().expect("it renders");
        let summary = helm::kubeconform(&rendered);
        assert_eq!(
            (&summary["invalid"], &summary["errors"]),
            (&json!(0), &json!(0)),
            "{file:?}: {summary}"
        );
    }
}

#[test]
fn a_service_with_tls_says_so_to_whoever_passes_requests_on() {
    let protocol = |file: &str| {
        let manifest = Helm::new().file(&helm::ci(file)).template().unwrap();
        let objects = helm::objects(&manifest);
        let service = objects.into_iter().find(|it| it["kind"] == "Service").unwrap();
        service["spec"]["ports"][0]["appProtocol"].clone()
    };
    assert_eq!(
        (protocol("mongodb.yaml"), protocol("postgres.yaml")),
        (json!("https"), Value::Null)
    );
}

/// A page that names other versions would say what nobody has tried.
#[test]
fn the_page_names_the_versions_that_the_chart_is_tested_with() {
    let page = include_str!("../../../docs/kubernetes.md");
    let versions = include_str!("../../../scripts/kubernetes/home.sh");
    let of = |name: &str| {
        let mut lines = versions.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap()
    };
    let (helm, kubernetes) = (of("helm_version"), of("kubernetes_version"));
    let told = format!("tested with Helm {helm} and Kubernetes {kubernetes}.");
    assert!(page.replace('\n', " ").contains(&told), "{told}");
}

#[test]
fn kubeconform_refuses_a_member_that_kubernetes_does_not_know() {
    let rendered = Helm::new().file(&value_files("ci")[0]).template().unwrap();
    let wrong = rendered.replacen("readOnlyRootFilesystem", "readOnlyRootFileSystem", 1);
    assert_ne!(wrong, rendered);
    assert_eq!(helm::kubeconform(&wrong)["invalid"], 1);
}

#[test]
fn values_that_make_no_sense_are_refused_with_a_message_that_names_them() {
    for file in value_files("ci/refused") {
        let text = std::fs::read_to_string(&file).unwrap();
        let wanted = text.lines().next().unwrap().trim_start_matches("# ");
        let why = Helm::new().file(&file).template().expect_err("it is refused");
        assert!(why.contains(wanted), "{file:?} wants {wanted:?}: {why}");
    }
}

/// Returns the paths of values that have a default and that the schema does not demand.
fn not_demanded(schema: &Value, defaults: &Value, path: &str) -> Vec<String> {
    let (Some(known), Some(defaults)) = (schema.get("properties"), defaults.as_object()) else {
        return Vec::new();
    };
    let demanded = schema["required"].as_array().into_iter().flatten();
    let demanded: Vec<_> = demanded.filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    for (name, default) in defaults {
        let path = format!("{path}/{name}");
        found.extend(not_demanded(&known[name], default, &path));
        if !demanded.contains(&name.as_str()) {
            found.push(path);
        }
    }
    found
}

/// Helm removes a value that is set to null, and a template would render what Kubernetes does not
/// take. Only `resources` and its members may be removed.
#[test]
fn a_value_that_has_a_default_can_t_be_null() {
    let schema = std::fs::read_to_string(helm::chart().join("values.schema.json")).unwrap();
    let values = std::fs::read_to_string(helm::chart().join("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut found = not_demanded(&schema, &helm::objects(&values).remove(0), "");
    found.sort();
    assert_eq!(found, ["/resources", "/resources/limits", "/resources/requests"]);
    let bare = Helm::new().file(&helm::ci("sqlite.yaml")).set("resources=null");
    assert_eq!(Pod::of(&bare.template().unwrap()).container()["resources"], Value::Null);
}

/// A variable that the gateway doesn't read would be ignored.
#[test]
fn every_variable_of_every_pod_is_one_of_the_gateway_s() {
    let known: Vec<_> = config::variables().into_iter().map(|(name, ..)| name).collect();
    let of_traces = include_str!("../../../docs/traces.md");
    for file in value_files("ci") {
        let pod = Pod::of(&Helm::new().file(&file).template().unwrap());
        for name in pod.variables() {
            let is_known = known.iter().any(|it| it == name)
                || name.starts_with("KAFKA_CONFIG_")
                || of_traces.contains(&format!("| `{name}` |"));
            assert!(is_known, "{file:?}: {name}");
        }
    }
}

/// A release keeps its values in the cluster, and a file of values is kept in git.
#[test]
fn every_secret_of_a_pod_is_named_and_never_written_down() {
    let is_secret = |name: &str| {
        ["STORE_URL", "AUTH_OKAPI_KEY", "HEXKIT_MONGODB_URL"].contains(&name)
            || ["_PASSWORD", "_SECRET"].iter().any(|end| name.ends_with(end))
    };
    for file in value_files("ci") {
        let pod = Pod::of(&Helm::new().file(&file).template().unwrap());
        for name in pod.variables().into_iter().filter(|name| is_secret(name)) {
            let value = pod.written(name);
            assert!(value.is_none_or(|it| it.starts_with("sqlite://")), "{file:?}: {name}");
        }
    }
}

/// Files that are there already count from the next start on.
#[test]
fn a_tenant_s_file_that_is_changed_or_added_rolls_the_pods() {
    let rolled = |file: &str| {
        let helm = Helm::new().file(&helm::ci("sqlite.yaml")).set(file);
        Pod::of(&helm.template().unwrap()).template()["metadata"]["annotations"].clone()
    };
    let now = rolled("replicas=1");
    assert_eq!(rolled("logLevel=debug"), now, "nothing else does");
    for file in ["tenants.files.diku\\.toml=", "tenants.files.other\\.toml="] {
        assert_ne!(rolled(file), now);
    }
}

#[tokio::test]
async fn the_gateway_serves_with_the_pod_of_sqlite() {
    let rendered = Helm::new().file(&helm::ci("sqlite.yaml")).template().unwrap();
    let pod = Pod::of(&rendered);
    let setup = pod.laid(serve::setup(&[]), &[]);
    let receipt = started_and_posted(&pod, &setup).await;
    assert_eq!(receipt["published"], Value::Null);
    let log = setup.path().join("root/var/lib/event-gateway/event-gateway.db");
    assert!(log.exists(), "the log is on the volume");
}

/// Returns the peers that may reach the port of Kafka's clients.
fn let_in(objects: &[Value]) -> Value {
    let policy = objects.iter().find(|it| it["kind"] == "NetworkPolicy").unwrap();
    let rules = policy["spec"]["ingress"].as_array().unwrap();
    rules.iter().find(|it| it["ports"][0]["port"] == "kafka").unwrap()["from"].clone()
}

#[test]
fn kafka_s_clients_are_told_the_service_whose_port_is_the_pod_s() {
    let manifest = |advertised: &str| {
        let helm = Helm::new().file(&helm::ci("listener.yaml")).set(advertised);
        helm.template().unwrap()
    };
    let rendered = manifest("kafkaListener.advertised=");
    let pod = Pod::of(&rendered);
    let objects = helm::objects(&rendered);
    let service = objects.iter().find(|it| it["kind"] == "Service").unwrap();
    let name = service["metadata"]["name"].as_str().unwrap();
    let ports = service["spec"]["ports"].as_array().unwrap();
    let port = ports.iter().find(|it| it["name"] == "kafka").unwrap();
    assert_eq!((&port["port"], &port["targetPort"]), (&json!(9092), &json!("kafka")));
    let advertised = pod.written("KAFKA_LISTEN_ADVERTISED").unwrap();
    assert_eq!(advertised, format!("{name}.folio:9092"));
    assert_eq!(pod.written("KAFKA_LISTEN_PORT"), Some("9092"));
    let containers = pod.container()["ports"].as_array().unwrap();
    assert!(containers.contains(&json!({ "name": "kafka", "containerPort": 9092 })));
    // Clients with tokens may come from outside.
    assert_eq!(service["spec"]["type"], "LoadBalancer");
    assert_eq!(let_in(&objects), json!([{ "ipBlock": { "cidr": "192.0.2.0/24" } }]));

    let perimeter = Helm::new()
        .set("auth.mode=perimeter")
        .set("store.urlSecret.name=store")
        .set("replicas=1")
        .set("broker=none")
        .set("kafkaListener.port=9092")
        .set("networkPolicy.enabled=true");
    let objects = helm::objects(&perimeter.template().unwrap());
    assert_eq!(let_in(&objects), json!([{ "podSelector": {} }]), "each of them is let in");
    let workload = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let strategy = &workload["spec"]["strategy"];
    assert_eq!(*strategy, json!({ "type": "Recreate" }), "two pods would have one name");

    let pod = Pod::of(&manifest("kafkaListener.advertised=kafka.example.org:19092"));
    assert_eq!(pod.written("KAFKA_LISTEN_ADVERTISED"), Some("kafka.example.org:19092"));
}

#[test]
fn credentials_guard_the_port_of_kafka_s_clients_in_every_mode() {
    let rendered = |more: &str| {
        let reached = ["replicas=1", "broker=none", "kafkaListener.port=9092"];
        let reached = reached.into_iter().chain(["service.type=LoadBalancer", more]);
        let helm = Helm::new().set("auth.mode=perimeter").set("store.urlSecret.name=store");
        reached.fold(helm, Helm::set).template()
    };
    assert!(rendered("logLevel=info").is_err(), "each client would be let in");
    let pod = Pod::of(&rendered("kafkaListener.credentialsSecretName=readers").unwrap());
    let folder = pod.written("CREDENTIALS_DIR").unwrap();
    let mounts = pod.container()["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|it| it["mountPath"] == folder).unwrap();
    let volumes = pod.template()["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|it| it["name"] == mount["name"]).unwrap();
    assert_eq!(volume["secret"]["secretName"], "readers");
}

#[test]
fn kafka_s_clients_are_told_the_address_of_each_of_several_pods() {
    let several = |replicas: &str| {
        let helm = Helm::new()
            .set("auth.mode=perimeter")
            .set("store.urlSecret.name=store")
            .set("broker=none")
            .set("kafkaListener.port=9092")
            .set("networkPolicy.enabled=true");
        helm.set(replicas).template().unwrap()
    };
    for replicas in ["replicas=2", "autoscaling.enabled=true"] {
        let rendered = several(replicas);
        let pod = Pod::of(&rendered);
        assert_eq!(pod.written("KAFKA_LISTEN_ADVERTISED"), Some("[$(POD_IP)]:9092"), "{replicas}");
        let env = pod.container()["env"].as_array().unwrap();
        let at = |name: &str| env.iter().position(|it| it["name"] == name).unwrap();
        let address = &env[at("POD_IP")]["valueFrom"]["fieldRef"]["fieldPath"];
        assert_eq!(address, "status.podIP");
        assert!(at("POD_IP") < at("KAFKA_LISTEN_ADVERTISED"), "else it would not be put in");
        let objects = helm::objects(&rendered);
        assert_eq!(let_in(&objects), json!([{ "podSelector": {} }]));
        let workload = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
        assert_eq!(workload["spec"]["strategy"]["type"], "RollingUpdate");
    }
}

#[test]
fn pods_with_ipv6_addresses_listen_on_them() {
    let of = |host: &str| {
        let helm = Helm::new().file(&helm::ci("listener.yaml"));
        Pod::of(&helm.set_text(&format!("listenHost={host}")).template().unwrap())
    };
    for host in ["::", "0.0.0.0"] {
        let pod = of(host);
        let listens = ["HTTP_HOST", "KAFKA_LISTEN_HOST"].map(|name| pod.written(name));
        assert_eq!(listens, [Some(host); 2]);
    }
}

#[tokio::test]
async fn the_gateway_serves_with_the_pod_of_postgres_and_kafka() {
    let rendered = Helm::new()
        .set("auth.mode=perimeter")
        .set("store.urlSecret.name=store")
        .set(&format!("kafka.hosts={}", kafka::address()))
        .set(&format!("env={}", kafka::env()))
        .set("tenants.files.diku\\.toml=[entities.\"inventory.instance\"]")
        .template()
        .unwrap();
    let pod = Pod::of(&rendered);
    let setup = pod.laid(serve::setup(&[]), &[("store", "store-url", postgres::url().as_bytes())]);
    let receipt = started_and_posted(&pod, &setup).await;
    assert_eq!(receipt["published"], true);
}

/// Starts the pod's gateway, asks its probes, posts a change, and stops it. Returns the receipt.
async fn started_and_posted(pod: &Pod, setup: &Setup) -> Value {
    let serve = setup.serve();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = pod.container()[probe]["httpGet"]["path"].as_str().unwrap();
        let answer = reqwest::get(format!("{}{path}", serve.url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{probe}: {}", setup.log());
    }
    let receipt = post(&serve).await;
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    let grace = pod.template()["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    let slept = pod.container()["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    assert!(grace > slept + 10, "the gateway takes up to 10 s to stop");
    pod.assert_written_nowhere_else(setup);
    receipt
}

async fn post(serve: &Serve) -> Value {
    let post =
        reqwest::Client::new().post(format!("{}/domain-events/inventory/instance", serve.url));
    let post = post.header("X-Okapi-Tenant", "diku").header("Content-Type", "application/json");
    let post = post.header("Prefer", "wait=30").body(r#"{"new":{"id":"a"}}"#);
    let answer = post.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

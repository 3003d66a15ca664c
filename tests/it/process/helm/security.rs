//! The settings of security, as docs/kubernetes.md tells them: each is in the pod of every value
//! file. No API server is asked, which would refuse some of them alone.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::helm::{self, Helm, value_files};
use crate::support::pod::Pod;

/// Returns each value file with its pod.
fn pods() -> Vec<(String, Pod)> {
    let pod = |file: PathBuf| {
        let pod = Pod::of(&Helm::new().file(&file).template().unwrap());
        (file.display().to_string(), pod)
    };
    value_files("ci").into_iter().map(pod).collect()
}

#[test]
fn every_pod_runs_as_nobody_and_may_do_nothing() {
    let of_pod = json!({
        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
    });
    let of_container = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
        "capabilities": { "drop": ["ALL"] },
    });
    for (file, pod) in pods() {
        let spec = &pod.template()["spec"];
        assert_eq!(spec["securityContext"], of_pod, "{file}");
        assert_eq!(pod.container()["securityContext"], of_container, "{file}");
        for other in ["initContainers", "hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(spec[other], Value::Null, "{file}: {other}");
        }
    }
}

/// A service that is named kafka would set `KAFKA_PORT`.
#[test]
fn no_pod_has_a_token_of_the_api_server_or_variables_of_other_services() {
    for file in value_files("ci") {
        let manifest = Helm::new().file(&file).template().unwrap();
        let pod = Pod::of(&manifest);
        let spec = &pod.template()["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{file:?}");
        assert_eq!(spec["enableServiceLinks"], false, "{file:?}");
        let objects = helm::objects(&manifest);
        let account = objects.iter().find(|it| it["kind"] == "ServiceAccount").unwrap();
        assert_eq!(account["automountServiceAccountToken"], false, "{file:?}");
    }
}

#[test]
fn every_pod_has_the_limit_of_memory_and_the_requests_of_the_values() {
    let resources = json!({
        "requests": { "cpu": "500m", "memory": "256Mi" }, "limits": { "memory": "1Gi" },
    });
    for (file, pod) in pods() {
        assert_eq!(pod.container()["resources"], resources, "{file}");
    }
}

#[test]
fn nothing_but_sqlite_s_volume_can_be_written_and_others_can_t_read_secrets() {
    for (file, pod) in pods() {
        let mounts = pod.container()["volumeMounts"].as_array().unwrap();
        // One file mounts a volume of its own.
        let own = mounts.iter().filter(|it| it["name"] != "extra");
        let writable = own.filter(|it| it["readOnly"] != true);
        let writable: Vec<_> = writable.map(|it| it["mountPath"].as_str().unwrap()).collect();
        let env = pod.container()["env"].as_array().unwrap();
        let mut written = env.iter().filter_map(|it| it["value"].as_str());
        let wanted: &[&str] = match written.any(|it| it.starts_with("sqlite:")) {
            true => &["/var/lib/event-gateway", "/tmp"],
            false => &[],
        };
        assert_eq!(writable, wanted, "{file}");
        for volume in pod.template()["spec"]["volumes"].as_array().unwrap() {
            assert_eq!(volume["hostPath"], Value::Null, "{file}");
            let is_secret = volume["secret"].is_object();
            assert!(!is_secret || volume["secret"]["defaultMode"] == 0o440, "{file}: {volume}");
        }
    }
}

/// The root can't be written, and SQLite's volume has room for the file of the listener's cache.
#[test]
fn the_listener_s_cache_has_a_volume_of_its_size_where_the_log_is_not_on_sqlite() {
    let pod = |more: &[&str]| {
        let listens = ["auth.mode=perimeter", "broker=none", "kafkaListener.port=9092"];
        let helm = listens.iter().chain(more).fold(Helm::new(), |helm, set| helm.set(set));
        Pod::of(&helm.template().unwrap())
    };
    let volume = |pod: &Pod| {
        let volumes = pod.template()["spec"]["volumes"].as_array().unwrap().clone();
        volumes.into_iter().find(|it| it["name"] == "cache")
    };
    let folder = "KAFKA_LISTEN_CACHE_DIR";
    let postgres = "store.urlSecret.name=store";
    for (size, limit) in [("512", "576Mi"), ("2048", "2112Mi")] {
        let pod = pod(&[postgres, &format!("kafkaListener.cacheMb={size}")]);
        assert_eq!(volume(&pod).unwrap()["emptyDir"]["sizeLimit"], limit);
        assert_eq!(pod.written("KAFKA_LISTEN_CACHE_MB"), Some(size));
        let mounts = pod.container()["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|it| it["name"] == "cache").unwrap();
        assert_eq!(mount["mountPath"].as_str(), pod.written(folder));
        assert_ne!(mount["readOnly"], true);
    }
    let sqlite = ["store.kind=sqlite", "replicas=1"];
    for more in [&sqlite[..], &[postgres, "kafkaListener.cacheMb=0"]] {
        let pod = pod(more);
        assert!(volume(&pod).is_none() && !pod.variables().contains(&folder), "{more:?}");
    }
}

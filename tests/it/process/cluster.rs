//! The chart on Kubernetes's own API server: releases are installed, upgraded, rolled back and
//! uninstalled. No pod runs there: `process::helm` starts the gateway with what is rendered.
//!
//! They are left out until `scripts/kubernetes/rollout` has built the server: `./test` says so at
//! its end, and runs them from then on.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::cluster::{Cluster, path_of};
use crate::support::helm::{self, Helm, NAMESPACE, value_files};

const TAG: &str = "9.9.9";
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Helm with a value file, and with another version of the image.
fn newer(file: &Path) -> Helm {
    // One file pins a digest, which goes before a tag.
    let image = match std::fs::read_to_string(file).unwrap().contains("digest:") {
        true => format!("image.digest={DIGEST}"),
        false => format!("image.tag={TAG}"),
    };
    Helm::new().file(file).set(&image).set("logLevel=debug")
}

/// The paths of the objects of a value file, that of the workload last.
fn paths(file: &Path) -> (Vec<String>, String) {
    let objects = helm::objects(&Helm::new().file(file).template().unwrap());
    let workload = objects.iter().find(|it| it["spec"]["template"].is_object()).unwrap();
    (objects.iter().map(path_of).collect(), path_of(workload))
}

fn image(workload: &Value) -> &str {
    workload["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

/// Returns the pod that a controller would make of the workload, and its claim if it has one.
fn pod_and_claim(workload: &Value) -> (Value, Option<Value>) {
    let (template, mut claim) = (&workload["spec"]["template"], None);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"],
        "spec": template["spec"],
    });
    pod["metadata"]["name"] = "demo-0".into();
    if let Some(of) = workload["spec"]["volumeClaimTemplates"].get(0) {
        let name = format!("data-{}-0", workload["metadata"]["name"].as_str().unwrap());
        let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": name } });
        pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
        let labels = &workload["spec"]["selector"]["matchLabels"];
        claim = Some(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "labels": labels }, "spec": of["spec"],
        }));
    }
    (pod, claim)
}

/// The namespace takes pods of the profile `restricted` alone.
async fn make_pod_and_claim(cluster: &Cluster, workload: &Value) -> Option<String> {
    let (pod, claim) = pod_and_claim(workload);
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    cluster.make(&pods, &pod).await.unwrap();
    cluster.remove(&format!("{pods}/demo-0?gracePeriodSeconds=0")).await;
    let claim = claim?;
    let claims = format!("/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims");
    cluster.make(&claims, &claim).await.unwrap();
    Some(format!("{claims}/{}", claim["metadata"]["name"].as_str().unwrap()))
}

/// Installs, upgrades, rolls back and uninstalls one value file, and looks at everything that is
/// there in between.
async fn goes_through_its_life(cluster: &Cluster, file: &Path) {
    let (paths, at) = paths(file);
    let workload = async || cluster.find(&at).await.unwrap_or_else(|| panic!("{file:?}: {at}"));
    Helm::new().file(file).apply("install", cluster.folder()).unwrap();
    for path in &paths {
        assert!(cluster.find(path).await.is_some(), "{file:?}: {path}");
    }
    let installed = workload().await;
    let claim = make_pod_and_claim(cluster, &installed).await;
    // What an autoscaler would do; without one, the value decides.
    let is_scaled = paths.iter().any(|path| path.contains("/horizontalpodautoscalers/"));
    if is_scaled {
        cluster.merge(&at, json!({ "spec": { "replicas": 7 } })).await;
    }

    newer(file).apply("upgrade", cluster.folder()).unwrap();
    let upgraded = workload().await;
    assert!(image(&upgraded).ends_with(TAG) || image(&upgraded).ends_with(DIGEST), "{file:?}");
    assert_eq!(upgraded["metadata"]["uid"], installed["metadata"]["uid"], "it is the same one");
    let wanted = if is_scaled { json!(7) } else { installed["spec"]["replicas"].clone() };
    assert_eq!(upgraded["spec"]["replicas"], wanted, "{file:?}");
    make_pod_again(cluster, &upgraded).await;

    helm::release("rollback", cluster.folder()).unwrap();
    let back = workload().await;
    let template = |workload: &Value| workload["spec"]["template"].clone();
    assert_eq!(template(&back), template(&installed), "{file:?}");
    assert_eq!(back["metadata"]["uid"], installed["metadata"]["uid"]);

    helm::release("uninstall", cluster.folder()).unwrap();
    for path in &paths {
        assert!(cluster.find(path).await.is_none(), "{file:?}: {path}");
    }
    if let Some(claim) = claim {
        let kept = cluster.find(&claim).await.expect("the log outlives the release");
        assert!(kept["metadata"]["deletionTimestamp"].is_null());
        let kept_by = &installed["spec"]["persistentVolumeClaimRetentionPolicy"];
        assert_eq!(*kept_by, json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }));
        // The next value file's may have the same name. No controller is there who would see that
        // nobody uses it.
        cluster.merge(&claim, json!({ "metadata": { "finalizers": null } })).await;
        cluster.remove(&claim).await;
    }
    let secrets = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    assert_eq!(cluster.find(&secrets).await.unwrap()["items"], json!([]), "{file:?}");
}

async fn make_pod_again(cluster: &Cluster, workload: &Value) {
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    cluster.make(&pods, &pod_and_claim(workload).0).await.unwrap();
    cluster.remove(&format!("{pods}/demo-0?gracePeriodSeconds=0")).await;
}

#[tokio::test]
async fn every_value_file_is_installed_upgraded_rolled_back_and_uninstalled() {
    let Some(cluster) = Cluster::start().await else { return };
    for file in value_files("ci") {
        goes_through_its_life(&cluster, &file).await;
    }
}

/// Copies the chart, with a text of the pod's template replaced.
fn altered(into: &Path, old: &str, new: &str) -> PathBuf {
    let to = into.join("altered");
    let _ = std::fs::remove_dir_all(&to);
    let copied = std::process::Command::new("cp").arg("-r").arg(helm::chart()).arg(&to).status();
    assert!(copied.unwrap().success());
    let template = to.join("templates/_pod.tpl");
    let text = std::fs::read_to_string(&template).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old}");
    std::fs::write(template, text.replace(old, new)).unwrap();
    to
}

/// Helm and the server are what refuses them here, not kubeconform.
#[tokio::test]
async fn a_member_that_is_unknown_or_of_another_type_is_refused() {
    let Some(cluster) = Cluster::start().await else { return };
    let file = helm::ci("postgres.yaml");
    for (old, new, told) in [
        ("readOnlyRootFilesystem:", "readOnlyRootFileSystem:", "readOnlyRootFileSystem"),
        ("containerPort: 8081", "containerPort: http", "containerPort"),
        ("drop: [ALL]", "drop: []", "restricted"),
    ] {
        let chart = altered(cluster.folder(), old, new);
        let installed = Helm::of(chart).file(&file).apply("install", cluster.folder());
        let why = match told {
            // The server takes it, since it is about pods: a controller would fail to make them.
            "restricted" => {
                let workload = cluster.find(&paths(&file).1).await.unwrap();
                let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
                cluster.make(&pods, &pod_and_claim(&workload).0).await.unwrap_err()
            }
            _ => installed.unwrap_err(),
        };
        assert!(why.contains(told), "{new}: {why}");
        let _ = helm::release("uninstall", cluster.folder());
    }
}

/// The rest of docs/kubernetes.md, SQLite: what can't be changed, and the way to a larger volume
/// and to another store.
#[tokio::test]
async fn a_volume_s_size_is_fixed_until_its_workload_is_made_anew_and_another_store_leaves_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let (file, folder) = (helm::ci("sqlite.yaml"), cluster.folder());
    let (_, at) = paths(&file);
    Helm::new().file(&file).apply("install", folder).unwrap();
    let claim = make_pod_and_claim(&cluster, &cluster.find(&at).await.unwrap()).await.unwrap();
    let larger = || Helm::new().file(&file).set("store.sqlite.size=30Gi");
    let why = larger().apply("upgrade", folder).unwrap_err();
    assert!(why.contains("updates to statefulset spec for fields other than"), "{why}");
    Helm::new().file(&file).apply("upgrade", folder).expect("a failed upgrade leaves it usable");
    // No controller is there who would make orphans of the pods first.
    cluster.remove(&at).await;
    larger().apply("upgrade", folder).unwrap();
    let templates = &cluster.find(&at).await.unwrap()["spec"]["volumeClaimTemplates"];
    assert_eq!(templates[0]["spec"]["resources"]["requests"]["storage"], "30Gi");
    let other = helm::ci("postgres.yaml");
    Helm::new().file(&other).apply("upgrade", folder).unwrap();
    assert!(cluster.find(&at).await.is_none());
    assert!(cluster.find(&paths(&other).1).await.is_some());
    assert!(cluster.find(&claim).await.is_some(), "the log stays");
}

/// Helm 4 applies at the server, which knows who set a member last.
#[tokio::test]
async fn replicas_that_somebody_else_has_set_are_a_conflict_until_helm_is_told_to_take_them() {
    let Some(cluster) = Cluster::start().await else { return };
    let (file, folder) = (helm::ci("postgres.yaml"), cluster.folder());
    let (_, at) = paths(&file);
    Helm::new().file(&file).apply("install", folder).unwrap();
    cluster.merge(&at, json!({ "spec": { "replicas": 7 } })).await;
    let why = newer(&file).apply("upgrade", folder).unwrap_err();
    assert!(why.contains(".spec.replicas"), "{why}");
    newer(&file).flag("--force-conflicts").apply("upgrade", folder).unwrap();
    assert_eq!(cluster.find(&at).await.unwrap()["spec"]["replicas"], 3);
}

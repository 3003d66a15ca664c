//! The actor `ApiServer`: a light double of Kubernetes's API server, which has ConfigMaps alone.
//! Helm asks it for them when it renders the chart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::helm::NAMESPACE;

/// Kinds of objects: the path of their group, its version, and the name of each kind in paths and
/// in objects.
type Group = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The kinds that Helm may ask for: it looks whether an object of the chart is there already.
const KINDS: [Group; 3] = [
    (
        "/api/v1",
        "v1",
        &[
            ("configmaps", "ConfigMap"),
            ("services", "Service"),
            ("serviceaccounts", "ServiceAccount"),
        ],
    ),
    ("/apis/apps/v1", "apps/v1", &[("deployments", "Deployment")]),
    ("/apis/policy/v1", "policy/v1", &[("poddisruptionbudgets", "PodDisruptionBudget")]),
];

/// An API server that is none.
pub struct ApiServer {
    folder: TempDir,
    /// The files of each ConfigMap.
    maps: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl ApiServer {
    pub async fn start() -> Self {
        let (folder, maps) = (tempfile::tempdir().unwrap(), Arc::<Mutex<_>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "only",
            "clusters": [{ "name": "only", "cluster": { "server": url } }],
            "users": [{ "name": "only", "user": {} }],
            "contexts": [{ "name": "only", "context": { "cluster": "only", "user": "only" } }],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        let serving = maps.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, serving.clone()));
            }
        });
        Self { folder, maps }
    }

    /// The folder with the server's `kubeconfig`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a ConfigMap, or changes it.
    pub fn put(&self, name: &str, files: Value) {
        self.maps.lock().unwrap().insert(name.to_owned(), files);
    }
}

async fn answer(
    mut connection: TcpStream,
    maps: Arc<Mutex<BTreeMap<String, Value>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.split('?').next()?;
    let (status, body) = match kinds_at(path).or_else(|| map_at(path, &maps)) {
        Some(found) => ("200 OK", found),
        None => ("404 Not Found", json!({ "kind": "Status", "reason": "NotFound", "code": 404 })),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    connection.write_all(format!("{head}{body}").as_bytes()).await.ok()
}

/// Returns what there is at a path about the kinds of objects.
fn kinds_at(path: &str) -> Option<Value> {
    let group = |(_, version, _): &Group| {
        let (name, version) = version.split_once('/')?;
        let version = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
        Some(json!({ "name": name, "versions": [version], "preferredVersion": version }))
    };
    match path {
        "/version" => Some(json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.4" })),
        "/api" => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        "/apis" => {
            let groups: Vec<_> = KINDS.iter().filter_map(group).collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        path => {
            let (_, version, kinds) = KINDS.iter().find(|(at, ..)| *at == path)?;
            let kind = |(name, kind): &(&str, &str)| {
                json!({
                    "name": name, "singularName": "", "namespaced": true, "kind": kind,
                    "verbs": ["get"],
                })
            };
            let kinds: Vec<_> = kinds.iter().map(kind).collect();
            Some(json!({ "kind": "APIResourceList", "groupVersion": version, "resources": kinds }))
        }
    }
}

fn map_at(path: &str, maps: &Mutex<BTreeMap<String, Value>>) -> Option<Value> {
    let all = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/");
    let name = path.strip_prefix(&all)?;
    let files = maps.lock().unwrap().get(name)?.clone();
    // A version that changes with each write stands beside the files, as in a real cluster.
    let version = fastrand::u64(..).to_string();
    Some(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": files,
        "metadata": { "name": name, "namespace": NAMESPACE, "resourceVersion": version },
    }))
}

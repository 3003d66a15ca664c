//! The actor `Cluster`: Kubernetes's own API server, with nobody behind it: objects are checked and
//! kept, and no controller and no kubelet does anything about them.

use std::path::Path;
use std::time::{Duration, Instant};

use crash::ports;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::helm::{self, NAMESPACE};
use super::left_out;

/// The longest time that a start may take on a machine that has other things to do.
const STARTED_WITHIN: Duration = Duration::from_secs(300);
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A running API server with the namespace of the releases; it is killed when it is dropped.
pub struct Cluster {
    folder: TempDir,
    url: String,
    client: Client,
    _server: Child,
}

impl Cluster {
    /// Starts one, unless none was built.
    pub async fn start() -> Option<Self> {
        let home = std::env::var("EVENT_GATEWAY_TEST_API_SERVER");
        let home = home.expect("./test sets it, or leaves it empty");
        if home.is_empty() {
            let why = "there is no API server: scripts/kubernetes/rollout builds it (8 to 23 min)";
            left_out::tell("process::cluster", why);
            return None;
        }
        let (folder, ports) = (tempfile::tempdir().unwrap(), ports::free::<3>());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kubernetes/api-server");
        let server = Command::new(script)
            .arg(folder.path())
            .args(ports.map(|port| port.to_string()))
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("https://127.0.0.1:{}", ports[0]);
        // It signs its own certificate.
        let client = Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let cluster = Self { folder, url, client, _server: server };
        cluster.is_ready("/readyz").await;
        cluster.define(Path::new(&home)).await;
        cluster.make_namespace().await;
        Some(cluster)
    }

    /// The folder with the server's `kubeconfig`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let tokens = std::fs::read_to_string(self.folder().join("tokens")).unwrap_or_default();
        let token = tokens.split(',').next().unwrap();
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token)
    }

    /// Waits until a path is answered.
    async fn is_ready(&self, path: &str) {
        let since = Instant::now();
        while !self.ask(Method::GET, path).send().await.is_ok_and(|it| it.status() == 200) {
            let log = || std::fs::read_to_string(self.folder().join("log"));
            assert!(since.elapsed() < STARTED_WITHIN, "{path}: {:?}", log());
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Adds the kinds of the Gateway API and of the Prometheus operator.
    async fn define(&self, home: &Path) {
        for file in std::fs::read_dir(home.join("definitions")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for definition in helm::objects(&text) {
                self.make(DEFINITIONS, &definition).await.unwrap();
                let spec = &definition["spec"];
                let [group, plural] = [&spec["group"], &spec["names"]["plural"]].map(text_of);
                for version in spec["versions"].as_array().unwrap() {
                    let version = text_of(&version["name"]);
                    self.is_ready(&format!("/apis/{group}/{version}/{plural}")).await;
                }
            }
        }
    }

    /// Makes the namespace, which takes pods of the strictest profile alone.
    async fn make_namespace(&self) {
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
        let namespace = json!({ "metadata": { "name": NAMESPACE, "labels": labels } });
        self.make("/api/v1/namespaces", &namespace).await.unwrap();
    }

    /// Returns an object, or the list of a path, unless there is none.
    pub async fn find(&self, path: &str) -> Option<Value> {
        let answer = self.ask(Method::GET, path).send().await.unwrap();
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        Some(answer.error_for_status().unwrap().json().await.unwrap())
    }

    /// Makes an object, or returns why it is refused.
    pub async fn make(&self, place: &str, object: &Value) -> Result<(), String> {
        let answer = self.ask(Method::POST, place).json(object).send().await.unwrap();
        match answer.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(answer.text().await.unwrap()),
        }
    }

    /// Changes members of an object.
    pub async fn merge(&self, path: &str, members: Value) {
        let merge = self.ask(Method::PATCH, path).body(members.to_string());
        let merge = merge.header("Content-Type", "application/merge-patch+json");
        assert_eq!(merge.send().await.unwrap().status(), 200);
    }

    /// Removes an object.
    pub async fn remove(&self, path: &str) {
        let removed = self.ask(Method::DELETE, path).send().await.unwrap();
        assert!(removed.status().is_success(), "{path}: {}", removed.status());
    }
}

/// Returns the path of an object of the namespace.
pub fn path_of(object: &Value) -> String {
    let kind = text_of(&object["kind"]).to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    let version = text_of(&object["apiVersion"]);
    let api = if version.contains('/') { "apis" } else { "api" };
    let name = text_of(&object["metadata"]["name"]);
    format!("/{api}/{version}/namespaces/{NAMESPACE}/{plural}/{name}")
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

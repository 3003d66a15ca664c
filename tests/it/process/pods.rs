//! The pod of each value file, as far as Kubernetes's probes see it: without its store it does not
//! start, without Kafka it is ready, and once its store is gone it lives and is not ready.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use crash::PATIENCE;
use crash::folder::Folder;
use crash::mongodb::PrivateMongodb;
use crash::postgres::PrivatePostgres;
use crash::serve::Setup;
use crash::store::Server;
use reqwest::{Client, Url};
use serde_json::Value;

use crate::support::helm::{Helm, value_files};
use crate::support::pem::{self_signed, store_of, write_pair};
use crate::support::pod::Pod;
use crate::support::serve;

const SECRET: &str = "s3cr3t-word-that-is-long-enough-for-a-key";
/// That of the private servers.
const PASSWORD: &str = "only-for-tests";

/// The store of a value file: a server of the test's own, or the file on the pod's volume.
enum Store {
    Server(Box<Server>),
    File,
}

/// A value file's pod, with everything that it needs but a Kafka.
struct Site {
    store: Store,
    pod: Pod,
    setup: Setup,
}

impl Site {
    async fn new(file: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = self_signed();
        write_pair(folder.path(), &pair);
        let (certificate, key) = pair;
        let store_of_pair = store_of(&certificate, &key, SECRET);
        let (store, url, values) = store(file, folder).await;
        let values = values.iter().fold(Helm::new().file(file), |helm, value| helm.set(value));
        let pod = Pod::of(&values.set("logLevel=debug").template().unwrap());
        let secret = SECRET.as_bytes();
        let secrets = [
            ("store", "url", url.as_bytes()),
            ("store", "ca.crt", &certificate),
            ("folio-db", "DB_PASSWORD", PASSWORD.as_bytes()),
            ("kafka-user", "username", b"gateway".as_slice()),
            ("kafka-user", "password", secret),
            ("kafka-user", "user.p12", &store_of_pair),
            ("kafka-user", "user.password", secret),
            ("kafka-ca", "ca.crt", &certificate),
            ("kafka-ca", "ca.p12", &store_of_pair),
            ("kafka-ca", "ca.password", secret),
            ("kafka-client", "secret", secret),
            ("kafka", "linger", b"5"),
            ("traces", "headers", b"authorization=Bearer%20x"),
            ("hexkit", "url", b"mongodb://127.0.0.1:1/hexkit?replicaSet=rs0"),
            ("mod-authtoken", "jwt.signing.key", secret),
            ("event-gateway-tls", "tls.crt", &certificate),
            ("event-gateway-tls", "tls.key", &key),
        ];
        let setup = pod.laid(serve::setup(&[]), &secrets);
        Self { store, pod, setup }
    }

    /// Takes the store away.
    fn kill(&mut self) {
        match &mut self.store {
            Store::Server(server) => server.kill(),
            Store::File => std::fs::rename(self.volume(), self.away()).unwrap(),
        }
    }

    /// Gives it back.
    async fn bring_back(&mut self) {
        match &mut self.store {
            Store::Server(server) => server.restart().await,
            Store::File => std::fs::rename(self.away(), self.volume()).unwrap(),
        }
    }

    fn volume(&self) -> std::path::PathBuf {
        self.setup.path().join("root/var/lib/event-gateway")
    }

    fn away(&self) -> std::path::PathBuf {
        self.setup.path().join("root/var/lib/away")
    }

    /// Waits until the readiness probe's answer is this one; the liveness probe is answered
    /// meanwhile, as often.
    async fn is(&self, url: &str, status: u16, word: &str) {
        let client = Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let path = |probe: &str| {
            let get = &self.pod.container()[probe]["httpGet"];
            let scheme = get["scheme"].as_str().unwrap_or("HTTP").to_ascii_lowercase();
            let (_, address) = url.split_once("://").unwrap();
            format!("{scheme}://{address}{}", get["path"].as_str().unwrap())
        };
        let since = Instant::now();
        loop {
            let alive = client.get(path("livenessProbe")).send().await.unwrap();
            assert_eq!(alive.status(), 200);
            let ready = client.get(path("readinessProbe")).send().await.unwrap();
            let found = (ready.status().as_u16(), ready.text().await.unwrap());
            let said: Value = serde_json::from_str(&found.1).unwrap();
            if found.0 == status && said["status"] == word {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{url}: {found:?}\n{}", self.setup.log());
        }
    }

    /// Starts without a store: the process ends, and the last line of its log names the place.
    fn does_not_start(&self, file: &Path) {
        let output = self.setup.command(&["serve"]).output().unwrap();
        let log = self.setup.log();
        assert_eq!(output.status.code(), Some(1), "{file:?}: {log}");
        assert!(output.stdout.is_empty(), "it never listened");
        let place = match self.store {
            Store::Server(_) => "127.0.0.1:",
            Store::File => "event-gateway.db",
        };
        assert!(log.lines().last().unwrap().contains(place), "{file:?}: {log}");
    }
}

/// Starts the store of a value file. Returns its URL, and the values that name it.
async fn store(file: &Path, folder: tempfile::TempDir) -> (Store, String, Vec<String>) {
    let server = |server| Store::Server(Box::new(server));
    match file.file_name().unwrap().to_str().unwrap() {
        "sqlite.yaml" | "listener.yaml" => (Store::File, String::new(), Vec::new()),
        "mongodb.yaml" => {
            let token = "kafka.oauthbearer.tokenEndpointUrl=https://127.0.0.1:1/token".to_owned();
            let mongodb = PrivateMongodb::start().await;
            let url = mongodb.url();
            (server(Server::Mongodb(mongodb)), url, [no_kafka(), vec![token]].concat())
        }
        "okapi.yaml" => {
            let key = folder.path().join("tls.key");
            // A server that root starts runs as another user, to whom alone its key may belong.
            std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
            let _ = std::process::Command::new("chown").arg("postgres").arg(&key).output();
            let file = |name: &str| folder.path().join(name).display().to_string();
            let settings = [
                "ssl=on".to_owned(),
                format!("ssl_cert_file={}", file("tls.crt")),
                format!("ssl_key_file={}", file("tls.key")),
            ];
            let settings = settings.each_ref().map(String::as_str);
            let postgres = PrivatePostgres::start_in(Folder::Own(folder), &settings).await;
            let url = postgres.url();
            (server(Server::Postgres(postgres)), url, no_kafka())
        }
        "postgres.yaml" => {
            let postgres = PrivatePostgres::start(&[]).await;
            let url = Url::parse(&postgres.url()).unwrap();
            let values = [
                "host=127.0.0.1".to_owned(),
                format!("port={}", url.port().unwrap()),
                format!("username={}", url.username()),
                "database=postgres".to_owned(),
            ];
            let values = values.map(|value| format!("store.postgres.{value}")).to_vec();
            (server(Server::Postgres(postgres)), String::new(), [no_kafka(), values].concat())
        }
        other => panic!("no store is known for {other}"),
    }
}

/// The values of a Kafka where nobody answers.
fn no_kafka() -> Vec<String> {
    vec!["kafka.hosts=127.0.0.1".to_owned(), "kafka.port=1".to_owned()]
}

async fn behaves_as_designed(file: &Path) {
    let mut site = Site::new(file).await;
    // The file's own volume is there, or no pod would start: it is another program's.
    match site.store {
        Store::File => {
            let log = site.volume().join("event-gateway.db");
            std::fs::write(&log, "another program's").unwrap();
            site.does_not_start(file);
            std::fs::remove_file(log).unwrap();
        }
        Store::Server(_) => {
            site.kill();
            site.does_not_start(file);
            site.bring_back().await;
        }
    }
    let serve = site.setup.serve();
    let url = serve.url.clone();
    let has_kafka = site.pod.variables().contains(&"KAFKA_HOST");
    let waits = if has_kafka { "degraded" } else { "ready" };
    site.is(&url, 200, waits).await;
    site.kill();
    site.is(&url, 503, "DOWN").await;
    site.bring_back().await;
    site.is(&url, 200, waits).await;
    assert_eq!(serve.terminate().code(), Some(0), "{file:?}: {}", site.setup.log());
    for secret in [SECRET, PASSWORD] {
        assert!(!site.setup.log().contains(secret), "{file:?}: {}", site.setup.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_needs_its_store_to_start_and_to_be_ready_and_kafka_for_neither() {
    for file in value_files("ci") {
        behaves_as_designed(&file).await;
    }
}

//! The actor `Collector`: OpenTelemetry's own collector, which `scripts/services` has built. It takes
//! traces by OTLP over HTTP, and writes them to a file.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crash::{PATIENCE, ports};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// A running collector; it is killed when it is dropped.
pub struct Collector {
    process: Child,
    /// The URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    folder: TempDir,
}

/// A span that the collector took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The name of the service whose span it is.
    pub service: String,
    pub name: String,
    /// The id of its trace.
    pub trace: String,
    pub id: String,
    /// The id of the span that it is a part of; empty if it begins its trace.
    pub parent: String,
    /// The span's attributes and those of its service, by their names, as texts.
    pub attributes: Vec<(String, String)>,
    /// Whether its status is an error.
    pub is_error: bool,
}

impl Collector {
    /// Starts it.
    pub async fn start() -> Self {
        Self::serve("http", "").await
    }

    /// Starts it with TLS, by a certificate's file and its key's.
    pub async fn start_with_tls([certificate, key]: &[String; 2]) -> Self {
        let tls = format!(", tls: {{cert_file: '{certificate}', key_file: '{key}'}}");
        Self::serve("https", &tls).await
    }

    /// The same, if it takes nothing from a client without a certificate of this authority, a file.
    pub async fn start_for_clients_of([certificate, key]: &[String; 2], authority: &str) -> Self {
        let files = format!("cert_file: '{certificate}', key_file: '{key}'");
        let tls = format!(", tls: {{{files}, client_ca_file: '{authority}'}}");
        Self::serve("https", &tls).await
    }

    async fn serve(scheme: &str, tls: &str) -> Self {
        let program = std::env::var("EVENT_GATEWAY_TEST_COLLECTOR")
            .expect("run ./test, or `scripts/services start`");
        let (folder, [port]) = (tempfile::tempdir().unwrap(), ports::free());
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'{tls}}}}}}}}}\n\
             exporters: {{file: {{path: spans}}}}\n\
             service:\n  \
               telemetry: {{metrics: {{level: none}}}}\n  \
               pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}\n"
        );
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(program)
            .arg("--config=file:config.yaml")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut collector = Self { process, url: format!("{scheme}://127.0.0.1:{port}"), folder };
        collector.listens().await;
        collector
    }

    async fn listens(&mut self) {
        let address = self.url.split_once("://").unwrap().1.to_owned();
        let since = Instant::now();
        while TcpStream::connect(&address).await.is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log"));
            let has_ended = self.process.try_wait().unwrap().is_some();
            assert!(!has_ended && since.elapsed() < PATIENCE, "{:?}", log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has taken so many spans of a trace, and returns those, in order of their names.
    pub async fn spans(&self, trace: &str, count: usize) -> Vec<Taken> {
        let since = Instant::now();
        loop {
            let mut spans = self.all();
            spans.retain(|span| span.trace == trace);
            if spans.len() >= count {
                spans.sort_by(|one, other| one.name.cmp(&other.name));
                return spans;
            }
            assert!(since.elapsed() < PATIENCE, "{trace}: {spans:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns all spans that it has taken so far.
    pub fn all(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.folder.path().join("spans")).unwrap_or_default();
        // The last line may not be whole yet.
        let batches = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        batches.flat_map(|batch| spans(&batch)).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spans(batch: &Value) -> Vec<Taken> {
    let mut all = Vec::new();
    for resource in list(&batch["resourceSpans"]) {
        let of_service = attributes(&resource["resource"]);
        let service = of_service.iter().find(|(name, _)| name == "service.name").unwrap();
        for span in list(&resource["scopeSpans"]).iter().flat_map(|scope| list(&scope["spans"])) {
            let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
            all.push(Taken {
                service: service.1.clone(),
                name: text("name"),
                trace: text("traceId"),
                id: text("spanId"),
                parent: text("parentSpanId"),
                attributes: [attributes(span), of_service.clone()].concat(),
                is_error: span["status"]["code"] == 2,
            });
        }
    }
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn attributes(of: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = |of: &Value| of.as_object().and_then(|it| it.values().next().map(text));
    let all = list(&of["attributes"]).iter();
    all.map(|it| (text(&it["key"]), value(&it["value"]).unwrap_or_default())).collect()
}

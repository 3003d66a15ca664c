//! Prometheus and promtool of Debian's package, which `scripts/services` has unpacked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crash::ports;
use serde_json::Value;
use tempfile::TempDir;

fn program(name: &str) -> PathBuf {
    let home = std::env::var("EVENT_GATEWAY_TEST_PROMETHEUS").unwrap_or_else(|_| {
        panic!("EVENT_GATEWAY_TEST_PROMETHEUS isn't set: run ./test, or `scripts/services start`")
    });
    Path::new(&home).join("bin").join(name)
}

/// Runs promtool in a folder.
pub fn promtool(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("promtool")).args(arguments).current_dir(folder).output().unwrap()
}

/// A running Prometheus that scrapes one gateway, in the namespace `folio`.
pub struct Prometheus {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Prometheus {
    /// Starts it.
    pub fn start(gateway: &str, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = gateway.trim_start_matches("http://");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yaml]\n\
             scrape_configs:\n\
             - job_name: demo-event-gateway\n  \
               static_configs: [{{targets: ['{target}'], labels: {{namespace: folio}}}}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yaml"), config).unwrap();
        std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        let [port] = ports::free();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(program("prometheus"))
            .arg("--config.file=prometheus.yaml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, url: format!("http://{address}"), folder }
    }

    /// Returns the result of a query, or why there is none.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let ask = reqwest::get(format!("{}/api/v1/query?query={encoded}", self.url));
        let answer = ask.await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        match answer["data"]["result"].as_array() {
            Some(found) => Ok(found.clone()),
            None => Err(format!("{query}: {answer}")),
        }
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! Handlers that do nothing: the events a second that are brought to a webhook and to a program, one
//! at a time and in order, beside kafkaesk's worker on the topic of the same events.

use std::cell::RefCell;
use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;
use crash::receiver::{self, Reply};
use crash::root;
use crash::serve::Setup;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{Plan, load};
use crate::contest::{Contest, per_second};
use crate::gateway::{Gateway, tenants};
use crate::kafka;
use crate::stores::Store;

/// The variable that names the Python which has kafkaesk: `.services/env` sets it.
const PYTHON: &str = "EVENT_GATEWAY_TEST_KAFKAESK_PYTHON";
/// The program, which answers each line.
const PROGRAM: &str = r#"import sys
for line in sys.stdin: print('{"outcome":"ok"}', flush=True)"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The metric of the events that were done.
const DELIVERED: &str = "event_gateway_handler_delivered_total";
/// As many records as the gateway puts into a page.
const PAGE: usize = 500;

/// Runs the rounds.
pub async fn run(store: Store, events: u64, rounds: usize) {
    let (place, broker, names) = (store.start().await, PrivateBroker::start(), tenants(1));
    let (kafka, tenant) = (broker.address(), names[0].as_str());
    let webhook = receiver::start(|_| ready(Reply::Status(204))).await;
    let what = format!("handlers, {}, {events} events, one at a time", store.name());
    let mut rate = Contest::new(what, "events/s");
    // Kafka's JVM compiles its code while it runs, which slows the first round.
    kafka::produce(&kafka, "warmup", 100_000, PAGE).await;
    for _ in 0..rounds {
        let files = RefCell::new(PathBuf::new());
        let mut ours = Gateway::start_as(&place, None, &names, &|setup| with_files(setup, &files));
        let events = load(&Plan::backlog(ours.address, &names, events)).await.acknowledged;
        ours.restart_with(&kafka);
        ours.until_published(events).await;

        let handler = json!({ "webhook": { "url": webhook, "secrets": [SECRET] } });
        let form = json!({ "start": "earliest", "handler": handler });
        ask(&ours, Method::PUT, tenant, "cg.webhook", &form).await;
        rate.add("a webhook", brought(&ours, 0, events).await);
        ask(&ours, Method::DELETE, tenant, "cg.webhook", &Value::Null).await;

        fs::write(files.borrow().join("cg.program.toml"), file(tenant)).unwrap();
        rate.add("a program", brought(&ours, events, 2 * events).await);
        ask(&ours, Method::DELETE, tenant, "cg.program", &Value::Null).await;

        if let Some(figure) = kafkaesk(&kafka, &ours.topic(tenant), events) {
            rate.add("kafkaesk's worker", figure);
        }
    }
    rate.tell();
}

/// Sets a gateway up whose subscriptions have files, and whose webhooks may lead to this host.
fn with_files(setup: Setup, files: &RefCell<PathBuf>) -> Setup {
    let folder = setup.path().join("subscriptions");
    fs::create_dir(&folder).unwrap();
    files.replace(folder);
    let path = std::env::var("PATH").unwrap_or_default();
    let setup = setup.with("SUBSCRIPTIONS_DIR", "subscriptions").with("PATH", path);
    setup.with("WEBHOOK_NETWORKS", "127.0.0.0/8")
}

/// Returns the file of a group of the tenant whose events are brought to the program.
fn file(tenant: &str) -> String {
    let words = json!(["python3", "-c", PROGRAM]);
    format!("tenants = [\"{tenant}\"]\nstart = \"earliest\"\n\n[handler]\nexec = {words}\n")
}

async fn ask(ours: &Gateway, method: Method, tenant: &str, group: &str, form: &Value) {
    let url = format!("http://{}/subscriptions/{group}", ours.address);
    let request = Client::new().request(method, url).header("X-Okapi-Tenant", tenant);
    let request = if form.is_null() { request } else { request.json(form) };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{group}: {}", answer.status());
}

/// Returns how many events were brought in a second, while their number rose from one to another.
async fn brought(ours: &Gateway, from: u64, to: u64) -> f64 {
    let (mut first, mut last) = (None, (from, Instant::now()));
    while last.0 < to {
        sleep(Duration::from_millis(5)).await;
        let delivered = delivered(ours).await;
        if delivered > last.0 {
            last = (delivered, Instant::now());
            first.get_or_insert(last);
        }
        assert!(last.1.elapsed() < crash::PATIENCE, "{delivered} of {to} events were brought");
    }
    let (count, since) = first.unwrap_or(last);
    per_second(last.0 - count, last.1 - since)
}

async fn delivered(ours: &Gateway) -> u64 {
    let metrics = reqwest::get(format!("http://{}/metrics", ours.address)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let mut values = metrics.lines().filter_map(|line| line.strip_prefix(DELIVERED));
    values.find_map(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// Returns the rate of kafkaesk's worker; `None` if it is not installed.
fn kafkaesk(kafka: &str, topic: &str, events: u64) -> Option<f64> {
    let Some(python) = std::env::var_os(PYTHON).filter(|python| Path::new(python).is_file()) else {
        eprintln!("kafkaesk is left out: `scripts/services start`, then `. .services/env`");
        return None;
    };
    let mut worker = Command::new(python);
    worker.arg(root().join("benches/peers/kafkaesk/worker.py"));
    worker.args([kafka, topic, &events.to_string()]).stderr(Stdio::inherit());
    let done = worker.output().unwrap();
    assert!(done.status.success(), "kafkaesk's worker has failed");
    Some(String::from_utf8(done.stdout).unwrap().trim().parse().unwrap())
}

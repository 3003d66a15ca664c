//! The webhooks of the page about handlers, beside the real binary: each does the work of an event
//! once, in order, and answers nobody who does not know its secret.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crash::serve::{Serve, Setup, get};
use crash::{ports, until};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::support::documentation::block::{self, Kind};
use crate::support::serve;

const PAGE: &str = "docs/handlers.md";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A webhook of the page in a process of its own, which is killed in the end.
struct Webhook {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Webhook {
    /// Starts a file of the page with this program.
    fn start(program: &str, file: &str) -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        let blocks = block::read(&std::fs::read_to_string(page).unwrap()).unwrap();
        let text = blocks.into_iter().find_map(|block| match block.kind {
            Kind::File(name, text) if name == file => Some(text),
            _ => None,
        });
        let (folder, [port]) = (tempfile::tempdir().unwrap(), ports::free());
        std::fs::write(folder.path().join(file), text.unwrap()).unwrap();
        let address = format!("127.0.0.1:{port}");
        let said = std::fs::File::create(folder.path().join("said")).unwrap();
        let mut command = Command::new(program);
        command.args([file, &address]).env("WEBHOOK_SECRET", SECRET).current_dir(folder.path());
        let child = command.stdin(Stdio::null()).stdout(said).spawn().unwrap();
        Self { child, folder, url: format!("http://{address}/") }
    }

    fn said(&self) -> Vec<String> {
        let said = std::fs::read_to_string(self.folder.path().join("said")).unwrap();
        said.lines().map(str::to_owned).collect()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn ask(serve: &Serve, method: Method, path: &str, body: Value) -> Value {
    let request = Client::new().request(method, format!("{}{path}", serve.url));
    let answer = request.header("X-Okapi-Tenant", "diku").json(&body).send().await.unwrap();
    let status = answer.status();
    let answer = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {answer}");
    serde_json::from_str(&answer).unwrap()
}

async fn put(serve: &Serve, group: &str, url: &str, secret: &str, failure: Value) {
    let webhook = json!({ "url": url, "secrets": [secret] });
    let form = json!({ "handler": { "webhook": webhook }, "failure": failure });
    ask(serve, Method::PUT, &format!("/subscriptions/{group}"), form).await;
}

/// Waits until everything that was posted is committed.
async fn is_done(serve: &Serve) {
    let group = format!("{}/subscriptions/cg.search", serve.url);
    until("it is committed", async || get(&group, "diku").await["position"] == 3).await;
}

fn setup() -> Setup {
    let setup = serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none");
    setup.with("WEBHOOK_NETWORKS", "127.0.0.0/8")
}

async fn works(program: &str, file: &str) {
    let (setup, webhook) = (setup(), Webhook::start(program, file));
    let serve = setup.serve();
    for key in ["a", "b", "a"] {
        let change = json!({ "new": { "id": key } });
        ask(&serve, Method::POST, "/domain-events/inventory/item", change).await;
    }
    // It may take a while until it listens.
    let often = json!({ "attempts": 100, "waitMs": 300, "waitFactor": 1, "waitMsMax": 300 });
    put(&serve, "cg.search", &webhook.url, SECRET, often).await;
    let wanted = ["CREATE a", "CREATE b", "CREATE a"];
    until("each event is worked on", async || webhook.said() == wanted).await;
    is_done(&serve).await;

    // What comes again is answered, and worked on no more.
    ask(&serve, Method::POST, "/subscriptions/cg.search/pause", json!({})).await;
    let back = json!({ "to": "earliest" });
    let moved = ask(&serve, Method::POST, "/subscriptions/cg.search/seek", back).await;
    assert_eq!(moved["position"], 0);
    ask(&serve, Method::POST, "/subscriptions/cg.search/resume", json!({})).await;
    is_done(&serve).await;
    assert_eq!(webhook.said(), wanted);

    let once = json!({ "policy": "park", "attempts": 1 });
    put(&serve, "cg.other", &webhook.url, OTHER, once).await;
    let letters = format!("{}/subscriptions/cg.other/dead-letters", serve.url);
    let all = async || get(&letters, "diku").await["deadLetters"].as_array().unwrap().clone();
    until("each event is refused", async || all().await.len() == 3).await;
    let reason = all().await[0]["reason"].to_string();
    assert!(reason.contains("401"), "{reason}");
    assert_eq!(webhook.said(), wanted);
    works_on_what_is_redriven(&serve, &Webhook::start(program, file)).await;
    assert!(!setup.log().contains("whsec_"), "{}", setup.log());
    assert!(serve.terminate().success());
}

/// Parks an item, has a loan of its key done, and redrives the item, which must be done then. Only
/// the group `cg.other` is brought to this webhook.
async fn works_on_what_is_redriven(serve: &Serve, webhook: &Webhook) {
    let (items, loans) = ("/domain-events/inventory/item", "/domain-events/circulation/loan");
    let (group, key) = (format!("{}/subscriptions/cg.other", serve.url), "c\"c");
    let change = json!({ "new": { "id": key } });
    put(serve, "cg.other", &webhook.url, OTHER, json!({ "policy": "park", "attempts": 1 })).await;
    ask(serve, Method::POST, items, change.clone()).await;
    let dead = async || get(&group, "diku").await["deadLetters"]["count"].clone();
    until("the item is a dead letter", async || dead().await == 4).await;
    let often = json!({ "policy": "park", "attempts": 100, "waitMs": 300, "waitFactor": 1 });
    put(serve, "cg.other", &webhook.url, SECRET, often).await;
    ask(serve, Method::POST, loans, change).await;
    until("the loan is done", async || get(&group, "diku").await["position"] == 5).await;
    assert_eq!(webhook.said().len(), 1);
    let redrive = "/subscriptions/cg.other/dead-letters/redrive";
    ask(serve, Method::POST, redrive, json!({ "keys": [key] })).await;
    until("the item is done", async || dead().await == 3).await;
    let said = webhook.said();
    let is_its = |line: &String| line.starts_with("CREATE c");
    assert!(said.len() == 2 && said.iter().all(is_its), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_in_python_works_on_each_event_once_and_for_nobody_else() {
    works("python3", "handler.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_in_node_works_on_each_event_once_and_for_nobody_else() {
    works("node", "handler.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_in_java_works_on_each_event_once_and_for_nobody_else() {
    works("java", "Handler.java").await;
}

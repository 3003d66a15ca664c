//! The document of the API, judged by two programs that are not ours: it is OpenAPI 3.1, and the
//! real binary does what it says, on each store.
//!
//! `openapi/hooks.py` has the rules that no JSON Schema can say, and `openapi/acts.py` calls what
//! needs a Kafka.

use std::path::Path;
use std::process::{Command, Output};

use crash::serve::{Serve, Setup, get_until};
use crash::story;
use serde_json::{Value, json};

use crate::support::serve;
use crate::support::services::kafka::{TestTopic, create_topic};
use crate::support::services::{kafka, mongodb, postgres};

/// The fewest requests of a run.
const CASES_MIN: usize = 1_000;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/openapi"))
}

/// Runs a module of Python beside a gateway of that `ENV`, and returns what it printed.
async fn python(env: &str, arguments: &[&str]) -> Output {
    let python = std::env::var("EVENT_GATEWAY_TEST_OPENAPI_PYTHON").expect(
        "EVENT_GATEWAY_TEST_OPENAPI_PYTHON isn't set: run ./test, or `scripts/services start` and \
         `. .services/env`",
    );
    let mut command = Command::new(python);
    let own = tempfile::tempdir().unwrap();
    command.arg("-m").args(arguments).env("PYTHONPATH", folder()).current_dir(own.path());
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1");
    command.env("EVENT_GATEWAY_ENV", env);
    let run = move || (command.output(), own);
    tokio::task::spawn_blocking(run).await.unwrap().0.unwrap()
}

/// Sets up a gateway whose tables are its own: their names have `ENV` in them.
fn setup(env: &str) -> Setup {
    serve::setup(&["diku", "college"])
        .for_each_tenant("[process_events.\"data-import.DI_COMPLETED\"]\n")
        .with("BROKER", "none")
        .with("ENV", env)
}

/// Lets schemathesis call a gateway, and checks what it found.
async fn holds_on(store: Option<String>) {
    let env = kafka::env();
    let setup = store.into_iter().fold(setup(&env), |setup, url| setup.with("STORE_URL", url));
    let serve = setup.serve();
    let (document, settings) =
        (format!("{}/openapi.json", serve.url), folder().join("schemathesis.toml"));
    let settings = settings.to_str().unwrap();
    let done =
        python(&env, &["schemathesis.cli", "--config-file", settings, "run", &document]).await;
    let told = String::from_utf8_lossy(&done.stdout);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}\n{error}");
    let cases = cases(&told);
    assert!(cases >= CASES_MIN, "{cases} cases: {told}");
    assert!(!setup.log().contains("panicked"), "{}", setup.log());
}

/// Returns the number of cases that a run tells, as in `1234 generated, 1234 passed`.
fn cases(told: &str) -> usize {
    let (before, _) = told.split_once(" generated").unwrap_or_else(|| panic!("{told}"));
    let number = before.rsplit(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap();
    number.replace(',', "").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_openapi_3_1() {
    let setup = setup(&kafka::env());
    let serve = setup.serve();
    let document = reqwest::get(format!("{}/openapi.json", serve.url)).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document.bytes().await.unwrap()).unwrap();
    let path = file.path().to_str().unwrap();
    let done = python("", &["openapi_spec_validator", "--schema", "3.1", path]).await;
    let told = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_on_sqlite() {
    holds_on(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_on_postgresql() {
    holds_on(Some(postgres::url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_on_mongodb() {
    holds_on(Some(mongodb::url())).await;
}

/// Posts changes of one entity as `diku`.
async fn post(serve: &Serve, entity: &str, changes: &Value) {
    let request =
        reqwest::Client::new().post(format!("{}/domain-events/inventory/{entity}", serve.url));
    let answer = request.header("X-Okapi-Tenant", "diku").json(changes).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

/// The first 20 events are published, and the keys of the other two are parked.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_for_replays_and_for_what_is_parked() {
    let (env, address) = (kafka::env(), kafka::address());
    let topic = format!("{env}.diku.inventory.item");
    let settings = [("max.message.bytes", "2000")];
    create_topic(&address, TestTopic { name: &topic, partitions: 1, settings: &settings }).await;
    let (host, port) = address.split_once(':').unwrap();
    let setup = setup(&env).with("BROKER", "kafka").with("KAFKA_HOST", host);
    let setup = setup.with("KAFKA_PORT", port);
    let serve = setup.serve();
    let small: Vec<_> = (0..20).map(|key| json!({ "new": { "id": key.to_string() } })).collect();
    post(&serve, "instance", &json!(small)).await;
    for key in ["large", "larger"] {
        let change = json!({ "new": { "id": key, "x": "x".repeat(4_000) } });
        post(&serve, "item", &change).await;
    }
    story::published(&serve.url, "diku", 20).await;
    let are_parked = |told: &Value| {
        let parked = told["parked"].as_array().unwrap();
        parked.len() == 2 && parked.iter().all(|it| it["state"] == "parked")
    };
    get_until(&format!("{}/parked", serve.url), are_parked).await;
    kafka::set(&address, &topic, "max.message.bytes", "1048588").await;
    let done = python(&env, &["acts", &serve.url]).await;
    let told = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&told));
    assert!(!setup.log().contains("panicked"), "{}", setup.log());
}

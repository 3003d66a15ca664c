//! The document of the API, judged by two programs that are not ours: it is OpenAPI 3.1, and the
//! real binary does what it says, on each store, and to whoever calls it.
//!
//! `openapi/hooks.py` has the rules that no JSON Schema can say, `openapi/callers.py` those of
//! tokens, and `openapi/acts.py` calls what needs a Kafka.

use std::path::Path;
use std::process::{Command, Output};

use crash::serve::{Serve, Setup, get_until};
use crash::story;
use event_gateway::access::PERMISSIONS;
use event_gateway::http::access;
use serde_json::{Value, json};

use crate::support::keycloak::Realms;
use crate::support::serve;
use crate::support::services::kafka::{TestTopic, create_topic};
use crate::support::services::{kafka, mongodb, postgres};
use crate::support::tokens::{ALL, Key, USER};

/// The fewest requests of a run.
const CASES_MIN: usize = 1_000;
/// The end of tokens that don't end in a run.
const FAR: u64 = 4_000_000_000;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/openapi"))
}

/// Runs a module of Python with these variables, and returns what it printed.
async fn python(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let python = std::env::var("EVENT_GATEWAY_TEST_OPENAPI_PYTHON").expect(
        "EVENT_GATEWAY_TEST_OPENAPI_PYTHON isn't set: run ./test, or `scripts/services start` and \
         `. .services/env`",
    );
    let mut command = Command::new(python);
    let own = tempfile::tempdir().unwrap();
    command.arg("-m").args(arguments).env("PYTHONPATH", folder()).current_dir(own.path());
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1");
    command.envs(variables.iter().copied());
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

/// The same, on that store; SQLite without one.
fn setup_on(store: Option<String>, env: &str) -> Setup {
    store.into_iter().fold(setup(env), |setup, url| setup.with("STORE_URL", url))
}

/// Lets schemathesis call the gateway of that document with these settings, and returns what it
/// told, once nothing is wrong.
async fn called(settings: &str, variables: &[(&str, &str)], document: &[&str]) -> String {
    let settings = folder().join(settings);
    let start = ["schemathesis.cli", "--config-file", settings.to_str().unwrap(), "run"];
    let done = python(variables, &[&start[..], document].concat()).await;
    let told = String::from_utf8_lossy(&done.stdout);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}\n{error}");
    told.into_owned()
}

/// Lets schemathesis call a gateway, and checks what it found.
async fn holds_on(store: Option<String>) {
    let env = kafka::env();
    let setup = setup_on(store, &env);
    let serve = setup.serve();
    let document = format!("{}/openapi.json", serve.url);
    let told = called("schemathesis.toml", &[("EVENT_GATEWAY_ENV", &env)], &[&document]).await;
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
    let done = python(&[], &["openapi_spec_validator", "--schema", "3.1", path]).await;
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

/// Returns the realms of two tenants and of the operators, and tokens by what is wrong with them, or
/// by realm and permission.
async fn callers() -> (Realms, Value) {
    let realms = Realms::start().await;
    let keys = [("diku", Key::rsa("d", 0)), ("college", Key::ec("c")), ("ops", Key::rsa("o", 1))];
    for (realm, key) in &keys {
        realms.set(realm, &[key]);
    }
    let claims = |realm: &str, roles: &[&str]| {
        realms.claims(realm, json!({ "exp": FAR, "realm_access": { "roles": roles } }))
    };
    let names: Vec<_> = PERMISSIONS.iter().map(|permission| permission.name).collect();
    let all_but = |name: &str| names.iter().copied().filter(|it| *it != name).collect::<Vec<_>>();
    let each = |of: &dyn Fn(&str, &Key) -> Value| -> Value {
        keys.iter().map(|(realm, key)| (*realm, of(realm, key))).collect()
    };
    // Some requests need a permission beside that of their operation.
    let with_more = |name: &str| {
        let its = access().into_iter().filter(|it| it.permission.is_some_and(|it| it.name == name));
        let more = its.flat_map(|it| it.also.iter().map(|more| more.name));
        more.collect::<Vec<_>>()
    };
    let alone = |name: &'static str| [vec![name], with_more(name)].concat();
    let only = each(&|realm, key| {
        names.iter().map(|name| (*name, key.token(&claims(realm, &alone(name))))).collect()
    });
    let others = each(&|realm, key| {
        names.iter().map(|name| (*name, key.token(&claims(realm, &all_but(name))))).collect()
    });
    let (own, other) = (&keys[0].1, Key::rsa("d", 2));
    let tokens = json!({
        "user": USER,
        "unknown": {
            "expired": own.token(&realms.claims("diku", json!({ "exp": 1 }))),
            "signature": other.token(&claims("diku", &[ALL])),
            "issuer": other.token(&claims("stranger", &[ALL])),
        },
        "all": each(&|realm, key| key.token(&claims(realm, &[ALL])).into()),
        "only": only,
        "others": others,
    });
    (realms, tokens)
}

/// Reads a page of a gateway with a token.
async fn read(serve: &Serve, path: &str, token: &Value) -> String {
    let asked = reqwest::Client::new().get(format!("{}{path}", serve.url));
    let answer = asked.bearer_auth(token.as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// Returns how many requests were refused with one of these statuses, as the metrics tell.
fn refused(metrics: &str, statuses: [u16; 2]) -> u64 {
    let lines = metrics.lines().filter(|line| {
        let of = |status| format!("event_gateway_http_problems_total{{status=\"{status}\",");
        statuses.into_iter().any(|status| line.starts_with(&of(status)))
    });
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_for_whoever_has_a_token_that_fits_and_for_whoever_has_none() {
    let (env, (realms, tokens)) = (kafka::env(), callers().await);
    let [diku, college, ops] = ["diku", "college", "ops"].map(|realm| realms.issuer(realm));
    let setup = setup(&env).with("AUTH_MODE", "keycloak").with("AUTH_OPERATOR_ISSUERS", ops);
    let setup = setup.with("AUTH_ISSUERS", format!("{diku},{college}"));
    let serve = setup.serve();
    let [document, callers] = ["openapi.json", "callers.json"].map(|name| setup.path().join(name));
    let text = read(&serve, "/openapi.json", &tokens["all"]["diku"]).await;
    std::fs::write(&document, text).unwrap();
    std::fs::write(&callers, tokens.to_string()).unwrap();
    let callers = callers.to_str().unwrap();
    let variables = [("EVENT_GATEWAY_ENV", &*env), ("EVENT_GATEWAY_CALLERS", callers)];
    let document = [document.to_str().unwrap(), "--url", &serve.url];
    let told = called("callers.toml", &variables, &document).await;
    let metrics = read(&serve, "/metrics", &tokens["all"]["ops"]).await;
    let refused = refused(&metrics, [401, 403]);
    assert!(refused >= CASES_MIN as u64, "{refused} were refused: {told}");
    assert!(!setup.log().contains("panicked"), "{}", setup.log());
}

/// Posts changes of one entity as `diku`.
async fn post(serve: &Serve, entity: &str, changes: &Value) {
    let request =
        reqwest::Client::new().post(format!("{}/domain-events/inventory/{entity}", serve.url));
    let answer = request.header("X-Okapi-Tenant", "diku").json(changes).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

/// Calls what needs a Kafka. The first 20 events are published, and the keys of the other two are
/// parked.
async fn acts_hold_on(store: Option<String>) {
    let (env, address) = (kafka::env(), kafka::address());
    let topic = format!("{env}.diku.inventory.item");
    let settings = [("max.message.bytes", "2000")];
    create_topic(&address, TestTopic { name: &topic, partitions: 1, settings: &settings }).await;
    let (host, port) = address.split_once(':').unwrap();
    let setup = setup_on(store, &env).with("BROKER", "kafka").with("KAFKA_HOST", host);
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
    let done = python(&[("EVENT_GATEWAY_ENV", &env)], &["acts", &serve.url]).await;
    let told = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&told));
    assert!(!setup.log().contains("panicked"), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_for_replays_and_for_what_is_parked_on_sqlite() {
    acts_hold_on(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_for_replays_and_for_what_is_parked_on_postgresql() {
    acts_hold_on(Some(postgres::url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_for_replays_and_for_what_is_parked_on_mongodb() {
    acts_hold_on(Some(mongodb::url())).await;
}

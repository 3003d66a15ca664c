//! A store that goes down and comes back under a running gateway, and the answers meanwhile.

use std::time::Instant;

use mongodb::bson::doc;
use serde_json::Value;

use crash::PATIENCE;
use crash::mongodb::PrivateMongodb;
use crash::postgres::PrivatePostgres;
use crash::serve::{Setup, get};
use crash::store::Server;

use crate::support::serve;
use crate::support::services::mongodb as mongo;
use crate::support::services::postgres;

const PASSWORD: &str = "only-for-tests";
const EVENT_ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a31";

/// A status, whether the answer has a `Retry-After`, and the body.
struct Answer {
    status: u16,
    retry_after: bool,
    text: String,
}

async fn post(url: &str, body: String) -> Answer {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let post =
        client.post(format!("{url}/domain-events/inventory/item")).header("X-Okapi-Tenant", "diku");
    let answer = post.header("Content-Type", "application/json").body(body).send().await.unwrap();
    let (status, retry_after) =
        (answer.status().as_u16(), answer.headers().contains_key("Retry-After"));
    Answer { status, retry_after, text: answer.text().await.unwrap() }
}

async fn readyz(url: &str) -> Answer {
    let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        retry_after: false,
        text: answer.text().await.unwrap(),
    }
}

/// Kills the server twice; each time the answers say so, and contain no secret.
async fn killed(mut server: Server, url: &str, name: &str) {
    assert!(url.contains(PASSWORD), "{url}");
    let setup = serve::setup(&["diku"])
        .with("BROKER", "none")
        .with("STORE_URL", url)
        .with("LOG_LEVEL", "debug");
    let serve = setup.serve();
    let mut said = Vec::new();
    assert_eq!(post(&serve.url, r#"{"new":{"id":"a"}}"#.to_owned()).await.status, 201);
    let repeated = format!(r#"{{"new":{{"id":"b"}},"eventId":"{EVENT_ID}"}}"#);
    for _ in 0..2 {
        server.kill();
        let refused = post(&serve.url, repeated.clone()).await;
        assert!(
            (refused.status, refused.retry_after) == (503, true),
            "{} {}",
            refused.status,
            refused.text
        );
        let down = readyz(&serve.url).await;
        assert_eq!(down.status, 503);
        assert!(down.text.contains(name), "{}", down.text);
        said.extend([refused.text, down.text]);
        server.restart().await;
        let since = Instant::now();
        let accepted = loop {
            let answer = post(&serve.url, repeated.clone()).await;
            if answer.status == 201 {
                break serde_json::from_str::<Value>(&answer.text).unwrap();
            }
            assert!(since.elapsed() < PATIENCE, "{} {}", answer.status, answer.text);
        };
        assert_eq!(accepted["position"], 2);
        while readyz(&serve.url).await.status != 200 {
            assert!(since.elapsed() < PATIENCE);
        }
    }
    let log = get(&format!("{}/domain-events", serve.url), "diku").await;
    assert_eq!(log["events"].as_array().unwrap().len(), 2);
    said.push(setup.log());
    assert!(said.iter().all(|text| !text.contains(PASSWORD)), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_is_killed_is_a_503_until_it_is_back() {
    let server = PrivatePostgres::start(&[]).await;
    let url = server.url();
    killed(Server::Postgres(server), &url, "PostgreSQL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodb_that_is_killed_is_a_503_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = PrivateMongodb::start_closed(folder.path()).await;
    let root = doc! { "createUser": "root", "pwd": PASSWORD, "roles": ["root"] };
    server.admin(root).await.unwrap();
    let url = format!("mongodb://root:{PASSWORD}@{}/?replicaSet=rs0", server.host());
    killed(Server::Mongodb(server), &url, "MongoDB").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_a_document_of_mongodb_is_a_413() {
    let setup = serve::setup(&["diku"]).with("BROKER", "none").with("STORE_URL", mongo::url());
    let setup = setup.with("ENV", mongo::database()).with("MAX_REQUEST_SIZE", 32 << 20);
    let serve = setup.serve();
    let body = |bytes| format!(r#"{{"new":{{"id":"a","x":"{}"}}}}"#, "x".repeat(bytes));
    let refused = post(&serve.url, body((16 << 20) - 100)).await;
    assert_eq!(refused.status, 413, "{}", refused.text);
    assert!(refused.text.contains("record-too-large"), "{}", refused.text);
    let accepted = post(&serve.url, body((16 << 20) - (100 << 10))).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text);
    serve.terminate();
}

/// Names of schemas or databases that are equal when case is ignored.
async fn two_envs(url: &str) {
    let name = postgres::schema();
    let envs = [format!("{name}-x"), format!("{name}_x")];
    let setups = envs.map(|env| {
        serve::setup(&["diku"]).with("BROKER", "none").with("STORE_URL", url).with("ENV", env)
    });
    let [one, other] = [&setups[0], &setups[1]].map(Setup::serve);
    assert_eq!(post(&one.url, r#"{"new":{"id":"a"}}"#.to_owned()).await.status, 201);
    let events = async |url: &str| {
        let log = get(&format!("{url}/domain-events"), "diku").await;
        log["events"].as_array().unwrap().len()
    };
    assert_eq!((events(&one.url).await, events(&other.url).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_of_other_envs_share_a_server_and_nothing_else() {
    two_envs(&postgres::url()).await;
    two_envs(&mongo::url()).await;
}

//! A purge on the real Kafka and in hexkit's collection: it goes on over kills, takes exactly what is
//! the tenant's own, and a tenant that comes back is published again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};

use ::mongodb::bson::doc;
use crash::serve::{Serve, Setup, get};
use crash::until;
use serde_json::{Value, json};

use crate::support::hexkit::HexkitBed;
use crate::support::serve;
use crate::support::services::kafka::{self, consume_at_least, topics};
use crate::support::services::mongodb;

const SETTINGS: &str = r#"
[hexkit]
service_name = "ifrs"
[entities."inventory.item"]
compacted = true
[entities."inventory.loan"]
"#;

/// A gateway with two tenants, and with both sinks.
fn setup(env: &str, bed: &HexkitBed) -> Setup {
    let address = kafka::address();
    let (host, port) = address.split_once(':').unwrap();
    let setup = serve::setup(&["diku", "college"]).for_all_tenants(SETTINGS);
    let setup = setup.with("ENV", env).with("KAFKA_HOST", host).with("KAFKA_PORT", port);
    setup.with("HEXKIT_MONGODB_URL", bed.own_url())
}

async fn post(serve: &Serve, tenant: &str, entity: &str) -> Value {
    let url = format!("{}/domain-events/inventory/{entity}", serve.url);
    let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", tenant);
    let answer = request.json(&json!({ "new": { "id": "a" } })).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{tenant} {entity}");
    answer.json().await.unwrap()
}

/// Returns the lines of `tenants list`.
fn listed(setup: &Setup) -> String {
    let listed = setup.command(&["tenants", "list"]).output().unwrap();
    String::from_utf8(listed.stdout).unwrap()
}

fn purge(setup: &Setup, more: &[&str]) -> (bool, String) {
    let verb = [&["tenants", "purge", "diku"], more].concat();
    let done = setup.command(&verb).output().unwrap();
    (done.status.success(), String::from_utf8(done.stdout).unwrap())
}

/// Returns how many documents of a tenant the service's collection has.
async fn documents(bed: &HexkitBed, tenant: &str) -> u64 {
    let its = doc! { "headers.x-okapi-tenant": tenant };
    bed.documents().await.count_documents(its).await.unwrap()
}

/// Posts an event of each entity, and waits until both sinks have them.
async fn fill(serve: &Serve, bed: &HexkitBed, tenant: &str) {
    post(serve, tenant, "item").await;
    let last = post(serve, tenant, "loan").await["position"].as_u64().unwrap();
    until("Kafka has the events", async || {
        let page = get(&format!("{}/domain-events", serve.url), tenant).await;
        let last = page["events"].as_array().unwrap().iter().find(|it| it["position"] == last);
        last.is_some_and(|event| event["published"] == true)
    })
    .await;
    until("the collection has them", async || documents(bed, tenant).await == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_goes_on_over_kills_and_takes_what_is_the_tenant_s_own() {
    let (env, bed, address) = (kafka::env(), HexkitBed::at(&mongodb::url()), kafka::address());
    let setup = setup(&env, &bed);
    let serve = setup.serve();
    for tenant in ["diku", "college"] {
        fill(&serve, &bed, tenant).await;
    }
    serve.kill();
    // Nobody works on the lanes: the purge begins, and waits.
    let (is_begun, said) = purge(&setup, &["--detach"]);
    assert!(is_begun && said.contains("is being purged"), "{said} {}", setup.log());
    let shown = listed(&setup);
    let line = shown.lines().find(|line| line.starts_with("diku ")).unwrap();
    assert!(line.ends_with("being purged"), "it has no log any more: {shown}");
    assert_eq!(documents(&bed, "diku").await, 2);
    let serve = setup.serve();
    serve.kill();
    let serve = setup.serve();
    // It may be asked for again, unless it is complete by now.
    let (is_purged, said) = purge(&setup, &["--force"]);
    assert_eq!(is_purged, said.contains("diku: is purged"), "{said}");
    let own = format!("{env}.diku.inventory.item");
    until("the tenant's own topic is gone", async || !topics(&address).contains_key(&own)).await;
    until("its documents are gone", async || documents(&bed, "diku").await == 0).await;
    assert_eq!(documents(&bed, "college").await, 2, "another tenant's stay");
    let theirs = format!("{env}.college.inventory.item");
    assert_eq!(consume_at_least(&address, &theirs, 1).len(), 1);

    // Until it is complete, its tenant can't come back; its file doesn't bring it back either.
    let enable = ["tenants", "enable", "diku"];
    until("the tenant may come back", async || setup.command(&enable).status().unwrap().success())
        .await;
    let again = post(&serve, "diku", "item").await;
    assert_eq!(again["position"], 3, "positions go on");
    assert_eq!(consume_at_least(&address, &own, 1).len(), 1);
    until("its document is there", async || documents(&bed, "diku").await == 1).await;
    assert_eq!(post(&serve, "college", "item").await["position"], 3, "nobody else was held up");
    let ready = reqwest::get(format!("{}/readyz", serve.url)).await.unwrap();
    let ready: Value = ready.json().await.unwrap();
    assert!(ready.get("troubles").is_none_or(|it| *it == json!({}) || *it == json!([])), "{ready}");
    let audit = setup.command(&["audit", "--tenant", "diku"]).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_leaves_the_topics_that_all_tenants_share() {
    let (env, bed, address) = (kafka::env(), HexkitBed::at(&mongodb::url()), kafka::address());
    let setup = setup(&env, &bed).with("KAFKA_PRODUCER_TENANT_COLLECTION", "ALL");
    let serve = setup.serve();
    for tenant in ["diku", "college"] {
        fill(&serve, &bed, tenant).await;
    }
    let (is_purged, said) = purge(&setup, &[]);
    assert!(is_purged && said.contains("diku: is purged"), "{said} {}", setup.log());
    let lines: BTreeSet<_> = said.lines().collect();
    assert_eq!(lines.len(), said.lines().count(), "no line twice: {said}");
    assert_eq!((documents(&bed, "diku").await, documents(&bed, "college").await), (0, 2));
    let shared = format!("{env}.ALL.inventory.*");
    assert_eq!(consume_at_least(&address, &shared, 4).len(), 4);
    post(&serve, "college", "item").await;
    assert_eq!(consume_at_least(&address, &shared, 5).len(), 5);
    assert!(serve.terminate().success());
}

/// Runs a subcommand, which must succeed.
fn done(setup: &Setup, verb: &[&str]) {
    let status = setup.command(verb).status().unwrap();
    assert!(status.success(), "{verb:?}: {}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_put_back_to_within_a_purge_takes_no_log_that_came_after_it() {
    let (env, bed, address) = (kafka::env(), HexkitBed::at(&mongodb::url()), kafka::address());
    let setup = setup(&env, &bed);
    let serve = setup.serve();
    fill(&serve, &bed, "diku").await;
    serve.kill();
    assert!(purge(&setup, &["--detach"]).0);
    done(&setup, &["backup", "within.db"]);
    let serve = setup.serve();
    let enable = ["tenants", "enable", "diku"];
    until("the tenant may come back", async || setup.command(&enable).status().unwrap().success())
        .await;
    fill(&serve, &bed, "diku").await;
    assert!(serve.terminate().success());
    done(&setup, &["restore-backup", "within.db"]);

    // The purge goes on by itself, and finds what only the sinks have.
    let serve = setup.serve();
    let mut follow = setup.command(&["tenants", "purge", "diku"]).spawn().unwrap();
    let said = BufReader::new(follow.stdout.take().unwrap());
    let told = said.lines().map(Result::unwrap).find(|line| line.contains("does not know"));
    assert!(told.unwrap().contains("waits until all is removed from"));
    follow.kill().unwrap();
    follow.wait().unwrap();
    let own = format!("{env}.diku.inventory.*");
    assert_eq!(consume_at_least(&address, &own, 2).len(), 2, "its records stay");
    assert_eq!(documents(&bed, "diku").await, 2, "and so do its documents");
    let (is_purged, said) = purge(&setup, &["--force"]);
    assert!(is_purged && said.contains("diku: is purged"), "{said}");
    assert_eq!(documents(&bed, "diku").await, 0);
    let is_gone =
        async || topics(&address).keys().all(|topic| !topic.starts_with(&format!("{env}.diku.")));
    until("its topics are gone", is_gone).await;
    assert!(serve.terminate().success());
}

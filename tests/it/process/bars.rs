//! The bars of long work beside a real Kafka, on a terminal: each tenant's part of it has one, also
//! after another bar was taken away.

use crash::serve::Setup;
use crash::story;
use serde_json::json;

use crate::support::documented;
use crate::support::serve;
use crate::support::services::kafka;
use crate::support::terminal::{Terminal, has_bar};

const TENANTS: [&str; 2] = ["college", "diku"];

/// Has a gateway publish an event of each tenant, which gets this position, and end.
async fn publish(setup: &Setup, position: u64) {
    let serve = setup.serve();
    for tenant in TENANTS {
        let url = format!("{}/domain-events/inventory/item", serve.url);
        let post = reqwest::Client::new().post(url).header("X-Okapi-Tenant", tenant);
        let posted = post.json(&json!({ "new": { "id": "a" } })).send().await.unwrap();
        assert_eq!(posted.status(), 201, "{}", setup.log());
        story::published(&serve.url, tenant, position).await;
    }
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
}

/// Runs a subcommand on a terminal; returns all that was shown until it has ended with this status.
fn shown(setup: &Setup, line: &str, ends: i32) -> String {
    let (status, shown) = Terminal::run(setup, &line.split(' ').collect::<Vec<_>>()).ended();
    assert_eq!(status, Some(ends), "{line}: {shown}");
    shown
}

/// Runs a subcommand off a terminal; returns whether it has succeeded, and its stdout.
fn run(setup: &Setup, line: &str) -> (bool, String) {
    let done = setup.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap();
    (done.status.success(), String::from_utf8(done.stdout).unwrap())
}

fn setup() -> (Setup, String) {
    let (env, address) = (kafka::env(), kafka::address());
    let (host, port) = address.split_once(':').unwrap();
    let setup = serve::setup(&TENANTS).for_all_tenants("[entities.\"inventory.item\"]\n");
    let setup = setup.with("ENV", &env).with("KAFKA_HOST", host).with("KAFKA_PORT", port);
    (setup, env)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_repairs_and_a_republication_draw_a_bar_for_each_tenant() {
    let (setup, _) = setup();
    publish(&setup, 1).await;
    let audited = shown(&setup, "audit --repair", 0);
    let (first, second) = audited.split_once("college: positions 1 to 1: no defect").unwrap();
    assert!(has_bar(first, "college: log") && has_bar(second, "diku: log"), "{audited:?}");
    let serve = setup.serve();
    let republished = shown(&setup, "republish", 0);
    for tenant in TENANTS {
        assert!(has_bar(&republished, &format!("{tenant}: Completed")), "{republished:?}");
    }
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_and_another_number_of_lanes_draw_a_bar() {
    let (setup, env) = setup();
    publish(&setup, 1).await;
    assert!(run(&setup, "backup old.db").0, "{}", setup.log());
    publish(&setup, 2).await;
    assert!(run(&setup, "restore-backup old.db").0, "{}", setup.log());
    let compared = shown(&setup, "restore", 1);
    for tenant in TENANTS {
        let topic = format!("{env}.{tenant}.inventory.item");
        assert!(has_bar(&compared, &topic), "{compared:?}");
        let (is_done, said) = run(&setup, &format!("restore {tenant} --accept --output json"));
        let [compared, accepted] = &documented::objects("restore", &said)[..] else {
            panic!("{said}{}", setup.log())
        };
        let told = (&compared["differs"], &accepted["accepted"]);
        assert!(is_done && told == (&json!(true), &json!(true)), "{said}");
    }
    let (is_done, said) = run(&setup, "restore --output json");
    let agree = documented::objects("restore", &said);
    assert!(is_done && agree.iter().all(|it| it["differs"] == false), "{said}");
    publish(&setup, 2).await;
    assert!(has_bar(&shown(&setup, "lanes resize 4", 0), "Kafka: lanes fenced"));
}

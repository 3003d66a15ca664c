//! The audit of a real Kafka: the subcommand beside a running gateway, and what the gateway finds
//! by itself.

use crash::load::Load;
use crash::serve::Setup;
use crash::{story, until};
use serde_json::Value;

use crate::support::documented;
use crate::support::services::kafka::{self, Record, consume_at_least, produce, produce_again};
use crate::support::whole_way::{TENANTS, setup};

/// Runs the audit of `diku`; returns its exit status, and its report.
fn audit(setup: &Setup, more: &[&str]) -> (i32, Value) {
    let arguments = ["audit", "--tenant", "diku", "--output", "json"];
    let done = setup.command(&[&arguments, more].concat()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let mut reports = documented::objects("audit", &said);
    assert_eq!(reports.len(), 1, "{said} {}", setup.log());
    (done.status.code().unwrap(), reports.remove(0))
}

/// Returns the sum of a number of all topics.
fn sum(report: &Value, name: &str) -> u64 {
    let topics = report["topics"].as_array().unwrap();
    topics.iter().map(|topic| topic[name].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_record_of_an_event_is_found_by_the_subcommand_and_by_the_gateway() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db").with("AUDIT_MINUTES", 1);
    let serve = setup.serve();
    let load = Load::start(&serve.url, &TENANTS, 3);
    load.more(200).await;
    load.finish().await;
    let head = story::log(&serve.url, "diku").await.len() as u64;
    story::published(&serve.url, "diku", head).await;
    let (status, report) = audit(&setup, &[]);
    assert_eq!((status, &report["defects"], &report["to"]), (0, &0.into(), &head.into()));
    assert_eq!((sum(&report, "events"), sum(&report, "records")), (head, head), "{report}");

    let records = consume_at_least(&kafka::address(), &format!("{env}.diku.*"), head as usize);
    let Record { topic, partition, offset, .. } = &records[3];
    produce(&kafka::address(), topic, *partition, "somebody else's");
    let (status, report) = audit(&setup, &["--topic", topic]);
    assert_eq!((status, sum(&report, "foreign")), (0, 1), "{report}");

    produce_again(&kafka::address(), &records[3]);
    let (status, report) = audit(&setup, &[]);
    assert_eq!((status, sum(&report, "duplicated"), &report["defects"]), (3, 1, &1.into()));
    let defects = report["topics"].as_array().unwrap().iter();
    let found = defects.flat_map(|topic| topic["findings"].as_array().unwrap()).next().unwrap();
    assert_eq!(found["position"].to_string(), records[3].header("position").unwrap());
    assert!(found["offset"].as_i64().unwrap() > *offset, "{found}");
    serve.terminate();

    let serve = setup.serve();
    until("the gateway finds it by itself", async || {
        let metrics = reqwest::get(format!("{}/metrics", serve.url)).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        metrics.contains("event_gateway_audit_defects{defect=\"duplicated\"} 1")
    })
    .await;
    assert!(setup.log().contains("the audit has found defects"), "{}", setup.log());
}

#[test]
fn an_audit_without_a_kafka_or_of_an_unknown_topic_pattern_says_what_is_wrong() {
    let setup = crate::support::serve::setup(&["diku"]);
    let serve = setup.serve();
    let refused = |arguments: &[&str], said: &str| {
        let done = setup.command(arguments).output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&done.stderr), setup.log());
        assert!(!done.status.success() && told.contains(said), "{told}");
    };
    refused(&["audit"], "set KAFKA_HOST");
    refused(&["audit", "--topic", "a b"], "--topic is `a b`: it must have 1 to 249 of");
    refused(&["audit", "--since", "yesterday"], "yesterday");
    serve.terminate();
}

//! The topics of a real Kafka beside those that the tenants' files want: compared, altered where
//! that is safe, grown, and deleted when nobody wants them any more.

use std::collections::BTreeSet;
use std::fs;

use crash::serve::{Serve, Setup, get_until};
use crash::until;
use serde_json::{Value, json};

use crate::support::documented;
use crate::support::serve;
use crate::support::services::kafka::{
    TestTopic, add_partitions, address, assert_partitions, consume_at_least, create_topic,
    delete_topic, env, partitions, set_all, settings, topics as topics_of,
};
use crate::support::terminal::Terminal;

const FILE: &str = r#"
[entities."inventory.item"]
partitions = 2
retention_ms = 86400000
[entities."inventory.loan"]
compacted = true
[entities."inventory.audited"]
topic = "{env}.{tenant}.mod-audit"
[process_events."inventory.DONE"]
"#;

/// Sets a gateway up, on the shared Kafka under an `ENV` of its own, with these entities.
fn setup(file: &str, tenants: &[&str]) -> (Setup, String) {
    let (env, address) = (env(), address());
    let (host, port) = address.split_once(':').unwrap();
    let setup = serve::setup(tenants).for_all_tenants(file).with("ENV", &env).with("LANES", 2);
    (setup.with("KAFKA_HOST", host).with("KAFKA_PORT", port), env)
}

/// Starts it, and waits until the topics are there.
async fn ready(setup: &Setup) -> Serve {
    let serve = setup.serve();
    get_until(&format!("{}/readyz", serve.url), |answer| answer["status"] == "ready").await;
    serve
}

/// Runs a subcommand of `topics`; returns its exit status and the lines of its stdout.
fn topics(setup: &Setup, arguments: &[&str]) -> (i32, Vec<String>) {
    let done = setup.command(&[&["topics"], arguments].concat()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    (done.status.code().unwrap(), said.lines().map(str::to_owned).collect())
}

/// Returns the topics that the trail tells were changed.
fn changed(setup: &Setup) -> BTreeSet<String> {
    let list = ["trail", "list", "--act", "topics-change", "--output", "json"];
    let rows = String::from_utf8(setup.command(&list).output().unwrap().stdout).unwrap();
    let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap());
    rows.map(|row| row["object"].as_str().unwrap().to_owned()).collect()
}

fn write(setup: &Setup, file: &str) {
    fs::write(setup.path().join("tenants/_default.toml"), file).unwrap();
}

async fn post(setup: &Setup, entity: &str, keys: usize) {
    let url = format!("{}/domain-events/inventory/{entity}", setup.url());
    let all: Vec<_> = (0..keys).map(|key| json!({"new": {"id": format!("key-{key}")}})).collect();
    let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    assert_eq!(request.json(&all).send().await.unwrap().status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_compared_and_only_what_is_safe_is_applied() {
    let (setup, env) = setup(FILE, &["diku", "college"]);
    let at = address();
    assert_eq!(ready(&setup).await.terminate().code(), Some(0));
    let name = |rest: &str| format!("{env}.{rest}");
    let all = [("item", 2), ("loan", 1), ("DONE", 1)];
    for tenant in ["diku", "college"] {
        let of = all.map(|(it, count)| (name(&format!("{tenant}.inventory.{it}")), count));
        assert_partitions(&at, &[&of[..], &[(name(&format!("{tenant}.mod-audit")), 1)]].concat());
    }
    assert_eq!(topics(&setup, &["diff"]), (0, vec![]));
    assert_eq!(topics(&setup, &["list"]).1.len(), 9, "a heading, and eight topics");

    let (item, loan) = (name("diku.inventory.item"), name("diku.inventory.loan"));
    let (audit, done) = (name("diku.mod-audit"), name("college.inventory.DONE"));
    set_all(&at, &item, &[("retention.ms", "5000".into()), ("segment.bytes", "9000000".into())])
        .await;
    set_all(&at, &loan, &[("cleanup.policy", "delete".into())]).await;
    add_partitions(&at, &audit, 3).await;
    delete_topic(&at, &done).await;
    let (status, said) = topics(&setup, &["diff"]);
    let told = [
        format!("{done}: it is missing (topics apply)"),
        format!("{item}: it keeps records 5000 ms, the file says 86400000 ms (topics apply)"),
        format!(
            "{loan}: it keeps records 604800000 ms, the file says for ever (topics apply --shorten)"
        ),
        format!(
            "{loan}: it has cleanup.policy=delete, the file says compact (topics apply --shorten)"
        ),
        format!("{audit}: it has 3 partitions, the file says 1 (the gateway does not change it)"),
    ];
    assert_eq!((status, said), (1, told.to_vec()));
    let (status, said) = topics(&setup, &["diff", "--output", "json", "--tenant", "college"]);
    let told = documented::objects("topics diff", &said.join("\n"));
    let missing =
        json!({"topic": done, "tenants": ["college"], "missing": true, "differences": []});
    assert_eq!((status, told), (1, vec![missing]));

    let (status, said) = topics(&setup, &["apply"]);
    assert_eq!(changed(&setup), BTreeSet::from([done.clone(), item.clone()]));
    let told =
        [format!("{done}: created"), format!("{item}: retention.ms is 86400000 now (5000 before)")];
    assert_eq!((status, &said[..2]), (0, &told[..]), "{said:?}");
    assert!(said.last().unwrap().starts_with(&format!("{audit}: left as it is")), "{said:?}");
    assert_partitions(&at, &[(audit.clone(), 3), (done, 1)]);
    let now = settings(&at, &item).await;
    let now = (now["retention.ms"].as_str(), now["segment.bytes"].as_str());
    assert_eq!(now, ("86400000", "9000000"));
    assert!(said[2].starts_with(&format!("{loan}: left as it is")), "{said:?}");
    assert_eq!(settings(&at, &loan).await["cleanup.policy"], "delete");
    let (status, said) = topics(&setup, &["apply", "--shorten", "--output", "json"]);
    let said = documented::objects("topics apply", &said.join("\n"));
    assert!(status == 0 && said.iter().any(|it| it["before"] == "delete"), "{said:?}");
    assert_eq!(settings(&at, &loan).await["cleanup.policy"], "compact");
    let (status, said) = topics(&setup, &["diff", "--output", "json"]);
    assert_eq!((status, said.len()), (1, 1), "{said:?}");
    let told: Value = serde_json::from_str(&said[0]).unwrap();
    let difference =
        json!({"setting": "partitions", "wanted": "1", "found": "3", "remedy": "none"});
    assert_eq!((&told["topic"], &told["differences"]), (&json!(audit), &json!([difference])));

    let away = setup.with("KAFKA_PORT", 1);
    assert_eq!(topics(&away, &["diff"]), (2, vec![]), "{}", away.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_s_compression_is_created_compared_and_applied() {
    let file = "[entities.\"inventory.item\"]\ncompression = \"lz4\"\n\
                [entities.\"inventory.loan\"]\n";
    let (setup, env) = setup(file, &["diku"]);
    let (at, item) = (address(), format!("{env}.diku.inventory.item"));
    assert_eq!(ready(&setup).await.terminate().code(), Some(0));
    assert_eq!(settings(&at, &item).await["compression.type"], "lz4");
    let loan = format!("{env}.diku.inventory.loan");
    assert_eq!(settings(&at, &loan).await["compression.type"], "producer", "Kafka's own");
    assert_eq!(topics(&setup, &["diff"]), (0, vec![]));
    write(&setup, &file.replace("lz4", "none"));
    let told = "it has compression.type=lz4, the file says uncompressed (topics apply)";
    assert_eq!(topics(&setup, &["diff"]), (1, vec![format!("{item}: {told}")]));
    let told = format!("{item}: compression.type is uncompressed now (lz4 before)");
    assert_eq!(topics(&setup, &["apply"]), (0, vec![told]));
    assert_eq!(settings(&at, &item).await["compression.type"], "uncompressed");
    assert_eq!(topics(&setup, &["diff"]), (0, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_grows_between_two_pages_once_nothing_is_pending() {
    const KEYS: usize = 20;
    let file = "[entities.\"inventory.item\"]\n";
    let (setup, env) = setup(file, &["diku"]);
    let topic = format!("{env}.diku.inventory.item");
    assert_eq!(ready(&setup).await.terminate().code(), Some(0));
    let none = setup.serve_with(&[("BROKER", "none")]);
    post(&setup, "item", KEYS).await;
    assert_eq!(none.terminate().code(), Some(0));
    write(&setup, &format!("{file}partitions = 3\n"));
    let grow = ["grow", &topic, "--wait"];
    assert_eq!(topics(&setup, &[&grow[..], &["0"]].concat()), (1, vec![]));
    assert!(setup.log().contains(&format!("at most {KEYS} pending")), "{}", setup.log());
    assert_eq!(topics(&setup, &[&grow[..], &["1"]].concat()), (1, vec![]));
    let waits = "\"waiting until the tenants of the topic have nothing to publish: at most";
    assert_eq!(setup.log().matches(waits).count(), 1, "a plain line: {}", setup.log());
    let on_terminal = [&["topics"], &grow[..], &["1"]].concat();
    let (status, bar) = Terminal::run(&setup, &on_terminal).ended();
    assert_eq!(status, Some(1), "{bar}");
    assert!(bar.contains(&format!("{KEYS} pending, 0 being released, 0 replaying")), "{bar:?}");
    assert_eq!(partitions(&address(), &topic), Some(1));

    // This one still has the former file: what it publishes goes by the cluster's partitions.
    write(&setup, file);
    let serve = ready(&setup).await;
    consume_at_least(&address(), &topic, KEYS);
    write(&setup, &format!("{file}partitions = 3\n"));
    let (status, said) = topics(&setup, &[&grow[..], &["60"]].concat());
    assert_eq!((status, &*said[0]), (0, &*format!("{topic}: 3 partitions now (1 before)")));
    assert_eq!(changed(&setup), BTreeSet::from([topic.clone()]));
    let told = "diku: events up to position 20 are in the 1 partition that it had. Later ";
    assert!(said[1].starts_with(told), "{said:?}");
    post(&setup, "item", KEYS).await;
    let records = consume_at_least(&address(), &topic, 2 * KEYS);
    let mut positions: Vec<usize> = Vec::new();
    let mut later = BTreeSet::new();
    for record in &records {
        let position: usize = record.header("position").unwrap().parse().unwrap();
        positions.push(position);
        match position {
            ..=KEYS => assert_eq!(record.partition, 0, "{position}"),
            _ => drop(later.insert(record.partition)),
        }
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=2 * KEYS).collect::<Vec<_>>());
    assert_eq!(later.len(), 3, "later events go by the new number");
    assert_eq!(topics(&setup, &[&grow[..], &["60"]].concat()), (1, vec![]));
    assert!(setup.log().contains("partitions never become fewer"), "{}", setup.log());
    write(&setup, &format!("{file}partitions = 4\n"));
    let (status, said) = topics(&setup, &[&grow[..], &["60", "--output", "json"]].concat());
    let grown = json!({"topic": topic, "partitions": 4, "before": 3});
    let up_to = json!({"topic": topic, "tenant": "diku", "upTo": 2 * KEYS});
    assert_eq!(
        (status, documented::objects("topics grow", &said.join("\n"))),
        (0, vec![grown, up_to])
    );
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obsolete_topic_is_deleted_only_if_it_is_one_tenant_s_and_empty() {
    let item = "[entities.\"inventory.item\"]\n";
    let former = "[entities.\"inventory.loan\"]\n[entities.\"inventory.holding\"]\n";
    let (setup, env) = setup(&format!("{item}{former}"), &["diku"]);
    let at = address();
    let name = |entity: &str| format!("{env}.diku.inventory.{entity}");
    let (loan, holding, foreign) = (name("loan"), name("holding"), name("holding-of-others"));
    create_topic(&at, TestTopic { name: &foreign, partitions: 1, settings: &[] }).await;
    let serve = ready(&setup).await;
    post(&setup, "loan", 1).await;
    consume_at_least(&at, &loan, 1);
    assert_eq!(topics(&setup, &["obsolete", "--delete"]), (0, vec![]), "all are named");
    assert_eq!(serve.terminate().code(), Some(0));

    write(&setup, item);
    let serve = ready(&setup).await;
    let why = |topic: &str, rest: &str| format!("topic {topic}: no file names it any more; {rest}");
    let (status, said) = topics(&setup, &["obsolete"]);
    let told = [
        why(&holding, "it is empty and can be deleted"),
        why(&loan, "it is not empty: 2 offsets are left"),
    ];
    assert_eq!((status, said), (0, told.to_vec()), "a record and the mark of its transaction");
    assert_partitions(&at, &[(holding.clone(), 1)]);
    let (status, said) = topics(&setup, &["obsolete", "--delete", "--output", "json"]);
    let said = documented::objects("topics obsolete", &said.join("\n"));
    assert_eq!(
        (status, &said[0]["deleted"], &said[1]["deleted"]),
        (0, &json!(true), &json!(false))
    );
    let files = setup.path().join("tenants");
    assert_eq!(said[0]["tenantsDir"], json!(files.canonicalize().unwrap()), "what it went by");
    assert_eq!(changed(&setup), BTreeSet::from([holding.clone()]));
    assert_partitions(&at, &[(holding, 0), (loan.clone(), 1), (foreign, 1), (name("item"), 1)]);
    assert_eq!(topics(&setup, &["obsolete"]).1.len(), 1);
    // The lane was held for that, and goes on.
    post(&setup, "item", 1).await;
    consume_at_least(&at, &name("item"), 1);
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_s_topic_is_shown_once_and_never_deleted() {
    let item = "[entities.\"inventory.item\"]\n";
    let (setup, env) = setup(&format!("{item}[entities.\"inventory.loan\"]\n"), &["diku"]);
    let setup = setup.with("KAFKA_PRODUCER_TENANT_COLLECTION", "ALL");
    let at = address();
    let (shared, loan) = (format!("{env}.ALL.inventory.item"), format!("{env}.ALL.inventory.loan"));
    assert_eq!(ready(&setup).await.terminate().code(), Some(0));
    write(&setup, item);
    setup.add_tenant("college", "");
    assert_eq!(ready(&setup).await.terminate().code(), Some(0));
    let (_, listed) = topics(&setup, &["list"]);
    assert_eq!(listed.iter().filter(|line| line.starts_with(&shared)).count(), 1, "{listed:?}");
    set_all(&at, &shared, &[("retention.ms", "5000".into())]).await;
    let (_, said) = topics(&setup, &["diff", "--output", "json"]);
    let told: Value = serde_json::from_str(&said[0]).unwrap();
    assert_eq!((&told["topic"], said.len()), (&json!(shared), 1));
    assert_eq!(told["tenants"], json!(["college", "diku"]));
    let (status, said) = topics(&setup, &["obsolete", "--delete"]);
    assert_eq!((status, said.len()), (0, 1));
    assert!(said[0].contains(&loan) && said[0].contains("tenant collection"), "{said:?}");
    assert_partitions(&at, &[(loan, 1), (shared, 1)]);
}

#[test]
fn the_rights_for_a_tenant_are_printed_before_it_is_enabled_and_before_there_is_a_store() {
    let setup = serve::setup(&[]).for_all_tenants(FILE).with("ENV", "folio");
    let (status, said) = topics(&setup, &["acl", "--tenant", "newone", "--output", "json"]);
    let names = documented::objects("topics acl", &said.join("\n")).into_iter();
    let names: Vec<_> = names.map(|acl| acl["name"].as_str().unwrap().to_owned()).collect();
    let wanted = ["folio.newone.", "folio.event-gateway.cursors", "folio.event-gateway.lane-"];
    assert_eq!((status, &names[..]), (0, &wanted.map(str::to_owned)[..]), "{}", setup.log());
    let consumer = ["acl", "--tenant", "newone", "--group", "cg.search"];
    let (status, said) = topics(&setup, &consumer);
    assert_eq!((status, said.len()), (0, 2), "{said:?}");
    assert!(said.iter().all(|line| line.contains("'User:cg.search'")), "{said:?}");
    assert_eq!(topics(&setup, &["acl"]).0, 1, "the tenants of a store that is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_the_shell_enables_gets_the_topics_of_its_new_file() {
    let (setup, env) = setup("[entities.\"inventory.item\"]\n", &["diku"]);
    let serve = ready(&setup).await;
    setup.add_tenant("fresh", "[entities.\"inventory.item\"]\npartitions = 3\n");
    assert!(setup.command(&["tenants", "enable", "fresh"]).status().unwrap().success());
    let topic = format!("{env}.fresh.inventory.item");
    until("the topic is there", async || topics_of(&address()).contains_key(&topic)).await;
    assert_partitions(&address(), &[(topic, 3)]);
    serve.terminate();
}

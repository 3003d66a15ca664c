//! Kafka's own tools and kcat, which list, describe and reset.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crash::kafka::{Isolation, Record, consume, consumer};
use crash::serve::get;
use crash::{PATIENCE, story, until};
use rdkafka::consumer::Consumer;
use reqwest::Client;
use serde_json::json;

use crate::support::credentials;
use crate::support::kafka_clients::{
    CONSOLE, Got, Member, nobody_reads, post, post_with, setup, tool,
};
use crate::support::pem::{self_signed, write_pair};

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const TOPIC: &str = "folio.diku.inventory.item";

#[tokio::test(flavor = "multi_thread")]
async fn kafka_s_tools_list_describe_read_and_reset() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    post(&serve, "diku", 0..10).await;

    let listed = Command::new("kcat").args(["-L", "-b", &address]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(&format!("topic \"{TOPIC}\" with 2 partitions")), "{listed}");

    let listed = tool(TOPICS, &address, &["--list"]);
    assert!(listed.lines().any(|line| line == TOPIC), "{listed}");
    let described = tool(TOPICS, &address, &["--describe", "--topic", TOPIC]);
    assert!(described.contains("PartitionCount: 2"), "{described}");

    let read = ["--topic", TOPIC, "--group", "cg.tool", "--from-beginning", "--max-messages", "10"];
    let read = tool(CONSOLE, &address, &[&read[..], &["--timeout-ms", "60000"]].concat());
    assert_eq!(read.lines().filter(|line| line.contains("\"number\"")).count(), 10, "{read}");

    let group = |more: &[&str]| tool(GROUPS, &address, &[&["--group", "cg.tool"], more].concat());
    let places = group(&["--describe"]);
    let lags: Vec<_> = places.lines().filter(|line| line.contains(TOPIC)).collect();
    assert_eq!(lags.len(), 2, "{places}");
    let field = |line: &str, at: usize| line.split_whitespace().nth(at).unwrap().to_owned();
    assert!(lags.iter().all(|line| field(line, 5) == "0"), "{places}");
    assert!(group(&["--describe", "--state"]).contains("Empty"));
    assert!(tool(GROUPS, &address, &["--list"]).contains("cg.tool"));

    let reset = ["--reset-offsets", "--to-earliest", "--topic", TOPIC, "--execute"];
    group(&reset);
    let places = group(&["--describe"]);
    let at_start = |line: &&str| line.contains(TOPIC) && field(line, 3) == "1";
    assert_eq!(places.lines().filter(at_start).count(), 2, "{places}");

    group(&["--delete"]);
    assert!(!tool(GROUPS, &address, &["--list"]).contains("cg.tool"));

    let trail = get(&format!("{}/trail", serve.url), "diku").await;
    let rows = trail["trail"].as_array().unwrap().iter();
    let of_group = rows.filter(|row| row["object"] == "cg.tool").map(|row| {
        let who = row["who"].as_str().unwrap();
        assert!(who.starts_with("kafka:adminclient-") && who.ends_with("@127.0.0.1"), "{who}");
        row["act"].as_str().unwrap()
    });
    let acts: Vec<_> = of_group.collect();
    assert_eq!(acts, ["subscription-seek", "subscription-delete"], "members' commits are none");
}

/// Returns the places of a group by partition, as the tool shows them.
fn places(address: &str) -> BTreeMap<i32, i64> {
    told_places(&tool(GROUPS, address, &["--group", "cg.tool", "--describe"]))
}

/// Returns the places that the tool has told.
fn told_places(told: &str) -> BTreeMap<i32, i64> {
    let its = told.lines().filter(|line| line.contains(TOPIC));
    let place = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields[2].parse().unwrap(), fields[3].parse().unwrap())
    };
    its.map(place).collect()
}

/// Returns the place in each partition after all events up to a position, the first of which are 1
/// and 2.
fn from(records: &[Record], position: i64) -> BTreeMap<i32, i64> {
    let place = |partition: i32| {
        let its = || records.iter().filter(move |it| it.partition == partition);
        let next = its().map(|it| it.offset).find(|offset| *offset >= position);
        let end = its().map(|it| it.offset + 1).max().unwrap_or_default();
        (partition, next.unwrap_or(end))
    };
    (0..2).map(place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_from_a_time_and_without_offsets_from_the_start() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    post(&serve, "diku", 0..7).await;
    // So that the next event has another time.
    tokio::time::sleep(Duration::from_millis(20)).await;
    post(&serve, "diku", 7..14).await;
    let got = Arc::new(Got::default());
    let member = Member::join(&address, "cg.tool", &got, &[]);
    until("it has all", async || got.count() == 14).await;
    member.leave();
    let records = consume(&address, TOPIC, Isolation::ReadCommitted);
    until("it stands at the end", async || places(&address) == from(&records, 15)).await;

    // kcat tells the same offsets of that time as the group is moved to.
    let at = records.iter().find(|it| it.offset == 8).unwrap().timestamp_ms;
    let asked = (0..2).map(|partition| format!("{TOPIC}:{partition}:{at}"));
    let asked = asked.flat_map(|it| ["-t".to_owned(), it]);
    let told = Command::new("kcat").args(["-q", "-b", &address, "-Q"]).args(asked).output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    let line = |(partition, offset): (i32, i64)| format!("{TOPIC} [{partition}] offset {offset}");
    assert!(told.lines().eq(from(&records, 8).into_iter().map(line)), "{told}");

    let event = get(&format!("{}/domain-events?after=7&limit=1", serve.url), "diku").await;
    let time = event["events"][0]["time"].as_str().unwrap();
    let group = |more: &[&str]| tool(GROUPS, &address, &[&["--group", "cg.tool"], more].concat());
    group(&["--reset-offsets", "--to-datetime", time, "--topic", TOPIC, "--execute"]);
    assert_eq!(places(&address), from(&records, 8));
    let again = Arc::new(Got::default());
    let member = Member::join(&address, "cg.tool", &again, &[]);
    until("it has the second half", async || again.count() == 7).await;
    member.leave();
    assert_eq!((again.count(), again.count_from(7)), (7, 7), "and nothing of the first");

    // A time after all events is the end.
    group(&[
        "--reset-offsets",
        "--to-datetime",
        "2999-01-01T00:00:00.000Z",
        "--topic",
        TOPIC,
        "--execute",
    ]);
    assert_eq!(places(&address), from(&records, 15));

    group(&["--delete-offsets", "--topic", &format!("{TOPIC}:0")]);
    let left = places(&address);
    assert_eq!(left.keys().collect::<Vec<_>>(), [&1], "it stands nowhere in the other partition");
    let of_first = records.iter().filter(|it| it.partition == 0).count();
    let anew = Arc::new(Got::default());
    let member = Member::join(&address, "cg.tool", &anew, &[]);
    until("it has the partition from its start", async || anew.count() == of_first).await;
    member.leave();
    assert_eq!(anew.count(), of_first, "and nothing of the other one");
    serve.terminate();
}

/// Returns the new places that the tool tells of a reset, by partition.
fn reset(address: &str, how: &[&str]) -> BTreeMap<i32, i64> {
    let verb = ["--group", "cg.tool", "--reset-offsets", "--execute"];
    told_places(&tool(GROUPS, address, &[&verb[..], how].concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_s_tools_tell_of_members_and_leave_a_group_alone_that_is_read() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    post(&serve, "diku", 0..10).await;
    let got = Arc::new(Got::default());
    let member = Member::join(&address, "cg.tool", &got, &[]);
    until("it has all", async || got.count() == 10).await;
    let group = |more: &[&str]| tool(GROUPS, &address, &[&["--group", "cg.tool"], more].concat());
    let of_group = |told: &str| {
        let line = told.lines().find(|line| line.starts_with("cg.tool "));
        let fields = line.unwrap_or_else(|| panic!("{told}")).split_whitespace();
        fields.map(str::to_owned).collect::<Vec<_>>()
    };

    let told = of_group(&group(&["--describe", "--members", "--verbose"]));
    assert!(told[1].starts_with("rdkafka-") && told[2].ends_with("127.0.0.1"), "{told:?}");
    assert_eq!([&told[3], &told[4], &told[6]], ["rdkafka", "2", &format!("{TOPIC}:0,1")]);
    let told = of_group(&group(&["--describe", "--state"]));
    assert_eq!(
        (&told[1], &told[3..]),
        (&address, &["range", "Stable", "1"].map(str::to_owned)[..])
    );
    let told = tool(GROUPS, &address, &["--describe", "--all-groups"]);
    let is_member_s = |line: &&str| line.contains(TOPIC) && line.contains("rdkafka-");
    assert_eq!(told.lines().filter(is_member_s).count(), 2, "{told}");
    assert_eq!(of_group(&tool(GROUPS, &address, &["--list", "--state", "stable"]))[1], "Stable");
    let empty = tool(GROUPS, &address, &["--list", "--state", "empty"]);
    assert!(!empty.contains("cg.tool"), "{empty}");

    let kept = group(&["--delete"]);
    assert!(kept.contains("GroupNotEmptyException"), "{kept}");
    assert_eq!(reset(&address, &["--to-earliest", "--all-topics"]), BTreeMap::new());
    member.leave();
    nobody_reads(&serve, "cg.tool").await;
    let empty = tool(GROUPS, &address, &["--list", "--state", "empty"]);
    assert_eq!(of_group(&empty)[1], "Empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_moved_in_each_way_that_kafka_s_tool_has() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    post(&serve, "diku", 0..10).await;
    let records = consume(&address, TOPIC, Isolation::ReadCommitted);
    let all = |how: &[&str]| reset(&address, &[how, &["--all-topics"]].concat());
    // Whoever has never read has no topics: the first move names one.
    let first = reset(&address, &["--to-latest", "--topic", TOPIC]);
    assert_eq!(first, from(&records, 11));
    assert_eq!(all(&["--by-duration", "PT1H"]), from(&records, 1));
    assert_eq!(places(&address), from(&records, 1));
    let last = records.iter().find(|it| it.offset == 10).unwrap().partition;
    let part = format!("{TOPIC}:{last}");
    let moved = |how: &[&str]| reset(&address, &[how, &["--topic", &part]].concat());
    assert_eq!(moved(&["--to-offset", "7"]), BTreeMap::from([(last, 7)]));
    assert_eq!(moved(&["--shift-by", "-2"]), BTreeMap::from([(last, 5)]));
    assert_eq!(moved(&["--to-current"]), BTreeMap::from([(last, 5)]));
    let got = Arc::new(Got::default());
    let expected = |it: &&Record| it.partition != last || it.offset >= 5;
    let expected = records.iter().filter(expected).count();
    let member = Member::join(&address, "cg.tool", &got, &[]);
    until("it has what it was moved to", async || got.count() == expected).await;
    member.leave();
    assert_eq!(got.count(), expected, "and nothing from before");

    let offsets = |more: &[&str]| tool(OFFSETS, &address, &[&["--topic", TOPIC], more].concat());
    let line = |(partition, offset): (i32, i64)| format!("{TOPIC}:{partition}:{offset}");
    let ends = offsets(&[]);
    assert!(ends.lines().eq(from(&records, 11).into_iter().map(line)), "{ends}");
    let starts = offsets(&["--time", "earliest"]);
    assert!(starts.lines().eq([0, 1].map(|partition| line((partition, 0)))), "{starts}");
    assert!(serve.terminate().success(), "{}", setup.log());
}

/// Returns the start of a topic's first partition.
fn start(address: &str, topic: &str) -> i64 {
    let client = consumer(address, Isolation::ReadCommitted);
    client.fetch_watermarks(topic, 0, PATIENCE).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_topic_starts_at_0_and_another_one_where_its_events_were_removed() {
    let old = "partitions = 1\nlog_retention_ms = 1000\n";
    let item = format!("[entities.\"inventory.item\"]\ncompacted = true\n{old}");
    let rules = format!("{item}[entities.\"inventory.instance\"]\n{old}");
    let setup = setup(&["diku"], 1).for_each_tenant(&rules);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    let (client, instances) = (Client::new(), "folio.diku.inventory.instance");
    // A DELETE of a compacted topic is removed, too, once it is old.
    for (entity, change) in [
        ("instance", json!({"new": {"id": "a"}})),
        ("instance", json!({"new": {"id": "b"}})),
        ("item", json!({"new": {"id": "gone"}})),
        ("item", json!({"old": {"id": "gone"}})),
    ] {
        let post = client.post(format!("{}/domain-events/inventory/{entity}", serve.url));
        let post = post.header("X-Okapi-Tenant", "diku").json(&change);
        assert_eq!(post.send().await.unwrap().status(), 201, "{change}");
    }
    post(&serve, "diku", 0..21).await;
    // Of each of the seven keys the last one stays.
    until("what may go is gone", async || {
        let log = story::log(&serve.url, "diku").await;
        let count = |topic: &str| log.iter().filter(|event| event.topic == topic).count();
        count(TOPIC) == 7 && count(instances) == 0
    })
    .await;
    // What was read before is not kept for readers any more.
    serve.kill();
    let serve = setup.serve();
    let records = consume(&address, TOPIC, Isolation::ReadCommitted);
    assert!(records.iter().map(|it| it.offset).eq(19..=25), "the last one of each key");
    assert!(start(&address, instances) > 0, "there, events are missing");
    assert_eq!(start(&address, TOPIC), 0, "a reader from the beginning misses no key");

    // One that has read a part goes on, though what stood there has left the log.
    let read = ["--topic", TOPIC, "--partition", "0", "--offset", "3", "--max-messages", "7"];
    let read = tool(CONSOLE, &address, &[&read[..], &["--timeout-ms", "60000"]].concat());
    assert_eq!(read.lines().filter(|line| line.contains("\"number\"")).count(), 7, "{read}");
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_consumer_reads_over_tls_with_the_password_of_a_credential() {
    let setup = setup(&["diku", "college"], 2).for_all_tenants("");
    let setup = credentials::with_folder(setup);
    credentials::write(&setup, "diku.console", "console-*", "");
    let [certificate, key] = write_pair(setup.path(), &self_signed());
    let setup = setup.with("HTTP_TLS_CERT", &certificate).with("HTTP_TLS_KEY", key);
    let serve = setup.serve();
    let client = Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    for (tenant, numbers) in [("diku", 0..10), ("college", 100..110)] {
        post_with(&client, &serve, &[("X-Okapi-Tenant", tenant)], numbers).await;
    }
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let password = credentials::password("diku.console");
    let properties = format!(
        "security.protocol=SASL_SSL\nssl.truststore.type=PEM\n\
         ssl.truststore.location={certificate}\nsasl.mechanism=PLAIN\n\
         sasl.jaas.config={login} required username=\"diku.console\" password=\"{password}\" ;\n"
    );
    let file = setup.path().join("client.properties");
    std::fs::write(&file, properties).unwrap();
    let with = ["--consumer.config", file.to_str().unwrap(), "--timeout-ms", "60000"];
    let what = ["--include", ".*item", "--group", "console-1", "--from-beginning"];
    let arguments = [&with[..], &what, &["--max-messages", "10"]].concat();
    let read = tool(CONSOLE, serve.broker(), &arguments);
    assert_eq!(read.lines().filter(|line| line.contains("\"number\"")).count(), 10, "{read}");
    assert!(!read.contains("\"college\""), "{read}");
    assert!(serve.terminate().success(), "{}", setup.log());
}

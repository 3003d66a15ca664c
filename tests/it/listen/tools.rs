//! Kafka's own tools and kcat, which list, describe and reset.

use std::process::Command;

use crash::serve::get;

use crate::support::kafka_clients::{CONSOLE, post, setup, tool};

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
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

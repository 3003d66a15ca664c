//! Replays with the real binary and a real Kafka: over HTTP and from the shell, through crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use crash::load::Load;
use crash::serve::{Serve, Setup};
use crash::{story, until};
use serde_json::{Value, json};

use crate::support::documented;
use crate::support::services::kafka::{self, Record, TestTopic, consume_at_least, create_topic};
use crate::support::terminal::{CTRL_C, CTRL_D, Terminal};
use crate::support::whole_way::{TENANTS, setup};

async fn post(serve: &Serve, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}{path}", serve.url));
    let answer = request.header("X-Okapi-Tenant", "diku").json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn replay(serve: &Serve, id: &str) -> Value {
    let request = reqwest::Client::new().get(format!("{}/replays/{id}", serve.url));
    request.header("X-Okapi-Tenant", "diku").send().await.unwrap().json().await.unwrap()
}

async fn ended(serve: &Serve, id: &str) -> Value {
    until("the replay has ended", async || !replay(serve, id).await["endedDate"].is_null()).await;
    replay(serve, id).await
}

/// Starts a gateway with a log of diku that is published.
async fn published(setup: &Setup, changes: usize) -> (Serve, u64) {
    let serve = setup.serve();
    let load = Load::start(&serve.url, &TENANTS, 3);
    load.more(changes).await;
    load.finish().await;
    let head = story::log(&serve.url, "diku").await.len() as u64;
    story::published(&serve.url, "diku", head).await;
    (serve, head)
}

/// Returns the records of a run, by `replay_id`, in the order of their partitions.
fn run_of<'r>(records: &'r [Record], id: &str) -> Vec<&'r Record> {
    records.iter().filter(|record| record.header("replay_id") == Some(id)).collect()
}

fn position(record: &Record) -> u64 {
    record.header("position").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sends_each_event_once_though_the_gateway_is_killed_again_and_again() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let (mut serve, head) = published(&setup, 400).await;
    let target = format!("{env}.diku.again");
    let asked = json!({ "target": target, "rate": { "eventsPerSecond": 150 } });
    let (status, submitted) = post(&serve, "/replays", &asked).await;
    assert_eq!((status, &submitted["total"]), (201, &head.into()), "{submitted}");
    let to = submitted["id"].as_str().unwrap().to_owned();
    let (status, submitted) = post(&serve, "/replays", &json!({})).await;
    assert_eq!(status, 201, "{submitted}");
    let own = submitted["id"].as_str().unwrap().to_owned();
    for kill in 1..=3 {
        until("the replay has sent more", async || {
            replay(&serve, &to).await["messagesPublished"].as_u64().unwrap() >= kill * head / 10
        })
        .await;
        serve.kill();
        serve = setup.serve();
    }
    for id in [&to, &own] {
        let ended = ended(&serve, id).await;
        let told = (&ended["status"], &ended["messagesPublished"]);
        assert_eq!(told, (&"Completed".into(), &head.into()), "{ended}");
    }
    let all = consume_at_least(&kafka::address(), &format!("{env}.diku.*"), 3 * head as usize);
    for id in [&to, &own] {
        let run = run_of(&all, id);
        let positions: BTreeSet<_> = run.iter().map(|record| position(record)).collect();
        assert_eq!((run.len(), positions.len()), (head as usize, head as usize));
    }
    assert!(run_of(&all, &to).iter().all(|record| record.topic == target));
    // The last record of each key is its newest event.
    let (mut newest, mut last) = (BTreeMap::new(), BTreeMap::new());
    for record in all.iter().filter(|record| record.topic != target) {
        let key = (record.topic.clone(), record.key.clone());
        let position = position(record);
        let newest = newest.entry(key.clone()).or_insert(position);
        *newest = position.max(*newest);
        last.insert(key, position);
    }
    assert_eq!(last, newest);
    // An event keeps its id, bytes and time.
    let live: BTreeMap<_, _> = all
        .iter()
        .filter(|record| record.header("replay_id").is_none())
        .map(|record| (position(record), record))
        .collect();
    for again in run_of(&all, &to) {
        let first = live[&position(again)];
        assert_eq!(
            (&again.key, &again.value, again.timestamp_ms),
            (&first.key, &first.value, first.timestamp_ms)
        );
        assert_eq!(again.header("event_id"), first.header("event_id"));
    }
    let audit = setup.command(&["audit", "--tenant", "diku", "--output", "json"]).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subcommands_start_watch_and_cancel_replays_and_wait_for_what_is_pending() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let (serve, head) = published(&setup, 60).await;
    let run = |arguments: &[&str]| {
        let done = setup.command(arguments).output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let (done, said) = run(&["replays", "start", "--tenant", "diku", "--dry-run"]);
    assert!(done && said.starts_with(&format!("diku: {head} events, ")), "{said}");
    let (done, said) = run(&["republish", "--tenant", "diku"]);
    let (begun, end) = said.split_once('\n').unwrap();
    assert!(done && end.contains(&format!("Completed: {head} events published")), "{said}");
    let republished = begun.strip_prefix("diku: replay ").unwrap().to_owned();
    assert_eq!(replay(&serve, &republished).await["status"], "Completed", "{said}");
    let (done, said) = run(&["republish", "--tenant", "diku", "--output", "json"]);
    let objects = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let objects: Vec<_> = objects.map(|it| (it["id"].clone(), it["status"].clone())).collect();
    let [(begun, _), (end, status)] = &objects[..] else { panic!("{said}") };
    assert!(done && begun == end && status == "Completed" && begun.is_string(), "{said}");
    let target = format!("{env}.diku.slow");
    let slow = ["--target", &target, "--events-per-second", "1", "--detach", "--timestamp", "now"];
    let slow = [&["replays", "start", "--tenant", "diku"], &slow[..]].concat();
    let started = setup.command(&slow).stderr(Stdio::piped()).output().unwrap();
    let [said, log] = [started.stdout, started.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!(started.status.success() && log.contains("an act is in the trail"), "{said}{log}");
    assert_eq!(log.lines().count(), 1, "one act is one line: {log}");
    let id = said.trim().rsplit(' ').next().unwrap().to_owned();
    let (done, said) = run(&["replays", "pause", "--tenant", "diku", &id]);
    assert!(done && said.contains("Paused"), "{said}");
    let (done, said) = run(&["replays", "resume", "--tenant", "diku", &id]);
    assert!(done && said.contains("In progress"), "{said}");
    let (done, _) = run(&["replays", "cancel", "--tenant", "diku", &id]);
    assert!(done);
    assert_eq!(ended(&serve, &id).await["status"], "Cancelled");
    let (done, said) = run(&["replays", "watch", "--tenant", "diku", &id, "--output", "json"]);
    let watched = documented::objects("replays watch", &said);
    assert!(!done && watched[0]["status"] == "Cancelled", "{said}");
    let (done, said) = run(&["replays", "list"]);
    assert!(done && said.contains(&id) && said.contains("its own topics"), "{said}");
    let (done, said) = run(&["publish-pending", "--wait", "60"]);
    assert!(done && said.starts_with("0 events are pending"), "{said}");
    let (done, _) = run(&["replays", "start", "--tenant", "diku", "--type", "UPDATE"]);
    assert!(!done);
    assert!(setup.log().contains("give a target"), "{}", setup.log());
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_replay_begins_no_other_one() {
    let setup = setup(&kafka::env(), "sqlite://data/event-gateway.db");
    let (serve, _) = published(&setup, 3).await;
    serve.terminate();
    // Nobody works on the lanes, so the first replay stays open.
    let mut republish = setup.command(&["republish"]).spawn().unwrap();
    let mut lines = BufReader::new(republish.stdout.take().unwrap()).lines();
    let begun = lines.next().unwrap().unwrap();
    assert!(begun.starts_with("college: replay "), "{begun}");
    let pid = republish.id().to_string();
    // Until it listens, it dies of the signal.
    until("it listens for SIGINT", async || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (2 - 1)) != 0
    })
    .await;
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let said: Vec<_> = lines.map(Result::unwrap).collect();
    assert_eq!(republish.wait().unwrap().code(), Some(1), "{said:?}");
    assert!(said.len() == 1 && said[0].contains(" goes on; "), "{said:?}");
    let told = "college's replay was left, so these are not republished: diku";
    assert!(setup.log().contains(told), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_at_a_terminal_asks_and_without_an_answer_nothing_is_done() {
    const QUESTION: &str = "[p]ause the replay, [c]ancel it, or [l]eave it running? ";
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let (serve, _) = published(&setup, 400).await;
    let target = format!("{env}.diku.slow");
    let slow = ["--target", &target, "--events-per-second", "1", "--detach", "--output", "json"];
    let start = [&["replays", "start", "--tenant", "diku"], &slow[..]].concat();
    let started: Value =
        serde_json::from_slice(&setup.command(&start).output().unwrap().stdout).unwrap();
    let id = started["id"].as_str().unwrap();
    let watch = ["replays", "watch", "--tenant", "diku", id];
    for (answer, status, told, becomes) in [
        (CTRL_D, 0, "goes on; ", "In progress"),
        (CTRL_C, 0, "goes on; ", "In progress"),
        ("l\n", 0, "goes on; ", "In progress"),
        ("what?\np\n", 0, "is paused; ", "Paused"),
        ("c\n", 1, "was cancelled", "Cancelled"),
    ] {
        let mut terminal = Terminal::run(&setup, &watch);
        terminal.shows("diku: In progress");
        terminal.press(CTRL_C);
        terminal.shows(QUESTION);
        // The replay would be looked at again by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        terminal.press(answer);
        let (ended, shown) = terminal.ended();
        assert_eq!(ended, Some(status), "{answer:?}: {shown:?}");
        assert!(shown.contains(told), "{answer:?}: {shown:?}");
        until("the replay is so", async || replay(&serve, id).await["status"] == becomes).await;
        if becomes == "Paused" {
            let resume = ["replays", "resume", "--tenant", "diku", id];
            assert!(setup.command(&resume).status().unwrap().success());
            until("it goes on", async || replay(&serve, id).await["status"] == "In progress").await;
        }
    }
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_no_replay_of_the_tenant_made_is_no_target() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let (serve, _) = published(&setup, 20).await;
    let [theirs, own] = ["theirs", "again"].map(|name| format!("{env}.diku.{name}"));
    let topic = TestTopic { name: &theirs, partitions: 1, settings: &[] };
    create_topic(&kafka::address(), topic).await;
    let (status, problem) = post(&serve, "/replays", &json!({ "target": theirs })).await;
    let error = &problem["errors"][0];
    assert_eq!((status, &error["code"]), (422, &json!("illegal-target")), "{problem}");
    assert!(error["message"].as_str().unwrap().contains("already"), "{problem}");
    for time in ["the first", "the second"] {
        let (status, submitted) = post(&serve, "/replays", &json!({ "target": own })).await;
        assert_eq!(status, 201, "{time}: {submitted}");
        let id = submitted["id"].as_str().unwrap();
        assert_eq!(ended(&serve, id).await["status"], "Completed");
    }
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_replay_can_do_is_refused_with_what_is_wrong() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let (serve, _) = published(&setup, 20).await;
    let refused = async |body: Value| {
        let (status, problem) = post(&serve, "/replays", &body).await;
        let parameters = problem["errors"][0]["parameters"][0]["value"].clone();
        (status, problem["errors"][0]["code"].as_str().unwrap().to_owned(), parameters)
    };
    let told = |status, code: &str, pointer: &str| (status, code.to_owned(), json!(pointer));
    assert_eq!(refused(json!({"topic": 1})).await, told(422, "unknown-member", "/topic"));
    let to_past = json!({"to": "2026-01-01T00:00:00Z"});
    assert_eq!(refused(to_past).await, told(422, "needs-target", "/to"));
    let foreign = json!({"target": format!("{env}.college.x")});
    assert_eq!(refused(foreign).await, told(422, "illegal-target", "/target"));
    let unknown = "0b2a0a39-8cca-4d9c-82e4-5bf370e05170";
    let (status, problem) = post(&serve, &format!("/replays/{unknown}/pause"), &json!({})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (404, &"unknown-replay".into()));
    let (status, _) = post(&serve, "/replays/7/pause", &json!({})).await;
    assert_eq!(status, 400);
    let (_, submitted) = post(&serve, "/replays", &json!({})).await;
    let id = submitted["id"].as_str().unwrap();
    ended(&serve, id).await;
    let (status, problem) = post(&serve, &format!("/replays/{id}/cancel"), &json!({})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &"replay-ended".into()));
    serve.terminate();
    let alone = crate::support::serve::setup(&["diku"]);
    let serve = alone.serve();
    let (status, problem) = post(&serve, "/replays", &json!({})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &"no-broker".into()));
    assert!(problem["detail"].as_str().unwrap().contains("set KAFKA_HOST"), "{problem}");
    serve.terminate();
}

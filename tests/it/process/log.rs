//! Nothing but log lines may be lost: the real binary with a stderr or a stdout that is not read.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;

use crash::serve::{Serve, Setup};
use crash::{PATIENCE, until};
use reqwest::Client;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::serve;

const TOPIC: &str = "folio.diku.inventory.item";
/// The number of posts of one round.
const ROUND: usize = 50;

fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

/// Posts a round of items at once, each of which must be answered 201.
async fn post_round(client: &Client, url: &str) {
    let mut posts = JoinSet::new();
    for number in 0..ROUND {
        let request = client.post(format!("{url}/domain-events/inventory/item"));
        let request =
            request.header("X-Okapi-Tenant", "diku").header("Content-Type", "application/json");
        let body = format!(r#"{{"new":{{"id":"item-{number}"}}}}"#);
        posts.spawn(async move { request.body(body).send().await.unwrap().status() });
    }
    while let Some(status) = posts.join_next().await {
        assert_eq!(status.unwrap(), 201);
    }
}

async fn text(client: &Client, url: &str) -> String {
    client.get(url).send().await.unwrap().text().await.unwrap()
}

/// A counter of `/metrics`.
async fn counted(client: &Client, url: &str, name: &str) -> u64 {
    let metrics = text(client, &format!("{url}/metrics")).await;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix(&format!("event_gateway_{name} ")));
    line.unwrap().parse().unwrap()
}

/// Posts until log lines are dropped, and on: everything is answered and published, and the gateway
/// is ready.
async fn goes_on(serve: &Serve) {
    let (client, mut posted) = (client(), 0);
    while counted(&client, &serve.url, "log_lines_dropped_total").await == 0 {
        assert!(posted < 50_000, "no line is dropped");
        post_round(&client, &serve.url).await;
        posted += ROUND;
    }
    post_round(&client, &serve.url).await;
    posted += ROUND;
    let ready: Value =
        serde_json::from_str(&text(&client, &format!("{}/readyz", serve.url)).await).unwrap();
    assert_eq!(ready["status"], "ready");
    let broker = serve.broker().to_owned();
    let records = thread::spawn(move || {
        crate::support::services::kafka::consume_at_least(&broker, TOPIC, posted)
    });
    assert_eq!(records.join().unwrap().len(), posted);
}

fn setup() -> Setup {
    serve::setup(&["diku"]).with("ENV", "folio").with("LOG_LEVEL", "trace")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stderr_that_nobody_reads_costs_log_lines_alone_which_are_reported_once_it_is_read() {
    let setup = setup();
    let mut serve = setup.serve_as(|command| command.stderr(Stdio::piped()));
    goes_on(&serve).await;
    let (read, lines) = std::sync::mpsc::channel();
    let mut log = BufReader::new(serve.stderr()).lines();
    thread::spawn(move || log.all(|line| read.send(line.unwrap()).is_ok()));
    let told = std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok())
        .find(|line| line.contains("dropped log lines that stderr did not take"));
    let told: Value = serde_json::from_str(&told.expect("it is told")).unwrap();
    assert!(told["dropped"].as_u64().unwrap() > 0, "{told}");
    drop(lines);
    assert_eq!(serve.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stderr_that_is_gone_full_or_stuck_costs_log_lines_alone() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    // Stuck to the end.
    let stuck = setup();
    let serve = stuck.serve_as(|command| command.stderr(Stdio::piped()));
    goes_on(&serve).await;
    assert_eq!(serve.terminate().code(), Some(0));
    // Its reader has gone.
    let gone = setup();
    let mut serve = gone.serve_as(|command| command.stderr(Stdio::piped()));
    drop(serve.stderr());
    goes_on(&serve).await;
    assert_eq!(serve.terminate().code(), Some(0));
    // A file on a disk that is full.
    let full_disk = setup();
    let serve = full_disk.serve_as(|command| command.stderr(full()));
    goes_on(&serve).await;
    assert_eq!(serve.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stdout_that_cannot_be_written_is_reported_and_it_serves_all_the_same() {
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for stdout in [Stdio::from(gone), Stdio::from(full)] {
        let setup = serve::setup(&["diku"]).with("ENV", "folio");
        let mut child = setup.command(&["serve"]).stdout(stdout).spawn().unwrap();
        let (client, url) = (client(), setup.url());
        until("it is alive", async || client.get(format!("{url}/livez")).send().await.is_ok())
            .await;
        post_round(&client, &url).await;
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{}", setup.log());
        assert!(setup.log().contains("failed to print the addresses"), "{}", setup.log());
    }
}

#[test]
fn a_listing_that_stdout_does_not_take_names_stdout_and_who_has_read_enough_is_no_error() {
    let setup = serve::setup(&["diku"]).with("ENV", "folio");
    setup.serve().terminate();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    let list = |stdout: Stdio| setup.command(&["tenants", "list"]).stdout(stdout).status().unwrap();
    assert!(list(gone.into()).success(), "{}", setup.log());
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert!(!list(full.into()).success());
    assert!(setup.log().contains("failed to write to stdout: No space left"), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_is_ignored() {
    let setup = serve::setup(&["diku"]).with("ENV", "folio");
    let serve = setup.serve();
    serve.signal("HUP");
    until("it is told", async || setup.log().contains("SIGHUP")).await;
    post_round(&client(), &serve.url).await;
    assert_eq!(serve.terminate().code(), Some(0));
}

#[test]
fn a_fatal_error_is_one_line_of_the_log_s_own_form() {
    for (name, value, level) in
        [("TENANTS_DIR", "nowhere", "info"), ("LOG_LEVEL", "event_gateway=loud", "")]
    {
        let mut setup = serve::setup(&["diku"]).with("BROKER", "none");
        if name != "LOG_LEVEL" {
            setup = setup.with("LOG_LEVEL", level);
        }
        let setup = setup.with(name, value);
        assert_eq!(setup.command(&["serve"]).status().unwrap().code(), Some(2));
        let log = setup.log();
        let [line] = log.lines().collect::<Vec<_>>()[..] else {
            panic!("more than one line: {log}")
        };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["message"].as_str().unwrap().contains(value), "{line}");
    }
    let setup = serve::setup(&["diku"]).with("TENANTS_DIR", "nowhere").with("LOG_LEVEL", "off");
    assert_eq!(setup.command(&["serve"]).status().unwrap().code(), Some(2));
    assert!(setup.log().contains("nowhere"), "an error that ends the process is told at any level");
}

//! Stories about the subcommands beside a running gateway: each says what is wrong about what it
//! was given, before it says anything else.

use std::process::Stdio;

use crash::serve::Setup;
use serde_json::{Value, json};

use crate::support::serve;

fn without_broker() -> Setup {
    serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none")
}

/// Runs a subcommand with these variables unset; returns its exit status, its stdout, and the
/// messages of its log.
fn run(setup: &Setup, arguments: &[&str], unset: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let mut command = setup.command(arguments);
    for name in unset {
        command.env_remove(name);
    }
    let done = command.stderr(Stdio::piped()).output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let message = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        line["message"].as_str().unwrap().to_owned()
    };
    let told = log.lines().map(message).filter(|line| line != "an act is in the trail");
    (done.status.code(), said, told.collect())
}

async fn post(setup: &Setup, entity: &str, key: &str) {
    let url = format!("{}/domain-events/inventory/{entity}", setup.url());
    let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    let posted = request.json(&json!({"new": {"id": key}})).send().await.unwrap();
    assert_eq!(posted.status(), 201);
}

#[test]
fn a_tenant_that_is_not_enabled_is_named_once_and_before_anything_else() {
    const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
    let setup = without_broker();
    let serve = setup.serve();
    let record = ["--producer", "inventory", "--entity", "item", "--key", "a", "--reason", "x"];
    let erasure = [&["erasures", "start"], &record[..]].concat();
    let of_tenant: [&[&str]; 25] = [
        &["audit"],
        &["republish"],
        &["publish-pending"],
        &["replays", "start"],
        &["replays", "list"],
        &["replays", "watch", ID],
        &["replays", "pause", ID],
        &["replays", "resume", ID],
        &["replays", "cancel", ID],
        &erasure,
        &["erasures", "list"],
        &["erasures", "watch", ID],
        &["subscriptions", "list"],
        &["subscriptions", "show", "cg.x"],
        &["subscriptions", "put", "cg.x", "--topic", "folio.dikku.inventory.item"],
        &["subscriptions", "seek", "cg.x", "--to", "latest"],
        &["subscriptions", "export", "cg.x"],
        &["subscriptions", "delete", "cg.x"],
        &["subscriptions", "pause", "cg.x"],
        &["subscriptions", "resume", "cg.x"],
        &["subscriptions", "skip", "cg.x", "--position", "1"],
        &["dead-letters", "list", "cg.x"],
        &["dead-letters", "show", "cg.x", "--position", "1"],
        &["dead-letters", "redrive", "cg.x"],
        &["dead-letters", "discard", "cg.x", "--all", "--reason", "x"],
    ];
    let named = of_tenant.map(|verb| [verb, &["--tenant", "dikku"]].concat());
    for arguments in named.into_iter().chain([vec!["restore", "dikku"]]) {
        let (status, said, log) = run(&setup, &arguments, &[]);
        assert_eq!((status, said.as_str()), (Some(1), ""), "{arguments:?}");
        let told = "tenant `dikku` has no log; `tenants list` shows the tenants that have one";
        assert_eq!(log, [told], "{arguments:?}");
    }
    serve.terminate();
}

#[test]
fn a_command_with_settings_that_are_not_the_gateway_s_is_refused() {
    let setup = without_broker();
    let serve = setup.serve();
    let put = ["subscriptions", "put", "cg.x", "--tenant", "diku", "--topic", "folio.diku.**"];
    for verb in [&put[..], &["replays", "start", "--tenant", "diku"], &["topics", "list"]] {
        let (status, said, log) = run(&setup, verb, &["ENV"]);
        assert_eq!((status, said.as_str()), (Some(1), ""), "{verb:?}: {log:?}");
        let told = "in the gateway: give this command the gateway's ENV, TENANTS_DIR";
        assert!(log[0].contains(told), "{log:?}");
    }
    assert_eq!(run(&setup, &put, &[]).0, Some(0), "{}", setup.log());
    let away = [&put[..], &["--tenants-dir", "nowhere"]].concat();
    let (_, _, log) = run(&setup, &away, &[]);
    assert!(log[0].contains("/nowhere` (TENANTS_DIR)"), "the whole path is told: {log:?}");
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_mistaken_is_warned_of() {
    let setup = without_broker();
    let serve = setup.serve();
    post(&setup, "item", "jane").await;
    let erase = |key: &str| {
        let of = ["erasures", "start", "--tenant", "diku", "--producer", "inventory"];
        let record = ["--entity", "item", "--key", key, "--reason", "asked"];
        run(&setup, &[of, record].concat(), &[])
    };
    let (status, said, log) = erase("jane");
    assert_eq!((status, &log[..]), (Some(0), &[][..]));
    assert!(said.contains("Completed: 1 event erased\n"), "{said}");
    let (status, said, log) = erase("typo-key");
    let told = "the log has no event of inventory.item with the key `typo-key` and content";
    assert_eq!((status, &log[..]), (Some(0), &[told.to_owned()][..]));
    assert!(said.contains(&format!("Completed: 0 events erased\n  {told}\n")), "{said}");

    let put = |topic: &str| {
        let put = ["subscriptions", "put", "cg.x", "--tenant", "diku", "--topic", topic];
        run(&setup, &put, &[])
    };
    let (status, _, log) = put("folio.uni.nothing");
    assert_eq!(status, Some(0));
    assert!(log.len() == 1 && log[0].contains("a topic `folio.uni.nothing`"), "{log:?}");
    assert!(put("folio.*.inventory.*").2.is_empty(), "the files name such topics");
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_what_nobody_publishes_is_told_so() {
    let setup = without_broker();
    let serve = setup.serve();
    let (status, said, log) = run(&setup, &["publish-pending"], &[]);
    assert_eq!((status, said.as_str()), (Some(0), "0 events are pending, 0 parked\n"));
    assert!(log.is_empty(), "{log:?}");
    post(&setup, "item", "a").await;
    let (status, _, log) = run(&setup, &["publish-pending", "--wait", "1"], &[]);
    assert_eq!(status, Some(1));
    let told = "at most 1 event pending";
    let why = format!("{told}: none was ever published from this store: does a gateway run");
    assert!(log.len() == 2 && log[0] == told && log[1].starts_with(&why), "{log:?}");
    serve.terminate();
}

#[test]
fn a_group_that_could_not_be_read_back_is_refused() {
    let setup = without_broker();
    let serve = setup.serve();
    let topics: Vec<_> = (0..101).flat_map(|_| ["--topic", "**"]).collect();
    let put = ["subscriptions", "put", "cg.x", "--tenant", "diku", "--header", "=x"];
    let (status, _, log) = run(&setup, &[&put[..], &topics].concat(), &[]);
    let told = "/topics: must have at most 100 items; /headers/: must be a string, under a name";
    assert_eq!((status, &log[..]), (Some(1), &[told.to_owned()][..]));
    assert_eq!(run(&setup, &["subscriptions", "list"], &[]).0, Some(0));
    serve.terminate();
}

#[test]
fn an_audit_of_topics_that_nobody_has_is_refused() {
    let setup = without_broker();
    let serve = setup.serve();
    let (status, _, log) = run(&setup, &["audit", "--topic", "folio.diku.inventry.*"], &[]);
    assert_eq!(status, Some(1));
    assert!(log[0].starts_with("no topic matches `folio.diku.inventry.*`"), "{log:?}");
    let (status, _, log) = run(&setup, &["audit", "--topic", "folio.diku.inventory.*"], &[]);
    assert_eq!(status, Some(1));
    assert!(log[0].contains("set KAFKA_HOST"), "{log:?}");
    serve.terminate();
}

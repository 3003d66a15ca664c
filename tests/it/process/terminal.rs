//! Stories about subcommands on a terminal, and off it: long work draws a bar on a terminal, and
//! writes plain lines elsewhere; Ctrl-C ends what nobody is asked about; a verb that calls a
//! gateway says which; and colours are for a terminal alone.

use std::process::Stdio;

use crash::serve::Setup;
use serde_json::{Value, json};

use crate::support::serve;
use crate::support::terminal::{CTRL_C, Terminal, has_bar};

fn without_broker() -> Setup {
    serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none")
}

/// Runs a subcommand off a terminal; returns its exit status, its stdout, and the messages of its
/// log.
fn run(setup: &Setup, arguments: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let done = setup.command(arguments).stderr(Stdio::piped()).output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let message = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        line["message"].as_str().unwrap().to_owned()
    };
    (done.status.code(), said, log.lines().map(message).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_draws_a_bar_on_a_terminal_and_writes_plain_lines_elsewhere() {
    let setup = without_broker();
    let serve = setup.serve();
    let url = format!("{}/domain-events/inventory/item", setup.url());
    let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    let posted = request.json(&json!({ "new": { "id": "a" } })).send().await.unwrap();
    assert_eq!(posted.status(), 201);
    let wait = ["publish-pending", "--wait", "1"];
    let (status, bar) = Terminal::run(&setup, &wait).ended();
    assert_eq!(status, Some(1), "{bar}");
    assert!(bar.contains("1 pending, 0 parked") && bar.contains("0 of 1"), "{bar:?}");
    let told = "at most 1 event pending";
    assert_eq!(bar.matches(told).count(), 1, "the error alone: {bar:?}");
    let (status, said, lines) = run(&setup, &wait);
    assert_eq!((status, said.as_str(), lines[0].as_str()), (Some(1), "", told));
    serve.terminate();
}

#[test]
fn a_purge_shows_what_it_waits_for_and_dies_of_ctrl_c_while_the_purge_goes_on() {
    let setup = without_broker();
    setup.serve().terminate();
    let mut purge = Terminal::run(&setup, &["tenants", "purge", "diku"]);
    let waits = "diku: no gateway with a sink runs: any gateway goes on with it";
    // The line is printed once; a bar has it too, with the time.
    purge.shows(&format!("{waits}, "));
    purge.press(CTRL_C);
    let (status, shown) = purge.ended();
    assert_eq!(status, Some(130), "{shown}");
    assert!(shown.contains("diku: is being purged, by a running gateway"), "{shown:?}");
    assert_eq!(shown.matches(&format!("{waits}\r\n")).count(), 1, "{shown:?}");
    let (_, said, _) = run(&setup, &["tenants", "list"]);
    assert!(said.lines().any(|it| it.contains("diku") && it.contains("being purged")), "{said}");
}

#[test]
fn a_copy_of_the_database_and_its_return_draw_a_bar() {
    let setup = without_broker();
    setup.serve().terminate();
    for verb in ["backup", "restore-backup"] {
        let (status, shown) = Terminal::run(&setup, &[verb, "copy.db"]).ended();
        assert_eq!(status, Some(0), "{shown}");
        assert!(has_bar(&shown, "copy.db: bytes copied"), "{verb}: {shown:?}");
    }
}

#[test]
fn an_erasure_is_shown_while_it_waits_and_ctrl_c_leaves_it() {
    let setup = without_broker();
    setup.serve().terminate();
    let watched = |verb: &[&str]| {
        let mut erasure = Terminal::run(&setup, &[&["erasures"], verb].concat());
        // A bar has the time.
        erasure.shows("diku: erases events, 0 so far, ");
        erasure.press(CTRL_C);
        let (status, shown) = erasure.ended();
        assert_eq!(status, Some(130), "{shown}");
        shown
    };
    let start = ["start", "--tenant", "diku", "--producer", "inventory", "--entity", "item"];
    let shown = watched(&[&start[..], &["--key", "a", "--reason", "asked"]].concat());
    let (_, rest) = shown.split_once("diku: erasure ").unwrap();
    let id = &rest[..36];
    watched(&["watch", "--tenant", "diku", id]);
    let (_, listed, _) = run(&setup, &["erasures", "list"]);
    assert!(listed.contains(id) && listed.contains("In progress"), "{listed}");
}

#[test]
fn colours_are_for_a_terminal_and_not_if_no_color_is_set() {
    let escaped = |text: &str| text.contains('\u{1b}');
    let words = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    let off = without_broker();
    for line in ["--help", "serve -h", "man", "tenants list", "lanes resize 0"] {
        let done = off.command(&words(line)).stderr(Stdio::piped()).output().unwrap();
        let [said, log] = [done.stdout, done.stderr].map(|it| String::from_utf8(it).unwrap());
        assert!(!escaped(&said) && !escaped(&log), "{line}");
    }
    for (setup, has_colours) in
        [(without_broker(), true), (without_broker().with("NO_COLOR", 1), false)]
    {
        for (line, ends, told) in
            [("--help", 0, "Run, and try by hand"), ("lanes resize 0", 2, "invalid value")]
        {
            let (status, shown) = Terminal::run(&setup, &words(line)).ended();
            assert!(status == Some(ends) && shown.contains(told), "{shown:?}");
            assert_eq!(escaped(&shown), has_colours, "{shown:?}");
        }
        // The log is on the terminal, too.
        let mut serve = Terminal::run(&setup, &["serve"]);
        serve.shows(&setup.url());
        serve.shows("INFO");
        serve.press(CTRL_C);
        let (status, shown) = serve.ended();
        assert_eq!((status, escaped(&shown)), (Some(0), has_colours), "{shown:?}");
    }
}

#[test]
fn a_verb_that_calls_a_gateway_says_which() {
    let setup = without_broker();
    let serve = setup.serve();
    let url = setup.url();
    let told = format!("the gateway is {url}");
    std::fs::write(setup.path().join("one.json"), "{ \"new\": { \"id\": \"a\" } }").unwrap();
    let post = ["post", "inventory", "item", "one.json", "--tenant", "diku", "--url", &url];
    let tail = ["tail", "--tenant", "diku", "--url", &url];
    for verb in [&post[..], &tail] {
        let (status, said, lines) = run(&setup, verb);
        assert_eq!((status, lines.first()), (Some(0), Some(&told)), "{lines:?}");
        assert!(!said.contains(&told), "stdout has the data alone: {said}");
        let (status, shown) = Terminal::run(&setup, verb).ended();
        assert!(status == Some(0) && shown.contains(&told), "{shown:?}");
    }
    serve.terminate();
}

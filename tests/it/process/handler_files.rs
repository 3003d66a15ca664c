//! Handlers of operators' files beside the real binary: a program gets each event, and an operator
//! decides about those that it fails at, from the shell.

use std::process::Stdio;

use crash::serve::{Serve, Setup, get};
use crash::until;
use serde_json::{Value, json};

use crate::support::documented;
use crate::support::serve;

/// A handler that rejects each event whose key has no file of its name, and writes down the others.
const PROGRAM: &str = r#"
while IFS= read -r event; do
  key=${event#*'"key":"'} key=${key%%'"'*}
  if [ -e "known/$key" ]; then
    echo "$key" >> done && echo '{"outcome":"ok"}'
  else
    echo "{\"outcome\":\"reject\",\"reason\":\"nobody knows $key\"}"
  fi
done
"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Sets up a gateway without a broker, whose group `cg.mail` of `diku` has the program as its
/// handler.
fn setup(failure: &str) -> Setup {
    let setup = serve::setup(&["diku"]).with("BROKER", "none").with("ENV", "folio");
    for folder in ["subscriptions", "known"] {
        std::fs::create_dir(setup.path().join(folder)).unwrap();
    }
    std::fs::write(setup.path().join("handler.sh"), PROGRAM).unwrap();
    let handler = "exec = [\"/bin/bash\", \"handler.sh\", \"a secret word\"]";
    write(&setup, &format!("tenants = \"*\"\n[handler]\n{handler}\n[failure]\n{failure}\n"));
    setup
}

fn write(setup: &Setup, text: &str) {
    std::fs::write(setup.path().join("subscriptions/cg.mail.toml"), text).unwrap();
}

fn knows(setup: &Setup, keys: &[&str]) {
    keys.iter().for_each(|key| std::fs::write(setup.path().join("known").join(key), "").unwrap());
}

/// Returns the keys of the events that the handler has done.
fn done(setup: &Setup) -> Vec<String> {
    let done = std::fs::read_to_string(setup.path().join("done")).unwrap_or_default();
    done.lines().map(str::to_owned).collect()
}

async fn post(serve: &Serve, keys: &[&str]) {
    for key in keys {
        let url = format!("{}/domain-events/inventory/item", serve.url);
        let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
        let posted = request.json(&json!({ "new": { "id": key } })).send().await.unwrap();
        assert_eq!(posted.status(), 201);
    }
}

/// Runs a subcommand; returns its exit status, its stdout and its log.
fn run(setup: &Setup, line: &str) -> (Option<i32>, String, String) {
    let words: Vec<_> = line.split(' ').collect();
    let done = setup.command(&words).stderr(Stdio::piped()).output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (done.status.code(), said, log)
}

/// Runs a subcommand, which must succeed; returns what it prints, which is as docs/cli.md says.
fn objects(setup: &Setup, line: &str) -> Vec<Value> {
    let (status, said, log) = run(setup, &format!("{line} --output json"));
    assert_eq!(status, Some(0), "{line}: {log}");
    documented::objects(line, &said)
}

/// Waits until the group has halted at an event.
async fn has_stopped(setup: &Setup, at: u64) {
    let show = "subscriptions show cg.mail --tenant diku";
    until(&format!("the group has stopped at {at}"), async || {
        run(setup, show).0 == Some(0) && objects(setup, show)[0]["halt"]["position"] == at
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_stands_at_an_event_that_its_handler_rejects_until_an_operator_decides() {
    let setup = setup("policy = \"stop\"");
    let serve = setup.serve();
    knows(&setup, &["a", "c"]);
    post(&serve, &["a", "b", "c", "d", "a"]).await;
    has_stopped(&setup, 2).await;
    assert_eq!(done(&setup), ["a"], "nothing passes it");
    let shown = &objects(&setup, "subscriptions show cg.mail --tenant diku")[0];
    assert_eq!(shown["halt"]["reason"], "nobody knows b");
    assert_eq!(shown["position"], 1, "{shown}");
    let listed = &objects(&setup, "subscriptions list")[0];
    assert_eq!((&listed["state"], &listed["deadLetters"]), (&json!("halted"), &json!(0)));
    assert!(setup.log().contains("a group has stopped at an event"), "{}", setup.log());

    // Its cause is gone.
    knows(&setup, &["b"]);
    let resumed = &objects(&setup, "subscriptions resume cg.mail --tenant diku")[0];
    assert_eq!(resumed["halt"], Value::Null);
    has_stopped(&setup, 4).await;
    assert_eq!(done(&setup), ["a", "b", "c"]);

    let (status, _, log) = run(&setup, "subscriptions skip cg.mail --tenant diku --position 3");
    assert_eq!(status, Some(1));
    assert!(log.contains("halted at the event 4"), "{log}");
    let skip = "subscriptions skip cg.mail --tenant diku --position 4 --reason wrong";
    let skipped = &objects(&setup, skip)[0];
    assert_eq!((&skipped["halt"], &skipped["position"]), (&Value::Null, &json!(4)));
    until("the rest is done", async || done(&setup) == ["a", "b", "c", "a"]).await;
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_redriven_or_discarded_from_the_shell() {
    let setup = setup("policy = \"park\"");
    let serve = setup.serve();
    knows(&setup, &["a"]);
    post(&serve, &["a", "b", "b", "c", "a"]).await;
    let list = "dead-letters list cg.mail --tenant diku";
    let letters = async |count| {
        let what = format!("there are {count} dead letters");
        until(&what, async || {
            run(&setup, list).0 == Some(0) && objects(&setup, list).len() == count
        })
        .await;
        objects(&setup, list)
    };
    let all = letters(3).await;
    until("other keys go on", async || done(&setup) == ["a", "a"]).await;
    let of = |letter: &Value| (letter["position"].clone(), letter["reason"].clone());
    assert_eq!(of(&all[0]), (json!(2), json!("nobody knows b")));
    assert_eq!(of(&all[1]), (json!(3), Value::Null), "it waits for the one before");
    assert_eq!(of(&all[2]), (json!(4), json!("nobody knows c")));
    let show = "dead-letters show cg.mail --tenant diku --position 2";
    assert_eq!(objects(&setup, show)[0]["event"]["payload"]["new"]["id"], "b");
    let (status, _, log) = run(&setup, "dead-letters show cg.mail --tenant diku --position 1");
    assert!(status == Some(1) && log.contains("no dead letter at position 1"), "{log}");
    let listed = &objects(&setup, "subscriptions list")[0];
    assert_eq!((&listed["state"], &listed["deadLetters"]), (&json!("active"), &json!(3)));

    knows(&setup, &["b"]);
    let redrive = "dead-letters redrive cg.mail --tenant diku --events-per-second 2";
    let marked = &objects(&setup, redrive)[0];
    assert_eq!((&marked["count"], &marked["left"]), (&json!(3), &json!(0)), "{marked}");
    until("those of the key are done", async || done(&setup) == ["a", "a", "b", "b"]).await;
    let rest = letters(1).await;
    assert_eq!(of(&rest[0]), (json!(4), json!("nobody knows c")), "it failed again");

    let discard = "dead-letters discard cg.mail --tenant diku";
    assert_eq!(run(&setup, discard).0, Some(2), "it names none, and no reason");
    assert_eq!(run(&setup, &format!("{discard} --reason x")).0, Some(2), "it names none");
    let named = objects(&setup, &format!("{discard} --key c --reason wrong"));
    assert_eq!((&named[0]["count"], &named[0]["left"]), (&json!(1), &json!(0)));
    letters(0).await;
    let (_, said, _) = run(&setup, &format!("{discard} --all --reason wrong"));
    assert_eq!(said, "diku: cg.mail: 0 dead letters are given up\n");
    let acts = objects(&setup, "trail list --tenant diku");
    let acts: Vec<_> = acts.iter().map(|row| row["act"].as_str().unwrap()).collect();
    let of_letters = acts.iter().filter(|act| act.starts_with("dead-letters-")).count();
    assert_eq!(of_letters, 3, "two to redrive, and one to discard: {acts:?}");
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_s_arguments_and_a_webhook_s_secrets_are_shown_nowhere() {
    let setup = setup("policy = \"park\"");
    let handler = format!(
        "tenants = [\"diku\"]\n[handler.webhook]\nurl = \"http://127.0.0.1:9/\"\nsecrets = \
         [\"{SECRET}\"]\n"
    );
    std::fs::write(setup.path().join("subscriptions/cg.hook.toml"), handler).unwrap();
    let serve = setup.serve();
    let url = format!("{}/subscriptions", serve.url);
    until("both are there", async || {
        get(&url, "diku").await["subscriptions"].as_array().unwrap().len() == 2
    })
    .await;
    post(&serve, &["a"]).await;
    let listed = get(&url, "diku").await;
    let shown = |group: &str| {
        objects(&setup, &format!("subscriptions show {group} --tenant diku")).remove(0)
    };
    let [hook, mail] = ["cg.hook", "cg.mail"].map(shown);
    for (of, from_shell) in [(0, &hook), (1, &mail)] {
        let over_http = &listed["subscriptions"][of];
        assert_eq!(over_http["handler"], from_shell["handler"], "{from_shell}");
        assert_eq!(over_http["failure"], from_shell["failure"], "{from_shell}");
    }
    assert_eq!(
        (&mail["handler"]["exec"], &hook["handler"]["webhook"]["secrets"]),
        (&json!("/bin/bash"), &json!(1))
    );
    // The address is none that it may have: it stops, and says so.
    until("it has stopped", async || {
        let found = get(&format!("{url}/cg.hook"), "diku").await;
        found["halt"]["reason"].as_str().is_some_and(|why| why.contains("WEBHOOK_NETWORKS"))
    })
    .await;
    let put = "subscriptions put cg.hook --tenant diku --topic folio.diku.**";
    let (status, _, log) = run(&setup, put);
    assert!(status == Some(1) && log.contains("has a handler"), "{log}");
    let (_, trail, _) = run(&setup, "trail list --output json");
    let all = [listed.to_string(), hook.to_string(), mail.to_string(), trail, setup.log()];
    for text in all {
        assert!(!text.contains("MfKQ9r8G") && !text.contains("a secret word"), "{text}");
    }
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_file_goes_is_ended_and_its_group_stands_until_a_file_names_it_again() {
    let setup = setup("policy = \"stop\"");
    let file = std::fs::read_to_string(setup.path().join("subscriptions/cg.mail.toml")).unwrap();
    let other = file.replace("handler.sh", "other.sh");
    let program = PROGRAM.replace(">> done", ">> others");
    std::fs::write(setup.path().join("other.sh"), program).unwrap();
    std::fs::write(setup.path().join("subscriptions/cg.other.toml"), other).unwrap();
    let serve = setup.serve();
    knows(&setup, &["a", "b"]);
    post(&serve, &["a"]).await;
    until("the event is done", async || done(&setup) == ["a"]).await;
    std::fs::remove_file(setup.path().join("subscriptions/cg.mail.toml")).unwrap();
    until("it is told", async || setup.log().contains("its program is in no file")).await;
    let show = "subscriptions show cg.mail --tenant diku";
    until("the group is free", async || objects(&setup, show)[0]["reader"].is_null()).await;
    post(&serve, &["b"]).await;
    let others = setup.path().join("others");
    until("another group has it", async || {
        std::fs::read_to_string(&others).unwrap_or_default() == "a\nb\n"
    })
    .await;
    let stands = &objects(&setup, show)[0];
    assert_eq!((&stands["position"], &stands["halt"]), (&json!(1), &Value::Null), "{stands}");
    assert_eq!(stands["handler"]["exec"], "/bin/bash", "the form is as it was");
    assert_eq!(done(&setup), ["a"]);
    write(&setup, &file);
    until("it goes on", async || done(&setup) == ["a", "b"]).await;
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_no_setting_of_the_gateway() {
    let setup = setup("policy = \"stop\"")
        .with("KAFKA_CONFIG_SASL_PASSWORD", "hunter2")
        .with("EVENT_GATEWAY_TOKEN", "hunter2")
        .with("MAIL_PASSWORD", "of the program");
    let program = format!("env > variables\n{PROGRAM}");
    std::fs::write(setup.path().join("handler.sh"), program).unwrap();
    let serve = setup.serve();
    knows(&setup, &["a"]);
    post(&serve, &["a"]).await;
    until("the event is done", async || done(&setup) == ["a"]).await;
    let variables = std::fs::read_to_string(setup.path().join("variables")).unwrap();
    assert!(variables.contains("MAIL_PASSWORD=of the program\n"), "{variables}");
    for own in ["STORE_URL=", "KAFKA_CONFIG_", "EVENT_GATEWAY_TOKEN", "hunter2"] {
        assert!(!variables.contains(own), "{own}: {variables}");
    }
    assert!(serve.terminate().success());
}

#[test]
fn an_illegal_handler_ends_the_start_with_its_line_and_key_and_without_its_secret() {
    let setup = setup("policy = \"park\"");
    for (text, told) in [
        ("[handler]\nexec = [\"sh\"]\nconcurrency = 0", "line 4, handler.concurrency: must be"),
        ("[handler]\nexec = \"hunter2\"", "line 3, handler.exec: invalid type, expected"),
        (
            "[handler.webhook]\nurl = \"https://x\"\nsecrets = [\"whsec_hunter2\"]",
            "line 4, handler.webhook.secrets.0: ",
        ),
        ("[failure]\npolicy = \"park\"", "line 2, failure: needs a handler"),
    ] {
        write(&setup, &format!("tenants = \"*\"\n{text}\n"));
        let (status, said, _) = run(&setup, "check");
        assert_eq!(status, Some(1), "{said}");
        let started = setup.command(&["serve"]).output().unwrap();
        assert_eq!(started.status.code(), Some(2), "{text}");
        let log = setup.log();
        let last = log.lines().last().unwrap();
        for told_there in [&said, last] {
            let names = told_there.contains(told) && told_there.contains("cg.mail.toml");
            assert!(names && !told_there.contains("hunter2"), "{told_there}");
        }
    }
}

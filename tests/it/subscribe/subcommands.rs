//! The subcommands of `subscriptions`, beside a running gateway.

use serde_json::{Value, json};

use crate::support::serve::setup;
use crate::support::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_lists_moves_and_removes_groups_beside_a_running_gateway() {
    let setup = setup(&["diku"]).with("BROKER", "none");
    let serve = setup.serve();
    let run = |arguments: &[&str]| {
        let done = setup.command(&[&["subscriptions"], arguments].concat()).output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let json = |(is_done, said): (bool, String)| -> Value {
        assert!(is_done, "{}", setup.log());
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"))
    };
    let of = ["--tenant", "diku"];
    let group = |verb: &'static str, more: &[&'static str]| {
        run(&[&[verb, "cg.search"], more, &of[..], &["--output", "json"]].concat())
    };
    let put = ["--topic", "**.inventory.*", "--header", "a=b=c", "--auto-commit"];
    let made = json(group("put", &put));
    assert_eq!((&made["topics"], &made["position"]), (&json!(["**.inventory.*"]), &0.into()));
    assert_eq!((&made["headers"], &made["autoCommit"]), (&json!({ "a": "b=c" }), &true.into()));
    assert_eq!(json(group("put", &[]))["topics"], json!([]), "it has another filter now");

    let client = reqwest::Client::new();
    let post = client.post(format!("{}/domain-events/inventory/instance", serve.url));
    let record = json!({ "new": { "id": "00000000-0000-4000-8000-000000000001" } });
    let posted = post.header("X-Okapi-Tenant", "diku").json(&record).send().await.unwrap();
    assert_eq!(posted.status(), 201);
    let subscriber = Subscriber::new(&serve.url);
    assert_eq!(subscriber.poll("reader=pod-1").await.positions, [1]);
    let (_, listed) = run(&["list"]);
    let line = listed.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        (&line[..4], &line[5..]),
        (&["diku", "cg.search", "0", "1"][..], &["active", "0", "pod-1"][..]),
        "{listed}"
    );
    assert!(!group("seek", &["--to", "latest"]).0, "somebody reads");
    assert!(setup.log().contains("`pod-1` reads for the group"), "{}", setup.log());
    assert_eq!(subscriber.delete().await, 204);
    assert!(!group("show", &[]).0);

    let anew = json(group("put", &["--start", "latest"]))["generation"].as_u64().unwrap();
    assert_eq!(json(group("seek", &["--to", "earliest"]))["position"], 0);
    assert_eq!(json(group("show", &[]))["generation"], anew + 1);
    let skipped = json(group("seek", &["--to", "0", "--gaps", "skip"]));
    assert_eq!((&skipped["position"], &skipped["gapsTo"]), (&0.into(), &json!({})));
    assert!(!group("seek", &["--to", "0", "--gaps", "fill"]).0);
    assert!(group("delete", &[]).0);
    assert_eq!(subscriber.get().await.0, 404);
    assert!(!run(&["put", "search", "--tenant", "diku"]).0, "no group has that name");
    let list = ["trail", "list", "--tenant", "diku", "--output", "json"];
    let trail = String::from_utf8(setup.command(&list).output().unwrap().stdout).unwrap();
    let rows = trail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<_> = rows.map(|row| (row["act"].clone(), row["who"].clone())).collect();
    let acts: Vec<_> = rows.iter().map(|(act, _)| act.as_str().unwrap()).collect();
    let made = ["subscription-put"; 2];
    let moved = ["subscription-put", "subscription-seek", "subscription-seek"];
    let removed = ["subscription-delete"];
    let wanted = [&["tenant-enable"][..], &made, &removed, &moved, &removed].concat();
    assert_eq!(acts, wanted, "{trail}");
    // The fourth is the reader's, who has asked over HTTP without a user.
    assert_eq!((&rows[0].1, &rows[3].1), (&json!("gateway"), &json!("user")));
    let is_shell = |who: &Value| who.as_str().unwrap().starts_with("shell:");
    assert!([1, 2, 4, 5, 6, 7].iter().all(|index| is_shell(&rows[*index].1)), "{trail}");
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_a_table_of_one_row_unless_json_is_asked_for() {
    let setup = setup(&["diku"]).with("BROKER", "none");
    let serve = setup.serve();
    let row = |verb: &str, more: &[&str]| {
        let all = [&["subscriptions", verb, "cg.search", "--tenant", "diku"], more].concat();
        let said = String::from_utf8(setup.command(&all).output().unwrap().stdout).unwrap();
        let lines: Vec<_> = said.lines().collect();
        let [heading, row] = lines[..] else { panic!("{said} {}", setup.log()) };
        assert!(heading.starts_with("TENANT ") && heading.ends_with(" FILTER"), "{said}");
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let filter = "topic **.inventory.*, key a, type UPDATE, header a=b=c";
    let put = ["--topic", "**.inventory.*", "--key", "a", "--type", "UPDATE", "--header", "a=b=c"];
    assert_eq!(row("put", &put), format!("diku cg.search 0 0 - {filter}"));
    assert_eq!(row("show", &[]), format!("diku cg.search 0 0 - {filter}"));
    assert_eq!(row("put", &[]), "diku cg.search 0 1 - all events");
    assert_eq!(row("seek", &["--to", "latest"]), "diku cg.search 0 2 - all events");
    serve.terminate();
}

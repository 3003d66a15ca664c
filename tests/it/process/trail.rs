//! The trail of the subcommands, beside a running gateway on a real Kafka: each that changes
//! something leaves the row of its act, and one that is refused leaves none.

use std::collections::BTreeSet;
use std::process::Stdio;

use crash::load::Load;
use crash::serve::Setup;
use crash::{story, until};
use event_gateway::domain::trail::Act;
use serde_json::Value;

use crate::support::documented;
use crate::support::hexkit::HexkitBed;
use crate::support::services::{kafka, mongodb};
use crate::support::whole_way::setup;

/// The acts that no subcommand of this story does, and who does.
const ELSEWHERE: [(Act, &str); 12] = [
    (Act::DeleteAll, "modules alone, over HTTP: `http::trail`"),
    (Act::Release, "needs what is parked: `process::parked`, and `http::trail`"),
    (Act::Discard, "needs what is parked: `process::parked`, and `http::trail`"),
    (Act::SkipEvent, "needs a handler that fails: `process::handler_files`, and `http::trail`"),
    (Act::RedriveDeadLetters, "needs dead letters: `process::handler_files`, and `http::trail`"),
    (Act::DiscardDeadLetters, "needs dead letters: `process::handler_files`, and `http::trail`"),
    (Act::EndReader, "readers alone: `http::trail`, `listen::access`"),
    (Act::Repair, "needs what an audit has missed: `follow::audit`"),
    (Act::Restore, "needs a store that went back: `follow::restore::real`"),
    (Act::RestoreBackup, "needs a gateway that is stopped: `store::sqlite_files`"),
    (Act::BeginSink, "needs a log that lacks events: `process::removal`"),
    (Act::ChangeTopics, "`process::topics`"),
];

/// Runs a subcommand; returns whether it succeeded, its stdout and its log.
fn run(setup: &Setup, arguments: &[&str]) -> (bool, String, String) {
    let done = setup.command(arguments).stderr(Stdio::piped()).output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|it| String::from_utf8(it).unwrap());
    (done.status.success(), said, log)
}

/// Runs a subcommand, which must succeed; returns what it prints, which is as docs/cli.md says.
fn done(setup: &Setup, line: &str) -> Vec<Value> {
    let arguments: Vec<_> = line.split(' ').chain(["--output", "json"]).collect();
    let (succeeded, said, log) = run(setup, &arguments);
    assert!(succeeded, "{line}: {said}{log}");
    documented::objects(line, &said)
}

fn refused(setup: &Setup, line: &str) {
    let arguments: Vec<_> = line.split(' ').collect();
    let (succeeded, said, log) = run(setup, &arguments);
    assert!(!succeeded, "{line}: {said}{log}");
}

/// Returns the act, the tenant and the object of each row that whoever runs the subcommands has
/// left, oldest first.
fn acts(setup: &Setup) -> Vec<[String; 3]> {
    let rows = done(setup, "trail list").into_iter();
    let own = rows.filter(|row| row["who"].as_str().unwrap().starts_with("shell:"));
    own.map(|row| ["act", "tenant", "object"].map(|of| row[of].as_str().unwrap_or("-").to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "it is a table")]
async fn every_subcommand_that_changes_something_leaves_the_row_of_its_act() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    // A sink that is gone later on.
    let bed = HexkitBed::at(&mongodb::url());
    let serve = setup.serve_with(&[("HEXKIT_MONGODB_URL", &bed.own_url())]);
    let is_known = async || done(&setup, "sinks list").iter().any(|it| it["sink"] == "hexkit");
    until("the sink is known", is_known).await;
    serve.terminate();
    let serve = setup.serve();
    let load = Load::start(&serve.url, &["diku"], 2);
    load.more(30).await;
    let acknowledged = load.finish().await;
    story::published(&serve.url, "diku", acknowledged.len() as u64).await;
    let target = format!("{env}.diku.again");

    // A purge would wait for it.
    done(&setup, "sinks forget hexkit");
    refused(&setup, "sinks forget nothing");
    done(&setup, "tenants enable newcomer");
    done(&setup, "tenants disable newcomer");
    refused(&setup, "tenants disable nobody");
    done(&setup, "tenants enable newcomer");
    done(&setup, "tenants purge newcomer");
    // What is done already is no error, and no act.
    done(&setup, "tenants purge newcomer");
    refused(&setup, "tenants purge nobody");
    let start = format!("replays start --tenant diku --target {target} --events-per-second 1");
    let started = done(&setup, &format!("{start} --detach"));
    let id = started[0]["id"].as_str().unwrap();
    done(&setup, &format!("replays pause --tenant diku {id}"));
    done(&setup, &format!("replays resume --tenant diku {id}"));
    done(&setup, &format!("replays cancel --tenant diku {id}"));
    done(&setup, &format!("{start}0000 --dry-run"));
    assert_eq!(done(&setup, "replays list")[0]["id"], id);
    done(&setup, "republish --tenant diku");
    let key = &acknowledged[0].key;
    let of = format!("--tenant diku --producer inventory --entity instance --key {key}");
    done(&setup, &format!("erasures start {of} --reason asked"));
    refused(&setup, "erasures start --tenant diku --producer a --entity b --key c --reason asked");
    done(&setup, "subscriptions put cg.x --tenant diku");
    done(&setup, "subscriptions put cg.x --tenant diku");
    done(&setup, "subscriptions seek cg.x --tenant diku --to latest");
    done(&setup, "subscriptions pause cg.x --tenant diku --reason asked");
    done(&setup, "subscriptions pause cg.x --tenant diku");
    done(&setup, "subscriptions resume cg.x --tenant diku");
    done(&setup, "subscriptions resume cg.x --tenant diku");
    refused(&setup, "subscriptions skip cg.x --tenant diku --position 1");
    refused(&setup, "dead-letters show cg.x --tenant diku --position 1");
    done(&setup, "dead-letters redrive cg.x --tenant diku");
    done(&setup, "dead-letters discard cg.x --tenant diku --all --reason asked");
    done(&setup, "subscriptions delete cg.x --tenant diku");
    refused(&setup, "subscriptions delete cg.x --tenant diku");
    refused(&setup, "lanes resize 16");
    serve.terminate();
    done(&setup, "lanes resize 16");

    let mine = acts(&setup);
    let wanted = [
        ("sink-forget", "-", "hexkit"),
        ("tenant-enable", "newcomer", "newcomer"),
        ("tenant-disable", "newcomer", "newcomer"),
        ("tenant-enable", "newcomer", "newcomer"),
        ("tenant-purge", "newcomer", "newcomer"),
        ("replay-start", "diku", id),
        ("replay-pause", "diku", id),
        ("replay-resume", "diku", id),
        ("replay-cancel", "diku", id),
    ];
    let wanted = wanted.map(|(act, tenant, object)| [act, tenant, object].map(str::to_owned));
    assert_eq!(mine[..wanted.len()], wanted, "{mine:#?}");
    let rest: Vec<_> = mine[wanted.len()..].iter().map(|[act, tenant, _]| [act, tenant]).collect();
    let wanted = [
        ["republish", "diku"],
        ["erase", "diku"],
        ["subscription-put", "diku"],
        ["subscription-seek", "diku"],
        ["subscription-pause", "diku"],
        ["subscription-resume", "diku"],
        ["subscription-delete", "diku"],
        ["lanes-resize", "-"],
    ];
    assert_eq!(rest, wanted, "{mine:#?}");
    let told: BTreeSet<_> = mine.iter().map(|[act, _, _]| Act::parse(act).unwrap()).collect();
    let elsewhere: BTreeSet<_> = ELSEWHERE.map(|(act, _)| act).into();
    let all: BTreeSet<_> = told.union(&elsewhere).copied().collect();
    assert_eq!(all, Act::ALL.iter().copied().collect(), "each act is in a story");
    assert!(told.is_disjoint(&elsewhere));
}

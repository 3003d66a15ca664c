//! A group moves to a real Kafka: its places are carried over once the log is published there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::serve::{Serve, Setup, get};
use crash::{story, until};
use event_gateway::domain::partition;
use serde_json::Value;

use crate::support::kafka_clients::{Got, Member, commit, nobody_reads, post, setup};
use crate::support::services::kafka::{self, Record, consume_at_least};

/// Exports a group of `diku`; returns the exit status, and the rows.
fn export(setup: &Setup, group: &str, more: &[&str]) -> (Option<i32>, Vec<Value>) {
    let verb = ["subscriptions", "export", group, "--tenant", "diku", "--output", "json"];
    let done = setup.command(&[&verb[..], more].concat()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let rows = said.lines().map(|line| serde_json::from_str(line).unwrap());
    (done.status.code(), rows.collect())
}

/// Returns the first offset of each partition whose event has a later position than the row tells.
fn first_unread(records: &[Record], rows: &[Value]) -> Vec<Option<i64>> {
    let first = |row: &Value| {
        let its = records.iter().filter(|it| i64::from(it.partition) == row["partition"]);
        let read = row["position"].as_u64().unwrap();
        let is_unread =
            |it: &&Record| it.header("position").unwrap().parse::<u64>().unwrap() > read;
        its.filter(is_unread).map(|it| it.offset).min()
    };
    rows.iter().map(first).collect()
}

/// The group, its topic, and a log of which it has read the events up to position 16.
struct Half {
    group: String,
    topic: String,
    setup: Setup,
}

impl Half {
    /// Lets the group read from the gateway, which is gone then. The first event that the group has
    /// not read is in the partition of the last one that it has.
    async fn read() -> Self {
        let env = kafka::env();
        let (group, topic) = (format!("cg.{env}"), format!("{env}.diku.inventory.item"));
        let setup = setup(&["diku"], 4).with("ENV", &env);
        let (serve, got) = (setup.serve(), Arc::new(Got::default()));
        post(&serve, "diku", 0..16).await;
        let member = Member::join_topic(serve.broker(), &group, &got, &topic);
        until("it has all", async || got.count() == 16).await;
        member.leave();
        nobody_reads(&serve, &group).await;
        post(&serve, "diku", 16..40).await;
        serve.kill();
        Self { group, topic, setup }
    }

    /// Checks that the group is not exported while somebody reads for it from the gateway, and moves
    /// it back to where it stood. Returns the number of partitions in which it stands.
    async fn is_refused_while_it_is_read(&self, serve: &Serve) -> usize {
        let Self { group, topic, setup } = self;
        let got = Arc::new(Got::default());
        let reader = Member::join_topic(serve.broker(), group, &got, topic);
        let shown = format!("{}/subscriptions/{group}", serve.url);
        let has_reader = async || !get(&shown, "diku").await["reader"].is_null();
        until("somebody reads from the gateway", has_reader).await;
        assert_eq!(export(setup, group, &[]), (Some(1), vec![]));
        let log = setup.log();
        assert!(log.contains("from the gateway: let all of its readers leave"), "{log}");
        until("it has all", async || got.count() == 24).await;
        reader.leave();
        nobody_reads(serve, group).await;
        let places = places_after(&serve.url, 16).await;
        commit(serve.broker(), group, topic, &places);
        places.len()
    }

    /// Checks that the group gets the rest from Kafka and nothing again, and is not exported
    /// meanwhile.
    async fn reads_the_rest(&self) {
        let rest = Arc::new(Got::default());
        let member = Member::join_topic(&kafka::address(), &self.group, &rest, &self.topic);
        until("the rest comes from Kafka", async || rest.count() == 24).await;
        assert_eq!(export(&self.setup, &self.group, &["--replace"]), (Some(1), vec![]));
        let log = self.setup.log();
        assert!(log.contains("has members in Kafka (1)"), "{log}");
        member.leave();
        assert_eq!((rest.count(), rest.count_from(16)), (24, 24), "nothing comes again");
        rest.assert_in_order();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_in_a_kafka_where_it_stood_and_misses_and_repeats_nothing() {
    let half = Half::read().await;
    let Half { group, topic, setup } = half;
    let setup = setup.with("KAFKA_HOST", kafka::address());
    assert_eq!(export(&setup, &group, &[]), (Some(1), vec![]), "nothing is published");
    assert!(setup.log().contains("what is published ends at 0"), "{}", setup.log());
    let half = Half { group: group.clone(), topic: topic.clone(), setup };
    let (serve, setup) = (half.setup.serve(), &half.setup);
    let waits = ["publish-pending", "--wait", "120"];
    assert!(setup.command(&waits).status().unwrap().success(), "{}", setup.log());
    let partitions = half.is_refused_while_it_is_read(&serve).await;

    let (status, rows) = export(setup, &group, &["--dry-run"]);
    assert_eq!((status, rows.len()), (Some(0), partitions), "{rows:?} {}", setup.log());
    let records = consume_at_least(&kafka::address(), &topic, 40);
    let offsets: Vec<_> = rows.iter().map(|row| row["offset"].as_i64()).collect();
    assert_eq!(offsets, first_unread(&records, &rows), "{rows:?}");
    assert!(rows.iter().all(|row| row["again"] == 0 && row["before"].is_null()), "{rows:?}");
    assert_eq!(export(setup, &group, &[]), (Some(0), rows.clone()), "{}", setup.log());
    let (status, once_more) = export(setup, &group, &[]);
    assert_eq!(status, Some(0), "nothing is moved: {}", setup.log());
    assert!(once_more.iter().all(|row| row["before"] == row["offset"]), "{once_more:?}");
    half.reads_the_rest().await;

    // It has gone on there, and goes back only if that is wanted.
    let refused = async || {
        export(setup, &group, &[]).0 == Some(1)
            && setup.log().contains("has committed in Kafka already")
    };
    until("it is told that the group has gone on", refused).await;
    let (status, moved) = export(setup, &group, &["--replace"]);
    assert_eq!(status, Some(0), "{}", setup.log());
    let of = |rows: &[Value]| rows.iter().map(|row| row["offset"].clone()).collect::<Vec<_>>();
    assert_eq!(of(&moved), of(&rows));
    let trail = get(&format!("{}/trail", serve.url), "diku").await;
    let all = trail["trail"].as_array().unwrap().iter();
    assert_eq!(all.filter(|row| row["reason"] == "exported to Kafka").count(), 3, "{trail}");
    serve.terminate();
}

/// Returns the offset of each partition at which a group stands that has read up to a position.
async fn places_after(url: &str, position: u64) -> BTreeMap<i32, i64> {
    let log = story::log(url, "diku").await;
    let mut places = BTreeMap::new();
    for event in log.iter().filter(|event| event.position <= position) {
        let partition = partition::of_key(event.key.as_bytes(), 4);
        places.insert(partition as i32, event.position as i64 + 1);
    }
    places
}

//! The checker's own tests: a correct story has no findings, and each small corruption gives
//! exactly the finding that names it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use crash::checker::{Kind, check};
use crash::evidence::{Acknowledged, Logged, Replayed, Told};
use crash::kafka::Record;
use crash::story::{Rules, Story, Sums};
use serde_json::value::RawValue;

const TIME: &str = "2026-01-31T12:00:00.000Z";
const TIME_MS: i64 = 1_769_860_800_000;

/// A tenant whose two keys take turns: created, then updated.
fn changes(tenant: &str) -> Vec<Acknowledged> {
    let state = |key: &str, seq: usize| format!(r#"{{"id":"{key}","seq":{seq}}}"#);
    let change = |position: u64| {
        let (key, seq) =
            (if position.is_multiple_of(2) { "b" } else { "a" }, position.div_ceil(2) as usize);
        Acknowledged {
            tenant: tenant.to_owned(),
            entity: "item".to_owned(),
            key: key.to_owned(),
            event_id: format!("{tenant}-{position}"),
            position,
            old: (seq > 1).then(|| state(key, seq - 1)),
            new: Some(state(key, seq)),
            seq,
        }
    };
    (1..=6).map(change).collect()
}

fn logged(change: &Acknowledged) -> Logged {
    let Acknowledged { tenant, old, new, position, event_id, key, .. } = change;
    let state = |name: &str, state: &Option<String>| {
        state.as_ref().map(|state| format!("\"{name}\":{state},")).unwrap_or_default()
    };
    let event_type = if old.is_none() { "CREATE" } else { "UPDATE" };
    let states = state("old", old) + &state("new", new);
    let payload = format!(
        "{{{states}\"type\":\"{event_type}\",\"tenant\":\"{tenant}\",\"ts\":\"{TIME_MS}\"}}"
    );
    let headers =
        [("event_id", event_id), ("position", &position.to_string()), ("x-okapi-tenant", tenant)];
    Logged {
        position: *position,
        event_id: event_id.clone(),
        topic: format!("test.{tenant}.inventory.item"),
        key: key.clone(),
        time: TIME.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.clone())).into(),
        payload: RawValue::from_string(payload).unwrap(),
        published: Some(true),
    }
}

fn record(event: &Logged, offset: i64) -> Record {
    Record {
        topic: event.topic.clone(),
        partition: 0,
        offset,
        key: event.key.clone().into_bytes(),
        value: event.payload.get().as_bytes().to_vec(),
        headers: event.headers.clone().into_iter().collect(),
        timestamp_ms: TIME_MS,
    }
}

/// Two tenants with six events each; the first two records of each were aborted, and came again.
fn story() -> Story {
    let acknowledged = [changes("college"), changes("diku")].concat();
    let mut logs: BTreeMap<String, Vec<Logged>> = BTreeMap::new();
    for change in &acknowledged {
        logs.entry(change.tenant.clone()).or_default().push(logged(change));
    }
    let (mut committed, mut uncommitted) = (Vec::new(), Vec::new());
    for log in logs.values() {
        uncommitted.extend(log[..2].iter().zip(0..).map(|(event, offset)| record(event, offset)));
        let records: Vec<_> =
            log.iter().zip(3..).map(|(event, offset)| record(event, offset)).collect();
        uncommitted.extend(records.clone());
        committed.extend(records);
    }
    let topic = logs["diku"][0].topic.clone();
    let told = vec![Told { tenant: "diku".to_owned(), topic, position: 1, ends: vec![4] }];
    let sums = Sums {
        log_events: 12,
        states: [("published".to_owned(), 12), ("parked".to_owned(), 0)].into(),
    };
    let (env, replayed, rules) = ("test".to_owned(), Vec::new(), Rules::default());
    Story { env, acknowledged, logs, committed, uncommitted, told, replayed, rules, sums }
}

/// The same, and a replay of diku's topic to itself.
fn story_with_replay() -> Story {
    let mut story = story();
    let again = |(event, offset): (&Logged, i64)| {
        let mut again = record(event, offset);
        again.headers.push(("replay_id".to_owned(), "again".to_owned()));
        again
    };
    let records: Vec<_> = story.logs["diku"].iter().zip(9..).map(again).collect();
    story.committed.extend(records.clone());
    story.uncommitted.extend(records);
    story.replayed.push(Replayed {
        tenant: "diku".to_owned(),
        id: "again".to_owned(),
        status: "Completed".to_owned(),
        messages_published: 6,
        position: 6,
        topics: vec![story.logs["diku"][0].topic.clone()],
        keys: Vec::new(),
        after: 0,
        until: None,
        target: None,
        ended_date: Some(TIME.to_owned()),
    });
    story
}

/// Diku's last event: of the key `b`.
const LAST: usize = 5;

fn diku(story: &mut Story) -> &mut Vec<Logged> {
    story.logs.get_mut("diku").unwrap()
}

/// Changes the record that each reader sees last, which is diku's last record.
fn to_last_records(story: &mut Story, change: impl Fn(&mut Record)) {
    change(story.committed.last_mut().unwrap());
    change(story.uncommitted.last_mut().unwrap());
}

fn set_header(headers: &mut [(String, String)], name: &str, value: &str) {
    headers.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.to_owned();
}

/// A defect: the kind that must be found, its name, and how it gets into a story.
type Corruption = (Kind, &'static str, fn(&mut Story));

const CORRUPTIONS: [Corruption; 22] = [
    (Kind::Lost, "an acknowledged change is not in the log", |story| {
        diku(story).pop();
        story.committed.pop();
        story.uncommitted.pop();
        story.sums = Sums { log_events: 11, states: [("published".to_owned(), 11)].into() };
    }),
    (Kind::Lost, "an event is not in its topic", |story| {
        story.committed.pop();
    }),
    (Kind::Lost, "a read_uncommitted consumer does not see an event", |story| {
        let older = |record: &Record| record.header("event_id") == Some("diku-4");
        story.uncommitted.retain(|record| !older(record));
    }),
    (Kind::Phantom, "nobody posted an event of the log", |story| {
        story.acknowledged.pop();
    }),
    (Kind::Phantom, "a record is of no event", |story| {
        let mut stranger = story.committed[0].clone();
        set_header(&mut stranger.headers, "event_id", "nobody's");
        story.committed.push(stranger);
    }),
    (Kind::Phantom, "an aborted record is of no event", |story| {
        let mut stranger = story.uncommitted[0].clone();
        set_header(&mut stranger.headers, "event_id", "nobody's");
        story.uncommitted.push(stranger);
    }),
    (Kind::Duplicate, "a read_committed consumer sees an event twice", |story| {
        story.committed.extend(story.committed.last().cloned());
    }),
    (Kind::Reordered, "records of a key are not in their order", |story| {
        let last = story.committed.len() - 1;
        story.committed.swap(last - 2, last);
    }),
    (
        Kind::Reordered,
        "changes of a key are not in the order in which they were acknowledged",
        |story| {
            let last = story.acknowledged.len() - 1;
            story.acknowledged.swap(last - 2, last);
        },
    ),
    (Kind::Stale, "an aborted page of old records comes last", |story| {
        let old = story.uncommitted[story.uncommitted.len() - 3].clone();
        story.uncommitted.push(old);
    }),
    (Kind::Bytes, "the log has not what was posted", |story| {
        story.acknowledged[0].new = Some(r#"{"id":"a", "seq":1}"#.to_owned());
    }),
    (Kind::Bytes, "a record has not what is in the log", |story| {
        story.committed[0].value.push(b' ');
    }),
    (Kind::Bytes, "an aborted record has other headers", |story| {
        story.uncommitted[0].headers.push(("more".to_owned(), String::new()));
    }),
    (Kind::Bytes, "a record has another time", |story| {
        story.committed[0].timestamp_ms += 1;
    }),
    (Kind::Tenant, "a committed record stands in another tenant's topic", |story| {
        let record = story.committed.last_mut().unwrap();
        record.topic = record.topic.replace("diku", "college");
    }),
    (Kind::Tenant, "an aborted record stands in another tenant's topic", |story| {
        let mut stray = story.uncommitted[0].clone();
        stray.topic = stray.topic.replace("college", "diku");
        story.uncommitted.push(stray);
    }),
    (Kind::Tenant, "an event says that it is another tenant's", |story| {
        diku(story)[LAST].headers.insert("x-okapi-tenant".to_owned(), "college".to_owned());
        to_last_records(story, |record| {
            set_header(&mut record.headers, "x-okapi-tenant", "college")
        });
    }),
    (Kind::Gap, "a log leaves a position out", |story| {
        diku(story)[LAST].position = 7;
        diku(story)[LAST].headers.insert("position".to_owned(), "7".to_owned());
        story.acknowledged.last_mut().unwrap().position = 7;
        to_last_records(story, |record| set_header(&mut record.headers, "position", "7"));
    }),
    (Kind::Published, "an event is never published", |story| {
        diku(story)[LAST].published = Some(false);
    }),
    (Kind::Published, "an event was told before its record stood in Kafka", |story| {
        story.told[0].ends = vec![3];
    }),
    (Kind::Sums, "the metrics count an event twice", |story| {
        story.sums.states.insert("parked".to_owned(), 1);
    }),
    (Kind::Receipt, "a receipt told another position", |story| {
        story.acknowledged[0].position = 9;
    }),
];

const CORRUPTIONS_OF_RUNS: [Corruption; 7] = [
    (Kind::Duplicate, "a replay sends an event twice", |story| {
        story.committed.extend(story.committed.last().cloned());
    }),
    (Kind::Reordered, "a replay sends a key's events in another order", |story| {
        let last = story.committed.len() - 1;
        story.committed.swap(last - 2, last);
    }),
    (Kind::Lost, "a replay that is complete leaves an event out", |story| {
        story.committed.pop();
        story.replayed[0].messages_published = 5;
    }),
    (Kind::Lost, "a replay that was cancelled leaves a key at an older event", |story| {
        story.committed.pop();
        story.replayed[0].messages_published = 5;
        story.replayed[0].status = "Cancelled".to_owned();
    }),
    (Kind::Sums, "a replay tells another number than it has sent", |story| {
        story.replayed[0].messages_published = 7;
    }),
    (Kind::Phantom, "nobody asked for a replay", |story| {
        story.replayed.clear();
    }),
    (Kind::Bytes, "a replay sends other bytes", |story| {
        story.committed.last_mut().unwrap().value.push(b' ');
    }),
];

#[test]
fn a_right_story_has_no_findings() {
    assert_eq!(check(&story()), []);
    assert_eq!(check(&story_with_replay()), []);
    let mut cancelled = story_with_replay();
    // Of key `b`, nothing was sent.
    let of_a = |record: &Record| record.header("replay_id").is_none() || record.key == b"a";
    cancelled.committed.retain(of_a);
    cancelled.replayed[0].status = "Cancelled".to_owned();
    cancelled.replayed[0].messages_published = 3;
    assert_eq!(check(&cancelled), []);
}

#[test]
fn events_may_leave_the_log_by_its_rules_alone() {
    let compacted = Rules { compacted: Some("item"), expiring: None };
    let expiring = Rules { compacted: None, expiring: Some("item") };
    // Position 2 has a later event of its key, and 6 is the last one of its key.
    for (rules, gone, is_right) in [
        (compacted, 2, true),
        (compacted, 5, false),
        (expiring, 5, true),
        (Rules::default(), 2, false),
    ] {
        let mut story = Story { rules, ..story_with_replay() };
        diku(&mut story).retain(|event| event.position != gone);
        let findings = check(&story);
        assert_eq!(findings.is_empty(), is_right, "{rules:?}, {gone}: {findings:?}");
        // It must be in its topic all the same.
        let position = gone.to_string();
        story.committed.retain(|record| {
            record.header("position") != Some(position.as_str()) || record.topic.contains("college")
        });
        assert!(!check(&story).is_empty(), "{rules:?}, {gone}");
    }
}

#[test]
fn each_corruption_of_a_run_is_named_and_nothing_else_is() {
    for (kind, what, corrupt) in CORRUPTIONS_OF_RUNS {
        let mut story = story_with_replay();
        corrupt(&mut story);
        let kinds: BTreeSet<_> = check(&story).iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, BTreeSet::from([kind]), "{what}");
    }
}

#[test]
fn each_corruption_is_named_and_nothing_else_is() {
    for (kind, what, corrupt) in CORRUPTIONS {
        let mut story = story();
        corrupt(&mut story);
        let findings = check(&story);
        let kinds: BTreeSet<_> = findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [kind].into(), "{what}: {findings:#?}");
    }
}

#[test]
fn every_kind_of_finding_is_tried() {
    let tried: BTreeSet<_> = CORRUPTIONS.iter().map(|(kind, _, _)| *kind).collect();
    assert_eq!(tried, Kind::ALL.into());
}

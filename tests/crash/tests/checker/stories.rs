//! Correct stories, which tests corrupt a little.

use std::collections::{BTreeMap, BTreeSet};

use crash::checker::{Kind, check};
use crash::evidence::{Acknowledged, Eras, Logged, Observed, Replayed, Told};
use crash::kafka::Record;
use crash::story::{Rules, Story, Sums};
use serde_json::value::RawValue;

pub const TIME: &str = "2026-01-31T12:00:00.000Z";
pub const TIME_MS: i64 = 1_769_860_800_000;

/// A tenant whose two keys take turns: created, then updated.
pub fn changes(tenant: &str) -> Vec<Acknowledged> {
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
            eras: Eras::default(),
        }
    };
    (1..=6).map(change).collect()
}

pub fn logged(change: &Acknowledged) -> Logged {
    let Acknowledged { tenant, old, new, position, event_id, key, .. } = change;
    let state = |name: &str, state: &Option<String>| {
        state.as_ref().map(|state| format!("\"{name}\":{state},")).unwrap_or_default()
    };
    let event_type = if old.is_none() { "CREATE" } else { "UPDATE" };
    let states = state("old", old) + &state("new", new);
    let payload = format!(
        "{{{states}\"type\":\"{event_type}\",\"tenant\":\"{tenant}\",\"ts\":\"{TIME_MS}\"}}"
    );
    let headers = [
        ("event_id", event_id.as_str()),
        ("position", &position.to_string()),
        ("type", event_type),
        ("x-okapi-tenant", tenant),
    ];
    Logged {
        position: *position,
        event_id: event_id.clone(),
        topic: format!("test.{tenant}.inventory.item"),
        key: key.clone(),
        time: TIME.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        payload: RawValue::from_string(payload).unwrap(),
        erased: None,
        published: Some(true),
    }
}

pub fn record(event: &Logged, offset: i64) -> Record {
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
pub fn story() -> Story {
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
    let told = vec![Told {
        tenant: "diku".to_owned(),
        topic,
        position: 1,
        event_id: "diku-1".to_owned(),
        ends: vec![4],
    }];
    let sums = Sums {
        log_events: 12,
        states: [("published".to_owned(), 12), ("parked".to_owned(), 0)].into(),
    };
    let (env, rules) = ("test".to_owned(), Rules::default());
    let observed = Observed { acknowledged, told, ..Observed::default() };
    Story { env, observed, logs, committed, uncommitted, rules, sums }
}

/// The same, and a replay of diku's topic to itself.
pub fn story_with_replay() -> Story {
    let mut story = story();
    let again = |(event, offset): (&Logged, i64)| {
        let mut again = record(event, offset);
        again.headers.push(("replay_id".to_owned(), "again".to_owned()));
        again
    };
    let records: Vec<_> = story.logs["diku"].iter().zip(9..).map(again).collect();
    story.committed.extend(records.clone());
    story.uncommitted.extend(records);
    story.observed.replayed.push(Replayed {
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

pub fn diku(story: &mut Story) -> &mut Vec<Logged> {
    story.logs.get_mut("diku").unwrap()
}

/// Changes the record that each reader sees last, which is diku's last record.
pub fn to_last_records(story: &mut Story, change: impl Fn(&mut Record)) {
    change(story.committed.last_mut().unwrap());
    change(story.uncommitted.last_mut().unwrap());
}

pub fn set_header(headers: &mut [(String, String)], name: &str, value: &str) {
    headers.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.to_owned();
}

/// A defect: the kind that must be found, its name, and how it gets into a story.
pub type Corruption = (Kind, &'static str, fn(&mut Story));

/// Checks that a story has no findings, and with each corruption those of its kind alone.
pub fn assert_named(story: &dyn Fn() -> Story, corruptions: &[Corruption]) {
    assert_eq!(check(&story()), []);
    for (kind, what, corrupt) in corruptions {
        let mut story = story();
        corrupt(&mut story);
        let findings = check(&story);
        let kinds: BTreeSet<_> = findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [*kind].into(), "{what}: {findings:#?}");
    }
}

/// Appends an event to diku's log, where it is published at once.
pub fn append(story: &mut Story, event: Logged) {
    let record = record(&event, 2 + event.position as i64);
    story.committed.push(record.clone());
    story.uncommitted.push(record);
    append_unsent(story, event);
}

/// Appends an event to diku's log that has no record.
pub fn append_unsent(story: &mut Story, event: Logged) {
    diku(story).push(event);
    story.sums.log_events += 1;
    *story.sums.states.get_mut("published").unwrap() += 1;
}

/// Changes an event of diku's log, and its records.
pub fn alter(story: &mut Story, position: u64, change: impl Fn(&mut Logged)) {
    let event = diku(story).iter_mut().find(|event| event.position == position).unwrap();
    let id = event.event_id.clone();
    change(event);
    let event = event.clone();
    for it in story.committed.iter_mut().chain(&mut story.uncommitted) {
        if it.header("event_id") == Some(&id) {
            *it = record(&event, it.offset);
        }
    }
}

/// Takes an event out of diku's log and topics, and closes the gap in the sums.
pub fn forget(story: &mut Story, position: u64) {
    let id = diku(story).iter().find(|event| event.position == position).unwrap().event_id.clone();
    diku(story).retain(|event| event.position != position);
    for records in [&mut story.committed, &mut story.uncommitted] {
        records.retain(|record| record.header("event_id") != Some(&id));
    }
    story.sums.log_events -= 1;
    *story.sums.states.get_mut("published").unwrap() -= 1;
}

//! The checker's own tests: a correct story has no findings, and each small corruption gives
//! exactly the finding that names it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod admissions;
mod changed_groups;
mod delete_alls;
mod documents;
mod erasures;
mod groups;
mod handlers;
mod purges;
mod put_back_erasures;
mod put_backs;
mod runs;
mod stories;
mod subscriptions;

use std::collections::BTreeSet;

use crash::checker::{Kind, check};
use crash::kafka::Record;
use crash::story::{Rules, Story, Sums};

use stories::{Corruption, diku, set_header, story, story_with_replay, to_last_records};

/// Diku's last event: of the key `b`.
const LAST: usize = 5;

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
        story.observed.acknowledged.pop();
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
            let last = story.observed.acknowledged.len() - 1;
            story.observed.acknowledged.swap(last - 2, last);
        },
    ),
    (Kind::Stale, "an aborted page of old records comes last", |story| {
        let old = story.uncommitted[story.uncommitted.len() - 3].clone();
        story.uncommitted.push(old);
    }),
    (Kind::Bytes, "the log has not what was posted", |story| {
        story.observed.acknowledged[0].new = Some(r#"{"id":"a", "seq":1}"#.to_owned());
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
        story.observed.acknowledged.last_mut().unwrap().position = 7;
        to_last_records(story, |record| set_header(&mut record.headers, "position", "7"));
    }),
    (Kind::Published, "an event is never published", |story| {
        diku(story)[LAST].published = Some(false);
    }),
    (Kind::Published, "an event was told before its record stood in Kafka", |story| {
        story.observed.told[0].ends = vec![3];
    }),
    (Kind::Sums, "the metrics count an event twice", |story| {
        story.sums.states.insert("parked".to_owned(), 1);
    }),
    (Kind::Receipt, "a receipt told another position", |story| {
        story.observed.acknowledged[0].position = 9;
    }),
];

#[test]
fn a_right_story_has_no_findings() {
    assert_eq!(check(&story()), []);
}

#[test]
fn events_may_leave_the_log_by_its_rules_alone() {
    let compacted = Rules { compacted: Some("item"), ..Rules::default() };
    let expiring = Rules { expiring: Some("item"), ..Rules::default() };
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
fn each_corruption_is_named_and_nothing_else_is() {
    stories::assert_named(&story, &CORRUPTIONS);
}

#[test]
fn every_kind_of_finding_is_tried() {
    let all = CORRUPTIONS.iter().chain(&delete_alls::OF_RECORDS).chain(&admissions::CORRUPTIONS);
    let all = all.chain(&subscriptions::CORRUPTIONS).chain(&erasures::CORRUPTIONS);
    let all = all.chain(&purges::CORRUPTIONS).chain(&groups::CORRUPTIONS);
    let all = all.chain(&changed_groups::OF_TURNS).chain(&changed_groups::OF_LATE);
    let all = all.chain(&changed_groups::OF_VISITS);
    let all = all.chain(&handlers::OF_PARKED).chain(&handlers::OF_STOPPED);
    let tried: BTreeSet<_> = all.map(|(kind, _, _)| *kind).collect();
    assert_eq!(tried, Kind::ALL.into());
}

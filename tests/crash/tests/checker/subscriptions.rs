//! Subscriptions: the events that the readers of a group got.

use std::collections::BTreeMap;

use crash::checker::{Kind, check};
use crash::evidence::{Act, Answer, Completed, Delivered, Logged, Subscribed};
use crash::story::Story;

use event_gateway::domain::event::EventId;

use super::delete_alls::{REQUEST, story_with_expansion};
use super::erasures::{ERASURE, TOPIC, erased};
use super::stories::{Corruption, append, assert_named, diku, story};

fn delivered(event: &Logged) -> Delivered {
    Delivered {
        position: event.position,
        event_id: event.event_id.clone(),
        key: event.key.clone(),
        payload: event.payload.get().to_owned(),
    }
}

fn polled(log: &[Logged], generation: u64, after: Option<u64>, range: [u64; 2]) -> Act {
    let [from, to] = range;
    let events = log.iter().filter(|it| (from..=to).contains(&it.position));
    let events = events.map(delivered).collect();
    Act::Polled { generation, after, events, position: to, completions: 0 }
}

fn committed(generation: u64, position: u64, answer: Answer) -> Act {
    Act::Committed { generation, position, answer }
}

/// A reader that got four events and committed two; the next one, which got all others, over a lost
/// answer; a late commit of the first; a seek, and a third reader.
fn story_with_group() -> Story {
    let mut story = story();
    let log = diku(&mut story).clone();
    let acts = vec![
        polled(&log, 1, None, [1, 2]),
        committed(1, 2, Answer::Done),
        polled(&log, 1, Some(2), [3, 4]),
        committed(1, 3, Answer::Unknown),
        polled(&log, 2, None, [4, 5]),
        committed(1, 4, Answer::Refused),
        polled(&log, 2, Some(5), [6, 6]),
        committed(2, 6, Answer::Done),
        Act::Sought { to: 3, answer: Answer::Done },
        polled(&log, 4, None, [4, 6]),
    ];
    story.observed.subscribed.push(Subscribed {
        tenant: "diku".to_owned(),
        group: "cg.search".to_owned(),
        topics: vec!["test.diku.inventory.item".to_owned()],
        acts,
    });
    story
}

fn events(story: &mut Story, at: usize) -> &mut Vec<Delivered> {
    match &mut story.observed.subscribed[0].acts[at] {
        Act::Polled { events, .. } => events,
        other => panic!("{other:?}"),
    }
}

pub const CORRUPTIONS: [Corruption; 10] = [
    (Kind::Lost, "an answer leaves an event out", |story| drop(events(story, 0).remove(0))),
    (Kind::Lost, "the position of an answer goes beyond an event", |story| {
        drop(events(story, 2).remove(1));
    }),
    (Kind::Lost, "a reader begins after events that were not committed", |story| {
        drop(events(story, 4).remove(0));
    }),
    (Kind::Lost, "the last events are never delivered", |story| {
        let acts = &mut story.observed.subscribed[0].acts;
        acts.truncate(6);
    }),
    (Kind::Duplicate, "a reader gets what was committed", |story| {
        let again = events(story, 0)[1].clone();
        let third = events(story, 2)[0].clone();
        events(story, 4).splice(0..0, [again, third]);
    }),
    (Kind::Reordered, "an answer has another order", |story| {
        events(story, 9).swap(0, 1);
    }),
    (Kind::Phantom, "an event is delivered that the log does not have", |story| {
        events(story, 9)[0].event_id = "nobody's".to_owned();
    }),
    (Kind::Phantom, "an event is delivered that does not match", |story| {
        story.observed.subscribed[0].topics = vec!["test.diku.inventory.loan".to_owned()];
    }),
    (Kind::Bytes, "an event is delivered with another payload", |story| {
        events(story, 0)[0].payload.push(' ');
    }),
    (Kind::Fence, "a commit of an earlier reader is taken", |story| {
        story.observed.subscribed[0].acts[5] = committed(1, 4, Answer::Done);
    }),
];

#[test]
fn each_defect_of_a_subscription_is_named() {
    assert_named(&story_with_group, &CORRUPTIONS);
}

#[test]
fn a_commit_without_an_answer_may_be_done_or_not() {
    let mut story = story_with_group();
    let third = events(&mut story, 2)[0].clone();
    events(&mut story, 4).insert(0, third);
    assert_eq!(check(&story), []);
}

/// The DELETE of key `b`, before it is erased.
const UNERASED: &str = r#"{"old":{"id":"b"},"type":"DELETE","tenant":"diku","ts":"1790000000000"}"#;

/// A group that got the DELETE of key `b` with a payload, and after so many completed erasures. The
/// log and the topic no longer have it.
fn story_with_gone_delete(payload: &str, completions: u64) -> Story {
    let mut story = story_with_expansion();
    let event_id = EventId::parse(REQUEST).unwrap().derived("b").to_string();
    diku(&mut story).retain(|event| event.event_id != event_id);
    for records in [&mut story.committed, &mut story.uncommitted] {
        records.retain(|record| record.header("event_id") != Some(&event_id));
    }
    let (key, payload) = ("b".to_owned(), payload.to_owned());
    let events = vec![Delivered { position: 9, event_id, key, payload }];
    let polled = Act::Polled { generation: 1, after: None, events, position: 9, completions };
    story.observed.subscribed.push(Subscribed {
        tenant: "diku".to_owned(),
        group: "cg.search".to_owned(),
        topics: vec![TOPIC.to_owned()],
        acts: vec![polled],
    });
    story
}

#[test]
fn a_delete_that_was_erased_and_has_left_the_log_may_have_been_delivered() {
    let is_phantom = |story: &Story| {
        let mut findings = check(story).into_iter();
        findings.any(|it| it.kind == Kind::Phantom && it.what.contains("no event of its filter"))
    };
    for payload in ["null", UNERASED] {
        let mut story = story_with_gone_delete(payload, 0);
        assert!(is_phantom(&story), "nothing was erased: {payload}");
        append(&mut story, erased(ERASURE, 11));
        story.observed.asked_erasures.push(super::erasures::asked(ERASURE, None));
        assert!(!is_phantom(&story), "{payload}");
    }
}

#[test]
fn a_gone_delete_that_still_had_its_content_after_its_erasure_is_named() {
    let is_found = |completions| {
        let mut story = story_with_gone_delete(UNERASED, completions);
        append(&mut story, erased(ERASURE, 11));
        let completed = Completed { number: 1, era: 0, position: 11, ends: BTreeMap::new() };
        story.observed.asked_erasures.push(super::erasures::asked(ERASURE, Some(completed)));
        check(&story).iter().any(|it| it.what.contains("it was erased before"))
    };
    assert!(!is_found(0), "it was delivered before");
    assert!(is_found(1));
}

//! Erasures: the events that lose their content, and those that keep it.

use std::collections::BTreeMap;

use crash::checker::{Kind, check};
use crash::evidence::{
    Acknowledged, Act, AskedErasure, Completed, Delivered, Eras, Erasure, Logged, Subscribed,
};
use crash::kafka::Record;
use crash::story::{Rules, Story};
use event_gateway::domain::event::EventId;
use serde_json::value::RawValue;

use super::documents::document;
use super::stories::{
    Corruption, TIME, alter, append, assert_named, changes, diku, logged, record, set_header, story,
};

pub const ERASURE: &str = "0b96a642-5e7f-452d-9cae-9cee66c9a892";
pub const TOPIC: &str = "test.diku.inventory.item";

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A later change of diku's key `b`.
fn later(position: u64) -> Acknowledged {
    let last = changes("diku").pop().unwrap();
    let event_id = format!("diku-{position}");
    Acknowledged { event_id, position, seq: 4, old: last.new.clone(), ..last }
}

/// Empties an event of diku's log. Its records stay as they are.
fn empty(story: &mut Story, position: u64) {
    let event = event(story, position);
    event.payload = raw("null");
    event.erased = Some(TIME.to_owned());
    event.headers.retain(|name, _| !["seq", "correlation_id"].contains(&name.as_str()));
}

fn event(story: &mut Story, position: u64) -> &mut Logged {
    diku(story).iter_mut().find(|event| event.position == position).unwrap()
}

pub fn id_of(erasure: &str) -> String {
    EventId::parse(erasure).unwrap().derived(TOPIC).to_string()
}

/// The ERASED event of key `b`.
pub fn erased(erasure: &str, position: u64) -> Logged {
    let mut event = logged(&later(position));
    event.event_id = id_of(erasure);
    event.payload = raw(r#"{"type":"ERASED","tenant":"diku"}"#);
    event.headers.insert("event_id".to_owned(), event.event_id.clone());
    event.headers.insert("type".to_owned(), "ERASED".to_owned());
    event
}

fn erasure(id: &str, position: u64) -> Erasure {
    Erasure {
        tenant: "diku".to_owned(),
        id: id.to_owned(),
        status: "Completed".to_owned(),
        name: "item".to_owned(),
        key: "b".to_owned(),
        events: 3,
        position: Some(position),
    }
}

pub fn asked(id: &str, completed: Option<Completed>) -> AskedErasure {
    AskedErasure {
        tenant: "diku".to_owned(),
        entity: "item".to_owned(),
        key: "b".to_owned(),
        seen: 6,
        posts: 1,
        id: id.to_owned(),
        eras: Eras::default(),
        completed,
    }
}

/// Takes the records of an event out of diku's topic.
fn discard(story: &mut Story, position: u64) {
    let id = event(story, position).event_id.clone();
    event(story, position).published = Some(false);
    for records in [&mut story.committed, &mut story.uncommitted] {
        records.retain(|it| it.header("event_id") != Some(&id));
    }
    *story.sums.states.get_mut("published").unwrap() -= 1;
    *story.sums.states.entry("discarded".to_owned()).or_default() += 1;
}

/// Diku's key `b` is erased at position 7: events 2 and 4 were sent before, 6 never was. It is
/// changed again at position 8.
pub fn story_with_erasure() -> Story {
    let mut story = story();
    for change in story.observed.acknowledged.clone() {
        let seq = change.seq.to_string();
        if change.tenant == "diku" {
            alter(&mut story, change.position, |it| {
                it.headers.insert("seq".to_owned(), seq.clone());
                it.headers.insert("correlation_id".to_owned(), "one".to_owned());
            });
        }
    }
    discard(&mut story, 6);
    [2, 4, 6].into_iter().for_each(|position| empty(&mut story, position));
    append(&mut story, erased(ERASURE, 7));
    let mut eighth = logged(&later(8));
    eighth.headers.insert("seq".to_owned(), "4".to_owned());
    append(&mut story, eighth);
    story.observed.acknowledged.push(later(8));
    let ends = BTreeMap::from([(TOPIC.to_owned(), vec![10])]);
    let completed = Completed { number: 1, era: 0, position: 7, ends };
    story.observed.asked_erasures.push(asked(ERASURE, Some(completed)));
    story.observed.erasures.push(erasure(ERASURE, 7));
    story
}

/// Both readers see one more record.
pub fn publish(story: &mut Story, record: &Record) {
    story.committed.push(record.clone());
    story.uncommitted.insert(0, record.clone());
}

/// The first record of an event of diku's.
fn record_of<'s>(story: &'s mut Story, event_id: &str) -> &'s mut Record {
    let mut records = story.committed.iter_mut();
    records.find(|it| it.header("event_id") == Some(event_id)).unwrap()
}

pub const CORRUPTIONS: [Corruption; 20] = [
    (Kind::Erasure, "an event still has its payload", |story| {
        let third = event(story, 4);
        third.payload = logged(&changes("diku")[3]).payload;
    }),
    (Kind::Erasure, "an event still has its own headers", |story| {
        event(story, 6).headers.insert("seq".to_owned(), "3".to_owned());
    }),
    (Kind::Erasure, "an event was left out", |story| {
        let whole = logged(&changes("diku")[3]);
        *event(story, 4) = whole;
        for (name, value) in [("seq", "2"), ("correlation_id", "one")] {
            event(story, 4).headers.insert(name.to_owned(), value.to_owned());
        }
    }),
    (Kind::Erasure, "another record has lost its content", |story| empty(story, 3)),
    (Kind::Erasure, "an event after the erasure has lost its content", |story| empty(story, 8)),
    (Kind::Erasure, "an erasure is never complete", |story| {
        story.observed.erasures[0].status = "In progress".to_owned();
    }),
    (Kind::Erasure, "an event that was sent counts as discarded", |story| {
        event(story, 4).published = Some(false);
        *story.sums.states.get_mut("published").unwrap() -= 1;
        *story.sums.states.get_mut("discarded").unwrap() += 1;
    }),
    (Kind::Erasure, "an event is sent after its erasure is complete", |story| {
        story.observed.asked_erasures[0].completed.as_mut().unwrap().ends.clear();
    }),
    (Kind::Erasure, "an aborted page has an event after its erasure is complete", |story| {
        let fourth = Record { offset: 11, ..record_of(story, "diku-4").clone() };
        story.uncommitted.insert(0, fourth);
    }),
    (Kind::Erasure, "a request is answered with an erasure that has left something", |story| {
        story.observed.asked_erasures.push(AskedErasure { seen: 8, ..asked(ERASURE, None) });
    }),
    (Kind::Lost, "an erasure that was acknowledged is unknown", |story| {
        story.observed.asked_erasures.push(asked("1b96a642-5e7f-452d-9cae-9cee66c9a892", None));
    }),
    (Kind::Phantom, "nobody asked for an erasure", |story| {
        story.observed.erasures.push(erasure("1b96a642-5e7f-452d-9cae-9cee66c9a892", 9));
        append(story, erased("1b96a642-5e7f-452d-9cae-9cee66c9a892", 9));
        empty(story, 8);
    }),
    (Kind::Phantom, "an ERASED event is of no erasure", |story| {
        append(story, erased("1b96a642-5e7f-452d-9cae-9cee66c9a892", 9));
    }),
    (Kind::Receipt, "an erasure tells another position", |story| {
        story.observed.erasures[0].position = Some(8);
    }),
    (Kind::Lost, "an event that is shown as published has no record", |story| {
        story.committed.retain(|it| it.header("event_id") != Some("diku-4"));
    }),
    (Kind::Lost, "an ERASED event has no record", |story| {
        story.committed.retain(|it| it.header("event_id") != Some(&id_of(ERASURE)));
    }),
    (Kind::Bytes, "the record of an event that was erased has other bytes", |story| {
        record_of(story, "diku-4").value.push(b' ');
    }),
    (Kind::Bytes, "the record of an event that was erased has another header", |story| {
        set_header(&mut record_of(story, "diku-4").headers, "seq", "7");
    }),
    (Kind::Bytes, "an ERASED event tells more than that", |story| {
        alter(story, 7, |it| it.payload = raw(r#"{"type":"ERASED","tenant":"diku","id":"b"}"#));
    }),
    (Kind::Sums, "the metrics do not count what was discarded", |story| {
        *story.sums.states.get_mut("published").unwrap() += 1;
        *story.sums.states.get_mut("discarded").unwrap() -= 1;
    }),
];

#[test]
fn each_defect_of_an_erasure_is_named() {
    assert_named(&story_with_erasure, &CORRUPTIONS);
}

/// The same in a compacted topic, of which the log has no more than the last events of the keys. The
/// ERASED event has no payload.
fn story_compacted() -> Story {
    let rules = Rules { compacted: Some("item"), ..Rules::default() };
    let mut story = Story { rules, ..story_with_erasure() };
    alter(&mut story, 7, |it| it.payload = raw("null"));
    let of_erased = |it: &mut Record| {
        if it.header("type") == Some("ERASED") {
            it.value.clear();
        }
    };
    story.committed.iter_mut().chain(&mut story.uncommitted).for_each(of_erased);
    diku(&mut story).retain(|it| [5, 8].contains(&it.position));
    story
}

const COMPACTED: [Corruption; 3] = [
    (Kind::Sums, "an event that was removed counts as discarded, and was sent", |story| {
        *story.sums.states.get_mut("published").unwrap() -= 1;
        *story.sums.states.get_mut("discarded").unwrap() += 1;
    }),
    (Kind::Lost, "an event that no erasure concerns has no record", |story| {
        story.committed.retain(|it| it.header("event_id") != Some("diku-3"));
    }),
    (Kind::Erasure, "an event that was removed is sent again", |story| {
        let second = record_of(story, "diku-2").clone();
        let mut again = Record { offset: 11, ..second };
        again.topic = "test.diku.replay-1".to_owned();
        story.uncommitted.insert(0, again);
    }),
];

#[test]
fn each_defect_of_an_erasure_is_named_though_its_events_have_left_the_log() {
    assert_named(&story_compacted, &COMPACTED);
}

/// hexkit's collection has no document of what was erased.
fn story_with_documents() -> Story {
    let mut story = story_with_erasure();
    let logged = story.logs.values().flatten().filter(|it| it.erased.is_none());
    story.observed.documents = Some(logged.map(document).collect());
    story
}

const OF_DOCUMENTS: [Corruption; 2] = [
    (Kind::Erasure, "a document of an event that was erased is left", |story| {
        let fourth = logged(&changes("diku")[3]);
        story.observed.documents.as_mut().unwrap().push(document(&fourth));
    }),
    (Kind::Lost, "the ERASED event has no document", |story| {
        let documents = story.observed.documents.as_mut().unwrap();
        documents.retain(|it| it.event_type != "ERASED");
    }),
];

#[test]
fn each_document_of_an_event_that_was_erased_is_named() {
    assert_named(&story_with_documents, &OF_DOCUMENTS);
}

#[test]
fn a_replay_passes_over_what_was_erased() {
    let mut story = story_with_erasure();
    let mut replayed = super::stories::story_with_replay().observed.replayed.remove(0);
    (replayed.messages_published, replayed.position) = (5, 8);
    story.observed.replayed.push(replayed);
    let sent = story.logs["diku"].iter().filter(|it| it.erased.is_none());
    let sent: Vec<_> = sent.zip(11..).map(|(it, offset)| record(it, offset)).collect();
    for mut again in sent {
        again.headers.push(("replay_id".to_owned(), "again".to_owned()));
        story.committed.push(again.clone());
        story.uncommitted.push(again);
    }
    assert_eq!(check(&story), []);
    // It must not leave out the ERASED event.
    let is_erased = |it: &Record| it.header("type") == Some("ERASED") && it.offset > 10;
    story.committed.retain(|it| !is_erased(it));
    story.observed.replayed[0].messages_published = 4;
    let findings = check(&story);
    assert!(findings.iter().all(|it| it.kind == Kind::Lost) && findings.len() == 1, "{findings:?}");
}

/// A reader that got two events before they were erased, and one that got all events afterwards.
fn story_with_group() -> Story {
    let mut story = story_with_erasure();
    let delivered = |it: &Logged| Delivered {
        position: it.position,
        event_id: it.event_id.clone(),
        key: it.key.clone(),
        payload: it.payload.get().to_owned(),
    };
    let all: Vec<_> = diku(&mut story).iter().map(delivered).collect();
    let before = changes("diku").iter().take(2).map(|it| delivered(&logged(it))).collect();
    let polled = |generation, events, position, completions| Act::Polled {
        generation,
        after: None,
        events,
        position,
        completions,
    };
    story.observed.subscribed.push(Subscribed {
        tenant: "diku".to_owned(),
        group: "cg.search".to_owned(),
        topics: vec![TOPIC.to_owned()],
        acts: vec![polled(1, before, 2, 0), polled(2, all, 8, 1)],
    });
    story
}

const OF_GROUPS: [Corruption; 2] = [
    (Kind::Erasure, "a reader is given content after the erasure is complete", |story| {
        let Act::Polled { completions, .. } = &mut story.observed.subscribed[0].acts[0] else {
            panic!("a poll is the first act")
        };
        *completions = 1;
    }),
    (Kind::Bytes, "a reader is given other content", |story| {
        let Act::Polled { events, .. } = &mut story.observed.subscribed[0].acts[0] else {
            panic!("a poll is the first act")
        };
        events[1].payload.push(' ');
    }),
];

#[test]
fn each_event_that_is_delivered_after_it_was_erased_is_named() {
    assert_named(&story_with_group, &OF_GROUPS);
}

//! DELETE_ALLs: those that are records, and those that are expanded.

use crash::checker::{Kind, check};
use crash::evidence::{Acknowledged, DeletedAll, Eras, Logged};
use crash::story::{Rules, Story};
use event_gateway::domain::event::EventId;
use serde_json::value::RawValue;

use super::stories::{
    Corruption, TIME_MS, alter, append, append_unsent, assert_named, diku, forget, logged,
    set_header, story, story_with_replay,
};

pub const REQUEST: &str = "0b96a642-5e7f-452d-9cae-9cee66c9a892";

/// A DELETE_ALL of diku's items at position 7.
fn delete_all(story: &mut Story, event_type: &str) -> Logged {
    let (tenant, entity, event_id) = ("diku".to_owned(), "item".to_owned(), REQUEST.to_owned());
    let posted = DeletedAll {
        tenant,
        entity,
        event_id: event_id.clone(),
        position: 7,
        eras: Eras::default(),
    };
    story.observed.delete_alls.push(posted);
    let payload = r#"{"type":"DELETE_ALL","tenant":"diku"}"#.to_owned();
    let mut event = logged(&story.observed.acknowledged[6]);
    event.event_id = event_id.clone();
    event.position = 7;
    event.key = "00000000-0000-0000-0000-000000000000".to_owned();
    event.payload = RawValue::from_string(payload).unwrap();
    for (name, value) in [("event_id", REQUEST), ("position", "7"), ("type", event_type)] {
        event.headers.insert(name.to_owned(), value.to_owned());
    }
    event
}

/// A later change of diku's key `a`.
fn change(position: u64) -> Acknowledged {
    Acknowledged {
        tenant: "diku".to_owned(),
        entity: "item".to_owned(),
        key: "a".to_owned(),
        event_id: format!("diku-{position}"),
        position,
        old: None,
        new: Some(r#"{"id":"a","seq":4}"#.to_owned()),
        seq: 4,
        eras: Eras::default(),
    }
}

/// A record of a DELETE_ALL at position 7, and a change after it, which names it.
fn story_with_record() -> Story {
    let mut story = story();
    let event = delete_all(&mut story, "DELETE_ALL");
    append(&mut story, event);
    let later = change(8);
    let mut event = logged(&later);
    event.headers.insert("epoch".to_owned(), "7".to_owned());
    append(&mut story, event);
    story.observed.acknowledged.push(later);
    story
}

/// The DELETE of a key that the request at position 7 was expanded to.
fn delete(key: &str, old: &str, position: u64) -> Logged {
    let id = EventId::parse(REQUEST).unwrap().derived(key).to_string();
    let mut event = logged(&Acknowledged { key: key.to_owned(), ..change(position) });
    event.headers.insert("type".to_owned(), "DELETE".to_owned());
    event.headers.insert("event_id".to_owned(), id.clone());
    event.event_id = id;
    let payload = format!(r#"{{"old":{old},"type":"DELETE","tenant":"diku","ts":"{TIME_MS}"}}"#);
    event.payload = RawValue::from_string(payload).unwrap();
    event
}

/// A request at position 7, the DELETEs of both keys, and a change after them.
pub fn story_with_expansion() -> Story {
    let rules = Rules { expanded: Some("item"), ..Rules::default() };
    let mut story = Story { rules, ..story() };
    let request = delete_all(&mut story, "DELETE_ALL_EXPANDED");
    append_unsent(&mut story, request);
    append(&mut story, delete("a", r#"{"id":"a","seq":3}"#, 8));
    append(&mut story, delete("b", r#"{"id":"b","seq":3}"#, 9));
    append(&mut story, logged(&change(10)));
    story.observed.acknowledged.push(change(10));
    story
}

/// The position of an event that moves, and its new one.
fn swap(story: &mut Story, one: u64, other: u64) {
    for (from, to) in [(one, 99), (other, one), (99, other)] {
        alter(story, from, |event| {
            event.position = to;
            event.headers.insert("position".to_owned(), to.to_string());
        });
    }
    diku(story).sort_by_key(|event| event.position);
    for records in [&mut story.committed, &mut story.uncommitted] {
        let place =
            |record: &crash::kafka::Record| record.header("position").unwrap().parse::<u64>();
        records.iter_mut().for_each(|record| {
            let position = place(record).unwrap();
            if record.topic.contains("diku") && position > 6 {
                record.offset = 2 + position as i64;
            }
        });
        records.sort_by(|a, b| (&a.topic, a.offset).cmp(&(&b.topic, b.offset)));
    }
    for change in story.observed.acknowledged.iter_mut().filter(|it| it.tenant == "diku") {
        change.position = match change.position {
            it if it == one => other,
            it if it == other => one,
            it => it,
        };
    }
}

pub const OF_RECORDS: [Corruption; 6] = [
    (Kind::Epoch, "a later event does not name the DELETE_ALL", |story| {
        alter(story, 8, |event| drop(event.headers.remove("epoch")));
    }),
    (Kind::Epoch, "an earlier event names the DELETE_ALL", |story| {
        alter(story, 3, |event| {
            event.headers.insert("epoch".to_owned(), "7".to_owned());
        });
    }),
    (Kind::Lost, "a DELETE_ALL that was acknowledged is not in the log", |story| {
        let mut later = story.observed.delete_alls[0].clone();
        later.event_id = "1b96a642-5e7f-452d-9cae-9cee66c9a892".to_owned();
        later.position = 9;
        story.observed.delete_alls.push(later);
    }),
    (Kind::Receipt, "the receipt of a DELETE_ALL told another position", |story| {
        story.observed.delete_alls[0].position = 6;
        alter(story, 8, |event| {
            event.headers.insert("epoch".to_owned(), "6".to_owned());
        });
        alter(story, 7, |event| {
            event.headers.insert("epoch".to_owned(), "6".to_owned());
        });
    }),
    (Kind::Bytes, "a DELETE_ALL has another payload", |story| {
        alter(story, 7, |event| event.payload = RawValue::from_string("{}".to_owned()).unwrap());
    }),
    (Kind::Duplicate, "a DELETE_ALL is published twice", |story| {
        let its = story.committed.iter().find(|it| it.header("event_id") == Some(REQUEST));
        let mut again = its.unwrap().clone();
        again.offset = 99;
        story.committed.push(again);
    }),
];

const OF_EXPANSIONS: [Corruption; 8] = [
    (Kind::Lost, "a record gets no DELETE", |story| {
        forget(story, 9);
        alter(story, 10, |event| {
            event.position = 9;
            event.headers.insert("position".to_owned(), "9".to_owned());
        });
        story.observed.acknowledged.last_mut().unwrap().position = 9;
    }),
    (Kind::Phantom, "a record that was touched is deleted", |story| swap(story, 8, 10)),
    (Kind::Phantom, "a record that was deleted before gets a DELETE", |story| {
        let its = story.observed.acknowledged.iter_mut();
        its.filter(|it| it.tenant == "diku" && it.position == 6).for_each(|it| {
            (it.old, it.new) = (it.new.clone(), None);
        });
        alter(story, 6, |event| {
            let payload = format!(
                r#"{{"old":{{"id":"b","seq":3}},"type":"DELETE","tenant":"diku","ts":"{TIME_MS}"}}"#
            );
            event.payload = RawValue::from_string(payload).unwrap();
        });
    }),
    (Kind::Phantom, "the request itself has a record", |story| {
        let mut record = story.committed.last().unwrap().clone();
        set_header(&mut record.headers, "event_id", REQUEST);
        set_header(&mut record.headers, "position", "7");
        let request = diku(story)[6].clone();
        record = crash::kafka::Record {
            key: request.key.into_bytes(),
            value: request.payload.get().as_bytes().to_vec(),
            headers: request.headers.into_iter().collect(),
            ..record
        };
        story.committed.push(record);
    }),
    (Kind::Reordered, "the DELETEs are not in the order of the records' last events", |story| {
        swap(story, 8, 9);
    }),
    (Kind::Bytes, "a DELETE has another state than the record's last", |story| {
        alter(story, 9, |event| {
            let payload = event.payload.get().replace(":3}", ":2}");
            event.payload = RawValue::from_string(payload).unwrap();
        });
    }),
    (Kind::Published, "the request is never shown as published", |story| {
        diku(story)[6].published = Some(false);
    }),
    (Kind::Published, "the request is shown as published before its last DELETE is", |story| {
        let mut told = story.observed.told[0].clone();
        (told.position, told.event_id, told.ends) = (7, REQUEST.to_owned(), vec![11]);
        story.observed.told.push(told);
    }),
];

#[test]
fn each_defect_of_a_delete_all_is_named() {
    assert_named(&story_with_record, &OF_RECORDS);
}

#[test]
fn each_defect_of_an_expansion_is_named() {
    assert_named(&story_with_expansion, &OF_EXPANSIONS);
}

#[test]
fn a_record_that_is_touched_before_its_delete_comes_needs_none() {
    let mut story = story_with_expansion();
    // The change of `a` follows the request at once.
    forget(&mut story, 8);
    for (from, to) in [(9, 8), (10, 9)] {
        alter(&mut story, from, |event| {
            event.position = to;
            event.headers.insert("position".to_owned(), to.to_string());
        });
    }
    story.observed.acknowledged.last_mut().unwrap().position = 9;
    assert_eq!(check(&story), []);
}

#[test]
fn a_compacted_log_may_lack_what_a_delete_replaces_and_a_delete_that_is_replaced() {
    for (gone, is_right) in [(5, true), (8, true), (9, false)] {
        let mut story = story_with_expansion();
        story.rules.compacted = Some("item");
        diku(&mut story).retain(|event| event.position != gone);
        assert_eq!(check(&story).is_empty(), is_right, "{gone}: {:?}", check(&story));
    }
}

#[test]
fn a_replay_to_its_own_topics_sends_nothing_from_before_a_delete_all() {
    // The replay has sent what was before the DELETE_ALL.
    let mut story = story_with_replay();
    let event = delete_all(&mut story, "DELETE_ALL");
    append(&mut story, event);
    let kinds: Vec<_> = check(&story).iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [], "its records stand before that of the DELETE_ALL");
    let its = story.committed.pop().unwrap();
    let first = story.committed.iter().position(|it| it.header("replay_id").is_some()).unwrap();
    story.committed.insert(first, its);
    let findings = check(&story);
    assert!(
        findings.len() == 6 && findings.iter().all(|finding| finding.kind == Kind::Stale),
        "{findings:#?}"
    );
    // It has moved behind the DELETE_ALL instead, and sends what comes after it.
    story.committed.retain(|record| record.header("replay_id").is_none());
    story.observed.replayed[0].messages_published = 0;
    story.observed.replayed[0].position = 7;
    assert_eq!(check(&story), []);
}

/// The replay had not come to the last change of a key when the DELETE_ALL was published.
#[test]
fn a_replay_leaves_off_at_a_delete_all() {
    let mut story = story_with_replay();
    for records in [&mut story.committed, &mut story.uncommitted] {
        let at = records.iter().rposition(|it| it.key == b"a").unwrap();
        records.remove(at);
    }
    story.observed.replayed[0].messages_published = 5;
    let kinds: Vec<_> = check(&story).iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&Kind::Stale), "{kinds:?}");
    let event = delete_all(&mut story, "DELETE_ALL");
    append(&mut story, event);
    story.observed.replayed[0].position = 7;
    assert_eq!(check(&story), []);
}

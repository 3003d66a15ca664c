//! A store that was put back to a backup, and the log that was restored.

use std::collections::BTreeSet;

use crash::checker::{Kind, check};
use crash::evidence::{
    Acknowledged, Act, Delivered, Eras, Logged, OnlyInKafka, PutBack, Restored, Subscribed,
};
use crash::kafka::Record;
use crash::story::Story;

use super::stories::{Corruption, alter, assert_named, diku, logged, record, story};

fn eras(era: u32) -> Eras {
    Eras { first_sent: era, sent: era, acknowledged: era }
}

/// Moves an event of the log to the log's next id.
pub fn renamed(event: &mut Logged) {
    event.headers.insert("log_id".to_owned(), "second".to_owned());
}

/// Both readers see a further record.
fn publish(story: &mut Story, record: &Record) {
    story.committed.push(record.clone());
    story.uncommitted.push(record.clone());
}

/// Diku's events from position 5 on are lost, and there is another one at position 5. Position 4 is
/// published again.
fn story_put_back() -> Story {
    let mut story = story();
    for position in 1..=6 {
        alter(&mut story, position, |event| {
            event.headers.insert("log_id".to_owned(), "first".to_owned());
        });
    }
    diku(&mut story).truncate(4);
    let lost = story.observed.acknowledged.iter_mut();
    for change in lost.filter(|it| it.tenant == "diku" && it.position > 4) {
        change.eras = eras(1);
    }
    let later = Acknowledged {
        event_id: "later".to_owned(),
        position: 5,
        seq: 4,
        eras: eras(2),
        ..story.observed.acknowledged[10].clone()
    };
    let fourth = &mut diku(&mut story)[3];
    renamed(fourth);
    let fourth = record(fourth, 9);
    publish(&mut story, &fourth);
    let mut event = logged(&later);
    renamed(&mut event);
    publish(&mut story, &record(&event, 10));
    diku(&mut story).push(event);
    story.observed.acknowledged.push(later);
    story.sums.log_events = 11;
    story.sums.states.insert("published".to_owned(), 11);
    let only = |offset, event_id: &str| OnlyInKafka {
        topic: "test.diku.inventory.item".to_owned(),
        partition: 0,
        offset,
        event_id: event_id.to_owned(),
    };
    let restored = Restored {
        tenant: "diku".to_owned(),
        common: 3,
        again: 1,
        only_in_kafka: vec![only(7, "diku-5"), only(8, "diku-6")],
        log_id: "second".to_owned(),
    };
    story.observed.put_backs.push(PutBack { era: 1, restored: vec![restored] });
    story
}

fn restored(story: &mut Story) -> &mut Restored {
    &mut story.observed.put_backs[0].restored[0]
}

pub const CORRUPTIONS: [Corruption; 8] = [
    (Kind::Lost, "a change from before the backup is lost", |story| {
        let its = story.observed.acknowledged.iter_mut();
        its.for_each(|it| it.eras = if it.eras.sent == 1 { eras(0) } else { it.eras });
    }),
    (Kind::Lost, "a change from after the store was put back is lost", |story| {
        let its = story.observed.acknowledged.iter_mut();
        its.for_each(|it| it.eras = if it.eras.sent == 1 { eras(2) } else { it.eras });
    }),
    (Kind::Lost, "what the log has alone is not published", |story| {
        story.committed.retain(|it| it.header("event_id") != Some("later"));
    }),
    (Kind::Duplicate, "more events are published again than restore has told", |story| {
        restored(story).again = 0;
    }),
    (Kind::Bytes, "what was to be published again is not", |story| {
        story.committed.retain(|it| it.offset != 9);
    }),
    (Kind::Reordered, "a record of the former log comes after those of the present one", |story| {
        let third = |it: &Record| it.header("event_id") == Some("diku-3");
        let at = story.committed.iter().position(third).unwrap();
        let third = story.committed.remove(at);
        story.committed.push(third);
    }),
    (Kind::Stale, "a record that was lost comes after a newer one", |story| {
        let lost = |it: &&Record| it.header("event_id") == Some("diku-5");
        let lost = story.uncommitted.iter().find(lost).unwrap().clone();
        story.uncommitted.push(Record { offset: 99, ..lost });
    }),
    (Kind::Sums, "the metrics count what was lost", |story| {
        story.sums.log_events = 13;
    }),
];

#[test]
fn each_defect_of_a_log_that_was_restored_is_named() {
    assert_named(&story_put_back, &CORRUPTIONS);
}

#[test]
fn what_restore_has_not_told_is_found() {
    let mut story = story_put_back();
    restored(&mut story).only_in_kafka.pop();
    let kinds: BTreeSet<_> = check(&story).iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&Kind::Phantom), "{kinds:?}");
}

fn delivered(event: &Logged) -> Delivered {
    Delivered {
        position: event.position,
        event_id: event.event_id.clone(),
        key: event.key.clone(),
        payload: event.payload.get().to_owned(),
    }
}

/// A reader that got what was lost, and then the present events.
fn story_with_group() -> Story {
    let mut story = story_put_back();
    let log = diku(&mut story).clone();
    let polled = |generation, after, events: Vec<Delivered>, position| Act::Polled {
        generation,
        after,
        events,
        position,
        completions: 0,
    };
    let all: Vec<_> = log.iter().map(delivered).collect();
    let mut lost = all[4].clone();
    lost.event_id = "diku-5".to_owned();
    story.observed.subscribed.push(Subscribed {
        tenant: "diku".to_owned(),
        group: "cg.search".to_owned(),
        topics: vec!["test.diku.inventory.item".to_owned()],
        acts: vec![
            polled(5, None, [&all[..4], &[lost]].concat(), 5),
            Act::PutBack,
            polled(5, Some(5), all[3..4].to_vec(), 4),
            Act::Restored,
            polled(4, None, all[3..].to_vec(), 5),
        ],
    });
    story
}

/// Gives the payload of an event of one of the group's polls another time.
fn at_another_time(story: &mut Story, act: usize, event: usize) {
    let Act::Polled { events, .. } = &mut story.observed.subscribed[0].acts[act] else {
        panic!("the act is a poll")
    };
    let event = &mut events[event];
    event.event_id = "later".to_owned();
    let ts = event.payload.rfind(r#","ts":"#).expect("a time");
    event.payload = format!(r#"{},"ts":"7"}}"#, &event.payload[..ts]);
}

#[test]
fn what_was_lost_and_is_posted_again_has_another_time() {
    let mut story = story_with_group();
    at_another_time(&mut story, 0, 4);
    assert_eq!(check(&story), []);
    at_another_time(&mut story, 4, 1);
    let kinds: Vec<_> = check(&story).iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Bytes], "after the store was put back it has the log's");
}

#[test]
fn a_group_gets_what_a_log_has_after_it_was_restored() {
    assert_named(
        &story_with_group,
        &[(Kind::Lost, "an event of the present log is not delivered", |story| {
            let Some(Act::Polled { events, .. }) = story.observed.subscribed[0].acts.last_mut()
            else {
                panic!("a poll is the last act")
            };
            events.pop();
        })],
    );
}

/// A change was acknowledged at position 6, lost, and appended again at position 5 by a request that
/// its client had given up.
#[test]
fn a_change_that_an_abandoned_request_appends_again_has_another_position_than_it_was_told() {
    let mut story = story_put_back();
    let changes = &mut story.observed.acknowledged;
    let lost = changes.iter().find(|it| it.event_id == "diku-6").unwrap().clone();
    let later = changes.last_mut().unwrap();
    later.position = 6;
    let both = [Acknowledged { position: 5, ..lost }, later.clone()].map(|change| {
        let mut event = logged(&change);
        renamed(&mut event);
        event
    });
    story.committed.pop();
    story.uncommitted.pop();
    both.iter().zip(10..).for_each(|(event, offset)| publish(&mut story, &record(event, offset)));
    diku(&mut story).splice(4.., both);
    story.sums.log_events = 12;
    story.sums.states.insert("published".to_owned(), 12);
    assert_eq!(check(&story), [], "it is in the log");
    story.rules.expiring = Some("item");
    diku(&mut story).remove(4);
    assert_eq!(check(&story), [], "it has left the log");
}

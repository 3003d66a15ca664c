//! Stories of erasures in a store that was put back.

use crash::checker::{Kind, check};
use crash::evidence::{Eras, OnlyInKafka, PutBack, Restored};
use crash::story::Story;

use super::erasures::{ERASURE, TOPIC, erased, id_of, publish, story_with_erasure};
use super::put_backs::renamed;
use super::stories::{Corruption, alter, assert_named, record, set_header};

/// The store was put back to before the erasure, whose ERASED event is only in Kafka. The restore has
/// erased the record again.
fn story_put_back() -> Story {
    let mut story = story_with_erasure();
    let again = id_of(ERASURE);
    alter(&mut story, 7, |it| {
        it.event_id = id_of(&again);
        it.headers.insert("event_id".to_owned(), it.event_id.clone());
    });
    story.observed.erasures[0].id = again;
    story.observed.asked_erasures[0].eras = Eras { first_sent: 1, sent: 1, acknowledged: 1 };
    let mut former = record(&erased(ERASURE, 7), 8);
    set_header(&mut former.headers, "position", "6");
    publish(&mut story, &former);
    let only =
        OnlyInKafka { topic: TOPIC.to_owned(), partition: 0, offset: 8, event_id: id_of(ERASURE) };
    put_back(&mut story, 6, vec![only]);
    story
}

/// The store was put back, and diku's log restored: its last two events have the log's next id.
fn put_back(story: &mut Story, common: u64, only_in_kafka: Vec<OnlyInKafka>) {
    let (tenant, log_id) = ("diku".to_owned(), "second".to_owned());
    let restored = Restored { tenant, common, only_in_kafka, log_id, ..Restored::default() };
    [7, 8].into_iter().for_each(|position| alter(story, position, renamed));
    story.observed.put_backs.push(PutBack { era: 1, restored: vec![restored] });
}

const PUT_BACK: [Corruption; 3] = [
    (Kind::Phantom, "the restore has erased another record", |story| {
        story.observed.asked_erasures[0].key = "a".to_owned();
    }),
    (Kind::Lost, "an erasure from before the backup is lost", |story| {
        story.observed.asked_erasures[0].eras = Eras::default();
    }),
    (Kind::Erasure, "the restore has not erased it again", |story| {
        story.observed.put_backs[0].restored[0].common = 7;
        alter(story, 7, |it| drop(it.headers.remove("log_id")));
    }),
];

#[test]
fn each_erasure_that_a_restore_does_not_carry_out_again_is_named() {
    assert_named(&story_put_back, &PUT_BACK);
}

/// The store was put back to within the erasure, which went on with the same ids before the log was
/// restored: Kafka has its ERASED event as it was before the loss.
fn story_that_goes_on() -> Story {
    let mut story = story_with_erasure();
    put_back(&mut story, 7, Vec::new());
    for record in story.committed.iter_mut().chain(&mut story.uncommitted) {
        if record.header("event_id") == Some(&id_of(ERASURE)) {
            record.timestamp_ms -= 1;
            set_header(&mut record.headers, "position", "6");
            set_header(&mut record.headers, "log_id", "first");
        }
    }
    story
}

#[test]
fn an_erasure_that_goes_on_after_a_loss_has_the_record_from_before() {
    assert_eq!(check(&story_that_goes_on()), []);
}

//! The runs of replays.

use crash::checker::{Kind, check};
use crash::kafka::Record;

use super::stories::{Corruption, assert_named, story_with_replay};

const CORRUPTIONS: [Corruption; 7] = [
    (Kind::Duplicate, "a replay sends an event twice", |story| {
        story.committed.extend(story.committed.last().cloned());
    }),
    (Kind::Reordered, "a replay sends a key's events in another order", |story| {
        let last = story.committed.len() - 1;
        story.committed.swap(last - 2, last);
    }),
    (Kind::Lost, "a replay that is complete leaves an event out", |story| {
        story.committed.pop();
        story.observed.replayed[0].messages_published = 5;
    }),
    (Kind::Lost, "a replay that was cancelled leaves a key at an older event", |story| {
        story.committed.pop();
        story.observed.replayed[0].messages_published = 5;
        story.observed.replayed[0].status = "Cancelled".to_owned();
    }),
    (Kind::Sums, "a replay tells another number than it has sent", |story| {
        story.observed.replayed[0].messages_published = 7;
    }),
    (Kind::Phantom, "nobody asked for a replay", |story| {
        story.observed.replayed.clear();
    }),
    (Kind::Bytes, "a replay sends other bytes", |story| {
        story.committed.last_mut().unwrap().value.push(b' ');
    }),
];

#[test]
fn each_corruption_of_a_run_is_named_and_nothing_else_is() {
    assert_named(&story_with_replay, &CORRUPTIONS);
}

#[test]
fn a_run_that_was_cancelled_may_leave_out_keys() {
    let mut cancelled = story_with_replay();
    // Of key `b`, nothing was sent.
    let of_a = |record: &Record| record.header("replay_id").is_none() || record.key == b"a";
    cancelled.committed.retain(of_a);
    cancelled.observed.replayed[0].status = "Cancelled".to_owned();
    cancelled.observed.replayed[0].messages_published = 3;
    assert_eq!(check(&cancelled), []);
}

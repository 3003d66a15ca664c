//! Admissions: the replays that may run at once.

use crash::checker::Kind;
use crash::evidence::AskedReplay;
use crash::story::Story;

use super::stories::{Corruption, assert_named, story_with_replay};

fn ids(all: &[&str]) -> Vec<String> {
    all.iter().map(|id| (*id).to_owned()).collect()
}

/// A second replay to diku's topic, and a third that was refused since the first one ran.
fn story_with_several() -> Story {
    let mut story = story_with_replay();
    story.observed.replayed[0].keys = ids(&["a", "b"]);
    let mut second = story.observed.replayed[0].clone();
    (second.id, second.messages_published, second.keys) = ("second".to_owned(), 0, ids(&["c"]));
    let asked = AskedReplay {
        tenant: "diku".to_owned(),
        topics: second.topics.clone(),
        keys: ids(&["c"]),
        target: None,
        id: Some("second".to_owned()),
        open_before: ids(&["again"]),
        ended_before: Vec::new(),
        open_after: ids(&["again", "second"]),
        all_after: ids(&["again", "second"]),
    };
    let refused = AskedReplay {
        keys: ids(&["b"]),
        id: None,
        open_before: ids(&["again", "second"]),
        ..asked.clone()
    };
    story.observed.replayed.push(second);
    story.observed.asked = vec![asked, refused];
    story
}

pub const CORRUPTIONS: [Corruption; 4] = [
    (Kind::Admission, "two replays send the same keys at once", |story| {
        story.observed.asked[0].keys = ids(&["c", "a"]);
    }),
    (Kind::Admission, "a replay of all keys runs beside one of some", |story| {
        story.observed.asked[0].keys = Vec::new();
        story.observed.asked[0].topics = Vec::new();
    }),
    (Kind::Admission, "a replay of other keys is refused", |story| {
        story.observed.asked[1].keys = ids(&["d"]);
    }),
    (Kind::Admission, "a replay is refused beside one that has ended", |story| {
        story.observed.asked[1].open_before = ids(&["second"]);
        story.observed.asked[1].ended_before = ids(&["again"]);
    }),
];

#[test]
fn each_replay_that_should_not_be_let_in_or_refused_is_named() {
    assert_named(&story_with_several, &CORRUPTIONS);
}

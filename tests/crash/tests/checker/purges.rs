//! Logs that were purged.

use crash::checker::{Kind, check};
use crash::evidence::{Listed, Posted, PurgedLog};
use crash::story::Story;

use super::stories::{Corruption, assert_named, story};

/// Two logs, one after the other, each of two events of one key.
fn story_with_purges() -> Story {
    let mut story = story();
    story.observed.purged = vec![log("one", 1), log("two", 3)];
    story
}

fn log(id: &str, first: u64) -> PurgedLog {
    let positions = [first, first + 1];
    let posted = positions.map(|position| Posted {
        entity: PurgedLog::LOGGED.to_owned(),
        key: "a".to_owned(),
        event_id: format!("visitor-{position}"),
        position,
    });
    let logged = positions.map(|position| Listed {
        position,
        event_id: format!("visitor-{position}"),
        event_type: "CREATE".to_owned(),
    });
    PurgedLog {
        log_ids: [id.to_owned()].into(),
        sent: Some(posted.iter().map(|it| it.event_id.clone()).collect()),
        posted: posted.into(),
        logged: logged.into(),
        ..PurgedLog::default()
    }
}

fn last(story: &mut Story) -> &mut PurgedLog {
    story.observed.purged.last_mut().unwrap()
}

pub const CORRUPTIONS: [Corruption; 9] = [
    (Kind::Lost, "an acknowledged change was not in the log", |story| {
        drop(last(story).logged.pop());
    }),
    (Kind::Lost, "an event was purged before it was published", |story| {
        last(story).sent.as_mut().unwrap().remove("visitor-4");
    }),
    (Kind::Phantom, "an event of the purged log is in the new one", |story| {
        let earlier = story.observed.purged[0].logged[0].clone();
        last(story).logged.push(earlier);
    }),
    (Kind::Receipt, "a receipt told another position", |story| {
        last(story).logged[0].position = 9;
    }),
    (Kind::Purge, "a purged tenant was answered", |story| {
        last(story).shown.push("200 {}".to_owned());
    }),
    (Kind::Purge, "a topic was left", |story| {
        last(story).left.push("test.visitor.inventory.item".to_owned());
    }),
    (Kind::Purge, "a position was given twice", |story| {
        let log = last(story);
        log.posted.iter_mut().for_each(|it| it.position -= 1);
        log.logged.iter_mut().for_each(|it| it.position -= 1);
    }),
    (Kind::Purge, "a tenant came back with its old log", |story| {
        last(story).log_ids = ["one".to_owned()].into();
    }),
    (Kind::Purge, "a log changed its id", |story| {
        last(story).log_ids.insert("three".to_owned());
    }),
];

#[test]
fn each_defect_of_a_purge_is_named() {
    assert_named(&story_with_purges, &CORRUPTIONS);
}

#[test]
fn what_a_purge_may_lose_is_no_defect() {
    let mut story = story_with_purges();
    let log = last(&mut story);
    log.sent.as_mut().unwrap().remove("visitor-4");
    log.is_forced = true;
    assert_eq!(check(&story), []);

    // An erased event that was not sent before never is, and its ERASED event was posted by nobody.
    let log = last(&mut story);
    (log.is_forced, log.erased) = (false, Some("a".to_owned()));
    log.logged.push(Listed {
        position: 5,
        event_id: "the gateway's".to_owned(),
        event_type: "ERASED".to_owned(),
    });
    assert_eq!(check(&story), []);

    last(&mut story).sent = None;
    assert_eq!(check(&story), []);
}

#[test]
fn positions_begin_anew_only_after_a_purge_that_was_lost_with_the_store() {
    // The eras: before the backup; after it and lost; put back; repaired.
    for (earlier, later, may_be_again) in
        [(0, 0, false), (0, 3, false), (1, 1, false), (1, 2, true), (1, 3, true), (2, 3, false)]
    {
        let mut story = story_with_purges();
        story.observed.purged[0].era = earlier;
        let log = last(&mut story);
        log.era = later;
        log.posted.iter_mut().for_each(|it| it.position -= 2);
        log.logged.iter_mut().for_each(|it| it.position -= 2);
        assert_eq!(check(&story).is_empty(), may_be_again, "{earlier}, {later}");
    }
}

//! Groups of Kafka's clients: what their members got from the listener, and where the groups stand.

use std::collections::BTreeSet;

use crash::checker::{Kind, check, check_listened};
use crash::evidence::{GroupAct, KafkaGroup, Offsets};
use crash::kafka::Record;
use crash::story::Story;

use super::stories::{Corruption, alter, assert_named, diku, record, set_header, story};

const TOPIC: &str = "test.diku.inventory.item";

fn place() -> (String, i32) {
    (TOPIC.to_owned(), 0)
}

fn offsets(offset: i64) -> Offsets {
    Offsets::from([(place(), offset)])
}

fn assigned(member: usize) -> GroupAct {
    GroupAct::Assigned { member, partitions: vec![place()] }
}

fn revoked(member: usize) -> GroupAct {
    GroupAct::Revoked { member, partitions: vec![place()] }
}

fn commit(member: usize, offset: i64, is_done: bool) -> [GroupAct; 2] {
    [
        GroupAct::Commits { member, offsets: offsets(offset) },
        GroupAct::Committed { member, is_done },
    ]
}

/// A member that got three events, and committed two, and perhaps the third; the next one, which
/// gets the third again; and the last one.
fn story_with_members() -> Story {
    let mut story = story();
    let log = diku(&mut story).clone();
    let got = |member: usize, position: usize| {
        let record = record(&log[position - 1], position as i64);
        GroupAct::Got { member, record }
    };
    let mut acts = vec![assigned(0), got(0, 1), got(0, 2)];
    acts.extend(commit(0, 3, true));
    acts.push(got(0, 3));
    acts.extend(commit(0, 4, false));
    acts.push(GroupAct::Stands { since: acts.len(), offsets: offsets(4) });
    acts.extend([revoked(0), assigned(1), got(1, 3), got(1, 4), got(1, 5)]);
    acts.extend(commit(1, 6, true));
    acts.extend([revoked(1), assigned(2), got(2, 6)]);
    acts.extend(commit(2, 7, true));
    acts.push(GroupAct::Stands { since: acts.len(), offsets: offsets(7) });
    story.observed.groups.push(KafkaGroup {
        group: "cg.search".to_owned(),
        topics: vec![TOPIC.to_owned()],
        partitions: 1,
        is_held: true,
        may_miss: BTreeSet::new(),
        acts,
    });
    story
}

fn acts(story: &mut Story) -> &mut Vec<GroupAct> {
    &mut story.observed.groups[0].acts
}

/// Returns the place among the acts at which a member got a position.
fn at(story: &mut Story, by: usize, position: i64) -> usize {
    let is_it = |act: &GroupAct| match act {
        GroupAct::Got { member, record } => (*member, record.offset) == (by, position),
        _ => false,
    };
    acts(story).iter().position(is_it).unwrap()
}

fn got(story: &mut Story, by: usize, position: i64) -> &mut Record {
    let at = at(story, by, position);
    match &mut acts(story)[at] {
        GroupAct::Got { record, .. } => record,
        other => panic!("{other:?}"),
    }
}

fn forget(story: &mut Story, by: usize, position: i64) {
    let at = at(story, by, position);
    acts(story).remove(at);
}

/// Gives a member a position again, after another one.
fn again(story: &mut Story, (from, position): (usize, i64), (by, after): (usize, i64)) {
    let record = got(story, from, position).clone();
    let at = at(story, by, after) + 1;
    acts(story).insert(at, GroupAct::Got { member: by, record });
}

/// Says that the group stands somewhere in the end.
fn stands(story: &mut Story, offset: i64) {
    match acts(story).last_mut() {
        Some(GroupAct::Stands { offsets: its, .. }) => *its = offsets(offset),
        other => panic!("{other:?}"),
    }
}

pub const CORRUPTIONS: [Corruption; 13] = [
    (Kind::Lost, "a member is not given an event", |story| forget(story, 1, 4)),
    (Kind::Lost, "a member begins after what was not committed", |story| {
        forget(story, 1, 3);
        forget(story, 1, 4);
    }),
    (Kind::Lost, "the last event is never given to anybody", |story| {
        let end = at(story, 2, 6) - 1;
        acts(story).truncate(end);
    }),
    (Kind::Duplicate, "a member is given what was committed", |story| {
        let record = got(story, 1, 5).clone();
        let first = at(story, 2, 6);
        acts(story).insert(first, GroupAct::Got { member: 2, record });
    }),
    (Kind::Reordered, "a member is given an event again", |story| {
        again(story, (1, 3), (1, 4));
    }),
    (Kind::Phantom, "a member is given an event that the log does not have", |story| {
        set_header(&mut got(story, 0, 3).headers, "event_id", "nobody's");
    }),
    (Kind::Bytes, "a record has not what is in the log", |story| {
        got(story, 1, 5).value.push(b' ');
    }),
    (Kind::Bytes, "a record has another header", |story| {
        got(story, 1, 5).headers.push(("more".to_owned(), String::new()));
    }),
    (Kind::Bytes, "a key is in another partition than Java puts it", |story| {
        story.observed.groups[0].partitions = 5;
    }),
    (Kind::Fence, "a commit of a member that has lost its partition is taken", |story| {
        let first = at(story, 1, 3);
        acts(story).splice(first..first, commit(0, 4, true));
    }),
    (Kind::Place, "a group stands beyond what it was given", |story| {
        let last = at(story, 2, 6) + 1;
        acts(story).splice(last..last + 2, commit(2, 9, true));
        stands(story, 9);
    }),
    (Kind::Place, "a group falls back behind what it has committed", |story| stands(story, 6)),
    (Kind::Place, "a group is moved on by nobody", |story| stands(story, 8)),
];

#[test]
fn each_defect_of_the_listener_is_named() {
    assert_named(&story_with_members, &CORRUPTIONS);
}

#[test]
fn each_defect_of_the_listener_is_named_without_a_kafka_too() {
    assert_eq!(check_listened(&story_with_members()), []);
    for (kind, what, corrupt) in CORRUPTIONS {
        let mut story = story_with_members();
        corrupt(&mut story);
        (story.committed, story.uncommitted) = (Vec::new(), Vec::new());
        let findings = check_listened(&story);
        assert!(!findings.is_empty() && findings.iter().all(|it| it.kind == kind), "{what}");
    }
}

#[test]
fn a_member_begins_wherever_the_group_may_stand() {
    // The commit that was not answered may be done.
    let mut story = story_with_members();
    forget(&mut story, 1, 3);
    assert_eq!(check(&story), []);
}

#[test]
fn a_member_that_is_slow_may_read_on_beside_the_one_that_has_its_partition() {
    // It does not know yet that it is out of the group, and nobody takes its commit.
    let mut story = story_with_members();
    let record = got(&mut story, 1, 4).clone();
    acts(&mut story).retain(|act| *act != revoked(0));
    let after = at(&mut story, 1, 3) + 1;
    let [commits, refused] = commit(0, 5, false);
    let late = [GroupAct::Got { member: 0, record }, commits, refused, revoked(0)];
    acts(&mut story).splice(after..after, late);
    assert_eq!(check(&story), []);
}

#[test]
fn an_event_that_was_erased_need_not_come() {
    let mut story = story_with_members();
    forget(&mut story, 1, 4);
    alter(&mut story, 4, |event| event.erased = Some("2026-01-31T12:00:01.000Z".to_owned()));
    let lost = check_listened(&story).into_iter().filter(|it| it.kind == Kind::Lost);
    assert_eq!(lost.collect::<Vec<_>>(), []);
}

//! Groups that change to HTTP and back, that come late and find events gone, and whose topics' logs
//! are purged.

use std::collections::{BTreeMap, BTreeSet};

use crash::checker::{Kind, check, check_listened};
use crash::evidence::{GroupAct, KafkaGroup, Logged, Offsets};
use crash::kafka::Record;
use crash::story::{Rules, Story};
use event_gateway::domain::partition;

use super::stories::{Corruption, assert_named, diku, record, story};

const TOPIC: &str = "test.diku.inventory.item";
/// So many partitions of the topic that each of the two keys has its own.
const PARTITIONS: usize = 3;

fn partition_of(key: &str) -> i32 {
    partition::of_key(key.as_bytes(), PARTITIONS) as i32
}

fn place(key: &str) -> (String, i32) {
    (TOPIC.to_owned(), partition_of(key))
}

fn places() -> Vec<(String, i32)> {
    ["a", "b"].map(place).into()
}

fn at(key: &str, offset: i64) -> Offsets {
    Offsets::from([(place(key), offset)])
}

fn everywhere(offset: i64) -> Offsets {
    places().into_iter().map(|place| (place, offset)).collect()
}

fn got(member: usize, event: &Logged) -> GroupAct {
    let partition = partition_of(&event.key);
    let record = Record { partition, ..record(event, event.position as i64) };
    GroupAct::Got { member, record }
}

fn commit(member: usize, offsets: Offsets) -> [GroupAct; 2] {
    [GroupAct::Commits { member, offsets }, GroupAct::Committed { member, is_done: true }]
}

fn passed(member: usize, offset: i64) -> GroupAct {
    GroupAct::Passed { member, partitions: places(), offset }
}

fn group(acts: Vec<GroupAct>, is_held: bool) -> KafkaGroup {
    KafkaGroup {
        group: "cg.search".to_owned(),
        topics: vec![TOPIC.to_owned()],
        partitions: PARTITIONS,
        is_held,
        may_miss: BTreeSet::new(),
        acts,
    }
}

fn acts(story: &mut Story) -> &mut Vec<GroupAct> {
    &mut story.observed.groups[0].acts
}

/// Takes away that a member got a position.
fn forget(story: &mut Story, by: usize, position: i64) {
    acts(story).retain(|act| match act {
        GroupAct::Got { member, record } => (*member, record.offset) != (by, position),
        _ => true,
    });
}

fn stands(story: &mut Story, offsets: Offsets) {
    let since = acts(story).len();
    acts(story).push(GroupAct::Stands { since, offsets });
}

/// A Kafka client that got four events, and committed three of them; a reader over HTTP, which gets
/// one again that was committed in its partition, and commits up to the fifth; and a Kafka client
/// that gets the last one.
fn story_with_turns() -> Story {
    let mut story = story();
    let log = diku(&mut story).clone();
    let mut all = vec![GroupAct::Assigned { member: 0, partitions: places() }];
    all.extend(log[..4].iter().map(|event| got(0, event)));
    all.extend(commit(0, at("a", 4)));
    all.extend(commit(0, at("b", 3)));
    all.push(GroupAct::Revoked { member: 0, partitions: places() });
    all.push(GroupAct::Begins { member: 1, partitions: places() });
    all.extend(log[2..5].iter().map(|event| got(1, event)));
    all.push(passed(1, 6));
    all.extend(commit(1, everywhere(6)));
    all.push(GroupAct::Revoked { member: 1, partitions: places() });
    all.push(GroupAct::Assigned { member: 2, partitions: places() });
    all.push(got(2, &log[5]));
    all.extend(commit(2, at("b", 7)));
    story.observed.groups.push(group(all, true));
    let offsets = [at("a", 6), at("b", 7)].into_iter().flatten().collect();
    stands(&mut story, offsets);
    story
}

pub const OF_TURNS: [Corruption; 5] = [
    (Kind::Lost, "a reader over HTTP is not given an event", |story| forget(story, 1, 5)),
    (Kind::Lost, "a reader over HTTP begins after the greatest of the group's places", |story| {
        // Partition b stands at 3, and its event at 4 was given to the Kafka client alone.
        forget(story, 0, 4);
        forget(story, 1, 3);
        forget(story, 1, 4);
    }),
    (Kind::Duplicate, "a Kafka client is given again what was committed over HTTP", |story| {
        let fifth = diku(story)[4].clone();
        let is_last = |act: &GroupAct| matches!(act, GroupAct::Got { member: 2, .. });
        let last = acts(story).iter().position(is_last).unwrap();
        acts(story).insert(last, got(2, &fifth));
    }),
    (Kind::Fence, "a commit of a Kafka client is taken while a reader over HTTP reads", |story| {
        let is_passed = |act: &GroupAct| matches!(act, GroupAct::Passed { .. });
        let passed = acts(story).iter().position(is_passed).unwrap();
        acts(story).splice(passed..passed, commit(0, at("b", 5)));
    }),
    (Kind::Place, "a group falls back when Kafka's clients read again", |story| {
        acts(story).pop();
        stands(story, at("b", 7));
    }),
];

#[test]
fn each_defect_of_a_group_that_changes_to_http_and_back_is_named() {
    assert_named(&story_with_turns, &OF_TURNS);
}

#[test]
fn a_group_may_go_on_by_itself_over_events_that_are_not_its_own() {
    // A reader over HTTP had passed everything, and its last answer was lost.
    let mut story = story_with_turns();
    acts(&mut story).pop();
    stands(&mut story, everywhere(9));
    assert_eq!(check(&story), []);
}

#[test]
fn a_group_without_a_reader_over_http_does_not_go_on_by_itself() {
    let mut story = story_with_turns();
    acts(&mut story).retain(|act| !matches!(act, GroupAct::Begins { .. }));
    stands(&mut story, everywhere(9));
    assert!(check(&story).iter().any(|it| it.kind == Kind::Place));
}

fn floor(story: &mut Story, floor: i64) {
    let since = acts(story).len();
    let floors = BTreeMap::from([(TOPIC.to_owned(), floor)]);
    acts(story).push(GroupAct::Floors { since, floors });
}

/// A group that has committed nothing, and is given everything from the fourth event on: those before
/// have left the log.
fn story_of_late() -> Story {
    let mut story =
        Story { rules: Rules { expiring: Some("item"), ..Rules::default() }, ..story() };
    let log = diku(&mut story).clone();
    diku(&mut story).retain(|event| event.position > 3);
    let mut all = vec![GroupAct::Assigned { member: 0, partitions: places() }];
    all.extend(log[3..].iter().map(|event| got(0, event)));
    story.observed.groups.push(group(all, false));
    floor(&mut story, 4);
    story
}

pub const OF_LATE: [Corruption; 5] = [
    (Kind::Lost, "a member is not given an event that the log still has", |story| {
        forget(story, 0, 4);
    }),
    (Kind::Lost, "a member is given nothing of what has left the log since", |story| {
        acts(story).pop();
        floor(story, 3);
    }),
    (Kind::Lost, "the log has removed what it keeps for the group", |story| {
        story.observed.groups[0].is_held = true;
    }),
    (Kind::Floor, "the floor lies above an event that the log has", |story| floor(story, 5)),
    (Kind::Floor, "the floor falls", |story| floor(story, 2)),
];

#[test]
fn each_defect_of_a_group_that_comes_late_is_named() {
    assert_named(&story_of_late, &OF_LATE);
}

#[test]
fn what_is_compacted_may_be_left_out_and_the_last_event_of_a_key_may_not() {
    let rules = Rules { compacted: Some("item"), ..Rules::default() };
    let mut story = Story { rules, ..story_of_late() };
    acts(&mut story).retain(|act| !matches!(act, GroupAct::Floors { .. }));
    assert_eq!(check(&story), []);
    forget(&mut story, 0, 6);
    assert!(check(&story).iter().all(|it| it.kind == Kind::Lost) && !check(&story).is_empty());
}

/// A log of which everything was given to a member, which was purged, and which began anew with two
/// events.
fn story_with_a_purge() -> Story {
    let mut story = story();
    let mut log = diku(&mut story).clone();
    for event in &mut log[4..] {
        // The next log begins above the positions that were given.
        event.position += 4;
        let its = [("position", event.position.to_string()), ("log_id", "second".to_owned())];
        event.headers.extend(its.map(|(name, value)| (name.to_owned(), value)));
    }
    let changes = story.observed.acknowledged.iter_mut().filter(|it| it.tenant == "diku");
    for (change, event) in changes.zip(&log) {
        change.position = event.position;
    }
    story.observed.begun_anew.insert("diku".to_owned());
    let records = [&mut story.committed, &mut story.uncommitted].into_iter().flatten();
    for it in records {
        if let Some(event) =
            log.iter().find(|event| it.header("event_id") == Some(event.event_id.as_str()))
        {
            *it = record(event, it.offset);
        }
    }
    let mut all = vec![GroupAct::Assigned { member: 0, partitions: places() }];
    all.extend(log[..4].iter().map(|event| got(0, event)));
    all.extend(commit(0, at("a", 4)));
    all.push(GroupAct::Ends { partitions: places() });
    all.push(GroupAct::Purged { partitions: places(), base: 5 });
    all.push(GroupAct::Stands { since: all.len(), offsets: Offsets::new() });
    all.push(GroupAct::Revoked { member: 0, partitions: places() });
    all.push(GroupAct::Assigned { member: 1, partitions: places() });
    all.extend(log[4..].iter().map(|event| got(1, event)));
    all.extend(commit(1, at("b", 11)));
    story.observed.groups.push(group(all, false));
    *diku(&mut story) = log;
    stands(&mut story, at("b", 11));
    story
}

pub const OF_VISITS: [Corruption; 4] = [
    (Kind::Purge, "a member is given an event of a log that was purged", |story| {
        let second = diku(story)[1].clone();
        let is_first = |act: &GroupAct| matches!(act, GroupAct::Got { member: 1, .. });
        let first = acts(story).iter().position(is_first).unwrap();
        acts(story).insert(first, got(1, &second));
    }),
    (Kind::Lost, "a member is not given an event before the purge", |story| forget(story, 0, 4)),
    (Kind::Lost, "a member is not given the first event of the next log", |story| {
        forget(story, 1, 9);
    }),
    (Kind::Place, "a group has no place in the next log", |story| {
        acts(story).pop();
        stands(story, Offsets::new());
    }),
];

#[test]
fn each_defect_of_a_group_whose_topic_s_log_is_purged_is_named() {
    assert_named(&story_with_a_purge, &OF_VISITS);
}

#[test]
fn a_group_may_miss_what_was_purged_before_it_had_the_time_to_get_it() {
    let mut story = story_with_a_purge();
    forget(&mut story, 0, 4);
    story.observed.groups[0].may_miss.insert("diku-4".to_owned());
    assert_eq!(check(&story), []);
}

#[test]
fn a_member_that_has_a_partition_over_a_purge_goes_on_with_the_next_log() {
    // It was given nothing of the former log: the one before it has got all of that.
    let mut story = story_with_a_purge();
    let purged = acts(&mut story).iter().position(|act| matches!(act, GroupAct::Ends { .. }));
    let given = [
        GroupAct::Revoked { member: 0, partitions: places() },
        GroupAct::Assigned { member: 1, partitions: places() },
    ];
    acts(&mut story).retain(|act| match act {
        GroupAct::Revoked { .. } => false,
        GroupAct::Assigned { member, .. } => *member == 0,
        _ => true,
    });
    let purged = purged.unwrap();
    acts(&mut story).splice(purged..purged, given);
    assert_eq!(check(&story), []);
}

#[test]
fn a_log_that_begins_anew_gives_no_position_again() {
    let mut story = story_with_a_purge();
    story.observed.begun_anew.clear();
    assert!(check(&story).iter().any(|it| it.kind == Kind::Gap), "a gap is none but there");
    let mut story = story_with_a_purge();
    let last = diku(&mut story).len() - 1;
    diku(&mut story)[last].position = 3;
    assert!(check(&story).iter().any(|it| it.kind == Kind::Gap), "a position is given again");
}

#[test]
fn the_topic_of_events_that_are_not_kept_is_not_told() {
    let rules = Rules { unstored: Some("note"), ..Rules::default() };
    let mut story = Story { rules, ..story() };
    story.observed.listed.insert(TOPIC.to_owned());
    assert_eq!(check_listened(&story), []);
    story.observed.listed.insert("test.diku.inventory.note".to_owned());
    let kinds: Vec<_> = check_listened(&story).into_iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::Phantom]);
}

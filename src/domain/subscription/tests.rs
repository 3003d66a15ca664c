//! The promises of a subscription's changes: nothing is skipped, and nobody else moves a group.

mod halts;

use super::{
    AcceptedGaps, Floors, Form, Gap, Group, Part, PartCommit, Position, Progress, Refusal,
    Subscription, Time,
};
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::floors::Floor;
use crate::domain::topic::Topic;

const NOW: Time = Time::from_ms(1_000_000);

fn at(position: i64) -> Position {
    Position::from_column(position)
}

fn later(seconds: i64) -> Time {
    Time::from_ms(NOW.as_ms() + seconds * 1_000)
}

/// A subscription at 10 that `one` reads as generation 1, and that was given events up to 14 and
/// looked at up to 20.
fn read() -> Subscription {
    let mut subscription = Subscription::new(Form::default(), at(10), AcceptedGaps::default());
    acquire(&mut subscription, "one", None, NOW).unwrap();
    let progress = Progress { delivered: Some(at(14)), scanned: at(20) };
    subscription.renew(1, progress, NOW).unwrap();
    subscription
}

/// The floors of a log from which events were removed up to a position, of two topics.
fn removed(items_to: i64, loans_to: i64) -> Floors {
    let floor = |to| Floor { floor: at(to).next(), ..Floor::default() };
    let topic = |name| Topic::parse(name).unwrap();
    Floors::new([(topic("a.item"), floor(items_to)), (topic("a.loan"), floor(loans_to))])
}

fn gap(topic: &str, from: i64, to: i64) -> Result<Option<Gap>, Refusal> {
    Ok(Some(Gap { topic: Topic::parse(topic).unwrap(), from: at(from), to: at(to) }))
}

/// Lets a reader begin in a log that lacks nothing.
fn acquire(
    subscription: &mut Subscription,
    reader: &str,
    received: Option<Position>,
    now: Time,
) -> Result<(), Refusal> {
    let begun = subscription.acquire(reader, received, &Floors::default(), now);
    begun.map(|gap| assert_eq!(gap, None))
}

/// Lets a reader go on in a log that lacks nothing.
fn poll(
    subscription: &mut Subscription,
    generation: u64,
    received: Option<Position>,
) -> Result<(), Refusal> {
    let polled = subscription.poll(generation, received, &Floors::default(), NOW);
    polled.map(|gap| assert_eq!(gap, None))
}

fn places(subscription: &Subscription) -> [u64; 3] {
    [subscription.position, subscription.delivered, subscription.scanned].map(Position::number)
}

#[test]
fn only_a_module_s_name_is_a_group() {
    for legal in ["cg.search", "cg.mod-search", "cg.a.b_c-1"] {
        assert_eq!(Group::parse(legal).unwrap().as_str(), legal);
    }
    for illegal in ["search", "cg.", "cg.A", "cg.a b", "cg.a/b", &format!("cg.{}", "a".repeat(98))]
    {
        assert!(Group::parse(illegal).is_err(), "{illegal}");
    }
}

#[test]
fn one_reader_has_the_group_until_its_lease_ends() {
    let mut subscription = read();
    let Err(Refusal::Held(lease)) = acquire(&mut subscription, "two", None, later(29)) else {
        panic!("a second reader came in");
    };
    assert_eq!((lease.reader.as_str(), lease.expires), ("one", later(30)));
    acquire(&mut subscription, "two", None, later(30)).unwrap();
    assert_eq!((subscription.generation, places(&subscription)), (2, [10, 10, 10]));
    let fenced = subscription.commit(1, at(14), later(30));
    assert!(matches!(fenced, Err(Refusal::Fenced(Some(lease))) if lease.reader == "two"));
    acquire(&mut subscription, "two", None, later(31)).unwrap();
    assert_eq!(subscription.generation, 3, "its earlier self is fenced");
    let given_in_the_future = Time::from_ms(NOW.as_ms() - 100_000_000);
    acquire(&mut subscription, "one", None, given_in_the_future).unwrap();
}

#[test]
fn a_commit_never_passes_what_was_not_delivered_and_never_goes_back() {
    let mut subscription = read();
    let beyond = subscription.commit(1, at(21), NOW);
    assert_eq!(beyond, Err(Refusal::NotDelivered { scanned: at(20) }));
    subscription.commit(1, at(12), NOW).unwrap();
    assert_eq!(places(&subscription), [12, 14, 20]);
    subscription.commit(1, at(11), NOW).unwrap();
    assert_eq!(places(&subscription), [12, 14, 20]);
    subscription.commit(1, at(14), NOW).unwrap();
    assert_eq!(places(&subscription), [20, 14, 20], "no event matches in between");
}

#[test]
fn what_does_not_match_is_passed_only_while_nothing_is_uncommitted() {
    let mut subscription = read();
    subscription.renew(1, Progress { delivered: None, scanned: at(30) }, NOW).unwrap();
    assert_eq!(places(&subscription), [10, 14, 30]);
    subscription.commit(1, at(14), NOW).unwrap();
    subscription.renew(1, Progress { delivered: None, scanned: at(40) }, NOW).unwrap();
    assert_eq!(places(&subscription), [40, 14, 40]);
}

#[test]
fn a_reader_goes_on_after_what_it_received_if_that_was_delivered() {
    let subscription = read();
    for (received, after) in
        [(None, 10), (Some(9), 10), (Some(13), 13), (Some(20), 20), (Some(21), 10)]
    {
        assert_eq!(subscription.resumes(received.map(at)), at(after), "{received:?}");
        let mut again = subscription.clone();
        acquire(&mut again, "one", received.map(at), NOW).unwrap();
        assert_eq!((again.position, again.scanned), (at(10), at(after)), "nothing is committed");
    }
}

#[test]
fn what_a_reader_received_is_committed_by_itself_if_the_form_says_so() {
    let mut subscription = read();
    poll(&mut subscription, 1, Some(at(12))).unwrap();
    assert_eq!(places(&subscription), [10, 14, 20]);
    subscription.form.auto_commit = true;
    poll(&mut subscription, 1, None).unwrap();
    assert_eq!(places(&subscription), [10, 14, 20], "an answer that was lost commits nothing");
    poll(&mut subscription, 1, Some(at(12))).unwrap();
    assert_eq!(places(&subscription), [12, 14, 20]);
    poll(&mut subscription, 1, Some(at(20))).unwrap();
    assert_eq!(places(&subscription), [20, 14, 20]);
    assert!(matches!(poll(&mut subscription, 2, Some(at(20))), Err(Refusal::Fenced(_))));
}

#[test]
fn a_group_is_moved_only_while_nobody_reads() {
    let mut subscription = read();
    assert!(matches!(
        subscription.seek(at(3), AcceptedGaps::default(), later(29)),
        Err(Refusal::Held(_))
    ));
    let other = Form { hold_seconds: 7, ..Form::default() };
    subscription.reform(&other, NOW).unwrap();
    let filter = Filter { types: vec!["UPDATE".to_owned()], ..other.filter.clone() };
    let other = Form { filter, ..other };
    assert!(matches!(subscription.reform(&other, NOW), Err(Refusal::Held(_))));
    subscription.reform(&other, later(30)).unwrap();
    assert_eq!((subscription.generation, places(&subscription)), (2, [10, 10, 10]));
    subscription.seek(at(3), AcceptedGaps::default(), later(30)).unwrap();
    assert_eq!((subscription.generation, places(&subscription)), (3, [3, 3, 3]));
    assert!(matches!(
        subscription.renew(1, Progress { delivered: None, scanned: at(9) }, NOW),
        Err(Refusal::Fenced(_))
    ));
}

#[test]
fn a_reader_that_ends_lets_the_next_one_in_and_may_still_commit() {
    let mut subscription = read();
    assert!(matches!(subscription.close(7, NOW), Err(Refusal::Fenced(Some(_)))));
    assert!(subscription.holder(NOW).is_some());
    subscription.close(1, NOW).unwrap();
    assert_eq!(subscription.holder(NOW), None);
    subscription.close(1, NOW).unwrap();
    subscription.commit(1, at(12), NOW).unwrap();
    acquire(&mut subscription, "two", None, NOW).unwrap();
    assert_eq!((subscription.position, subscription.generation), (at(12), 2));
}

#[test]
fn a_restore_moves_a_group_back_and_tells_it_until_it_commits() {
    let mut subscription = read();
    subscription.go_back(at(15));
    assert_eq!((subscription.went_back_from, places(&subscription)), (None, [10, 14, 15]));
    subscription.go_back(at(4));
    assert_eq!((subscription.went_back_from, places(&subscription)), (Some(at(10)), [4, 4, 4]));
    assert_eq!((subscription.generation, subscription.holder(NOW)), (3, None));
    acquire(&mut subscription, "one", Some(at(14)), NOW).unwrap();
    subscription.renew(4, Progress { delivered: Some(at(5)), scanned: at(5) }, NOW).unwrap();
    subscription.commit(4, at(5), NOW).unwrap();
    assert_eq!((subscription.went_back_from, subscription.position), (None, at(5)));
}

#[test]
fn whoever_would_miss_events_does_not_get_the_group_nor_keep_it() {
    let mut free = Subscription::new(Form::default(), at(10), AcceptedGaps::default());
    let before = free.clone();
    assert_eq!(free.acquire("one", None, &removed(3, 12), NOW), gap("a.loan", 11, 12));
    assert_eq!(free, before, "nothing is changed");
    let mut read = read();
    let held = read.acquire("two", None, &removed(0, 12), NOW);
    assert!(matches!(held, Err(Refusal::Held(_))), "{held:?}");
    assert_eq!(read.poll(1, Some(at(14)), &removed(0, 12), NOW), Ok(None), "it has them");
    for _ in 0..2 {
        assert_eq!(read.poll(1, Some(at(14)), &removed(0, 17), NOW), gap("a.loan", 15, 17));
        assert_eq!((read.holder(NOW), read.generation), (None, 1));
    }
    assert!(matches!(read.poll(2, None, &removed(0, 17), NOW), Err(Refusal::Fenced(None))));
    read.commit(1, at(14), NOW).unwrap();
    read.seek(at(20), AcceptedGaps::default(), NOW).unwrap();
    let mut own = self::read();
    assert_eq!(own.acquire("one", None, &removed(0, 12), NOW), gap("a.loan", 11, 12));
    assert_eq!(own.holder(NOW), None, "its earlier self does not keep the group either");
}

#[test]
fn gaps_that_are_accepted_are_not_told_again_and_others_are() {
    let mut subscription = Subscription::new(Form::default(), at(0), AcceptedGaps::default());
    let accepted = removed(12, 17).accept(&Filter::default(), at(10));
    subscription.seek(at(10), accepted, NOW).unwrap();
    assert_eq!(subscription.acquire("one", None, &removed(12, 17), NOW), Ok(None));
    assert_eq!(subscription.poll(2, None, &removed(14, 17), NOW), gap("a.item", 13, 14));
    assert_eq!(subscription.acquire("one", None, &removed(12, 17), NOW), Ok(None));
    subscription.renew(3, Progress { delivered: Some(at(13)), scanned: at(13) }, NOW).unwrap();
    assert_eq!(subscription.gaps_to.as_column(), r#"{"a.item":12,"a.loan":17}"#);
    subscription.commit(3, at(13), NOW).unwrap();
    assert_eq!(subscription.gaps_to.as_column(), r#"{"a.loan":17}"#, "the other one is passed");
    subscription.close(3, NOW).unwrap();
    let topics = vec![TopicPattern::parse("a.item").unwrap()];
    let items = Form { filter: Filter { topics, ..Filter::default() }, ..Form::default() };
    subscription.reform(&items, NOW).unwrap();
    assert_eq!(subscription.gaps_to, AcceptedGaps::default(), "no topic of the filter has one");
    subscription.seek(at(2), AcceptedGaps::default(), NOW).unwrap();
    assert_eq!(subscription.acquire("one", None, &removed(12, 17), NOW), gap("a.item", 3, 12));
}

fn commit(topic: &str, partition: usize, cursor: i64) -> PartCommit {
    let part = Part { cursor: at(cursor), metadata: String::new() };
    PartCommit { topic: Topic::parse(topic).unwrap(), partition, partitions: 2, part }
}

#[test]
fn a_group_that_changes_to_http_reads_on_after_its_least_cursor() {
    let commits = [commit("a.item", 0, 7), commit("a.item", 1, 5), commit("a.loan", 1, 9)];
    let mut group = Subscription::of_kafka(&commits[..2]);
    assert_eq!((group.position, group.scanned), (at(5), at(7)));
    group.commit_parts("Kafka clients", &commits[2..], &[], NOW).unwrap();
    assert_eq!(group.position, at(0), "nobody has read the loans' first partition");
    group.commit_parts("Kafka clients", &[commit("a.loan", 0, 6)], &[], NOW).unwrap();
    assert_eq!(group.position, at(5));
    assert_eq!(acquire(&mut group, "one", None, NOW), Ok(()));
    assert_eq!((group.position, group.scanned, group.parts), (at(5), at(5), None));
}

#[test]
fn what_kafka_clients_have_begun_is_of_the_topics_that_they_commit_once_they_do() {
    let topics = ["a.item", "a.loan"].map(|it| Topic::parse(it).unwrap());
    let mut group = Subscription::read_by_kafka(topics.iter());
    group.hold_parts("Kafka clients", Some(5_000), NOW);
    assert!(group.is_only_begun() && group.form.filter.has_topic(&topics[1]));
    let mut formed = group.clone();
    formed.form.hold_seconds = 60;
    assert!(!formed.is_only_begun(), "somebody has put it");
    let commits = [commit("a.item", 0, 7), commit("a.item", 1, 5)];
    group.commit_parts("Kafka clients", &commits, &[], NOW).unwrap();
    assert_eq!(group.position, at(5));
    // Over HTTP it would read on after 5, and it has read no loan.
    assert!(!group.is_only_begun() && !group.form.filter.has_topic(&topics[1]));
    let mut taken = Subscription::read_by_kafka(topics.iter());
    taken.generation += 1;
    taken.commit_parts("Kafka clients", &commits, &[], NOW).unwrap();
    assert_eq!((taken.position, &taken.form), (at(5), &group.form), "another process has taken it");
    let mut group = read();
    group.close(1, NOW).unwrap();
    let all = topics.map(|topic| (topic, 2));
    group.commit_parts("Kafka clients", &[], &all, NOW).unwrap();
    assert_eq!((group.position, group.generation), (at(10), 2));
    assert!(!group.is_only_begun());
}

#[test]
fn a_group_that_changes_to_kafka_goes_on_in_each_topic_where_it_stood() {
    let mut group = Subscription::new(Form::default(), at(10), AcceptedGaps::default());
    let [item, loan] = ["a.item", "a.loan"].map(|it| Topic::parse(it).unwrap());
    assert_eq!(group.part(&item, 1).map(|part| part.cursor), Some(at(10)));
    let topics = [(item.clone(), 2), (loan.clone(), 2)];
    group.commit_parts("Kafka clients", &[commit("a.item", 0, 14)], &topics, NOW).unwrap();
    let cursor = |topic, partition| group.part(topic, partition).map(|part| part.cursor);
    assert_eq!((cursor(&item, 0), cursor(&item, 1)), (Some(at(14)), Some(at(10))));
    assert_eq!(cursor(&loan, 1), Some(at(10)), "it has not been read since");
    assert_eq!(group.position, at(10));
}

#[test]
fn kafka_clients_and_a_reader_over_http_keep_each_other_away() {
    let mut group = read();
    let refused = group.commit_parts("Kafka clients", &[commit("a.item", 0, 14)], &[], NOW);
    assert!(matches!(refused, Err(Refusal::Held(_))), "{refused:?}");
    group.commit_parts("Kafka clients", &[commit("a.item", 0, 14)], &[], later(60)).unwrap();
    group.hold_parts("Kafka clients", Some(5_000), later(60));
    let refused = acquire(&mut group, "two", None, later(61));
    assert!(matches!(refused, Err(Refusal::Held(_))), "{refused:?}");
    group.hold_parts("Kafka clients", None, later(62));
    assert_eq!(acquire(&mut group, "two", None, later(63)), Ok(()));
}

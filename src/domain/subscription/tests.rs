//! The promises of a subscription's changes: nothing is skipped, and nobody else moves a group.

use super::{Form, Group, Position, Progress, Refusal, Subscription, Time};

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
    let mut subscription = Subscription::new(Form::default(), at(10));
    subscription.acquire("one", None, NOW).unwrap();
    let progress = Progress { delivered: Some(at(14)), scanned: at(20) };
    subscription.renew(1, progress, NOW).unwrap();
    subscription
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
    let Err(Refusal::Held(lease)) = subscription.acquire("two", None, later(29)) else {
        panic!("a second reader came in");
    };
    assert_eq!((lease.reader.as_str(), lease.expires), ("one", later(30)));
    subscription.acquire("two", None, later(30)).unwrap();
    assert_eq!((subscription.generation, places(&subscription)), (2, [10, 10, 10]));
    let fenced = subscription.commit(1, at(14), later(30));
    assert!(matches!(fenced, Err(Refusal::Fenced(Some(lease))) if lease.reader == "two"));
    subscription.acquire("two", None, later(31)).unwrap();
    assert_eq!(subscription.generation, 3, "its earlier self is fenced");
    let given_in_the_future = Time::from_ms(NOW.as_ms() - 100_000_000);
    subscription.acquire("one", None, given_in_the_future).unwrap();
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
        again.acquire("one", received.map(at), NOW).unwrap();
        assert_eq!((again.position, again.scanned), (at(10), at(after)), "nothing is committed");
    }
}

#[test]
fn what_a_reader_received_is_committed_by_itself_if_the_form_says_so() {
    let mut subscription = read();
    subscription.poll(1, Some(at(12)), NOW).unwrap();
    assert_eq!(places(&subscription), [10, 14, 20]);
    subscription.form.auto_commit = true;
    subscription.poll(1, None, NOW).unwrap();
    assert_eq!(places(&subscription), [10, 14, 20], "an answer that was lost commits nothing");
    subscription.poll(1, Some(at(12)), NOW).unwrap();
    assert_eq!(places(&subscription), [12, 14, 20]);
    subscription.poll(1, Some(at(20)), NOW).unwrap();
    assert_eq!(places(&subscription), [20, 14, 20]);
    assert!(matches!(subscription.poll(2, Some(at(20)), NOW), Err(Refusal::Fenced(_))));
}

#[test]
fn a_group_is_moved_only_while_nobody_reads() {
    let mut subscription = read();
    assert!(matches!(subscription.seek(at(3), later(29)), Err(Refusal::Held(_))));
    let other = Form {
        filter: crate::domain::filter::Filter::default(),
        hold_seconds: 7,
        ..Form::default()
    };
    subscription.reform(&other, NOW).unwrap();
    let filter =
        crate::domain::filter::Filter { types: vec!["UPDATE".to_owned()], ..other.filter.clone() };
    let other = Form { filter, ..other };
    assert!(matches!(subscription.reform(&other, NOW), Err(Refusal::Held(_))));
    subscription.reform(&other, later(30)).unwrap();
    assert_eq!((subscription.generation, places(&subscription)), (2, [10, 10, 10]));
    subscription.seek(at(3), later(30)).unwrap();
    assert_eq!((subscription.generation, places(&subscription)), (3, [3, 3, 3]));
    assert!(matches!(
        subscription.renew(1, Progress { delivered: None, scanned: at(9) }, NOW),
        Err(Refusal::Fenced(_))
    ));
}

#[test]
fn a_reader_that_ends_lets_the_next_one_in_and_may_still_commit() {
    let mut subscription = read();
    subscription.close(7);
    assert!(subscription.holder(NOW).is_some());
    subscription.close(1);
    assert_eq!(subscription.holder(NOW), None);
    subscription.commit(1, at(12), NOW).unwrap();
    subscription.acquire("two", None, NOW).unwrap();
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
    subscription.acquire("one", Some(at(14)), NOW).unwrap();
    subscription.renew(4, Progress { delivered: Some(at(5)), scanned: at(5) }, NOW).unwrap();
    subscription.commit(4, at(5), NOW).unwrap();
    assert_eq!((subscription.went_back_from, subscription.position), (None, at(5)));
}

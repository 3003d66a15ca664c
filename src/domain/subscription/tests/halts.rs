//! The promises of a group that halts or has a handler: nobody else reads, and nothing is skipped
//! but what was asked for.

use super::{
    AcceptedGaps, Filter, Floors, Form, NOW, Progress, Refusal, Subscription, acquire, at, commit,
    later, places, poll, read,
};
use crate::domain::claim::Deduplicate;
use crate::domain::json::Raw;
use crate::domain::subscription::{FailedEvent, Halt};

/// The form of a group whose events are posted to a URL.
fn handled(url: &str) -> Form {
    let secret = format!("whsec_{}", "a".repeat(32));
    let text = format!(r#"{{"handler":{{"webhook":{{"url":"{url}","secrets":["{secret}"]}}}}}}"#);
    Form::parse(&Raw::parse(&text.into()).unwrap()).unwrap().0
}

fn failed(position: i64) -> FailedEvent {
    FailedEvent { position: at(position), attempts: 4 }
}

/// A subscription at 10 whose handler was given events up to 14, and failed at 11.
fn stopped() -> Subscription {
    let mut group = Subscription::new(handled("http://a"), at(10), AcceptedGaps::default());
    assert_eq!(group.acquire_for_handler("replica", &Floors::default(), NOW), Ok(None));
    group.renew(1, Progress { delivered: Some(at(14)), scanned: at(20) }, NOW).unwrap();
    group.stop(1, ("it fell\nover", Some(failed(11))), NOW).unwrap();
    group
}

#[test]
fn a_paused_group_is_read_by_nobody_until_it_is_resumed() {
    let mut group = read();
    group.pause("an upgrade", NOW);
    let halt = Halt { since: NOW, why: "an upgrade".to_owned(), failed: None, pause: None };
    assert_eq!((group.holder(NOW), group.generation), (None, 2), "its reader is fenced");
    assert!(matches!(poll(&mut group, 1, None), Err(Refusal::Fenced(None))));
    assert_eq!(acquire(&mut group, "one", None, NOW), Err(Refusal::Halted(halt.clone())));
    let of_kafka = group.commit_parts("Kafka clients", &[commit("a.item", 0, 14)], &[], NOW);
    assert_eq!(of_kafka, Err(Refusal::Halted(halt.clone())));
    group.pause("another reason", later(5));
    assert_eq!((&group.halt, group.generation), (&Some(halt), 2), "it has halted already");
    assert_eq!(group.skip(at(11)), Err(Refusal::NotStopped { at: None }));
    group.resume();
    assert_eq!(acquire(&mut group, "two", None, NOW), Ok(()));
    assert_eq!((group.halt, group.position), (None, at(10)));
}

#[test]
fn a_group_that_kafka_clients_read_is_held_by_nobody_while_it_has_halted() {
    let mut group = Subscription::of_kafka(&[commit("a.item", 0, 7)]);
    group.hold_parts("Kafka clients", Some(5_000), NOW);
    group.pause("an upgrade", NOW);
    group.hold_parts("Kafka clients", Some(5_000), NOW);
    assert_eq!(group.holder(NOW), None);
    group.resume();
    group.hold_parts("Kafka clients", Some(5_000), NOW);
    assert!(group.holder(NOW).is_some());
    let mut begun = Subscription::read_by_kafka(std::iter::empty());
    begun.pause("an upgrade", NOW);
    assert!(!begun.is_only_begun(), "somebody has paused it");
}

#[test]
fn a_group_stops_at_an_event_that_was_delivered_and_only_by_its_own_generation() {
    let mut group = stopped();
    let (failed_at, why) = (Some(failed(11)), "it fell over".to_owned());
    let halt = Halt { since: NOW, why, failed: failed_at, pause: None };
    assert_eq!((group.halt.as_ref(), group.holder(NOW)), (Some(&halt), None));
    let again = group.acquire_for_handler("replica", &Floors::default(), NOW);
    assert_eq!(again, Err(Refusal::Halted(halt)));
    let late = group.stop(1, ("late", None), NOW);
    assert!(matches!(late, Err(Refusal::Fenced(None))), "{late:?}");
    assert!(matches!(group.commit(1, at(14), NOW), Err(Refusal::Fenced(None))));
    let mut group = read();
    let beyond = group.stop(1, ("it fell over", Some(failed(21))), NOW);
    assert_eq!(beyond, Err(Refusal::NotDelivered { scanned: at(20) }));
    group.stop(1, ("the handler is gone", None), NOW).unwrap();
    assert_eq!(group.halt.unwrap().failed, None);
}

#[test]
fn a_group_that_is_resumed_goes_on_with_the_event_at_which_it_stopped() {
    let mut group = stopped();
    group.resume();
    assert_eq!(group.acquire_for_handler("replica", &Floors::default(), NOW), Ok(None));
    assert_eq!((group.generation, places(&group)), (3, [10, 10, 10]));
}

#[test]
fn only_the_event_at_which_a_group_stopped_is_skipped() {
    let mut group = stopped();
    let before = group.clone();
    for other in [10, 12, 14] {
        assert_eq!(group.skip(at(other)), Err(Refusal::NotStopped { at: Some(at(11)) }));
    }
    assert_eq!(group, before);
    group.skip(at(11)).unwrap();
    assert_eq!((&group.halt, places(&group)), (&None, [11, 14, 20]));
    assert_eq!(group.skip(at(11)), Err(Refusal::NotStopped { at: None }));
    assert_eq!(group.acquire_for_handler("replica", &Floors::default(), NOW), Ok(None));
    assert_eq!(places(&group), [11, 11, 11], "what came after it is delivered again");
}

#[test]
fn a_pause_beside_a_failure_outlives_the_skip_of_its_event() {
    let mut group = stopped();
    group.pause("an upgrade", later(5));
    group.pause("another reason", later(6));
    let halt = group.halt.clone().unwrap();
    assert_eq!((halt.since, halt.failed), (NOW, Some(failed(11))), "it stays halted there");
    group.skip(at(11)).unwrap();
    let pause = Halt { since: later(5), why: "an upgrade".to_owned(), failed: None, pause: None };
    assert_eq!((group.halt.as_ref(), group.position), (Some(&pause), at(11)));
    group.resume();
    assert_eq!(group.halt, None);
    let mut group = stopped();
    group.pause("an upgrade", later(5));
    group.resume();
    assert_eq!((group.halt, group.position), (None, at(10)), "a resume ends both");
}

#[test]
fn a_group_that_was_moved_has_stopped_at_no_event_any_more() {
    let mut group = stopped();
    group.seek(at(3), AcceptedGaps::default(), NOW).unwrap();
    assert_eq!(group.skip(at(11)), Err(Refusal::NotStopped { at: None }));
    assert!(group.halt.is_some(), "it is still halted");
    let mut group = stopped();
    group.go_back(at(11));
    assert_eq!(group.clone().skip(at(11)), Ok(()), "the event is still there");
    group.go_back(at(10));
    assert_eq!(group.skip(at(11)), Err(Refusal::NotStopped { at: None }));
    let mut group = stopped();
    let filter = Filter { types: vec!["UPDATE".to_owned()], ..Filter::default() };
    group.reform(&Form { filter, ..group.form.clone() }, NOW).unwrap();
    assert_eq!(group.skip(at(11)), Err(Refusal::NotStopped { at: None }));
    let mut group = stopped();
    group.reform(&handled("http://b"), NOW).unwrap();
    assert_eq!(group.skip(at(11)), Ok(()), "another handler is brought the same events");
}

#[test]
fn nobody_comes_for_the_events_of_a_handler_and_one_replica_brings_them() {
    let form = handled("http://a");
    let mut group = Subscription::new(form.clone(), at(10), AcceptedGaps::default());
    assert_eq!(acquire(&mut group, "one", None, NOW), Err(Refusal::HasHandler));
    let of_kafka = group.commit_parts("Kafka clients", &[commit("a.item", 0, 14)], &[], NOW);
    assert_eq!(of_kafka, Err(Refusal::HasHandler));
    assert_eq!(group.acquire_for_handler("a", &Floors::default(), NOW), Ok(None));
    let other = group.acquire_for_handler("b", &Floors::default(), NOW);
    assert!(matches!(other, Err(Refusal::Held(lease)) if lease.reader == "a"));
    let progress = Progress { delivered: Some(at(14)), scanned: at(20) };
    group.renew(1, progress, NOW).unwrap();
    let before = group.clone();
    assert_eq!(poll(&mut group, 1, Some(at(14))), Err(Refusal::HasHandler));
    assert_eq!(group.commit_for_reader(1, at(14), NOW), Err(Refusal::HasHandler));
    assert_eq!(group.end(1, NOW), Err(Refusal::HasHandler));
    assert_eq!(group, before, "whoever names the generation that everybody is shown");
    let mut group = Subscription::new(Form::default(), at(10), AcceptedGaps::default());
    let no_handler = group.acquire_for_handler("a", &Floors::default(), NOW);
    assert!(matches!(no_handler, Err(Refusal::Fenced(None))), "{no_handler:?}");
}

/// Returns the deduplication of a group whose events are claimed.
fn claimed() -> Option<Deduplicate> {
    let form = r#"{"handler":{"exec":["a"]},"deduplicate":{"action":"index"}}"#;
    Form::from_column(form).unwrap().deduplicate
}

#[test]
fn a_replica_that_is_killed_holds_the_group_of_a_handler_up_for_half_a_minute_at_most() {
    for (lease_seconds, holds) in [(2, 2), (30, 30), (3_600, 30)] {
        let form = Form { lease_seconds, ..handled("http://a") };
        let mut group = Subscription::new(form, at(10), AcceptedGaps::default());
        assert_eq!(group.acquire_for_handler("a", &Floors::default(), NOW), Ok(None));
        assert!(group.holder(later(holds - 1)).is_some(), "{lease_seconds}");
        assert_eq!(group.holder(later(holds)), None, "{lease_seconds}");
    }
    let form = Form { lease_seconds: 3_600, ..Form::default() };
    let mut group = Subscription::new(form, at(10), AcceptedGaps::default());
    assert_eq!(acquire(&mut group, "one", None, NOW), Ok(()));
    assert!(group.holder(later(3_599)).is_some(), "a reader has what it has asked for");
}

#[test]
fn a_handler_that_is_changed_fences_whoever_brings_events_to_the_earlier_one() {
    let mut group = read();
    let first = group.reform(&handled("http://a"), NOW);
    assert!(matches!(first, Err(Refusal::Held(_))), "a reader has the group: {first:?}");
    group.reform(&handled("http://a"), later(30)).unwrap();
    assert_eq!((group.generation, group.position), (2, at(10)));
    assert!(matches!(group.commit(1, at(14), later(30)), Err(Refusal::Fenced(_))));
    for (form, is_fenced) in [
        (handled("http://a"), false),
        (Form { hold_seconds: 7, ..handled("http://a") }, false),
        (handled("http://b"), true),
        (Form { deduplicate: claimed(), ..handled("http://a") }, true),
        (
            Form {
                filter: Filter { types: vec!["UPDATE".to_owned()], ..Filter::default() },
                ..handled("http://b")
            },
            true,
        ),
        (Form::default(), true),
    ] {
        let mut group = group.clone();
        assert_eq!(group.acquire_for_handler("a", &Floors::default(), later(60)), Ok(None));
        let before = group.generation;
        group.reform(&form, later(60)).unwrap();
        assert_eq!(group.generation > before, is_fenced, "{form:?}");
        assert_eq!(group.holder(later(60)).is_none(), is_fenced, "{form:?}");
        assert_eq!(group.position, at(10));
    }
}

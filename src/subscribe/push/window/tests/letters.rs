//! Dead letters: what joins them, and how they are delivered again.

use super::*;
use crate::domain::event::EventType;
use crate::domain::subscription::LastFailure;

/// Returns a row of the store.
fn row(position: u64, key: &str, scope: Scope, is_redriven: bool) -> DeadLetter {
    let event = event(position, "item", key);
    let failure = Some(LastFailure { why: "no".to_owned(), attempts: 4 });
    let (topic, key, since) = (event.topic, event.key, event.time);
    DeadLetter { position: at(position), topic, key, scope, failure, since, is_redriven }
}

/// Takes the events of the dead letters that are to be delivered again; returns their positions.
fn redelivers(bench: &mut Bench) -> Vec<u64> {
    let wanted: Vec<_> = bench.window.wanted().iter().map(|it| it.position.number()).collect();
    for (position, letter) in wanted.iter().zip(bench.window.wanted()) {
        let event = match letter.scope {
            Scope::Topic => delete_all(*position, "item"),
            _ => event(*position, "item", letter.key.as_str()),
        };
        bench.window.redeliver(Arc::new(event), bench.now);
    }
    wanted
}

#[test]
fn later_events_of_a_dead_letter_s_key_join_it_and_others_go_on() {
    for policy in [Policy::Park, Policy::Retry] {
        let mut bench = Bench::new(failure(policy, 4), 2);
        bench.offer(&["a", "a", "b", "a"]);
        assert_eq!(bench.begun(), [1, 3]);
        bench.rejected(1);
        let letters = bench.window.dead();
        let failures: Vec<_> = letters.iter().map(|letter| letter.failure.clone()).collect();
        let failed = LastFailure { why: "no".to_owned(), attempts: 1 };
        assert_eq!(failures, [Some(failed), None, None], "2 and 4 were not delivered");
        assert_eq!(bench.begun(), Vec::<u64>::new(), "{policy:?}");
        bench.window.buried(&letters);
        bench.done(3);
        assert_eq!(bench.committed(), 4);
        bench.offer_events(vec![event(5, "item", "a"), event(6, "loan", "a")]);
        assert_eq!(bench.dead(), [(5, Scope::Key)]);
        assert_eq!(bench.begun(), [6], "another topic's record");
    }
}

#[test]
fn an_erased_event_discards_its_record_s_letters_and_is_delivered() {
    let rows = vec![row(1, "a", Scope::Key, false), row(2, "b", Scope::Key, false)];
    let mut bench = Bench::with(failure(Policy::Park, 1), 4, rows);
    let erased = Envelope { event_type: EventType::Erased, ..event(4, "item", "a") };
    let events = vec![event(3, "item", "a"), erased, event(5, "item", "a"), event(6, "item", "b")];
    bench.offer_events(events);
    assert_eq!(bench.window.erased(), [at(1)], "the letter of `b` stays");
    assert_eq!(bench.dead(), [(3, Scope::Key), (6, Scope::Key)], "5 comes after the erasure");
    bench.buries();
    assert_eq!(bench.window.erased(), [at(1), at(3)]);
    bench.window.resettled(at(1), true);
    bench.window.resettled(at(3), true);
    assert_eq!(bench.begun(), [4]);
    bench.done(4);
    assert_eq!(bench.begun(), [5]);
    bench.done(5);
    assert_eq!(bench.committed(), 6);
}

#[test]
fn a_delete_all_joins_any_dead_letter_of_its_topic_and_all_later_events_join_it() {
    let mut bench = Bench::new(failure(Policy::Park, 4), 4);
    bench.offer(&["a", "b", "*", "c"]);
    assert_eq!(bench.begun(), [1, 2]);
    bench.rejected(1);
    assert_eq!(bench.dead(), [(1, Scope::Key), (3, Scope::Topic), (4, Scope::Key)]);
    bench.buries();
    assert_eq!(bench.begun(), Vec::<u64>::new());
    bench.done(2);
    assert_eq!(bench.committed(), 4);
}

#[test]
fn an_event_whose_row_is_written_already_is_done_and_its_reason_stays() {
    let mut bench = Bench::with(failure(Policy::Park, 4), 4, vec![row(1, "a", Scope::Key, false)]);
    bench.offer(&["a", "a"]);
    assert_eq!(bench.dead(), [(2, Scope::Key)], "the row of 1 has its reason");
    bench.buries();
    assert_eq!(bench.committed(), 2);
}

#[test]
fn redriven_letters_of_a_key_are_delivered_one_after_the_other_and_in_order() {
    let rows = [1, 3, 5].map(|position| row(position, "a", Scope::Key, true));
    let other = row(4, "b", Scope::Key, false);
    let mut bench =
        Bench::with(failure(Policy::Park, 4), 4, rows.into_iter().chain([other]).collect());
    for position in [1, 3, 5] {
        assert_eq!(redelivers(&mut bench), [position]);
        assert_eq!(redelivers(&mut bench), Vec::<u64>::new(), "it is there already");
        let attempts = bench.attempts();
        assert_eq!(attempts[0].number, 5, "four attempts have failed before");
        assert_eq!(attempts.len(), 1);
        bench.done(position);
        assert_eq!(bench.window.redelivered(), [(at(position), None)]);
        assert_eq!(redelivers(&mut bench), Vec::<u64>::new(), "its row is still there");
        bench.window.resettled(at(position), true);
    }
    assert_eq!(bench.window.letters(), 1, "that of the other key");
    bench.offer_events(vec![event(6, "item", "a"), event(7, "item", "b")]);
    assert_eq!(bench.begun(), [6], "nothing holds the key any more");
}

#[test]
fn a_redriven_letter_waits_for_an_earlier_one_of_its_key_that_is_not_redriven() {
    let rows = vec![row(1, "a", Scope::Key, false), row(2, "a", Scope::Key, true)];
    let bench = Bench::with(failure(Policy::Park, 4), 4, rows);
    assert!(bench.window.wanted().is_empty());
}

#[test]
fn a_redriven_delete_all_waits_for_what_is_before_it_and_holds_what_is_after() {
    let rows = vec![
        row(2, "a", Scope::Key, true),
        row(3, "*", Scope::Topic, true),
        row(4, "b", Scope::Key, true),
    ];
    let mut bench = Bench::with(failure(Policy::Park, 4), 4, rows);
    // An earlier event of the topic is not done yet.
    bench.offer_events(vec![event(1, "item", "z")]);
    assert_eq!(redelivers(&mut bench), [2]);
    assert_eq!(bench.begun(), [2, 1]);
    bench.done(2);
    bench.window.resettled(at(2), true);
    assert_eq!(redelivers(&mut bench), [3]);
    assert_eq!(bench.begun(), Vec::<u64>::new(), "1 is under way");
    bench.done(1);
    assert_eq!(bench.begun(), [3]);
    bench.done(3);
    bench.window.resettled(at(3), true);
    assert_eq!(redelivers(&mut bench), [4]);
}

#[test]
fn a_redriven_delete_all_waits_for_an_earlier_event_that_becomes_a_dead_letter_meanwhile() {
    let mut bench = Bench::with(failure(Policy::Park, 1), 1, vec![row(3, "*", Scope::Topic, true)]);
    bench.offer_events(vec![event(2, "item", "z")]);
    assert_eq!(bench.begun(), [2]);
    assert_eq!(redelivers(&mut bench), [3]);
    bench.fails(2);
    bench.buries();
    assert_eq!(bench.begun(), Vec::<u64>::new());
    let rows = vec![row(2, "z", Scope::Key, true), row(3, "*", Scope::Topic, true)];
    bench.window.take_letters(Letters::of(rows));
    assert_eq!(redelivers(&mut bench), [2], "it takes the place of the other one");
    assert_eq!(bench.begun(), [2]);
}

/// A worker that begins knows of what is before a letter only once it has read that.
#[test]
fn a_redriven_letter_waits_until_the_log_was_read_up_to_it() {
    let letters = Letters::of(vec![row(3, "*", Scope::Topic, true)]);
    let window = Window::new(failure(Policy::Park, 1), 1, letters, Position::START);
    let mut bench = Bench { window, now: Instant::now() };
    assert!(redelivers(&mut bench).is_empty());
    bench.offer_events(vec![event(2, "item", "z")]);
    assert!(redelivers(&mut bench).is_empty());
    bench.offer_events(vec![delete_all(3, "item")]);
    assert_eq!(redelivers(&mut bench), [3]);
    assert_eq!(bench.begun(), [2], "3 waits for it");
}

#[test]
fn a_redriven_letter_that_fails_again_stays_and_its_key_waits() {
    let rows = vec![row(1, "a", Scope::Key, true), row(2, "a", Scope::Key, true)];
    let mut bench = Bench::with(failure(Policy::Park, 2), 4, rows);
    redelivers(&mut bench);
    assert_eq!(bench.begun(), [1]);
    bench.fails(1);
    assert!(bench.window.redelivered().is_empty(), "it is tried as often as any event");
    bench.passes(1);
    assert_eq!(bench.begun(), [1]);
    bench.fails(1);
    let failure = LastFailure { why: "not now".to_owned(), attempts: 6 };
    assert_eq!(bench.window.redelivered(), [(at(1), Some(failure))]);
    bench.window.resettled(at(1), false);
    // The store has unmarked the later one, too.
    let rows = vec![row(1, "a", Scope::Key, false), row(2, "a", Scope::Key, false)];
    bench.window.take_letters(Letters::of(rows));
    assert!(bench.window.wanted().is_empty());
    assert!(bench.dead().is_empty(), "its row is not written as a new one");
}

#[test]
fn an_event_that_joins_letters_which_are_all_redriven_is_redriven_too() {
    let all = vec![row(1, "a", Scope::Key, true), row(2, "a", Scope::Key, true)];
    let mut bench = Bench::with(failure(Policy::Park, 4), 4, all);
    bench.offer_events(vec![event(3, "item", "a")]);
    assert!(bench.window.dead()[0].is_redriven, "nobody would redrive it else");
    let some = vec![row(1, "a", Scope::Key, true), row(2, "a", Scope::Key, false)];
    let mut bench = Bench::with(failure(Policy::Park, 4), 4, some);
    bench.offer_events(vec![event(3, "item", "a")]);
    assert!(!bench.window.dead()[0].is_redriven);
}

#[test]
fn a_letter_that_was_discarded_is_delivered_no_more_and_holds_its_key_no_more() {
    let mut bench = Bench::with(failure(Policy::Park, 4), 4, vec![row(1, "a", Scope::Key, true)]);
    assert_eq!(redelivers(&mut bench), [1]);
    bench.window.take_letters(Letters::default());
    bench.offer_events(vec![event(2, "item", "a")]);
    assert_eq!(bench.begun(), [2]);
}

#[test]
fn a_handler_that_is_gone_stops_the_group_at_no_event_when_a_letter_was_redriven() {
    let mut bench = Bench::with(failure(Policy::Park, 4), 1, vec![row(1, "a", Scope::Key, true)]);
    redelivers(&mut bench);
    assert_eq!(bench.begun(), [1]);
    bench.settle(1, Outcome::Stop { why: "gone".to_owned() });
    let stopped = bench.window.stopped().unwrap();
    assert_eq!((stopped.why.as_str(), stopped.failed), ("gone", None));
    assert_eq!(bench.window.redelivered().len(), 1, "the letter stays one");
}

#[test]
fn a_redriven_letter_that_waits_for_its_next_attempt_keeps_no_place_of_another_key() {
    let rows = vec![row(1, "a", Scope::Key, true), row(2, "b", Scope::Key, true)];
    let mut bench = Bench::with(failure(Policy::Park, 4), 1, rows);
    assert_eq!(redelivers(&mut bench), [1]);
    assert_eq!(bench.begun(), [1]);
    assert!(bench.window.wanted().is_empty(), "one at a time");
    bench.fails(1);
    assert_eq!(redelivers(&mut bench), [2]);
    assert_eq!(bench.begun(), [2]);
}

#[test]
fn a_letter_that_is_discarded_while_it_is_under_way_holds_up_its_key() {
    let mut bench = Bench::with(failure(Policy::Park, 4), 4, vec![row(1, "a", Scope::Key, true)]);
    redelivers(&mut bench);
    assert_eq!(bench.begun(), [1]);
    bench.window.take_letters(Letters::of(Vec::new()));
    bench.offer_events(vec![event(2, "item", "a"), event(3, "item", "b")]);
    assert_eq!(bench.begun(), [3]);
    bench.done(1);
    assert_eq!(bench.begun(), [2]);
}

//! The promises of a window: order, and a commit that passes no event that is not decided on.

mod claims;
mod letters;
mod schedules;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::fixture::{at, delete_all, event};
use super::super::letters::Letters;
use super::super::outcome::Outcome;
use super::{Attempt, Window};
use crate::domain::envelope::Envelope;
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Failure, Order, Policy, Scope};

/// A window, and a clock that stands until it is moved.
struct Bench {
    window: Window,
    now: Instant,
}

fn failure(policy: Policy, attempts: u64) -> Failure {
    let (wait_ms, wait_factor, wait_ms_max) = (1_000, 2, 60_000);
    Failure { policy, order: Order::Key, attempts, wait_ms, wait_factor, wait_ms_max }
}

impl Bench {
    fn new(failure: Failure, concurrency: usize) -> Self {
        Self::with(failure, concurrency, Vec::new())
    }

    /// The same, for a group that has dead letters, and has read up to the last one.
    fn with(failure: Failure, concurrency: usize, letters: Vec<DeadLetter>) -> Self {
        let last = letters.iter().map(|letter| letter.position).max().unwrap_or_default();
        let (letters, now) = (Letters::of(letters), Instant::now());
        let mut window = Window::new(failure, concurrency, letters, Position::START);
        window.offer(Vec::new(), last, now);
        Self { window, now }
    }

    /// Offers records of `item` with these keys, from position 1 on; `*` is a DELETE_ALL.
    fn offer(&mut self, keys: &[&str]) {
        let events = (1..).zip(keys).map(|(position, key)| match *key {
            "*" => delete_all(position, "item"),
            key => event(position, "item", key),
        });
        let events: Vec<_> = events.collect();
        self.offer_events(events);
    }

    fn offer_events(&mut self, events: Vec<Envelope>) {
        let up_to = events.last().unwrap().position;
        self.window.offer(events.into_iter().map(Arc::new).collect(), up_to, self.now);
    }

    fn passes(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Begins every attempt that may be made now; returns their positions.
    fn begun(&mut self) -> Vec<u64> {
        self.attempts().iter().map(|attempt| attempt.event.position.number()).collect()
    }

    fn attempts(&mut self) -> Vec<Attempt> {
        let now = self.now;
        std::iter::from_fn(|| self.window.next(now)).collect()
    }

    fn settle(&mut self, position: u64, outcome: Outcome) {
        self.window.settle(at(position), outcome, self.now);
    }

    fn done(&mut self, position: u64) {
        self.settle(position, Outcome::Ok);
    }

    fn rejected(&mut self, position: u64) {
        self.settle(position, Outcome::Reject { why: "no".to_owned() });
    }

    fn fails(&mut self, position: u64) {
        self.settle(position, Outcome::Retry { why: "not now".to_owned(), after: None });
    }

    fn committed(&mut self) -> u64 {
        self.window.commit().number()
    }

    /// Returns the positions and scopes of the dead letters to be written.
    fn dead(&mut self) -> Vec<(u64, Scope)> {
        let letters = self.window.dead();
        letters.iter().map(|letter| (letter.position.number(), letter.scope)).collect()
    }

    /// Writes them.
    fn buries(&mut self) {
        let letters = self.window.dead();
        self.window.buried(&letters);
    }
}

#[test]
fn a_later_event_of_a_key_waits_for_its_earlier_one_while_other_keys_go_on() {
    let mut bench = Bench::new(failure(Policy::Park, 4), 3);
    bench.offer(&["a", "a", "b", "a", "c", "d"]);
    assert_eq!(bench.begun(), [1, 3, 5], "as many as may be under way");
    bench.done(3);
    assert_eq!(bench.begun(), [6]);
    bench.fails(1);
    assert_eq!(bench.begun(), Vec::<u64>::new(), "2 and 4 wait for the next attempt at 1");
    bench.passes(1);
    assert_eq!(bench.begun(), [1]);
    bench.done(1);
    assert_eq!(bench.begun(), [2]);
    bench.done(2);
    assert_eq!(bench.begun(), [4]);
}

#[test]
fn records_of_one_key_in_two_topics_do_not_wait_for_each_other() {
    let mut bench = Bench::new(failure(Policy::Park, 4), 3);
    bench.offer_events(vec![event(1, "item", "a"), event(2, "loan", "a"), event(3, "item", "a")]);
    assert_eq!(bench.begun(), [1, 2]);
}

#[test]
fn a_delete_all_is_a_barrier_of_its_topic() {
    let mut bench = Bench::new(failure(Policy::Park, 4), 10);
    let (before, after) = (event(1, "item", "a"), event(3, "item", "b"));
    let other = event(4, "loan", "a");
    bench.offer_events(vec![before, delete_all(2, "item"), after, other]);
    assert_eq!(bench.begun(), [1, 4], "it waits for what is before it");
    bench.done(1);
    assert_eq!(bench.begun(), [2], "and what is after it waits for it");
    bench.fails(2);
    bench.passes(1);
    assert_eq!(bench.begun(), [2]);
    bench.done(2);
    assert_eq!(bench.begun(), [3]);
}

#[test]
fn a_commit_never_passes_an_event_that_is_not_decided_on() {
    let mut bench = Bench::new(failure(Policy::Park, 2), 10);
    bench.offer(&["a", "b", "c", "d"]);
    bench.window.offer(Vec::new(), at(9), bench.now);
    assert_eq!(bench.begun(), [1, 2, 3, 4]);
    for position in [4, 3, 1] {
        bench.done(position);
    }
    assert_eq!(bench.committed(), 1);
    bench.fails(2);
    bench.passes(1);
    assert_eq!(bench.begun(), [2]);
    bench.fails(2);
    assert_eq!(bench.committed(), 1, "its row is not written yet");
    assert_eq!(bench.dead(), [(2, Scope::Key)]);
    assert_eq!(bench.committed(), 1, "its row is about to be written");
    bench.buries();
    assert_eq!(bench.committed(), 9, "up to where nothing else matches");
}

#[test]
fn each_attempt_waits_longer_and_at_least_as_long_as_the_handler_asks() {
    let mut bench = Bench::new(failure(Policy::Stop, 4), 1);
    bench.offer(&["a"]);
    for (attempt, wait) in [(1, 1), (2, 2), (3, 4)] {
        let made = bench.attempts();
        assert_eq!(made.iter().map(|it| it.number).collect::<Vec<_>>(), [attempt]);
        bench.fails(1);
        assert_eq!(bench.window.due(bench.now), Some(bench.now + Duration::from_secs(wait)));
        bench.passes(wait - 1);
        assert_eq!(bench.begun(), Vec::<u64>::new());
        bench.passes(1);
    }
    let mut bench = Bench::new(failure(Policy::Stop, 4), 1);
    bench.offer(&["a"]);
    bench.begun();
    let after = Some(Duration::from_secs(30));
    bench.settle(1, Outcome::Retry { why: "busy".to_owned(), after });
    bench.passes(29);
    assert_eq!(bench.begun(), Vec::<u64>::new());
    bench.passes(1);
    assert_eq!(bench.begun(), [1]);
}

#[test]
fn an_attempt_that_was_given_up_counts_as_none() {
    let mut bench = Bench::new(failure(Policy::Stop, 1), 1);
    bench.offer(&["a"]);
    bench.begun();
    bench.settle(1, Outcome::Abandoned);
    assert_eq!(bench.attempts()[0].number, 1);
}

fn unreached() -> Outcome {
    Outcome::Unreached { why: "connection refused".to_owned() }
}

#[test]
fn an_attempt_that_never_reached_the_handler_counts_as_none_and_all_wait_longer_each_time() {
    let mut bench = Bench::new(failure(Policy::Park, 1), 2);
    bench.offer(&["a", "b", "c"]);
    assert_eq!(bench.begun(), [1, 2]);
    bench.settle(1, unreached());
    assert_eq!(bench.begun(), Vec::<u64>::new(), "whatever event it is");
    bench.settle(2, unreached());
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        let due = bench.now + Duration::from_secs(wait);
        assert_eq!(bench.window.due(bench.now), Some(due), "the worker wakes up then");
        bench.passes(wait - 1);
        assert_eq!(bench.begun(), Vec::<u64>::new());
        bench.passes(1);
        let made = bench.attempts();
        let made = made.iter().map(|it| (it.event.position.number(), it.number));
        assert_eq!(made.collect::<Vec<_>>(), [(1, 1), (2, 1)]);
        for position in [1, 2] {
            bench.settle(position, unreached());
        }
        assert!(!bench.window.is_reached());
    }
    assert_eq!(bench.dead(), []);
    bench.passes(60);
    assert_eq!(bench.begun(), [1, 2]);
    bench.done(1);
    assert!(bench.window.is_reached());
    assert_eq!(bench.begun(), [3], "nothing waits any more");
    bench.settle(3, unreached());
    bench.passes(1);
    assert_eq!(bench.begun(), [3], "and the wait begins anew");
    bench.fails(2);
    assert_eq!(bench.dead(), [(2, Scope::Key)], "what it has answered counts");
}

#[test]
fn a_handler_that_is_not_reached_for_an_hour_stops_the_group_at_no_event() {
    for policy in Policy::ALL {
        let mut bench = Bench::new(failure(policy, 1), 1);
        bench.offer(&["a", "b"]);
        assert_eq!(bench.begun(), [1]);
        bench.settle(1, unreached());
        for _ in 0..59 {
            bench.passes(60);
            assert_eq!(bench.begun(), [1]);
            bench.settle(1, unreached());
            assert_eq!(bench.window.stopped(), None);
        }
        bench.passes(60);
        assert_eq!(bench.begun(), [1]);
        bench.settle(1, unreached());
        let stopped = bench.window.stopped().unwrap();
        let why = "the handler was not reached for 60 minutes: connection refused";
        assert_eq!((stopped.why.as_str(), stopped.failed), (why, None), "{policy:?}");
        assert_eq!((bench.begun(), bench.committed()), (Vec::new(), 0));
    }
}

#[test]
fn a_window_that_only_waits_for_others_is_not_due() {
    let mut bench = Bench::new(failure(Policy::Stop, 4), 1);
    bench.offer(&["a", "a", "b"]);
    assert_eq!(bench.begun(), [1]);
    assert_eq!(bench.window.due(bench.now), None, "or its worker would never rest");
}

#[test]
fn a_group_stops_at_the_event_once_everything_before_it_is_done_and_nothing_is_under_way() {
    let mut bench = Bench::new(failure(Policy::Stop, 1), 3);
    bench.offer(&["a", "b", "c", "a", "b", "d"]);
    assert_eq!(bench.begun(), [1, 2, 3]);
    bench.rejected(2);
    assert_eq!(bench.window.stopped(), None, "1 and 3 are under way");
    assert_eq!(bench.window.room(), 0, "nothing is read that is not delivered any more");
    bench.done(3);
    assert_eq!(bench.begun(), Vec::<u64>::new(), "nothing after the event is begun");
    bench.fails(1);
    let stopped = bench.window.stopped().unwrap();
    assert_eq!(stopped.failed.unwrap().position, at(1), "1 has failed for good, too, and is first");
    assert_eq!(bench.committed(), 0);

    let mut bench = Bench::new(failure(Policy::Stop, 2), 3);
    bench.offer(&["a", "b", "c"]);
    bench.begun();
    bench.rejected(2);
    bench.done(3);
    bench.fails(1);
    assert_eq!(bench.window.stopped(), None, "1 is tried again first");
    bench.passes(1);
    assert_eq!(bench.begun(), [1]);
    bench.done(1);
    let stopped = bench.window.stopped().unwrap();
    let failed = stopped.failed.unwrap();
    assert_eq!((failed.position, failed.attempts, stopped.why.as_str()), (at(2), 1, "no"));
    assert_eq!(bench.committed(), 1);
}

#[test]
fn a_handler_that_is_gone_gets_nothing_more_whatever_the_policy() {
    for policy in Policy::ALL {
        let mut bench = Bench::new(failure(policy, 4), 2);
        bench.offer(&["a", "b", "c"]);
        assert_eq!(bench.begun(), [1, 2]);
        bench.fails(1);
        bench.settle(2, Outcome::Stop { why: "gone".to_owned() });
        bench.passes(60);
        assert_eq!(bench.begun(), Vec::<u64>::new(), "{policy:?}");
        let stopped = bench.window.stopped().unwrap();
        assert_eq!((stopped.why.as_str(), stopped.failed), ("gone", None), "1 is not decided on");
        assert_eq!(bench.committed(), 0);
    }
}

#[test]
fn without_an_order_later_events_go_on_and_join_nothing() {
    let failure = Failure { order: Order::None, ..failure(Policy::Retry, 2) };
    let mut bench = Bench::new(failure, 4);
    bench.offer(&["a", "a", "*", "a", "a"]);
    assert_eq!(bench.begun(), [1, 2, 3, 4]);
    bench.rejected(1);
    assert_eq!(bench.dead(), [(1, Scope::Event)]);
    bench.buries();
    assert_eq!(bench.begun(), [5]);
    assert_eq!(bench.committed(), 1);
}

#[test]
fn a_window_has_room_for_a_number_of_events_and_of_bytes() {
    let mut bench = Bench::new(failure(Policy::Park, 4), 1);
    assert_eq!(bench.window.room(), 500);
    bench.offer(&["a", "b", "c"]);
    assert_eq!(bench.window.room(), 497);
    for position in 1..=3 {
        bench.begun();
        bench.done(position);
    }
    bench.committed();
    assert_eq!(bench.window.room(), 500);
    let large = Envelope { payload: vec![b' '; 3 << 20].into(), ..event(4, "item", "d") };
    bench.offer_events(vec![large]);
    assert_eq!(bench.window.room(), 0);
}

//! The promises of claims: an event is claimed once it is done, and before the commit passes it;
//! what failed is claimed by nobody.

use std::collections::BTreeSet;

use super::{Bench, Envelope, Policy, at, event, failure};
use crate::domain::claim::RootId;

/// Returns an event of an item that names the first event of its chain.
fn sent_on(position: u64, key: &str, root: &str) -> Envelope {
    let mut event = event(position, "item", key);
    event.headers.push("HEXA_ROOT_EVENT_ID", root);
    event
}

fn bench(concurrency: usize) -> Bench {
    let mut bench = Bench::new(failure(Policy::Park, 2), concurrency);
    bench.window = bench.window.claiming();
    bench
}

fn roots(positions: &[u64]) -> BTreeSet<RootId> {
    positions.iter().map(|position| RootId::of(&event(*position, "item", "a"))).collect()
}

impl Bench {
    /// Claims what the handler has done; returns the number of events that are suppressed.
    fn claims(&mut self) -> usize {
        let roots = self.window.acknowledged();
        self.window.claimed(&roots)
    }
}

#[test]
fn a_commit_passes_an_event_once_it_is_claimed() {
    let mut bench = bench(2);
    bench.offer(&["a", "b", "a"]);
    assert_eq!(bench.begun(), [1, 2]);
    bench.done(1);
    assert_eq!(bench.committed(), 0, "its claim is not written yet");
    assert_eq!(bench.window.acknowledged(), roots(&[1]));
    assert_eq!(bench.begun(), Vec::<u64>::new(), "nor does its key go on");
    assert_eq!(bench.claims(), 0);
    assert_eq!(bench.committed(), 1);
    assert_eq!(bench.begun(), [3]);
}

#[test]
fn what_was_claimed_before_is_done_and_is_never_begun() {
    let mut bench = bench(4);
    bench.offer(&["a", "b", "a"]);
    assert_eq!(bench.window.claimed(&roots(&[1, 2, 9])), 2);
    assert_eq!(bench.committed(), 2);
    assert_eq!(bench.begun(), [3]);
}

#[test]
fn what_failed_is_claimed_by_nobody_and_is_tried_again() {
    let mut bench = bench(1);
    bench.offer(&["a", "b"]);
    assert_eq!(bench.begun(), [1]);
    bench.fails(1);
    assert_eq!(bench.window.acknowledged(), roots(&[]));
    bench.passes(1);
    assert_eq!(bench.begun(), [1]);
    bench.fails(1);
    assert_eq!(bench.window.acknowledged(), roots(&[]), "it has failed for good");
    bench.buries();
    assert_eq!((bench.window.acknowledged(), bench.committed()), (roots(&[]), 1));
    assert_eq!(bench.begun(), [2]);
}

#[test]
fn of_one_root_one_event_is_under_way_and_the_others_are_suppressed_once_it_is_done() {
    let mut bench = bench(4);
    let first = event(1, "item", "a");
    let root = first.event_id.to_string();
    let events = vec![first, sent_on(2, "b", &root), event(3, "item", "c"), sent_on(4, "d", &root)];
    bench.offer_events(events);
    assert_eq!(bench.begun(), [1, 3]);
    bench.done(1);
    assert_eq!(bench.begun(), Vec::<u64>::new(), "it is about to be claimed");
    assert_eq!(bench.claims(), 2);
    assert_eq!(bench.begun(), Vec::<u64>::new());
    assert_eq!(bench.committed(), 2, "3 is under way");
}

#[test]
fn another_event_of_a_root_goes_on_while_the_one_that_failed_waits() {
    let mut bench = bench(4);
    let first = event(1, "item", "a");
    let root = first.event_id.to_string();
    bench.offer_events(vec![first, sent_on(2, "b", &root)]);
    assert_eq!(bench.begun(), [1]);
    bench.fails(1);
    assert_eq!(bench.begun(), [2]);
    bench.passes(1);
    assert_eq!(bench.begun(), Vec::<u64>::new());
    bench.done(2);
    assert_eq!(bench.claims(), 1, "the one that had failed");
    assert_eq!(bench.committed(), 2);
}

#[test]
fn a_redriven_dead_letter_is_claimed_before_its_row_is_removed() {
    let mut bench = bench(1);
    bench.offer(&["a"]);
    bench.begun();
    bench.rejected(1);
    let mut letters = bench.window.dead();
    bench.window.buried(&letters);
    letters.iter_mut().for_each(|letter| letter.is_redriven = true);
    bench.window.take_letters(super::Letters::of(letters));
    bench.window.redeliver(event(1, "item", "a").into(), bench.now);
    assert_eq!(bench.begun(), [1]);
    bench.done(1);
    assert_eq!(bench.window.redelivered(), []);
    bench.claims();
    assert_eq!(bench.window.redelivered(), [(at(1), None)]);
}

#[test]
fn without_deduplication_nothing_is_claimed() {
    let mut bench = Bench::new(failure(Policy::Park, 2), 2);
    let root = event(1, "item", "a").event_id.to_string();
    bench.offer_events(vec![event(1, "item", "a"), sent_on(2, "b", &root)]);
    assert_eq!(bench.begun(), [1, 2]);
    let event = std::sync::Arc::new(event(1, "item", "a"));
    assert_eq!(bench.window.roots(&[event]), roots(&[]), "nobody asks whether it is claimed");
    bench.done(1);
    assert_eq!((bench.window.acknowledged(), bench.committed()), (roots(&[]), 1));
}

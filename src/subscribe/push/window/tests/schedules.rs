//! Many schedules by seeds: whatever handlers answer, and in whatever order, the promises hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fastrand::Rng;

use super::*;

const KEYS: [&str; 4] = ["a", "b", "c", "*"];
const EVENTS: u64 = 60;

/// The events of a run, and what became of each so far.
struct Run {
    bench: Bench,
    rng: Rng,
    keys: Vec<&'static str>,
    under_way: BTreeSet<u64>,
    done: BTreeSet<u64>,
    /// The rows of the store, by position.
    rows: BTreeMap<u64, DeadLetter>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let policy = if rng.bool() { Policy::Park } else { Policy::Retry };
        let mut bench = Bench::new(failure(policy, rng.u64(1..4)), rng.usize(1..6));
        if rng.bool() {
            bench.window = bench.window.claiming();
        }
        // One event in ten is a DELETE_ALL.
        let key = |rng: &mut Rng| KEYS[rng.usize(..10) / 3];
        let keys = (0..EVENTS).map(|_| key(&mut rng)).collect();
        let (under_way, done, rows) = Default::default();
        Self { bench, rng, keys, under_way, done, rows }
    }

    fn key(&self, position: u64) -> &'static str {
        self.keys[usize::try_from(position - 1).unwrap()]
    }

    /// Returns whether a later event waits for an earlier one.
    fn precedes(&self, earlier: u64, later: u64) -> bool {
        let (earlier, later) = (self.key(earlier), self.key(later));
        earlier == later || earlier == "*" || later == "*"
    }

    fn is_decided(&self, position: u64) -> bool {
        self.done.contains(&position) || self.rows.contains_key(&position)
    }

    fn begin(&mut self) {
        for position in self.bench.begun() {
            for earlier in (1..position).filter(|earlier| self.precedes(*earlier, position)) {
                assert!(self.done.contains(&earlier), "{position} is delivered before {earlier}");
            }
            assert!(!self.done.contains(&position), "{position} was done");
            assert!(self.under_way.insert(position), "{position} is under way twice");
        }
        let of_keys = self.under_way.iter().map(|position| self.key(*position));
        let mut counts = HashMap::new();
        of_keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
        assert!(counts.values().all(|count| *count == 1), "{:?}", self.under_way);
    }

    /// One attempt ends.
    fn answer(&mut self) {
        let under_way: Vec<_> = self.under_way.iter().copied().collect();
        let Some(position) = self.rng.choice(under_way) else { return };
        self.under_way.remove(&position);
        match self.rng.u32(..10) {
            0 => self.bench.rejected(position),
            1..4 => self.bench.fails(position),
            4 => self.bench.settle(position, Outcome::Abandoned),
            _ => {
                self.bench.done(position);
                if !self.rows.contains_key(&position) {
                    self.done.insert(position);
                }
            }
        }
    }

    /// The worker writes claims and rows, and now and then somebody redrives all of a key.
    fn write(&mut self) {
        let roots = self.bench.window.acknowledged();
        assert_eq!(self.bench.window.claimed(&roots), 0, "each event has a root of its own");
        let letters = self.bench.window.dead();
        for letter in &letters {
            let fresh = self.rows.insert(letter.position.number(), letter.clone());
            assert_eq!(fresh, None, "{letter:?} is written twice");
        }
        self.bench.window.buried(&letters);
        for (position, failure) in self.bench.window.redelivered() {
            let number = position.number();
            let is_done = failure.is_none();
            if is_done {
                self.rows.remove(&number);
                self.done.insert(number);
            } else {
                let later = self.rows.range(number..).map(|(at, _)| *at);
                let waiting: Vec<_> = later.filter(|at| self.precedes(number, *at)).collect();
                for at in waiting {
                    self.rows.get_mut(&at).unwrap().is_redriven = false;
                }
            }
            self.bench.window.resettled(position, is_done);
            self.take_rows();
        }
        if self.rng.u32(..4) == 0 {
            self.rows.values_mut().for_each(|row| row.is_redriven = true);
            self.take_rows();
        }
        for letter in self.bench.window.wanted() {
            let position = letter.position.number();
            let event = match self.key(position) {
                "*" => delete_all(position, "item"),
                key => event(position, "item", key),
            };
            self.bench.window.redeliver(Arc::new(event), self.bench.now);
        }
    }

    fn take_rows(&mut self) {
        let rows = self.rows.values().cloned().collect();
        self.bench.window.take_letters(Letters::of(rows));
    }

    fn step(&mut self) {
        self.write();
        self.begin();
        let committed = self.bench.committed();
        for position in 1..=committed {
            assert!(self.is_decided(position), "{committed} was committed before {position}");
        }
        self.answer();
        if self.rng.bool() {
            self.bench.passes(1);
        }
    }
}

#[test]
fn whatever_handlers_answer_order_is_kept_and_no_commit_passes_what_is_not_decided_on() {
    for seed in 0..400 {
        let mut run = Run::new(seed);
        let keys = run.keys.clone();
        run.bench.offer(&keys);
        let mut steps = 0;
        while run.done.len() < keys.len() {
            run.step();
            steps += 1;
            assert!(steps < 20_000, "seed {seed} does not end: {:?}", run.rows.keys());
        }
        run.write();
        assert_eq!(run.bench.committed(), EVENTS, "seed {seed}");
        assert!(run.rows.is_empty() && run.under_way.is_empty(), "seed {seed}");
    }
}

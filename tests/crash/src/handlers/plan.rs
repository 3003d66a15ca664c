//! The plan of a handler: how it answers each event, by a seed. It is pure.
//!
//! Most events are done at once, some only when they come again, and a few fail so often that the
//! failure policy decides about them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use fastrand::Rng;

use crate::receiver::Reply;

/// The attempts that the policies give an event.
pub(super) const ATTEMPTS: usize = 3;
/// The seconds after which an attempt has failed.
pub(super) const TIMEOUT_SECS: u64 = 1;
/// One in so many events fails for good, and ten times as many once.
const FAILS_EACH: usize = 150;

/// The way in which a handler takes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    /// The time that it takes.
    pub(super) takes: Duration,
    /// The answer after that.
    pub(super) reply: Reply,
}

impl Turn {
    /// The event is done at once.
    pub(super) const DONE: Self = Self { takes: Duration::ZERO, reply: Reply::Status(200) };

    /// Returns whether it says that the event is done, though perhaps too late.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.reply, Reply::Status(200..300))
    }
}

/// Returns what a handler does with the event of a position that has come so often before.
pub(super) fn turn(seed: u64, position: u64, before: usize) -> Turn {
    let failures = failures(&mut rng(seed, position, None));
    let mut rng = rng(seed, position, Some(before));
    if before >= failures {
        let takes = if rng.u8(0..20) == 0 { rng.u64(10..300) } else { 0 };
        return Turn { takes: Duration::from_millis(takes), ..Turn::DONE };
    }
    let in_a_second = |status| Reply::With(status, "Retry-After: 1".to_owned());
    let late = Duration::from_millis(TIMEOUT_SECS * 1_000 + 500);
    let (takes, reply) = match rng.u8(0..16) {
        0..=6 => (Duration::ZERO, Reply::Status(500)),
        7 | 8 => (Duration::ZERO, in_a_second(429)),
        9 => (Duration::ZERO, in_a_second(503)),
        10..=12 => (Duration::ZERO, Reply::Dropped),
        13 => (late, Reply::Status(500)),
        // It has done the work, and nobody hears of it.
        14 => (late, Reply::Status(200)),
        // The group stops, whatever the policy.
        _ if failures > 1 => (Duration::ZERO, Reply::Status(410)),
        _ => (Duration::ZERO, Reply::Status(500)),
    };
    Turn { takes, reply }
}

/// Returns how often a handler fails at an event.
fn failures(rng: &mut Rng) -> usize {
    match rng.usize(0..FAILS_EACH) {
        // After it was redriven, it may fail again.
        0 => rng.usize(ATTEMPTS..=3 * ATTEMPTS),
        1..=10 => 1,
        _ => 0,
    }
}

fn rng(seed: u64, position: u64, before: Option<usize>) -> Rng {
    let mut hasher = DefaultHasher::new();
    (seed, position, before).hash(&mut hasher);
    Rng::with_seed(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS, turn};
    use crate::receiver::Reply;

    #[test]
    fn a_seed_is_a_plan() {
        let of = |seed| (1..1_000).map(|position| turn(seed, position, 0)).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn most_events_are_done_at_once_and_each_in_the_end() {
        let is_done = |position, before| turn(1, position, before).is_done();
        let at_once = (1..=10_000).filter(|position| is_done(*position, 0)).count();
        assert!((9_000..9_600).contains(&at_once), "{at_once}");
        let for_good = |position: &u64| (0..ATTEMPTS).all(|before| !is_done(*position, before));
        let for_good = (1..=10_000).filter(for_good).count();
        assert!((30..90).contains(&for_good), "{for_good}");
        assert!((1..=10_000).all(|position| is_done(position, 3 * ATTEMPTS)));
    }

    #[test]
    fn a_handler_fails_in_every_way() {
        let all: Vec<_> = (1..=10_000)
            .flat_map(|position| (0..ATTEMPTS).map(move |before| turn(1, position, before).reply))
            .collect();
        for status in [200, 410, 500] {
            assert!(all.contains(&Reply::Status(status)), "{status}");
        }
        for status in [429, 503] {
            assert!(all.contains(&Reply::With(status, "Retry-After: 1".to_owned())), "{status}");
        }
        assert!(all.contains(&Reply::Dropped));
    }
}

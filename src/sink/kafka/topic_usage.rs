//! The topics that a producer has sent to, and whether most of them are idle by now.
//!
//! Fed by `producer`; tells it when it is worn. librdkafka keeps each topic as long as its client
//! lives, and looks at each once a second: what a thousand tenants have published long ago would
//! cost CPU and memory for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::topic::Topic;

/// So many idle topics cost in a minute or two the CPU time of a takeover: 5 us a topic and second,
/// 40 ms.
const IDLE_MIN: usize = 100;

/// The topics of one producer.
pub(super) struct TopicUsage {
    /// When each was last sent to.
    last: HashMap<Topic, Instant>,
    period: Duration,
    /// When this period began.
    since: Instant,
    mostly_idle: bool,
}

impl TopicUsage {
    /// None so far. A topic is idle that wasn't sent to for a whole period.
    pub(super) fn new(period: Duration, now: Instant) -> Self {
        Self { last: HashMap::new(), period, since: now, mostly_idle: false }
    }

    /// These are sent to.
    pub(super) fn note(&mut self, topics: &[&Topic], now: Instant) {
        self.go_on(now);
        for topic in topics {
            match self.last.get_mut(*topic) {
                Some(last) => *last = now,
                None => drop(self.last.insert((*topic).clone(), now)),
            }
        }
    }

    /// Whether many, and most, were idle in the last period.
    pub(super) fn are_mostly_idle(&mut self, now: Instant) -> bool {
        self.go_on(now);
        self.mostly_idle
    }

    /// Judges a period that is over, and begins the next.
    fn go_on(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) < self.period {
            return;
        }
        let idle = self.last.values().filter(|last| **last < self.since).count();
        self.mostly_idle = idle >= IDLE_MIN && idle > self.last.len() - idle;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{IDLE_MIN, Topic, TopicUsage};

    const PERIOD: Duration = Duration::from_secs(1);

    fn topics(count: usize) -> Vec<Topic> {
        (0..count).map(|n| Topic::parse(&format!("folio.t{n}.users.user")).unwrap()).collect()
    }

    /// Whether these are mostly idle once so many of them weren't used in the second period.
    fn mostly_idle(all: usize, idle: usize) -> bool {
        let topics = topics(all);
        let topics: Vec<_> = topics.iter().collect();
        let start = Instant::now();
        let mut used = TopicUsage::new(PERIOD, start);
        used.note(&topics, start);
        assert!(!used.are_mostly_idle(start + PERIOD / 2), "within the period");
        assert!(!used.are_mostly_idle(start + PERIOD), "all were used in the first period");
        used.note(&topics[idle..], start + PERIOD);
        assert!(!used.are_mostly_idle(start + PERIOD * 3 / 2), "within the second period");
        used.are_mostly_idle(start + PERIOD * 2)
    }

    #[test]
    fn many_and_most_are_idle() {
        assert!(mostly_idle(IDLE_MIN, IDLE_MIN));
        assert!(!mostly_idle(IDLE_MIN - 1, IDLE_MIN - 1), "few");
        assert!(!mostly_idle(2 * IDLE_MIN, IDLE_MIN), "half");
        assert!(mostly_idle(2 * IDLE_MIN, IDLE_MIN + 1));
        assert!(!mostly_idle(10 * IDLE_MIN, 0));
    }

    #[test]
    fn a_producer_that_never_rests_is_judged_by_its_last_period() {
        let topics = topics(2 * IDLE_MIN);
        let (busy, start) = (&topics[0], Instant::now());
        let mut used = TopicUsage::new(PERIOD, start);
        used.note(&topics.iter().collect::<Vec<_>>(), start);
        for tenth in 1..=20 {
            used.note(&[busy], start + PERIOD * tenth / 10);
        }
        assert!(used.are_mostly_idle(start + PERIOD * 2));
        used.note(&topics.iter().collect::<Vec<_>>(), start + PERIOD * 2);
        assert!(!used.are_mostly_idle(start + PERIOD * 3), "all were used again");
    }
}

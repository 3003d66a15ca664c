//! Topic usage: the topics that a producer has sent to, and whether most of them are idle now.
//!
//! `publisher` records the topics of each page, and learns when it should be recycled. librdkafka
//! keeps each topic as long as its client lives, and looks at each once a second, so topics to
//! which a thousand tenants published long ago would cost CPU and memory for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::topic::Topic;

/// The least number of idle topics that is worth a takeover: in a minute or two they use as much
/// CPU time, 5 us a second for each topic against 40 ms.
const IDLE_MIN: usize = 100;

/// The topics of one producer, and when it sent to each.
pub(super) struct TopicUsage {
    /// The time at which each topic was last sent to.
    last: HashMap<Topic, Instant>,
    period: Duration,
    /// The beginning of the current period.
    since: Instant,
    mostly_idle: bool,
}

impl TopicUsage {
    /// Makes the usage of a producer without topics. A topic is idle if nothing was sent to it for
    /// a whole period.
    pub(super) fn new(period: Duration, now: Instant) -> Self {
        Self { last: HashMap::new(), period, since: now, mostly_idle: false }
    }

    /// Records that these topics are sent to.
    pub(super) fn record(&mut self, topics: &[&Topic], now: Instant) {
        self.end_period(now);
        for topic in topics {
            match self.last.get_mut(*topic) {
                Some(last) => *last = now,
                None => drop(self.last.insert((*topic).clone(), now)),
            }
        }
    }

    /// Returns whether many topics, and most of them, were idle in the last period.
    pub(super) fn is_mostly_idle(&mut self, now: Instant) -> bool {
        self.end_period(now);
        self.mostly_idle
    }

    /// Evaluates the period if it is over, and begins the next.
    fn end_period(&mut self, now: Instant) {
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

    /// Returns whether the topics count as mostly idle when `idle` of `all` were not used in the
    /// second period.
    fn mostly_idle(all: usize, idle: usize) -> bool {
        let topics = topics(all);
        let topics: Vec<_> = topics.iter().collect();
        let start = Instant::now();
        let mut usage = TopicUsage::new(PERIOD, start);
        usage.record(&topics, start);
        assert!(!usage.is_mostly_idle(start + PERIOD / 2), "within the period");
        assert!(!usage.is_mostly_idle(start + PERIOD), "all were used in the first period");
        usage.record(&topics[idle..], start + PERIOD);
        assert!(!usage.is_mostly_idle(start + PERIOD * 3 / 2), "within the second period");
        usage.is_mostly_idle(start + PERIOD * 2)
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
    fn a_publisher_that_never_rests_is_judged_by_its_last_period() {
        let topics = topics(2 * IDLE_MIN);
        let (busy, start) = (&topics[0], Instant::now());
        let mut usage = TopicUsage::new(PERIOD, start);
        usage.record(&topics.iter().collect::<Vec<_>>(), start);
        for tenth in 1..=20 {
            usage.record(&[busy], start + PERIOD * tenth / 10);
        }
        assert!(usage.is_mostly_idle(start + PERIOD * 2));
        usage.record(&topics.iter().collect::<Vec<_>>(), start + PERIOD * 2);
        assert!(!usage.is_mostly_idle(start + PERIOD * 3), "all were used again");
    }
}

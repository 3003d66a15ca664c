//! The pace of a replay: when its next page may be sent, by the limits of its rate.
//!
//! A page that was sent delays the next one by the time that the limits give it. A delay that is
//! already over is made up for, at most by a second.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::replay::Rate;

/// A page has the events of half a second at most, so that the rate is even.
const PAGE: f64 = 0.5;
/// The longest time that is made up for.
const BURST: Duration = Duration::from_secs(1);
/// The longest delay, which bounds what a tiny rate makes of a large page.
const DELAY_MAX: f64 = 3_600.0;

/// When the next page may be sent.
#[derive(Debug)]
pub(super) struct Pace {
    ready: Instant,
}

impl Pace {
    /// Makes a pace that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { ready: now }
    }

    /// Returns whether the next page may be sent.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.ready <= now
    }

    /// Returns the most events of the next page.
    pub(super) fn events_max(rate: &Rate, events_max: usize) -> usize {
        let Some(per_second) = rate.events_per_second else { return events_max };
        let half_a_second = (f64::from(per_second) * PAGE).ceil();
        // A float is cast to the nearest number that fits.
        events_max.min(half_a_second as usize).max(1)
    }

    /// Notes that a page was sent.
    pub(super) fn sent(&mut self, rate: &Rate, events: u64, bytes: u64, now: Instant) {
        let seconds = |count: u64, per_second: Option<f64>| {
            per_second.map_or(0.0, |per_second| count as f64 / per_second)
        };
        let delay = seconds(events, rate.events_per_second.map(f64::from))
            .max(seconds(bytes, rate.bytes_per_second.map(|bytes| bytes as f64)))
            .min(DELAY_MAX);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.ready = self.ready.max(earliest) + Duration::from_secs_f64(delay);
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Pace, Rate};

    /// Returns the events that are sent within a time, if a page is offered at each step.
    fn sent_within(rate: &Rate, bytes_each: u64, time: Duration, step: Duration) -> u64 {
        let start = Instant::now();
        let (mut pace, mut events, mut at) = (Pace::new(start), 0, Duration::ZERO);
        while at < time {
            let now = start + at;
            while pace.is_ready(now) {
                let page = Pace::events_max(rate, 500) as u64;
                pace.sent(rate, page, page * bytes_each, now);
                events += page;
            }
            at += step;
        }
        events
    }

    #[test]
    fn neither_limit_is_passed_and_the_rate_is_kept_though_the_lane_looks_seldom() {
        let (minute, half) = (Duration::from_secs(60), Duration::from_millis(500));
        let events = Rate { events_per_second: Some(100), bytes_per_second: None };
        let sent = sent_within(&events, 10, minute, half);
        assert!((5_900..=6_100).contains(&sent), "{sent}");
        let both = Rate { events_per_second: Some(100), bytes_per_second: Some(500) };
        let sent = sent_within(&both, 10, minute, half);
        assert!((2_900..=3_100).contains(&sent), "{sent}");
        let slow = Rate { events_per_second: Some(1), bytes_per_second: None };
        assert!((59..=62).contains(&sent_within(&slow, 10, minute, half)));
    }

    #[test]
    fn a_page_of_a_fast_replay_is_as_large_as_any() {
        let fast = Rate { events_per_second: Some(1_000_000), bytes_per_second: None };
        assert_eq!(Pace::events_max(&fast, 500), 500);
        assert_eq!(Pace::events_max(&Rate::default(), 500), 500);
    }
}

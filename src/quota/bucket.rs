//! A token bucket that may get into debt: it fills at a steady rate up to its capacity, and a
//! request is let through while at least one unit is left, however many units it takes.
//!
//! `quota` has two for each tenant that has a quota. All numbers are whole: the level is in
//! thousandths of a unit, so that it rises by the rate in each millisecond. With several replicas a
//! unit costs as many: the rate and the capacity of each are then that part of the whole quota. A
//! library's bucket would refuse for ever what is larger than its capacity (`governor` does), and
//! could not give back what was not used.

use crate::domain::time::Time;

/// The thousandths of a unit.
const UNIT: i128 = 1_000;

/// The rate and the capacity of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// The units per second, of all replicas together: at least 1.
    pub(super) per_second: u64,
    /// The seconds in which an empty bucket is filled: at least 1.
    pub(super) burst_seconds: u64,
    /// The replicas that share the quota: at least 1.
    pub(super) replicas: u64,
}

impl Rate {
    fn cost(&self, units: u64) -> i128 {
        i128::from(units) * UNIT * i128::from(self.replicas)
    }

    /// Returns the capacity, which is at least one unit.
    fn capacity(&self) -> i128 {
        let whole = i128::from(self.per_second) * i128::from(self.burst_seconds) * UNIT;
        whole.max(self.cost(1))
    }

    /// Returns the units that a full bucket has.
    pub(super) fn units(&self) -> u64 {
        self.in_units(self.capacity())
    }

    fn in_units(&self, level: i128) -> u64 {
        u64::try_from(level.max(0) / self.cost(1)).unwrap_or(u64::MAX)
    }
}

/// A bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    level: i128,
    at: Time,
}

impl Bucket {
    /// Makes a full one.
    pub(super) fn full(rate: &Rate, now: Time) -> Self {
        Self { level: rate.capacity(), at: now }
    }

    /// Adds the units that have come since the last time: none if the clock was set back.
    pub(super) fn fill(&mut self, rate: &Rate, now: Time) {
        let passed_ms = i128::from(now.as_ms()) - i128::from(self.at.as_ms());
        let gained = i128::from(rate.per_second) * passed_ms.max(0);
        (self.level, self.at) = ((self.level + gained).min(rate.capacity()), now);
    }

    /// Returns whether it is full.
    pub(super) fn is_full(&self, rate: &Rate) -> bool {
        self.level >= rate.capacity()
    }

    /// Takes so many units, into debt if need be.
    pub(super) fn take(&mut self, rate: &Rate, units: u64) {
        self.level -= rate.cost(units);
    }

    /// Puts back units that were taken.
    pub(super) fn put_back(&mut self, rate: &Rate, units: u64) {
        self.level = (self.level + rate.cost(units)).min(rate.capacity());
    }

    /// Returns the whole units that are left.
    pub(super) fn left(&self, rate: &Rate) -> u64 {
        rate.in_units(self.level)
    }

    /// Returns the whole seconds until a unit is left; 0 if one is.
    pub(super) fn wait_seconds(&self, rate: &Rate) -> u64 {
        let missing = (rate.cost(1) - self.level).max(0);
        let seconds = missing.div_euclid(UNIT * i128::from(rate.per_second));
        let rest = missing.rem_euclid(UNIT * i128::from(rate.per_second));
        u64::try_from(seconds + i128::from(rest > 0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Rate};
    use crate::domain::time::Time;

    const TEN: Rate = Rate { per_second: 10, burst_seconds: 2, replicas: 1 };

    fn at(ms: i64) -> Time {
        Time::from_ms(ms)
    }

    #[test]
    fn a_burst_is_what_was_not_used_and_no_more() {
        let mut bucket = Bucket::full(&TEN, at(0));
        assert_eq!((TEN.units(), bucket.left(&TEN)), (20, 20));
        bucket.take(&TEN, 20);
        assert_eq!((bucket.left(&TEN), bucket.wait_seconds(&TEN)), (0, 1));
        bucket.fill(&TEN, at(99));
        assert_eq!(bucket.left(&TEN), 0);
        bucket.fill(&TEN, at(100));
        assert_eq!((bucket.left(&TEN), bucket.wait_seconds(&TEN)), (1, 0));
        bucket.fill(&TEN, at(3_600_000));
        assert_eq!(bucket.left(&TEN), 20);
    }

    #[test]
    fn a_debt_is_paid_before_anything_else_is_taken() {
        let mut bucket = Bucket::full(&TEN, at(0));
        bucket.take(&TEN, 1_000);
        assert_eq!(bucket.wait_seconds(&TEN), 99);
        bucket.fill(&TEN, at(98_000));
        assert_eq!((bucket.left(&TEN), bucket.wait_seconds(&TEN)), (0, 1));
        bucket.fill(&TEN, at(98_100));
        assert_eq!(bucket.left(&TEN), 1);
    }

    #[test]
    fn what_is_put_back_is_there_and_fills_no_bucket_beyond_its_capacity() {
        let mut bucket = Bucket::full(&TEN, at(0));
        bucket.take(&TEN, 30);
        bucket.put_back(&TEN, 25);
        assert_eq!(bucket.left(&TEN), 15);
        bucket.put_back(&TEN, 30);
        assert!(bucket.is_full(&TEN));
        assert_eq!(bucket.left(&TEN), 20);
    }

    #[test]
    fn replicas_have_their_part_of_rate_and_burst_and_at_least_one_unit() {
        let third = Rate { replicas: 3, ..TEN };
        let mut bucket = Bucket::full(&third, at(0));
        assert_eq!((third.units(), bucket.left(&third)), (6, 6));
        bucket.take(&third, 6);
        bucket.fill(&third, at(1_000));
        assert_eq!(bucket.left(&third), 4);
        let little = Rate { per_second: 1, burst_seconds: 1, replicas: 3 };
        let mut bucket = Bucket::full(&little, at(0));
        assert_eq!(bucket.left(&little), 1);
        bucket.take(&little, 1);
        assert_eq!(bucket.wait_seconds(&little), 3);
    }

    #[test]
    fn a_clock_that_is_set_back_takes_nothing_away_and_is_followed() {
        let mut bucket = Bucket::full(&TEN, at(1_000_000));
        bucket.take(&TEN, 20);
        bucket.fill(&TEN, at(0));
        assert_eq!(bucket.left(&TEN), 0);
        bucket.fill(&TEN, at(1_000));
        assert_eq!(bucket.left(&TEN), 10);
    }
}

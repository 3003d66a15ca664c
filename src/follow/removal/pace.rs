//! The pace of removal: how many events one step takes, and how long it rests afterwards, so that
//! appends wait no longer than one short step, and seldom.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The fewest and the most events of a step.
const ROWS_MIN: usize = 25;
const ROWS_MAX: usize = 1_000;
/// A step that takes longer is halved; one that takes less than a third of it is doubled.
const STEP_MAX: Duration = Duration::from_millis(15);
/// How many times as long as a step the rest after it takes: removal has a quarter of the store's
/// time at most.
const REST: u32 = 3;
const REST_MAX: Duration = Duration::from_secs(1);

/// The size of the next step.
#[derive(Debug)]
pub(in crate::follow) struct Pace {
    rows: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: ROWS_MIN * 4 }
    }
}

impl Pace {
    /// Runs a step of so many events, and rests after it.
    pub(in crate::follow) async fn step<T>(&mut self, step: impl AsyncFnOnce(usize) -> T) -> T {
        let began = Instant::now();
        let done = step(self.rows).await;
        let rest = self.took(began.elapsed());
        sleep(rest).await;
        done
    }

    /// Sets the size of the next step by the time that the last one took. Returns how long to rest.
    fn took(&mut self, took: Duration) -> Duration {
        if took > STEP_MAX {
            self.rows = (self.rows / 2).max(ROWS_MIN);
        } else if took * 3 < STEP_MAX {
            self.rows = (self.rows * 2).min(ROWS_MAX);
        }
        (took * REST).min(REST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, ROWS_MAX, ROWS_MIN};

    #[test]
    fn a_step_shrinks_while_it_is_slow_and_grows_while_it_is_fast() {
        let mut pace = Pace { rows: 400 };
        let ms = Duration::from_millis;
        assert_eq!(pace.took(ms(40)), ms(120));
        assert_eq!(pace.rows, 200);
        assert_eq!(pace.took(ms(10)), ms(30));
        assert_eq!(pace.rows, 200);
        for _ in 0..9 {
            pace.took(ms(2));
        }
        assert_eq!(pace.rows, ROWS_MAX);
        for _ in 0..9 {
            assert_eq!(pace.took(Duration::from_secs(9)), Duration::from_secs(1));
        }
        assert_eq!(pace.rows, ROWS_MIN);
    }
}

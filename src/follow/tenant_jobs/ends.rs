//! The look-out for the end of a job: whoever waits for it looks at the store at once if this
//! process has written the end, and else ever more seldom.
//!
//! `http` waits here, and the task tells each end that it has written.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::time::{Instant, sleep_until};

use crate::domain::tenant_job::TenantJobId;

/// The first pause between two looks; it doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The number of ends that are kept for those that wait; whoever misses one looks.
const KEPT: usize = 64;

/// The ends of jobs, as this process writes them.
#[derive(Clone)]
pub(super) struct JobEnds(Sender<TenantJobId>);

impl Default for JobEnds {
    fn default() -> Self {
        Self(Sender::new(KEPT))
    }
}

impl JobEnds {
    /// Tells whoever waits that a job has ended.
    pub(super) fn tell(&self, id: TenantJobId) {
        // An error says that nobody waits.
        let _ = self.0.send(id);
    }

    /// Returns the look-out for a job's end.
    pub(super) fn watch(&self, id: TenantJobId) -> JobEnd {
        JobEnd { id, ends: self.0.subscribe(), pause: PAUSE_MIN }
    }
}

/// The look-out for the end of one job, which any replica may write.
pub struct JobEnd {
    id: TenantJobId,
    ends: Receiver<TenantJobId>,
    pause: Duration,
}

impl JobEnd {
    /// Waits until the job may have ended, at the longest until that time.
    pub async fn may_have_come(&mut self, until: Instant) {
        let look = until.min(Instant::now() + self.pause);
        self.pause = PAUSE_MAX.min(self.pause * 2);
        tokio::select! {
            () = told(&mut self.ends, self.id) => {}
            () = sleep_until(look) => {}
        }
    }
}

/// Waits until this job's end is told, or some were missed.
async fn told(ends: &mut Receiver<TenantJobId>, id: TenantJobId) {
    loop {
        match ends.recv().await {
            Ok(ended) if ended != id => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return,
            // Nobody tells any more: only the pause ends.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use uuid::Uuid;

    use super::JobEnds;
    use crate::domain::tenant_job::TenantJobId;

    fn ids() -> [TenantJobId; 2] {
        [1, 2].map(|number| TenantJobId::new(Uuid::from_u128(number)))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_looks_ever_more_seldom_and_no_longer_than_it_wants_to() {
        let (ends, [own, other]) = (JobEnds::default(), ids());
        let (mut end, from) = (ends.watch(own), Instant::now());
        let until = from + Duration::from_millis(4_000);
        let mut looks = Vec::new();
        while Instant::now() < until {
            ends.tell(other);
            end.may_have_come(until).await;
            looks.push(from.elapsed().as_millis());
        }
        assert_eq!(looks, [100, 300, 700, 1_500, 2_500, 3_500, 4_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_its_job_ends_the_pause() {
        let (ends, [own, other]) = (JobEnds::default(), ids());
        let (mut end, from) = (ends.watch(own), Instant::now());
        // It was written after the look-out began, and before the pause.
        ends.tell(own);
        end.may_have_come(from + Duration::from_secs(60)).await;
        assert_eq!(from.elapsed(), Duration::ZERO);
        for _ in 0..100 {
            ends.tell(other);
        }
        end.may_have_come(from + Duration::from_secs(60)).await;
        assert_eq!(from.elapsed(), Duration::ZERO, "it may have missed its own");
    }
}

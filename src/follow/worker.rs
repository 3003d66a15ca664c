//! The worker: the one loop that runs every background task of `follow`.
//!
//! Wake-ups, time and the result of a tick decide when it ticks next; it reports each tick's
//! outcome to `health` and the metrics. A task only defines one step. A wake-up during a tick leads
//! to another tick; a stop waits for the tick under way; and a task that fails is tried again after
//! a pause that grows up to its limit, and is reset once a tick succeeds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::wakeups::Wakeup;
use crate::health::{self, Component, Health, Occurrence};
use crate::metrics::Metrics;
use crate::tasks::Tasks;

/// The pause of a task that only an operator can help, before it is tried again.
const OPERATOR_PAUSE: Duration = Duration::from_secs(30);

/// A background task: its step, and when it is run.
#[async_trait]
pub(super) trait Task: Send + 'static {
    /// Returns the name in `tasks` and in the log; no two tasks have the same.
    fn name(&self) -> String;

    /// Returns the kind in the metrics; the tasks of all lanes are of one kind.
    fn kind(&self) -> &'static str;

    /// Returns the component that is degraded while ticks fail. Without one, a failure is a log
    /// line at `debug`.
    fn component(&self) -> Option<Component>;

    /// Returns when the task ticks.
    fn schedule(&self) -> Schedule;

    /// Does one step, which may be repeated at any time, and is never cut off while the process
    /// runs.
    async fn tick(&mut self) -> Result<Progress, Failure>;

    /// Cleans up after the last tick.
    async fn stop(&mut self) {}
}

/// The times at which a task ticks.
pub(super) struct Schedule {
    /// The wake-ups that make it tick at once.
    pub(super) wakeup: Wakeup,
    /// The longest time between two ticks.
    pub(super) period: Duration,
    /// The pauses after failures.
    pub(super) backoff: Backoff,
}

/// The progress that a tick made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to do now.
    More,
    /// There is more to do now, but the tick is no sign of success: pauses keep growing.
    Again,
    /// There is nothing to do until a wake-up, or until the period is over.
    Idle,
    /// There is nothing to do until a wake-up or this time.
    Until(Instant),
    /// There will be nothing to do any more: the task ends.
    Done,
}

/// The failure of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The cause, for `/readyz` and the log.
    pub(super) cause: String,
    /// The way out.
    pub(super) remedy: Remedy,
}

/// The way out of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// To try again.
    Retry,
    /// To try again. The cause concerns the whole cluster, so one log line reports it for all
    /// tasks.
    RetryCluster,
    /// An operator must help; trying again soon is of no use.
    Operator,
}

impl Failure {
    /// Makes a failure that passes by itself.
    pub(super) fn passing(cause: impl ToString) -> Self {
        Self { cause: cause.to_string(), remedy: Remedy::Retry }
    }
}

/// Pauses that double from the first up to the longest, until they are reset.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Makes pauses from `first` to `longest`.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Makes pauses that are all the same.
    pub(super) fn constant(pause: Duration) -> Self {
        Self::new(pause, pause)
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Sleeps for the next pause, or until `stop`.
    pub(super) async fn sleep(&mut self, stop: &CancellationToken) {
        let pause = self.next;
        self.next = self.longest.min(pause * 2);
        stop.run_until_cancelled(sleep(pause)).await;
    }
}

/// The runner of background tasks.
#[derive(Clone)]
pub(super) struct Worker {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Worker {
    /// Makes a runner, which runs tasks until `stop`.
    pub(super) fn new(health: Arc<Health>, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        Self { health, metrics, stop }
    }

    /// Starts a task as one of `tasks`, which report a panic.
    pub(super) fn spawn(&self, tasks: &mut Tasks, task: impl Task) {
        tasks.spawn(task.name(), self.clone().run(task));
    }

    /// Runs a task until it is done, or until `stop` and the end of the tick under way.
    pub(super) async fn run(self, mut task: impl Task) {
        let Schedule { mut wakeup, period, mut backoff } = task.schedule();
        while !self.stop.is_cancelled() {
            let span = tracing::debug_span!("tick", task = %task.name());
            match task.tick().instrument(span).await {
                Ok(Progress::Again) => {}
                Ok(progress) => {
                    backoff.reset();
                    task.component().iter().for_each(|it| self.health.healthy(it));
                    let until = match progress {
                        Progress::More | Progress::Again => continue,
                        Progress::Idle => Instant::now() + period,
                        Progress::Until(time) => time,
                        Progress::Done => break,
                    };
                    self.idle(&mut wakeup, until).await;
                }
                Err(failure) => {
                    self.metrics.task_failed(task.kind());
                    self.report(&task, &failure);
                    if failure.remedy == Remedy::Operator {
                        self.stop.run_until_cancelled(sleep(OPERATOR_PAUSE)).await;
                    }
                    backoff.sleep(&self.stop).await;
                }
            }
        }
        task.stop().await;
        task.component().iter().for_each(|it| self.health.healthy(it));
    }

    /// Waits for a wake-up, the time `until`, or a stop.
    async fn idle(&self, wakeup: &mut Wakeup, until: Instant) {
        tokio::select! {
            () = wakeup.woken() => {}
            () = sleep_until(until) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Reports a failure: in `health` while it lasts, in the log once.
    fn report(&self, task: &impl Task, failure: &Failure) {
        let Failure { cause, remedy } = failure;
        let name = task.name();
        let Some(component) = task.component() else {
            tracing::debug!("{name}: {cause}; the gateway tries again by itself");
            return;
        };
        let told = component.to_string();
        match (self.health.degraded(component, cause), remedy) {
            (Occurrence::Repeated, _) => {
                tracing::debug!("{name}: {cause}; the gateway tries again by itself");
            }
            (Occurrence::First, Remedy::Retry) => {
                tracing::warn!("{told}: {cause}; the gateway tries again by itself");
            }
            (Occurrence::First, Remedy::RetryCluster) => health::report_cluster(cause),
            (Occurrence::First, Remedy::Operator) => {
                tracing::error!("{told} stands still, and tries again every 30 s: {cause}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, advance, timeout};
    use tokio_util::sync::CancellationToken;

    use super::super::wakeups::Wakeups;
    use super::{Backoff, Failure, Progress, Remedy, Schedule, Task, Worker};
    use crate::domain::lane::Lane;
    use crate::health::{Component, Health};
    use crate::tasks::Tasks;

    const PERIOD: Duration = Duration::from_secs(10);
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    type Outcome = Result<Progress, Failure>;

    /// A task that reports its ticks, which end as the test says.
    struct Told {
        wakeups: Wakeups,
        began: mpsc::UnboundedSender<&'static str>,
        outcomes: mpsc::UnboundedReceiver<Outcome>,
    }

    #[async_trait]
    impl Task for Told {
        fn name(&self) -> String {
            "told".to_owned()
        }

        fn kind(&self) -> &'static str {
            "lanes"
        }

        fn component(&self) -> Option<Component> {
            Some(Component::Lanes)
        }

        fn schedule(&self) -> Schedule {
            let backoff = Backoff::new(FIRST, LONGEST);
            Schedule { wakeup: self.wakeups.lane(Lane::new(0)), period: PERIOD, backoff }
        }

        async fn tick(&mut self) -> Outcome {
            self.began.send("tick").unwrap();
            self.outcomes.recv().await.expect("the test says how the tick goes")
        }

        async fn stop(&mut self) {
            self.began.send("stop").unwrap();
        }
    }

    struct Story {
        wakeups: Wakeups,
        health: Arc<Health>,
        stop: CancellationToken,
        began: mpsc::UnboundedReceiver<&'static str>,
        outcomes: mpsc::UnboundedSender<Outcome>,
        tasks: Tasks,
    }

    impl Story {
        fn begin() -> Self {
            let (wakeups, health) = (Wakeups::new(1), Arc::new(Health::default()));
            let (stop, mut tasks) = (CancellationToken::new(), Tasks::default());
            let ((began, begins), (outcomes, told)) =
                (mpsc::unbounded_channel(), mpsc::unbounded_channel());
            let task = Told { wakeups: wakeups.clone(), began, outcomes: told };
            Worker::new(health.clone(), Arc::default(), stop.clone()).spawn(&mut tasks, task);
            Self { wakeups, health, stop, began: begins, outcomes, tasks }
        }

        /// Waits for the next thing that happens, and returns it with the time that it took.
        async fn next(&mut self) -> (&'static str, Duration) {
            let since = Instant::now();
            let next = timeout(Duration::from_secs(3600), self.began.recv()).await;
            (next.expect("something happens").expect("the task runs"), since.elapsed())
        }

        fn end_tick(&self, outcome: Outcome) {
            self.outcomes.send(outcome).unwrap();
        }
    }

    fn failure(remedy: Remedy) -> Outcome {
        Err(Failure { cause: "no".to_owned(), remedy })
    }

    #[tokio::test(start_paused = true)]
    async fn a_wakeup_during_a_tick_is_not_lost() {
        let mut story = Story::begin();
        assert_eq!(story.next().await, ("tick", Duration::ZERO));
        story.wakeups.wake(Lane::new(0));
        story.wakeups.wake(Lane::new(0));
        story.end_tick(Ok(Progress::Idle));
        assert_eq!(story.next().await, ("tick", Duration::ZERO), "it looks again");
        story.end_tick(Ok(Progress::Idle));
        assert_eq!(story.next().await, ("tick", PERIOD), "and but once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_ticks_at_once_when_woken_at_its_time_or_after_its_period() {
        let mut story = Story::begin();
        story.next().await;
        story.end_tick(Ok(Progress::More));
        assert_eq!(story.next().await, ("tick", Duration::ZERO));
        story.end_tick(Ok(Progress::Until(Instant::now() + 3 * PERIOD)));
        assert_eq!(story.next().await, ("tick", 3 * PERIOD));
        story.end_tick(Ok(Progress::Idle));
        tokio::task::yield_now().await;
        advance(FIRST).await;
        story.wakeups.wake(Lane::new(0));
        assert_eq!(story.next().await, ("tick", Duration::ZERO));
        story.end_tick(Ok(Progress::Done));
        assert_eq!(story.next().await, ("stop", Duration::ZERO));
        assert_eq!(story.tasks.ended().await.to_string(), "the task `told` ended by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_tick_under_way() {
        let mut story = Story::begin();
        story.next().await;
        story.stop.cancel();
        advance(PERIOD).await;
        assert!(story.began.try_recv().is_err(), "the tick is not over");
        story.end_tick(Ok(Progress::More));
        assert_eq!(story.next().await, ("stop", Duration::ZERO));
        assert_eq!(story.tasks.finish().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_after_failures_grow_and_begin_anew_after_a_success() {
        let mut story = Story::begin();
        story.next().await;
        for pause in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            story.end_tick(failure(Remedy::Retry));
            assert_eq!(story.next().await, ("tick", Duration::from_millis(pause)));
            assert_eq!(story.health.cause_of(&Component::Lanes).as_deref(), Some("no"));
        }
        story.end_tick(Ok(Progress::More));
        story.next().await;
        assert_eq!(story.health.cause_of(&Component::Lanes), None);
        story.end_tick(failure(Remedy::RetryCluster));
        assert_eq!(story.next().await, ("tick", FIRST));
        story.end_tick(Ok(Progress::Again));
        assert_eq!(story.next().await, ("tick", Duration::ZERO), "it is no success yet");
        story.end_tick(failure(Remedy::Operator));
        assert_eq!(story.next().await.1, super::OPERATOR_PAUSE + 2 * FIRST);
        story.end_tick(failure(Remedy::Operator));
        tokio::task::yield_now().await;
        story.stop.cancel();
        assert_eq!(story.next().await, ("stop", Duration::ZERO), "no pause holds up a stop");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_reported_with_the_name_of_the_task() {
        let mut story = Story::begin();
        story.next().await;
        drop(story.outcomes);
        let ended = story.tasks.ended().await.to_string();
        assert_eq!(ended, "the task `told` panicked: the test says how the tick goes", "{ended}");
    }
}

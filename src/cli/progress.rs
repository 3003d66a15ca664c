//! The progress of long work, on stderr: a bar on a terminal, and a line of the log now and then
//! elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// The interval between two lines where there is no terminal. Work that is done by then has none.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one piece of work.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
    began: Instant,
    lines: Arc<AtomicU64>,
}

impl Progress {
    /// Begins work. The bar says how much of how much is done, and after that what `rest` spells in
    /// indicatif's words.
    pub fn begin(rest: &str) -> anyhow::Result<Self> {
        let style = format!("{{msg}} {{wide_bar}} {{human_pos}} of {{human_len}}, {rest}");
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(&style)?);
        Ok(Self { bar, began: Instant::now(), lines: Arc::default() })
    }

    /// Begins to show work of which nobody knows how much it is.
    pub fn without_end() -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{spinner} {msg}, {human_pos} so far, {elapsed}")?;
        let bar = ProgressBar::no_length().with_style(style);
        Ok(Self { bar, began: Instant::now(), lines: Arc::default() })
    }

    /// Begins to show a wait, in which nothing can be counted.
    pub fn of_a_wait() -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}")?;
        let bar = ProgressBar::no_length().with_style(style);
        Ok(Self { bar, began: Instant::now(), lines: Arc::default() })
    }

    /// Shows what is waited for.
    pub fn show_wait(&self, message: String) {
        self.tell(|| message.clone());
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Shows how much of work without an end is done.
    pub fn show_so_far(&self, message: String, done: u64) {
        self.tell(|| format!("{message}: {done} so far"));
        self.bar.set_position(done);
        self.bar.set_message(message);
    }

    /// Shows what is done, and how much of how much.
    pub fn show(&self, message: String, done: u64, all: u64) {
        self.tell(|| line(&message, done, all));
        self.bar.set_length(all);
        self.bar.set_position(done.min(all));
        self.bar.set_message(message);
    }

    /// Returns whether no bar is drawn, since stderr is no terminal.
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// Does something else with the terminal, without the bar.
    pub fn suspend<T>(&self, other: impl FnOnce() -> T) -> T {
        self.bar.suspend(other)
    }

    /// Takes the bar away, until more is shown.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Without a terminal, writes a line if one is due; with one, sees to it that there is a bar.
    fn tell(&self, line: impl FnOnce() -> String) {
        if self.bar.is_hidden() {
            if is_due(self.began.elapsed(), &self.lines) {
                tracing::info!("{}", line());
            }
        } else if self.bar.is_finished() {
            self.bar.reset();
        }
    }
}

/// Returns whether another line is due, and counts it.
fn is_due(elapsed: Duration, lines: &AtomicU64) -> bool {
    let passed = elapsed.as_secs() / LINE_EVERY.as_secs();
    lines.fetch_max(passed, Ordering::Relaxed) < passed
}

fn line(message: &str, done: u64, all: u64) -> String {
    format!("{message}: {done} of {all}")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::{is_due, line};

    #[test]
    fn without_a_terminal_a_line_is_written_every_ten_seconds_and_none_for_short_work() {
        let lines = AtomicU64::new(0);
        let at = [0, 9, 10, 11, 19, 25, 26, 61, 62];
        let due = at.map(|seconds| is_due(Duration::from_secs(seconds), &lines));
        assert_eq!(due, [false, false, true, false, false, true, false, true, false]);
        assert_eq!(line("diku: InProgress", 3, 10), "diku: InProgress: 3 of 10");
    }
}

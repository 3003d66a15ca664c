//! Logs: to stderr, as text on a terminal and as JSON otherwise.
//!
//! `main` starts it once. Logging never waits and never fails; at worst a line is lost (`queue`). A
//! warning that repeats is written once and counted (`repeats`). Fields are `tenant`, `event_id`,
//! `topic`, `position`; never tokens, bodies or credentials.

mod level;
mod one_line;
mod queue;
mod repeats;

use std::io::{IsTerminal, Write};
use std::panic;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::metrics::Metrics;

use queue::Queue;
use repeats::Repeats;

/// The target of lines that the log writes about itself. Such a line is never held back, and finds
/// room in the queue even when others don't.
const TARGET: &str = "event_gateway::telemetry";
/// The longest time that writing the last lines may take.
const FLUSH: Duration = Duration::from_secs(1);

/// The running log.
pub struct Logs {
    queue: Queue,
    repeats: Repeats,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text, for a user at a terminal.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Returns the form that fits stderr.
pub fn form() -> Form {
    if std::io::stderr().is_terminal() { Form::Text } else { Form::Json }
}

/// Starts logging at `level`: `info`, `debug`, or directives such as `info,event_gateway=debug`. If
/// the level is illegal it logs at `info`, so that the error is reported in the log's own form.
pub fn start(level: &str, metrics: &Arc<Metrics>) -> (Logs, anyhow::Result<()>) {
    let (filter, understood) = match level::filter(level) {
        Ok(filter) => (filter, Ok(())),
        Err(error) => (EnvFilter::new("info"), Err(error)),
    };
    let (queue, repeats) = (Queue::new(metrics.clone()), Repeats::new(metrics.clone()));
    let registry = Registry::default().with(filter).with(repeats.clone());
    // An error of the log itself would be reported with `eprintln!`, which panics and blocks.
    let lines = fmt::layer().with_writer(queue.clone()).log_internal_errors(false);
    match form() {
        Form::Text => registry.with(lines).init(),
        Form::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    let sweep = repeats.clone();
    queue.write_to(std::io::stderr(), move || sweep.tell_ended());
    (Logs { queue, repeats }, understood)
}

impl Logs {
    /// Logs the error that ends the process, even if the level lets nothing pass.
    pub fn fatal(&self, error: &anyhow::Error) {
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("{error:#}");
        } else {
            // If stderr is closed as well, nothing is left to report to.
            let _ = writeln!(std::io::stderr(), "Error: {error:#}");
        }
    }

    /// Writes the last lines, for at most a second.
    pub fn finish(self) {
        self.repeats.tell_all();
        self.queue.finish(FLUSH);
    }
}

//! The queue of lines on their way to stderr.
//!
//! Code that logs never waits: a line that finds the queue full is dropped and counted. A thread of
//! its own writes to stderr, and alone waits for a reader that stands still. Once lines can be
//! written again, one tells how many were dropped.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::TARGET;
use super::one_line::one_line;
use crate::metrics::Metrics;

/// The most bytes that may wait.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// The most bytes of one write, unless a single line is longer.
const WRITE_BYTES: usize = 64 << 10;
/// The interval at which the thread does its other work when there is nothing to write.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause before a non-blocking stderr that took nothing is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// The end of the queue into which lines are put.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The number of dropped lines that were not reported yet.
    dropped: u64,
    closing: bool,
    ended: bool,
}

/// The lines of one write.
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Queue {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), metrics }))
    }

    /// Starts the thread that writes to `out`, and does its other work between writes.
    pub(super) fn write_to(
        &self,
        out: impl Write + Send + 'static,
        look: impl Fn() + Send + 'static,
    ) {
        let queue = self.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        let started = thread.spawn(move || queue.0.run(out, look));
        if started.is_err() {
            self.0.state().ended = true;
        }
    }

    /// Writes the lines that wait, for at most `within`.
    pub(super) fn finish(&self, within: Duration) {
        let until = Instant::now() + within;
        let mut state = self.0.state();
        state.closing = true;
        self.0.changed.notify_all();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8], room: Room) {
        let mut state = self.state();
        if room == Room::Bounded && state.bytes + line.len() > WAITING_BYTES_MAX {
            state.dropped += 1;
            self.metrics.log_lines_dropped(1);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.changed.notify_all();
    }

    fn run(&self, mut out: impl Write, look: impl Fn()) {
        // After a line that was cut, the next one begins on a line of its own.
        let (mut torn, mut telling) = (false, 0);
        let mut looked = Instant::now();
        while let Some(batch) = self.next() {
            match batch.map(|batch| (batch.lines, write(&mut out, &batch.bytes, torn))) {
                Some((_, Ok(()))) => {
                    torn = false;
                    telling = self.tell_dropped();
                }
                Some((lines, Err(_))) => {
                    torn = true;
                    self.metrics.log_lines_dropped(lines);
                    self.state().dropped += lines + std::mem::take(&mut telling);
                }
                None => {}
            }
            if looked.elapsed() >= LOOK_EVERY {
                look();
                looked = Instant::now();
            }
        }
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Returns the lines to write next; `Some(None)` after a while without any; `None` once the
    /// queue is closing and empty.
    fn next(&self) -> Option<Option<Batch>> {
        let mut state = self.state();
        if state.lines.is_empty() {
            if state.closing {
                return None;
            }
            let waited = self.changed.wait_timeout(state, LOOK_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut batch = Batch { bytes: Vec::new(), lines: 0 };
        while let Some(line) = state.lines.front() {
            if batch.lines > 0 && batch.bytes.len() + line.len() > WRITE_BYTES {
                break;
            }
            batch.bytes.extend_from_slice(line);
            batch.lines += 1;
            state.lines.pop_front();
        }
        state.bytes -= batch.bytes.len();
        Some((batch.lines > 0).then_some(batch))
    }

    /// Logs how many lines were dropped, now that lines can be written. Returns the number.
    fn tell_dropped(&self) -> u64 {
        let dropped = std::mem::take(&mut self.state().dropped);
        if dropped > 0 {
            tracing::warn!(target: TARGET, dropped, "dropped log lines that stderr did not take");
        }
        dropped
    }
}

fn write(out: &mut impl Write, mut bytes: &[u8], torn: bool) -> io::Result<()> {
    if torn {
        write(out, b"\n", false)?;
    }
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares the pipe may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(TRY_AGAIN),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The room in the queue that a line may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Bounded,
    Always,
}

/// A writer that takes one line, in one write.
pub(super) struct Line<'a> {
    shared: &'a Shared,
    room: Room,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { shared: &self.0, room: Room::Bounded }
    }

    fn make_writer_for(&'a self, of: &tracing::Metadata<'_>) -> Self::Writer {
        let room = if of.target() == TARGET { Room::Always } else { Room::Bounded };
        Line { shared: &self.0, room }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.push(&one_line(line), self.room);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

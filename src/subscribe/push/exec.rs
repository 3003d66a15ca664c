//! Programs: a child process gets each event as a line of JSON, and answers with a line.
//!
//! It is started again when it ends, and killed with its whole process group when it lets an event
//! wait for too long. An answer is `{"outcome": "ok" | "retry" | "reject" | "stop", "position":
//! the event's, "reason"?, "afterSeconds"?}`; with one event at a time, the position may be left
//! out.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Deliver;
use super::body::body;
use super::outcome::Outcome;
use super::window::Attempt;
use crate::domain::position::Position;
use crate::domain::subscription::{Format, Group};

/// The pause before a program that has ended is started again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The longest line that a program may answer with.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The program of a group.
pub(super) struct ExecTarget {
    requests: mpsc::Sender<Request>,
    group: Group,
    format: Format,
    _supervisor: JoinSet<()>,
}

/// An event for the program.
struct Request {
    position: Position,
    line: Vec<u8>,
    answer: oneshot::Sender<Outcome>,
}

/// An answer of the program.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    outcome: Word,
    position: Option<u64>,
    reason: Option<String>,
    after_seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Ok,
    Retry,
    Reject,
    Stop,
}

impl ExecTarget {
    /// Starts a program, whose first word is its file.
    pub(super) fn start(words: Vec<String>, group: Group, format: Format) -> Self {
        let (sender, requests) = mpsc::channel(1);
        let mut supervisor = JoinSet::new();
        let program = Program { words, group: group.clone() };
        supervisor.spawn(program.supervise(requests));
        Self { requests: sender, group, format, _supervisor: supervisor }
    }
}

#[async_trait::async_trait]
impl Deliver for ExecTarget {
    async fn deliver(&self, attempt: &Attempt) -> Outcome {
        let mut line = match body(attempt, &self.group, self.format) {
            Ok(line) => line,
            Err(error) => return Outcome::Reject { why: format!("no JSON: {error}") },
        };
        line.push(b'\n');
        let (answer, answered) = oneshot::channel();
        let request = Request { position: attempt.event.position, line, answer };
        if self.requests.send(request).await.is_err() {
            return Outcome::Abandoned;
        }
        answered.await.unwrap_or(Outcome::Abandoned)
    }
}

/// The program that is kept running.
struct Program {
    words: Vec<String>,
    group: Group,
}

/// The events that the running program has not answered.
type Pending = BTreeMap<Position, oneshot::Sender<Outcome>>;

impl Program {
    /// Starts the program, and again whenever it ends, as long as this is polled.
    async fn supervise(self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let mut pending = Pending::new();
            let ended = self.run(&mut requests, &mut pending).await;
            let group = &self.group;
            tracing::warn!(%group, program = self.words[0], "a handler's program has ended: {ended}");
            for (_, answer) in pending {
                _ = answer.send(Outcome::Retry { why: ended.clone(), after: None });
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Runs the program until it ends; returns why.
    async fn run(&self, requests: &mut mpsc::Receiver<Request>, pending: &mut Pending) -> String {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                // The event that is next learns of it.
                if let Some(request) = requests.recv().await {
                    pending.insert(request.position, request.answer);
                }
                return format!("failed to start {}: {error}", self.words[0]);
            }
        };
        let killed = KilledGroup(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (lines, line) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        if let Some(stdin) = child.stdin.take() {
            tasks.spawn(write(stdin, line));
        }
        let (answers, mut answer) = mpsc::channel(16);
        if let Some(stdout) = child.stdout.take() {
            tasks.spawn(read(stdout, answers));
        }
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn(log(stderr, self.group.clone()));
        }
        let ended = loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(Request { position, line, answer }) => {
                        pending.insert(position, answer);
                        _ = lines.send(line);
                    }
                    None => break "nobody needs it any more".to_owned(),
                },
                Some(line) = answer.recv() => {
                    if let Err(why) = take(&line, pending) {
                        break format!("it answered what is none of an outcome: {why}");
                    }
                }
                status = child.wait() => break exited(status),
                position = given_up(pending) => {
                    pending.remove(&position);
                    for (_, answer) in std::mem::take(pending) {
                        _ = answer.send(Outcome::Abandoned);
                    }
                    break format!("it was killed, since it did not answer for position {position}");
                }
            }
        };
        drop(killed);
        _ = child.wait().await;
        ended
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.words[0])
            .args(&self.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Kills a process group when it is dropped.
struct KilledGroup(Option<Pid>);

impl Drop for KilledGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Waits until whoever asked for an event has given up.
async fn given_up(pending: &mut Pending) -> Position {
    let closed = pending.iter_mut().map(|(position, answer)| {
        Box::pin(async {
            answer.closed().await;
            *position
        })
    });
    let closed: Vec<_> = closed.collect();
    if closed.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(closed).await.0
}

/// Gives an answer to whoever waits for it.
fn take(line: &str, pending: &mut Pending) -> Result<(), String> {
    let Answer { outcome, position, reason, after_seconds } =
        serde_json::from_str(line).map_err(|error| error.to_string())?;
    let position = match position {
        Some(number) => Position::new(number).map_err(|error| error.to_string())?,
        None if pending.len() == 1 => *pending.keys().next().expect("there is one"),
        None => return Err("the position is missing, and several events wait".to_owned()),
    };
    let answer = pending.remove(&position);
    let answer = answer.ok_or_else(|| format!("no event with position {position} waits"))?;
    let why = reason.unwrap_or_else(|| "the program gave no reason".to_owned());
    _ = answer.send(match outcome {
        Word::Ok => Outcome::Ok,
        Word::Retry => {
            let after = after_seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
            Outcome::Retry { why, after }
        }
        Word::Reject => Outcome::Reject { why },
        Word::Stop => Outcome::Stop { why },
    });
    Ok(())
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read(stdout: impl AsyncRead + Unpin, answers: mpsc::Sender<String>) {
    let mut lines = BufReader::with_capacity(LINE_BYTES_MAX, stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if answers.send(line).await.is_err() {
            return;
        }
    }
}

/// Has what a program writes to stderr in the gateway's log.
async fn log(stderr: impl AsyncRead + Unpin, group: Group) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::info!(%group, "the handler's program says: {line}");
    }
}

fn exited(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("it ended with {status}"),
        Err(error) => format!("it can't be waited for: {error}"),
    }
}

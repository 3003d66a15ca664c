//! Programs: a child process gets each event as a line of JSON, and answers with a line.
//!
//! It is started again when it ends, and killed with its whole process group when it lets an event
//! wait for too long, or answers what is no outcome. An answer is `{"outcome": "ok" | "retry" |
//! "reject" | "stop", "position": the event's, "reason"?, "afterSeconds"?}`; while one event alone
//! waits, the position may be left out.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Deliver;
use super::body::{BodyForm, body};
use super::outcome::{AFTER_MAX, Outcome};
use super::slot::Attempt;
use crate::domain::position::Position;
use crate::domain::subscription::Group;

/// The least time between two starts of a program.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The longest line that a program may answer with; one of its log is cut there.
const LINE_BYTES_MAX: usize = 64 << 10;
/// The time in which the answers are read that a program has left when it ended.
const LEFT_WITHIN: Duration = Duration::from_secs(1);

/// The program of a group.
pub(super) struct ExecTarget {
    requests: mpsc::Sender<Request>,
    form: BodyForm,
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
    /// Starts a program.
    pub(super) fn start(program: Program, form: BodyForm) -> Self {
        let (sender, requests) = mpsc::channel(1);
        let mut supervisor = JoinSet::new();
        supervisor.spawn(program.supervise(requests));
        Self { requests: sender, form, _supervisor: supervisor }
    }
}

#[async_trait::async_trait]
impl Deliver for ExecTarget {
    async fn deliver(&self, attempt: &Attempt) -> Outcome {
        let mut line = match body(attempt, &self.form) {
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
pub(super) struct Program {
    /// The command line, whose first word is the program's file.
    pub(super) words: Vec<String>,
    pub(super) group: Group,
    /// The variables that it does not get.
    pub(super) withheld: Arc<[String]>,
}

/// The events that the running program has not answered.
type Pending = BTreeMap<Position, oneshot::Sender<Outcome>>;

impl Program {
    /// Starts the program, and again whenever it ends, as long as this is polled.
    async fn supervise(self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let (begun, mut pending) = (Instant::now(), Pending::new());
            let ended = self.run(&mut requests, &mut pending).await;
            let group = &self.group;
            tracing::warn!(%group, program = self.words[0], "a handler's program has ended: {ended}");
            for (_, answer) in pending {
                _ = answer.send(Outcome::Retry { why: ended.clone(), after: None });
            }
            sleep_until(begun + AGAIN_AFTER).await;
        }
    }

    /// Runs the program until it ends; returns why.
    async fn run(&self, requests: &mut mpsc::Receiver<Request>, pending: &mut Pending) -> String {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                // The event that is next learns of it.
                let why = format!("failed to start {}: {error}", self.words[0]);
                if let Some(Request { answer, .. }) = requests.recv().await {
                    _ = answer.send(Outcome::Unreached { why: why.clone() });
                }
                return why;
            }
        };
        let killed = KilledGroup(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (lines, line) = mpsc::unbounded_channel();
        let (answers, mut answer) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        if let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        {
            tasks.spawn(write(stdin, line));
            tasks.spawn(read(stdout, answers));
            tasks.spawn(log(stderr, self.group.clone()));
        }
        let ended = loop {
            tokio::select! {
                Some(Request { position, line, answer }) = requests.recv() => {
                    // It may have waited for the program for as long as it could.
                    if !answer.is_closed() {
                        pending.insert(position, answer);
                        _ = lines.send(line);
                    }
                }
                Some(line) = answer.recv() => {
                    if let Err(why) = line.and_then(|line| take(&line, pending)) {
                        break format!("it answered what is no outcome: {why}");
                    }
                }
                status = child.wait() => {
                    drop(killed);
                    take_left(&mut answer, pending).await;
                    return exited(status);
                }
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
        let mut command = Command::new(&self.words[0]);
        for name in &*self.withheld {
            command.env_remove(name);
        }
        command
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
    poll_fn(|context| {
        let gone = pending.iter_mut().find_map(|(position, answer)| {
            answer.poll_closed(context).is_ready().then_some(*position)
        });
        gone.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Takes the answers that a program has left that has ended.
async fn take_left(answers: &mut mpsc::Receiver<Result<String, String>>, pending: &mut Pending) {
    let left = async {
        while let Some(Ok(line)) = answers.recv().await {
            if take(&line, pending).is_err() {
                return;
            }
        }
    };
    // Whoever has left the process group may keep its stdout open.
    _ = timeout(LEFT_WITHIN, left).await;
}

/// Gives an answer to whoever waits for it.
fn take(line: &str, pending: &mut Pending) -> Result<(), String> {
    let Answer { outcome, position, reason, after_seconds } =
        serde_json::from_str(line).map_err(|error| error.to_string())?;
    let position = match position {
        Some(number) => Position::new(number).map_err(|error| error.to_string())?,
        None => {
            let only = pending.keys().next().filter(|_| pending.len() == 1);
            *only.ok_or("the position is missing, and not one event alone waits")?
        }
    };
    let answer = pending.remove(&position);
    let answer = answer.ok_or_else(|| format!("no event with position {position} waits"))?;
    let why = reason.unwrap_or_else(|| "the program gave no reason".to_owned());
    _ = answer.send(match outcome {
        Word::Ok => Outcome::Ok,
        Word::Retry => {
            let after = after_seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
            Outcome::Retry { why, after: after.map(|after| after.min(AFTER_MAX)) }
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

/// Reads the program's answers, up to one that is too long.
async fn read(stdout: impl AsyncRead + Unpin, answers: mpsc::Sender<Result<String, String>>) {
    let mut stdout = BufReader::new(stdout);
    while let Some((line, is_whole)) = next_line(&mut stdout).await {
        let line = if is_whole {
            Ok(line)
        } else {
            Err(format!("a line has more than {LINE_BYTES_MAX} bytes, or no end"))
        };
        if answers.send(line).await.is_err() {
            return;
        }
    }
}

/// Has what a program writes to stderr in the gateway's log.
async fn log(stderr: impl AsyncRead + Unpin, group: Group) {
    let mut stderr = BufReader::new(stderr);
    while let Some((line, _)) = next_line(&mut stderr).await {
        tracing::info!(%group, "the handler's program says: {line}");
    }
}

/// Reads the next line, or as much of it as may be, and whether it is whole.
async fn next_line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<(String, bool)> {
    let mut line = Vec::new();
    let mut bounded = reader.take(LINE_BYTES_MAX as u64);
    bounded.read_until(b'\n', &mut line).await.ok().filter(|read| *read > 0)?;
    let is_whole = line.pop_if(|last| *last == b'\n').is_some();
    Some((String::from_utf8_lossy(&line).into_owned(), is_whole))
}

fn exited(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("it ended with {status}"),
        Err(error) => format!("it can't be waited for: {error}"),
    }
}

#[cfg(test)]
mod tests;

//! Ctrl-C while a long piece of work is shown that a running gateway does: asks whether to pause
//! it, cancel it, or leave it.
//!
//! Once a process listens for Ctrl-C, it no longer dies of it by itself: while nobody asks, it is
//! ended here.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{LazyLock, Once};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::progress::Progress;

/// The exit status of a process that dies of Ctrl-C, as shells tell it.
const INTERRUPTED: i32 = 130;

static LISTENS: Once = Once::new();
/// Tells each Ctrl-C to those who ask at it.
static INTERRUPTS: LazyLock<watch::Sender<()>> = LazyLock::new(watch::Sender::default);

/// Somebody who asks at Ctrl-C, until it is dropped.
pub(super) struct Asker(watch::Receiver<()>);

impl Asker {
    /// Begins to listen for Ctrl-C.
    pub fn begin() -> Self {
        let asker = Self(INTERRUPTS.subscribe());
        // One that comes before the task runs, or while it tells of another, is not lost.
        LISTENS.call_once(|| {
            if let Ok(interrupts) = signal(SignalKind::interrupt()) {
                drop(tokio::spawn(tell_or_die(interrupts)));
            }
        });
        asker
    }

    /// Waits for the next Ctrl-C since the last. Until then it may be given up.
    pub async fn interrupted(&mut self) -> io::Result<()> {
        self.0.changed().await.map_err(io::Error::other)
    }

    /// Asks at a terminal, without the bar. Without a terminal the work goes on, and so it does at
    /// another Ctrl-C instead of an answer.
    pub async fn ask(&mut self, progress: &Progress, work: &'static str) -> io::Result<Choice> {
        if !io::stdin().is_terminal() {
            return Ok(Choice::Leave);
        }
        progress.end();
        let ask = move || choice(&mut io::stdin().lock(), &mut io::stderr(), work);
        tokio::select! {
            answer = tokio::task::spawn_blocking(ask) => answer.map_err(io::Error::other)?,
            again = self.interrupted() => {
                again?;
                writeln!(io::stderr())?;
                Ok(Choice::Leave)
            }
        }
    }
}

/// Tells each Ctrl-C to those who ask, and ends the process at one at which nobody does.
async fn tell_or_die(mut interrupts: Signal) {
    while interrupts.recv().await.is_some() {
        if INTERRUPTS.receiver_count() == 0 {
            std::process::exit(INTERRUPTED);
        }
        INTERRUPTS.send_replace(());
    }
}

/// The operator's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Pause the work.
    Pause,
    /// Cancel the work.
    Cancel,
    /// Stop showing it; the work goes on.
    Leave,
}

/// Asks until the answer is one of the choices; an end of the input leaves the work.
fn choice(input: &mut impl BufRead, output: &mut impl Write, work: &str) -> io::Result<Choice> {
    loop {
        write!(output, "[p]ause the {work}, [c]ancel it, or [l]eave it running? ")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(output)?;
            return Ok(Choice::Leave);
        }
        match line.trim().to_ascii_lowercase().as_str() {
            "p" | "pause" => return Ok(Choice::Pause),
            "c" | "cancel" => return Ok(Choice::Cancel),
            "l" | "leave" => return Ok(Choice::Leave),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, choice};

    #[test]
    fn it_asks_until_the_answer_is_a_choice() {
        for (input, chosen, times) in [
            ("p\n", Choice::Pause, 1),
            ("what?\n\nCANCEL\n", Choice::Cancel, 3),
            ("l\n", Choice::Leave, 1),
            ("", Choice::Leave, 1),
        ] {
            let mut output = Vec::new();
            assert_eq!(choice(&mut input.as_bytes(), &mut output, "replay").unwrap(), chosen);
            assert_eq!(String::from_utf8(output).unwrap().matches("[p]ause").count(), times);
        }
    }
}

//! Ctrl-C while a long piece of work is shown that a running gateway does: asks whether to pause
//! it, cancel it, or leave it.
//!
//! Once a process listens for Ctrl-C, it no longer dies of it by itself: while nobody asks, it is
//! ended here.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::progress::Progress;

/// The exit status of a process that dies of Ctrl-C, as shells tell it.
const INTERRUPTED: i32 = 130;

static LISTENS: Once = Once::new();
/// How many wait for Ctrl-C to ask.
static ASKING: AtomicUsize = AtomicUsize::new(0);

/// Somebody who asks at Ctrl-C, until it is dropped.
struct Asking;

impl Asking {
    fn begin() -> Self {
        ASKING.fetch_add(1, Ordering::SeqCst);
        LISTENS.call_once(|| drop(tokio::spawn(die_unless_asked())));
        Self
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends the process at a Ctrl-C at which nobody asks.
async fn die_unless_asked() {
    while tokio::signal::ctrl_c().await.is_ok() {
        if ASKING.load(Ordering::SeqCst) == 0 {
            std::process::exit(INTERRUPTED);
        }
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

/// Waits for Ctrl-C, then asks. Without a terminal to ask at, the work goes on.
pub(super) async fn asked(progress: &Progress, work: &'static str) -> io::Result<Choice> {
    let _asking = Asking::begin();
    tokio::signal::ctrl_c().await?;
    if !io::stdin().is_terminal() {
        return Ok(Choice::Leave);
    }
    let progress = progress.clone();
    let ask = move || progress.suspend(|| choice(&mut io::stdin().lock(), &mut io::stderr(), work));
    tokio::task::spawn_blocking(ask).await.map_err(io::Error::other)?
}

/// Asks until the answer is one of the choices; an end of the input leaves the work.
fn choice(input: &mut impl BufRead, output: &mut impl Write, work: &str) -> io::Result<Choice> {
    loop {
        write!(output, "[p]ause the {work}, [c]ancel it, or [l]eave it running? ")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
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

//! Escapes what would break a line of the log, or show it in another order.
//!
//! `queue` passes each line through here, whatever form the log has, so that nothing that a caller
//! sends makes a line of its own. Of the orders to a terminal, only those for the text form's
//! colours are left.

use std::borrow::Cow;
use std::fmt::Write;

/// The character that begins an order to a terminal.
const ESCAPE: char = '\x1b';

/// Returns a line, which ends with a line break, without any other one in it.
pub(super) fn one_line(line: &[u8]) -> Cow<'_, [u8]> {
    let (text, end) = match line.split_last() {
        Some((b'\n', text)) => (text, "\n"),
        _ => (line, ""),
    };
    let text = String::from_utf8_lossy(text);
    let is_escaped = |(at, c)| breaks(c) || c == ESCAPE && !is_colour(&text[at..]);
    if !text.char_indices().any(is_escaped) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        if is_escaped((at, c)) {
            // The form of JSON, which is as readable in text.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped.push_str(end);
    Cow::Owned(escaped.into_bytes())
}

/// Returns whether some reader of the log takes the character for the end of a line, or for an
/// order to show the rest in another direction.
fn breaks(c: char) -> bool {
    let is_control = c.is_control() && !matches!(c, '\t' | ESCAPE);
    let ends = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_control || ends || turns
}

/// Returns whether a text begins with an order that the formatter gives, for a colour or a weight.
fn is_colour(text: &str) -> bool {
    let order = text.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m'));
    order.is_some_and(|(number, _)| {
        matches!(number, "0" | "1" | "2" | "3" | "31" | "32" | "33" | "34" | "35" | "36")
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{Registry, fmt};

    use super::one_line;
    use crate::telemetry::Form;
    use crate::telemetry::queue::Queue;

    const HOSTILE: &str = "x\nforged\r\x0b\x0c\u{85}\u{2028}\u{202e}\x1b[2J\x1b[31m\x00\x7f y";

    /// A stderr that is read afterwards.
    #[derive(Clone, Default)]
    struct Read(Arc<Mutex<Vec<u8>>>);

    impl Write for Read {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what is written of events with hostile values in each place.
    fn logged(form: Form) -> String {
        let queue = Queue::new(Arc::default());
        let lines = || fmt::layer().with_writer(queue.clone());
        let events = || {
            let error = io::Error::other(HOSTILE);
            let span = tracing::info_span!("request", path = HOSTILE, tenant = %HOSTILE);
            let _in = span.enter();
            tracing::info!(value = HOSTILE, shown = %HOSTILE, known = ?HOSTILE, "told {HOSTILE}");
            tracing::error!(%error, "failed to do it: {error:#}");
        };
        match form {
            Form::Text => tracing::subscriber::with_default(
                Registry::default().with(lines().with_ansi(true)),
                events,
            ),
            Form::Json => tracing::subscriber::with_default(
                Registry::default().with(lines().json().flatten_event(true)),
                events,
            ),
        }
        let read = Read::default();
        queue.write_to(read.clone(), || ());
        queue.finish(Duration::from_secs(60));
        let bytes = read.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_in_both_forms() {
        for form in [Form::Text, Form::Json] {
            let text = logged(form);
            let ends = ['\r', '\x0b', '\x0c', '\u{85}', '\u{2028}', '\u{202e}', '\x00', '\x7f'];
            assert!(!text.contains(ends), "{text:?}");
            assert!(!text.contains("\x1b[2J"), "{text:?}");
            assert_eq!(text.matches('\n').count(), 2, "{text:?}");
            for line in text.lines().filter(|_| form == Form::Json) {
                let told: Value = serde_json::from_str(line).unwrap();
                assert!(told["message"].as_str().unwrap().contains("forged"), "{told}");
            }
        }
    }

    #[test]
    fn a_line_without_such_characters_is_as_it_was() {
        for line in ["a\tb ü\n", "\x1b[32mINFO\x1b[0m\n", "", "\n", "no end"] {
            assert_eq!(one_line(line.as_bytes()), line.as_bytes());
        }
        assert_eq!(&*one_line(b"a\nb\r\n"), b"a\\u000ab\\u000d\n");
        for order in ["[2J", "[8m", "]0;title\x07", "", "["] {
            let line = format!("a \x1b{order}");
            let escaped = String::from_utf8(one_line(line.as_bytes()).into_owned()).unwrap();
            assert!(escaped.starts_with("a \\u001b") && !escaped.contains('\x1b'), "{escaped:?}");
        }
    }
}

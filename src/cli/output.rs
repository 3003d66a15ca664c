//! The output of a subcommand on stdout: a table or sentences for people, or JSON for programs.
//!
//! JSON is the same everywhere: one object on each line, for each row of a list, each event, or
//! each thing that was done (JSON lines). Its names are those of the HTTP API, and stay; names may
//! be added.

use std::fmt::Display;
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::Value;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table or sentences, for people.
    Table,
    /// A JSON object on each line, for programs.
    Json,
}

/// The option of every subcommand that prints data.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputOptions {
    /// The form of the output; table by default.
    #[arg(
        long = "output",
        short = 'o',
        value_name = "FORM",
        default_value = "table",
        hide_default_value = true
    )]
    pub form: Output,
}

/// A column of a table: its heading, the name of its member in JSON, its width, and the text where
/// the member is null. A slash leads into an object: `lag/events`. A negative width is that of a
/// text, which begins at the left.
pub type Column = (&'static str, &'static str, i8, &'static str);

/// A list: a line for each row.
pub struct Rows {
    columns: &'static [Column],
    output: Output,
    out: Stdout,
}

impl Rows {
    /// Begins a list. A table has a heading.
    pub fn begin(output: Output, columns: &'static [Column]) -> io::Result<Self> {
        let mut rows = Self { columns, output, out: stdout() };
        if output == Output::Table {
            rows.line(|(heading, ..)| (*heading).to_owned())?;
        }
        Ok(rows)
    }

    /// Prints a row, which is an object that has a member for each column.
    pub fn row(&mut self, row: &Value) -> io::Result<()> {
        match self.output {
            Output::Table => self.line(|(_, member, _, none)| {
                cell(row.pointer(&format!("/{member}")).unwrap_or(&Value::Null), none)
            }),
            Output::Json => writeln!(self.out, "{row}"),
        }
    }

    fn line(&mut self, text: impl Fn(&Column) -> String) -> io::Result<()> {
        let mut line = String::new();
        for column in self.columns {
            let (text, width) = (text(column), usize::from(column.2.unsigned_abs()));
            let padded = match column.2 < 0 {
                true => format!("{text:<width$} "),
                false => format!("{text:>width$} "),
            };
            line.push_str(&padded);
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// Returns the text of a value in a table.
fn cell(value: &Value, none: &str) -> String {
    match value {
        Value::Null => none.to_owned(),
        Value::String(text) => in_one_line(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Returns a text that callers have named, as it is, but for what would end its line, give the
/// terminal an order or show the rest in another direction.
fn in_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let ends = matches!(c, '\u{2028}' | '\u{2029}');
        let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || ends || turns {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Prints what was done or found: the sentence, or the object.
pub fn say(output: Output, sentence: impl Display, object: &Value) -> io::Result<()> {
    match output {
        Output::Table => writeln!(stdout(), "{sentence}"),
        Output::Json => writeln!(stdout(), "{object}"),
    }
}

/// Returns stdout; an error of a write names it.
pub fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

/// The process's stdout.
pub struct Stdout(io::StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// Names stdout in the error, and keeps its kind: a pipe that is no longer read is not a failure.
fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write to stdout: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::cell;

    #[test]
    fn a_cell_stays_on_its_line_whatever_it_holds() {
        let values = [json!("a\nb\u{1b}[31m"), json!(null), json!(7), json!(true)];
        let cells = values.map(|value| cell(&value, "none"));
        assert_eq!(cells, ["a\\nb\\u{1b}[31m", "none", "7", "yes"]);
        let hostile = "\r\t\x7f\u{85}\u{9b}\u{61c}\u{200f}\u{202e}\u{2028}\u{2066}";
        let shown = cell(&json!(hostile), "none");
        assert!(shown.is_ascii() && !shown.contains(char::is_control), "{shown:?}");
    }

    #[test]
    fn quotes_and_letters_of_any_script_are_shown_as_they_are() {
        for text in ["O'Brien", "\"a\" \\ b", "e\u{301}t\u{e9}", "\u{65e5}\u{672c} \u{a0}\u{1f4d6}"]
        {
            assert_eq!(cell(&json!(text), "none"), text);
        }
    }
}

//! `post`: posts changes to a running gateway over HTTP, to try things by hand, and prints their
//! receipts.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::client::{Client, ClientOptions, Failed, Fault};
use super::output::{Column, Output, OutputOptions, Rows};
use crate::domain::text;

/// The most changes of a request, as the gateway takes them.
const CHANGES_MAX: usize = 1_000;
/// The most faults that an error names.
const FAULTS_MAX: usize = 10;
/// The most bytes of a request of several lines.
const BYTES_MAX: usize = 8 << 20;

const COLUMNS: [Column; 5] = [
    ("EVENT_ID", "eventId", -36, "-"),
    ("POSITION", "position", 10, "-"),
    ("TYPE", "type", -10, "-"),
    ("TOPIC", "topic", -40, "-"),
    ("KEY", "key", -1, "-"),
];

/// Options of `post`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The producer: a module's name or id, or a producer's name.
    #[arg(value_parser = text::name)]
    producer: String,
    /// The entity.
    #[arg(value_parser = text::name)]
    entity: String,
    /// The file with the changes; it has one, an array of them, or one on each line (NDJSON), and -
    /// is stdin.
    ///
    /// A change is {"old":…, "new":…}: only `new` is a CREATE, both are an UPDATE, only `old` is a
    /// DELETE. An array is posted whole or not at all, and so are each thousand lines.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The gateway.
    #[command(flatten)]
    gateway: ClientOptions,
}

/// A request: its media type, its body, and the numbers of its lines if it has some of them.
struct Request {
    media_type: &'static str,
    body: Vec<u8>,
    lines: Option<Vec<usize>>,
}

/// The receipts, as they are printed. Whoever reads them may leave: all is posted nevertheless.
struct Receipts {
    form: Output,
    rows: Option<Rows>,
    is_read: bool,
}

/// Posts what a file has, and prints a receipt for each change.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let client = Client::new(&options.gateway)?;
    let text = read(&options.file)?;
    let path = ["domain-events", &options.producer, &options.entity];
    let mut receipts = Receipts { form: options.output.form, rows: None, is_read: true };
    for Request { media_type, body, lines } in requests(text) {
        let answered = client.post(&path, media_type, body).await;
        let answer = answered.map_err(|failed| not_posted(failed, lines.as_deref()))?;
        match serde_json::from_slice(&answer).context("the receipts are no JSON")? {
            Value::Array(all) => all.iter().try_for_each(|receipt| receipts.print(receipt))?,
            receipt => receipts.print(&receipt)?,
        }
    }
    Ok(())
}

/// Returns the error of a request, with what is known of its lines.
fn not_posted(failed: Failed, lines: Option<&[usize]>) -> anyhow::Error {
    let range = lines.and_then(|lines| Some((*lines.first()?, *lines.last()?)));
    let context = match (failed.did_nothing(), range) {
        (true, None) => "nothing was posted".to_owned(),
        (true, Some((from, to))) => {
            format!("lines {from} to {to} were not posted, nor any after them")
        }
        (false, None) => "it is not known whether anything was posted".to_owned(),
        (false, Some((from, to))) => format!(
            "it is not known whether lines {from} to {to} were posted, and none after them was"
        ),
    };
    let error = match (failed, lines) {
        (Failed::Refused(refusal), Some(lines)) => {
            let faults = refusal.problem.as_ref().and_then(|it| by_line(&it.errors, lines));
            match faults {
                Some(faults) => refusal.error(Some(faults)),
                None => Failed::Refused(refusal).into(),
            }
        }
        (failed, _) => failed.into(),
    };
    error.context(context)
}

/// Returns the faults, each with the line of the input that has it; `None` if they are not about
/// lines.
fn by_line(faults: &[Fault], lines: &[usize]) -> Option<String> {
    let told = |fault: &Fault| {
        let pointer = fault.pointer()?.strip_prefix('/')?;
        let (index, rest) = pointer
            .split_once('/')
            .map_or((pointer, ""), |(index, _)| (index, &pointer[index.len()..]));
        let index: usize = index.parse().ok()?;
        let number = lines.get(index)?;
        // A message may name the place in the request, which is not that in the input.
        let mut message = fault.message.as_str();
        for own in [format!("line {} of the body: ", index + 1), format!("/{pointer}: ")] {
            message = message.strip_prefix(own.as_str()).unwrap_or(message);
        }
        let within = if rest.is_empty() { String::new() } else { format!("{rest}: ") };
        Some(format!("line {number}: {within}{message}"))
    };
    let all: Option<Vec<_>> = faults.iter().map(told).collect();
    let all = all.filter(|all| !all.is_empty())?;
    let mut shown = all.iter().take(FAULTS_MAX).cloned().collect::<Vec<_>>();
    if let Some(more) = all.len().checked_sub(FAULTS_MAX).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    Some(shown.join("; "))
}

impl Receipts {
    /// Prints a receipt, after the heading if it is the first one.
    fn print(&mut self, receipt: &Value) -> io::Result<()> {
        if !self.is_read {
            return Ok(());
        }
        match self.row(receipt) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(())
            }
            printed => printed,
        }
    }

    fn row(&mut self, receipt: &Value) -> io::Result<()> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            none => none.insert(Rows::begin(self.form, &COLUMNS)?),
        };
        rows.row(receipt)
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let (mut text, mut name) = (Vec::new(), file.display().to_string());
    if file == Path::new("-") {
        name = "stdin".to_owned();
        io::stdin().lock().read_to_end(&mut text).context("failed to read stdin")?;
    } else {
        text = std::fs::read(file).with_context(|| format!("failed to read {name}"))?;
    }
    ensure!(!text.trim_ascii().is_empty(), "{name} is empty: there is nothing to post");
    Ok(text)
}

/// Returns the requests that a text becomes: one if it is one JSON value, else some for its lines.
fn requests(text: Vec<u8>) -> Vec<Request> {
    if serde_json::from_slice::<IgnoredAny>(&text).is_ok() {
        return vec![Request { media_type: "application/json", body: text, lines: None }];
    }
    let mut requests: Vec<Request> = Vec::new();
    for (at, line) in text.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = at + 1;
        match requests.last_mut() {
            Some(Request { body, lines: Some(lines), .. })
                if lines.len() < CHANGES_MAX && body.len() + line.len() < BYTES_MAX =>
            {
                body.extend_from_slice(line);
                body.push(b'\n');
                lines.push(number);
            }
            _ => {
                let body = [line, b"\n"].concat();
                let lines = Some(vec![number]);
                requests.push(Request { media_type: "application/x-ndjson", body, lines });
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::requests;

    /// A request: its media type, the bytes of its body, and its lines.
    type Shape = (&'static str, usize, Option<(usize, usize)>);

    fn shape(text: &str) -> Vec<Shape> {
        let requests = requests(text.as_bytes().to_vec()).into_iter();
        let ends = |lines: Vec<usize>| (lines[0], lines[lines.len() - 1]);
        requests.map(|it| (it.media_type, it.body.len(), it.lines.map(ends))).collect()
    }

    #[test]
    fn a_value_is_posted_as_it_is_and_lines_a_thousand_at_a_time() {
        let pretty = "{\n \"new\": {\n \"id\": \"a\"}\n}\n";
        assert_eq!(shape(pretty), [("application/json", pretty.len(), None)]);
        assert_eq!(shape("[{},{}]"), [("application/json", 7, None)]);
        let lines = "{}\r\n\n{}";
        assert_eq!(shape(lines), [("application/x-ndjson", 7, Some((1, 3)))]);
        let many = "{}\n".repeat(2_001);
        let ndjson = "application/x-ndjson";
        let expected = [
            (ndjson, 3_000, Some((1, 1_000))),
            (ndjson, 3_000, Some((1_001, 2_000))),
            (ndjson, 3, Some((2_001, 2_001))),
        ];
        assert_eq!(shape(&many), expected);
        let wide = format!("{{\"new\":\"{}\"}}\n", "x".repeat(5 << 20)).repeat(2);
        assert_eq!(shape(&wide).len(), 2);
    }
}

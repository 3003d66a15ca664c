//! `post`: posts changes to a running gateway over HTTP, to try things by hand, and prints their
//! receipts.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::client::{Client, ClientOptions};
use super::output::{Column, OutputOptions, Rows};
use crate::domain::text;

/// The most changes of a request, as the gateway takes them.
const CHANGES_MAX: usize = 1_000;
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
    /// The file with a change, an array of changes, or a change on each line (NDJSON); - is stdin.
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
    lines: Option<(usize, usize)>,
}

/// Posts what a file has, and prints a receipt for each change.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let client = Client::new(&options.gateway)?;
    let text = read(&options.file)?;
    let path = ["domain-events", &options.producer, &options.entity];
    let mut rows = Rows::begin(options.output.form, &COLUMNS)?;
    for Request { media_type, body, lines } in requests(text) {
        let answered = client.post(&path, media_type, body).await.map_err(anyhow::Error::from);
        let answer = answered.with_context(|| match lines {
            None => "nothing was posted".to_owned(),
            Some((from, to)) => {
                format!("lines {from} to {to} were not posted, nor any after them")
            }
        })?;
        match serde_json::from_slice(&answer).context("the receipts are no JSON")? {
            Value::Array(receipts) => {
                receipts.iter().try_for_each(|receipt| rows.row(receipt))?;
            }
            receipt => rows.row(&receipt)?,
        }
    }
    Ok(())
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
    let mut changes = 0;
    for (at, line) in text.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = at + 1;
        match requests.last_mut() {
            Some(Request { body, lines: Some((_, to)), .. })
                if changes < CHANGES_MAX && body.len() + line.len() < BYTES_MAX =>
            {
                body.extend_from_slice(line);
                body.push(b'\n');
                *to = number;
                changes += 1;
            }
            _ => {
                let body = [line, b"\n"].concat();
                let lines = Some((number, number));
                requests.push(Request { media_type: "application/x-ndjson", body, lines });
                changes = 1;
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
        requests.map(|it| (it.media_type, it.body.len(), it.lines)).collect()
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

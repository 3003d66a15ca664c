//! `tail`: follows a tenant's log over HTTP, to see what comes by hand.
//!
//! It remembers the position of the last event that it has printed, and nothing else: whatever
//! happens to the gateway, it asks for what comes after that position, so that each event is
//! printed once and in order.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::client::{Client, ClientOptions, Failed};
use super::output::{Column, Output, OutputOptions, Rows, stdout};
use crate::config::whole;
use crate::domain::filter::event_type;
use crate::domain::key::Key;
use crate::domain::subscription::Start;
use crate::domain::text;

/// The interval at which the log is read at its head.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The interval at which a gateway that is away is asked again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The most events of an answer.
const PAGE_EVENTS: u64 = 500;
/// More positions than any log has.
const POSITION_MAX: u64 = 1 << 62;

const COLUMNS: [Column; 5] = [
    ("POSITION", "position", 10, "-"),
    ("TIME", "time", -24, "-"),
    ("TYPE", "type", -10, "-"),
    ("TOPIC", "topic", -40, "-"),
    ("KEY", "key", -1, "-"),
];

/// Options of `tail`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where it begins: earliest, latest, a position or a time; after a position such as 41, at a
    /// time such as 2026-11-26T08:00:00Z.
    #[arg(long, default_value = "earliest", value_parser = Start::parse)]
    from: Start,
    /// Waits for more at the log's head; also while the gateway restarts. Without it, it ends
    /// there.
    #[arg(long, short)]
    follow: bool,
    /// Ends after so many events.
    #[arg(long, short = 'n', value_parser = whole::<u64, 1, POSITION_MAX>)]
    count: Option<u64>,
    /// The entity whose events are printed, such as item; without it, all events are.
    #[arg(long, value_parser = text::name)]
    entity: Option<String>,
    /// The producer whose events are printed.
    #[arg(long, hide_short_help = true, value_parser = text::name)]
    producer: Option<String>,
    /// The key whose events are printed.
    #[arg(long, hide_short_help = true, value_parser = Key::parse)]
    key: Option<Key>,
    /// The type of the events that are printed, such as UPDATE.
    #[arg(long = "type", hide_short_help = true, value_name = "TYPE", value_parser = event_type)]
    event_type: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The gateway.
    #[command(flatten)]
    gateway: ClientOptions,
}

/// A page of the log, as the gateway answers it.
#[derive(Deserialize)]
struct Page {
    events: Vec<Box<RawValue>>,
    next: Option<u64>,
    missing: Option<Missing>,
}

/// Positions among which events were removed.
#[derive(Deserialize)]
struct Missing {
    topic: String,
    from: u64,
    to: u64,
}

/// The part of an event that `tail` reads itself.
#[derive(Deserialize)]
struct Placed {
    position: u64,
}

/// Follows the log until its head, the count, Ctrl-C, SIGTERM, or the end of whoever reads stdout.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let client = Client::new(&options.gateway)?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = Tail { client, options, after: None, left: options.count }.follow() => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminate.recv() => Ok(()),
        gone = reader_gone() => gone,
    }
}

struct Tail<'a> {
    client: Client,
    options: &'a Options,
    /// The position of the last event that was printed or passed over.
    after: Option<u64>,
    left: Option<u64>,
}

impl Tail<'_> {
    async fn follow(mut self) -> anyhow::Result<()> {
        let mut rows = Rows::begin(self.options.output.form, &COLUMNS)?;
        self.after = match self.options.from {
            Start::Position(position, _) => Some(position.number()),
            Start::Latest => Some(self.head().await?),
            Start::Earliest | Start::Time(..) => None,
        };
        let mut page = self.page().await?;
        loop {
            self.print(&mut rows, &page)?;
            if self.left == Some(0) || (page.next.is_none() && !self.options.follow) {
                return Ok(());
            }
            if page.next.is_none() {
                sleep(LOOK_EVERY).await;
            }
            page = self.page_once_there().await?;
        }
    }

    /// Prints a page, and moves on.
    fn print(&mut self, rows: &mut Rows, page: &Page) -> anyhow::Result<()> {
        if let (Some(missing), Some(_)) = (&page.missing, self.after) {
            let Missing { topic, from, to } = missing;
            tracing::warn!("events of {topic} from position {from} to {to} were removed");
        }
        let most = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        for event in page.events.iter().take(most) {
            let placed: Placed = serde_json::from_str(event.get())?;
            match self.options.output.form {
                Output::Table => rows.row(&serde_json::from_str(event.get())?)?,
                Output::Json => writeln!(stdout(), "{}", one_line(event))?,
            }
            self.after = Some(placed.position);
            self.left = self.left.map(|left| left - 1);
        }
        // A page that was read in full may end after its last event.
        if self.left != Some(0) {
            self.after = self.after.max(page.next);
        }
        Ok(())
    }

    /// Reads on; a gateway that is away is asked until it is there, if the log is followed.
    async fn page_once_there(&self) -> anyhow::Result<Page> {
        let mut is_told = false;
        loop {
            match self.page().await {
                Ok(page) => {
                    if is_told {
                        tracing::info!("the gateway is back, tail goes on");
                    }
                    return Ok(page);
                }
                Err(failed) if self.options.follow && failed.is_transient() => {
                    if !is_told {
                        let error = anyhow::Error::from(failed);
                        tracing::warn!("{error:#}: tail goes on once it does");
                        is_told = true;
                    }
                    sleep(ASK_EVERY).await;
                }
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    async fn page(&self) -> Result<Page, Failed> {
        let Options { from, entity, producer, key, event_type, .. } = self.options;
        let time = match from {
            Start::Time(time, _) => Some(time.to_string()),
            _ => None,
        };
        let named = [
            ("entity", entity.clone()),
            ("producer", producer.clone()),
            ("key", key.as_ref().map(ToString::to_string)),
            ("type", event_type.clone()),
            ("from", time),
        ];
        let query = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.ask(query, self.after, PAGE_EVENTS).await
    }

    async fn ask(
        &self,
        mut query: Vec<(&str, String)>,
        after: Option<u64>,
        limit: u64,
    ) -> Result<Page, Failed> {
        query.push(("limit", limit.to_string()));
        query.extend(after.map(|after| ("after", after.to_string())));
        query.extend(after.map(|_| ("gaps", "skip".to_owned())));
        let answer = self.client.get(&["domain-events"], &query).await?;
        serde_json::from_slice(&answer).map_err(|error| Failed::Fatal(error.into()))
    }

    /// Returns the position after which the log has no event: the API doesn't tell it, but whether
    /// there is any event after a position.
    async fn head(&self) -> Result<u64, Failed> {
        let mut step = 1;
        let mut known = 0;
        while step < POSITION_MAX && self.has_events_after(step).await? {
            known = step;
            step *= 2;
        }
        let (mut low, mut high) = (known, step);
        if !self.has_events_after(0).await? {
            return Ok(0);
        }
        // Some event comes after `low`, and none after `high`.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.has_events_after(middle).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(high)
    }

    async fn has_events_after(&self, position: u64) -> Result<bool, Failed> {
        let page = self.ask(Vec::new(), Some(position), 1).await?;
        Ok(!page.events.is_empty() || page.next.is_some())
    }
}

/// Returns the event on one line. A payload is stored as it was posted, and may have line breaks,
/// which are never part of a JSON string.
fn one_line(event: &RawValue) -> String {
    event.get().replace(['\n', '\r'], " ")
}

/// Waits until whoever reads stdout is gone, if it is a pipe: else a log in which nothing happens
/// would be followed for nobody.
async fn reader_gone() -> anyhow::Result<()> {
    let stdout = io::stdout();
    loop {
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        poll(&mut asked, Some(&Timespec::default()))?;
        if asked[0].revents().contains(PollFlags::ERR) {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::one_line;

    #[test]
    fn an_event_is_one_line_of_json_with_the_same_members() {
        let event = "{\"payload\":{\n\"new\":\r\n{\"n\":12345678901234567890.0,\"a\":\"\\n\"}}}";
        let line = one_line(&RawValue::from_string(event.to_owned()).unwrap());
        assert!(!line.contains(['\n', '\r']) && line.contains("12345678901234567890.0"), "{line}");
        let [was, is] =
            [event, &line].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(was, is);
    }
}

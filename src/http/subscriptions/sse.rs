//! Streams of server-sent events: a task reads for the client, and the body hands on what it wrote.
//!
//! `events` begins them. Between both is room for one delivery: a client that reads too slowly is
//! cut, and so is one whose token has expired; the last event says why. An event's id is its
//! position, so that a client that connects again goes on where it stood. The reading ends with its
//! client, and the next reader may begin at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::refused::{kind, parameters};
use crate::access::LEEWAY_MS;
use crate::domain::time::Time;
use crate::http::domain_events::view::Event;
use crate::http::gateway::Gateway;
use crate::http::missing::Missing;
use crate::shares::Share;
use crate::subscribe::{Delivery, Error, Reading};

/// The most events of one delivery.
const EVENTS_MAX: usize = 100;
/// The longest silence of a stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest time that a client waits for the end of its stream, while its group is freed.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// The time after which a client connects again.
const RETRY_MS: u64 = 1_000;

/// The reason why the gateway ends a stream.
enum End {
    /// The client reads too slowly.
    Slow,
    /// The caller's token has expired.
    TokenExpired,
    /// The gateway stops.
    Stopping,
    /// The reading can't go on.
    Failed(Error),
    /// The client is gone.
    Left,
}

/// Returns when a stream ends whose token expires at a time.
pub(super) fn end_of(expiry: Time, now: Time) -> Instant {
    let end_ms = expiry.as_ms().saturating_add(LEEWAY_MS);
    let left_ms = u64::try_from(end_ms.saturating_sub(now.as_ms())).unwrap_or_default();
    // A century is the longest time that every clock can add.
    Instant::now() + Duration::from_millis(left_ms).min(Duration::from_secs(3_155_760_000))
}

/// The ends of a stream, besides those that its course has.
pub(super) struct Until {
    /// The time at which the caller's token has expired.
    pub(super) ends: Option<Instant>,
    /// Cancelled once the client has left.
    pub(super) left: CancellationToken,
}

/// Answers with the stream of a reading; the share is given back with it.
pub(super) fn stream(
    gateway: &Gateway,
    reading: Reading,
    until: Until,
    share: Share,
) -> HttpResponse {
    let ((chunks, body), (last, end)) = (mpsc::channel(1), oneshot::channel());
    let metrics = gateway.deps.metrics.clone();
    let slow_after = gateway.deps.config.slow_reader_timeout;
    tokio::spawn(async move {
        let mut writer = Writer { reading, chunks, until, slow_after };
        let end = writer.run().await;
        let Writer { reading, chunks, .. } = writer;
        // The group is free before the client is told, so that it may connect again at once.
        drop(timeout(CLOSE_WITHIN, reading.close()).await);
        if let Some((reason, text)) = end.told() {
            metrics.stream_ended(reason);
            drop(last.send(text));
        }
        drop((chunks, share));
    });
    HttpResponse::Ok().content_type("text/event-stream").body(Body { chunks: body, end: Some(end) })
}

/// Writes a stream.
struct Writer {
    reading: Reading,
    chunks: mpsc::Sender<Bytes>,
    until: Until,
    slow_after: Duration,
}

impl Writer {
    async fn run(&mut self) -> End {
        let mut told = self.reading.position();
        let begun = json!({
            "generation": self.reading.generation(),
            "reader": self.reading.reader(),
            "position": told.number(),
        });
        let mut text = format!("retry: {RETRY_MS}\nid: {told}\nevent: reading\ndata: {begun}\n\n");
        loop {
            if let Err(end) = self.send(text).await {
                return end;
            }
            if self.reading.is_stopping() {
                return End::Stopping;
            }
            let now = Instant::now();
            let ends = self.until.ends;
            if ends.is_some_and(|ends| ends <= now) {
                return End::TokenExpired;
            }
            let until = ends.map_or(now + KEEP_ALIVE, |ends| ends.min(now + KEEP_ALIVE));
            let delivery = tokio::select! {
                delivery = self.reading.next(EVENTS_MAX, until) => delivery,
                () = self.chunks.closed() => return End::Left,
                () = self.until.left.cancelled() => return End::Left,
            };
            let Delivery { events, position } = match delivery {
                Ok(delivery) => delivery,
                Err(error) => return End::Failed(error),
            };
            text = String::new();
            for event in &events {
                match Event::delivered(event) {
                    Ok(event) => write_event(&mut text, event.position(), &event),
                    Err(_) => return End::Failed(unreadable(event.position.number())),
                }
            }
            if events.is_empty() {
                text.push_str(": keep-alive\n");
                // An id alone is no event, but the client goes on after it.
                if position > told {
                    text.push_str(&format!("id: {position}\n"));
                }
                text.push('\n');
            }
            told = position;
        }
    }

    /// Hands a text to the body, unless the client reads too slowly.
    async fn send(&self, text: String) -> Result<(), End> {
        match timeout(self.slow_after, self.chunks.send(text.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Slow),
        }
    }
}

impl End {
    /// Returns the reason, and the last event of the stream; `None` if nobody reads it.
    fn told(&self) -> Option<(&'static str, Bytes)> {
        let (reason, detail) = match self {
            Self::Left => return None,
            Self::Slow => ("slow", "events were left unread for too long".to_owned()),
            Self::TokenExpired => ("token-expired", "the token has expired".to_owned()),
            Self::Stopping => ("stopping", "the gateway stops".to_owned()),
            Self::Failed(Error::Store(_)) => {
                ("store-unavailable", "the store is unavailable".to_owned())
            }
            Self::Failed(Error::NotEnabled) => {
                ("tenant-not-enabled", "the tenant is not enabled".to_owned())
            }
            Self::Failed(error) => (kind(error).code(), error.to_string()),
        };
        let mut data = json!({ "reason": reason, "detail": detail });
        match self {
            Self::Failed(Error::Removed { gap, .. }) => data["missing"] = json!(Missing::from(gap)),
            Self::Failed(error) => {
                for (name, value) in parameters(error) {
                    data[name] = json!(value);
                }
            }
            _ => {}
        }
        Some((reason, format!("event: end\ndata: {data}\n\n").into()))
    }
}

/// Writes an event. Its payload may have line breaks, each of which begins another line of data.
fn write_event(text: &mut String, position: u64, event: &Event) {
    let json = serde_json::to_string(event).expect("an event is JSON");
    text.push_str(&format!("id: {position}\n"));
    for line in json.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}

fn unreadable(position: u64) -> Error {
    crate::store::Error::Corrupt(format!("the payload at {position} is no JSON")).into()
}

/// The body of a stream: what the task wrote, then the event that says why it ended.
struct Body {
    chunks: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<Bytes>>,
}

impl MessageBody for Body {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(chunk) = ready!(self.chunks.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let end = self.end.take().and_then(|mut end| end.try_recv().ok());
        Poll::Ready(end.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::{End, Error, Time, end_of};
    use crate::domain::floors::Gap;
    use crate::domain::position::Position;
    use crate::domain::topic::Topic;

    #[test]
    fn the_end_below_a_floor_tells_what_is_missing_and_the_way_on() {
        let at = Position::from_column;
        let gap = Gap { topic: Topic::parse("a.loan").unwrap(), from: at(66), to: at(73) };
        let (reason, text) = End::Failed(Error::Removed { gap, after: at(65) }).told().unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        let data = text.strip_prefix("event: end\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((reason, &data["reason"]), ("events-removed", &json!("events-removed")));
        assert_eq!(data["missing"], json!({ "topic": "a.loan", "from": 66, "to": 73 }));
        let detail = "some events of the topic `a.loan` from position 66 to 73 were removed: start or \
                      seek with {\"position\":65,\"gaps\":\"skip\"}, which leaves out nothing that the \
                      log has, or with {\"position\":73}, from where on nothing is missing";
        assert_eq!(data["detail"], detail);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_token_and_a_leeway() {
        let now = Instant::now();
        let in_an_hour = end_of(Time::from_ms(3_600_000), Time::ZERO);
        assert_eq!(in_an_hour, now + Duration::from_secs(3_660));
        assert_eq!(end_of(Time::ZERO, Time::from_ms(59_000)), now + Duration::from_secs(1));
        assert_eq!(end_of(Time::ZERO, Time::from_ms(61_000)), now, "it has expired");
        assert!(end_of(Time::from_ms(i64::MAX), Time::ZERO) > now);
    }
}

//! `GET /subscriptions/{group}/events`: a group's next events, as a long poll or as a stream.
//!
//! A poll answers once there are events, or after its `wait`; a request that accepts
//! `text/event-stream` gets a stream. Both count among the readers that may be open at once, and
//! take none of the turns of `GET /domain-events`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::describe::of_group;
use super::refused::refused;
use super::{group, sse};
use crate::access::permission::ReadSubscription;
use crate::domain::position::Position;
use crate::http::allowed::Allowed;
use crate::http::connections::Connection;
use crate::http::context::TenantContext;
use crate::http::domain_events::view::Event;
use crate::http::gateway::{Gateway, Shared};
use crate::http::header;
use crate::http::operation::{Described, Operation, reference};
use crate::http::problem::Problem;
use crate::http::problem::kind::Kind;
use crate::http::query::{self, Parameter};
use crate::http::schema;
use crate::shares::{Full, Share};
use crate::subscribe::{Delivery, Error, Opening, Reading};

const PARAMETERS: [Parameter; 5] = [
    Parameter::new("wait", "The seconds for which a poll waits for an event.", || {
        schema::whole(0, WAIT_SECS_MAX)
    }),
    Parameter::LIMIT,
    Parameter::new("after", "The position that the reader has received.", schema::position),
    Parameter::new(
        "generation",
        "The number that the reader was given, by which it goes on.",
        schema::any_whole,
    ),
    Parameter::new(
        "reader",
        "The reader's own name; one is made without it.",
        || json!({ "type": "string", "pattern": READER_PATTERN, "maxLength": READER_BYTES_MAX }),
    ),
];
const WAIT_SECS_MAX: u64 = 60;
const READER_PATTERN: &str = "^[!-~]+$";
const READER_BYTES_MAX: usize = 100;
/// The header with which a stream goes on.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// The answer of a poll. `position` is what to commit once the events are done with, and the
/// `after` of the next poll.
#[derive(Serialize, ToSchema)]
struct Polled<'a> {
    events: Vec<Event<'a>>,
    position: u64,
    generation: u64,
    reader: &'a str,
}

impl Described for ReadSubscription {
    const QUERY: &'static [Parameter] = &PARAMETERS;

    fn describe() -> Operation {
        let operation = Operation::new(
            "The group's next events, as the answer of a long poll, or as a stream if the request \
             accepts `text/event-stream`. HEAD is refused, since it would take events.",
        );
        let (polled, text) = (reference(&Polled::name()), json!({ "type": "string" }));
        of_group(operation)
            .header(
                LAST_EVENT_ID,
                "The position that the reader of a stream has received. Polls don't read it.",
                schema::printable(),
            )
            .with::<Polled>()
            .answer_of(
                200,
                "The events, and what to commit once they are done with; or the stream.",
                &[("application/json", polled), ("text/event-stream", text)],
            )
            .problems(&[
                Kind::MethodNotAllowed,
                Kind::UnknownSubscription,
                Kind::EventsRemoved,
                Kind::SubscriptionHeld,
                Kind::SubscriptionHalted,
                Kind::HasHandler,
                Kind::GenerationEnded,
                Kind::TenantSubscribersFull,
                Kind::SubscribersFull,
            ])
    }
}

#[tracing::instrument(
    name = "read_subscription",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(in crate::http) async fn events(
    context: Allowed<ReadSubscription>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    if request.method() == Method::HEAD {
        return Err(Problem::MethodNotAllowed { allow: "GET" });
    }
    let query = &context.query;
    let streams = accepts_stream(&request);
    let received =
        match header::single(&request, LAST_EVENT_ID)?.filter(|_| streams) {
            None => query.parsed("after", Position::parse)?,
            Some(id) => Some(Position::parse(id).map_err(|_| {
                header::bad(LAST_EVENT_ID, "must be the id of an event: a position")
            })?),
        };
    let reader = query.parsed("reader", reader)?;
    let opening = Opening {
        reader: reader.unwrap_or_else(|| gateway.deps.clock.new_id().to_string()),
        generation: query.parsed("generation", query::number)?.filter(|_| !streams),
        received,
    };
    let wait = query.parsed("wait", wait)?.unwrap_or_default();
    let limit = query.parsed("limit", query::limit)?.unwrap_or(query::LIMIT);
    let (group, tenant) = (group(&request)?, context.tenant());
    let share = seat(&gateway, &context)?;
    let opened = gateway.deps.subscribe.open(tenant, &group, &opening).await;
    let mut reading = opened.map_err(|error| refused(error, tenant))?;
    let left = request.conn_data::<Arc<Connection>>().map(|connection| connection.left());
    let left = left.unwrap_or_default();
    let now = gateway.deps.clock.now();
    let ends = context.expires.map(|time| sse::end_of(time, now));
    if streams {
        tracing::debug!(%tenant, %group, reader = opening.reader, "a stream begins");
        return Ok(sse::stream(&gateway, reading, sse::Until { ends, left }, share));
    }
    let until = Instant::now() + wait;
    let until = ends.map_or(until, |ends| ends.min(until));
    let polled = poll(&mut reading, limit, until, &left).await;
    let Delivery { events, position } = polled.map_err(|error| refused(error, tenant))?;
    let events = events.iter().map(|event| Event::delivered(event)).collect::<Result<_, _>>()?;
    let (position, generation) = (position.number(), reading.generation());
    let reader = reading.reader();
    Ok(HttpResponse::Ok().json(Polled { events, position, generation, reader }))
}

/// Waits for the events of a poll; none if the client leaves meanwhile. What was delivered then is
/// not committed, and is delivered again.
async fn poll(
    reading: &mut Reading,
    limit: usize,
    until: Instant,
    left: &CancellationToken,
) -> Result<Delivery, Error> {
    let nothing = Delivery { events: Vec::new(), position: reading.position() };
    let polled = reading.next(limit, until);
    left.run_until_cancelled(polled).await.unwrap_or(Ok(nothing))
}

/// Takes a seat among the readers that may be open at once.
fn seat(gateway: &Gateway, context: &TenantContext) -> Result<Share, Problem> {
    gateway.subscribers.take(context.tenant(), 1).map_err(|full| match full {
        Full::All => Problem::SubscribersFull,
        Full::Tenant => Problem::TenantSubscribersFull,
    })
}

/// Returns whether the client asks for a stream.
fn accepts_stream(request: &HttpRequest) -> bool {
    let values = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let mut ranges = values.flat_map(|value| value.split(','));
    ranges.any(|range| {
        let media_type = range.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

fn reader(text: &str) -> Result<String, &'static str> {
    let is_legal =
        text.len() <= READER_BYTES_MAX && text.bytes().all(|b| (b'!'..=b'~').contains(&b));
    is_legal.then(|| text.to_owned()).ok_or("must have at most 100 printable ASCII characters")
}

fn wait(text: &str) -> Result<Duration, &'static str> {
    let seconds = query::number(text).ok().filter(|seconds| *seconds <= WAIT_SECS_MAX);
    seconds.map(Duration::from_secs).ok_or("must be a whole number of seconds, at most 60")
}

//! The dead letters of a group over HTTP: they are listed, shown with their events, and redriven or
//! discarded by an operator.
//!
//! It hands requests to `subscribe`. The events are read from the log, which may have removed them.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::of_group;
use super::refused::refused;
use crate::access::permission::{
    Acts, DiscardDeadLetters, GetDeadLetter, ListDeadLetters, RedriveDeadLetters,
};
use crate::domain::json::Raw;
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, DeadLetterRequest, Group};
use crate::domain::trail::TrailEntry;
use crate::domain::violation::Violation;
use crate::http::allowed::Allowed;
use crate::http::domain_events::view::Event;
use crate::http::gateway::Shared;
use crate::http::operation::{Described, Operation};
use crate::http::problem::Problem;
use crate::http::problem::kind::Kind;
use crate::http::query::{self, Parameter};
use crate::http::schema::{self, Schema};
use crate::http::turn::{self, turn};
use crate::http::{object, path};
use crate::subscribe::{Marked, WAITING, Which};

const PAGE: [Parameter; 2] = [
    Parameter::new("after", "The position after which the page begins.", schema::position),
    Parameter::LIMIT,
];

/// A page of a group's dead letters, in order of position. `next` is the `after` of the next page,
/// `null` on the last one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetters {
    dead_letters: Vec<Letter>,
    #[schema(required)]
    next: Option<u64>,
}

/// An event that the group's handler failed at for good, or that waits for such an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
struct Letter {
    position: u64,
    topic: String,
    key: String,
    /// The later events that join it: `event` (none), `key` or `topic`.
    scope: &'static str,
    /// The last failure; `null` if the event was not delivered, since an earlier one of its key
    /// failed.
    #[schema(required)]
    reason: Option<String>,
    attempts: u64,
    /// The time at which it became a dead letter, or the handler failed again.
    #[schema(format = DateTime)]
    since: String,
    /// Whether it is to be delivered again.
    redriven: bool,
}

/// A dead letter with its event, which is `null` if the log has removed it.
#[derive(Serialize, ToSchema)]
struct DeadLetterInDetail<'a> {
    #[serde(flatten)]
    letter: Letter,
    #[schema(required)]
    event: Option<Event<'a>>,
}

/// The dead letters that the request has changed, and those that it means and has not changed.
#[derive(Serialize, ToSchema)]
struct Changed {
    count: u64,
    left: u64,
    /// The `after` of the next request, which goes on with what is left; `null` if nothing is.
    #[schema(required)]
    next: Option<u64>,
    /// The reason why those that are to be delivered again wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

impl Described for ListDeadLetters {
    const QUERY: &'static [Parameter] = &PAGE;

    fn describe() -> Operation {
        let about = "The events that the group's handler failed at, and those that wait for them.";
        of_group(Operation::new(about))
            .answer::<DeadLetters>(200, "A page, in order of position.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::UnknownSubscription])
    }
}

impl Described for GetDeadLetter {
    fn describe() -> Operation {
        of_group(Operation::new("A dead letter of the group, with its event."))
            .path("position", schema::position())
            .answer::<DeadLetterInDetail>(200, "The dead letter.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::UnknownSubscription, Kind::UnknownDeadLetter])
    }
}

impl Described for RedriveDeadLetters {
    fn describe() -> Operation {
        let about = "Dead letters are to be delivered again, in order: of the topics, or of any, \
                     those of the keys, those at the positions with the earlier ones of their \
                     keys, or all.";
        request(Operation::new(about), &[]).problems(&[Kind::NoHandler])
    }
}

impl Described for DiscardDeadLetters {
    fn describe() -> Operation {
        let about = "Dead letters are given up: of the topics, or of any, those of the keys, those \
                     at the positions, or all.";
        request(Operation::new(about), &["reason"])
    }
}

/// Describes a request about dead letters.
fn request(operation: Operation, needed: &[&str]) -> Operation {
    let (most, range) = (DeadLetterRequest::ITEMS_MAX, DeadLetterRequest::LIMIT);
    let listed = |items: Schema| {
        let mut list = schema::list(&items, most);
        list["minItems"] = 1.into();
        list
    };
    let body = schema::object(&DeadLetterRequest::MEMBERS, needed, |member| match member {
        "topics" => listed(schema::topic()),
        "keys" => listed(schema::key()),
        "positions" => listed(schema::position()),
        "after" => schema::position(),
        "limit" => schema::whole(*range.start(), *range.end()),
        "reason" => schema::reason(),
        other => unreachable!("{other} has no schema"),
    });
    object::describe(of_group(operation), &body)
        .answer::<Changed>(200, "How many were changed, oldest first, and how many are left.")
        .problems(&[Kind::UnknownSubscription])
}

impl From<&DeadLetter> for Letter {
    fn from(letter: &DeadLetter) -> Self {
        let failure = letter.failure.as_ref();
        Self {
            position: letter.position.number(),
            topic: letter.topic.to_string(),
            key: letter.key.to_string(),
            scope: letter.scope.as_str(),
            reason: failure.map(|failure| failure.why.clone()),
            attempts: failure.map_or(0, |failure| failure.attempts),
            since: letter.since.to_string(),
            redriven: letter.is_redriven,
        }
    }
}

pub(in crate::http) async fn list(
    context: Allowed<ListDeadLetters>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let query = &context.query;
    let after = query.parsed("after", Position::parse)?.unwrap_or_default();
    let limit = query.parsed("limit", query::limit)?.unwrap_or(query::LIMIT);
    let (group, tenant) = (super::group(&request)?, context.enabled(&gateway).await?);
    let _turn = turn(&gateway, tenant).await?;
    let groups = gateway.deps.subscribe.groups();
    // One more tells whether there is another page.
    let found = groups.dead_letters(tenant, &group, after, limit + 1).await;
    let found = found.map_err(|error| refused(error, tenant))?;
    let dead_letters: Vec<_> = found.iter().take(limit).map(Letter::from).collect();
    let next = dead_letters.last().filter(|_| found.len() > limit).map(|last| last.position);
    Ok(HttpResponse::Ok().json(DeadLetters { dead_letters, next }))
}

pub(in crate::http) async fn get(
    context: Allowed<GetDeadLetter>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let [segment] = path::segments(&request, 3)?;
    let position = Position::parse(&segment)
        .map_err(|_| Problem::bad_path(&segment, "must be a position: a whole number"))?;
    let (group, tenant) = (super::group(&request)?, context.enabled(&gateway).await?);
    let _turn = turn(&gateway, tenant).await?;
    let groups = gateway.deps.subscribe.groups();
    let found = groups.dead_letter(tenant, &group, position).await;
    let letter = found.map_err(|error| refused(error, tenant))?;
    let event = groups.event(tenant, position).await.map_err(|error| refused(error, tenant))?;
    let event = event.as_ref().map(Event::delivered).transpose()?;
    Ok(HttpResponse::Ok().json(DeadLetterInDetail { letter: Letter::from(&letter), event }))
}

/// `POST /subscriptions/{group}/dead-letters/redrive`: dead letters are to be delivered again.
pub(in crate::http) async fn redrive(
    context: Allowed<RedriveDeadLetters>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, asked) =
        asked(&context, &request, &gateway, DeadLetterRequest::parse_redrive).await?;
    let by = context.act().on(&group).because(asked.reason.as_deref());
    let (tenant, groups) = (context.tenant(), gateway.deps.subscribe.groups());
    let marked = groups.redrive(tenant, &group, &which(asked), &by).await;
    let marked = marked.map_err(|error| refused(error, tenant))?;
    let found = groups.find(tenant, &group).await.map_err(|error| refused(error, tenant))?;
    let halted = found.subscription.halt.map(|_| WAITING);
    Ok(done(&gateway, &by, &marked, halted))
}

/// `POST /subscriptions/{group}/dead-letters/discard`: dead letters are given up.
pub(in crate::http) async fn discard(
    context: Allowed<DiscardDeadLetters>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let (group, asked) =
        asked(&context, &request, &gateway, DeadLetterRequest::parse_discard).await?;
    let by = context.act().on(&group).because(asked.reason.as_deref());
    let (tenant, groups) = (context.tenant(), gateway.deps.subscribe.groups());
    let marked = groups.discard(tenant, &group, &which(asked), &by).await;
    let marked = marked.map_err(|error| refused(error, tenant))?;
    Ok(done(&gateway, &by, &marked, None))
}

/// Reads a request about the dead letters of a group.
async fn asked<P: Acts>(
    context: &Allowed<P>,
    request: &HttpRequest,
    gateway: &Shared,
    parse: fn(&Raw) -> Result<DeadLetterRequest, Vec<Violation>>,
) -> Result<(Group, DeadLetterRequest), Problem> {
    let (group, tenant) = (super::group(request)?, context.enabled(gateway).await?);
    Ok((group, object::read(request, gateway, tenant, parse).await?))
}

fn which(asked: DeadLetterRequest) -> Which {
    let DeadLetterRequest { topics, keys, positions, after, limit, .. } = asked;
    Which { topics, keys, positions, after, limit }
}

/// Returns the answer of an act, which counts as one if it has changed anything.
fn done(
    gateway: &Shared,
    by: &TrailEntry,
    marked: &Marked,
    warning: Option<&'static str>,
) -> HttpResponse {
    let Marked { count, left, next } = *marked;
    let next = next.map(Position::number);
    if count > 0 {
        gateway.deps.metrics.acted(by.act);
        tracing::info!(group = by.object, act = %by.act, count, "dead letters were changed");
    }
    HttpResponse::Ok().json(Changed { count, left, next, warning })
}

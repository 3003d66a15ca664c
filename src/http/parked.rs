//! `GET /parked`, and an operator's requests to release a parked scope or to discard it.
//!
//! It reads the store's rows, and hands requests to `follow::parking`. The tenant's lane begins
//! with a request within a second, whichever replica runs it.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::allowed::Allowed;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use super::problem::Problem;
use super::problem::kind::Kind;
use super::query::{Parameter, Query};
use super::schema::{self, Schema};
use super::turn::{self, turn};
use super::{object, path};
use crate::access::permission::{Acts, DiscardParked, ListParked, ReleaseParked};
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::json::Raw;
use crate::domain::parked::{self, REASON_MEMBERS, Request};
use crate::domain::position::Position;
use crate::follow::parking::requests::{self, NotTaken};

/// All scopes of a tenant that were ever parked for any sink, in order of position.
#[derive(Serialize, ToSchema)]
#[schema(as = ParkedList)]
struct All {
    parked: Vec<Parked>,
}

/// A parked key of a topic; if `key` is null, the whole topic.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Parked {
    #[schema(format = "uuid")]
    id: String,
    sink: String,
    topic: String,
    #[schema(required)]
    key: Option<String>,
    /// The position of the first event.
    position: u64,
    /// `parked`, `releasing`, `resolved`, `superseded` or `discarded`.
    state: &'static str,
    /// The number of its events.
    events: u64,
    cause: String,
    #[schema(format = DateTime)]
    time: String,
    /// The position at which it ended.
    #[schema(required)]
    ended: Option<u64>,
    /// `release` or `discard`, if an operator has asked for it.
    #[schema(required)]
    requested: Option<&'static str>,
    #[schema(required)]
    reason: Option<String>,
}

const SINK: [Parameter; 1] =
    [Parameter::new("sink", "The sink that refuses the scope; the broker without it.", || {
        schema::words(&[Follower::RELAY, Follower::HEXKIT])
    })];

impl Described for ListParked {
    fn describe() -> Operation {
        Operation::new("The keys and topics that a sink refuses, and those that it has refused.")
            .answer::<All>(200, "All of them, in order of position.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::TenantNotEnabled])
    }
}

impl Described for ReleaseParked {
    const QUERY: &'static [Parameter] = &SINK;

    fn describe() -> Operation {
        let about = "What is parked is published, from its first event on.";
        request(Operation::new(about), &schema::object(&REASON_MEMBERS, &[], |_| schema::reason()))
    }
}

impl Described for DiscardParked {
    const QUERY: &'static [Parameter] = &SINK;

    fn describe() -> Operation {
        let about = "What is parked is given up, up to now; later events are published again.";
        let body = schema::object(&REASON_MEMBERS, &REASON_MEMBERS, |_| schema::reason());
        request(Operation::new(about), &body)
    }
}

/// Describes a request about a parked scope.
fn request(operation: Operation, body: &Schema) -> Operation {
    object::describe(operation.path("id", schema::event_id()), body)
        .answer::<Parked>(202, "The request is noted; the lane begins with it within a second.")
        .problems(&[
            Kind::BadPath,
            Kind::TenantNotEnabled,
            Kind::UnknownParked,
            Kind::NotParked,
            Kind::TopicParked,
            Kind::RelayStopped,
        ])
}

impl Parked {
    fn of(sink: &Follower, parked: parked::Parked) -> Self {
        Self {
            id: parked.event_id.to_string(),
            sink: sink.to_string(),
            topic: parked.topic.to_string(),
            key: parked.key.map(|key| key.to_string()),
            position: parked.position.number(),
            state: parked.state.as_str(),
            events: parked.events,
            cause: parked.cause,
            time: parked.time.to_string(),
            ended: parked.state.ended().map(Position::number),
            requested: parked.requested.map(Request::as_str),
            reason: parked.reason,
        }
    }
}

pub(super) async fn all(
    context: Allowed<ListParked>,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let mut all = All { parked: Vec::new() };
    let tenant = context.enabled(&gateway).await?;
    let _turn = turn(&gateway, tenant).await?;
    for sink in sinks(&gateway) {
        let parked = gateway.deps.store.parked(tenant, &sink).await?;
        all.parked.extend(parked.into_iter().map(|parked| Parked::of(&sink, parked)));
    }
    all.parked.sort_by_key(|parked| parked.position);
    Ok(HttpResponse::Ok().json(all))
}

/// Returns the followers of the sinks that may have parked something: the broker, configured or
/// not, and all others that are configured.
fn sinks(gateway: &Shared) -> Vec<Follower> {
    let relay = Follower::relay();
    let others = gateway.deps.followers.iter().filter(|sink| **sink != relay).cloned();
    std::iter::once(relay.clone()).chain(others).collect()
}

/// Returns the sink that a request is about: the broker, if it names none.
fn sink(query: &Query, gateway: &Shared) -> Result<Follower, Problem> {
    let all = sinks(gateway);
    let named = query.parsed("sink", |text| {
        all.iter().find(|sink| sink.as_str() == text).cloned().ok_or_else(|| {
            let known: Vec<_> = all.iter().map(Follower::as_str).collect();
            format!("`{text}` is no sink; known are {}", known.join(", "))
        })
    })?;
    Ok(named.unwrap_or_else(Follower::relay))
}

pub(super) async fn release(
    context: Allowed<ReleaseParked>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    ask(&context, Request::Release, &request, &gateway).await
}

pub(super) async fn discard(
    context: Allowed<DiscardParked>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    ask(&context, Request::Discard, &request, &gateway).await
}

async fn ask<P: Acts>(
    context: &Allowed<P>,
    requested: Request,
    request: &HttpRequest,
    gateway: &Shared,
) -> Result<HttpResponse, Problem> {
    let [segment] = path::segments(request, 1)?;
    let id = EventId::parse(&segment).map_err(|_| {
        Problem::bad_path(&segment, "must be the id of a parked scope: a hyphenated UUID")
    })?;
    let (sink, by) = (sink(&context.query, gateway)?, context.act());
    let reason = |raw: &Raw| parked::reason(raw, requested);
    let (deps, tenant) = (&gateway.deps, context.enabled(gateway).await?);
    let reason = object::read(request, gateway, tenant, reason).await?;
    let of = (&sink, tenant, id);
    if let Some(why) = requests::stopped(&deps.health, &sink, tenant) {
        return Err(Problem::RelayStopped { why });
    }
    let taken = requests::request(&*deps.store, of, requested, reason.as_deref(), &by).await;
    let now = taken.map_err(|refused| match refused {
        NotTaken::Store(error) => error.into(),
        NotTaken::Unknown => Problem::UnknownParked(id),
        NotTaken::TopicParked(topic) => Problem::TopicParked { topic },
        NotTaken::NotParked(state) => Problem::NotParked { id, state },
    })?;
    deps.metrics.acted(by.act);
    tracing::info!(%tenant, %sink, %id, requested = requested.as_str(), reason, "an operator requested a \
        change of a parked scope");
    Ok(HttpResponse::Accepted().json(now.map(|parked| Parked::of(&sink, parked))))
}

//! `GET /domain-events`: a tenant's log, page by page.
//!
//! Tenant admins and consumers without Kafka call it; it reads the store. A page is bounded in
//! events, bytes and rows scanned, so an empty page may still have a `next`.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::Event;
use crate::access::permission::ListEvents;
use crate::domain::envelope::Envelope;
use crate::domain::filter::{Filter, TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::http::allowed::Allowed;
use crate::http::gateway::{Gateway, Shared};
use crate::http::missing::Missing;
use crate::http::operation::{Described, Operation};
use crate::http::problem::Problem;
use crate::http::problem::kind::Kind;
use crate::http::query::{self, Parameter, Query};
use crate::http::schema;
use crate::http::turn::{self, turn};
use crate::store::Scan;

const PARAMETERS: [Parameter; 9] = [
    Parameter::new("producer", "A module's name or id, or a producer's name.", schema::some_text),
    Parameter::new("entity", "The entity of the events.", schema::some_text),
    Parameter::new("key", "The id of the events' record.", schema::key),
    Parameter::new("type", "The type of the events.", schema::event_type),
    Parameter::new("from", "The earliest time of the events.", schema::time),
    Parameter::new("to", "The time before which the events are.", schema::time),
    Parameter::new("after", "The position after which the page begins.", schema::position),
    Parameter::LIMIT,
    Parameter::new(
        "gaps",
        "With `skip`, a page that begins where events were removed is no problem.",
        || schema::words(&["skip"]),
    ),
];

impl Described for ListEvents {
    const QUERY: &'static [Parameter] = &PARAMETERS;

    fn describe() -> Operation {
        Operation::new(
            "The tenant's log, page by page, in the order of the events. A page is bounded in bytes \
             and in events that are looked at, too: an empty one may have a `next`.",
        )
        .answer::<Page>(200, "A page.")
        .problems(&turn::PROBLEMS)
        .problems(&[
            Kind::UnknownEntity,
            Kind::TenantNotEnabled,
            Kind::EventsRemoved,
        ])
    }
}

/// A page. `next` is the `after` of the next request, `null` at the head of the log. `missing`
/// tells a reader who began without `after`, or passes over gaps, that events were removed; with
/// `gaps=skip` it may go on at `next`.
#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
struct Page<'a> {
    events: Vec<Event<'a>>,
    #[schema(required)]
    next: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing: Option<Missing>,
}

#[tracing::instrument(
    name = "list_events",
    level = "debug",
    skip_all,
    fields(tenant = %context.tenant(), path = request.path())
)]
pub(in crate::http) async fn list(
    context: Allowed<ListEvents>,
    request: HttpRequest,
    gateway: Shared,
) -> Result<HttpResponse, Problem> {
    let query = &context.query;
    let tenant = context.tenant();
    let scan = scan(&gateway, tenant, query)?;
    let asked = query.parsed("after", Position::parse)?;
    let skips_gaps = query.parsed("gaps", gaps)?.is_some();
    let after = asked.unwrap_or_default();
    let _turn = turn(&gateway, tenant).await?;
    // This is read first, so that an event that is published meanwhile is shown as published late,
    // not early.
    let mut up_to = gateway.deps.published.up_to(tenant, after.next()).await?;
    let slices = gateway.deps.store.read(&[(tenant.clone(), after.into())], &scan).await?;
    let slice = slices.first().ok_or_else(|| Problem::TenantNotEnabled(tenant.clone()))?;
    // The floors are read last: they rise with the removal of events.
    let gap = gateway.deps.store.floors(tenant).await?.gap(&scan.filter, after);
    let missing = match gap {
        Some(gap) if asked.is_some() && !skips_gaps => return Err(Problem::Removed(gap)),
        gap => gap.as_ref().map(Missing::from),
    };
    if !slice.events.iter().all(Envelope::is_sent) {
        up_to = gateway.deps.published.with_expansions(tenant, up_to).await?;
    }
    let events = slice.events.iter().map(|e| Event::new(e, &up_to)).collect::<Result<_, _>>()?;
    let next = slice.more.then(|| slice.scanned.number());
    Ok(HttpResponse::Ok().json(Page { events, next, missing }))
}

fn scan(gateway: &Gateway, tenant: &TenantId, query: &Query) -> Result<Scan, Problem> {
    let limit = query.parsed("limit", query::limit)?.unwrap_or(query::LIMIT);
    let filter = Filter {
        topics: topics(gateway, tenant, query)?,
        keys: query.parsed("key", Key::parse)?.into_iter().collect(),
        types: query.parsed("type", event_type)?.into_iter().collect(),
        headers: Vec::new(),
    };
    let from = query.parsed("from", Time::parse)?;
    let to = query.parsed("to", Time::parse)?;
    Ok(Scan { from, to, ..Scan::page_of_enabled(filter, limit) })
}

/// Returns the topics of the entities that are asked for. An empty list means all topics, process
/// events included.
fn topics(
    gateway: &Gateway,
    tenant: &TenantId,
    query: &Query,
) -> Result<Vec<TopicPattern>, Problem> {
    let (producer, entity) = (query.value("producer"), query.value("entity"));
    if producer.is_none() && entity.is_none() {
        return Ok(Vec::new());
    }
    let topics =
        gateway.deps.settings.topics(tenant, producer, entity).map_err(Problem::UnknownEntity)?;
    Ok(topics.iter().map(TopicPattern::exact).collect())
}

fn gaps(text: &str) -> Result<(), &'static str> {
    if text == "skip" { Ok(()) } else { Err("must be `skip`") }
}
